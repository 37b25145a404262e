//! Certificates: which to trust, and what ties a sign-in to the one that the server showed.

use std::path::Path;

use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::prelude::X509Certificate;

use crate::fault::{Fault, Kind, Result};

/// The certificates of a PEM file.
pub(super) fn roots(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what).at(file.display());
    let pem = std::fs::read(file)
        .map_err(|error| fault("the certificates to trust cannot be read").because(error))?;
    let roots: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| fault("the certificates to trust cannot be read").because(error))?;
    if roots.is_empty() {
        return Err(
            fault("there is no certificate in this file").expected("PEM: -----BEGIN CERTIFICATE-----")
        );
    }
    Ok(roots)
}

/// Our own certificate with those between it and its authority, and the key, from a file of its own or from the same.
///
/// # Errors
/// [`Kind::Configuration`], naming the file; nothing of a key is quoted.
pub(super) fn identity(
    certificate: &Path,
    key: Option<&Path>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let fault = |what: &str, file: &Path| Fault::new(Kind::Configuration, what.to_owned()).at(file.display());
    let read = |what: &str, file: &Path| {
        std::fs::read(file).map_err(|error| fault(&format!("{what} cannot be read"), file).because(error))
    };
    let pem = read("our certificate", certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(|item| item.ok()).collect();
    if chain.is_empty() {
        return Err(fault("there is no certificate in this file", certificate)
            .expected("PEM: -----BEGIN CERTIFICATE-----"));
    }
    let key_file = key.unwrap_or(certificate);
    let key_pem = read("the key of our certificate", key_file)?;
    let key_der = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| {
        let is_encrypted = key_pem.windows(9).any(|window| window == b"ENCRYPTED");
        let fault = fault("there is no key to use in this file", key_file)
            .expected("PEM: -----BEGIN PRIVATE KEY-----, not encrypted");
        match error {
            _ if is_encrypted => fault
                .next("decrypt it with openssl pkey -in KEY -out FILE, and let nobody else read the file"),
            Error::NoItemsFound if key.is_none() => {
                fault.next("give the key's file by [platform] client_key")
            }
            _ => fault,
        }
    })?;
    Ok((chain, key_der))
}

/// The seconds since 1970 from and to which a certificate is valid.
pub(super) fn validity(certificate: &X509Certificate<'_>) -> (i64, i64) {
    let validity = certificate.validity();
    (validity.not_before.timestamp(), validity.not_after.timestamp())
}

/// The `tls-server-end-point` channel binding (RFC 5929 §4.1) of a certificate in DER: the hash
/// of the whole by the hash of its signature algorithm, where MD5 and SHA-1 give way to SHA-256.
pub(super) fn end_point_binding(der: &[u8]) -> Vec<u8> {
    // The last arc of an OID tells the hash: sha384WithRSAEncryption and sha512WithRSAEncryption
    // (RFC 8017 A.2.4), ecdsa-with-SHA384 and -SHA512 (RFC 5758 §3.2), and the plain hashes that
    // RSASSA-PSS has in its parameters (RFC 8017 A.2.3).
    const SHA384: [&[u8]; 3] = [
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
    ];
    const SHA512: [&[u8]; 3] = [
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
    ];
    let algorithm = signature_algorithm(der).unwrap_or_default();
    let names =
        |oids: [&[u8]; 3]| oids.iter().any(|oid| algorithm.windows(oid.len()).any(|part| part == *oid));
    let mut binding = b"tls-server-end-point:".to_vec();
    if names(SHA384) {
        binding.extend_from_slice(&Sha384::digest(der));
    } else if names(SHA512) {
        binding.extend_from_slice(&Sha512::digest(der));
    } else {
        binding.extend_from_slice(&Sha256::digest(der));
    }
    binding
}

/// The contents of `signatureAlgorithm`: the second element of a certificate's SEQUENCE (RFC 5280 §4.1).
fn signature_algorithm(der: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(der)?;
    let (_tbs, rest) = element(certificate)?;
    element(rest).map(|(algorithm, _)| algorithm)
}

/// The contents of the first DER element, and what follows it (X.690 §8.1).
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[_tag, first], mut rest) = der.split_first_chunk::<2>()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (octets, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if octets.len() > 4 {
            return None;
        }
        length = octets.iter().fold(0, |length, &octet| length << 8 | usize::from(octet));
        rest = after;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_hash_follows_the_signature() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, 32),
            (&rcgen::PKCS_ECDSA_P384_SHA384, 48),
            (&rcgen::PKCS_ED25519, 32),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate =
                rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
            let binding = end_point_binding(certificate.der());
            assert_eq!(binding.len(), "tls-server-end-point:".len() + length);
            assert!(binding.starts_with(b"tls-server-end-point:"));
        }
    }

    #[test]
    fn broken_der_does_not_stop_a_sign_in() {
        for der in
            [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x88\x01\x01\x01\x01\x01\x01\x01\x01"]
        {
            assert_eq!(end_point_binding(der).len(), "tls-server-end-point:".len() + 32);
        }
    }
}
