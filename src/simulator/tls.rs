//! TLS for the simulator, and what NTLM binds to when it is on.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_rustls::TlsAcceptor;

use crate::fault::{Fault, Kind, Result};

/// An acceptor with the certificate and key of two PEM files, and the channel binding of that certificate.
/// Where there are `callers`, it asks for a certificate that one of these has issued.
pub(super) fn acceptor(
    certificate: &Path,
    key: &Path,
    callers: Option<&Path>,
) -> Result<(TlsAcceptor, Vec<u8>)> {
    let unusable = |path: &Path, error: anyhow::Error| {
        Fault::new(Kind::Configuration, "this PEM file cannot be used for TLS")
            .at(path.display())
            .because(error)
    };
    let read = |path: &Path| {
        CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unusable(path, error.into()))
    };
    let chain = read(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error.into()))?;
    let token = chain.first().map(|certificate| end_point(certificate)).unwrap_or_default();
    let provider = Arc::new(ring::default_provider());
    let verifier = match callers {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(read(path)?);
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| unusable(path, error.into()))?
        }
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_client_cert_verifier(verifier).with_single_cert(chain, private))
        .map_err(|error| unusable(certificate, error.into()))?;
    Ok((TlsAcceptor::from(Arc::new(config)), token))
}

/// `tls-server-end-point` (RFC 5929 §4.1): the certificate's hash, by the hash of its signature, SHA-256 at least.
fn end_point(certificate: &[u8]) -> Vec<u8> {
    // The last arc of {sha384,sha512}WithRSAEncryption (RFC 8017) and of ecdsa-with-SHA{384,512} (RFC 5758).
    let hash = match signature_algorithm(certificate) {
        Some([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3]) => {
            Sha384::digest(certificate).to_vec()
        }
        Some([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4]) => {
            Sha512::digest(certificate).to_vec()
        }
        _ => Sha256::digest(certificate).to_vec(),
    };
    [b"tls-server-end-point:".as_slice(), &hash].concat()
}

/// The object identifier in `Certificate.signatureAlgorithm` (RFC 5280 §4.1).
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = der(certificate)?;
    let (_to_be_signed, rest) = der(certificate)?;
    let (algorithm, _) = der(rest)?;
    der(algorithm).map(|(identifier, _)| identifier)
}

/// The content of the first DER element, and what follows it.
pub(super) fn der(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[_tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match usize::from(first) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long - 0x80)?;
            let length = digits.iter().try_fold(0usize, |length, digit| {
                length.checked_mul(256).map(|length| length + usize::from(*digit))
            })?;
            (length, rest)
        }
    };
    rest.split_at_checked(length)
}
