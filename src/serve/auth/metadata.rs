//! What the server says of itself to clients: OAuth 2.0 Protected Resource Metadata (RFC 9728).

use std::collections::BTreeSet;

use serde_json::json;

use super::settings::address;
use crate::fault::Result;

/// Where it stands below the host (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The document, and where it stands.
#[derive(Clone, Debug)]
pub struct Metadata {
    path: String,
    address: String,
    body: String,
}

impl Metadata {
    /// The document of the server that clients call at `url`, whose tokens come from `issuer`.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Configuration`] where `url` cannot be a resource's identifier (RFC 9728 §1.2).
    pub fn new(url: &str, issuer: &str, scopes: &BTreeSet<String>) -> Result<Self> {
        let parsed = address("[serve] url", url)?;
        // RFC 9728 §3.1: between the host and the path of the identifier.
        let path = format!("{WELL_KNOWN}{}", parsed.path().trim_end_matches('/'));
        let address = format!("{}{path}", parsed.origin().ascii_serialization());
        let body = json!({
            // As it is written: clients hold it against what they call, letter by letter (RFC 9728 §3.3).
            "resource": url,
            "authorization_servers": [issuer],
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
            "resource_name": "tieout",
        });
        Ok(Self { path, address, body: body.to_string() })
    }

    /// The path to serve it at.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its address, as challenges name it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The document (`application/json`).
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_document_stands_between_host_and_path() {
        for (url, path, address) in [
            (
                "https://recon.example.com/mcp",
                "/.well-known/oauth-protected-resource/mcp",
                "https://recon.example.com/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://recon.example.com:8443/a/mcp",
                "/.well-known/oauth-protected-resource/a/mcp",
                "https://recon.example.com:8443/.well-known/oauth-protected-resource/a/mcp",
            ),
            (
                "https://recon.example.com",
                "/.well-known/oauth-protected-resource",
                "https://recon.example.com/.well-known/oauth-protected-resource",
            ),
        ] {
            let scopes = ["tieout/read".to_owned()].into();
            let metadata = Metadata::new(url, "https://id.example/pool", &scopes).unwrap();
            assert_eq!((metadata.path(), metadata.address()), (path, address));
            let expected = json!({
                "resource": url,
                "authorization_servers": ["https://id.example/pool"],
                "scopes_supported": ["tieout/read"],
                "bearer_methods_supported": ["header"],
                "resource_name": "tieout",
            });
            assert_eq!(metadata.body(), expected.to_string());
        }
        assert!(
            Metadata::new("https://recon.example.com/mcp#x", "https://id.example", &BTreeSet::new()).is_err()
        );
    }
}
