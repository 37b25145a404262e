//! The issuer's keys (RFC 7517): fetched once and kept, fetched again for a key that nobody knows yet, and not more often than
//! an issuer can bear. While it is down, the keys that are known go on to be good for a while.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Refusal;
use super::settings::{AuthSettings, is_loopback};
use crate::fault::{Fault, Kind, Result};
use crate::serve::outside;

/// How long keys are kept, and how long they are still good where no new ones are to be had.
const FRESH: Duration = Duration::from_secs(600);
const STALE: Duration = Duration::from_secs(6 * 3600);

/// How long the issuer is left alone after it was asked for nothing new, or did not answer.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// How long an answer may take, and how large it may be.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: usize = 512 * 1024;

/// A key, and the signature that it says it is for, if it does.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Option<String>,
}

/// The keys of one issuer.
pub(super) struct Keys {
    client: Client,
    issuer: String,
    /// Where they are, where the configuration says it.
    at: Option<Url>,
    known: RwLock<Known>,
    /// Held by whoever asks the issuer: nobody else does in the meantime.
    asking: tokio::sync::Mutex<Option<Instant>>,
    times: Times,
}

/// What is known.
#[derive(Default)]
struct Known {
    keys: HashMap<String, Key>,
    since: Option<Instant>,
    /// Counts how often they were read, so that nothing outlives the key that it was checked with.
    generation: u64,
}

/// How long is long; tests cannot wait for hours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) fresh: Duration,
    pub(super) stale: Duration,
    pub(super) cool_down: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { fresh: FRESH, stale: STALE, cool_down: COOL_DOWN }
    }
}

impl Keys {
    /// The keys of the issuer of `settings`; nothing is asked yet.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where its certificates cannot be trusted as configured.
    pub(super) fn new(
        settings: &AuthSettings,
        ca_file: Option<&std::path::Path>,
        times: Times,
    ) -> Result<Self> {
        let unusable = |error: reqwest::Error| {
            Fault::new(Kind::Configuration, "the issuer cannot be asked").at("[serve.auth]").because(error)
        };
        let client = Client::builder()
            .user_agent(concat!("tieout/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_backend_preconfigured(outside::tls(ca_file)?)
            .timeout(PATIENCE)
            .build()
            .map_err(unusable)?;
        let at = settings.jwks.as_deref().and_then(|at| Url::parse(at).ok());
        let (known, asking) = (RwLock::default(), tokio::sync::Mutex::default());
        Ok(Self { client, issuer: settings.issuer(), at, known, asking, times })
    }

    /// The key called `kid`, which is looked up and never part of an address, with the generation of the keys.
    pub(super) async fn key(self: &Arc<Self>, kid: &str) -> Result<(Key, u64), Refusal> {
        let (found, age) = self.look_up(kid);
        match (found, age) {
            (Some(found), Some(age)) if age < self.times.fresh => Ok(found),
            (Some(found), Some(age)) if age < self.times.stale => {
                // Good enough for this call; the next ones have new ones, if there are any.
                let keys = Arc::clone(self);
                tokio::spawn(async move { keys.refresh().await });
                Ok(found)
            }
            _ => {
                let is_fresh = self.refresh().await;
                match self.look_up(kid) {
                    (Some(found), Some(age)) if age < self.times.stale => Ok(found),
                    (_, Some(age)) if is_fresh || age < self.times.stale => Err(Refusal::invalid(
                        "unknown-key",
                        "the token is signed with a key that the issuer does not have",
                    )),
                    _ => Err(Refusal::unavailable()),
                }
            }
        }
    }

    /// How many times the keys were read.
    pub(super) fn generation(&self) -> u64 {
        self.known.read().unwrap_or_else(PoisonError::into_inner).generation
    }

    /// Whether there are keys to check tokens with.
    pub(super) async fn are_there(self: &Arc<Self>) -> bool {
        let age = self.look_up("").1;
        age.is_some_and(|age| age < self.times.stale) || self.refresh().await
    }

    fn look_up(&self, kid: &str) -> (Option<(Key, u64)>, Option<Duration>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let key = known.keys.get(kid).map(|key| (key.clone(), known.generation));
        (key, known.since.map(|since| since.elapsed()))
    }

    /// Asks the issuer, unless somebody is just doing so or has done so a moment ago. Whether the keys are new.
    async fn refresh(&self) -> bool {
        let before = Instant::now();
        let mut last = self.asking.lock().await;
        // Whoever waited for another has what that one got.
        let is_new = self
            .known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .since
            .is_some_and(|since| since >= before);
        if is_new || last.is_some_and(|last| last.elapsed() < self.times.cool_down) {
            return is_new;
        }
        *last = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                known.generation += 1;
                known.keys = keys;
                known.since = Some(Instant::now());
                tracing::info!(keys = known.keys.len(), "the issuer's keys were read");
                true
            }
            Err(error) => {
                tracing::warn!(
                    issuer = self.issuer,
                    error = format!("{error:#}"),
                    "the issuer's keys cannot be read"
                );
                false
            }
        }
    }

    async fn fetch(&self) -> anyhow::Result<HashMap<String, Key>> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let at = match &self.at {
            Some(at) => at.clone(),
            None => {
                let metadata =
                    format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
                let metadata: Metadata = self.document(Url::parse(&metadata)?).await?;
                anyhow::ensure!(metadata.issuer == self.issuer, "the metadata is that of another issuer");
                let at = Url::parse(&metadata.jwks_uri)?;
                anyhow::ensure!(
                    at.scheme() == "https" || is_loopback(&at),
                    "the keys would come over plain HTTP"
                );
                at
            }
        };
        let set: JwkSet = self.document(at).await?;
        Ok(set.keys.iter().filter_map(usable).collect())
    }

    async fn document<T: DeserializeOwned>(&self, at: Url) -> anyhow::Result<T> {
        let mut response =
            self.client.get(at).header("Accept", "application/json").send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            anyhow::ensure!(body.len() + chunk.len() <= LARGEST, "the answer is larger than {LARGEST} bytes");
            body.extend_from_slice(&chunk);
        }
        Ok(serde_json::from_slice(&body)?)
    }
}

/// A key that signatures can be checked with, by its id. One without an id cannot be told from others and is left out.
fn usable(jwk: &Jwk) -> Option<(String, Key)> {
    let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let kid = jwk.common.key_id.clone().filter(|_| is_for_signatures)?;
    let algorithm = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string());
    // A shared secret in a public set is a mistake of somebody's; it must not become a key.
    let is_public = !matches!(jwk.algorithm, jsonwebtoken::jwk::AlgorithmParameters::OctetKey(_));
    let key = DecodingKey::from_jwk(jwk).ok().filter(|_| is_public)?;
    Some((kid, Key { key, algorithm }))
}
