//! What a refused client is told: `WWW-Authenticate` (RFC 6750 §3), with where to learn how to come by a token (RFC 9728 §5.1).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Metadata, Refusal};

/// Makes the challenges of one server.
#[derive(Clone, Debug)]
pub struct Challenge {
    metadata: String,
    scopes: BTreeSet<String>,
}

impl Challenge {
    /// Challenges that lead to `metadata`, and ask for `least` where it is not known what was called: the scopes to begin with.
    #[must_use]
    pub fn new(metadata: &Metadata, least: &BTreeSet<String>) -> Self {
        Self { metadata: metadata.address().to_owned(), scopes: least.clone() }
    }

    /// The value of `WWW-Authenticate`; none for a refusal that no other token would change.
    ///
    /// Parts of it: `error` only where there was a token (RFC 6750 §3.1), and all scopes that the call needs, not the
    /// missing ones alone: the next token replaces this one.
    #[must_use]
    pub fn value(&self, refusal: &Refusal) -> Option<String> {
        if !matches!(refusal.status, 400 | 401 | 403) {
            return None;
        }
        let mut value = String::from("Bearer ");
        if let Some(error) = refusal.error {
            // Both are our own words, without quotes or backslashes in them.
            let _ = write!(value, "error=\"{error}\", error_description=\"{}\", ", refusal.description);
        }
        let scopes = if refusal.scopes.is_empty() { &self.scopes } else { &refusal.scopes };
        if !scopes.is_empty() && refusal.status != 400 {
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            let _ = write!(value, "scope=\"{}\", ", scopes.join(" "));
        }
        let _ = write!(value, "resource_metadata=\"{}\"", self.metadata);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::serve::auth::Principal;

    fn set(scopes: &[&str]) -> BTreeSet<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn a_challenge_says_what_is_needed_and_where_to_get_it() {
        let metadata =
            Metadata::new("https://recon.example.com/mcp", "https://id.example", &set(&["t/read"])).unwrap();
        let challenge = Challenge::new(&metadata, &set(&["t/read"]));
        let to = "resource_metadata=\"https://recon.example.com/.well-known/oauth-protected-resource/mcp\"";
        let value = |refusal: &Refusal| challenge.value(refusal);
        assert_eq!(value(&Refusal::no_token()).unwrap(), format!("Bearer scope=\"t/read\", {to}"));
        assert_eq!(
            value(&Refusal::token("expired", "The token has expired")).unwrap(),
            format!(
                "Bearer error=\"invalid_token\", error_description=\"The token has expired\", scope=\"t/read\", {to}"
            )
        );
        assert_eq!(
            value(&Refusal::scope(set(&["t/run", "t/read"]), &Principal::local())).unwrap(),
            format!(
                "Bearer error=\"insufficient_scope\", error_description=\"The token lacks scopes that this operation needs\", scope=\"t/read t/run\", {to}"
            )
        );
        assert!(value(&Refusal::token_in_query()).unwrap().starts_with("Bearer error=\"invalid_request\", "));
        assert_eq!(value(&Refusal::unavailable()), None);
    }
}
