//! Plain requests, as a client makes them, with an end to how long and how much.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::fault::{Fault, Kind, Result};
use crate::serve::outside;

/// Bytes that an answer may have.
const LARGEST: u64 = 1024 * 1024;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Somebody who asks.
pub(super) struct Asker {
    client: Client,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Vec<u8>,
    /// The certificate that the server showed (DER), where it did.
    pub(super) certificate: Option<Vec<u8>>,
}

impl Answer {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Kind::Platform`] where it is none; `what` was asked for at `url`.
    pub(super) fn json(&self, what: &str, url: &Url) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Fault::new(Kind::Platform, format!("{what} is no JSON")).at(url).because(error))
    }
}

impl Asker {
    /// Trusts the machine's roots, or those of `ca_file` alone.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where that file cannot be used.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self> {
        let client = Client::builder()
            .user_agent(concat!("tieout/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .tls_backend_preconfigured(outside::tls(ca_file, true)?)
            .tls_info(true)
            .timeout(PATIENCE)
            .build()
            .map_err(|error| Fault::new(Kind::Bug, "this machine cannot ask others").because(error))?;
        Ok(Self { client })
    }

    /// Asks for a document.
    ///
    /// # Errors
    /// [`Kind::Platform`] where nobody answers.
    pub(super) fn get(&self, url: &Url) -> Result<Answer> {
        read(url, self.client.get(url.clone()).header("Accept", "application/json"), "")
    }

    /// Sends a message of the protocol, with a token or without.
    ///
    /// # Errors
    /// [`Kind::Platform`] where nobody answers.
    pub(super) fn message(
        &self,
        url: &Url,
        message: &Value,
        method: &str,
        token: Option<&str>,
    ) -> Result<Answer> {
        let request = self.post(url, message, method);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        read(url, request, PEERS)
    }

    /// Sends the greeting as a page of another origin would have a browser send it.
    ///
    /// # Errors
    /// [`Kind::Platform`] where nobody answers.
    pub(super) fn as_page_of(&self, url: &Url, message: &Value, origin: &str) -> Result<Answer> {
        read(url, self.post(url, message, "server/discover").header("Origin", origin), PEERS)
    }

    fn post(&self, url: &Url, message: &Value, method: &str) -> RequestBuilder {
        self.client
            .post(url.clone())
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method)
            .body(message.to_string())
    }

    /// Sends a form.
    ///
    /// # Errors
    /// [`Kind::Platform`] where nobody answers.
    pub(super) fn form(&self, url: &Url, fields: &[(&str, &str)]) -> Result<Answer> {
        let mut form = Url::parse("form:").map_err(|_| Fault::new(Kind::Bug, "a form cannot be written"))?;
        form.query_pairs_mut().extend_pairs(fields);
        let request = self
            .client
            .post(url.clone())
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Accept", "application/json")
            .body(form.query().unwrap_or_default().to_owned());
        read(url, request, "")
    }
}

/// What may be amiss with a server of agents beyond what may be with any.
const PEERS: &str =
    ", and whether this machine may connect: a server with allow_peers closes all other connections at once";

fn read(url: &Url, request: RequestBuilder, beyond: &str) -> Result<Answer> {
    let unanswered = |error: anyhow::Error| {
        if let Some(refused) = error.chain().find_map(distrust) {
            return Fault::new(Kind::Platform, "its certificate is not trusted")
                .at(place(url))
                .value(refused)
                .next(
                    "check its dates, its names and who signed it; --ca-file trusts an authority of your own",
                );
        }
        Fault::new(Kind::Platform, "nobody answers")
            .at(place(url))
            .because(error)
            .next(format!("check name and port{beyond}"))
    };
    let response: Response = request.send().map_err(|error| unanswered(error.without_url().into()))?;
    let certificate = response
        .extensions()
        .get::<reqwest::tls::TlsInfo>()
        .and_then(|info| info.peer_certificate())
        .map(<[u8]>::to_vec);
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    response.take(LARGEST).read_to_end(&mut body).map_err(|error| unanswered(error.into()))?;
    Ok(Answer { status, headers, body, certificate })
}

/// Why a certificate is not trusted, where that is what went wrong. Errors of TLS come wrapped in errors of reading, which
/// name what is inside them as themselves and not as their source.
fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        return distrust(inner);
    }
    match error.downcast_ref()? {
        rustls::Error::InvalidCertificate(why) => Some(why.to_string()),
        _ => None,
    }
}

/// An address without what may be secret in it.
pub(super) fn place(url: &Url) -> String {
    let mut place = url.clone();
    place.set_query(None);
    place.set_fragment(None);
    place.to_string()
}
