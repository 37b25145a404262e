//! What the platform team of an agent needs to know to connect it: one sheet.

use std::path::PathBuf;

use serde::Serialize;

use super::discovery;
use super::http::Asker;
use crate::fault::{Fault, Kind, Result};
use crate::serve::Settings;

/// Print the sheet that whoever connects an agent needs
///
/// Endpoint, issuer, authorization and token endpoints, scopes with the tools
/// that need them, client id, redirect rules, and the configuration of common
/// clients. The issuer is asked for its endpoints, unless --offline.
#[derive(Clone, Debug, clap::Args)]
pub struct ClientConfig {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    pub config: PathBuf,

    /// Do not ask the issuer
    #[arg(long)]
    pub offline: bool,

    /// Certificates (PEM) to trust in place of the machine's own
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The sheet.
#[derive(Clone, Debug, Serialize)]
pub struct Sheet {
    /// What clients call, and the `resource` that they ask tokens for (RFC 8707).
    pub endpoint: String,
    /// The revisions of the protocol that are spoken.
    pub revisions: Vec<String>,
    /// Who issues tokens.
    pub issuer: String,
    /// Where a person signs in; none where the issuer was not asked.
    pub authorization_endpoint: Option<String>,
    /// Where a code becomes a token; none where the issuer was not asked.
    pub token_endpoint: Option<String>,
    /// Whether the issuer says that it takes PKCE with S256; none where it was not asked.
    pub pkce_advertised: Option<bool>,
    /// The clients that are accepted.
    pub clients: Vec<String>,
    /// By tool, the scopes that it needs.
    pub scopes: Vec<ToolScopes>,
}

/// The scopes of a tool.
#[derive(Clone, Debug, Serialize)]
pub struct ToolScopes {
    /// The tool.
    pub tool: String,
    /// All that it needs.
    pub scopes: Vec<String>,
}

impl ClientConfig {
    /// Makes the sheet.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where `[serve]` lacks what it needs, [`Kind::Platform`] where the issuer does not answer.
    pub fn run(&self) -> Result<Sheet> {
        let settings = Settings::load(&self.config)?;
        let (url, auth) = settings.public()?;
        let issuer = auth.rules(url.as_str())?.issuer().to_owned();
        let asked = match self.offline {
            true => None,
            false => {
                let asked = discovery::issuer(&Asker::new(self.ca_file.as_deref())?, &issuer);
                Some(
                    asked
                        .map_err(|fault| fault.and_next("--offline leaves out what only the issuer knows"))?,
                )
            }
        };
        let scopes = settings
            .scopes
            .iter()
            .map(|(tool, scopes)| ToolScopes { tool: tool.clone(), scopes: scopes.clone() });
        Ok(Sheet {
            endpoint: url.to_string(),
            revisions: crate::serve::handler::REVISIONS.iter().map(ToString::to_string).collect(),
            authorization_endpoint: asked.as_ref().and_then(|asked| asked.authorization_endpoint.clone()),
            token_endpoint: asked.as_ref().and_then(|asked| asked.token_endpoint.clone()),
            pkce_advertised: asked
                .as_ref()
                .map(|asked| asked.code_challenge_methods_supported.iter().any(|way| way == "S256")),
            issuer,
            clients: auth.clients.clone(),
            scopes: scopes.collect(),
        })
    }
}

impl Sheet {
    /// All scopes, each once.
    fn all_scopes(&self) -> String {
        let mut all: Vec<&str> =
            self.scopes.iter().flat_map(|tool| &tool.scopes).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all.join(" ")
    }

    /// As a person reads it, in Markdown.
    ///
    /// # Errors
    /// [`Kind::Bug`] where an example cannot be written.
    pub fn text(&self) -> Result<String> {
        let unknown = || "(ask the issuer: run without --offline)".to_owned();
        let client = self.clients.first().map_or("", String::as_str);
        let pkce = match self.pkce_advertised {
            Some(true) => "required, S256; the issuer advertises it",
            Some(false) => {
                "required, S256; the issuer takes it but does not advertise it (code_challenge_methods_supported is missing, as with Amazon Cognito): a client that insists must be told"
            }
            None => "required, S256",
        };
        let tools: Vec<String> = self
            .scopes
            .iter()
            .map(|tool| format!("| `{}` | `{}` |", tool.tool, tool.scopes.join(" ")))
            .collect();
        let json = |value: &serde_json::Value| {
            serde_json::to_string_pretty(value)
                .map_err(|error| Fault::new(Kind::Bug, "no JSON").because(error))
        };
        let inspector = json(&serde_json::json!({
            "mcpServers": {"tieout": {"type": "streamable-http", "url": self.endpoint}}
        }))?;
        let with_client = json(&serde_json::json!({
            "mcpServers": {"tieout": {"type": "http", "url": self.endpoint, "oauth": {"clientId": client, "callbackPort": super::login::PORT}}}
        }))?;
        Ok(format!(
            "# Connecting an agent to tieout\n\n\
            | what | value |\n|---|---|\n\
            | endpoint (Streamable HTTP) | `{endpoint}` |\n\
            | protocol | {revisions}; stateless, no sessions |\n\
            | issuer | `{issuer}` |\n\
            | authorization endpoint | {authorization} |\n\
            | token endpoint | {token} |\n\
            | resource (RFC 8707) | `{endpoint}`: ask for it in the authorization and in the token request |\n\
            | clients accepted | {clients} |\n\
            | PKCE | {pkce} |\n\
            | registration | none: a client id is given out by whoever runs the issuer |\n\
            | redirect | exact match, registered beforehand; for clients on a person's machine `http://localhost:{port}/callback` (RFC 8252 §7.3) |\n\
            | all scopes | `{scopes}` |\n\n\
            A client may start with less: a call that needs more is answered with 403 and all scopes that it needs.\n\n\
            | tool | scopes |\n|---|---|\n{tools}\n\n\
            ## Clients that find everything themselves\n\n```json\n{inspector}\n```\n\n\
            ## Clients that are told their id\n\n```json\n{with_client}\n```\n\n\
            ## On the same machine, without tokens\n\n```json\n{local}\n```\n",
            endpoint = self.endpoint,
            revisions = self.revisions.join(", "),
            issuer = self.issuer,
            authorization = self.authorization_endpoint.as_ref().map_or_else(unknown, |at| format!("`{at}`")),
            token = self.token_endpoint.as_ref().map_or_else(unknown, |at| format!("`{at}`")),
            clients = self.clients.iter().map(|client| format!("`{client}`")).collect::<Vec<_>>().join(", "),
            port = super::login::PORT,
            scopes = self.all_scopes(),
            tools = tools.join("\n"),
            local = json(&serde_json::json!({
                "mcpServers": {"tieout": {"command": "tieout", "args": ["mcp", "serve", "--stdio", "--config", "/path/to/tieout.toml"]}}
            }))?,
        ))
    }
}
