//! The deployment files: the server takes their configurations, and their units start commands that there are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use tieout::config::{self, Overrides};
use tieout::serve::Settings;

const SERVE: &str = include_str!("../../examples/deploy/systemd/tieout-serve.service");
const RECONCILE: &str = include_str!("../../examples/deploy/systemd/tieout-reconcile.service");
const TEMPLATE: &str = include_str!("../../examples/deploy/aws/template.yaml");

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/deploy/systemd/tieout.toml")
}

/// The values of a key of a unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

fn peers(settings: &Settings) -> Vec<String> {
    settings.allow_peers.iter().map(|peers| peers.0.to_string()).collect()
}

#[test]
fn the_example_for_systemd_is_a_configuration_that_its_unit_leaves_time_to_stop() {
    let settings = Settings::load(&example()).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(peers(&settings), ["203.0.113.10/32", "203.0.113.11/32"]);
    assert!(settings.tls.is_some() && settings.auth.is_some() && !settings.scopes.is_empty());
    assert!(settings.admin_bind.is_some_and(|address| address.ip().is_loopback()));
    let reconciliation = config::load(&example(), &Overrides::default(), SystemTime::now());
    assert!(reconciliation.is_ok(), "{}", reconciliation.unwrap_err());

    let stop: u64 = values(SERVE, "TimeoutStopSec")[0].parse().unwrap();
    // The server itself takes a moment beyond it to answer what it cancelled.
    assert!(stop > settings.limits.grace_seconds + 5, "{stop} s to stop");
    // What it writes lies where the unit lets it.
    let writable: Vec<&str> = values(SERVE, "ReadWritePaths")[0].split(' ').collect();
    let audit = settings.base.join(&settings.audit.file);
    assert!(writable.iter().any(|path| audit.starts_with(path)), "{}", audit.display());
}

#[test]
fn the_configuration_in_the_template_is_one_with_and_without_a_client_that_is_a_machine() {
    let (_, rest) = TEMPLATE.split_once("<<'TOML'\n").unwrap();
    let (block, _) = rest.split_once(" TOML\n").unwrap();
    let machine = "\n[[serve.policy]]\nsubjects = [\"nightly\"]\ntools = [\"list_discrepancies\"]\n";
    for (clients, machine_clients, policy) in
        [(r#""agents""#, "", ""), (r#""agents", "nightly""#, r#""nightly""#, machine)]
    {
        let mut text = block.to_owned();
        for (parameter, value) in [
            ("HostName", "recon.example.com"),
            ("FirstProxy", "203.0.113.10/32"),
            ("SecondProxy", "203.0.113.11/32"),
            ("AWS::Region", "us-east-1"),
            ("UserPool", "us-east-1_AbCdEfGhI"),
            ("Clients", clients),
            ("MachineClients", machine_clients),
            ("MachinePolicy", policy),
        ] {
            let place = format!("${{{parameter}}}");
            assert!(text.contains(&place), "{place} is in the template's configuration");
            text = text.replace(&place, value);
        }
        assert!(!text.contains("${"), "a parameter without a value: {text}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tieout.toml");
        std::fs::write(&path, &text).unwrap();
        let settings = Settings::load(&path).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
        assert_eq!(settings.url.as_deref(), Some("https://recon.example.com/mcp"));
        assert_eq!(peers(&settings), ["203.0.113.10/32", "203.0.113.11/32"]);
        assert_eq!(settings.policy.len(), 2 + usize::from(!policy.is_empty()));
        // Scopes of Cognito begin with the identifier of the resource server, which is what clients call.
        for scope in settings.scopes.values().flatten() {
            assert!(scope.starts_with("https://recon.example.com/mcp/"), "{scope}");
        }
    }
}

#[test]
fn units_start_commands_with_options_that_there_are() {
    for unit in [SERVE, RECONCILE] {
        let [start] = values(unit, "ExecStart")[..] else { panic!("one ExecStart in {unit}") };
        let mut words = start.split(' ');
        assert_eq!(words.next(), Some("/usr/local/bin/tieout"));
        let words: Vec<&str> = words.collect();
        let command: Vec<&str> = words.iter().copied().take_while(|word| !word.starts_with('-')).collect();
        let output =
            Command::new(env!("CARGO_BIN_EXE_tieout")).args(&command).arg("--help").output().unwrap();
        assert!(output.status.success(), "{start}: {}", String::from_utf8_lossy(&output.stderr));
        let help = String::from_utf8(output.stdout).unwrap();
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(*option), "{start}: {option} is no option:\n{help}");
        }
    }
}

/// What a reviewer is told is tested is tested: each `file::name` of the table is a test of that file.
#[test]
fn tests_that_the_security_page_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut named = 0;
    for (file, name) in page.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::")) {
        let path = root.join("tests/it").join(file).with_extension("rs");
        let tests = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(tests.contains(&format!("fn {name}()")), "SECURITY.md: {file}::{name} is no test");
        named += 1;
    }
    assert!(named > 10, "{named} tests are named");
}
