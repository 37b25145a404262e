//! The issuer's keys, kept: fetched when they are wanted, by one at a time, and not too often.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::Refusal;
use super::issuer::Issuer;
use super::jwks::{self, Key};
use super::settings::Rules;
use crate::fault::{Fault, Kind, Result};

/// How long after one fetch an unknown key causes the next: whoever makes up ids of keys makes no more requests than that.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// How long after a fetch that failed the next is tried.
const RETRY: Duration = Duration::from_secs(5);

/// Calls that run at once look at the clock one after the other, and may come here in another order.
const JITTER: Duration = Duration::from_secs(60);

/// The keys of one answer.
pub(super) struct KeySet {
    pub(super) keys: Vec<Key>,
    /// Changes whenever the keys do.
    pub(super) digest: [u8; 32],
}

/// The keys of an issuer.
pub(super) struct Keys {
    issuer: Issuer,
    fresh: Duration,
    stale: Duration,
    state: RwLock<State>,
    /// Held by the one that fetches.
    fetching: Mutex<()>,
}

#[derive(Default)]
struct State {
    set: Option<Arc<KeySet>>,
    /// When the set came.
    fetched: Option<SystemTime>,
    /// When somebody last asked for one.
    asked: Option<SystemTime>,
}

/// Why keys are fetched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Old,
    UnknownKey,
}

/// What there is at some moment.
struct View {
    /// Keys that may still be used.
    set: Option<Arc<KeySet>>,
    is_fresh: bool,
    since_asked: Duration,
}

impl View {
    fn is_worth_asking(&self, why: Why) -> bool {
        match why {
            Why::Old => !self.is_fresh && self.since_asked >= RETRY,
            Why::UnknownKey => self.since_asked >= COOL_DOWN,
        }
    }
}

impl Keys {
    pub(super) fn new(rules: &Rules) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            issuer: Issuer::new(rules)?,
            fresh: rules.fresh,
            stale: rules.stale,
            state: RwLock::default(),
            fetching: Mutex::default(),
        }))
    }

    /// The keys as they are now. While somebody fetches newer ones, or none can be had, old ones serve for a while.
    pub(super) async fn current(self: &Arc<Self>, now: SystemTime) -> Result<Arc<KeySet>, Refusal> {
        let view = self.look(now);
        if let Some(set) = view.set
            && (view.is_fresh || self.fetching.try_lock().is_err())
        {
            return Ok(set);
        }
        self.ask(now, Why::Old).await
    }

    /// The keys, asked for once more where the last time is a while ago: a token names one that is not among them.
    pub(super) async fn renewed(self: &Arc<Self>, now: SystemTime) -> Result<Arc<KeySet>, Refusal> {
        self.ask(now, Why::UnknownKey).await
    }

    /// Whether there are keys that may be used, whatever their age.
    pub(super) fn are_there(&self, now: SystemTime) -> bool {
        self.look(now).set.is_some()
    }

    async fn ask(self: &Arc<Self>, now: SystemTime, why: Why) -> Result<Arc<KeySet>, Refusal> {
        // Who finds nobody fetching finds what the last one has left.
        if self.fetching.try_lock().is_err() || self.look(now).is_worth_asking(why) {
            let keys = Arc::clone(self);
            // By itself, so that it ends even where the client that caused it goes away.
            let fetch = tokio::spawn(async move {
                let _alone = keys.fetching.lock().await;
                if keys.look(now).is_worth_asking(why) {
                    keys.fetch(now).await;
                }
            });
            // A task that was cancelled leaves things as they are.
            let _ = fetch.await;
        }
        self.look(now).set.ok_or_else(Refusal::unavailable)
    }

    async fn fetch(&self, now: SystemTime) {
        self.change(|state| state.asked = Some(now));
        match self.fetched().await {
            Ok(set) => self.change(|state| {
                state.fetched = Some(now);
                if state.set.as_ref().is_none_or(|old| old.digest != set.digest) {
                    tracing::info!(keys = set.keys.len(), "the issuer of tokens has published keys");
                    state.set = Some(Arc::new(set));
                }
            }),
            Err(fault) => tracing::warn!(%fault, "the keys of the issuer of tokens cannot be fetched"),
        }
    }

    async fn fetched(&self) -> Result<KeySet> {
        let bytes = self.issuer.keys().await?;
        let fault = |what| Fault::new(Kind::SignIn, what).at("the keys of the issuer of tokens");
        let keys = jwks::read(&bytes).map_err(|error| fault("this is not a set of keys").because(error))?;
        if keys.is_empty() {
            return Err(fault("none of these keys can check a signature")
                .expected("keys of type RSA from 2048 bits, or EC on P-256 or P-384, each with a kid"));
        }
        Ok(KeySet { keys, digest: Sha256::digest(&bytes).into() })
    }

    fn look(&self, now: SystemTime) -> View {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let age = since(state.fetched, now);
        View {
            set: state.set.clone().filter(|_| age < self.fresh.saturating_add(self.stale)),
            is_fresh: age < self.fresh,
            since_asked: since(state.asked, now),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How long ago something was: forever, where it never was, or where the clock has since been put back.
fn since(then: Option<SystemTime>, now: SystemTime) -> Duration {
    then.map_or(Duration::MAX, |then| match now.duration_since(then) {
        Ok(age) => age,
        Err(early) if early.duration() < JITTER => Duration::ZERO,
        Err(_) => Duration::MAX,
    })
}
