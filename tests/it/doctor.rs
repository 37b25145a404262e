//! `tieout platform doctor`: each check fails by itself, says what to do, and stops what depends on it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tieout::simulator::{Faults, NAMESPACE, Settings, Simulator, Trouble};

use super::support::platform::{PASSWORD, USER, VARIABLE, ask, start};
use super::support::{Outcome, Setup, tieout};

/// The set-up that asks `endpoint`.
fn set_up(endpoint: &str) -> Setup {
    let setup = Setup::small();
    ask(&setup, "files = [\"records.csv\"]", endpoint);
    setup
}

/// A platform with the set-up's records.
fn platform(change: impl FnOnce(&mut Settings)) -> (Setup, Simulator) {
    let setup = Setup::small();
    let simulator = start(&setup, "records.csv", change);
    ask(&setup, "files = [\"records.csv\"]", simulator.endpoint());
    (setup, simulator)
}

fn run_with(setup: &Setup, arguments: &[&str], password: &str) -> Outcome {
    let mut command = tieout();
    command.current_dir(setup.folder()).args(["platform", "doctor"]).args(arguments).env(VARIABLE, password);
    let outcome: Outcome = command.output().unwrap().into();
    assert!(!format!("{outcome:?}").contains(password), "the password is shown: {outcome:?}");
    outcome
}

/// What the doctor says of the set-up.
struct Diagnosis {
    code: i32,
    json: Value,
}

fn examine(setup: &Setup, arguments: &[&str]) -> Diagnosis {
    let outcome = run_with(setup, &[&["--json"], arguments].concat(), PASSWORD);
    assert_eq!(outcome.stderr, "");
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let checks = json["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 18, "every check is there, whatever happens: {json:#}");
    let failed = checks.iter().any(|check| check["verdict"] == "fail");
    assert_eq!((json["passed"] == true, outcome.code == Some(0)), (!failed, !failed), "{json:#}");
    Diagnosis { code: outcome.code.unwrap(), json }
}

impl Diagnosis {
    fn check(&self, name: &str) -> &Value {
        let checks = self.json["checks"].as_array().unwrap();
        checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no check {name}"))
    }

    /// The checks of a verdict.
    fn of(&self, verdict: &str) -> Vec<&str> {
        let checks = self.json["checks"].as_array().unwrap();
        checks
            .iter()
            .filter(|check| check["verdict"] == verdict)
            .map(|check| check["check"].as_str().unwrap())
            .collect()
    }

    fn says(&self, name: &str, verdict: &str, part: &str) {
        let check = self.check(name);
        assert_eq!(check["verdict"], verdict, "{check:#}");
        let text =
            format!("{}\n→ {}", check["found"].as_str().unwrap(), check["next"].as_str().unwrap_or(""));
        assert!(text.contains(part), "{part:?} is not in {text}");
    }

    /// These checks fail and no other; the first of them gives the exit code. Each says what to do.
    fn fails(&self, names: &[&str], code: i32) {
        assert_eq!((self.of("fail"), self.code), (names.to_vec(), code), "{:#}", self.json);
        for name in names {
            assert!(self.check(name)["next"].is_string(), "{:#}", self.check(name));
        }
    }
}

#[test]
fn a_platform_in_good_health_passes_every_check_that_applies() {
    let (setup, simulator) = platform(|_| {});
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&[], 0);
    assert_eq!(
        diagnosis.of("skipped"),
        [
            "TLS handshake",
            "certificate: trust",
            "certificate: dates",
            "certificate: name",
            "Extended Protection"
        ]
    );
    assert_eq!(diagnosis.json["endpoint"], simulator.endpoint());
    for (name, part) in [
        ("configuration", "vendor not named"),
        ("secret and certificates", r"user CORP\svc_recon, password from env:TIEOUT_TEST_PASSWORD"),
        ("name resolution", "127.0.0.1"),
        ("authentication offered", "offers NTLM"),
        ("connection kept open", "open through the challenge"),
        ("NTLM challenge", "the server's clock agrees with ours"),
        ("NTLM challenge", "target information"),
        ("sign-in", r"accepted as CORP\svc_recon"),
        ("WSDL", "6 operations, among them GetSettlements (SOAP 1.1 and 1.2)"),
        ("harmless call", "answered with GetSettlementsResponse (1 record, "),
        ("harmless call", "correlation id tieout-"),
        ("page of records", "1 of 2 records at GetSettlementsResult/Items/SettlementRecord, 7 fields"),
        ("columns", "7 of 7 columns are there"),
        ("time per call", "5 calls: "),
        ("time per call", "over one connection"),
    ] {
        diagnosis.says(name, "pass", part);
    }
    // The platform's own log: one sign-in that nobody refused, the smallest window first, nothing but the operation.
    let log = simulator.log().entries().unwrap();
    let calls: Vec<_> = log.iter().filter(|call| !call.method.is_empty()).collect();
    assert_eq!(calls.len(), 6, "{log:?}");
    for call in &calls {
        assert_eq!(
            (call.method.as_str(), call.outcome.as_str(), call.user.as_str()),
            ("GetSettlements", "ok", USER)
        );
    }
    assert!(calls[0].arguments.contains("2026-10-02T00:00:00"), "{}", calls[0].arguments);
    assert!(calls[1].arguments.contains("2026-11-01T00:00:00"), "{}", calls[1].arguments);
    let id = &calls[0].correlation_id;
    diagnosis.says("harmless call", "pass", id);

    let one = examine(&setup, &["--vendor", "ALFA GAS", "--period", "2026-10-02"]);
    one.fails(&[], 0);
    one.says("page of records", "pass", "1 of 1 record at");
    one.says("configuration", "pass", "vendor ALFA GAS");
}

#[test]
fn the_table_is_for_people_and_for_tickets() {
    let (setup, _simulator) = platform(|_| {});
    let outcome = run_with(&setup, &[], PASSWORD);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert!(outcome.stdout.contains("13 passed, 0 to note, 0 failed, 5 skipped\n"), "{}", outcome.stdout);
    assert!(
        !outcome.stdout.contains('\u{1b}') && outcome.stdout.starts_with("tieout "),
        "{}",
        outcome.stdout
    );
    setup.edit("tieout.toml", "operation = \"GetSettlements\"", "operation = \"GetSetlements\"");
    let outcome = run_with(&setup, &[], PASSWORD);
    assert_eq!(outcome.code, Some(2));
    for part in ["FAIL", "→ did you mean GetSettlements?", "the first to fail: WSDL"] {
        assert!(outcome.stdout.contains(part), "{part:?} is not in {}", outcome.stdout);
    }
    assert_eq!(run_with(&setup, &["--quiet"], PASSWORD).stdout, "");
}

#[test]
fn a_configuration_that_cannot_be_used_is_the_first_check() {
    let setup = Setup::small();
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["configuration"], 2);
    diagnosis.says("configuration", "fail", "the settlement records come from files");
    diagnosis.says("sign-in", "skipped", "because this failed: configuration");
    assert_eq!(diagnosis.json["endpoint"], Value::Null);

    let diagnosis = examine(&setup, &["--config", "elsewhere.toml"]);
    diagnosis.says("configuration", "fail", "cannot be read");

    let setup = set_up("http://127.0.0.1:9/x?key=hidden");
    setup.edit("tieout.toml", &format!("env:{VARIABLE}"), "env:TIEOUT_NO_SUCH");
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["secret and certificates", "TCP connection"], 2);
    diagnosis.says("secret and certificates", "fail", "TIEOUT_NO_SUCH is not set");
    assert_eq!(diagnosis.json["endpoint"], "http://127.0.0.1:9/x", "a query may hold a key");
    setup.edit("tieout.toml", "http://", "http://user:hidden@");
    let diagnosis = examine(&setup, &[]);
    diagnosis.says("secret and certificates", "fail", "the URL holds a user or a password");
    assert!(!diagnosis.json.to_string().contains("hidden"), "{:#}", diagnosis.json);
}

#[test]
fn a_version_of_soap_that_the_service_does_not_speak_is_told() {
    let wsdl = format!(
        r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:t="{NAMESPACE}" targetNamespace="{NAMESPACE}">
        <types><x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="{NAMESPACE}"><x:element name="GetSettlements"/></x:schema></types>
        <message name="In"><part name="parameters" element="t:GetSettlements"/></message>
        <portType name="P"><operation name="GetSettlements"><input message="t:In"/></operation></portType>
        <binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http" style="document"/>
        <operation name="GetSettlements"><s:operation soapAction="{NAMESPACE}GetSettlements"/><input><s:body use="literal"/></input></operation></binding>
        <service name="S"><port name="P" binding="t:B"><s:address location="http://elsewhere/"/></port></service></definitions>"#
    );
    let answer = move |status: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let (setup, _) = serve(move |asked| match asked.head.starts_with("GET") {
        true => answer("200 OK", &wsdl),
        false => answer("500 Internal Server Error", ""),
    });
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["WSDL", "harmless call"], 2);
    let expected = "no binding of the operation for this version of SOAP\n  found: 1.1\n  expected: 1.2";
    diagnosis.says("WSDL", "fail", expected);
}

#[test]
fn without_the_secret_all_is_examined_that_needs_none() {
    let (setup, simulator) = over_tls(&NAMES, -1..90);
    setup.edit("tieout.toml", &format!("env:{VARIABLE}"), "env:TIEOUT_NO_SUCH");
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["secret and certificates"], 2);
    for name in [
        "name resolution",
        "TCP connection",
        "TLS handshake",
        "certificate: trust",
        "certificate: dates",
        "certificate: name",
        "authentication offered",
        "connection kept open",
        "NTLM challenge",
    ] {
        diagnosis.says(name, "pass", "");
    }
    diagnosis.says("WSDL", "skipped", "gives out none to who does not sign in");
    for name in ["sign-in", "Extended Protection", "harmless call", "time per call"] {
        diagnosis.says(name, "skipped", "because this failed: secret and certificates");
    }
    assert!(simulator.log().entries().unwrap().is_empty(), "nobody signed in");
    // The next thing that is wrong is found in the same run.
    setup.write("ca.pem", authority("Another Authority", &(-9..99), None).0);
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["secret and certificates", "certificate: trust"], 2);

    // Where nobody asks who we are, there is nothing that needs it.
    let (setup, _) = serve(|_| {
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nwhat"
            .to_owned()
    });
    setup.edit("tieout.toml", &format!("env:{VARIABLE}"), "env:TIEOUT_NO_SUCH");
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["secret and certificates", "harmless call"], 2);
    diagnosis.says("sign-in", "skipped", "nobody asks who we are");
}

#[test]
fn a_wrong_password_is_tried_once() {
    let (setup, simulator) = platform(|_| {});
    let outcome = run_with(&setup, &["--json"], "Wrong-Horse-8");
    assert_eq!(outcome.code, Some(4));
    let diagnosis = Diagnosis { code: 4, json: serde_json::from_str(&outcome.stdout).unwrap() };
    diagnosis.fails(&["sign-in"], 4);
    diagnosis.says("sign-in", "fail", r"refused the user or the password of CORP\svc_recon");
    diagnosis.says("harmless call", "skipped", "because this failed: sign-in");
    let log = simulator.log().entries().unwrap();
    let sign_ins: Vec<_> = log.iter().filter(|call| call.method == "sign-in").collect();
    assert_eq!((log.len(), sign_ins.len()), (1, 1), "{log:?}");
}

#[test]
fn a_host_that_is_not_there_is_told_from_one_that_does_not_listen() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let diagnosis = examine(&set_up(&format!("http://{closed}/x")), &[]);
    diagnosis.fails(&["TCP connection"], 4);
    diagnosis.says("TCP connection", "fail", "the host refuses connections");
    diagnosis.says("TCP connection", "fail", &closed.to_string());
    let diagnosis = examine(&set_up("http://no-such-host.invalid/x"), &[]);
    diagnosis.fails(&["name resolution"], 4);
    diagnosis.says("name resolution", "fail", "the name no-such-host.invalid is not known here");
}

#[test]
fn what_the_configuration_says_of_the_service_is_held_against_it() {
    for (from, to, failed, code, check, part) in [
        (
            "Items/SettlementRecord",
            "Rows/SettlementRecord",
            &["page of records"][..],
            4,
            "page of records",
            "GetSettlementsResult holds no Rows",
        ),
        (
            "operation = \"GetSettlements\"",
            "operation = \"GetSettlement\"",
            &["WSDL", "harmless call"],
            2,
            "WSDL",
            "did you mean GetSettlements?",
        ),
        (NAMESPACE, "http://tieout.example/settlements/", &["WSDL", "harmless call"], 2, "WSDL", NAMESPACE),
        (
            "page_size = 1\n",
            "action = \"urn:other\"\n",
            &["WSDL", "harmless call"],
            2,
            "WSDL",
            "the WSDL names another SOAP action",
        ),
        (
            "from = \"{window.start}\"",
            "from = \"yesterday\"",
            &["harmless call"],
            4,
            "harmless call",
            "yesterday",
        ),
        (
            "GetSettlementsResult/TotalCount",
            "GetSettlementsResult/Pages",
            &["page of records"],
            4,
            "page of records",
            "there is no GetSettlementsResult/Pages",
        ),
    ] {
        let (setup, _simulator) = platform(|_| {});
        setup.edit("tieout.toml", from, to);
        let diagnosis = examine(&setup, &[]);
        diagnosis.fails(failed, code);
        diagnosis.says(check, "fail", part);
    }
    let (setup, _simulator) = platform(|_| {});
    let config = setup.read("tieout.toml");
    let (invoices, settlements) = config.split_once("[settlements.columns]").unwrap();
    let settlements =
        settlements.replacen("\"Amount\"", "\"Amout\"", 1).replacen("\"Ccy\"", "\"Currency\"", 1);
    setup.write("tieout.toml", format!("{invoices}[settlements.columns]{settlements}"));
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["columns"], 3);
    diagnosis.says("columns", "fail", "2 of 7 columns are in none of the 1 records");
    diagnosis.says("columns", "fail", "amount = \"Amout\" (did you mean \"Amount\"?)");
    setup.edit("tieout.toml", "[platform]", "[settlements.defaults]\ncurrency = \"USD\"\n\n[platform]");
    setup.edit("tieout.toml", "\"Amout\"", "\"Amount\"");
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&[], 0);
    diagnosis.says(
        "columns",
        "pass",
        "6 of 7 columns are there; not there, but with a default: currency = \"Currency\"",
    );
}

#[test]
fn days_without_records_and_unknown_vendors_say_so() {
    let (setup, _simulator) = platform(|_| {});
    let diagnosis = examine(&setup, &["--period", "2025-01"]);
    diagnosis.fails(&["page of records"], 4);
    diagnosis.says("page of records", "fail", "name days that have records with --period");
    let diagnosis = examine(&setup, &["--vendor", "NOBODY"]);
    diagnosis.fails(&["harmless call"], 4);
    diagnosis.says("harmless call", "fail", "Unknown counterparty: NOBODY");
}

#[test]
fn a_short_page_of_which_nothing_is_announced_is_no_proof_that_there_are_no_more() {
    let (setup, _simulator) = platform(|_| {});
    let advice =
        |setup: &Setup| examine(setup, &[]).check("page of records")["next"].as_str().map(str::to_owned);
    assert_eq!(advice(&setup), None);
    setup.edit(
        "tieout.toml",
        "total = \"GetSettlementsResult/TotalCount\"\npage_size = 1",
        "page_size = 500",
    );
    assert!(advice(&setup).unwrap().contains("name [platform.request] total or more"));
}

#[test]
fn trouble_of_the_platform_is_named() {
    for (faults, failed, check, part) in [
        (
            Faults { close_on_challenge: true, ..Faults::default() },
            &["connection kept open"][..],
            "connection kept open",
            "Connection: close on the challenge",
        ),
        // The first request of a connection is its last.
        (
            Faults { drop_after: Some(1), ..Faults::default() },
            &["connection kept open"],
            "connection kept open",
            "closed after the challenge without a word",
        ),
        (
            Faults { troubles: vec![(2..=9, Trouble::HtmlPage)], ..Faults::default() },
            &["harmless call"],
            "harmless call",
            "an HTML page \"Sign in\" came instead of SOAP",
        ),
        (
            Faults { troubles: vec![(2..=9, Trouble::Unavailable)], ..Faults::default() },
            &["harmless call"],
            "harmless call",
            "not available",
        ),
        (
            Faults { troubles: vec![(3..=3, Trouble::CutBody)], ..Faults::default() },
            &["page of records"],
            "page of records",
            "cut off in the middle",
        ),
        (
            Faults { troubles: vec![(4..=9, Trouble::Unavailable)], ..Faults::default() },
            &["time per call"],
            "time per call",
            "not available",
        ),
    ] {
        let (setup, _simulator) = platform(|settings| settings.faults = faults);
        let diagnosis = examine(&setup, &[]);
        diagnosis.fails(failed, 4);
        diagnosis.says(check, "fail", part);
        assert!(!diagnosis.json.to_string().contains("--vendor"), "that has nothing to do with vendors");
    }
    let fault = "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Body><Fault>\
                 <faultcode>Server</faultcode><faultstring>no such counterparty</faultstring>\
                 </Fault></Body></Envelope>";
    let (setup, _log) = serve(move |asked| match asked.head.starts_with("POST") {
        true => http("500 Internal Server Error", "Content-Type: text/xml", fault),
        false => http("200 OK", "", ""),
    });
    setup.edit("tieout.toml", "auth = \"ntlm\"", "auth = \"none\"");
    let diagnosis = examine(&setup, &[]);
    diagnosis.says("harmless call", "fail", "no such counterparty");
    diagnosis.says("harmless call", "fail", "this one was made with none: give one with --vendor");
    let (setup, _simulator) =
        platform(|settings| settings.faults = Faults { drop_after: Some(3), ..Faults::default() });
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&[], 0);
    diagnosis.says("time per call", "note", "the platform drops connections between calls");
}

// ---- TLS ----

fn at(day: i64) -> std::time::SystemTime {
    let span = std::time::Duration::from_secs(day.unsigned_abs() * 86_400);
    let now = std::time::SystemTime::now();
    if day < 0 { now - span } else { now + span }
}

fn named(names: &[&str], name: &str, days: &Range<i64>) -> rcgen::CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_before = at(days.start).into();
    params.not_after = at(days.end).into();
    params
}

/// A certificate authority, as PEM and as what signs for it.
fn authority(
    name: &str,
    days: &Range<i64>,
    above: Option<&rcgen::Issuer<'_, rcgen::KeyPair>>,
) -> (String, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let mut params = named(&[], name, days);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = match above {
        Some(above) => params.signed_by(&key, above).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    (certificate.pem(), rcgen::Issuer::new(params, key))
}

/// Writes `chain.pem` and `key.pem`: the platform's certificate for `names`, valid for the `days` around today.
fn certify(
    folder: &TempDir,
    names: &[&str],
    days: &Range<i64>,
    issuer: &rcgen::Issuer<'_, rcgen::KeyPair>,
    sent_along: &str,
) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = named(names, "platform", days).signed_by(&key, issuer).unwrap();
    std::fs::write(folder.path().join("chain.pem"), certificate.pem() + sent_along).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
}

/// A platform over TLS with the certificate of the folder, and the set-up that trusts `authority`.
fn trusting(folder: &TempDir, authority: &str) -> (Setup, Simulator) {
    let (setup, simulator) = platform(|settings| {
        settings.tls = Some((folder.path().join("chain.pem"), folder.path().join("key.pem")));
        settings.require_channel_bindings = true;
    });
    setup.write("ca.pem", authority);
    setup.edit("tieout.toml", "auth = \"ntlm\"", "auth = \"ntlm\"\nca_file = \"ca.pem\"");
    (setup, simulator)
}

/// A platform over TLS whose certificate an authority signed, which the set-up trusts.
fn over_tls(names: &[&str], days: Range<i64>) -> (Setup, Simulator) {
    let folder = tempfile::tempdir().unwrap();
    let (pem, issuer) = authority("Test Authority", &(-9..99), None);
    certify(&folder, names, &days, &issuer, "");
    trusting(&folder, &pem)
}

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

#[test]
fn tls_is_examined_down_to_the_binding() {
    let (setup, _simulator) = over_tls(&NAMES, -1..90);
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&[], 0);
    assert!(diagnosis.of("skipped").is_empty(), "{:#}", diagnosis.json);
    for (name, part) in [
        ("secret and certificates", "certificates to trust from ca.pem"),
        ("TLS handshake", "TLS 1.3, TLS13_"),
        ("certificate: trust", "certificate CN=platform, issued by CN=Test Authority"),
        ("certificate: trust", "ecdsa-with-SHA384"),
        ("certificate: trust", "tls-server-end-point by SHA-384"),
        ("certificate: dates", " days left"),
        ("certificate: name", "made out to localhost, 127.0.0.1; 127.0.0.1 is among them"),
        ("Extended Protection", "bound to the TLS channel is accepted"),
    ] {
        diagnosis.says(name, "pass", part);
    }
    let (setup, _simulator) = over_tls(&NAMES, -1..5);
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&[], 0);
    diagnosis.says("certificate: dates", "note", "renew it before it expires");
}

#[test]
fn each_fault_of_a_certificate_is_found_by_itself() {
    for (names, days, trusts, failed, part) in [
        (&NAMES[..], -90..-3, true, &["certificate: dates"][..], "a certificate has expired, 3 days ago"),
        (&NAMES, 3..90, true, &["certificate: dates"], "a certificate is not valid yet"),
        (&["etrm.example"], -1..90, true, &["certificate: name"], "made out to etrm.example"),
        (&[], -1..90, true, &["certificate: name"], "made out to no name at all"),
        (&NAMES, -1..90, false, &["certificate: trust"], "[platform] ca_file"),
        // All of them at once.
        (
            &["etrm.example"],
            -90..-3,
            false,
            &["certificate: trust", "certificate: dates", "certificate: name"],
            "UnknownIssuer",
        ),
    ] {
        let (setup, simulator) = over_tls(names, days);
        if !trusts {
            setup.write("ca.pem", authority("Another Authority", &(-9..99), None).0);
        }
        let diagnosis = examine(&setup, &[]);
        diagnosis.fails(failed, 4);
        diagnosis.says(failed[0], "fail", part);
        diagnosis.says("TLS handshake", "pass", "TLS 1.3");
        diagnosis.says("sign-in", "skipped", &format!("because this failed: {}", failed[failed.len() - 1]));
        assert!(simulator.log().entries().unwrap().is_empty(), "nobody signs in to a stranger");
        // The calls themselves see it the same way.
        let outcome: Outcome = setup.command(&[]).env(VARIABLE, PASSWORD).output().unwrap().into();
        assert_eq!(outcome.code, Some(4), "{outcome:?}");
    }
    // The machine's own roots do not know the authority.
    let (setup, _simulator) = over_tls(&NAMES, -1..90);
    setup.edit("tieout.toml", "ca_file = \"ca.pem\"\n", "");
    let diagnosis = examine(&setup, &[]);
    assert_eq!(diagnosis.code, if diagnosis.of("fail") == ["secret and certificates"] { 2 } else { 4 });
}

/// Made by `openssl req -x509`, a self-signed certificate is marked as an authority's.
#[test]
fn a_self_signed_certificate_may_be_the_one_to_trust() {
    for is_ca in [rcgen::IsCa::NoCa, rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)] {
        for (names, days, is_listed, failed, part) in [
            (&NAMES[..], -1..90, true, &[][..], ""),
            (&NAMES, -1..90, false, &["certificate: trust"], "it is self-signed: check that"),
            (&NAMES, -90..-3, true, &["certificate: dates"], "a certificate has expired, 3 days ago"),
            (&NAMES, 3..90, true, &["certificate: dates"], "a certificate is not valid yet"),
            (&["etrm.example"], -1..90, true, &["certificate: name"], "made out to etrm.example"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = named(names, "platform", &days);
            params.is_ca = is_ca;
            let pem = params.self_signed(&key).unwrap().pem();
            std::fs::write(folder.path().join("chain.pem"), &pem).unwrap();
            std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
            let other = || params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
            let (setup, simulator) = trusting(&folder, &if is_listed { pem } else { other() });
            let diagnosis = examine(&setup, &[]);
            diagnosis.fails(failed, if failed.is_empty() { 0 } else { 4 });
            if let [failed] = failed {
                diagnosis.says(failed, "fail", part);
                assert!(simulator.log().entries().unwrap().is_empty(), "nobody signs in to a stranger");
            }
            // The calls themselves see it the same way, and say what to do.
            let outcome: Outcome = setup.command(&[]).env(VARIABLE, PASSWORD).output().unwrap().into();
            assert_eq!(outcome.code == Some(4), !failed.is_empty(), "{outcome:?}");
            let next = match failed {
                [] => "",
                ["certificate: trust"] => "give its issuer by [platform] ca_file",
                ["certificate: name"] => "by a name that is in its certificate",
                _ if days.start < 0 => "have the platform's operators renew it",
                _ => "check this machine's clock",
            };
            assert!(outcome.stderr.contains(next), "{outcome:?}");
        }
    }
}

#[test]
fn an_intermediate_certificate_counts_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let (root, above) = authority("Test Root", &(-9..99), None);
    for (days, is_sent, failed, part) in [
        (-9..99, true, None, "2 certificates were sent"),
        (-9..99, false, Some("certificate: trust"), "sends no intermediate certificate"),
        (-9..-3, true, Some("certificate: dates"), "has expired, 3 days ago\n  found: CN=Test Issuer"),
    ] {
        let (pem, issuer) = authority("Test Issuer", &days, Some(&above));
        certify(&folder, &NAMES, &(-5..90), &issuer, if is_sent { &pem } else { "" });
        let (setup, _simulator) = trusting(&folder, &root);
        let diagnosis = examine(&setup, &[]);
        diagnosis.fails(failed.as_slice(), if failed.is_some() { 4 } else { 0 });
        let check = failed.unwrap_or("certificate: trust");
        diagnosis.says(check, if failed.is_some() { "fail" } else { "pass" }, part);
    }
    // Signed by itself.
    let key = rcgen::KeyPair::generate().unwrap();
    let own = named(&NAMES, "platform", &(-1..90)).self_signed(&key).unwrap().pem();
    std::fs::write(folder.path().join("chain.pem"), &own).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    for (trusted, code) in [(&own, 0), (&root, 4)] {
        let (setup, _simulator) = trusting(&folder, trusted);
        let diagnosis = examine(&setup, &[]);
        assert_eq!(diagnosis.code, code, "{:#}", diagnosis.json);
        if code == 4 {
            diagnosis.fails(&["certificate: trust"], 4);
            diagnosis.says("certificate: trust", "fail", "it is self-signed");
        }
    }
}

#[test]
fn a_platform_that_wants_a_certificate_of_ours_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (pem, issuer) = authority("Test Authority", &(-9..99), None);
    certify(&folder, &NAMES, &(-1..90), &issuer, "");
    use rustls::pki_types::pem::PemObject;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let wants =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let chain = rustls::pki_types::CertificateDer::pem_file_iter(folder.path().join("chain.pem")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(wants.build().unwrap())
        .with_single_cert(
            chain.map(Result::unwrap).collect(),
            rustls::pki_types::PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = set_up(&format!("https://{}/x", listener.local_addr().unwrap()));
    setup.write("ca.pem", pem);
    setup.edit("tieout.toml", "auth = \"ntlm\"", "auth = \"ntlm\"\nca_file = \"ca.pem\"");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // It ends with an alert, which is sent.
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
            let _ = connection.write_tls(&mut stream);
        }
    });
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["authentication offered"], 4);
    diagnosis.says("TLS handshake", "pass", "asks its callers for a certificate");
    diagnosis.says("authentication offered", "fail", "CertificateRequired");
}

#[test]
fn a_port_that_speaks_no_tls_is_told() {
    let (setup, _simulator) = platform(|_| {});
    setup.edit("tieout.toml", "endpoint = \"http:", "endpoint = \"https:");
    let diagnosis = examine(&setup, &[]);
    if diagnosis.of("fail") == ["secret and certificates"] {
        // This machine has no roots at all, so that no https call could be made.
        return;
    }
    diagnosis.fails(&["TLS handshake"], 4);
    diagnosis.says("TLS handshake", "fail", "check that the port speaks TLS");
}

#[test]
fn a_port_that_speaks_nothing_but_tls_is_told() {
    let (setup, _simulator) = over_tls(&NAMES, -1..90);
    setup.edit("tieout.toml", "endpoint = \"https:", "endpoint = \"http:");
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["authentication offered"], 4);
    let said = &diagnosis.check("authentication offered")["next"];
    assert!(said.as_str().unwrap().contains("whether the port wants https"), "{said}");
}

// ---- Servers that answer by script ----

/// The head of a request, and the number of its connection.
struct Asked {
    connection: usize,
    head: String,
}

impl Asked {
    /// Which message of a handshake it carries.
    fn message(&self) -> Option<u8> {
        let token = self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("authorization").then(|| value.trim())
        })?;
        Some(if token.contains("TlRMTVNTUAAB") { 1 } else { 3 })
    }
}

/// Answers each request by `script`; an empty answer ends the connection.
fn serve(script: impl Fn(&Asked) -> String + Send + Sync + 'static) -> (Setup, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let setup = set_up(&format!("http://{}/Service.asmx", listener.local_addr().unwrap()));
    let log = Arc::new(Mutex::new(Vec::new()));
    let (asked, script) = (Arc::clone(&log), Arc::new(script));
    std::thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let (asked, script) = (Arc::clone(&asked), Arc::clone(&script));
            std::thread::spawn(move || converse(stream.unwrap(), connection, &asked, &*script));
        }
    });
    (setup, log)
}

fn converse(
    stream: TcpStream,
    connection: usize,
    log: &Mutex<Vec<Asked>>,
    script: &dyn Fn(&Asked) -> String,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        head.push_str(&String::from_utf8(body).unwrap());
        let asked = Asked { connection, head };
        let reply = script(&asked);
        log.lock().unwrap().push(asked);
        if reply.is_empty() || stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The challenge of a real Apache with gss-ntlmssp, of October 2025.
const CHALLENGE: &str = "WWW-Authenticate: NTLM TlRMTVNTUAACAAAABwAHADgAAAAGgooCgNN5guIahsMAAAAAAAAAAEwATAA/AAAABgIAAAAAAA9QTEFUU1JWAQAOAFAATABBAFQAUwBSAFYAAgAWAFcATwBSAEsAUwBUAEEAVABJAE8ATgADAAQAdgBtAAYABAAAAAAABwAIAPqMWyNaet0BAAAAAA==";

#[test]
fn what_is_offered_is_held_against_what_is_configured() {
    for (reply, failed, part) in [
        (
            http("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"", ""),
            "authentication offered",
            "does not offer NTLM or Negotiate, which [platform] auth asks for\n  found: it offers Basic",
        ),
        (
            http("302 Found", "Location: https://sso.example/login?token=hidden", ""),
            "authentication offered",
            "elsewhere, to https://sso.example/login\n",
        ),
        (http("503 Service Unavailable", "", ""), "authentication offered", "busy or down"),
        (
            http("407 Proxy Authentication Required", "", ""),
            "authentication offered",
            "goes around the proxy",
        ),
        (
            http("401 Unauthorized", "WWW-Authenticate: NTLM", ""),
            "connection kept open",
            "does not answer its first message with a challenge",
        ),
        (
            http("401 Unauthorized", "WWW-Authenticate: NTLM aGVsbG8=", ""),
            "NTLM challenge",
            "is no NTLM challenge",
        ),
        (
            http("401 Unauthorized", &CHALLENGE.replace("GgooCg", "GgoICg"), ""),
            "NTLM challenge",
            "cannot do NTLMv2",
        ),
    ] {
        let (setup, _log) = serve(move |_| reply.clone());
        let diagnosis = examine(&setup, &[]);
        diagnosis.fails(&[failed], 4);
        diagnosis.says(failed, "fail", part);
        assert!(!diagnosis.json.to_string().contains("hidden"));
    }
    let (setup, _log) = serve(|_| http("401 Unauthorized", "WWW-Authenticate: Negotiate", ""));
    setup.edit("tieout.toml", "auth = \"ntlm\"", "auth = \"none\"");
    let diagnosis = examine(&setup, &[]);
    diagnosis.says("authentication offered", "fail", "auth is \"none\"");
}

#[test]
fn a_challenge_tells_names_and_clocks_and_a_refusal_is_final() {
    let (setup, log) = serve(|asked| match asked.message() {
        Some(1) => http("401 Unauthorized", CHALLENGE, "go on"),
        _ => http("401 Unauthorized", "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM", "no"),
    });
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["sign-in"], 4);
    diagnosis.says("authentication offered", "pass", "offers Negotiate, NTLM");
    diagnosis.says("NTLM challenge", "note", "target PLATSRV (a server without a domain)");
    diagnosis.says("NTLM challenge", "note", "computer PLATSRV, domain WORKSTATION, DNS computer vm");
    diagnosis.says("NTLM challenge", "note", "behind ours");
    diagnosis.says("NTLM challenge", "note", "set both clocks");
    let log = log.lock().unwrap();
    let last: Vec<_> = log.iter().filter(|asked| asked.message() == Some(3)).collect();
    assert_eq!(last.len(), 1, "one attempt");
    let first = log.iter().filter(|asked| asked.message() == Some(1)).map(|asked| asked.connection);
    let first: Vec<usize> = first.collect();
    // One challenge to look at and one to answer, each over a connection of its own.
    assert_eq!((first.len(), first.last()), (2, Some(&last[0].connection)));
    assert_ne!(first[0], first[1]);
}

#[test]
fn under_negotiate_both_forms_are_tried() {
    let challenge = CHALLENGE.replace("NTLM ", "Negotiate ");
    for takes in ["YEgGBisGAQUFAqA", "TlRMTVNTUAAB"] {
        let challenge = challenge.clone();
        let (setup, _log) = serve(move |asked| {
            let takes = asked.head.contains(&format!("Negotiate {takes}"));
            http("401 Unauthorized", if takes { &challenge } else { "WWW-Authenticate: Negotiate" }, "")
        });
        let diagnosis = examine(&setup, &[]);
        diagnosis.says("connection kept open", "pass", "open through the challenge of Negotiate");
        diagnosis.says("NTLM challenge", "note", "PLATSRV");
    }
}

#[test]
fn a_platform_without_sign_in_or_wsdl_passes() {
    let items = "<a:SettlementRecord><a:TradeId>G-1</a:TradeId><a:Counterparty>A</a:Counterparty><a:FlowStart>2026-10-01</a:FlowStart>\
                 <a:Volume>1</a:Volume><a:Price>1</a:Price><a:Amount>1</a:Amount><a:Ccy>USD</a:Ccy></a:SettlementRecord>";
    let envelope = format!(
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' xmlns:a='urn:a'><s:Body><a:GetSettlementsResponse><a:GetSettlementsResult>\
         <a:TotalCount>1</a:TotalCount><a:Items>{items}</a:Items></a:GetSettlementsResult></a:GetSettlementsResponse></s:Body></s:Envelope>"
    );
    let (setup, log) = serve(move |asked| {
        if asked.head.starts_with("GET ") {
            http("200 OK", "Content-Type: text/html", "<!DOCTYPE html><html><title>Service</title></html>")
        } else if asked.head.ends_with("\r\n\r\n") {
            http("500 Internal Server Error", "", "")
        } else {
            http("200 OK", "Content-Type: text/xml", &envelope)
        }
    });
    for auth in ["ntlm", "none", "basic"] {
        setup.edit("tieout.toml", "auth = \"", "auth = \"_");
        let config = setup.read("tieout.toml");
        let (before, after) = config.split_once("auth = \"_").unwrap();
        let after = after.split_once('"').unwrap().1;
        setup.write("tieout.toml", format!("{before}auth = \"{auth}\"{after}"));
        let diagnosis = examine(&setup, &[]);
        diagnosis.fails(&[], 0);
        // Where the configuration signs in all the same, that is worth knowing.
        let verdict = if auth == "none" { "pass" } else { "note" };
        diagnosis.says("authentication offered", verdict, "no sign-in is asked for (HTTP 500");
        diagnosis.says("sign-in", "skipped", "nobody asks");
        diagnosis.says("WSDL", "skipped", "an HTML page \"Service\"");
        diagnosis.says("page of records", "pass", "1 of 1 record");
    }
    // What is sent before a sign-in has no body, and names nobody.
    let log = log.lock().unwrap();
    assert!(log[0].head.starts_with("POST /Service.asmx ") && log[0].message().is_none());
}

#[test]
fn basic_is_tried_once_as_well() {
    let (setup, log) = serve(|_| http("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"", "no"));
    setup.edit("tieout.toml", "auth = \"ntlm\"", "auth = \"basic\"");
    let diagnosis = examine(&setup, &[]);
    diagnosis.fails(&["sign-in"], 4);
    diagnosis.says("connection kept open", "skipped", "only NTLM");
    let tried = |asked: &&Asked| asked.head.to_ascii_lowercase().contains("authorization: basic");
    assert_eq!(log.lock().unwrap().iter().filter(tried).count(), 1);
}
