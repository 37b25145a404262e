//! TLS from files: the certificate and its key, taken anew when they change, and kept where what is new is no good.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::fault::{Fault, Kind, Result};

/// `[serve.tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The certificate with its intermediates (PEM), relative to the folder of `tieout.toml`.
    pub certificate: PathBuf,
    /// Its private key (PEM, not encrypted).
    pub key: PathBuf,
}

/// How often the files are looked at. Their bytes are compared: renewals exchange links, whose times do not change.
const LOOK: Duration = Duration::from_secs(2);

/// The certificate in use.
pub(super) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: RustlsConfig,
    /// Seconds since 1970 at which it ends.
    ends: AtomicI64,
    /// Whether what lies in the files is in use.
    is_current: AtomicBool,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Kind::Configuration`] naming the file and what is wrong with it; nothing of a key is quoted.
    pub(super) fn load(base: &Path, settings: &TlsSettings) -> Result<Arc<Self>> {
        let (certificate, key) = (base.join(&settings.certificate), base.join(&settings.key));
        let (config, ends) = read(&certificate, &key)?;
        Ok(Arc::new(Self {
            certificate,
            key,
            config: RustlsConfig::from_config(Arc::new(config)),
            ends: AtomicI64::new(ends),
            is_current: AtomicBool::new(true),
        }))
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// Seconds since 1970 at which the certificate ends.
    pub(super) fn ends(&self) -> i64 {
        self.ends.load(Ordering::Relaxed)
    }

    /// Whether what lies in the files is in use.
    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    /// Looks at the files for ever, and takes what is new. Connections that are open go on with what they have.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut seen = self.digest();
        loop {
            tokio::time::sleep(LOOK).await;
            let tls = Arc::clone(&self);
            let last = seen;
            // Files may be on a slow disk.
            seen = tokio::task::spawn_blocking(move || tls.look(last)).await.unwrap_or(last);
        }
    }

    fn look(&self, seen: [u8; 32]) -> [u8; 32] {
        let now = self.digest();
        if now != seen {
            match read(&self.certificate, &self.key) {
                Ok((config, ends)) => {
                    self.config.reload_from_config(Arc::new(config));
                    self.ends.store(ends, Ordering::Relaxed);
                    self.is_current.store(true, Ordering::Relaxed);
                    tracing::info!(certificate = %self.certificate.display(), "a new certificate is in use");
                }
                Err(fault) => {
                    self.is_current.store(false, Ordering::Relaxed);
                    tracing::error!(%fault, "the new certificate cannot be used, the old one stays in use");
                }
            }
        }
        now
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for file in [&self.certificate, &self.key] {
            digest.update(std::fs::read(file).unwrap_or_default());
            digest.update([0]);
        }
        digest.finalize().into()
    }
}

/// TLS 1.2 and 1.3 by ring, with suites that have forward secrecy and authenticated encryption: rustls knows no others.
fn read(certificate: &Path, key: &Path) -> Result<(ServerConfig, i64)> {
    let fault = |what: &str, file: &Path| Fault::new(Kind::Configuration, what.to_owned()).at(file.display());
    let bytes =
        |what: &str, file: &Path| std::fs::read(file).map_err(|error| fault(what, file).because(error));
    let pem = bytes("the certificate cannot be read", certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| fault("the certificate cannot be read", certificate).because(error))?;
    let Some(leaf) = chain.first() else {
        return Err(fault("there is no certificate in this file", certificate)
            .expected("PEM: -----BEGIN CERTIFICATE-----"));
    };
    let ends = ends_of(leaf, certificate)?;
    let pem = bytes("the key cannot be read", key)?;
    let key_der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        let none = fault("there is no key to use in this file", key)
            .expected("PEM: -----BEGIN PRIVATE KEY-----, not encrypted");
        match pem.windows(9).any(|window| window == b"ENCRYPTED") {
            true => {
                none.next("decrypt it with openssl pkey -in KEY -out FILE, and let nobody else read the file")
            }
            false => none,
        }
    })?;
    let unusable = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => fault("this is not the key of the certificate", key)
            .next(format!("the certificate is {}", certificate.display())),
        error => fault("the certificate and its key cannot be used", certificate).because(error),
    };
    let provider: CryptoProvider = ring::default_provider();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, ends))
}

/// When a certificate ends, if it is good now.
fn ends_of(der: &CertificateDer<'_>, file: &Path) -> Result<i64> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what.to_owned()).at(file.display());
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|_| fault("the certificate cannot be read"))?;
    let validity = certificate.validity();
    if !validity.is_valid() {
        return Err(fault("the certificate is not valid now")
            .value(format!("{} to {}", validity.not_before, validity.not_after))
            .next("renew it, or set this machine's clock"));
    }
    Ok(validity.not_after.timestamp())
}
