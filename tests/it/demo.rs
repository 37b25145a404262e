//! `tieout demo`: every kind of discrepancy, the platform's own word for what ran there, and nothing left running.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tieout::judge::Kind;
use tieout::simulator::read_log;

use super::support::{Outcome, column, table, tieout};

/// Runs `tieout demo demo` in a folder.
fn demo(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = tieout();
    // Wide enough that no cell of a table is wrapped.
    command
        .env("COLUMNS", "250")
        .current_dir(folder)
        .args(["demo", "demo"])
        .args(arguments)
        .output()
        .unwrap()
        .into()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join("demo").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `127.0.0.1:PORT` of the platform that the set-up names.
fn address(folder: &Path) -> String {
    let config = read(folder, "tieout.toml");
    let endpoint = config.split("http://").nth(1).unwrap();
    endpoint.split('/').next().unwrap().to_owned()
}

/// A program that is ended when the test ends, however that may be.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_shows_every_kind_and_what_the_platform_saw() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let outcome = demo(folder, &[]);
    assert!(matches!(outcome.code, Some(0 | 1)), "{}", outcome.stderr);
    assert_eq!(outcome.stderr, "");

    let report = table(&read(folder, "reports/discrepancies.csv"));
    let kinds: BTreeSet<&str> = column(&report, "kind").into_iter().collect();
    assert_eq!(kinds, Kind::ALL.iter().map(|kind| kind.name()).collect());
    let sources = column(&report, "invoice_source").join(" ");
    assert!(sources.contains(".csv:") && sources.contains(".xlsx:Statement:"), "both forms: {sources}");

    // What the platform says it gave out is what the reconciliation says it read.
    let log = read_log(&folder.join("demo/platform/execution-log.sqlite")).unwrap();
    assert!(log.len() > 2, "more than a page of more than one vendor");
    for call in &log {
        assert_eq!([&*call.user, &*call.method, &*call.outcome], ["CORP\\svc_recon", "GetSettlements", "ok"]);
        assert!(outcome.stdout.contains(&call.time), "it is shown: {}", call.time);
    }
    let summary: serde_json::Value = serde_json::from_str(&read(folder, "reports/summary.json")).unwrap();
    let totals = summary["control_totals"]["settlement"].as_object().unwrap();
    let read_lines: i64 = totals.values().map(|total| total["read"]["lines"].as_i64().unwrap()).sum();
    assert_eq!(log.iter().map(|call| call.rows).sum::<i64>(), read_lines);
    assert_eq!(summary["groups"]["discrepancies"], report.len() - 1);

    let address = address(folder);
    assert!(TcpStream::connect(&address).is_err(), "something still listens at {address}");
    // The password is for its owner.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.join("demo/platform/password")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
    let password = read(folder, "platform/password");
    assert!(!password.is_empty() && !outcome.stdout.contains(&password));

    // Once more in the same place: the same findings, and the log of this run alone.
    let again = demo(folder, &["--quiet"]);
    assert_eq!((again.code, again.stdout.as_str(), again.stderr.as_str()), (outcome.code, "", ""));
    assert_eq!(table(&read(folder, "reports/discrepancies.csv")), report);
    assert_ne!(read(folder, "platform/password"), password, "a password lives for one demo");
    assert_eq!(read_log(&folder.join("demo/platform/execution-log.sqlite")).unwrap().len(), log.len());
}

#[cfg(unix)]
#[test]
fn the_commands_that_it_prints_work_as_printed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let outcome = demo(folder, &[]);
    let report = read(folder, "reports/discrepancies.csv");
    // The program is named as it was called here, whatever that was.
    let printed = |command: &str| {
        let line = outcome.stdout.lines().map(str::trim).rfind(|line| line.contains(command));
        line.unwrap_or_else(|| panic!("no {command} in {}", outcome.stdout)).to_owned()
    };
    let shell = |line: &str| {
        let programs = Path::new(env!("CARGO_BIN_EXE_tieout")).parent().unwrap().to_str().unwrap();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.current_dir(folder).env("PATH", path).args(["-c", line]).stdin(Stdio::null());
        command
    };
    // In the background for a person; here in the place of the shell, so that it is the one that is ended.
    let simulate = printed(" platform simulate ");
    let simulate = format!("exec {}", simulate.strip_suffix('&').expect("it goes to the background"));
    let mut platform = Running(shell(&simulate).stdout(Stdio::piped()).spawn().unwrap());
    let mut notice = String::new();
    BufReader::new(platform.0.stdout.take().unwrap()).read_line(&mut notice).unwrap();
    assert!(notice.contains(&address(folder)), "it is where the set-up looks for it: {notice}");

    std::fs::remove_dir_all(folder.join("demo/reports")).unwrap();
    let reconciled: Outcome = shell(&printed(" reconcile --config ")).output().unwrap().into();
    assert_eq!((reconciled.code, reconciled.stderr.as_str()), (Some(1), ""));
    assert_eq!(read(folder, "reports/discrepancies.csv"), report);
    assert!(reconciled.stdout.contains("more: see the report"), "--limit 5: {}", reconciled.stdout);
    for file in outcome.stdout.lines().filter_map(|line| line.trim().strip_prefix("less ")) {
        assert!(folder.join(file).is_file(), "{file}");
    }
    drop(platform);
    assert!(TcpStream::connect(address(folder)).is_err());
}

#[test]
fn what_is_not_the_demos_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("demo");
    for name in ["notes.txt", "tieout.toml"] {
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join(name), "# mine\n").unwrap();
        let outcome = demo(folder.path(), &[]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
        assert!(outcome.stderr.contains("demo: the directory holds something"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("next: name another"), "{}", outcome.stderr);
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(place.join(name)).unwrap(), "# mine\n");
        std::fs::remove_dir_all(&place).unwrap();
    }
    // An empty folder is nobody's; a file is no folder.
    std::fs::create_dir(&place).unwrap();
    assert!(matches!(demo(folder.path(), &["--quiet"]).code, Some(0 | 1)));
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "mine").unwrap();
    let outcome = demo(folder.path(), &[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("next: "), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "mine");
}

#[test]
fn a_simulator_says_what_keeps_it_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("records.csv"), "Counterparty,FlowStart,Amount\nA,2026-10-01,1\n")
        .unwrap();
    std::fs::write(folder.path().join("pw"), "x\n").unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (records, password, port, code, says) in [
        ("records.csv", "hunter2", "0", 2, "--password: a secret is given by reference"),
        ("records.csv", "file:nowhere", "0", 2, "file:nowhere"),
        ("nowhere.csv", "file:pw", "0", 3, "nowhere.csv"),
        ("records.csv", "file:pw", &port, 2, &port),
    ] {
        let mut command = tieout();
        command.current_dir(folder.path()).args(["platform", "simulate", "--records", records]);
        command.args(["--user", "CORP\\a", "--password", password, "--port", port]);
        let outcome: Outcome = command.output().unwrap().into();
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(code), ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(says) && !outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    }
}
