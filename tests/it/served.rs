//! A server of agents as an operator starts it: the program itself, with a `tieout.toml` and an issuer, on this machine.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::issuer::{CLIENT, Issuer, MACHINE};

/// What clients call; without a port in it any port will do.
pub(crate) const URL: &str = "http://127.0.0.1/mcp";

/// A reconciliation of files that finds something.
const RECONCILIATION: &str = r#"
[reconciliation]
name = "served"
time_zone = "America/Chicago"
[invoices]
files = ["invoices.csv"]
[invoices.columns]
document = "Document"
vendor = "Vendor"
deal = "Deal"
amount = "Amount"
currency = "Currency"
[settlements]
files = ["settlements.csv"]
[settlements.columns]
vendor = "Vendor"
deal = "Deal"
amount = "Amount"
currency = "Currency"
[[pass]]
name = "by deal"
key = ["vendor", "deal"]
[[tolerance]]
field = "amount"
absolute = "0.01"
"#;

pub(crate) const SCOPES: &str = r#"
[serve.scopes]
reconcile = ["tieout/read", "tieout/run"]
list_discrepancies = ["tieout/read"]
explain_discrepancy = ["tieout/read"]
export_report = ["tieout/write"]
inspect_file = ["tieout/read"]
fetch_settlements = ["tieout/platform"]
platform_operations = ["tieout/platform"]
platform_call = ["tieout/platform"]
platform_doctor = ["tieout/platform"]
"#;

/// A folder with a reconciliation that has run, and `serve` in its `tieout.toml`.
pub(crate) fn folder(serve: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("tieout.toml", &format!("{RECONCILIATION}{serve}"));
    write(
        "invoices.csv",
        "Document,Vendor,Deal,Amount,Currency\nA-1,Prairie,D-1,100.00,USD\nA-1,Prairie,D-2,50.00,USD\nB-1,Mesa,D-3,10.00,USD\n",
    );
    write(
        "settlements.csv",
        "Vendor,Deal,Amount,Currency\nPrairie,D-1,90.00,USD\nPrairie,D-2,50.00,USD\nMesa,D-3,9.00,USD\n",
    );
    let run = Command::new(env!("CARGO_BIN_EXE_tieout"))
        .arg("reconcile")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    folder
}

/// Lets the settlements of `folder` come from a platform at `address`.
pub(crate) fn ask_platform(folder: &Path, address: std::net::SocketAddr) {
    let file = folder.join("tieout.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let platform = format!(
        "[settlements]\nsource = \"platform\"\n[platform]\nendpoint = \"http://{address}/S.asmx\"\nnamespace = \"urn:s\"\nauth = \"none\"\n\
         [platform.request]\noperation = \"Get\"\nrecords = \"GetResult/Record\"\n"
    );
    std::fs::write(&file, text.replace("[settlements]\nfiles = [\"settlements.csv\"]\n", &platform)).unwrap();
}

/// `[serve]` for `issuer`, and what `more` adds before its tables.
pub(crate) fn settings(issuer: &Issuer, more: &str) -> String {
    format!(
        r#"
[serve]
url = "{URL}"
bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:0"
{more}
[serve.auth]
provider = "oidc"
issuer = "{}"
clients = ["{CLIENT}", "{MACHINE}"]
machine_clients = ["{MACHINE}"]
{SCOPES}
"#,
        issuer.name()
    )
}

/// What a good token for these scopes says.
pub(crate) fn claims(issuer: &Issuer, scope: &str) -> Value {
    let mut claims = issuer.claims(URL);
    claims["scope"] = json!(scope);
    claims
}

/// A good token for these scopes.
pub(crate) fn token(issuer: &Issuer, scope: &str) -> String {
    issuer.token(&claims(issuer, scope))
}

/// A running server.
pub(crate) struct Served {
    child: Child,
    pub(crate) base: String,
    pub(crate) admin: String,
    audit: PathBuf,
    client: Client,
}

impl Served {
    /// Starts the server of `folder`, and waits until it listens.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[], "http")
    }

    pub(crate) fn start_with(folder: &Path, arguments: &[&str], scheme: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tieout"))
            .args(["mcp", "serve"])
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || lines.next().and_then(Result::ok).unwrap_or_default();
        let (first, second) = (next(), next());
        let Some((_, address)) = first.rsplit_once(" at ") else {
            let output = child.wait_with_output().unwrap();
            panic!("it does not serve: {first} {}", String::from_utf8_lossy(&output.stderr));
        };
        let admin =
            second.rsplit_once(" at ").map(|(_, address)| format!("http://{address}")).unwrap_or_default();
        // What it says from here on must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        let client = client(&[]);
        Self {
            child,
            base: format!("{scheme}://{address}"),
            admin,
            audit: folder.join(".tieout/audit/audit.jsonl"),
            client,
        }
    }

    /// A request with a message of the protocol, as revision 2025-11-25 has it.
    pub(crate) fn post(&self, token: Option<&str>, message: &Value) -> RequestBuilder {
        self.post_to("/mcp", token, message)
    }

    /// The same, for an answer of the media type `accept`.
    pub(crate) fn post_accepting(&self, token: &str, message: &Value, accept: &str) -> RequestBuilder {
        let url = format!("{}/mcp", self.base);
        let request =
            self.client.post(url).header("Content-Type", "application/json").header("Accept", accept);
        request.bearer_auth(token).body(message.to_string())
    }

    pub(crate) fn post_to(&self, path: &str, token: Option<&str>, message: &Value) -> RequestBuilder {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2025-11-25")
            .body(message.to_string());
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A request as revision 2026-07-28 has it, whose head says what the message is.
    pub(crate) fn post_newest(
        &self,
        token: &str,
        message: &Value,
        method: &str,
        name: &str,
    ) -> RequestBuilder {
        self.client
            .post(format!("{}/mcp", self.base))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method)
            .header("Mcp-Name", name)
            .bearer_auth(token)
            .body(message.to_string())
    }

    pub(crate) fn send(&self, token: Option<&str>, message: &Value) -> Response {
        self.post(token, message).send().unwrap()
    }

    /// The result of a call of a tool.
    pub(crate) fn call(&self, token: &str, tool: &str, arguments: &Value) -> Value {
        let response = self.send(Some(token), &call(tool, arguments));
        assert_eq!(response.status(), 200, "{tool}");
        let answer: Value = serde_json::from_slice(&response.bytes().unwrap()).unwrap();
        answer["result"].clone()
    }

    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.admin)).send().unwrap();
        (response.status().as_u16(), response.text().unwrap())
    }

    /// The lines of the audit log.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.audit).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines that `act` leaves.
    pub(crate) fn lines_of<T>(&self, act: impl FnOnce() -> T) -> (T, Vec<Value>) {
        let before = self.lines().len();
        let done = act();
        // A refusal at the door is written down by nobody who waits for it.
        let end = Instant::now() + Duration::from_secs(5);
        while self.lines().len() == before && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let lines = self.lines().split_off(before);
        (done, lines)
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Whether the process is there; one that has ended and that nobody has waited for is not.
    pub(crate) fn is_running(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // The state stands behind the name, which is in parentheses.
        !matches!(status.rsplit_once(") ").map(|(_, rest)| rest.as_bytes().first()), None | Some(Some(b'Z')))
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that trusts `roots` (DER) alone.
pub(crate) fn client(roots: &[Vec<u8>]) -> Client {
    let mut store = rustls::RootCertStore::empty();
    for root in roots {
        store.add(root.clone().into()).unwrap();
    }
    let tls = rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(store)
    .with_no_client_auth();
    let builder = Client::builder().no_proxy().tls_backend_preconfigured(tls);
    builder.timeout(Duration::from_secs(30)).build().unwrap()
}

pub(crate) fn call(tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}
