//! How a client learns what it needs: the challenge (RFC 6750 §3, RFC 9728 §5.1), and the metadata that it points to.

use reqwest::Url;
use serde_json::{Value, json};

use super::Refusal;

/// Writes challenges for one resource.
#[derive(Clone, Debug)]
pub struct Challenge {
    metadata: String,
}

impl Challenge {
    /// For the resource at `url`.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        let mut metadata = url.clone();
        metadata.set_path(&metadata_path(url));
        Self { metadata: metadata.to_string() }
    }

    /// For a request without a token, or with one that is not good: which scopes it takes to do anything.
    #[must_use]
    pub fn unauthorized(&self, refusal: &Refusal, scopes: &str) -> String {
        let mut challenge = format!("Bearer resource_metadata=\"{}\"", self.metadata);
        if let Some(error) = refusal.error {
            challenge += &format!(", error=\"{error}\", error_description=\"{}\"", refusal.description);
        }
        if !scopes.is_empty() {
            challenge += &format!(", scope=\"{scopes}\"");
        }
        challenge
    }

    /// For a token that lacks a scope: all scopes that the operation needs, so that the client can ask for them at once.
    #[must_use]
    pub fn insufficient_scope(&self, needed: &str) -> String {
        format!(
            "Bearer error=\"insufficient_scope\", scope=\"{needed}\", resource_metadata=\"{}\", error_description=\"this call needs more scopes\"",
            self.metadata
        )
    }
}

/// Where the metadata of the resource at `url` is (RFC 9728 §3.1).
pub(in crate::serve) fn metadata_path(url: &Url) -> String {
    format!("/.well-known/oauth-protected-resource{}", url.path().trim_end_matches('/'))
}

/// What the resource says of itself (RFC 9728 §2).
#[must_use]
pub fn metadata(url: &Url, issuer: &str, scopes: &[String]) -> Value {
    json!({
        "resource": url.as_str(),
        "authorization_servers": [issuer],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "resource_name": "tieout",
    })
}
