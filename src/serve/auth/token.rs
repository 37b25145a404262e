//! From the text of a token to who calls. The one way there is.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use sha2::{Digest as _, Sha256};

use super::cache::Cache;
use super::claims::Claims;
use super::jwks::{self, Missing};
use super::keys::Keys;
use super::principal::Principal;
use super::refusal::{LONGEST, Refusal};
use super::settings::{AuthSettings, Rules};
use crate::fault::Result;

/// Checks tokens against the keys of their issuer.
pub struct Verifier {
    rules: Rules,
    keys: Arc<Keys>,
    cache: Cache,
}

/// The header of a token (RFC 7515 §4.1). What says where a key is (`jku`, `jwk`, `x5u`, `x5c`) is not read: whoever
/// forges a token would say so, too.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<IgnoredAny>,
}

/// A token, taken apart; nothing in it is true yet.
struct Parted<'t> {
    key: String,
    algorithm: Algorithm,
    /// What is signed: header and claims as they came.
    message: &'t str,
    claims: &'t str,
    signature: &'t str,
}

impl Verifier {
    /// Checks tokens by `settings` for the server that is called at `url`.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Configuration`] with the key, its value and what was expected.
    pub fn new(settings: &AuthSettings, url: &str) -> Result<Self> {
        let rules = settings.rules(url)?;
        let keys = Keys::new(&rules)?;
        Ok(Self { rules, keys, cache: Cache::default() })
    }

    /// What tokens are held against.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Fetches the issuer's keys, so that the first call need not wait for them.
    ///
    /// # Errors
    /// [`Refusal`] where they cannot be had; the next call tries again.
    pub async fn warm(&self, now: SystemTime) -> Result<(), Refusal> {
        self.keys.current(now).await.map(|_| ())
    }

    /// Whether there are keys to check tokens by.
    #[must_use]
    pub fn is_ready(&self, now: SystemTime) -> bool {
        self.keys.are_there(now)
    }

    /// Who calls with the token `bearer`, seen from `now`.
    ///
    /// # Errors
    /// [`Refusal`] with the first thing that does not hold.
    pub async fn verify(&self, bearer: &str, now: SystemTime) -> Result<Principal, Refusal> {
        let token = self.part(bearer)?;
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let second = i64::try_from(second).unwrap_or(i64::MAX);
        let mut keys = self.keys.current(now).await?;
        let digest = Sha256::digest(bearer).into();
        if let Some(principal) = self.cache.get(&digest, &keys.digest, second) {
            return Ok(principal);
        }
        if let Err(Missing::Unknown) = jwks::find(&keys.keys, &token.key, token.algorithm) {
            keys = self.keys.renewed(now).await?;
        }
        let key = jwks::find(&keys.keys, &token.key, token.algorithm).map_err(|missing| match missing {
            Missing::Unknown => {
                Refusal::token("unknown-key", "The token is signed with a key that is not the issuer's")
            }
            Missing::Unfit => {
                Refusal::token("algorithm", "The token is signed in a way that its key is not for")
            }
        })?;
        match jsonwebtoken::crypto::verify(token.signature, token.message.as_bytes(), key, token.algorithm) {
            Ok(true) => {}
            Err(error) if matches!(error.kind(), ErrorKind::Base64(_)) => return Err(malformed()),
            _ => return Err(Refusal::token("signature", "The signature of the token does not hold")),
        }
        let claims: Claims = json(token.claims)?;
        let (parts, until) = claims.check(&self.rules, second)?;
        let principal = Principal::new(parts);
        self.cache.put(digest, &keys.digest, &principal, until, second);
        Ok(principal)
    }

    /// Takes a token apart, as far as that says how to check it.
    fn part<'t>(&self, bearer: &'t str) -> Result<Parted<'t>, Refusal> {
        if bearer.len() > LONGEST {
            return Err(Refusal::token("oversize", "The token is too long"));
        }
        let (message, signature) = bearer.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = message.split_once('.').ok_or_else(malformed)?;
        if claims.contains('.') {
            return Err(malformed());
        }
        let header: Header = json(header)?;
        // RFC 7515 §4.1.11: what must be understood and is not.
        if header.crit.is_some() {
            return Err(malformed());
        }
        // RFC 8725 §3.11: what says that it is something else is not an access token, wherever it was signed.
        let is_access = |typ: &str| {
            let typ = typ.to_ascii_lowercase();
            matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
        };
        if !header.typ.as_deref().is_none_or(is_access) {
            return Err(Refusal::token("wrong-type", "This is a token for another purpose"));
        }
        let is_named = |algorithm: &&Algorithm| header.alg == format!("{algorithm:?}");
        let algorithm = self.rules.algorithms.iter().find(is_named).copied().ok_or_else(|| {
            Refusal::token("algorithm", "The token is signed in a way that is not accepted here")
        })?;
        let key = header.kid.ok_or_else(|| {
            Refusal::token("unknown-key", "The token does not say which key it is signed with")
        })?;
        Ok(Parted { key, algorithm, message, claims, signature })
    }
}

const fn malformed() -> Refusal {
    Refusal::token("malformed", "This is not a JSON Web Token")
}

/// A part of a token (RFC 7515 §2: base64url without padding), as JSON.
fn json<T: DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed())?;
    serde_json::from_slice(&bytes).map_err(|_| malformed())
}
