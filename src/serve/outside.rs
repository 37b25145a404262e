//! TLS towards others: the issuer, and the server itself where the doctor asks it.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::fault::{Fault, Kind, Result};

/// Trusts the machine's roots, or those of `ca_file` alone; nobody's where nobody shows a certificate (`is_encrypted`), since
/// the machine's take a while to load.
///
/// # Errors
/// [`Kind::Configuration`] where they cannot be used.
pub(super) fn tls(ca_file: Option<&Path>, is_encrypted: bool) -> Result<ClientConfig> {
    let unusable = |error: anyhow::Error| {
        let place =
            ca_file.map_or_else(|| "this machine's roots".to_owned(), |file| file.display().to_string());
        Fault::new(Kind::Configuration, "the certificates to trust cannot be used").at(place).because(error)
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.into()))?;
    let builder = match ca_file {
        None if !is_encrypted => builder.with_root_certificates(RootCertStore::empty()),
        None => builder.with_platform_verifier().map_err(|error| unusable(error.into()))?,
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for root in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.into()))? {
                let root = root.map_err(|error| unusable(error.into()))?;
                roots.add(root).map_err(|error| unusable(error.into()))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}
