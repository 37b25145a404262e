//! TLS from files: the certificate and its key, reloaded when they change.

use std::path::PathBuf;

use serde::Deserialize;

/// `[serve.tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate with its intermediates (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM, not encrypted).
    pub key: PathBuf,
}
