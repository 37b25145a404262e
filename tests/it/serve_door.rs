//! The door of the server of agents: who may connect, TLS and its renewal, the end of a server, and the pages for those who run it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::issuer::Issuer;
use super::served::{Served, ask_platform, call, client, folder, settings, token};

fn list() -> serde_json::Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
}

#[test]
fn whoever_is_not_listed_does_not_even_connect() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, "allow_peers = [\"203.0.113.10\", \"203.0.113.16/28\"]"));
    let served = Served::start(folder.path());
    let knock = || {
        let mut stream = TcpStream::connect(served.base.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream
            .write_all(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.10\r\n\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    };
    let (answer, lines) = served.lines_of(knock);
    assert!(answer.is_empty(), "nothing is answered");
    assert_eq!(
        (lines.len(), &lines[0]["reason"], &lines[0]["proxy"]),
        (1, &json!("peer"), &json!("127.0.0.1"))
    );
}

#[test]
fn a_listed_proxy_says_whom_it_speaks_for() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, "allow_peers = [\"127.0.0.1\", \"203.0.113.10\"]"));
    let served = Served::start(folder.path());
    for (header, client) in [
        ("198.51.100.7", "198.51.100.7"),
        // Whatever stands before the last address that is no proxy of ours was written by somebody else.
        ("6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 203.0.113.10", "198.51.100.7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("somebody, 203.0.113.10", "127.0.0.1"),
        ("198.51.100.7, somebody", "127.0.0.1"),
    ] {
        let request = served.post(None, &list()).header("X-Forwarded-For", header);
        let (_, lines) = served.lines_of(|| request.send().unwrap());
        assert_eq!(
            (&lines[0]["client"], &lines[0]["proxy"]),
            (&json!(client), &json!("127.0.0.1")),
            "{header}"
        );
    }
}

/// A certificate for 127.0.0.1 and its key, in PEM, and the certificate in DER.
fn certificate() -> (String, String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().to_vec())
}

#[test]
fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let issuer = Issuer::start();
    let settings = settings(&issuer, "") + "[serve.tls]\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n";
    let folder =
        folder(&settings.replace("url = \"http://127.0.0.1/mcp\"", "url = \"https://127.0.0.1/mcp\""));
    let put = |chain: &str, key: &str| {
        std::fs::write(folder.path().join("chain.pem"), chain).unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
    };
    let (chain, key, first) = certificate();
    put(&chain, &key);
    let served = Served::start_with(folder.path(), &[], "https");
    let token = issuer.token(&issuer.claims("https://127.0.0.1/mcp"));
    let status = |root: &[u8]| {
        let client = client(&[root.to_vec()]);
        let request = client.post(format!("{}/mcp", served.base)).bearer_auth(&token);
        let request = request
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream");
        request.body(list().to_string()).send().ok().map(|response| {
            assert!(response.headers().contains_key("strict-transport-security"));
            response.status().as_u16()
        })
    };
    assert_eq!(status(&first), Some(200));
    let (chain, other_key, second) = certificate();
    let until = |wanted: Option<u16>, root: &[u8]| {
        let end = Instant::now() + Duration::from_secs(15);
        while status(root) != wanted {
            assert!(Instant::now() < end, "the certificate in use is not as it should be");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    // A key that is not the certificate's: the old one stays in use, and the pages say so.
    put(&chain, &key);
    let end = Instant::now() + Duration::from_secs(15);
    while !served.page("/readyz").1.contains("\"certificate\":false") {
        assert!(Instant::now() < end, "a broken certificate is not told of");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!((served.page("/readyz").0, status(&first)), (200, Some(200)));
    put(&chain, &other_key);
    until(Some(200), &second);
    assert_eq!(status(&first), None, "the old one is out of use");
    // Versions below 1.2 are not spoken: a hello of TLS 1.1 is answered with an alert.
    let mut stream = TcpStream::connect(served.base.strip_prefix("https://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut hello = vec![0x16, 3, 1, 0, 47, 1, 0, 0, 43, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    stream.write_all(&hello).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
}

#[test]
fn plain_http_is_for_this_machine_alone() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, "").replace("bind = \"127.0.0.1:0\"", "bind = \"0.0.0.0:0\""));
    let output = super::support::tieout().args(["mcp", "serve"]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("--insecure-behind-proxy") && said.contains("[serve] bind"), "{said}");
    drop(Served::start_with(folder.path(), &["--insecure-behind-proxy"], "http"));
}

#[test]
fn a_server_that_is_told_to_stop_finishes_and_says_so() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, "[serve.limits]\ngrace_seconds = 5\n"));
    let served = Served::start(folder.path());
    let token = token(&issuer, "tieout/read");
    assert_eq!(served.send(Some(&token), &list()).status(), 200);
    let (status, ready) = served.page("/readyz");
    assert_eq!(status, 200, "{ready}");
    assert_eq!(served.page("/healthz").0, 200);
    assert!(served.send(Some(&token), &call("list_discrepancies", &json!({}))).status().is_success());
    let metrics = served.page("/metrics").1;
    assert!(
        metrics.contains("tieout_calls_total{tool=\"list_discrepancies\",outcome=\"done\"} 1"),
        "{metrics}"
    );
    served.signal("TERM");
    assert_eq!(served.wait(), Some(0));
}

#[test]
fn nothing_is_answered_that_cannot_be_written_down() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, ""));
    let served = Served::start(folder.path());
    let token = token(&issuer, "tieout/read");
    let ask = || served.send(Some(&token), &call("list_discrepancies", &json!({})));
    assert!(ask().text().unwrap().contains("structuredContent"));
    // As if the disk were full: no file of this process may grow any more.
    let limit = |size: &str| {
        let set = std::process::Command::new("prlimit")
            .args([&format!("--fsize={size}"), "--pid", &served.id()])
            .status();
        set.is_ok_and(|status| status.success())
    };
    if !limit("1:unlimited") {
        return;
    }
    let answer = ask().text().unwrap();
    assert!(!answer.contains("structuredContent"), "{answer}");
    assert_eq!(served.send(None, &list()).status(), 503);
    assert_eq!(served.page("/readyz").0, 503);
    assert!(limit("unlimited:unlimited"));
    assert_eq!(served.page("/readyz").0, 200);
    assert!(ask().text().unwrap().contains("structuredContent"));
    let verified = super::support::tieout()
        .args(["audit", "verify", ".tieout/audit/audit.jsonl"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_platform_that_never_answers_does_not_keep_the_server_from_stopping() {
    let issuer = Issuer::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(&settings(&issuer, "[serve.limits]\ngrace_seconds = 1\n"));
    ask_platform(folder.path(), silent.local_addr().unwrap());
    let served = Served::start(folder.path());
    let token = token(&issuer, "tieout/platform");
    std::thread::scope(|scope| {
        // What it is answered, if anything, depends on when the server ends.
        scope.spawn(|| served.post(Some(&token), &call("platform_operations", &json!({}))).send());
        // The platform has been asked, and says nothing.
        let _asked = silent.accept().unwrap();
        let metrics = served.page("/metrics").1;
        assert!(metrics.contains("tieout_calls_running 1"), "{metrics}");
        assert!(metrics.contains("tieout_platform_calls_total 1"), "{metrics}");
        served.signal("TERM");
        let end = Instant::now() + Duration::from_secs(30);
        while served.is_running() {
            assert!(Instant::now() < end, "it waits for the platform");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let lines = served.lines();
    let of_call: Vec<_> = lines.iter().filter(|line| line["tool"] == "platform_operations").collect();
    assert_eq!((of_call.len(), &of_call[0]["outcome"]), (1, &json!("cancelled")));
}
