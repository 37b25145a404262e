//! The other side of the server of agents: what `mcp doctor`, `mcp login` and `mcp client-config` find, with the server and
//! the issuer as they should be, and with every fault that an operator may make.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::issuer::{CLIENT, Issuer, MACHINE, Mode};
use super::served::{Served, URL, folder, settings};
use super::support::{Outcome, tieout};

/// A port that nobody has: what clients call must be known before the server starts.
fn port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A folder whose server is called at the port it listens on, by this machine alone.
fn reachable(issuer: &Issuer, scheme: &str, more: &str) -> (tempfile::TempDir, String) {
    let port = port();
    let url = format!("{scheme}://127.0.0.1:{port}/mcp");
    let settings = settings(issuer, "allow_peers = [\"127.0.0.1\"]").replace(URL, &url).replacen(
        "bind = \"127.0.0.1:0\"",
        &format!("bind = \"127.0.0.1:{port}\""),
        1,
    );
    (folder(&(settings + more)), url)
}

const TLS: &str = "[serve.tls]\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n";

/// A certificate for 127.0.0.1 until this year, where the server of `folder` takes it from, and for clients to trust.
fn certificate(folder: &Path, until: i32) {
    let mut asked = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    asked.not_after = rcgen::date_time_ymd(until, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(folder.join("chain.pem"), asked.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}

fn mcp(folder: &Path, arguments: &[&str]) -> Outcome {
    tieout().current_dir(folder).arg("mcp").args(arguments).output().unwrap().into()
}

/// The examination as JSON, and the exit code.
fn examine(folder: &Path, arguments: &[&str]) -> (Value, Option<i32>) {
    let outcome = mcp(folder, &[&["doctor", "--json"], arguments].concat());
    let parsed = serde_json::from_str(&outcome.stdout);
    (parsed.unwrap_or_else(|error| panic!("{error}: {} {}", outcome.stdout, outcome.stderr)), outcome.code)
}

/// The verdict of a check, with what it found and what to do.
fn verdict(examination: &Value, check: &str) -> (String, String) {
    let checks = examination["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["check"] == check).unwrap();
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("verdict"), format!("{} → {}", text("found"), text("next")))
}

/// That this check is the first that fails, for this reason, and says so by the exit code.
fn fails(examined: &(Value, Option<i32>), check: &str, because: &str) {
    let (examination, code) = examined;
    let checks = examination["checks"].as_array().unwrap();
    let first = checks.iter().find(|check| check["verdict"] == "fail");
    assert_eq!(first.map(|found| &found["check"]), Some(&json!(check)), "{examination:#}");
    let (_, found) = verdict(examination, check);
    assert!(found.contains(because), "{found}");
    assert_eq!(*code, Some(4), "{found}");
}

#[test]
fn the_doctor_finds_everything_as_it_should_be() {
    let issuer = Issuer::start();
    issuer.say(json!({"code_challenge_methods_supported": ["S256"], "registration_endpoint": "https://issuer.example/register"}));
    let (folder, url) = reachable(&issuer, "https", TLS);
    certificate(folder.path(), 4000);
    let _served = Served::start_with(folder.path(), &[], "https");
    let (examination, code) = examine(folder.path(), &["--ca-file", "chain.pem"]);
    for check in examination["checks"].as_array().unwrap() {
        assert_eq!(check["verdict"], "pass", "{check:#}");
    }
    assert_eq!(
        (code, &examination["endpoint"], &examination["passed"]),
        (Some(0), &json!(url), &json!(true))
    );
    let told = mcp(folder.path(), &["doctor", "--ca-file", "chain.pem"]);
    assert!(told.stdout.contains("11 passed, 0 to note, 0 failed, 0 skipped"), "{}", told.stdout);
    // Somebody elsewhere has no configuration.
    let elsewhere = tempfile::tempdir().unwrap();
    let chain = folder.path().join("chain.pem");
    let (examination, code) =
        examine(elsewhere.path(), &["--url", &url, "--ca-file", &chain.display().to_string()]);
    assert_eq!((code, verdict(&examination, "configuration").0.as_str()), (Some(0), "skipped"));
}

/// A server that is none of ours, and shows the certificate of `folder`.
fn handshakes(folder: &Path) -> String {
    let chain = CertificateDer::from_pem_file(folder.join("chain.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let settings =
        Arc::new(builder.unwrap().with_no_client_auth().with_single_cert(vec![chain], key).unwrap());
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&settings)).unwrap();
            let _ = tls.complete_io(&mut stream);
        }
    });
    format!("https://{address}/mcp")
}

#[test]
fn the_doctor_names_what_is_wrong_with_a_certificate() {
    let issuer = Issuer::start();
    let (folder, url) = reachable(&issuer, "https", TLS);
    certificate(folder.path(), 4000);
    let _served = Served::start_with(folder.path(), &[], "https");
    // Ours does not even start with one that has expired; others do.
    let late = tempfile::tempdir().unwrap();
    certificate(late.path(), 2020);
    let expired = handshakes(late.path());
    let examined = examine(late.path(), &["--url", &expired, "--ca-file", "chain.pem"]);
    fails(&examined, "connection", "its certificate is not trusted");
    assert!(verdict(&examined.0, "connection").1.contains("expired"), "{:#}", examined.0);
    let other = tempfile::tempdir().unwrap();
    certificate(other.path(), 4000);
    let examined = examine(other.path(), &["--url", &url, "--ca-file", "chain.pem"]);
    fails(&examined, "connection", "its certificate is not trusted");
    let (examination, code) = examine(other.path(), &["--url", &url, "--ca-file", "nowhere.pem"]);
    assert_eq!((code, verdict(&examination, "connection").0.as_str()), (Some(2), "fail"), "{examination:#}");
    assert!(verdict(&examination, "connection").1.contains("nowhere.pem"));
}

#[test]
fn the_doctor_names_what_is_wrong_with_the_issuer() {
    let issuer = Issuer::start();
    let (folder, _) = reachable(&issuer, "http", "");
    let _served = Served::start(folder.path());
    let (examination, code) = examine(folder.path(), &[]);
    assert_eq!((code, verdict(&examination, "PKCE").0.as_str()), (Some(0), "note"), "as with Cognito");
    assert!(verdict(&examination, "PKCE").1.contains("not advertised"));
    issuer.say(json!({"code_challenge_methods_supported": ["plain"]}));
    fails(&examine(folder.path(), &[]), "PKCE", "plain");
    issuer.say(json!({"issuer": "https://issuer.example/other"}));
    fails(&examine(folder.path(), &[]), "issuer metadata", "https://issuer.example/other");
    issuer.say(json!({"jwks_uri": null}));
    fails(&examine(folder.path(), &[]), "keys", "jwks_uri");
    issuer.say(json!({}));
    issuer.publish(&[]);
    fails(&examine(folder.path(), &[]), "keys", "no key to check tokens with");
    issuer.set(Mode::Down);
    let examined = examine(folder.path(), &[]);
    fails(&examined, "issuer metadata", "nobody answers");
    assert!(!verdict(&examined.0, "issuer metadata").1.contains("allow_peers"), "that is not the issuer's");
    assert_eq!(
        verdict(&examined.0, "keys"),
        ("skipped".to_owned(), "because this failed: issuer metadata → ".to_owned())
    );
    issuer.set(Mode::With(503, String::new(), "{}".to_owned()));
    fails(&examine(folder.path(), &[]), "issuer metadata", "HTTP 503");
}

/// A server that is none of ours: answers each path as it is told, its head first, with its own address for `HERE`.
fn stand_in(answers: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let here = format!("http://{}", listener.local_addr().unwrap());
    let base = here.clone();
    // It ends with the process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut first = String::new();
            let _ = reader.read_line(&mut first);
            let mut length = 0;
            for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let _ = reader.read_exact(&mut vec![0; length]);
            let path = first.split(' ').nth(1).unwrap_or_default();
            let answer = answers
                .iter()
                .find(|(known, _)| *known == path)
                .map_or("404 x\r\n\r\n", |(_, answer)| answer);
            let answer = answer.replace("HERE", &base);
            let _ = write!(stream, "HTTP/1.1 {}", answer.replacen("\r\n", "\r\nconnection: close\r\n", 1));
        }
    });
    format!("{here}/mcp")
}

#[test]
fn the_doctor_names_what_is_wrong_with_the_server() {
    let elsewhere = tempfile::tempdir().unwrap();
    let look = |url: &str| examine(elsewhere.path(), &["--url", url]);
    let nobody = format!("http://127.0.0.1:{}/mcp", port());
    let examined = look(&nobody);
    fails(&examined, "connection", "nobody answers");
    assert!(verdict(&examined.0, "connection").1.contains("allow_peers"));
    let open = stand_in(vec![("/mcp", "200 x\r\n\r\n{}".to_owned())]);
    fails(&look(&open), "challenge", "HTTP 200");
    let silent = stand_in(vec![("/mcp", "401 x\r\n\r\n".to_owned())]);
    fails(&look(&silent), "challenge", "how to get a token");
    let challenge = "401 x\r\nwww-authenticate: Bearer resource_metadata=\"HERE/meta\"\r\n";
    let late = stand_in(vec![("/mcp", format!("{challenge}date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"))]);
    let examined = look(&late);
    fails(&examined, "clock", "the clock of the server");
    // A wrong clock does not hide what else is wrong.
    assert_eq!(verdict(&examined.0, "resource metadata").0, "fail");
    let foreign = stand_in(vec![
        ("/mcp", format!("{challenge}\r\n")),
        ("/meta", "200 x\r\n\r\n{\"resource\": \"https://elsewhere.example/mcp\"}".to_owned()),
    ]);
    fails(&look(&foreign), "resource metadata", "https://elsewhere.example/mcp");
    let alone = stand_in(vec![
        ("/mcp", format!("{challenge}\r\n")),
        ("/meta", "200 x\r\n\r\n{\"resource\": \"HERE/mcp\"}".to_owned()),
    ]);
    fails(&look(&alone), "issuer metadata", "names no issuer");
    let (examination, code) = look("recon.example.com");
    assert_eq!((code, verdict(&examination, "configuration").0.as_str()), (Some(2), "fail"));
}

/// Somebody who signs in: the program, the address it printed, and what it printed besides.
struct Signing {
    child: std::process::Child,
    address: String,
    told: BufReader<std::process::ChildStderr>,
    before: String,
}

impl Signing {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tieout"))
            .current_dir(folder)
            .env("RUST_LOG", "trace")
            .args(["mcp", "login", "--verbose", "--log", "json", "--port", &port().to_string()])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut before = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(told.read_line(&mut line).unwrap() > 0, "it asks nobody to sign in: {before}");
            before.push_str(&line);
            if line.contains("/authorize?") {
                break line.trim().to_owned();
            }
        };
        Self { child, address, told, before }
    }

    /// Where the issuer sends the browser.
    fn sent_to(&self) -> String {
        let answer = get(&self.address);
        let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
        location.unwrap_or_else(|| panic!("{} {answer}", self.address)).to_owned()
    }

    fn end(mut self) -> (Outcome, String) {
        let mut all = std::mem::take(&mut self.before);
        self.told.read_to_string(&mut all).unwrap();
        let mut outcome: Outcome = self.child.wait_with_output().unwrap().into();
        outcome.stderr = all.clone();
        let everything = all + &outcome.stdout;
        (outcome, everything)
    }
}

/// What a browser gets.
fn get(address: &str) -> String {
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host.replace("localhost", "127.0.0.1")).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn whoever_signs_in_gets_the_tools_and_his_token_is_told_to_nobody() {
    let issuer = Issuer::start();
    let (folder, url) = reachable(&issuer, "http", "");
    let served = Served::start(folder.path());
    let signing = Signing::start(folder.path(), &["--json", "--quiet", "--url", &url, "--client-id", CLIENT]);
    let back = signing.sent_to();
    // What others bring to the port is no answer: an icon, another state, none.
    let (base, _) = back.split_once("/callback").unwrap();
    let (before, _) = back.split_once("&state=").unwrap();
    for stray in [format!("{base}/favicon.ico"), format!("{before}&state=guessed"), before.to_owned()] {
        assert!(get(&stray).starts_with("HTTP/1.1 404"), "{stray}");
    }
    assert!(get(&back).starts_with("HTTP/1.1 200"));
    let (outcome, everything) = signing.end();
    assert_eq!(outcome.code, Some(0), "{everything}");
    assert_eq!(issuer.asked().iter().filter(|path| *path == "/pool/token").count(), 1);
    let secrets = issuer.secrets();
    assert_eq!(secrets.len(), 3, "a code, a verifier, a token");
    for secret in secrets {
        assert!(!everything.contains(&secret), "{secret} in {everything}");
        assert!(!served.lines().iter().any(|line| line.to_string().contains(&secret)));
    }
    // Without --url the configuration says all, and without --quiet the result is there.
    let signing = Signing::start(folder.path(), &["--json"]);
    get(&signing.sent_to());
    let (outcome, everything) = signing.end();
    let result: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{everything}"));
    assert_eq!(
        (&result["endpoint"], &result["client_id"], &result["expires_in"]),
        (&json!(url), &json!(CLIENT), &json!(3600))
    );
    assert!(result["tools"].as_array().unwrap().contains(&json!("list_discrepancies")), "{result}");
}

#[test]
fn a_sign_in_that_goes_wrong_says_how() {
    let issuer = Issuer::start();
    issuer.say(json!({"authorization_response_iss_parameter_supported": true}));
    let (folder, _) = reachable(&issuer, "http", "");
    let _served = Served::start(folder.path());
    type Change = fn(&str) -> String;
    let rows: [(&str, Change); 5] = [
        ("another issuer answers", |back| back.replace("&iss=", "&iss=https%3A%2F%2Fevil.example")),
        ("found: no iss", |back| back.split_once("&iss=").unwrap().0.to_owned()),
        ("access_denied not today", |back| {
            back.replace("?code=", "?error=access_denied&error_description=not+today&no=")
        }),
        ("invalid_grant the code is unknown", |back| back.replace("code=code-", "code=other-")),
        ("the issuer refuses", |back| back.replace("?code=", "?no=")),
    ];
    for (said, change) in rows {
        let signing = Signing::start(folder.path(), &[]);
        get(&change(&signing.sent_to()));
        let (outcome, everything) = signing.end();
        assert_eq!(outcome.code, Some(4), "{everything}");
        let told = everything.replace("\\n  ", " ").replace("  ", " ");
        assert!(told.contains(said), "{said}: {told}");
        for secret in issuer.secrets() {
            assert!(!everything.contains(&secret), "{everything}");
        }
    }
    // The server's own refusal, of a token without its scopes.
    let signing = Signing::start(folder.path(), &["--scope", "openid"]);
    get(&signing.sent_to());
    let (outcome, everything) = signing.end();
    assert_eq!(outcome.code, Some(4), "{everything}");
    assert!(everything.contains("the server does not take the token"), "{everything}");
    // Nobody is sent where a code could be read on its way, or a script would run.
    for bad in ["http://issuer.example/authorize", "javascript:alert(1)"] {
        issuer.say(json!({"authorization_endpoint": bad}));
        let outcome = mcp(folder.path(), &["login"]);
        assert_eq!(outcome.code, Some(4), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("nobody should be sent"), "{}", outcome.stderr);
    }
    // A port that somebody has.
    issuer.say(json!({}));
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let outcome = mcp(folder.path(), &["login", "--port", &taken.local_addr().unwrap().port().to_string()]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--port"), "{}", outcome.stderr);
}

#[test]
fn the_sheet_says_all_that_connecting_an_agent_takes() {
    let issuer = Issuer::start();
    let (folder, url) = reachable(&issuer, "http", "");
    let sheet = |arguments: &[&str]| mcp(folder.path(), &[&["client-config"], arguments].concat());
    let text = sheet(&[]).stdout;
    let authorize = format!("`{}/authorize`", issuer.name());
    let token = format!("`{}/token`", issuer.name());
    let name = issuer.name();
    for needed in [
        url.as_str(),
        &name,
        &authorize,
        &token,
        CLIENT,
        MACHINE,
        "2025-11-25, 2026-07-28",
        "does not advertise it",
        "| `reconcile` | Reconcile invoices with settlement records | `tieout/read tieout/run` |",
        "`tieout/platform tieout/read tieout/run`",
        "http://localhost:33418/callback",
        "http://127.0.0.1:33418/",
        "\"callbackPort\": 33418",
        "https://claude.ai/api/mcp/auth_callback",
        "## VS Code",
        "## Cursor",
        "## Claude Code",
        "## MCP Inspector",
        "\"--stdio\"",
    ] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    assert!(!text.contains("export_report"), "what only writes is not offered, so nobody shall ask for it");
    assert!(!text.contains("tieout/write"), "{text}");
    let whole: Value = serde_json::from_str(&sheet(&["--json"]).stdout).unwrap();
    assert_eq!(
        (&whole["pkce_advertised"], &whole["clients"], &whole["machine_clients"]),
        (&json!(false), &json!([CLIENT]), &json!([MACHINE]))
    );
    // Each block of Markdown is the JSON of the same client.
    let mut blocks = text.split("```json\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    for sample in whole["samples"].as_array().unwrap() {
        if !sample["configuration"].is_null() {
            let block: Value = serde_json::from_str(blocks.next().unwrap()).unwrap();
            assert_eq!(block, sample["configuration"]);
        }
    }
    assert!(blocks.next().is_none());
    issuer.set(Mode::Down);
    let refused = sheet(&[]);
    assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    assert!(refused.stderr.contains("--offline"), "{}", refused.stderr);
    let offline = sheet(&["--offline"]);
    assert_eq!(offline.code, Some(0), "{}", offline.stderr);
    assert!(offline.stdout.contains("run without --offline") && offline.stdout.contains(&url));
}
