//! `[serve.auth]`: whose tokens are accepted.

use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;

use crate::fault::{Fault, Kind, Result};

/// `[serve.auth]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// What kind of issuer it is.
    provider: Provider,
    /// The region of a Cognito user pool, such as `us-east-1`.
    region: Option<String>,
    /// The id of a Cognito user pool, such as `us-east-1_AbCdEfGhI`.
    pool: Option<String>,
    /// The issuer, as its tokens name it; Cognito's follows from region and pool.
    issuer: Option<String>,
    /// Where the issuer's keys are; by default its metadata says.
    pub(super) jwks: Option<String>,
    /// The ids of the clients whose tokens are accepted.
    clients: Vec<String>,
    /// Those of them that act without a person: their tokens may lack an audience.
    #[serde(default)]
    pub(super) machine_clients: Vec<String>,
    /// The audience that a token must have; by default `[serve] url`.
    pub(super) audience: Option<String>,
    /// The signatures that are accepted; by default `["RS256", "ES256"]`, of Cognito `["RS256"]`.
    #[serde(default)]
    algorithms: Vec<Signature>,
    /// The claim that names a person's groups; by default `cognito:groups`, or `groups`.
    groups_claim: Option<String>,
    /// Certificates (PEM) to trust at the issuer in place of the machine's own, relative to the folder of `tieout.toml`.
    pub(super) ca_file: Option<PathBuf>,
}

/// A kind of issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Provider {
    /// A user pool of Amazon Cognito.
    Cognito,
    /// Any issuer of `OpenID` Connect, or of access tokens by RFC 9068.
    Oidc,
}

/// A signature by a private key, as RFC 7518 §3.1 names it. Those by a shared secret (HS256 …) and none at all are not among them, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Signature {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
}

impl Signature {
    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::RS256,
            "RS384" => Self::RS384,
            "RS512" => Self::RS512,
            "PS256" => Self::PS256,
            "PS384" => Self::PS384,
            "PS512" => Self::PS512,
            "ES256" => Self::ES256,
            "ES384" => Self::ES384,
            _ => return None,
        })
    }
}

impl AuthSettings {
    /// Checks that all is there that the provider needs, and nothing that it does not know.
    ///
    /// # Errors
    /// [`Kind::Configuration`] naming the key.
    pub fn check(&self) -> Result<()> {
        let fault = |key: &str, what: &str| {
            Fault::new(Kind::Configuration, what.to_owned()).at(format!("[serve.auth] {key}"))
        };
        let is_cognito = self.provider == Provider::Cognito;
        let keys = [
            ("region", self.region.is_some(), is_cognito, is_cognito),
            ("pool", self.pool.is_some(), is_cognito, is_cognito),
            ("issuer", self.issuer.is_some(), !is_cognito, !is_cognito),
            ("jwks", self.jwks.is_some(), false, !is_cognito),
        ];
        for (key, is_there, is_needed, is_known) in keys {
            if is_needed && !is_there {
                return Err(fault(key, "this provider needs it"));
            }
            if is_there && !is_known {
                return Err(
                    fault(key, "this provider has none").next("leave it out, or choose the other provider")
                );
            }
        }
        if let (Some(region), Some(pool)) = (&self.region, &self.pool) {
            let is_plain = |text: &str| {
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            };
            for (key, value) in [("region", region), ("pool", pool)] {
                if !is_plain(value) {
                    return Err(fault(key, "this is no name of Amazon's").value(value));
                }
            }
            if !pool.starts_with(&format!("{region}_")) {
                return Err(fault("pool", "the user pool is not of this region")
                    .value(pool)
                    .expected(format!("{region}_…")));
            }
        }
        if self.clients.is_empty() || self.clients.iter().any(|client| client.trim().is_empty()) {
            return Err(fault("clients", "nobody could call")
                .expected("the ids of the clients whose tokens are accepted"));
        }
        if let Some(stranger) = self.machine_clients.iter().find(|client| !self.clients.contains(client)) {
            return Err(fault("machine_clients", "this client is not among clients").value(stranger));
        }
        for (key, address) in [("issuer", Some(self.issuer())), ("jwks", self.jwks.clone())] {
            let Some(address) = address else { continue };
            let url = Url::parse(&address)
                .map_err(|error| fault(key, "this is no address").value(&address).because(error))?;
            if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
                return Err(fault(key, "keys that come over plain HTTP prove nothing")
                    .value(&address)
                    .expected("https://…"));
            }
        }
        Ok(())
    }

    /// The issuer, as its tokens name it.
    #[must_use]
    pub fn issuer(&self) -> String {
        match (self.provider, &self.region, &self.pool, &self.issuer) {
            (Provider::Cognito, Some(region), Some(pool), _) => {
                format!("https://cognito-idp.{region}.amazonaws.com/{pool}")
            }
            (_, _, _, issuer) => issuer.clone().unwrap_or_default(),
        }
    }

    /// The clients whose tokens are accepted.
    #[must_use]
    pub fn clients(&self) -> &[String] {
        &self.clients
    }

    /// The signatures that are accepted.
    pub(super) fn algorithms(&self) -> Vec<Signature> {
        match (self.algorithms.is_empty(), self.provider) {
            (false, _) => self.algorithms.clone(),
            (true, Provider::Cognito) => vec![Signature::RS256],
            (true, Provider::Oidc) => vec![Signature::RS256, Signature::ES256],
        }
    }

    /// Whether every token says what it is for (`token_use`), as Cognito's do.
    pub(super) fn needs_token_use(&self) -> bool {
        self.provider == Provider::Cognito
    }

    /// The claim that names a person's groups.
    pub(super) fn groups_claim(&self) -> &str {
        match (&self.groups_claim, self.provider) {
            (Some(claim), _) => claim,
            (None, Provider::Cognito) => "cognito:groups",
            (None, Provider::Oidc) => "groups",
        }
    }
}

/// Whether an address is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}
