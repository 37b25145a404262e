//! `[platform]` of `tieout.toml`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;

use super::request::{Request, is_name};
use super::wsdl::Source;
use crate::fault::{Fault, Kind, Result};
use crate::secret::Reference;

/// The `[platform]` table: where the platform is, who we are, and what to ask it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The URL that calls are sent to, `http` or `https`; it wins over any address that a WSDL names.
    pub endpoint: String,
    /// The service's target namespace (`targetNamespace` of its WSDL).
    pub namespace: String,
    /// The SOAP version to speak: `"1.1"` (default) or `"1.2"`.
    #[serde(default)]
    pub soap: Soap,
    /// How to sign in: `"ntlm"` (default), `"negotiate"`, `"basic"` (over https or to this machine only) or `"none"`.
    #[serde(default)]
    pub auth: Auth,
    /// `DOMAIN\user`, `user@domain` or `user`; the domain's case is sent as written.
    pub username: Option<String>,
    /// Where the password is: `env:NAME`, `file:PATH` or `command:PROGRAM ARGUMENTS`.
    pub password: Option<Reference>,
    /// Certificates (PEM) to trust instead of the machine's own; relative to the folder of `tieout.toml`.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (PEM, with its intermediates), where the platform wants one of its callers; beside any `auth`.
    pub client_certificate: Option<PathBuf>,
    /// Its private key (PEM, not encrypted); by default it is looked for in the certificate's file.
    pub client_key: Option<PathBuf>,
    /// Seconds to wait for a connection, for an answer's first byte, and for each next one.
    #[serde(default = "defaults::timeout_seconds")]
    pub timeout_seconds: u64,
    /// Seconds that one call may take from first to last byte.
    #[serde(default = "defaults::deadline_seconds")]
    pub deadline_seconds: u64,
    /// How many connections are used at once, at most. Old platforms fall over under more.
    #[serde(default = "defaults::connections")]
    pub connections: usize,
    /// Mebibytes that one answer may have.
    #[serde(default = "defaults::answer_limit_mib")]
    pub answer_limit_mib: u64,
    /// Whether to ask for compressed answers (gzip, deflate), which trades time for bytes on the network.
    #[serde(default = "defaults::compression")]
    pub compression: bool,
    /// The service's WSDL, a file (relative to the folder of `tieout.toml`) or an address; by default the endpoint is asked for it.
    pub wsdl: Option<String>,
    /// Operations that `tieout platform call` may call beside the one of `request`; tieout knows of none whether it only reads.
    #[serde(default)]
    pub allow: Vec<String>,
    /// How many calls may start in a second, over all connections; as many as there can be where not given.
    pub calls_per_second: Option<Millionths>,
    /// How often a call that failed in passing is tried again.
    #[serde(default = "defaults::retries")]
    pub retries: u32,
    /// Seconds before the first of these tries, doubled for each further one, and up to halved at random.
    #[serde(default = "defaults::retry_seconds")]
    pub retry_seconds: Millionths,
    /// Seconds that a whole fetch may take.
    #[serde(default = "defaults::fetch_deadline_seconds")]
    pub fetch_deadline_seconds: u64,
    /// Where finished windows of a fetch are kept until it is complete; relative to the folder of `tieout.toml`.
    #[serde(default = "defaults::store")]
    pub store: PathBuf,
    /// Hours after its start that an interrupted fetch can be resumed.
    #[serde(default = "defaults::resume_hours")]
    pub resume_hours: u64,
    /// What to ask.
    pub request: Request,
}

mod defaults {
    pub(super) const fn timeout_seconds() -> u64 {
        60
    }
    pub(super) const fn deadline_seconds() -> u64 {
        600
    }
    pub(super) const fn connections() -> usize {
        2
    }
    pub(super) const fn answer_limit_mib() -> u64 {
        1024
    }
    pub(super) const fn compression() -> bool {
        true
    }
    pub(super) const fn retries() -> u32 {
        3
    }
    pub(super) const fn retry_seconds() -> super::Millionths {
        super::Millionths(1_000_000)
    }
    pub(super) const fn fetch_deadline_seconds() -> u64 {
        14_400
    }
    pub(super) fn store() -> std::path::PathBuf {
        ".tieout/fetched".into()
    }
    pub(super) const fn resume_hours() -> u64 {
        12
    }
}

/// A version of SOAP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Soap {
    /// SOAP 1.1: `text/xml` and a `SOAPAction` header.
    #[default]
    #[serde(rename = "1.1")]
    V11,
    /// SOAP 1.2: `application/soap+xml` with the action in it.
    #[serde(rename = "1.2")]
    V12,
}

impl Soap {
    /// The version, as `tieout.toml` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V11 => "1.1",
            Self::V12 => "1.2",
        }
    }
}

/// A number of at most six decimal places, in millionths: a whole number, or a decimal in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WholeOrText")]
pub struct Millionths(pub u64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a whole number, or a decimal in quotes such as \"0.5\"")]
enum WholeOrText {
    Whole(u32),
    Text(String),
}

impl TryFrom<WholeOrText> for Millionths {
    type Error = String;

    fn try_from(given: WholeOrText) -> Result<Self, String> {
        let text = match given {
            WholeOrText::Whole(number) => return Ok(Self(u64::from(number) * 1_000_000)),
            WholeOrText::Text(text) => text,
        };
        let wrong = || format!("{text:?} is not a decimal such as \"0.5\", of six places at most");
        let (whole, places) = text.split_once('.').unwrap_or((&text, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(places) || whole.len() > 9 || places.len() > 6 {
            return Err(wrong());
        }
        format!("{whole}{places:0<6}").parse().map(Self).map_err(|_| wrong())
    }
}

/// A way to sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// NTLMv2, under `NTLM`, or under `Negotiate` where that alone is offered.
    #[default]
    Ntlm,
    /// NTLMv2 under `Negotiate`, in SPNEGO (RFC 4178).
    Negotiate,
    /// The password with every call (RFC 7617).
    Basic,
    /// Nobody asks who we are.
    None,
}

impl Settings {
    /// Checks what a type alone cannot, and gives the endpoint as a URL.
    ///
    /// # Errors
    /// [`Kind::Configuration`], naming the key.
    pub(super) fn check(&self) -> Result<Url> {
        let fault =
            |key: &str, what: &str| Fault::new(Kind::Configuration, what).at(format!("[platform] {key}"));
        let url = Url::parse(&self.endpoint)
            .map_err(|error| fault("endpoint", "this is not a URL").value(&self.endpoint).because(error))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(fault("endpoint", "this is not the URL of a web service")
                .value(&self.endpoint)
                .expected("http://… or https://…"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // Not quoted back: there is a password in it.
            return Err(fault("endpoint", "the URL holds a user or a password")
                .next("give them by username and password"));
        }
        if url.fragment().is_some() {
            return Err(fault("endpoint", "the URL has a fragment").value(&self.endpoint));
        }
        if self.namespace.trim().is_empty() {
            return Err(fault("namespace", "the namespace is empty")
                .expected("the targetNamespace of the service's WSDL"));
        }
        if !is_name(&self.request.operation) {
            return Err(fault("request.operation", "this cannot be the name of an operation")
                .value(&self.request.operation));
        }
        if let Some(attribute) = self.request.records.attribute() {
            return Err(fault("request.records", "a record is an element, not an attribute")
                .value(&self.request.records)
                .next(format!("name the element; its attribute becomes the field @{attribute}")));
        }
        if self.auth == Auth::Basic && url.scheme() == "http" && !is_loopback(&url) {
            return Err(fault("auth", "basic would send the password readable over the network")
                .next("use an https endpoint, or auth = \"ntlm\""));
        }
        if self.client_certificate.is_none() && self.client_key.is_some() {
            return Err(fault("client_key", "there is a key without its certificate")
                .next("give the certificate by client_certificate"));
        }
        if self.client_certificate.is_some() && url.scheme() == "http" {
            return Err(fault("client_certificate", "a certificate cannot be shown over http")
                .next("use an https endpoint, or leave client_certificate out"));
        }
        for (key, number) in [
            ("timeout_seconds", self.timeout_seconds),
            ("deadline_seconds", self.deadline_seconds),
            ("answer_limit_mib", self.answer_limit_mib),
            ("request.page_size", self.request.page_size),
            ("connections", u64::try_from(self.connections).unwrap_or(u64::MAX)),
            ("fetch_deadline_seconds", self.fetch_deadline_seconds),
            ("calls_per_second", self.calls_per_second.map_or(1, |rate| rate.0)),
        ] {
            if number == 0 {
                let expected = if key == "calls_per_second" { "more than 0" } else { "1 or more" };
                return Err(fault(key, "this cannot be nothing").value(number).expected(expected));
            }
        }
        Ok(url)
    }

    /// The endpoint as messages and reports name it: without what may hold a secret. `None` where it is no URL.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let mut shown = Url::parse(&self.endpoint).ok()?;
        shown.set_query(None);
        shown.set_fragment(None);
        // An address that takes no user has none.
        let _ = shown.set_username("").and_then(|()| shown.set_password(None));
        Some(shown.into())
    }

    /// The SOAP action of the request.
    pub(super) fn action(&self) -> String {
        match &self.request.action {
            Some(action) => action.clone(),
            None => default_action(&self.namespace, &self.request.operation),
        }
    }

    /// Where the service's WSDL is: where `wsdl` says, else at the endpoint with `?WSDL` behind it. Relative files are below `base`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where the address is none.
    pub fn wsdl_source(&self, base: &Path) -> Result<Source> {
        if let Some(written) = &self.wsdl {
            return Source::parse(written, base).map_err(|fault| fault.at("[platform] wsdl"));
        }
        let mut url = self.check()?;
        url.set_query(Some("WSDL"));
        Ok(Source::Url(url))
    }

    /// Whether `url` is at the endpoint's host and port, by the same scheme: where our password may be sent.
    pub(super) fn is_at(&self, url: &Url) -> bool {
        Url::parse(&self.endpoint).is_ok_and(|endpoint| endpoint.origin() == url.origin())
    }

    /// The same, for who does not say who he is.
    pub(super) fn anonymous(&self) -> Self {
        Self { auth: Auth::None, username: None, password: None, ..self.clone() }
    }

    /// Settings to ask an address for its WSDL, without telling it who we are; limits and certificates as in `like`.
    pub(super) fn stranger(url: &Url, like: Option<&Self>) -> Self {
        Self {
            endpoint: url.to_string(),
            namespace: "nothing".to_owned(),
            soap: Soap::default(),
            auth: Auth::None,
            username: None,
            password: None,
            ca_file: like.and_then(|like| like.ca_file.clone()),
            client_certificate: None,
            client_key: None,
            timeout_seconds: like.map_or_else(defaults::timeout_seconds, |like| like.timeout_seconds),
            deadline_seconds: like.map_or_else(defaults::deadline_seconds, |like| like.deadline_seconds),
            connections: 1,
            answer_limit_mib: defaults::answer_limit_mib(),
            compression: defaults::compression(),
            wsdl: None,
            allow: Vec::new(),
            calls_per_second: None,
            retries: 0,
            retry_seconds: defaults::retry_seconds(),
            fetch_deadline_seconds: defaults::fetch_deadline_seconds(),
            store: defaults::store(),
            resume_hours: defaults::resume_hours(),
            request: Request::nothing(),
        }
    }
}

/// The action that services of .NET have: the namespace and the operation, with one slash between them.
pub(super) fn default_action(namespace: &str, operation: &str) -> String {
    format!("{}/{operation}", namespace.trim_end_matches('/'))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[derive(Debug, Deserialize)]
    struct One {
        number: Millionths,
    }

    #[test]
    fn numbers_are_exact_to_six_places() {
        let read = |text: &str| toml::from_str::<One>(&format!("number = {text}")).map(|one| one.number.0);
        for (text, millionths) in
            [("2", 2_000_000), ("\"0.5\"", 500_000), ("\"12\"", 12_000_000), ("\"0.000001\"", 1)]
        {
            assert_eq!(read(text).unwrap(), millionths, "{text}");
        }
        for text in
            ["0.5", "-1", "\"\"", "\".5\"", "\"1.\"", "\"-1\"", "\"1e3\"", "\"0.0000001\"", "\"99999999999\""]
        {
            let wrong = read(text).unwrap_err().to_string();
            assert!(wrong.contains("decimal"), "{text}: {wrong}");
        }
    }
}
