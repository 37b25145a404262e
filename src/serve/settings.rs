//! `[serve]` of `tieout.toml`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use super::audit::AuditSettings;
use super::auth::{AuthSettings, Grant};
use super::limits::LimitSettings;
use super::tls::TlsSettings;
use crate::config;
use crate::fault::Result;

/// The `[serve]` table: who may call, from where, and what he may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What clients call, and the identifier that their tokens are issued for (RFC 8707): `https://…/mcp`.
    pub url: Option<String>,
    /// The address and port to listen on.
    #[serde(default = "defaults::bind")]
    pub bind: SocketAddr,
    /// The address and port of `/healthz`, `/readyz` and `/metrics`; none where not given.
    pub admin_bind: Option<SocketAddr>,
    /// Names that a request's `Host` may have; by default the one of `url`, and this machine's own.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Origins that a browser's request may have; by default none.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Addresses or networks that may connect; by default all.
    #[serde(default)]
    pub allow_peers: Vec<Peers>,
    /// Folders that file arguments may lie in, relative to the folder of `tieout.toml`.
    #[serde(default = "defaults::roots")]
    pub roots: Vec<PathBuf>,
    /// Whether tools that write are offered.
    #[serde(default)]
    pub writes: bool,
    /// Whether the person behind the agent confirms each write.
    #[serde(default = "defaults::confirm_writes")]
    pub confirm_writes: bool,
    /// The certificate and its key.
    pub tls: Option<TlsSettings>,
    /// Whose tokens are accepted.
    pub auth: Option<AuthSettings>,
    /// By tool, the scopes that a token needs for it, all of them.
    #[serde(default)]
    pub scopes: BTreeMap<String, Vec<String>>,
    /// Who sees what; without any, everybody sees what his scopes allow.
    #[serde(default)]
    pub policy: Vec<Grant>,
    /// Where each call is recorded.
    #[serde(default)]
    pub audit: AuditSettings,
    /// How much, how often, how long.
    #[serde(default)]
    pub limits: LimitSettings,
    /// The folder that relative paths start in.
    #[serde(skip)]
    pub base: PathBuf,
}

impl Settings {
    /// Reads `[serve]` of `path`.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Configuration`] with the place, the value and what was expected.
    pub fn load(path: &Path) -> Result<Self> {
        let (settings, base) = config::serve::<Self>(path)?;
        Ok(Self { base, ..settings })
    }
}

/// An address, or a network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peers(pub IpNet);

impl<'de> Deserialize<'de> for Peers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address = || text.parse().map(|address: std::net::IpAddr| IpNet::from(address));
        text.parse().or_else(|_| address()).map(Self).map_err(|_| {
            serde::de::Error::custom(format!(
                "`{text}` is neither an address, such as 203.0.113.10, nor a network, such as 203.0.113.0/28"
            ))
        })
    }
}

mod defaults {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::PathBuf;

    pub(super) fn bind() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 8080).into()
    }
    pub(super) fn roots() -> Vec<PathBuf> {
        vec![".".into()]
    }
    pub(super) const fn confirm_writes() -> bool {
        true
    }
}
