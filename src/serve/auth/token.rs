//! A token becomes a principal (RFC 7519 §7.2, RFC 9068 §4, RFC 8725): nothing of it is believed before its signature has been
//! checked, and what must be there is missed where it is not.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::jwks::{Keys, Times};
use super::settings::{AuthSettings, Signature};
use super::{Principal, Refusal};
use crate::fault::Result;

/// Bytes that a token may have; what issuers give out is far below.
const LARGEST: usize = 16 * 1024;

/// Seconds that two clocks may differ.
const LEEWAY: u64 = 30;

/// Tokens that are remembered as good, and for how long: a check of a signature takes longer than all else together.
const REMEMBERED: usize = 4096;
const MEMORY: u64 = 60;

/// Checks tokens for one server.
pub struct Verifier {
    keys: Arc<Keys>,
    issuer: String,
    audience: String,
    algorithms: Vec<Signature>,
    clients: BTreeSet<String>,
    machine_clients: BTreeSet<String>,
    needs_token_use: bool,
    groups_claim: String,
    remembered: Mutex<HashMap<[u8; 32], Remembered>>,
}

#[derive(Clone)]
struct Remembered {
    principal: Arc<Principal>,
    until: u64,
    not_before: u64,
    generation: u64,
}

/// The head of a token (RFC 7515 §4.1), as far as it matters.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// Something that whoever does not understand it must refuse; nothing of the kind is understood here.
    crit: Option<Value>,
}

impl Verifier {
    /// For the tokens of the issuer of `settings`, for the server at `url`; relative paths start in `base`.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Configuration`] naming the key.
    pub fn new(settings: &AuthSettings, url: &Url, base: &Path) -> Result<Self> {
        settings.check()?;
        let ca_file = settings.ca_file.as_ref().map(|file| base.join(file));
        Ok(Self {
            keys: Arc::new(Keys::new(settings, ca_file.as_deref(), Times::default())?),
            issuer: settings.issuer(),
            audience: settings.audience.clone().unwrap_or_else(|| url.to_string()),
            algorithms: settings.algorithms(),
            clients: settings.clients().iter().cloned().collect(),
            machine_clients: settings.machine_clients.iter().cloned().collect(),
            needs_token_use: settings.needs_token_use(),
            groups_claim: settings.groups_claim().to_owned(),
            remembered: Mutex::default(),
        })
    }

    /// Whether there are keys to check tokens with.
    pub async fn is_ready(&self) -> bool {
        self.keys.are_there().await
    }

    /// Whom a token names, if it is good at `now`.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Principal>, Refusal> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        if token.len() > LARGEST {
            return Err(Refusal::malformed());
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(principal) = self.recall(&digest, now) {
            return Ok(principal);
        }
        let (head, key) = self.head(token).await?;
        let (key, generation) = key;
        let mut validation = Validation::new(head);
        // All claims are looked at below, each with a word of its own for what is wrong with it.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims: HashMap<String, Value> = jsonwebtoken::decode(token, &key, &validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => {
                    Refusal::invalid("signature", "the signature does not fit the token")
                }
                jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => wrong_algorithm(),
                _ => Refusal::malformed(),
            })?
            .claims;
        let (principal, until, not_before) = self.principal(&claims, now)?;
        let principal = Arc::new(principal);
        self.remember(
            digest,
            Remembered { principal: Arc::clone(&principal), until, not_before, generation },
            now,
        );
        Ok(principal)
    }

    /// The signature that a token says it has, and the key that it says it is made with.
    async fn head(&self, token: &str) -> Result<(Algorithm, (jsonwebtoken::DecodingKey, u64)), Refusal> {
        let mut parts = token.split('.');
        let (Some(head), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::malformed());
        };
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| Refusal::malformed())?;
        let head: Head = serde_json::from_slice(&head).map_err(|_| Refusal::malformed())?;
        // Decided by our list, never by what the token would like (RFC 8725 §3.1).
        let signature = Signature::named(&head.alg).filter(|signature| self.algorithms.contains(signature));
        let signature = signature.ok_or_else(wrong_algorithm)?;
        if head.crit.is_some() {
            return Err(Refusal::malformed());
        }
        let unknown = Refusal::invalid("unknown-key", "the token does not say which key it is signed with");
        let (key, generation) = self.keys.key(&head.kid.ok_or(unknown)?).await?;
        if key.algorithm.is_some_and(|algorithm| algorithm != head.alg) {
            return Err(wrong_algorithm());
        }
        Ok((algorithm(signature), (key.key, generation)))
    }

    /// Whom the claims of a token name whose signature fits, until when, and from when.
    fn principal(&self, claims: &HashMap<String, Value>, now: u64) -> Result<(Principal, u64, u64), Refusal> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(&self.issuer) {
            return Err(Refusal::invalid("wrong-issuer", "the token is of another issuer"));
        }
        let expires =
            moment(claims, "exp")?.ok_or_else(|| Refusal::invalid("expired", "the token never expires"))?;
        if expires.saturating_add(LEEWAY) <= now {
            return Err(Refusal::invalid("expired", "the token has expired"));
        }
        let begins = moment(claims, "nbf")?.max(moment(claims, "iat")?).unwrap_or_default();
        if begins > now.saturating_add(LEEWAY) {
            return Err(Refusal::invalid("not-yet-valid", "the token is not valid yet"));
        }
        let uses = text("token_use");
        if uses.is_some_and(|uses| uses != "access") || uses.is_none() && self.needs_token_use {
            return Err(Refusal::invalid("id-token", "this is no access token"));
        }
        let client = text("client_id").or_else(|| text("azp")).unwrap_or_default();
        if !self.clients.contains(client) {
            return Err(Refusal::invalid(
                "client-not-listed",
                "the token is of a client that is not on the list",
            ));
        }
        let is_ours = |audience: &Value| audience.as_str() == Some(&self.audience);
        match claims.get("aud") {
            // Only who acts for itself cannot ask for a resource.
            None if self.machine_clients.contains(client) => {}
            None => {
                return Err(Refusal::invalid("missing-audience", "the token is for no server in particular"));
            }
            Some(Value::Array(all)) if all.iter().any(is_ours) => {}
            Some(one) if is_ours(one) => {}
            Some(_) => return Err(Refusal::invalid("wrong-audience", "the token is for another server")),
        }
        let subject = text("sub").unwrap_or(client);
        let principal = Principal::verified(
            subject.to_owned(),
            client.to_owned(),
            text("jti").unwrap_or_default().to_owned(),
            words(claims.get("scope").or_else(|| claims.get("scp"))),
            words(claims.get(&self.groups_claim)),
        );
        Ok((principal, expires.saturating_add(LEEWAY), begins.saturating_sub(LEEWAY)))
    }

    fn recall(&self, digest: &[u8; 32], now: u64) -> Option<Arc<Principal>> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let found = remembered.get(digest)?;
        let is_good =
            now < found.until && now >= found.not_before && found.generation == self.keys.generation();
        is_good.then(|| Arc::clone(&found.principal))
    }

    fn remember(&self, digest: [u8; 32], mut what: Remembered, now: u64) {
        // Not for long: whoever was remembered when the issuer dropped a key is checked again soon.
        what.until = what.until.min(now + MEMORY);
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, known| known.until > now);
            if remembered.len() >= REMEMBERED {
                remembered.clear();
            }
        }
        remembered.insert(digest, what);
    }
}

const fn wrong_algorithm() -> Refusal {
    Refusal::invalid("algorithm", "the token is signed in a way that is not accepted")
}

const fn algorithm(signature: Signature) -> Algorithm {
    match signature {
        Signature::RS256 => Algorithm::RS256,
        Signature::RS384 => Algorithm::RS384,
        Signature::RS512 => Algorithm::RS512,
        Signature::PS256 => Algorithm::PS256,
        Signature::PS384 => Algorithm::PS384,
        Signature::PS512 => Algorithm::PS512,
        Signature::ES256 => Algorithm::ES256,
        Signature::ES384 => Algorithm::ES384,
    }
}

/// A moment (RFC 7519 §2, `NumericDate`), in whole seconds; nothing where the claim is not there.
fn moment(claims: &HashMap<String, Value>, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    // Fractions are allowed, and cut off; what is negative or no number is a mistake of the issuer's, and no token.
    let whole = value
        .as_u64()
        .or_else(|| value.to_string().split_once('.').and_then(|(whole, _)| whole.parse().ok()));
    whole.map(Some).ok_or_else(Refusal::malformed)
}

/// Words in one text (RFC 6749 §3.3), or in a list.
fn words(claim: Option<&Value>) -> BTreeSet<String> {
    match claim {
        Some(Value::String(text)) => {
            text.split(' ').filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
        }
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}
