//! What a client will meet, step by step, from the network to the keys.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Url;
use serde::Serialize;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::discovery::{self, Issuer, Resource};
use super::http::{Answer, Asker, place};
use crate::examination::{self, Check, Checked, Finding, Verdict};
use crate::fault::{Fault, Kind, shown};
use crate::period::{Instant as Moment, Zone, http_date};
use crate::serve::Settings;
use crate::serve::auth::is_loopback;

/// Find out what a client will meet
///
/// Asks the server as a client does: its certificate, its challenge, its
/// metadata (RFC 9728), the issuer's metadata and keys, whether PKCE is
/// advertised, whether the resource's identifier is the address that is called,
/// and whether the clocks agree. Says of each what was found and what to do.
/// Needs no token and changes nothing.
///
/// Exit codes: 0 all checks pass or do not apply, 2 configuration, 4 the server
/// or the issuer is not as it should be.
#[derive(Clone, Debug, clap::Args)]
pub struct Doctor {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    pub config: PathBuf,

    /// The server, in place of [serve] url; then no configuration is read
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// Certificates (PEM) to trust in place of the machine's own
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// All checks.
#[derive(Clone, Debug, Serialize)]
pub struct Examination {
    /// The version of tieout.
    pub tieout: &'static str,
    /// What was examined.
    pub endpoint: Option<String>,
    /// Whether no check failed.
    pub passed: bool,
    /// The checks, in their order.
    pub checks: Vec<Check>,
}

impl Examination {
    /// 0 where no check failed, else what the first fault's kind says.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        examination::exit_code(&self.checks)
    }

    /// One line.
    #[must_use]
    pub fn summary(&self) -> String {
        examination::summary(&self.checks)
    }
}

/// The steps, in their order.
const STEPS: [&str; 11] = [
    "configuration",
    "connection",
    "certificate",
    "challenge",
    "clock",
    "resource metadata",
    "resource identifier",
    "issuer metadata",
    "PKCE",
    "keys",
    "foreign origin",
];

fn pass<T>(value: T, found: impl Into<String>) -> Checked<T> {
    Ok(Finding::pass(value, found))
}

fn note<T>(value: T, found: impl Into<String>, next: impl Into<String>) -> Checked<T> {
    Ok(Finding::pass(value, found).next(next))
}

fn skip<T>(value: T, found: impl Into<String>) -> Checked<T> {
    Ok(Finding::skip(value, found))
}

#[derive(Default)]
struct Chart {
    checks: Vec<Check>,
}

impl Chart {
    fn step<T>(&mut self, examine: impl FnOnce() -> Checked<T>) -> Option<T> {
        let name = STEPS.get(self.checks.len()).copied().unwrap_or_default();
        let (check, value) = Check::make(name, examine);
        self.checks.push(check);
        value
    }

    fn finish(mut self, endpoint: Option<String>) -> Examination {
        let because =
            self.checks.iter().rev().find(|check| check.verdict == Verdict::Fail).map(|check| check.check);
        while self.checks.len() < STEPS.len() {
            let text = because.map_or_else(
                || "nothing to examine".to_owned(),
                |check| format!("because this failed: {check}"),
            );
            self.step(|| skip((), text));
        }
        Examination {
            tieout: env!("CARGO_PKG_VERSION"),
            endpoint,
            passed: because.is_none(),
            checks: self.checks,
        }
    }
}

impl Doctor {
    /// Examines; whatever is wrong is in the examination.
    #[must_use]
    pub fn run(&self) -> Examination {
        let mut chart = Chart::default();
        let (endpoint, _) = self.examine(&mut chart);
        chart.finish(endpoint)
    }

    /// The address, once it is known; and nothing where a step failed that all others need.
    fn examine(&self, chart: &mut Chart) -> (Option<String>, Option<()>) {
        let Some((url, known_issuer)) = chart.step(|| self.whom()) else { return (None, None) };
        (Some(url.to_string()), self.ask(chart, &url, known_issuer.as_deref()))
    }

    fn ask(&self, chart: &mut Chart, url: &Url, known_issuer: Option<&str>) -> Option<()> {
        let asker = Asker::new(self.ca_file.as_deref());
        let (asker, answer) = chart.step(|| {
            let asker = asker?;
            let answer = asker.message(url, &discovery::greeting(), "server/discover", None)?;
            let found = format!("{} answers with HTTP {}", place(url), answer.status);
            pass((asker, answer), found)
        })?;
        chart.step(|| certificate(url, &answer));
        let challenge = chart.step(|| {
            let challenge = discovery::challenge(&answer, url)?;
            match discovery::parameter(&challenge, "resource_metadata") {
                Some(at) => pass(
                    challenge,
                    format!(
                        "a request without a token is refused with 401, and told to look at {}",
                        shown(&at)
                    ),
                ),
                None => note(
                    challenge,
                    "a request without a token is refused with 401, without resource_metadata",
                    "clients then guess where the metadata is; RFC 9728 §5.1 wants it in the challenge",
                ),
            }
        })?;
        chart.step(|| clock("the server", &answer));
        let resource: Resource = chart.step(|| {
            let resource = discovery::resource(&asker, url, &challenge)?;
            let found = format!(
                "issuers: {}; scopes: {}",
                shown(&resource.authorization_servers.join(", ")),
                shown(&resource.scopes_supported.join(" "))
            );
            pass(resource, found)
        })?;
        chart.step(|| identifier(url, &resource));
        let issuer: Issuer = chart.step(|| issuer(&asker, &resource, known_issuer))?;
        chart.step(|| pkce(&issuer));
        chart.step(|| keys(&asker, &issuer));
        chart.step(|| foreign_origin(&asker, url))
    }

    fn whom(&self) -> Checked<(Url, Option<String>)> {
        let parse = |text: &str| {
            Url::parse(text)
                .map_err(|error| Fault::new(Kind::Usage, "this is no address").value(text).because(error))
        };
        if let Some(url) = &self.url {
            return skip((parse(url)?, None), "the address was given, no configuration was read");
        }
        let settings = Settings::load(&self.config)?;
        let (url, auth) = settings.public()?;
        let issuer = auth.rules(url.as_str())?.issuer().to_owned();
        let found = format!("[serve] of {}: {} issues tokens for {url}", self.config.display(), issuer);
        let value = (url, Some(issuer));
        match settings.allow_peers.is_empty() {
            false => pass(value, found),
            true => note(
                value,
                found,
                "allow_peers is empty, so that anybody may connect: name the proxies' addresses, unless a firewall does",
            ),
        }
    }
}

fn certificate(url: &Url, answer: &Answer) -> Checked<()> {
    if url.scheme() != "https" {
        return match is_loopback(url) {
            true => skip((), "plain HTTP to this machine"),
            false => Err(Fault::new(
                Kind::Platform,
                "the server is called over plain HTTP, and tokens go over the network as they are",
            )
            .at(place(url))
            .next("serve https: [serve.tls] certificate and key")),
        };
    }
    let unread = || Fault::new(Kind::Platform, "the certificate cannot be read").at(place(url));
    let der = answer.certificate.as_deref().ok_or_else(unread)?;
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unread())?;
    let ends = certificate.validity().not_after.timestamp();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let days = (ends - i64::try_from(now).unwrap_or_default()) / 86_400;
    let found = format!(
        "trusted, made out to {}, valid until {} ({days} days)",
        shown(&certificate.subject().to_string()),
        Zone::utc().show(Moment(ends), true)
    );
    match days < 21 {
        true => note((), found, "renew it; the server takes a new one from its files without a restart"),
        false => pass((), found),
    }
}

/// Whether a server's clock agrees with ours, by the date of its answer: tokens have a beginning and an end.
fn clock(whose: &str, answer: &Answer) -> Checked<()> {
    let ours = SystemTime::now();
    let Some(theirs) = answer.header("date").and_then(http_date) else {
        return skip((), format!("{whose} does not say what time it is"));
    };
    let off = theirs.duration_since(ours).unwrap_or_else(|error| error.duration()).as_secs();
    if off > 30 {
        return Err(Fault::new(Kind::Platform, format!("the clock of {whose} does not agree with ours"))
            .value(format!("{off} s"))
            .expected("at most 30 s: tokens are refused as expired or not yet valid")
            .next("have both machines set their clocks by NTP"));
    }
    pass((), format!("the clock of {whose} agrees with ours to {} s", off.max(1)))
}

fn identifier(url: &Url, resource: &Resource) -> Checked<()> {
    // `discovery::resource` has compared the two to the letter.
    match url.path() {
        "/mcp" => {
            pass((), format!("the resource calls itself {}, as it is called", shown(&resource.resource)))
        }
        path => note(
            (),
            format!("the resource calls itself {}, at the path {path}", shown(&resource.resource)),
            "clients expect /mcp",
        ),
    }
}

fn issuer(asker: &Asker, resource: &Resource, known: Option<&str>) -> Checked<Issuer> {
    let named = resource.authorization_servers.first().ok_or_else(|| {
        Fault::new(Kind::Platform, "the resource names no issuer").expected("authorization_servers")
    })?;
    discovery::is_known(named, known)?;
    let issuer = discovery::issuer(asker, named)?;
    let endpoints = [&issuer.authorization_endpoint, &issuer.token_endpoint];
    let missing = endpoints.iter().any(|endpoint| endpoint.is_none());
    let found = format!(
        "{}: authorization at {}, tokens at {}",
        shown(&issuer.issuer),
        shown(issuer.authorization_endpoint.as_deref().unwrap_or("-")),
        shown(issuer.token_endpoint.as_deref().unwrap_or("-"))
    );
    if missing {
        return note(issuer, found, "without both endpoints no person can sign in");
    }
    match issuer.registration_endpoint {
        Some(_) => pass(issuer, format!("{found}; clients may register themselves")),
        None => note(
            issuer,
            found,
            "clients cannot register themselves: give them a client id (tieout mcp client-config)",
        ),
    }
}

fn pkce(issuer: &Issuer) -> Checked<()> {
    let ways = &issuer.code_challenge_methods_supported;
    match ways.iter().any(|way| way == "S256") {
        true => pass((), "advertised, with S256"),
        false if ways.is_empty() => note(
            (),
            "not advertised (code_challenge_methods_supported is missing, as with Amazon Cognito)",
            "clients that insist on it refuse to sign in; they must be told that the issuer takes S256",
        ),
        false => {
            Err(Fault::new(Kind::Platform, "the issuer does not take PKCE with S256").value(ways.join(", ")))
        }
    }
}

fn keys(asker: &Asker, issuer: &Issuer) -> Checked<()> {
    #[derive(serde::Deserialize)]
    struct Keys {
        keys: Vec<Key>,
    }
    #[derive(serde::Deserialize)]
    struct Key {
        kid: Option<String>,
        kty: String,
        alg: Option<String>,
    }
    let no_keys =
        || Fault::new(Kind::Platform, "the issuer names no keys").at(&issuer.issuer).expected("jwks_uri");
    let at = issuer.jwks_uri.as_deref().and_then(|at| Url::parse(at).ok()).ok_or_else(no_keys)?;
    let keys: Keys = discovery::document(asker, &at, "the set of keys")?;
    let usable = |key: &&Key| matches!(key.kty.as_str(), "RSA" | "EC");
    let words: Vec<String> = keys
        .keys
        .iter()
        .filter(usable)
        .map(|key| {
            format!(
                "{} {}",
                key.alg.as_deref().unwrap_or(&key.kty),
                key.kid.as_deref().unwrap_or("without kid")
            )
        })
        .collect();
    match words.is_empty() {
        true => Err(Fault::new(Kind::Platform, "there is no key to check tokens with")
            .at(place(&at))
            .expected("RSA or EC keys")),
        false => pass((), format!("{} at {}: {}", words.len(), place(&at), shown(&words.join(", ")))),
    }
}

/// A browser of somebody else's page must not get through (DNS rebinding).
fn foreign_origin(asker: &Asker, url: &Url) -> Checked<()> {
    let answer = asker.as_page_of(url, &discovery::greeting(), "https://tieout.invalid")?;
    match answer.status {
        403 => pass((), "a request of a page of another origin is refused with 403"),
        status => {
            Err(Fault::new(Kind::Platform, "a request of a page of another origin is not refused as such")
                .at(place(url))
                .value(format!("HTTP {status}"))
                .expected("HTTP 403"))
        }
    }
}
