//! Against software that nobody here wrote: Apache httpd with mod_auth_gssapi and gss-ntlmssp, pyspnego for
//! Extended Protection, and behind them a SOAP service of spyne. `.ci/interop/run` starts all of it and runs these.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tieout::fault::{Kind, Result};
use tieout::platform::{Manner, Piece, Platform, Settings, Values};
use tieout::progress::Silent;

const USER: &str = r"CORP\svc_recon";
const PASSWORD: &str = "Correct-Horse-7";
const OTHER_USER: &str = r"CORP\lucja";
/// Beyond ASCII.
const OTHER_PASSWORD: &str = "Zażółć-gęślą-€7";

/// What runs where, as `.ci/interop/run` wrote it down: the start of a URL each.
#[derive(Deserialize)]
struct Stack {
    #[serde(skip)]
    folder: PathBuf,
    http: String,
    https: String,
    /// Offers Negotiate alone.
    negotiate: String,
    negotiate_tls: String,
    /// Ends every connection after five requests.
    dropping: String,
    /// Ends every connection after one, and says so.
    closing: String,
    /// Wants a certificate of its callers.
    mutual: String,
    /// Wants channel bindings.
    bound: String,
}

fn stack() -> Stack {
    let folder = std::env::var_os("TIEOUT_INTEROP").expect("these tests are run by .ci/interop/run");
    let folder = PathBuf::from(folder);
    let text = std::fs::read_to_string(folder.join("stack.toml")).unwrap();
    Stack { folder, ..toml::from_str(&text).unwrap() }
}

/// One way to ask.
struct Asking<'s> {
    stack: &'s Stack,
    /// Names the requests of a test in httpd's log.
    case: &'s str,
    url: String,
    user: &'s str,
    password: &'s str,
    keys: String,
    page_size: u32,
}

/// A record as it came: name and value, in order.
type Fields = Vec<(String, Option<String>)>;

impl<'s> Asking<'s> {
    /// `place` is what follows the start of the URL: the location, and with it the SOAP version.
    fn new(stack: &'s Stack, case: &'s str, start: &str, place: &str) -> Self {
        let soap = if place.ends_with("12") { "1.2" } else { "1.1" };
        let ca_file = stack.folder.join("ca.pem");
        Self {
            stack,
            case,
            url: format!("{start}{place}?case={case}"),
            user: USER,
            password: PASSWORD,
            keys: format!("soap = \"{soap}\"\nca_file = \"{}\"\n", ca_file.display()),
            page_size: 1000,
        }
    }

    fn keys(mut self, keys: &str) -> Self {
        self.keys += keys;
        self.keys.push('\n');
        self
    }

    fn user(self, user: &'s str, password: &'s str) -> Self {
        Self { user, password, ..self }
    }

    fn page_size(self, page_size: u32) -> Self {
        Self { page_size, ..self }
    }

    fn fetch(&self, request: &str, calls: &[Values]) -> Result<Vec<Fields>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pw"), self.password).unwrap();
        let Self { url, user, keys, .. } = self;
        let settings: Settings = toml::from_str(&format!(
            "endpoint = \"{url}\"\nnamespace = \"urn:interop:settlement\"\nusername = '{user}'\npassword = \"file:pw\"\n{keys}\n[request]\n{request}"
        ))
        .unwrap();
        let mut records = Vec::new();
        let pieces: Vec<Piece> = calls.iter().cloned().map(Piece::from).collect();
        let platform = Platform::new(&settings, folder.path())?;
        let _ = platform.fetch(&pieces, &Manner::default(), &Silent, &mut |record| {
            let fields = record.fields.iter();
            records.push(fields.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect());
            Ok(())
        })?;
        Ok(records)
    }

    /// Who the service takes us for.
    fn who(&self) -> Result<String> {
        let records = self.fetch("operation = \"WhoAmI\"\nrecords = \"WhoAmIResult\"", &[Values::new()])?;
        assert_eq!(records.len(), 1);
        Ok(records[0][0].1.clone().unwrap_or_default())
    }

    fn records_of(&self, counterparties: &[&str]) -> Result<Vec<Fields>> {
        let request = format!(
            r#"operation = "GetSettlements"
            parameters = {{ counterparty = "{{vendor}}", page = "{{page}}", pageSize = "{{page_size}}" }}
            records = "GetSettlementsResult/Items/SettlementRecord"
            total = "GetSettlementsResult/TotalCount"
            more = "GetSettlementsResult/HasMore"
            page_size = {}"#,
            self.page_size
        );
        let calls: Vec<_> = counterparties
            .iter()
            .map(|vendor| Values::from([("vendor".to_owned(), (*vendor).to_owned())]))
            .collect();
        self.fetch(&request, &calls)
    }

    /// Fetches the records and holds them against the file that the service serves.
    fn assert_records(&self, counterparties: &[&str]) {
        let held = self.stack.held();
        let expected: Vec<Fields> = counterparties
            .iter()
            .flat_map(|wanted| held.iter().filter(move |record| record[1].1.as_deref() == Some(*wanted)))
            .cloned()
            .collect();
        let records =
            self.records_of(counterparties).unwrap_or_else(|fault| panic!("{}: {fault}", self.case));
        assert_eq!(records.len(), expected.len(), "{}", self.case);
        for (record, expected) in records.iter().zip(&expected) {
            assert_eq!(record, expected, "{}", self.case);
        }
    }

    /// Its lines in httpd's log, once at least `least` of them are there.
    fn log(&self, least: usize) -> Vec<String> {
        let own = format!("?case={} ", self.case);
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let log = std::fs::read_to_string(self.stack.folder.join("access.log")).unwrap();
            let lines: Vec<_> = log.lines().filter(|line| line.contains(&own)).map(str::to_owned).collect();
            if lines.len() >= least || Instant::now() > end {
                return lines;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn assert_scheme(&self, scheme: &str) {
        let log = self.log(2);
        let proofs: Vec<_> = log.iter().filter(|line| line.contains("proof=proof")).collect();
        assert!(!proofs.is_empty(), "{log:?}");
        assert!(proofs.iter().all(|line| line.contains(&format!("scheme={scheme} "))), "{log:?}");
    }
}

impl Stack {
    /// What the service holds; an empty cell is an element that does not come.
    fn held(&self) -> Vec<Fields> {
        let mut reader = csv::Reader::from_path(self.folder.join("records.csv")).unwrap();
        let headers = reader.headers().unwrap().clone();
        let records = reader.records().map(|row| {
            let row = row.unwrap();
            let fields = headers.iter().zip(row.iter()).filter(|(_, value)| !value.is_empty());
            fields.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect()
        });
        records.collect()
    }
}

const EVERYBODY: [&str; 2] = ["ALFA", "Łódź & <Sons>"];

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn ntlm_and_negotiate_are_taken_over_http_and_https_in_both_versions_of_soap() {
    let stack = stack();
    for (case, start, place, auth, scheme) in [
        ("ntlm-http-11", &stack.http, "/gssapi/soap11", "ntlm", "NTLM"),
        ("ntlm-http-12", &stack.http, "/gssapi/soap12", "ntlm", "NTLM"),
        ("ntlm-https-11", &stack.https, "/gssapi/soap11", "ntlm", "NTLM"),
        ("ntlm-https-12", &stack.https, "/gssapi/soap12", "ntlm", "NTLM"),
        ("negotiate-http-11", &stack.negotiate, "/gssapi/soap11", "negotiate", "SPNEGO"),
        ("negotiate-http-12", &stack.negotiate, "/gssapi/soap12", "negotiate", "SPNEGO"),
        ("negotiate-https-11", &stack.negotiate_tls, "/gssapi/soap11", "negotiate", "SPNEGO"),
        ("negotiate-https-12", &stack.negotiate_tls, "/gssapi/soap12", "negotiate", "SPNEGO"),
        ("negotiate-where-both", &stack.http, "/gssapi/soap11", "negotiate", "SPNEGO"),
        ("ntlm-where-negotiate", &stack.negotiate, "/gssapi/soap11", "ntlm", "SPNEGO"),
    ] {
        let asking = Asking::new(&stack, case, start, place).keys(&format!("auth = \"{auth}\""));
        let who = asking.who().unwrap_or_else(|fault| panic!("{case}: {fault}"));
        assert_eq!(who, USER, "{case}");
        asking.assert_scheme(scheme);
        asking.assert_records(&EVERYBODY);
    }
}

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn names_and_passwords_beyond_ascii_and_every_form_of_the_user_are_taken() {
    let stack = stack();
    for (case, start, place, auth, user) in [
        ("other-ntlm", &stack.http, "/gssapi/soap11", "ntlm", OTHER_USER),
        ("other-negotiate", &stack.negotiate_tls, "/gssapi/soap12", "negotiate", OTHER_USER),
        ("other-bound", &stack.bound, "/bound/soap11", "ntlm", OTHER_USER),
        // gss-ntlmssp knows no name beyond ASCII; pyspnego does.
        ("other-name", &stack.bound, "/bound/soap11", "ntlm", r"CORP\łucja"),
    ] {
        let asking = Asking::new(&stack, case, start, place)
            .user(user, OTHER_PASSWORD)
            .keys(&format!("auth = \"{auth}\""));
        assert_eq!(asking.who().unwrap_or_else(|fault| panic!("{case}: {fault}")), user, "{case}");
    }
    for (case, user) in [("bare-user", "svc_recon"), ("user-at", "svc_recon@corp.example")] {
        let asking = Asking::new(&stack, case, &stack.http, "/gssapi/soap11").user(user, PASSWORD);
        let who = asking.who().unwrap_or_else(|fault| panic!("{case}: {fault}"));
        assert!(who.contains("svc_recon"), "{case}: {who}");
    }
}

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn a_wrong_password_is_sent_exactly_once() {
    let stack = stack();
    for (case, start, place, auth) in [
        ("wrong-ntlm", &stack.http, "/gssapi/soap11", "ntlm"),
        ("wrong-ntlm-tls", &stack.https, "/gssapi/soap12", "ntlm"),
        ("wrong-negotiate", &stack.negotiate, "/gssapi/soap11", "negotiate"),
        ("wrong-negotiate-tls", &stack.negotiate_tls, "/gssapi/soap11", "negotiate"),
        ("wrong-fallback", &stack.negotiate, "/gssapi/soap11", "ntlm"),
        ("wrong-dropping", &stack.dropping, "/gssapi/soap11", "ntlm"),
        ("wrong-basic", &stack.https, "/basic/soap11", "basic"),
    ] {
        let asking = Asking::new(&stack, case, start, place)
            .user(USER, "Wrong-Horse-7")
            .keys(&format!("auth = \"{auth}\"\nconnections = 4"));
        let fault = asking.records_of(&["ALFA", "ALFA", "ALFA", "ALFA"]).unwrap_err();
        assert_eq!(fault.kind(), Kind::SignIn, "{case}: {fault}");
        assert!(fault.to_string().contains("refused the user or the password"), "{case}: {fault}");
        asking.log(1);
        // Whatever else there were would come within this time.
        std::thread::sleep(Duration::from_millis(300));
        let log = asking.log(1);
        let proofs = log.iter().filter(|line| line.contains("proof=proof")).count();
        assert_eq!(proofs, 1, "{case}: {log:?}");
    }
    // The user that nobody knows is refused like a wrong password.
    let unknown =
        Asking::new(&stack, "unknown", &stack.http, "/gssapi/soap11").user(r"CORP\nobody", PASSWORD);
    assert_eq!(unknown.who().unwrap_err().kind(), Kind::SignIn);
}

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn many_pages_over_several_connections_are_what_the_service_holds() {
    let stack = stack();
    let often = [EVERYBODY, EVERYBODY, EVERYBODY].concat();
    for (case, start, place, auth) in [
        ("pages-ntlm", &stack.http, "/gssapi/soap11", "ntlm"),
        ("pages-negotiate", &stack.negotiate_tls, "/gssapi/soap12", "negotiate"),
    ] {
        let keys = format!("auth = \"{auth}\"\nconnections = 4");
        let asking = Asking::new(&stack, case, start, place).keys(&keys).page_size(100);
        asking.assert_records(&often);
        let log = asking.log(6);
        // One handshake for each connection: two refusals at most for each, and no sign-in on a page.
        let proofs = log.iter().filter(|line| line.contains("proof=proof")).count();
        assert!((1..=4).contains(&proofs), "{log:?}");
    }
}

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn connections_that_are_dropped_every_five_requests_lose_no_record() {
    let stack = stack();
    for (case, place, auth) in
        [("drop-ntlm", "/gssapi/soap11", "ntlm"), ("drop-negotiate", "/gssapi/soap12", "negotiate")]
    {
        let keys = format!("auth = \"{auth}\"\nconnections = 3");
        let asking = Asking::new(&stack, case, &stack.dropping, place).keys(&keys).page_size(100);
        asking.assert_records(&[EVERYBODY, EVERYBODY].concat());
        // 2 × (24 + 1) pages, of which a connection carries four or five.
        let proofs = asking.log(60).iter().filter(|line| line.contains("proof=proof")).count();
        assert!(proofs >= 10, "{proofs}");
    }
}

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn where_connections_are_closed_on_the_challenge_ntlm_is_said_not_to_work() {
    let stack = stack();
    for (case, place, auth) in
        [("close-ntlm", "/gssapi/soap11", "ntlm"), ("close-negotiate", "/gssapi/soap11", "negotiate")]
    {
        let asking = Asking::new(&stack, case, &stack.closing, place).keys(&format!("auth = \"{auth}\""));
        let fault = asking.who().unwrap_err();
        assert_eq!(fault.kind(), Kind::SignIn, "{fault}");
        let text = fault.to_string();
        assert!(
            text.contains("Connection: close on the challenge") && text.contains("NTLM cannot work"),
            "{text}"
        );
        assert!(
            !asking.log(1).iter().any(|line| line.contains("proof=proof")),
            "no password is risked there"
        );
    }
    let open = Asking::new(&stack, "close-open", &stack.closing, "/open/soap11").keys("auth = \"none\"");
    open.assert_records(&EVERYBODY);
}

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn a_server_that_demands_channel_bindings_is_satisfied() {
    let stack = stack();
    for (case, place, auth) in [
        ("bound-ntlm", "/bound/soap11", "ntlm"),
        ("bound-ntlm-12", "/bound/soap12", "ntlm"),
        ("bound-negotiate", "/bound/soap11", "negotiate"),
    ] {
        let asking = Asking::new(&stack, case, &stack.bound, place).keys(&format!("auth = \"{auth}\""));
        assert_eq!(asking.who().unwrap_or_else(|fault| panic!("{case}: {fault}")), USER, "{case}");
        asking.assert_records(&EVERYBODY);
        let wrong = asking.user(USER, "Wrong-Horse-7");
        assert_eq!(wrong.who().unwrap_err().kind(), Kind::SignIn, "{case}");
    }
}

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn basic_is_taken_over_tls_and_nothing_where_nobody_asks() {
    let stack = stack();
    let basic = Asking::new(&stack, "basic", &stack.https, "/basic/soap11")
        .user("svc_recon", OTHER_PASSWORD)
        .keys("auth = \"basic\"");
    assert_eq!(basic.who().unwrap(), "svc_recon");
    basic.assert_records(&EVERYBODY);
    for auth in ["none", "ntlm", "negotiate"] {
        let open =
            Asking::new(&stack, "open", &stack.http, "/open/soap12").keys(&format!("auth = \"{auth}\""));
        open.assert_records(&EVERYBODY);
    }
    let asked = Asking::new(&stack, "none", &stack.http, "/gssapi/soap11").keys("auth = \"none\"");
    let text = asked.who().unwrap_err().to_string();
    assert!(text.contains("wants to know who we are") && text.contains("Negotiate, NTLM"), "{text}");
    let fault = basic.records_of(&["NOBODY"]).unwrap_err();
    assert!(fault.to_string().contains("Unknown counterparty: NOBODY"), "{fault}");
}

#[test]
#[ignore = "needs other people's servers: run .ci/interop/run"]
fn a_certificate_of_ours_is_shown_where_it_is_wanted() {
    let stack = stack();
    let file = |name: &str| stack.folder.join(name).display().to_string();
    let ours =
        format!("client_certificate = \"{}\"\nclient_key = \"{}\"\n", file("caller.pem"), file("caller.key"));
    for (auth, place) in
        [("none", "/open/soap11"), ("ntlm", "/gssapi/soap11"), ("negotiate", "/gssapi/soap12")]
    {
        let keys = format!("{ours}auth = \"{auth}\"");
        Asking::new(&stack, "mutual", &stack.mutual, place).keys(&keys).assert_records(&EVERYBODY);
    }
    let without =
        Asking::new(&stack, "mutual-without", &stack.mutual, "/open/soap11").keys("auth = \"none\"");
    let fault = without.who().unwrap_err();
    assert_eq!(fault.kind(), Kind::SignIn, "{fault}");
    assert!(fault.to_string().contains("client_certificate"), "{fault}");
}
