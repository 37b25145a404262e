//! How common clients are told of a server, each in its own words.

use serde::Serialize;
use serde_json::{Value, json};

use super::login::PORT;

/// A client, and how it is configured.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// The client.
    pub client: &'static str,
    /// Where the configuration stands, or what to do where none is written down.
    pub place: String,
    /// Where its sign-in comes back to, to the letter: to be registered with the issuer; none where nobody signs in.
    pub redirects: Vec<String>,
    /// The configuration, where it is a file.
    pub configuration: Option<Value>,
}

/// For `endpoint`, signing in as the client `id` for `scopes`; without a client none of them that sign in.
pub(super) fn all(endpoint: &str, id: Option<&str>, scopes: &[String]) -> Vec<Sample> {
    let mut samples = Vec::new();
    if let Some(id) = id {
        samples = signing_in(endpoint, id, scopes);
    }
    samples.push(Sample {
        client: "Any client on the machine of tieout, over stdio, without tokens",
        place: "`claude_desktop_config.json` of Claude Desktop, `.mcp.json` of Claude Code, `.cursor/mcp.json` of Cursor; VS Code calls the outer key `servers`".to_owned(),
        redirects: Vec::new(),
        configuration: Some(json!({
            "mcpServers": {"tieout": {
                "command": "tieout",
                "args": ["mcp", "serve", "--stdio", "--config", "/path/to/tieout.toml"]
            }}
        })),
    });
    samples
}

fn signing_in(endpoint: &str, id: &str, scopes: &[String]) -> Vec<Sample> {
    let ours = format!("http://localhost:{PORT}/callback");
    vec![
        Sample {
            client: "tieout mcp login, to try it",
            place: format!(
                "`tieout mcp login --url {endpoint} --client-id {id}` signs in and lists the tools"
            ),
            redirects: vec![ours.clone()],
            configuration: None,
        },
        Sample {
            client: "Claude Code",
            place: "`.mcp.json` of the project; then `/mcp` signs in".to_owned(),
            redirects: vec![ours],
            configuration: Some(json!({
                "mcpServers": {"tieout": {
                    "type": "http",
                    "url": endpoint,
                    "oauth": {"clientId": id, "callbackPort": PORT}
                }}
            })),
        },
        Sample {
            client: "Claude Desktop and claude.ai",
            place: format!(
                "Settings → Connectors → Add custom connector: the URL `{endpoint}`, and under the advanced settings the OAuth client id `{id}`. The calls come from Anthropic's network and not from the person's machine: the server must be reachable from there"
            ),
            redirects: vec!["https://claude.ai/api/mcp/auth_callback".to_owned()],
            configuration: None,
        },
        Sample {
            client: "VS Code",
            place: "`.vscode/mcp.json` of the workspace".to_owned(),
            redirects: vec!["http://127.0.0.1:33418/".to_owned(), "https://vscode.dev/redirect".to_owned()],
            configuration: Some(json!({
                "servers": {"tieout": {"type": "http", "url": endpoint, "oauth": {"clientId": id}}}
            })),
        },
        Sample {
            client: "Cursor",
            place: "`.cursor/mcp.json` of the project, or `~/.cursor/mcp.json`".to_owned(),
            redirects: vec![
                "http://localhost:8787/callback".to_owned(),
                "cursor://anysphere.cursor-mcp/oauth/callback".to_owned(),
            ],
            configuration: Some(json!({
                "mcpServers": {"tieout": {"url": endpoint, "auth": {"CLIENT_ID": id, "scopes": scopes}}}
            })),
        },
        Sample {
            client: "MCP Inspector",
            place: format!(
                "`npx @modelcontextprotocol/inspector --config inspector.json --server tieout`; the client id `{id}` goes into its OAuth settings"
            ),
            redirects: vec!["http://localhost:6274/oauth/callback".to_owned()],
            configuration: Some(json!({
                "mcpServers": {"tieout": {"type": "streamable-http", "url": endpoint}}
            })),
        },
    ]
}
