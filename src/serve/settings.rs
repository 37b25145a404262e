//! `[serve]` of `tieout.toml`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use reqwest::Url;
use serde::{Deserialize, Deserializer};

use super::audit::AuditSettings;
use super::auth::{AuthSettings, Grant};
use super::limits::LimitSettings;
use super::tls::TlsSettings;
use crate::config;
use crate::fault::{Fault, Kind, Result};

/// The `[serve]` table: who may call, from where, and what he may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What clients call, and the identifier that their tokens are issued for (RFC 8707): `https://…/mcp`.
    pub url: Option<String>,
    /// The address and port to listen on.
    pub bind: SocketAddr,
    /// The address and port of `/healthz`, `/readyz` and `/metrics`; none where not given.
    pub admin_bind: Option<SocketAddr>,
    /// Names that a request's `Host` may have; by default the one of `url`, and this machine's own.
    pub hosts: Vec<String>,
    /// Origins that a browser's request may have; by default none.
    pub origins: Vec<String>,
    /// Addresses or networks that may connect; by default all.
    pub allow_peers: Vec<Peers>,
    /// Folders that file arguments may lie in, relative to the folder of `tieout.toml`.
    pub roots: Vec<PathBuf>,
    /// Configurations that a call may name beside this one, relative to the same folder.
    pub configurations: Vec<PathBuf>,
    /// Whether tools that write are offered.
    pub writes: bool,
    /// Whether the person behind the agent confirms each write.
    pub confirm_writes: bool,
    /// The certificate and its key.
    pub tls: Option<TlsSettings>,
    /// Whose tokens are accepted.
    pub auth: Option<AuthSettings>,
    /// By tool, the scopes that a token needs for it, all of them.
    pub scopes: BTreeMap<String, Vec<String>>,
    /// Who sees what; without any, everybody sees what his scopes allow.
    pub policy: Vec<Grant>,
    /// Where each call is recorded.
    pub audit: AuditSettings,
    /// How much, how often, how long.
    pub limits: LimitSettings,
    /// The folder that relative paths start in.
    #[serde(skip)]
    pub base: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            bind: (Ipv4Addr::LOCALHOST, 8080).into(),
            admin_bind: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            allow_peers: Vec::new(),
            roots: vec![".".into()],
            configurations: Vec::new(),
            writes: false,
            confirm_writes: true,
            tls: None,
            auth: None,
            scopes: BTreeMap::new(),
            policy: Vec::new(),
            audit: AuditSettings::default(),
            limits: LimitSettings::default(),
            base: PathBuf::new(),
        }
    }
}

impl Settings {
    /// Reads `[serve]` of `path`.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Configuration`] with the place, the value and what was expected.
    pub fn load(path: &Path) -> Result<Self> {
        let (settings, base) = config::serve::<Self>(path)?;
        let settings = settings.ok_or_else(|| {
            Fault::new(Kind::Configuration, "nothing says how to serve")
                .at(path.display())
                .expected("a [serve] table; docs/serve.md has one to start from")
        })?;
        Self { base, ..settings }.checked()
    }

    /// Reads `[serve]` of `path` for a pipe, which can do without it.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn for_pipe(path: &Path) -> Result<Self> {
        let (settings, base) = config::serve::<Self>(path)?;
        Self { base, ..settings.unwrap_or_default() }.checked()
    }

    fn checked(self) -> Result<Self> {
        // Its folder is closed to tools, with all that is put aside in it.
        if self.audit.file.parent().is_none_or(|folder| folder.as_os_str().is_empty()) {
            return Err(Fault::new(Kind::Configuration, "the audit log has no folder of its own")
                .at("[serve.audit] file")
                .value(self.audit.file.display())
                .expected("a file in a folder that holds nothing else, such as \"audit/audit.jsonl\""));
        }
        Ok(self)
    }

    /// What lies below the roots and is nobody's to name: the audit log, and the key of the certificate.
    #[must_use]
    pub fn closed(&self) -> Vec<PathBuf> {
        let audit = self.audit.file.parent().map(Path::to_owned).unwrap_or_default();
        self.tls.iter().map(|tls| tls.key.clone()).chain([audit]).collect()
    }

    /// What serving over HTTP takes beyond serving a pipe: the address that clients call, and whose tokens are accepted.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where one of them is missing or no good.
    pub fn public(&self) -> Result<(Url, &AuthSettings)> {
        let fault = |key: &str, what: &str| Fault::new(Kind::Configuration, what.to_owned()).at(key);
        let text = self.url.as_deref().ok_or_else(|| {
            fault("[serve] url", "nothing says what clients call")
                .expected("url = \"https://recon.example.com/mcp\"")
        })?;
        let url = Url::parse(text)
            .map_err(|error| fault("[serve] url", "this is no address").value(text).because(error))?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        // As text it is compared with audiences: what parsing changes would never be equal.
        if !matches!(url.scheme(), "https" | "http") || !is_plain || url.as_str() != text || url.path() == "/"
        {
            return Err(fault("[serve] url", "this is no address of a server")
                .value(text)
                .expected("https, a host in lower case, and a path, such as https://recon.example.com/mcp"));
        }
        let auth = self.auth.as_ref().ok_or_else(|| {
            fault("[serve.auth]", "nothing says whose tokens are accepted")
                .expected("a table [serve.auth] with provider")
        })?;
        auth.rules(text)?;
        Ok((url, auth))
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
