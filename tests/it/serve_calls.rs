//! What calls of tools come to: what is granted is shown and nothing else, files stay below the roots, writes are confirmed.

use serde_json::{Value, json};

use super::issuer::Issuer;
use super::served::{Served, ask_platform, call, claims, folder, settings};

/// Two desks, each with its vendor, and somebody who sees everything.
const POLICY: &str = r#"
[[serve.policy]]
groups = ["gas-desk"]
tools = ["list_discrepancies", "explain_discrepancy", "export_report"]
vendors = ["Prairie"]
[[serve.policy]]
groups = ["power-desk"]
tools = ["list_discrepancies"]
vendors = ["Mesa"]
[[serve.policy]]
groups = ["controllers"]
tools = ["*"]
"#;

const ALL: &str = "tieout/read tieout/run tieout/write tieout/platform";

fn of_group(issuer: &Issuer, subject: &str, group: &str) -> String {
    let mut claims = claims(issuer, ALL);
    claims["sub"] = json!(subject);
    claims["cognito:groups"] = json!([group]);
    issuer.token(&claims)
}

fn ids(listing: &Value) -> Vec<String> {
    let all = listing["structuredContent"]["discrepancies"].as_array().unwrap();
    all.iter().map(|one| one["discrepancy_id"].as_str().unwrap().to_owned()).collect()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn everybody_sees_what_he_is_granted_and_no_more() {
    let issuer = Issuer::start();
    let folder = folder(&(settings(&issuer, "") + POLICY));
    let served = Served::start(folder.path());
    let [gas, power, controller, nobody] =
        [("g", "gas-desk"), ("p", "power-desk"), ("c", "controllers"), ("n", "none")]
            .map(|(subject, group)| of_group(&issuer, subject, group));
    let list = |token: &str| served.call(token, "list_discrepancies", &json!({}));
    let all = ids(&list(&controller));
    assert_eq!(all.len(), 2, "{all:?}");
    let (of_gas, lines) = served.lines_of(|| ids(&list(&gas)));
    assert_eq!((&lines[0]["rows"], &lines[0]["outcome"]), (&json!(1), &json!("done")));
    let of_power = ids(&list(&power));
    assert_eq!((of_gas.len(), of_power.len()), (1, 1));
    assert!(of_gas != of_power && all.contains(&of_gas[0]) && all.contains(&of_power[0]));

    // What is not seen is not found either, in the words for what is not there.
    let explained = |token: &str, id: &str| served.call(token, "explain_discrepancy", &json!({"id": id}));
    assert_eq!(explained(&gas, &of_gas[0])["isError"], json!(false));
    let hidden = explained(&gas, &of_power[0]);
    assert_eq!(hidden["isError"], json!(true));
    assert!(!text(&hidden).contains("Mesa"), "{}", text(&hidden));

    // A tool outside of the grant, and answers that cannot be narrowed.
    for (token, tool, arguments) in [
        (&power, "explain_discrepancy", json!({"id": of_power[0]})),
        (&gas, "inspect_file", json!({"file": "invoices.csv"})),
        (&nobody, "list_discrepancies", json!({})),
    ] {
        let (answer, lines) = served.lines_of(|| served.call(token, tool, &arguments));
        assert_eq!(answer["isError"], json!(true), "{tool}");
        assert_eq!((lines.len(), &lines[0]["reason"]), (1, &json!("policy")), "{tool}");
    }
    let tools = |token: &str| -> Vec<String> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
        let answer: Value =
            serde_json::from_slice(&served.send(Some(token), &message).bytes().unwrap()).unwrap();
        let tools = answer["result"]["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(tools(&power), ["list_discrepancies"]);
    assert!(tools(&nobody).is_empty());
    // Export only writes, and writing is off.
    assert_eq!(tools(&controller).len(), 8);

    // Reports hold everything: only who sees everything reads them.
    let read = |token: &str| -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "tieout://reports/discrepancies.csv"}});
        serde_json::from_slice(&served.send(Some(token), &message).bytes().unwrap()).unwrap()
    };
    assert!(
        read(&controller)["result"]["contents"][0]["text"].as_str().unwrap().starts_with("discrepancy_id,")
    );
    assert!(read(&gas)["error"].is_object());
}

#[test]
fn a_cursor_is_good_for_whom_it_was_given() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, ""));
    let served = Served::start(folder.path());
    let [first, second] = ["first", "second"].map(|subject| of_group(&issuer, subject, "any"));
    let page = served.call(&first, "list_discrepancies", &json!({"limit": 1}));
    let cursor = page["structuredContent"]["next_cursor"].as_str().unwrap().to_owned();
    let next = served.call(&first, "list_discrepancies", &json!({"limit": 1, "cursor": cursor}));
    assert_ne!(ids(&page), ids(&next));
    let (foreign, lines) = served
        .lines_of(|| served.call(&second, "list_discrepancies", &json!({"limit": 1, "cursor": cursor})));
    assert_eq!(foreign["isError"], json!(true), "{foreign}");
    assert_eq!(lines.len(), 1);
    let other =
        served.call(&first, "list_discrepancies", &json!({"limit": 1, "cursor": cursor, "vendor": ["Mesa"]}));
    assert_eq!(other["isError"], json!(true), "{other}");
}

#[test]
fn files_stay_below_the_roots() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, "roots = [\"given\"]"));
    let given = folder.path().join("given");
    std::fs::create_dir(&given).unwrap();
    std::fs::copy(folder.path().join("invoices.csv"), given.join("ours.csv")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", given.join("link.csv")).unwrap();
    std::os::unix::fs::symlink("/etc", given.join("folder")).unwrap();
    let served = Served::start(folder.path());
    let token = of_group(&issuer, "a", "any");
    let inspect = |path: &str| served.call(&token, "inspect_file", &json!({"file": path}));
    let seen = inspect("ours.csv");
    assert_eq!(seen["isError"], json!(false), "{seen}");
    for path in [
        "../tieout.toml",
        "/etc/passwd",
        "link.csv",
        "folder/passwd",
        "./../invoices.csv",
        "ours.csv\u{0}",
        "given/../../x",
        "",
    ] {
        let (refused, lines) = served.lines_of(|| inspect(path));
        assert_eq!(refused["isError"], json!(true), "{path:?}");
        assert!(!text(&refused).contains("root:"), "{path:?}");
        assert_eq!(lines.len(), 1, "{path:?}");
        assert!(lines[0]["reason"].as_str().unwrap().starts_with("path-"), "{path:?}: {}", lines[0]);
    }
}

#[test]
fn only_a_configuration_that_is_listed_is_used() {
    let issuer = Issuer::start();
    let folder =
        folder(&settings(&issuer, "configurations = [\"gas/tieout.toml\"]\nroots = [\".\", \"gas\"]"));
    let own = std::fs::read_to_string(folder.path().join("tieout.toml")).unwrap();
    let (own, _) = own.split_once("[serve]").unwrap();
    // Whoever may put a file below a root could have a program run by it, or a secret sent to a platform of his own.
    let platform = "[platform]\nendpoint = \"http://127.0.0.1:9/x\"\nnamespace = \"n\"\nauth = \"ntlm\"\nusername = 'u'\n\
                    [platform.request]\noperation = \"o\"\nrecords = \"r\"\n";
    let with = |secret: &str| {
        own.to_owned() + &platform.replace("username", &format!("password = \"{secret}\"\nusername"))
    };
    for name in ["gas", "dropped"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("gas/tieout.toml", &with("file:password.txt"));
    put("gas/password.txt", "Correct-Horse-7\n");
    put("dropped/tieout.toml", &with(&format!("command:touch {}/ran", folder.path().display())));
    let served = Served::start(folder.path());
    let token = of_group(&issuer, "a", "any");
    for config in ["dropped/tieout.toml", "./dropped/tieout.toml", "gas/password.txt", "nowhere.toml"] {
        for (tool, arguments) in [
            ("platform_operations", json!({"config": config})),
            ("platform_doctor", json!({"config": config})),
            ("inspect_file", json!({"config": config, "file": "invoices.csv"})),
            ("list_discrepancies", json!({"config": config})),
        ] {
            let (decision, reason, answer) = told(&served, || served.call(&token, tool, &arguments));
            assert_eq!((&*decision, &*reason), ("denied", "path-configuration"), "{tool} {config}");
            assert!(text(&answer).contains("[serve] configurations"), "{answer}");
        }
    }
    assert!(!folder.path().join("ran").exists(), "a program was run");
    // What is listed is used, and what it keeps secret is closed as well.
    let listed = json!({"config": "gas/tieout.toml", "file": "invoices.csv"});
    assert_eq!(served.call(&token, "inspect_file", &listed)["isError"], json!(false));
    for path in ["gas/password.txt", "password.txt"] {
        let (_, reason, _) = told(&served, || served.call(&token, "inspect_file", &json!({"file": path})));
        assert_eq!(reason, "path-closed", "{path}");
    }
}

#[test]
fn a_write_is_confirmed_for_exactly_this_call_and_once() {
    let issuer = Issuer::start();
    let folder = folder(&settings(&issuer, "writes = true"));
    let served = Served::start(folder.path());
    let [token, other] = ["first", "second"].map(|subject| of_group(&issuer, subject, "any"));
    let arguments = json!({"output": "out.csv"});
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    });
    let send = |token: &str, arguments: &Value, more: &[(&str, Value)]| -> Value {
        let mut message = call("export_report", arguments);
        message["params"]["_meta"] = meta.clone();
        for (name, value) in more {
            message["params"][name] = value.clone();
        }
        let bytes = served
            .post_newest(token, &message, "tools/call", "export_report")
            .send()
            .unwrap()
            .bytes()
            .unwrap();
        serde_json::from_slice::<Value>(&bytes)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&bytes)))["result"]
            .clone()
    };
    let yes = json!({"confirm": {"action": "accept", "content": {"confirm": true}}});
    let asked = send(&token, &arguments, &[]);
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    assert!(asked["inputRequests"]["confirm"]["params"]["message"].as_str().unwrap().contains("out.csv"));
    assert!(!folder.path().join("out.csv").exists(), "nothing is written before the yes");
    let state = asked["requestState"].clone();
    let with =
        |state: &Value, answer: &Value| [("requestState", state.clone()), ("inputResponses", answer.clone())];
    let refused = |result: &Value, lines: &[Value], reason: &str| {
        assert_eq!(result["isError"], json!(true), "{reason}: {result}");
        assert_eq!((lines.len(), &lines[0]["reason"]), (1, &json!(reason)));
        assert!(!folder.path().join("out.csv").exists(), "{reason}");
    };
    let (result, lines) = served.lines_of(|| send(&other, &arguments, &with(&state, &yes)));
    refused(&result, &lines, "confirmation-wrong");
    let (result, lines) =
        served.lines_of(|| send(&token, &json!({"output": "other.csv"}), &with(&state, &yes)));
    refused(&result, &lines, "confirmation-wrong");
    let (result, lines) = served.lines_of(|| send(&token, &arguments, &with(&json!("forged"), &yes)));
    refused(&result, &lines, "confirmation-wrong");

    let done = send(&token, &arguments, &with(&state, &yes));
    assert_eq!(done["isError"], json!(false), "{done}");
    assert!(std::fs::read_to_string(folder.path().join("out.csv")).unwrap().starts_with("discrepancy_id,"));
    std::fs::remove_file(folder.path().join("out.csv")).unwrap();
    let (result, lines) = served.lines_of(|| send(&token, &arguments, &with(&state, &yes)));
    refused(&result, &lines, "confirmation-used");

    let state = send(&token, &arguments, &[])["requestState"].clone();
    let no = json!({"confirm": {"action": "decline"}});
    let (result, lines) = served.lines_of(|| send(&token, &arguments, &with(&state, &no)));
    refused(&result, &lines, "declined");
    // A client of the older revision cannot be asked without a session.
    let (result, lines) = served.lines_of(|| served.call(&token, "export_report", &arguments));
    refused(&result, &lines, "cannot-confirm");
}

#[test]
fn several_agents_are_served_out_of_one_folder_each_with_a_chain_of_its_own() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let folder = folder("");
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
    let started: Vec<_> = (0..3)
        .map(|_| {
            let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tieout"))
                .args(["mcp", "serve", "--stdio"])
                .current_dir(folder.path())
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            writeln!(child.stdin.as_mut().unwrap(), "{hello}").unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert!(line.contains("\"protocolVersion\":\"2025-11-25\""), "{line}");
            child
        })
        .collect();
    for mut child in started {
        drop(child.stdin.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    for log in ["audit.jsonl", "pipe-2/audit.jsonl", "pipe-3/audit.jsonl"] {
        let log = folder.path().join(".tieout/audit").join(log);
        let verified = super::support::tieout().args(["audit", "verify"]).arg(&log).output().unwrap();
        assert_eq!(verified.status.code(), Some(0), "{}", log.display());
    }
}

/// The one line that `act` leaves, with its decision, its reason or outcome, and what the caller is told.
fn told(served: &Served, act: impl FnOnce() -> Value) -> (String, String, Value) {
    let (answer, lines) = served.lines_of(act);
    assert_eq!(lines.len(), 1, "{answer}");
    let said = ["reason", "outcome"].map(|name| lines[0][name].as_str().unwrap_or_default());
    (lines[0]["decision"].as_str().unwrap().to_owned(), said.concat(), answer)
}

/// What a program reads of a result that is an error.
fn fault(answer: &Value) -> &Value {
    assert_eq!(answer["isError"], json!(true), "{answer}");
    assert!(answer.get("structuredContent").is_none(), "that has another schema: {answer}");
    &answer["_meta"]["tieout/fault"]
}

#[test]
fn whoever_asks_too_often_is_told_when_to_come_back() {
    let issuer = Issuer::start();
    let folder = folder(&settings(
        &issuer,
        "[serve.limits]\n[serve.limits.tools.list_discrepancies]\nper_minute = 1\n",
    ));
    let served = Served::start(folder.path());
    let [one, other] = ["one", "other"].map(|subject| of_group(&issuer, subject, "any"));
    let list = |token: &str| served.call(token, "list_discrepancies", &json!({}));
    assert_eq!(list(&one)["isError"], json!(false));
    let (decision, reason, answer) = told(&served, || list(&one));
    assert_eq!((&*decision, &*reason), ("denied", "rate"));
    let short = fault(&answer);
    let seconds = short["retry_after_seconds"].as_u64().unwrap();
    assert_eq!((&short["kind"], (1..=60).contains(&seconds)), (&json!("busy"), true), "{answer}");
    assert!(text(&answer).contains(&format!("try again in {seconds} second")), "{answer}");
    // Reading a report is of the same rate.
    let read = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "tieout://reports/discrepancies.csv"}});
    let (decision, reason, answer) =
        told(&served, || serde_json::from_slice(&served.send(Some(&one), &read).bytes().unwrap()).unwrap());
    assert_eq!((&*decision, &*reason), ("denied", "rate"));
    assert!(answer["error"]["data"]["retry_after_seconds"].is_u64(), "{answer}");
    let metrics = served.page("/metrics").1;
    assert!(metrics.contains("tieout_refusals_total{reason=\"rate\"} 2"), "{metrics}");
    // Somebody else has a rate of his own.
    assert_eq!(list(&other)["isError"], json!(false));
}

#[test]
fn calls_at_once_and_calls_of_the_platform_are_limited() {
    let issuer = Issuer::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let limits = "[serve.limits]\nat_once_per_subject = 1\ncalls_at_once = 1\nplatform_calls_per_hour = 1\n";
    let folder = folder(&settings(&issuer, limits));
    ask_platform(folder.path(), silent.local_addr().unwrap());
    let served = Served::start(folder.path());
    let [one, other] = ["one", "other"].map(|subject| of_group(&issuer, subject, "any"));
    let operations = |token: &str| served.call(token, "platform_operations", &json!({}));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| operations(&one));
        let asked = silent.accept().unwrap();
        // One runs, and no other, whoever makes it.
        let list = |token: &str| served.call(token, "list_discrepancies", &json!({}));
        for token in [&one, &other] {
            let (decision, reason, answer) = told(&served, || list(token));
            assert_eq!((&*decision, &*reason), ("denied", "calls-at-once"));
            assert_eq!(*fault(&answer), json!({"kind": "busy", "retry_after_seconds": 1}));
        }
        // The platform breaks off, and does not come back.
        drop((asked, silent));
        assert_eq!(running.join().unwrap()["isError"], json!(true));
    });
    // The one call that the platform may have in an hour is made.
    let (decision, outcome, answer) = told(&served, || operations(&other));
    assert_eq!((&*decision, &*outcome), ("allowed", "busy"));
    let seconds = fault(&answer)["retry_after_seconds"].as_u64().unwrap();
    assert!((3000..=3600).contains(&seconds), "{answer}");
    assert!(text(&answer).contains("[serve.limits] platform_calls_per_hour"), "{answer}");
}

#[test]
fn one_subject_does_not_take_all_places() {
    let issuer = Issuer::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(&settings(&issuer, "[serve.limits]\nat_once_per_subject = 1\n"));
    ask_platform(folder.path(), silent.local_addr().unwrap());
    let served = Served::start(folder.path());
    let [one, other] = ["one", "other"].map(|subject| of_group(&issuer, subject, "any"));
    let list = |token: &str| served.call(token, "list_discrepancies", &json!({}));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| served.call(&one, "platform_operations", &json!({})));
        let asked = silent.accept().unwrap();
        let (decision, reason, answer) = told(&served, || list(&one));
        assert_eq!((&*decision, &*reason), ("denied", "calls-at-once-of-subject"));
        assert_eq!(*fault(&answer), json!({"kind": "busy", "retry_after_seconds": 1}));
        assert_eq!(list(&other)["isError"], json!(false));
        drop((asked, silent));
        running.join().unwrap();
    });
}
