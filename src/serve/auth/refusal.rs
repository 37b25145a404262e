//! Why a call is refused before anything is done for it.

use std::collections::BTreeSet;
use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::principal::Principal;

/// Bytes that a token may have. Those of Cognito have one or two thousand.
pub(super) const LONGEST: usize = 16 * 1024;

/// Why a call is refused. Nothing in it comes from a token, but for [`Refusal::known`] and the scopes of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A word that stays the same, for the audit log; docs/serve-auth.md has them all.
    pub reason: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The code of RFC 6750 §3.1; none where there was no token to speak of.
    pub error: Option<&'static str>,
    /// What a person reads; of the characters that RFC 6750 §3 allows.
    pub description: &'static str,
    /// The scopes that the call needs, all of them, where it is known what was called.
    pub scopes: BTreeSet<String>,
    /// Whose token it was, where the signature held.
    pub known: Option<Box<Known>>,
}

/// Whose token it was, as the issuer says; for the audit log alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// `sub`
    pub subject: String,
    /// `client_id`, or `azp`
    pub client_id: String,
    /// `jti`
    pub token_id: String,
}

impl Refusal {
    /// No token, or none where one is looked for.
    #[must_use]
    pub fn no_token() -> Self {
        Self {
            error: None,
            ..Self::token("no-token", "A bearer token is needed in the Authorization header")
        }
    }

    /// A token in the query string, where logs and histories keep it (RFC 6750 §2.3 discourages it, MCP forbids it).
    #[must_use]
    pub fn token_in_query() -> Self {
        Self::request("token-in-query", "A token belongs in the Authorization header, never in the address")
    }

    /// The request says two things about its token.
    fn request(reason: &'static str, description: &'static str) -> Self {
        Self { status: 400, error: Some("invalid_request"), ..Self::token(reason, description) }
    }

    /// A token that does not hold.
    pub(super) const fn token(reason: &'static str, description: &'static str) -> Self {
        Self {
            reason,
            status: 401,
            error: Some("invalid_token"),
            description,
            scopes: BTreeSet::new(),
            known: None,
        }
    }

    /// Nothing is known of any token for now: the fault is not the client's, who may try again.
    pub(super) fn unavailable() -> Self {
        Self {
            status: 503,
            error: None,
            ..Self::token(
                "issuer-unavailable",
                "The keys of the token issuer cannot be had for now; try again",
            )
        }
    }

    /// A token that may not be used for this.
    pub(super) fn scope(needed: BTreeSet<String>, principal: &Principal) -> Self {
        Self {
            status: 403,
            error: Some("insufficient_scope"),
            scopes: needed,
            known: Some(Box::new(Known {
                subject: principal.subject().to_owned(),
                client_id: principal.client_id().to_owned(),
                token_id: principal.token_id().to_owned(),
            })),
            ..Self::token("scope-missing", "The token lacks scopes that this operation needs")
        }
    }

    /// The same, of a token whose signature held.
    pub(super) fn of(self, known: Known) -> Self {
        Self { known: Some(Box::new(known)), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.description)
    }
}

impl std::error::Error for Refusal {}

/// The token of a request (RFC 6750 §2.1), in the one place where one is looked for.
///
/// # Errors
/// [`Refusal`] where there is none, or more than one, or something that cannot be one.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or_else(Refusal::no_token)?;
    if values.next().is_some() {
        return Err(Refusal::request("malformed", "The request has more than one Authorization header"));
    }
    let malformed = || Refusal::token("malformed", "The Authorization header holds no bearer token");
    let (scheme, token) = value.to_str().map_err(|_| malformed())?.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Refusal::no_token());
    }
    let token = token.trim_matches(' ');
    let is_of_a_token = |c: u8| c.is_ascii_alphanumeric() || b"-._~+/=".contains(&c);
    if token.is_empty() || !token.bytes().all(is_of_a_token) {
        return Err(malformed());
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_token_is_looked_for_in_one_place() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            bearer(&headers)
                .map(str::to_owned)
                .map_err(|refusal| (refusal.reason, refusal.status, refusal.error))
        };
        assert_eq!(read(&["Bearer a.b-_c"]), Ok("a.b-_c".to_owned()));
        assert_eq!(read(&["bearer  a"]), Ok("a".to_owned()));
        assert_eq!(read(&[]), Err(("no-token", 401, None)));
        assert_eq!(read(&["Basic dTpw"]), Err(("no-token", 401, None)));
        assert_eq!(read(&["Bearer a", "Bearer b"]), Err(("malformed", 400, Some("invalid_request"))));
        for wrong in ["Bearer", "Bearer ", "Bearer a b", "Bearer \"a\"", "Bearer a,b"] {
            assert_eq!(read(&[wrong]), Err(("malformed", 401, Some("invalid_token"))), "{wrong}");
        }
    }
}
