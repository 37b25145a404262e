//! Signing in as a person, as a client does it (OAuth 2.1: code grant with PKCE, RFC 7636; loopback redirect, RFC 8252 §7.3;
//! resource indicator, RFC 8707), and a call to show that it works.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::discovery::{self, Issuer};
use super::http::{Answer, Asker, place};
use crate::fault::{Fault, Kind, Result, shown};
use crate::serve::Settings;

/// The port that a redirect comes back to where nobody says: issuers want it registered.
pub(super) const PORT: u16 = 33_418;

/// How long a person may take to sign in.
const PATIENCE: Duration = Duration::from_secs(300);

/// Sign in as a person, and call the server once
///
/// Finds the issuer as any client does, opens a port of this machine for the
/// answer, prints the address at which to sign in, exchanges the code with PKCE
/// (S256) and the server's own address as resource, and lists the tools. The
/// token is shown to nobody and kept nowhere.
///
/// Exit codes: 0 it works, 2 usage or configuration, 4 the server or the issuer
/// refused.
#[derive(Clone, Debug, clap::Args)]
pub struct Login {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    pub config: PathBuf,

    /// The server, in place of [serve] url; then no configuration is read
    #[arg(long, value_name = "URL", requires = "client_id")]
    pub url: Option<String>,

    /// The client to sign in as; by default the first of [serve.auth] clients
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,

    /// The scopes to ask for; by default all that the server names
    #[arg(long, value_name = "SCOPES")]
    pub scope: Option<String>,

    /// The port for the answer: http://localhost:PORT/callback must be registered with the issuer
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    pub port: u16,

    /// Certificates (PEM) to trust in place of the machine's own
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What the sign-in came to.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedIn {
    /// The server.
    pub endpoint: String,
    /// Who issued the token.
    pub issuer: String,
    /// The client.
    pub client_id: String,
    /// The scopes that were given.
    pub scope: String,
    /// Seconds that the token is good for, where the issuer says.
    pub expires_in: Option<u64>,
    /// The tools that the server lists.
    pub tools: Vec<String>,
}

impl Login {
    /// Signs in. `show` is given the address at which a person signs in.
    ///
    /// # Errors
    /// [`Kind::SignIn`] where the issuer or the server refuses, [`Kind::Platform`] where one of them does not answer.
    pub fn run(&self, show: &mut dyn FnMut(&str)) -> Result<LoggedIn> {
        let (url, client_id, known) = self.whom()?;
        let asker = Asker::new(self.ca_file.as_deref())?;
        let answer = asker.message(&url, &discovery::greeting(), "server/discover", None)?;
        let challenge = discovery::challenge(&answer, &url)?;
        let resource = discovery::resource(&asker, &url, &challenge)?;
        let named = resource.authorization_servers.first().ok_or_else(|| {
            Fault::new(Kind::Platform, "the server names no issuer")
                .at(place(&url))
                .expected("authorization_servers")
        })?;
        discovery::is_known(named, known.as_deref())?;
        let issuer = discovery::issuer(&asker, named)?;
        let scope = self.scope.clone().unwrap_or_else(|| resource.scopes_supported.join(" "));
        let token = self.token(&asker, &issuer, &client_id, &scope, &url, show)?;
        let tools = tools(&asker, &url, &token.secret)?;
        Ok(LoggedIn {
            endpoint: url.to_string(),
            issuer: issuer.issuer,
            client_id,
            scope: token.scope.unwrap_or(scope),
            expires_in: token.expires_in,
            tools,
        })
    }

    /// The server, the client, and the issuer where the configuration names it.
    fn whom(&self) -> Result<(Url, String, Option<String>)> {
        let (url, known, issuer) = match &self.url {
            Some(url) => (url.clone(), None, None),
            None => {
                let settings = Settings::load(&self.config)?;
                let (url, auth) = settings.public()?;
                let issuer = auth.rules(url.as_str())?.issuer().to_owned();
                (url.to_string(), auth.people_client().map(ToOwned::to_owned), Some(issuer))
            }
        };
        let url = Url::parse(&url).map_err(|error| {
            Fault::new(Kind::Usage, "this is no address").at("--url").value(&url).because(error)
        })?;
        let client = self.client_id.clone().or(known).ok_or_else(|| {
            Fault::new(Kind::Usage, "nothing says as which client to sign in").expected("--client-id ID")
        })?;
        Ok((url, client, issuer))
    }

    fn token(
        &self,
        asker: &Asker,
        issuer: &Issuer,
        client_id: &str,
        scope: &str,
        resource: &Url,
        show: &mut dyn FnMut(&str),
    ) -> Result<Token> {
        let mut sign_in =
            discovery::endpoint(issuer, "authorization_endpoint", issuer.authorization_endpoint.as_deref())?;
        let endpoint = discovery::endpoint(issuer, "token_endpoint", issuer.token_endpoint.as_deref())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).map_err(|error| {
            Fault::new(Kind::Usage, "the port for the answer cannot be opened")
                .at("--port")
                .value(self.port)
                .because(error)
                .next("choose another that is registered with the issuer")
        })?;
        let redirect = format!("http://localhost:{}/callback", self.port);
        let (state, verifier) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        sign_in.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", &redirect),
            ("scope", scope),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", resource.as_str()),
        ]);
        show(sign_in.as_str());
        let code = wait(&listener, &state, issuer, PATIENCE)?;
        let answer = asker.form(
            &endpoint,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", client_id),
                ("redirect_uri", &redirect),
                ("code", &code),
                ("code_verifier", &verifier),
                ("resource", resource.as_str()),
            ],
        )?;
        Token::of(&answer, &endpoint)
    }
}

/// A token, and what is said about it.
struct Token {
    secret: SecretString,
    scope: Option<String>,
    expires_in: Option<u64>,
}

impl Token {
    fn of(answer: &Answer, endpoint: &Url) -> Result<Self> {
        let body = answer.json("the issuer's answer", endpoint)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        match (answer.status, text("access_token")) {
            (200, Some(token)) => Ok(Self {
                secret: SecretString::from(token),
                scope: text("scope").map(ToOwned::to_owned),
                expires_in: body.get("expires_in").and_then(Value::as_u64),
            }),
            (status, _) => Err(Fault::new(Kind::SignIn, "the issuer gives no token for the code")
                .at(place(endpoint))
                .value(format!("HTTP {status} {} {}", text("error").unwrap_or_default(), text("error_description").unwrap_or_default()))
                .next("check that the client is public, may use the code grant, and may ask for these scopes and this resource")),
        }
    }
}

/// 256 random bits, as text that may stand in an address (RFC 7636 §4.1).
fn random() -> Result<String> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::new(Kind::Bug, "this machine gives no random numbers").value(error))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Waits for the browser to come back with a code.
fn wait(listener: &TcpListener, state: &str, issuer: &Issuer, patience: Duration) -> Result<String> {
    let lost = |error: std::io::Error| {
        Fault::new(Kind::Platform, "the answer of the browser cannot be taken").because(error)
    };
    listener.set_nonblocking(true).map_err(lost)?;
    let end = Instant::now() + patience;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                // A browser asks for its icon, and others may knock: only an answer to our question counts.
                if let Some(answered) = answered(stream, state, issuer) {
                    return answered;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(20))
            }
            Err(error) => return Err(lost(error)),
        }
        if Instant::now() >= end {
            return Err(Fault::new(Kind::SignIn, "nobody signed in")
                .value(format!("{} s", patience.as_secs()))
                .next("run it again, and open the address that it prints in a browser of this machine"));
        }
    }
}

/// What a request to the callback says: the code, or what went wrong; nothing where it is no answer to our question.
fn answered(mut stream: TcpStream, state: &str, issuer: &Issuer) -> Option<Result<String>> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut line = String::new();
    BufReader::new(std::io::Read::take(&stream, 16 * 1024)).read_line(&mut line).ok()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let url = Url::parse("http://localhost").ok()?.join(target).ok()?;
    let value =
        |name: &str| url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    let is_ours = url.path() == "/callback" && value("state").as_deref() == Some(state);
    let (status, text) = match is_ours {
        true => ("200 OK", "tieout has the answer; this window may be closed."),
        false => ("404 Not Found", "There is nothing here."),
    };
    // The browser may be gone; what it brought is there.
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    if !is_ours {
        return None;
    }
    // Who answers must be who was asked, and must say so where he said that he would (RFC 9207 §2.4).
    let name = value("iss");
    let is_issuer = match &name {
        Some(name) => *name == issuer.issuer,
        None => !issuer.authorization_response_iss_parameter_supported,
    };
    if !is_issuer {
        let fault = Fault::new(Kind::SignIn, "another issuer answers").expected(&issuer.issuer);
        return Some(Err(fault.value(name.as_deref().unwrap_or("no iss"))));
    }
    Some(value("code").ok_or_else(|| {
        Fault::new(Kind::SignIn, "the issuer refuses").value(format!(
            "{} {}",
            value("error").unwrap_or_default(),
            value("error_description").unwrap_or_default()
        ))
    }))
}

/// The test: which tools the server lists for this token.
fn tools(asker: &Asker, url: &Url, token: &SecretString) -> Result<Vec<String>> {
    let message =
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": discovery::meta()}});
    let answer = asker.message(url, &message, "tools/list", Some(token.expose_secret()))?;
    let refused = |found: String| {
        Fault::new(Kind::SignIn, "the server does not take the token")
            .at(place(url))
            .value(found)
            .next("its audit log has the reason")
    };
    if answer.status != 200 {
        let said = answer.header("www-authenticate").unwrap_or_default();
        return Err(refused(format!("HTTP {} {said}", answer.status)));
    }
    let body = answer.json("the list of tools", url)?;
    let tools = body
        .pointer("/result/tools")
        .and_then(Value::as_array)
        .ok_or_else(|| refused(shown(&body.to_string())))?;
    Ok(tools.iter().filter_map(|tool| tool.get("name")?.as_str()).map(shown).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn nobody_is_waited_for_without_end() {
        let issuer: Issuer = serde_json::from_value(json!({"issuer": "https://issuer.example"})).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        // Somebody comes who has nothing to say.
        let _stray = TcpStream::connect(listener.local_addr().unwrap())
            .map(|stream| stream.shutdown(std::net::Shutdown::Both));
        let fault = wait(&listener, "state", &issuer, Duration::from_millis(50)).unwrap_err();
        assert_eq!((fault.kind(), fault.what()), (Kind::SignIn, "nobody signed in"));
    }
}
