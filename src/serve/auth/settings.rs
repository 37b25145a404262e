//! `[serve.auth]`: whose tokens are accepted.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use reqwest::Url;
use serde::Deserialize;

use crate::fault::{self, Fault, Kind, Result};

/// What signs tokens; never `none`, and no HMAC: whoever could check it could make it.
const ALGORITHMS: [(&str, Algorithm); 8] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
];

/// What kind of issuer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// A user pool of Amazon Cognito.
    Cognito,
    /// Any issuer of `OpenID` Connect, or of RFC 9068 access tokens.
    Oidc,
}

/// `[serve.auth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// What kind of issuer it is.
    pub provider: Provider,
    /// Cognito: the region, such as `us-east-1`.
    pub region: Option<String>,
    /// Cognito: the id of the user pool, such as `us-east-1_AbCdEfGhI`.
    pub pool: Option<String>,
    /// The issuer, as the tokens name it; for Cognito, region and pool say it.
    pub issuer: Option<String>,
    /// Where its keys are; by default its metadata says.
    pub jwks: Option<String>,
    /// The ids of the clients whose tokens are accepted.
    #[serde(default)]
    pub clients: Vec<String>,
    /// Those that act without a person: their tokens may lack an audience.
    #[serde(default)]
    pub machine_clients: Vec<String>,
    /// The audience that a token must have; by default `[serve] url`.
    pub audience: Option<String>,
    /// How tokens may be signed; by default RS256 alone.
    pub algorithms: Option<Vec<String>>,
    /// Seconds by which the issuer's clock and ours may differ.
    #[serde(default = "defaults::leeway_seconds")]
    pub leeway_seconds: u32,
    /// Seconds after which the issuer's keys are fetched again.
    #[serde(default = "defaults::keys_seconds")]
    pub keys_seconds: u32,
    /// Seconds beyond that for which they still count while the issuer does not answer.
    #[serde(default = "defaults::stale_seconds")]
    pub stale_seconds: u32,
}

mod defaults {
    pub(super) const fn leeway_seconds() -> u32 {
        30
    }
    pub(super) const fn keys_seconds() -> u32 {
        3600
    }
    pub(super) const fn stale_seconds() -> u32 {
        4 * 3600
    }
}

/// What a token is held against: `[serve.auth]`, checked.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) issuer: String,
    pub(super) jwks: Option<Url>,
    pub(super) audience: String,
    pub(super) clients: BTreeSet<String>,
    pub(super) machine_clients: BTreeSet<String>,
    pub(super) algorithms: Vec<Algorithm>,
    /// Whether a token must say what it is for, as those of Cognito do.
    pub(super) needs_token_use: bool,
    pub(super) leeway: i64,
    pub(super) fresh: Duration,
    pub(super) stale: Duration,
}

impl Rules {
    /// The issuer, as the tokens name it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The audience that tokens must have.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }
}

fn fault(key: &str, what: impl Into<String>) -> Fault {
    Fault::new(Kind::Configuration, what).at(format!("[serve.auth] {key}"))
}

impl AuthSettings {
    /// The first client that people sign in with.
    pub(in crate::serve) fn people_client(&self) -> Option<&str> {
        let mut people = self.clients.iter().filter(|client| !self.machine_clients.contains(client));
        people.next().map(String::as_str)
    }

    /// What tokens are held against; `url` is `[serve] url`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] with the key, its value and what was expected.
    pub fn rules(&self, url: &str) -> Result<Rules> {
        address("[serve] url", url)?;
        let issuer = self.issuer()?;
        let is_local = address("[serve.auth] issuer", &issuer)?.scheme() == "http";
        let jwks = self.jwks.as_deref().map(|text| {
            let jwks = address("[serve.auth] jwks", text)?;
            if jwks.scheme() == "http" && !is_local {
                return Err(fault("jwks", "keys that come over plain http prove nothing")
                    .value(text)
                    .expected("https://…"));
            }
            Ok(jwks)
        });
        let audience = self.audience.as_deref().unwrap_or(url);
        if audience.trim().is_empty() {
            return Err(fault("audience", "this is no audience").value(audience).expected("by default, url"));
        }
        let ids = |key: &str, texts: &[String]| -> Result<BTreeSet<String>> {
            match texts.iter().find(|id| id.is_empty() || id.chars().any(char::is_whitespace)) {
                Some(id) => Err(fault(key, "this is not the id of a client").value(id)),
                None => Ok(texts.iter().cloned().collect()),
            }
        };
        let machine_clients = ids("machine_clients", &self.machine_clients)?;
        let mut clients = ids("clients", &self.clients)?;
        clients.extend(machine_clients.iter().cloned());
        if clients.is_empty() {
            return Err(fault("clients", "no client's tokens are accepted, so nobody could call")
                .expected("the ids of the clients that agents use: clients = [\"…\"]"));
        }
        Ok(Rules {
            jwks: jwks.transpose()?,
            audience: audience.to_owned(),
            clients,
            machine_clients,
            algorithms: self.algorithms()?,
            needs_token_use: self.provider == Provider::Cognito,
            leeway: seconds("leeway_seconds", self.leeway_seconds, 0, 300)?.into(),
            fresh: Duration::from_secs(seconds("keys_seconds", self.keys_seconds, 60, 86_400)?.into()),
            stale: Duration::from_secs(seconds("stale_seconds", self.stale_seconds, 0, 86_400)?.into()),
            issuer,
        })
    }

    fn issuer(&self) -> Result<String> {
        match (self.provider, &self.issuer, &self.region, &self.pool) {
            (_, Some(issuer), None, None) => Ok(issuer.clone()),
            (Provider::Cognito, None, Some(region), Some(pool)) => {
                let is_plain = |text: &str, and: char| {
                    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == and)
                };
                if !is_plain(region, '-') {
                    return Err(fault("region", "this is not a region").value(region).expected("us-east-1"));
                }
                if !pool.strip_prefix(region.as_str()).is_some_and(|rest| is_plain(rest, '_')) {
                    return Err(fault("pool", "this is not a user pool of that region")
                        .value(pool)
                        .expected(format!("{region}_ and letters, as the console shows the User pool ID")));
                }
                Ok(format!("https://cognito-idp.{region}.amazonaws.com/{pool}"))
            }
            (Provider::Cognito, None, _, _) => {
                Err(fault("pool", "nothing says which user pool issues the tokens")
                    .expected("region = \"us-east-1\" and pool = \"us-east-1_AbCdEfGhI\""))
            }
            (Provider::Cognito, Some(_), _, _) => {
                Err(fault("issuer", "region and pool say who the issuer is, and so does this")
                    .next("give region and pool, or issuer"))
            }
            (Provider::Oidc, None, _, _) => Err(fault("issuer", "nothing says who issues the tokens")
                .expected("issuer = \"https://…\", as the tokens name it in `iss`")),
            (Provider::Oidc, Some(_), _, _) => Err(fault("provider", "only Cognito has a region and a pool")
                .value("oidc")
                .next("leave them out, or write provider = \"cognito\" without issuer")),
        }
    }

    fn algorithms(&self) -> Result<Vec<Algorithm>> {
        let Some(names) = &self.algorithms else { return Ok(vec![Algorithm::RS256]) };
        let known = || ALGORITHMS.iter().map(|(name, _)| *name);
        let expected = known().collect::<Vec<_>>().join(", ");
        if names.is_empty() {
            return Err(
                fault("algorithms", "no signature is accepted, so nobody could call").expected(expected)
            );
        }
        let read = names.iter().map(|name| {
            ALGORITHMS.iter().find(|(known, _)| known == name).map(|(_, algorithm)| *algorithm).ok_or_else(
                || {
                    let fault = fault("algorithms", "tokens that are signed like this are not accepted")
                        .value(name)
                        .expected(&expected);
                    match fault::nearest(name, known()).filter(|_| !name.starts_with("HS")) {
                        Some(near) => fault.next(format!("did you mean {near}?")),
                        None => fault,
                    }
                },
            )
        });
        read.collect()
    }
}

fn seconds(key: &str, value: u32, least: u32, most: u32) -> Result<u32> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(fault(key, "this is too few or too many").value(value).expected(format!("{least} to {most}")))
}

/// The address at `place`: over https, or on this machine.
pub(super) fn address(place: &str, text: &str) -> Result<Url> {
    let wrong = |what: &str| {
        Fault::new(Kind::Configuration, what).at(place).value(text).expected(
            "https://…, without a question mark, a fragment or a user (http:// on this machine alone)",
        )
    };
    let url = Url::parse(text).map_err(|_| wrong("this is not an address"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err(wrong("what goes over plain http can be read and changed on its way")),
    }
    let is_plain = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if is_plain { Ok(url) } else { Err(wrong("this address says more than where something is")) }
}

/// Whether the address is on this machine.
pub(in crate::serve) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const URL: &str = "https://recon.example.com/mcp";

    fn rules(text: &str, url: &str) -> Result<Rules, String> {
        let settings: AuthSettings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.rules(url).map_err(|fault| fault.to_string())
    }

    #[test]
    fn cognito_needs_region_pool_and_clients_alone() {
        let rules = rules(
            "provider = \"cognito\"\nregion = \"us-east-1\"\npool = \"us-east-1_AbC\"\nclients = [\"a\"]\nmachine_clients = [\"b\"]",
            URL,
        )
        .unwrap();
        assert_eq!(rules.issuer, "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC");
        assert_eq!(rules.audience, URL);
        assert_eq!(rules.algorithms, [Algorithm::RS256]);
        assert!(rules.needs_token_use);
        assert_eq!(rules.clients.iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_key() {
        let oidc = "provider = \"oidc\"\nclients = [\"a\"]\n";
        let at_home = "provider = \"oidc\"\nclients = [\"a\"]\nissuer = \"https://id.example\"\n";
        let cognito = "provider = \"cognito\"\nclients = [\"a\"]\n";
        for (text, url, place) in [
            (oidc.to_owned(), URL, "[serve.auth] issuer: nothing says"),
            (
                format!("{oidc}issuer = \"http://id.example\""),
                URL,
                "[serve.auth] issuer: what goes over plain http",
            ),
            (
                format!("{oidc}issuer = \"http://127.0.0.1.id.example\""),
                URL,
                "[serve.auth] issuer: what goes",
            ),
            (
                format!("{oidc}issuer = \"https://id.example/?a=b\""),
                URL,
                "[serve.auth] issuer: this address says more",
            ),
            (
                format!("{oidc}issuer = \"https://u@id.example\""),
                URL,
                "[serve.auth] issuer: this address says more",
            ),
            (format!("{oidc}issuer = \"id.example\""), URL, "[serve.auth] issuer: this is not an address"),
            (
                format!("{at_home}jwks = \"http://127.0.0.1:1/keys\""),
                URL,
                "[serve.auth] jwks: keys that come over",
            ),
            (
                format!("{at_home}algorithms = [\"none\"]"),
                URL,
                "[serve.auth] algorithms: tokens that are signed",
            ),
            (
                format!("{at_home}algorithms = [\"HS256\"]"),
                URL,
                "[serve.auth] algorithms: tokens that are signed",
            ),
            (format!("{at_home}algorithms = []"), URL, "[serve.auth] algorithms: no signature"),
            (format!("{at_home}audience = \" \""), URL, "[serve.auth] audience: this is no audience"),
            (format!("{at_home}leeway_seconds = 301"), URL, "[serve.auth] leeway_seconds: this is too"),
            (format!("{at_home}keys_seconds = 5"), URL, "[serve.auth] keys_seconds: this is too"),
            (format!("{at_home}region = \"us-east-1\""), URL, "[serve.auth] provider: only Cognito"),
            (at_home.to_owned(), "http://recon.example.com/mcp", "[serve] url: what goes over plain http"),
            (at_home.replace("\"a\"", ""), URL, "[serve.auth] clients: no client's tokens"),
            (at_home.replace("\"a\"", "\"a b\""), URL, "[serve.auth] clients: this is not the id"),
            (cognito.to_owned(), URL, "[serve.auth] pool: nothing says which"),
            (
                format!("{cognito}region = \"us-east-1\"\npool = \"eu-west-1_AbC\""),
                URL,
                "[serve.auth] pool: this is not a user pool",
            ),
            (
                format!("{cognito}region = \"us-east-1/../x\"\npool = \"us-east-1_AbC\""),
                URL,
                "[serve.auth] region: this is not",
            ),
            (
                format!("{cognito}region = \"us-east-1\"\nissuer = \"https://id.example\""),
                URL,
                "[serve.auth] issuer: region and pool",
            ),
        ] {
            let said = rules(&text, url).unwrap_err();
            assert!(said.starts_with(place), "{text}\n{said}");
        }
        assert!(rules(&format!("{oidc}issuer = \"http://[::1]:80/a\""), "http://localhost:1/mcp").is_ok());
        let near = rules(&format!("{at_home}algorithms = [\"RS265\"]"), URL).unwrap_err();
        assert!(near.ends_with("next: did you mean RS256?"), "{near}");
    }
}
