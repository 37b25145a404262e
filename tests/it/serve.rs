//! The server of agents, from outside: what it answers, and what it refuses, each with a line in the audit log.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::issuer::{Issuer, MACHINE, pairs, signed};
use super::served::{Served, call, claims, folder, settings, token};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn changed(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn every_token_that_is_no_good_is_refused_with_one_line() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, ""));
    let served = Served::start(folder.path());
    let good = claims(&issuer, "tieout/read");
    let sign = |claims: &Value| issuer.token(claims);
    let kid = issuer.key_id();
    let with_head = |head: Value, signature: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(&head), part(&good))
    };
    // Signed with the public key as if it were a secret that the two share.
    let hs256 = {
        let secret = EncodingKey::from_secret(pairs().rsa.public());
        signed(&json!({"alg": "HS256", "kid": kid}).to_string(), &good.to_string(), Algorithm::HS256, &secret)
    };
    let tampered = {
        let token = sign(&good);
        let (head, rest) = token.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let more = changed(&good, "scope", json!("tieout/read tieout/run tieout/write"));
        format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(more.to_string()))
    };
    let named = |kid: &str| issuer.token_with(&json!({"alg": "RS256", "kid": kid}), &good);
    let foreign = Issuer::signed_by(&pairs().other_rsa, Algorithm::RS256, &issuer.header(), &good);
    let rows: Vec<(&str, Option<String>)> = vec![
        ("no-token", None),
        ("malformed", Some("garbage".to_owned())),
        ("malformed", Some("a.b.c".to_owned())),
        ("oversize", Some("x".repeat(17 * 1024))),
        ("expired", Some(sign(&changed(&good, "exp", json!(now() - 31))))),
        ("missing-claim", Some(sign(&without(&good, "exp")))),
        ("not-yet-valid", Some(sign(&changed(&good, "nbf", json!(now() + 120))))),
        ("not-yet-valid", Some(sign(&changed(&good, "iat", json!(now() + 120))))),
        ("wrong-issuer", Some(sign(&changed(&good, "iss", json!("https://evil.example/us-east-1_Test"))))),
        ("wrong-issuer", Some(sign(&without(&good, "iss")))),
        ("wrong-audience", Some(sign(&changed(&good, "aud", json!("https://other.example/mcp"))))),
        ("wrong-audience", Some(sign(&changed(&good, "aud", json!(["https://other.example/mcp"]))))),
        ("missing-audience", Some(sign(&without(&good, "aud")))),
        ("id-token", Some(sign(&changed(&good, "token_use", json!("id"))))),
        ("algorithm", Some(with_head(json!({"alg": "none"}), ""))),
        ("algorithm", Some(with_head(json!({"alg": "NONE", "kid": kid}), "AAAA"))),
        ("algorithm", Some(hs256)),
        ("malformed", Some(with_head(json!({"alg": "RS256", "kid": kid, "crit": ["x"]}), "AAAA"))),
        ("unknown-key", Some(named("nobody"))),
        ("unknown-key", Some(named("../../../../dev/null"))),
        ("unknown-key", Some(named("first' OR '1'='1"))),
        ("unknown-key", Some(with_head(json!({"alg": "RS256"}), "AAAA"))),
        ("signature", Some(tampered)),
        ("signature", Some(foreign)),
        ("client-not-listed", Some(sign(&changed(&good, "client_id", json!("somebody"))))),
        ("client-not-listed", Some(sign(&without(&good, "client_id")))),
    ];
    for (reason, token) in rows {
        let message = call("explain_discrepancy", &json!({"id": "x"}));
        let (response, lines) = served.lines_of(|| served.send(token.as_deref(), &message));
        let place = format!("{reason}: {:.60}", token.as_deref().unwrap_or_default());
        assert_eq!(response.status(), 401, "{place}");
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        let metadata = "resource_metadata=\"http://127.0.0.1/.well-known/oauth-protected-resource/mcp\"";
        assert!(challenge.starts_with("Bearer ") && challenge.contains(metadata), "{challenge}");
        assert!(challenge.contains("scope=\""), "where to begin: {challenge}");
        assert_eq!(challenge.contains("error=\"invalid_token\""), token.is_some(), "{challenge}");
        assert_eq!(lines.len(), 1, "{place}");
        assert_eq!(lines[0]["reason"], reason, "{place}");
        assert_eq!(lines[0]["decision"], "denied");
        if let Some(token) = token.filter(|token| token.len() > 20) {
            assert!(!lines[0].to_string().contains(&token), "a token is in the audit log");
        }
    }
    // One that is good, so that the others are refused for what they say; and a machine may lack the audience.
    let answered = |claims: &Value| {
        served.send(Some(&sign(claims)), &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).status()
    };
    assert_eq!(answered(&good), 200);
    assert_eq!(answered(&without(&changed(&good, "client_id", json!(MACHINE)), "aud")), 200);
    let verified = std::process::Command::new(env!("CARGO_BIN_EXE_tieout"))
        .args(["audit", "verify"])
        .arg(folder.path().join(".tieout/audit/audit.jsonl"))
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn every_request_that_is_not_as_it_should_be_is_refused_with_one_line() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, "[serve.limits]\nbody = \"64KiB\"\nbody_seconds = 1\n"));
    let served = Served::start(folder.path());
    let token = token(&issuer, "tieout/read");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let rows = [
        ("scope-missing", 403, served.post(Some(&token), &call("reconcile", &json!({})))),
        ("origin", 403, served.post(Some(&token), &list).header("Origin", "https://evil.example")),
        ("host", 421, served.post(Some(&token), &list).header("Host", "evil.example")),
        ("token-in-query", 400, served.post_to(&format!("/mcp?access_token={token}"), None, &list)),
        ("token-in-query", 400, served.post_to(&format!("/mcp?Access%5FToken={token}"), Some(&token), &list)),
        ("token-in-query", 400, served.post_to(&format!("/mcp?{token}"), Some(&token), &list)),
        // What the protocol's library refuses is a refusal as well.
        ("protocol", 406, served.post_accepting(&token, &list, "text/html")),
        ("head-too-large", 431, served.post(Some(&token), &list).header("X-Padding", "x".repeat(40_000))),
        ("body-too-large", 413, served.post(Some(&token), &list).body(vec![b' '; 70_000])),
    ];
    for (reason, status, request) in rows {
        let (response, lines) = served.lines_of(|| request.send().unwrap());
        assert_eq!(response.status(), status, "{reason}");
        assert_eq!(lines.len(), 1, "{reason}");
        assert_eq!(lines[0]["reason"], reason);
        if reason == "scope-missing" {
            let challenge = response.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            assert!(
                challenge.contains("scope=\"tieout/read tieout/run\""),
                "all scopes at once: {challenge}"
            );
            assert_eq!(lines[0]["tool"], "reconcile");
        }
    }
    // What is not to be read, or to be read in two ways, in the words of JSON-RPC.
    let said = |body: &str| served.post(Some(&token), &list).body(body.to_owned()).send().unwrap();
    let called = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"list_discrepancies","arguments":{arguments}}}}}"#
        )
    };
    let malformed = |code: i32, body: &str| ("body-malformed", code, body.to_owned());
    let no_message = |body: &str| ("no-message", -32600, body.to_owned());
    for (reason, code, body) in [
        malformed(-32700, "{\"method\":"),
        malformed(-32700, ""),
        malformed(-32600, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#),
        malformed(-32600, &called(r#"{"vendor":["Prairie"],"vendor":["Mesa"]}"#)),
        malformed(-32600, &called(r#"{"vendor":["Prairie"],"\u0076endor":["Mesa"]}"#)),
        malformed(-32600, &called(r#"{"deep":[{"a":1,"b":{},"a":2}]}"#)),
        ("body-too-deep", -32600, "[".repeat(10_000)),
        no_message("[]"),
        no_message("\"x\""),
        no_message("{}"),
        no_message("null"),
        no_message(r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#),
        no_message(r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#),
        no_message(r#"{"jsonrpc":"2.0","id":1}"#),
        no_message(r#"{"jsonrpc":"2.0","id":1,"method":7}"#),
        no_message(r#"{"jsonrpc":"2.0","id":[],"method":"tools/list"}"#),
    ] {
        let (response, lines) = served.lines_of(|| said(&body));
        let place = format!("{reason}: {body:.80}");
        assert_eq!(response.status(), 400, "{place}");
        let answer: Value = serde_json::from_slice(&response.bytes().unwrap()).unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["error"]["code"]), (&json!("2.0"), &json!(code)), "{place}");
        assert_eq!((lines.len(), &lines[0]["reason"]), (1, &json!(reason)), "{place}");
    }
    // A body that never ends.
    let slow = || {
        let mut stream = TcpStream::connect(served.base.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8(answer.to_vec()).unwrap()
    };
    let (answer, lines) = served.lines_of(slow);
    assert_eq!(answer, "HTTP/1.1 408");
    assert_eq!((lines.len(), &lines[0]["reason"]), (1, &json!("body-too-slow")));
    // Somebody who connects and says nothing, or half a word of HTTP/2, does not keep his place.
    for said in ["", "PRI * HT"] {
        let mut stream = TcpStream::connect(served.base.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        assert_eq!(stream.read(&mut [0; 100]).unwrap(), 0, "{said:?} is closed");
    }
    // What somebody says of himself who is no proxy of ours counts for nothing.
    let (_, lines) = served
        .lines_of(|| served.post(None, &list).header("X-Forwarded-For", "203.0.113.99").send().unwrap());
    assert_eq!(lines[0]["client"], "127.0.0.1");
}

#[test]
fn two_revisions_are_spoken_and_no_other() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, ""));
    let served = Served::start(folder.path());
    let token = token(&issuer, "tieout/read");
    let list = json!({"jsonrpc": "2.0", "id": "seven", "method": "tools/list"});
    let of = |message: &Value, revisions: &[&str]| {
        let request = served.post_accepting(&token, message, "application/json, text/event-stream");
        let request = revisions
            .iter()
            .fold(request, |request, revision| request.header("MCP-Protocol-Version", *revision));
        let before = served.lines().len();
        let response = request.send().unwrap();
        let (status, lines) = (response.status().as_u16(), served.lines().split_off(before));
        let answer: Value = serde_json::from_slice(&response.bytes().unwrap()).unwrap_or_default();
        (status, answer, lines)
    };
    let older = ["2025-06-18", "2025-03-26", "2024-11-05", "2027-01-01", "newest", ""];
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    for revision in older {
        for message in [&list, &notification] {
            let (status, answer, lines) = of(message, &[revision]);
            assert_eq!(status, 400, "{revision}: {answer}");
            assert_eq!((lines.len(), &lines[0]["reason"]), (1, &json!("revision")), "{revision}");
            let error = &answer["error"];
            assert_eq!((&error["code"], &error["data"]["requested"]), (&json!(-32022), &json!(revision)));
            assert_eq!(error["data"]["supported"], json!(["2025-11-25", "2026-07-28"]));
            assert_eq!(answer["id"], message["id"], "{answer}");
        }
        // Nor behind one that is spoken.
        let (status, _, lines) = of(&list, &["2025-11-25", revision]);
        assert_eq!((status, &lines[0]["reason"]), (400, &json!("revision")), "{revision}");
        // The same said in the message as well; and a message that says something else than its head.
        let mut newest = list.clone();
        newest["params"] = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": revision}});
        let (status, answer, _) = of(&newest, &[revision]);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32022)), "{answer}");
    }
    let mut newest = list.clone();
    newest["params"] = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    let (status, answer, lines) = of(&newest, &["2025-06-18"]);
    assert_eq!((status, &answer["error"]["code"], lines.len()), (400, &json!(-32020), 1), "{answer}");
    // What has none is answered as the protocol says, and a handshake agrees upon one that is spoken.
    assert_eq!(of(&list, &[]).0, 200);
    assert_eq!(of(&list, &["2025-11-25"]).0, 200);
    for revision in ["2025-11-25", "2025-06-18", "2024-11-05", "2026-07-28"] {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
        let (status, answer, _) = of(&hello, &[]);
        assert_eq!((status, &answer["result"]["protocolVersion"]), (200, &json!("2025-11-25")), "{answer}");
    }
}
