//! The issuer's keys: a JSON Web Key Set (RFC 7517 §5), of which public keys for signatures are kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// Keys that are kept of a set.
const MOST: usize = 64;

/// Bytes of an RSA modulus: from 2048 bits (RFC 7518 §3.3) to the 4096 that signatures are checked with.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;

/// A key, and what it may be used for.
pub(super) struct Key {
    id: String,
    curve: Curve,
    /// The algorithm that it says it is for.
    algorithm: Option<String>,
    key: DecodingKey,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    /// RSA, for PKCS #1 v1.5 and PSS.
    None,
    P256,
    P384,
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// No key has this id.
    Unknown,
    /// The one that has it is for something else.
    Unfit,
}

/// A key as it is published. What else stands there, such as where a certificate is, nobody follows.
#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Reads a set. Keys that are of no use here are left out, as RFC 7517 §5 asks for.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Key>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(bytes)?;
    let key = |value| serde_json::from_value::<Published>(value).ok().and_then(Key::of);
    Ok(set.keys.into_iter().filter_map(key).take(MOST).collect())
}

/// The key that `id` names, for `algorithm`. An id is compared, and nothing else is done with it.
pub(super) fn find<'k>(
    keys: &'k [Key],
    id: &str,
    algorithm: Algorithm,
) -> std::result::Result<&'k DecodingKey, Missing> {
    let mut missing = Missing::Unknown;
    for key in keys.iter().filter(|key| key.id == id) {
        if key.is_for(algorithm) {
            return Ok(&key.key);
        }
        missing = Missing::Unfit;
    }
    Err(missing)
}

impl Key {
    fn of(published: Published) -> Option<Self> {
        if published.r#use.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let (curve, key) = match (published.kty.as_str(), published.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (published.n?, published.e?);
                let modulus = URL_SAFE_NO_PAD.decode(&n).ok()?;
                let length = modulus.iter().skip_while(|byte| **byte == 0).count();
                let key = DecodingKey::from_rsa_components(&n, &e).ok()?;
                (Curve::None, MODULUS.contains(&length).then_some(key)?)
            }
            ("EC", Some(curve)) => {
                let curve = match curve {
                    "P-256" => Curve::P256,
                    "P-384" => Curve::P384,
                    _ => return None,
                };
                (curve, DecodingKey::from_ec_components(&published.x?, &published.y?).ok()?)
            }
            // Not `oct` above all: it is a secret, and no issuer may publish one.
            _ => return None,
        };
        Some(Self { id: published.kid?, curve, algorithm: published.alg, key })
    }

    /// A key serves the algorithms of its type (RFC 7518 §3.1), and where it names one, that one alone.
    fn is_for(&self, algorithm: Algorithm) -> bool {
        let of_type = match algorithm {
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => self.curve == Curve::None,
            Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => self.curve == Curve::None,
            Algorithm::ES256 => self.curve == Curve::P256,
            Algorithm::ES384 => self.curve == Curve::P384,
            _ => false,
        };
        of_type && self.algorithm.as_ref().is_none_or(|own| *own == format!("{algorithm:?}"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_of_no_use_are_left_out_and_the_others_serve_their_own_algorithms() {
        let n = URL_SAFE_NO_PAD.encode([0xc1; 256]);
        let short = URL_SAFE_NO_PAD.encode([0xc1; 128]);
        let point = URL_SAFE_NO_PAD.encode([7; 32]);
        let set = json!({ "keys": [
            { "kty": "RSA", "kid": "any", "n": n, "e": "AQAB", "jku": "https://evil.example", "x5u": "file:///etc" },
            { "kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig", "n": n, "e": "AQAB" },
            { "kty": "RSA", "kid": "short", "n": short, "e": "AQAB" },
            { "kty": "RSA", "kid": "encrypts", "use": "enc", "n": n, "e": "AQAB" },
            { "kty": "RSA", "n": n, "e": "AQAB" },
            { "kty": "RSA", "kid": "not base64", "n": "!", "e": "AQAB" },
            { "kty": "EC", "kid": "curve", "crv": "P-256", "x": point, "y": point },
            { "kty": "EC", "kid": "other curve", "crv": "secp256k1", "x": point, "y": point },
            { "kty": "oct", "kid": "secret", "k": "c2VjcmV0" },
            { "kty": 7 },
            "no key",
        ]});
        let keys = read(set.to_string().as_bytes()).unwrap();
        assert_eq!(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(), ["any", "one", "curve"]);
        let found = |id, algorithm| find(&keys, id, algorithm).map(|_| ());
        assert_eq!(found("any", Algorithm::PS512), Ok(()));
        assert_eq!(found("one", Algorithm::RS256), Ok(()));
        for (id, algorithm) in [
            ("one", Algorithm::RS384),
            ("any", Algorithm::ES256),
            ("any", Algorithm::HS256),
            ("curve", Algorithm::ES384),
            ("curve", Algorithm::RS256),
        ] {
            assert_eq!(found(id, algorithm), Err(Missing::Unfit), "{id} {algorithm:?}");
        }
        assert_eq!(found("secret", Algorithm::HS256), Err(Missing::Unknown));
        assert_eq!(found("ANY", Algorithm::RS256), Err(Missing::Unknown));
        for wrong in ["", "[]", "{}", "{\"keys\":{}}"] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
