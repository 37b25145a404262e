//! What the errors of HTTP and TLS mean.

use std::io;

use rustls::AlertDescription;

/// Whether a connection broke before an answer came. Our calls only read, so asking
/// once more is safe where the connection had worked before.
pub(super) fn is_broken(error: &reqwest::Error) -> bool {
    !error.is_timeout() && !error.is_connect()
}

/// What the server's alert says of our certificate (RFC 8446 §6.2), and what to do; `None` where it is about something
/// else. A server of TLS 1.2 that misses one says no more than `handshake_failure`, which may mean anything.
pub(super) fn about_our_certificate(
    alert: AlertDescription,
    was_shown: bool,
) -> Option<(&'static str, &'static str)> {
    use AlertDescription as Alert;
    match alert {
        // A server may also decide that none is as bad as a bad one.
        Alert::CertificateRequired | Alert::NoCertificate | Alert::BadCertificate | Alert::AccessDenied
            if !was_shown =>
        {
            Some((
                "the platform wants a certificate of its callers",
                "give ours by [platform] client_certificate and client_key",
            ))
        }
        Alert::CertificateRequired
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        // The signature over it does not hold, under the authority that the server knows by that name.
        | Alert::DecryptError
            if was_shown =>
        {
            Some((
                "the platform refused our certificate",
                "check its expiry and issuer ([platform] client_certificate), and whether the platform knows it",
            ))
        }
        _ => None,
    }
}

/// An error and what is underneath it, looking inside I/O errors as well, which hide theirs.
pub(super) fn chain<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> Vec<&'e (dyn std::error::Error + 'static)> {
    let mut links = Vec::new();
    let mut link = Some(error);
    while let Some(current) = link {
        links.push(current);
        link = match current.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(hidden) => Some(hidden),
            None => current.source(),
        };
    }
    links
}
