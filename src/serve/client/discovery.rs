//! From the address of a server to where its tokens come from: the challenge (RFC 6750 §3), the metadata of the protected
//! resource (RFC 9728), and that of the issuer (RFC 8414 §3.1, `OpenID` Connect Discovery §4).

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Answer, Asker, place};
use crate::fault::{Fault, Kind, Result};
use crate::serve::auth::is_loopback;

/// What a resource says of itself (RFC 9728 §2).
#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    pub(super) resource: String,
    #[serde(default)]
    pub(super) authorization_servers: Vec<String>,
    #[serde(default)]
    pub(super) scopes_supported: Vec<String>,
}

/// What an issuer says of itself (RFC 8414 §2).
#[derive(Debug, Deserialize)]
pub(super) struct Issuer {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
    pub(super) jwks_uri: Option<String>,
    #[serde(default)]
    pub(super) code_challenge_methods_supported: Vec<String>,
    pub(super) registration_endpoint: Option<String>,
    /// Whether who answers names himself (RFC 9207 §3).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// A message that any client may send first, without a token.
pub(super) fn greeting() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta()}})
}

/// What every message of revision 2026-07-28 carries.
pub(super) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "tieout", "version": env!("CARGO_PKG_VERSION")},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A parameter of a challenge, such as `resource_metadata`.
pub(super) fn parameter(challenge: &str, name: &str) -> Option<String> {
    let rest = challenge.strip_prefix("Bearer")?;
    let (_, rest) = rest.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// The challenge of a server that was asked without a token.
///
/// # Errors
/// [`Kind::Platform`] where it does not challenge.
pub(super) fn challenge(answer: &Answer, url: &Url) -> Result<String> {
    let unchallenged = |what: &str| Fault::new(Kind::Platform, what.to_owned()).at(place(url));
    if answer.status != 401 {
        return Err(unchallenged("a request without a token is not refused as it should be")
            .value(format!("HTTP {}", answer.status))
            .expected("HTTP 401 with WWW-Authenticate: Bearer"));
    }
    let challenge = answer.header("www-authenticate").filter(|challenge| challenge.starts_with("Bearer"));
    challenge.map(ToOwned::to_owned).ok_or_else(|| {
        unchallenged("the server does not say how to get a token")
            .expected("WWW-Authenticate: Bearer resource_metadata=\"…\"")
    })
}

/// The metadata of the resource at `url`, where its challenge says that it is.
///
/// # Errors
/// [`Kind::Platform`] where it is not there, or speaks of another resource (RFC 9728 §3.3).
pub(super) fn resource(asker: &Asker, url: &Url, challenge: &str) -> Result<Resource> {
    let named = parameter(challenge, "resource_metadata");
    let metadata =
        named.as_deref().map_or_else(|| Ok(well_known(url, "oauth-protected-resource")), Url::parse);
    let metadata = metadata.map_err(|_| {
        Fault::new(Kind::Platform, "resource_metadata is no address")
            .at(place(url))
            .value(named.unwrap_or_default())
    })?;
    let resource: Resource = document(asker, &metadata, "the metadata of the resource")?;
    if resource.resource != url.as_str() {
        return Err(Fault::new(Kind::Platform, "the metadata speaks of another resource")
            .at(place(&metadata))
            .value(&resource.resource)
            .expected(url)
            .next("[serve] url must be the address that clients call, to the letter"));
    }
    Ok(resource)
}

/// Whether the issuer that a server names is the one of the configuration.
///
/// # Errors
/// [`Kind::Configuration`] where it is another.
pub(super) fn is_known(named: &str, known: Option<&str>) -> Result<()> {
    match known {
        Some(known) if known != named => {
            Err(Fault::new(Kind::Configuration, "the server names another issuer than the configuration")
                .value(named)
                .expected(known)
                .next("restart the server with this configuration"))
        }
        _ => Ok(()),
    }
}

/// The metadata of an issuer: by RFC 8414, else as `OpenID` Connect has it, else as issuers with a path often have it.
///
/// # Errors
/// [`Kind::Platform`] where it is at none of these places, or speaks of another issuer (RFC 8414 §3.3).
pub(super) fn issuer(asker: &Asker, issuer: &str) -> Result<Issuer> {
    let no_address = || Fault::new(Kind::Platform, "the issuer is no address").value(issuer);
    let url = Url::parse(issuer).map_err(|_| no_address())?;
    let appended = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let places = [
        well_known(&url, "oauth-authorization-server"),
        well_known(&url, "openid-configuration"),
        Url::parse(&appended).map_err(|_| no_address())?,
    ];
    let (mut foreign, mut missing) = (None, None);
    for at in &places {
        match document::<Issuer>(asker, at, "the metadata of the issuer") {
            Ok(found) if found.issuer == issuer => return Ok(found),
            Ok(other) => {
                foreign = Some(
                    Fault::new(Kind::Platform, "the metadata speaks of another issuer")
                        .at(place(at))
                        .value(other.issuer)
                        .expected(issuer),
                );
            }
            Err(fault) => missing = Some(fault),
        }
    }
    // What stands at one of the places says more than that nothing stands at another.
    Err(foreign.or(missing).unwrap_or_else(no_address))
}

/// An address that a code, a token or a person may be sent to: https, or this machine (OAuth 2.1 §1.5). Metadata can name
/// anything, a script among others.
///
/// # Errors
/// [`Kind::Platform`] for any other.
pub(super) fn endpoint(issuer: &Issuer, name: &str, text: Option<&str>) -> Result<Url> {
    let text = text.ok_or_else(|| {
        Fault::new(Kind::Platform, format!("the issuer names no {name}")).at(&issuer.issuer)
    })?;
    let url = Url::parse(text).ok();
    let is_safe = |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
    url.filter(is_safe).ok_or_else(|| {
        Fault::new(Kind::Platform, format!("nobody should be sent to this {name}"))
            .at(&issuer.issuer)
            .value(text)
            .expected("https://…")
    })
}

/// A document of JSON.
pub(super) fn document<T: serde::de::DeserializeOwned>(asker: &Asker, at: &Url, what: &str) -> Result<T> {
    let answer = asker.get(at)?;
    let missing = |detail: String| {
        Fault::new(Kind::Platform, format!("{what} is not there")).at(place(at)).value(detail)
    };
    if answer.status != 200 {
        return Err(missing(format!("HTTP {}", answer.status)));
    }
    serde_json::from_value(answer.json(what, at)?).map_err(|error| missing(error.to_string()))
}

/// `https://host/path` → `https://host/.well-known/NAME/path` (RFC 8615, RFC 9728 §3.1, RFC 8414 §3.1).
fn well_known(url: &Url, name: &str) -> Url {
    let mut known = url.clone();
    let path = url.path().trim_end_matches('/');
    known.set_path(&format!("/.well-known/{name}{path}"));
    known.set_query(None);
    known
}
