//! What the errors of HTTP and TLS mean.

use std::io;

use rustls::AlertDescription;

use super::Platform;
use super::trust::remedy;
use crate::fault::Fault;

/// Whether a connection broke before an answer came. Our calls only read, so asking
/// once more is safe where the connection had worked before.
pub(super) fn is_broken(error: &reqwest::Error) -> bool {
    !error.is_timeout() && !error.is_connect()
}

impl Platform {
    /// Whether we have a certificate of our own to show.
    fn shows_certificate(&self) -> bool {
        self.tls.client_auth_cert_resolver.has_certs()
    }

    /// Why no answer came at all.
    pub(super) fn unreached(&self, error: reqwest::Error) -> Fault {
        let error = error.without_url();
        let host = self.endpoint.host_str().unwrap_or_default();
        let port = self.endpoint.port_or_known_default().unwrap_or_default();
        let links = chain(&error);
        let fault = |fault: Fault| fault.because(innermost(&error));
        let tls = links.iter().find_map(|link| link.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = tls
            && let Some((what, next)) = about_our_certificate(*alert, self.shows_certificate())
        {
            return fault(self.sign_in_fault(what)).next(next);
        }
        let is_io = |kind| {
            links.iter().any(|link| link.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == kind))
        };
        let (what, next) = if error.is_dns() {
            (format!("the name {host} is not known here"), "check the host, and the name service or VPN")
        } else if let Some(tls) = tls {
            let next = match tls {
                rustls::Error::InvalidCertificate(error) => remedy(error),
                rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure)
                    if !self.shows_certificate() =>
                {
                    "check that the port speaks TLS 1.2 or newer; or it wants a certificate of its callers: [platform] client_certificate"
                }
                _ => "check that the port speaks TLS 1.2 or newer; else use http in [platform] endpoint",
            };
            (format!("no secure connection to {host}:{port} could be made"), next)
        } else if error.is_timeout() && error.is_connect() {
            (
                format!("{host}:{port} does not answer"),
                "check the network, VPN and firewall, or raise [platform] timeout_seconds",
            )
        } else if error.is_timeout() {
            (
                format!("no answer came in {} seconds", self.read_timeout.as_secs()),
                "run again, ask for less at once (page_size), or raise [platform] timeout_seconds",
            )
        } else if is_io(io::ErrorKind::ConnectionRefused) {
            (
                format!("{host}:{port} refuses connections"),
                "check host and port, and whether the platform is running",
            )
        } else if error.is_connect() && is_io(io::ErrorKind::UnexpectedEof) {
            // Only a TLS handshake reads while it connects.
            (
                format!("no secure connection to {host}:{port} could be made"),
                "check that the port speaks TLS; else use http in [platform] endpoint",
            )
        } else if error.is_connect() {
            (format!("{host}:{port} cannot be reached"), "check the network, VPN and firewall")
        } else {
            (
                "the connection broke before an answer came".to_owned(),
                "run again; if it happens again, see the platform's log, and whether the port wants https in [platform] endpoint",
            )
        };
        fault(self.fault(what)).next(next)
    }
}

/// What the server's alert says of our certificate (RFC 8446 §6.2), and what to do; `None` where it is about something
/// else. A server of TLS 1.2 that misses one says no more than `handshake_failure`, which may mean anything.
fn about_our_certificate(alert: AlertDescription, was_shown: bool) -> Option<(&'static str, &'static str)> {
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

/// What is underneath an error, alone: every layer around it says once more that a request was to be sent, or a body read.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> anyhow::Error {
    anyhow::Error::msg(chain(error).last().map(ToString::to_string).unwrap_or_default())
}
