//! TLS with the platform: a handshake of our own, and the certificate that comes with it.
//!
//! The certificate is judged by the very rules of the calls; what differs is that it is kept when it
//! fails, and that each reason is looked for by itself. Nothing but the handshake is sent.

use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme,
};
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::examination::{Checked, Finding};
use crate::fault::{Fault, Kind, Result, shown};
use crate::period::{Instant, Zone};
use crate::platform::Platform;
use crate::platform::certificate::{end_point_binding, validity};
use crate::platform::trouble::chain;
use crate::platform::trust::{
    EXPIRED, NOT_YET_VALID, OTHER_NAME, is_about_dates, is_about_name, trusted, verifier,
};

/// Days before the end of a certificate at which somebody should see to the next one.
const DAYS_OF_NOTICE: i64 = 30;

/// A handshake that brought a certificate.
pub(super) struct Greeting {
    name: ServerName<'static>,
    chain: Vec<CertificateDer<'static>>,
    /// What the rules of the calls say of it, all together.
    verdict: Result<(), Error>,
    verifier: Arc<dyn ServerCertVerifier>,
    now: UnixTime,
}

/// Keeps what the server shows, and lets the real verifier judge it.
#[derive(Debug)]
struct Witness {
    verifier: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    chain: Vec<CertificateDer<'static>>,
    verdict: Option<Result<(), Error>>,
    wants_ours: bool,
}

impl Witness {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.verifier.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let mut seen = self.seen();
        seen.chain =
            std::iter::once(end_entity).chain(intermediates).map(|der| der.clone().into_owned()).collect();
        seen.verdict = Some(verdict.as_ref().map(|_| ()).map_err(Clone::clone));
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Has no certificate to show, and notes that one was asked for.
#[derive(Debug)]
struct Anonymous(Arc<Witness>);

impl ResolvesClientCert for Anonymous {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.seen().wants_ours = true;
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Shakes hands. A certificate that is not trusted is a finding of the checks that follow, not of this one.
pub(super) fn greet(platform: &Platform, ca_file: Option<&Path>, mut stream: TcpStream) -> Checked<Greeting> {
    let host = platform.endpoint.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let setup = |error: Error| {
        Fault::new(Kind::Configuration, "TLS cannot be set up for this host").value(host).because(error)
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| setup(Error::General("this is no name of a host".into())))?;
    let verifier = verifier(ca_file)?;
    let witness = Arc::new(Witness { verifier: Arc::clone(&verifier), seen: Mutex::default() });
    // The witness refuses what the verifier refuses; nothing is made less strict here.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(Arc::new(Anonymous(Arc::clone(&witness))));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut connection = ClientConnection::new(Arc::new(config), name.clone()).map_err(setup)?;
    let mut shaken = Ok(());
    while shaken.is_ok() && connection.is_handshaking() {
        shaken = connection.complete_io(&mut stream).map(|_| ());
    }
    let Seen { chain, verdict, wants_ours } = std::mem::take(&mut *witness.seen());
    let Some(verdict) = verdict else {
        return Err(unshaken(shaken.err()));
    };
    // Where it ends for want of a certificate of ours, the calls will show whether they have one.
    if verdict.is_ok()
        && !wants_ours
        && let Err(error) = shaken
    {
        return Err(unshaken(Some(error)));
    }
    let version = connection.protocol_version().and_then(|version| version.as_str().map(str::to_owned));
    let suite =
        connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str().map(str::to_owned));
    let mut found = version.unwrap_or_else(|| "TLS".to_owned()).replace("TLSv1_", "TLS 1.");
    if let Some(suite) = suite {
        found = format!("{found}, {suite}");
    }
    if wants_ours {
        found.push_str("\nthe platform asks its callers for a certificate; this handshake shows none");
    }
    Ok(Finding::pass(Greeting { name, chain, verdict, verifier, now: UnixTime::now() }, found))
}

/// Why there was no handshake.
fn unshaken(error: Option<std::io::Error>) -> Fault {
    let links = error.as_ref().map(|error| chain(error)).unwrap_or_default();
    let tls = links.iter().find_map(|link| link.downcast_ref::<Error>());
    let next = match tls {
        Some(Error::InvalidMessage(_)) => {
            "check that the port speaks TLS; else use http in [platform] endpoint"
        }
        Some(Error::AlertReceived(_) | Error::PeerIncompatible(_)) => {
            "the platform speaks no TLS that is still safe: have TLS 1.2 or newer switched on there"
        }
        _ => "check that the port speaks TLS 1.2 or newer; else use http in [platform] endpoint",
    };
    let fault = Fault::new(Kind::Platform, "no TLS handshake can be made").next(next);
    match error {
        Some(error) => fault.because(error),
        None => fault,
    }
}

/// Whether the certificate is said by somebody whom we trust to be that somebody's.
pub(super) fn trust(greeting: &Greeting, ca_file: Option<&Path>) -> Checked<()> {
    let (leaf, rest) = greeting.split()?;
    let certificate = parse(leaf)?;
    // The dates and the name have checks of their own: here, they shall not stand in the way.
    let within = if complaint(&greeting.verdict).is_some_and(is_about_dates) {
        greeting.some_valid_time()
    } else {
        greeting.now
    };
    let judged = greeting.verifier.verify_server_cert(leaf, rest, &greeting.name, &[], within);
    let judged = judged.map(|_| ());
    let is_name = complaint(&judged).is_some_and(is_about_name);
    let mut error = judged.err().filter(|_| !is_name);
    if error.is_none() && names(greeting).is_ok() && dates(greeting).is_ok() {
        error = greeting.verdict.clone().err();
    }
    let (subject, issuer) = (certificate.subject().to_string(), certificate.issuer().to_string());
    let count = greeting.chain.len();
    let described = format!("certificate {}, issued by {}", shown(&subject), shown(&issuer));
    let Some(error) = error else {
        let sent = if count == 1 {
            "no other certificate was sent".to_owned()
        } else {
            format!("{count} certificates were sent")
        };
        let by = trusted(ca_file);
        return Ok(Finding::pass(
            (),
            format!("{described}\ntrusted by {by}; {sent}\n{}", binding(&certificate, leaf)),
        ));
    };
    let fault = Fault::new(Kind::Platform, format!("the certificate is not trusted by {}", trusted(ca_file)))
        .because(error)
        .value(described);
    Err(fault.next(match (ca_file, subject == issuer, count) {
        (None, true, _) => "it is self-signed: check that it is the platform's own, and give it by [platform] ca_file".to_owned(),
        (Some(file), true, _) => format!("it is self-signed: check that it is the platform's own, and put it into {}", file.display()),
        (_, false, 1) => "give the issuer's certificate by [platform] ca_file; the platform sends no intermediate certificate, so if there is one between the two, have it sent too".to_owned(),
        (_, false, _) => "if the platform's certificate is your company's own, give the root of its issuer by [platform] ca_file".to_owned(),
    }))
}

/// Whether it is valid today.
pub(super) fn dates(greeting: &Greeting) -> Checked<()> {
    let now = seconds(greeting.now);
    let mut lines = Vec::new();
    let mut worst: Option<Fault> = None;
    let mut least_days = i64::MAX;
    for (place, der) in greeting.chain.iter().enumerate() {
        let certificate = parse(der)?;
        let (from, to) = validity(&certificate);
        let days = (to - now).div_euclid(86_400);
        let line = format!("{} to {}", day(from), day(to));
        let fault = |what: String, next: &str| {
            Fault::new(Kind::Platform, what).value(format!("{}, {line}", certificate.subject())).next(next)
        };
        // One that was sent along and is not needed may be as old as it likes.
        let counts = place == 0 || complaint(&greeting.verdict).is_some_and(is_about_dates);
        if counts && now > to {
            let overdue = now - to;
            let since =
                if overdue < 86_400 { "today".to_owned() } else { format!("{} days ago", overdue / 86_400) };
            worst.get_or_insert_with(|| fault(format!("a certificate has expired, {since}"), EXPIRED));
        } else if counts && now < from {
            worst.get_or_insert_with(|| fault("a certificate is not valid yet".to_owned(), NOT_YET_VALID));
        }
        if counts {
            least_days = least_days.min(days);
        }
        if place == 0 {
            lines.push(format!("valid from {line}, {days} days left"));
        }
    }
    if let Some(fault) = worst {
        return Err(fault);
    }
    let finding = Finding::pass((), lines.join("\n"));
    Ok(if least_days < DAYS_OF_NOTICE {
        finding.next("have the platform's operators renew it before it expires")
    } else {
        finding
    })
}

/// Whether it is made out to the host that we call.
pub(super) fn names(greeting: &Greeting) -> Checked<()> {
    let (leaf, _) = greeting.split()?;
    let certificate = parse(leaf)?;
    let mut names = Vec::new();
    if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
        for name in &alternatives.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(shown(name)),
                GeneralName::IPAddress(octets) => names.push(address(octets)),
                _ => {}
            }
        }
    }
    let made_out = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
    let host = greeting.name.to_str();
    let judged = ParsedCertificate::try_from(leaf).and_then(|leaf| verify_server_name(&leaf, &greeting.name));
    match judged {
        Ok(()) => Ok(Finding::pass((), format!("made out to {made_out}; {host} is among them"))),
        Err(_) => {
            let fault = Fault::new(Kind::Platform, format!("the certificate is not made out to {host}"))
                .value(format!("made out to {made_out}"));
            Err(fault.next(if names.is_empty() {
                "a name in the subject alone does not count (RFC 9110 §4.3.4): have a certificate issued with the host as subject alternative name"
            } else {
                OTHER_NAME
            }))
        }
    }
}

impl Greeting {
    fn split(&self) -> Result<(&CertificateDer<'static>, &[CertificateDer<'static>])> {
        self.chain
            .split_first()
            .ok_or_else(|| Fault::new(Kind::Platform, "the platform showed no certificate"))
    }

    /// The time nearest to now at which all certificates of the chain are valid, if there is one.
    fn some_valid_time(&self) -> UnixTime {
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        for certificate in self.chain.iter().filter_map(|der| parse(der).ok()) {
            let (begins, ends) = validity(&certificate);
            (from, to) = (from.max(begins), to.min(ends));
        }
        let time = if from <= to { seconds(self.now).clamp(from, to) } else { seconds(self.now) };
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time).unwrap_or_default()))
    }
}

/// Which channel binding the certificate's signature leads to (RFC 5929 §4.1).
fn binding(certificate: &X509Certificate<'_>, der: &[u8]) -> String {
    let oid = &certificate.signature_algorithm.algorithm;
    let algorithm = oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_string(), str::to_owned);
    let hash = match end_point_binding(der).len() - "tls-server-end-point:".len() {
        48 => "SHA-384",
        64 => "SHA-512",
        _ => "SHA-256",
    };
    format!("signed with {algorithm}, so the channel binding of a sign-in is tls-server-end-point by {hash}")
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|error| {
        Fault::new(Kind::Platform, "the platform's certificate cannot be read")
            .because(error)
            .next("have the platform's operators look at the certificate")
    })
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn day(at: i64) -> String {
    Zone::utc().show(Instant(at), false)
}

fn address(octets: &[u8]) -> String {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return std::net::Ipv4Addr::from(octets).to_string();
    }
    <[u8; 16]>::try_from(octets).map_or_else(
        |_| "an address that is none".to_owned(),
        |octets| std::net::Ipv6Addr::from(octets).to_string(),
    )
}

/// What a verdict has against the certificate.
fn complaint(verdict: &Result<(), Error>) -> Option<&CertificateError> {
    match verdict {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}
