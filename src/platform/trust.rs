//! TLS as every connection to the platform makes it: whose certificates are trusted, and which of ours is shown.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::certificate::{identity, roots, validity};
use super::settings::Settings;
use crate::fault::{Fault, Kind, Result};

/// What to do about a certificate that has expired, is not valid yet, or is made out to somebody else.
pub(super) const EXPIRED: &str =
    "have the platform's operators renew it; if it is valid, this machine's clock is wrong";
pub(super) const NOT_YET_VALID: &str =
    "check this machine's clock; if that is right, have the platform's operators look at the certificate";
pub(super) const OTHER_NAME: &str = "call the platform in [platform] endpoint by a name that is in its certificate, or have one issued for this name";

/// How the calls speak TLS, where they do (`is_encrypted`).
///
/// # Errors
/// [`Kind::Configuration`] where the certificates to trust, or ours and its key, cannot be read or used.
pub(super) fn config(settings: &Settings, base: &Path, is_encrypted: bool) -> Result<ClientConfig> {
    let unusable = |error: Error| {
        Fault::new(Kind::Configuration, "the connection to the platform cannot be set up")
            .at("[platform]")
            .because(error)
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let ca_file = settings.ca_file.as_ref().map(|file| base.join(file));
    let builder = match is_encrypted || ca_file.is_some() {
        true => builder.dangerous().with_custom_certificate_verifier(verifier(ca_file.as_deref())?),
        // Nobody shows a certificate; the machine's roots, which take a while to load, are not wanted.
        false => builder.with_root_certificates(RootCertStore::empty()),
    };
    let mut config = match &settings.client_certificate {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let key = settings.client_key.as_ref().map(|key| base.join(key));
            let (chain, key) = identity(&base.join(file), key.as_deref())?;
            builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                Error::InconsistentKeys(_) => {
                    unusable(error).next("client_key is not the key of client_certificate")
                }
                _ => unusable(error).next("check [platform] client_certificate and client_key"),
            })?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Which certificates are trusted, in words.
pub(super) fn trusted(ca_file: Option<&Path>) -> String {
    ca_file.map_or_else(
        || "this machine's trusted roots".to_owned(),
        |file| format!("[platform] ca_file, {}", file.display()),
    )
}

/// What judges the platform's certificate: by the certificates of `ca_file` alone, or else by those of the machine.
///
/// # Errors
/// [`Kind::Configuration`] where they cannot be read or used.
pub(super) fn verifier(ca_file: Option<&Path>) -> Result<Arc<dyn ServerCertVerifier>> {
    let fault = |error: anyhow::Error| {
        Fault::new(Kind::Configuration, "the certificates to trust cannot be used")
            .at(trusted(ca_file))
            .because(error)
            .next("give the issuer's certificate by [platform] ca_file")
    };
    let provider = Arc::new(ring::default_provider());
    let Some(file) = ca_file else {
        let verifier =
            rustls_platform_verifier::Verifier::new(provider).map_err(|error| fault(error.into()))?;
        return Ok(Arc::new(verifier));
    };
    let listed = roots(file)?;
    let mut authorities = RootCertStore::empty();
    for certificate in &listed {
        authorities.add(certificate.clone()).map_err(|error| fault(error.into()))?;
    }
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), provider)
        .build()
        .map_err(|error| fault(error.into()))?;
    Ok(Arc::new(Listed { listed, authorities }))
}

/// Trusts what an authority of the list has signed, and the certificates of the list themselves.
///
/// The latter is for self-signed ones: what makes them (`openssl req -x509`) likes to mark them as an
/// authority's, which no server's may be by the book (RFC 5280 §4.2.1.9), and webpki goes by the book. Whoever
/// is listed is trusted to sign for any host; to show itself for its own is less than that.
#[derive(Debug)]
struct Listed {
    listed: Vec<CertificateDer<'static>>,
    authorities: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Listed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        let judged = self.authorities.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        // Dates, names and signatures have errors of their own; what is marked wrongly is among the others.
        let is_by_the_book = !matches!(judged, Err(Error::InvalidCertificate(CertificateError::Other(_))));
        if is_by_the_book || !self.listed.iter().any(|listed| listed == end_entity) {
            return judged;
        }
        let (_, certificate) = X509Certificate::from_der(end_entity)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let (from, to) = validity(&certificate);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < from {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now > to {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Whether a certificate was refused for the host that it is made out to.
pub(super) fn is_about_name(error: &CertificateError) -> bool {
    matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
}

/// Whether a certificate was refused for its dates.
pub(super) fn is_about_dates(error: &CertificateError) -> bool {
    is_expired(error)
        || matches!(error, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. })
}

fn is_expired(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. })
}

/// What to do about a platform's certificate that was refused.
pub(super) fn remedy(error: &CertificateError) -> &'static str {
    match error {
        error if is_expired(error) => EXPIRED,
        error if is_about_dates(error) => NOT_YET_VALID,
        error if is_about_name(error) => OTHER_NAME,
        _ => {
            "if the platform's certificate is your company's own, give its issuer by [platform] ca_file; tieout platform doctor shows it"
        }
    }
}
