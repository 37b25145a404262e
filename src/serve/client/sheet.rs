//! What the platform team of an agent needs to know to connect it: one sheet.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::discovery;
use super::http::Asker;
use super::samples::{self, Sample};
use crate::fault::{Fault, Kind, Result};
use crate::serve::auth::Scopes;
use crate::serve::{Settings, tools};

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
    /// The clients that people sign in with.
    pub clients: Vec<String>,
    /// Those that act without a person, by the client credentials grant.
    pub machine_clients: Vec<String>,
    /// By tool, the scopes that it needs.
    pub scopes: Vec<ToolScopes>,
    /// How common clients are configured, and where their sign-in comes back to.
    pub samples: Vec<Sample>,
}

/// The scopes of a tool.
#[derive(Clone, Debug, Serialize)]
pub struct ToolScopes {
    /// The tool.
    pub tool: &'static str,
    /// The name for people.
    pub title: &'static str,
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
        // What is not offered is nobody's to ask for.
        let (offered, known) = tools::offered(settings.writes);
        let table = Scopes::new(&settings.scopes, &known, &tools::names(&offered))?;
        let scopes: Vec<ToolScopes> = offered
            .iter()
            .map(|tool| ToolScopes {
                tool: tool.name,
                title: tool.title,
                scopes: table.of(tool.name).into_iter().flatten().cloned().collect(),
            })
            .collect();
        Ok(Sheet {
            endpoint: url.to_string(),
            revisions: crate::serve::handler::REVISIONS.iter().map(ToString::to_string).collect(),
            authorization_endpoint: asked.as_ref().and_then(|asked| asked.authorization_endpoint.clone()),
            token_endpoint: asked.as_ref().and_then(|asked| asked.token_endpoint.clone()),
            pkce_advertised: asked
                .as_ref()
                .map(|asked| asked.code_challenge_methods_supported.iter().any(|way| way == "S256")),
            issuer,
            samples: samples::all(url.as_str(), auth.people_client(), &all_of(&scopes)),
            clients: auth
                .clients
                .iter()
                .filter(|client| !auth.machine_clients.contains(client))
                .cloned()
                .collect(),
            machine_clients: auth.machine_clients.clone(),
            scopes,
        })
    }
}

/// All scopes, each once.
fn all_of(tools: &[ToolScopes]) -> Vec<String> {
    let all: BTreeSet<&String> = tools.iter().flat_map(|tool| &tool.scopes).collect();
    all.into_iter().cloned().collect()
}

impl Sheet {
    /// As a person reads it, in Markdown.
    ///
    /// # Errors
    /// [`Kind::Bug`] where an example cannot be written.
    pub fn text(&self) -> Result<String> {
        let unknown = || "(ask the issuer: run without --offline)".to_owned();
        let quoted = |texts: &[String]| match texts.is_empty() {
            true => "none".to_owned(),
            false => texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "),
        };
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
            .map(|tool| format!("| `{}` | {} | `{}` |", tool.tool, tool.title, tool.scopes.join(" ")))
            .collect();
        let samples = self.samples.iter().map(sample).collect::<Result<Vec<_>>>()?;
        Ok(format!(
            "# Connecting an agent to tieout\n\n\
            tieout reconciles vendor invoices with settlement records. It serves its operations to agents as tools of the \
            Model Context Protocol. Whoever calls brings an access token (OAuth 2.1) of the issuer below.\n\n\
            | what | value |\n|---|---|\n\
            | endpoint (Streamable HTTP) | `{endpoint}` |\n\
            | protocol | {revisions}; stateless, no sessions |\n\
            | issuer | `{issuer}` |\n\
            | authorization endpoint | {authorization} |\n\
            | token endpoint | {token} |\n\
            | resource (RFC 8707) | `{endpoint}`: ask for it in the authorization and in the token request |\n\
            | grant for people | authorization code with PKCE; public clients, without a secret: {clients} |\n\
            | grant for programs | client credentials: {machines} |\n\
            | PKCE | {pkce} |\n\
            | registration | none: a client id is given out by whoever runs the issuer |\n\
            | redirects | compared to the letter, each registered beforehand with the issuer; those of common clients stand below |\n\
            | all scopes | `{scopes}` |\n\n\
            A client may start with less: a call that needs more is answered with 403 and all scopes that it needs.\n\n\
            | tool | what it does | scopes |\n|---|---|---|\n{tools}\n\n{samples}",
            endpoint = self.endpoint,
            revisions = self.revisions.join(", "),
            issuer = self.issuer,
            authorization = self.authorization_endpoint.as_ref().map_or_else(unknown, |at| format!("`{at}`")),
            token = self.token_endpoint.as_ref().map_or_else(unknown, |at| format!("`{at}`")),
            clients = quoted(&self.clients),
            machines = quoted(&self.machine_clients),
            scopes = all_of(&self.scopes).join(" "),
            tools = tools.join("\n"),
            samples = samples.join("\n"),
        ))
    }
}

fn sample(sample: &Sample) -> Result<String> {
    let mut text = format!("## {}\n\n{}\n", sample.client, sample.place);
    if !sample.redirects.is_empty() {
        text += &format!("\nRedirect to register: `{}`\n", sample.redirects.join("`, `"));
    }
    if let Some(configuration) = &sample.configuration {
        let json = serde_json::to_string_pretty(configuration)
            .map_err(|error| Fault::new(Kind::Bug, "no JSON").because(error))?;
        text += &format!("\n```json\n{json}\n```\n");
    }
    Ok(text)
}
