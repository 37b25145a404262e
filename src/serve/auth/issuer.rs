//! What the issuer publishes: its metadata, and its keys. Asked with little patience, and not believed to be short.

use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::settings::{Rules, address};
use crate::fault::{Fault, Kind, Result};
use crate::serve::outside;

/// How long an answer may take, all of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that an answer may have. A key has about 500, and issuers publish a few.
const MOST: usize = 256 * 1024;

/// The issuer of tokens, over HTTP.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    client: Client,
    name: String,
    jwks: Option<Url>,
    /// Whether it is a stand-in on this machine, which may do without TLS.
    is_local: bool,
}

/// What an issuer says of itself (`OpenID` Connect Discovery §3, RFC 8414 §2), as far as tokens need it.
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    /// Its name, which is that of `[serve.auth]`.
    issuer: String,
    /// Where its keys are.
    jwks_uri: String,
}

impl Issuer {
    /// The issuer that `rules` name.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where this machine's trusted certificates cannot be read.
    pub(super) fn new(rules: &Rules) -> Result<Self> {
        let is_local = rules.issuer.starts_with("http:");
        let is_encrypted = !is_local || rules.jwks.as_ref().is_some_and(|url| url.scheme() == "https");
        let unusable = |error: anyhow::Error| {
            Fault::new(Kind::Configuration, "connections to the issuer of tokens cannot be set up")
                .at("[serve.auth]")
                .because(error)
        };
        let client = Client::builder()
            .user_agent(concat!("tieout/", env!("CARGO_PKG_VERSION")))
            // Whoever answers says where keys are, and nobody that he sends us to.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .https_only(!is_local)
            .tls_backend_preconfigured(outside::tls(None, is_encrypted)?)
            .timeout(PATIENCE)
            .build()
            .map_err(|error| unusable(error.into()))?;
        Ok(Self { client, name: rules.issuer.clone(), jwks: rules.jwks.clone(), is_local })
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// [`Kind::SignIn`] where it does not answer, or with something else.
    async fn metadata(&self) -> Result<Metadata> {
        let base = address("[serve.auth] issuer", &self.name)?;
        let openid = format!("{}/.well-known/openid-configuration", self.name.trim_end_matches('/'));
        let url = address("[serve.auth] issuer", &openid)?;
        let (url, bytes) = match self.get(url.clone()).await? {
            Ok(bytes) => (url, bytes),
            // RFC 8414 §3.1 puts it between the host and the path.
            Err(status) if status.is_client_error() => {
                let mut other = base.clone();
                let path = base.path().trim_end_matches('/');
                other.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
                let bytes = self.get(other.clone()).await?.map_err(|_| refused(&url, status))?;
                (other, bytes)
            }
            Err(status) => return Err(refused(&url, status)),
        };
        let metadata: Metadata = serde_json::from_slice(&bytes)
            .map_err(|error| fault("this is not the metadata of an issuer", &url).because(error))?;
        // Discovery §4.3, RFC 8414 §3.3: else one issuer could speak for another.
        if metadata.issuer != self.name {
            return Err(fault("the metadata is another issuer's", &url)
                .value(&metadata.issuer)
                .expected(&self.name)
                .next("write [serve.auth] issuer letter by letter as the metadata and the tokens name it"));
        }
        Ok(metadata)
    }

    /// Its keys, as they come.
    ///
    /// # Errors
    /// [`Kind::SignIn`] where it does not answer.
    pub(super) async fn keys(&self) -> Result<Vec<u8>> {
        let url = match &self.jwks {
            Some(url) => url.clone(),
            None => {
                let metadata = self.metadata().await?;
                let url = Url::parse(&metadata.jwks_uri).ok();
                // As for the issuer itself: over https, or both on this machine. What is asked for may stand in a query.
                let is_safe = |url: &Url| url.scheme() == "https" || self.is_local;
                url.filter(is_safe).ok_or_else(|| {
                    Fault::new(Kind::SignIn, "the issuer's metadata names no place that keys may come from")
                        .at(&self.name)
                        .value(&metadata.jwks_uri)
                        .expected("jwks_uri over https")
                })?
            }
        };
        self.get(url.clone()).await?.map_err(|status| refused(&url, status))
    }

    /// What stands at `url`, or the status of another answer than 200.
    async fn get(&self, url: Url) -> Result<std::result::Result<Vec<u8>, StatusCode>> {
        let broken = |error: reqwest::Error| {
            fault("the issuer of tokens does not answer", &url).because(error.without_url()).passing()
        };
        let mut response = self.client.get(url.clone()).send().await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Ok(Err(response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > MOST {
                return Err(fault("the issuer's answer does not end", &url).expected(format!("{MOST} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Ok(bytes))
    }
}

fn fault(what: &str, url: &Url) -> Fault {
    Fault::new(Kind::SignIn, what).at(url)
}

fn refused(url: &Url, status: StatusCode) -> Fault {
    fault("the issuer of tokens answers with an error", url).value(status)
}
