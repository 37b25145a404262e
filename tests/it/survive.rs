//! What a night can bring: every fault ends with exactly the right records, or with a clear error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;
use tieout::allowance::Allowance;
use tieout::fault::{Fault, Kind, Result};
use tieout::period::{Period, Zone};
use tieout::platform::{Manner, Platform, Settings};
use tieout::progress::{Progress, Silent, Task, Unit};
use tieout::simulator::{Faults, NAMESPACE, Simulator, User};

use super::proxy::{self, Harm, Proxy, Seen};
use super::support::{Outcome, Setup, tieout};

const USER: &str = r"CORP\svc";
const PASSWORD: &str = "Pa$$wörd ł";
const DAYS: usize = 6;
const PER_DAY: usize = 8;

/// A simulator with eight records a day for each of two vendors, and a folder with the password.
pub(super) struct Night {
    pub(super) folder: TempDir,
    simulator: Simulator,
}

impl Night {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut tieout::simulator::Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut csv = "Id,Counterparty,FlowStart,Amount,Remark\n".to_owned();
        for number in 0..2 * DAYS * PER_DAY {
            let (vendor, day) = (["ALFA", "BETA"][number % 2], 1 + number / 2 / PER_DAY);
            csv += &format!(
                "R{number},{vendor},2026-10-{day:02}T{:02}:00:00,{number}.10,=a & <b>\n",
                number / 2 % PER_DAY
            );
        }
        let records = folder.path().join("records.csv");
        std::fs::write(&records, csv).unwrap();
        std::fs::write(folder.path().join("pw"), PASSWORD).unwrap();
        let user = User { name: USER.into(), password: PASSWORD.to_owned().into() };
        let mut settings = tieout::simulator::Settings::new(records, vec![user]);
        change(&mut settings);
        Self { simulator: Simulator::start(settings).unwrap(), folder }
    }

    fn endpoint(&self) -> &str {
        self.simulator.endpoint()
    }

    /// `[platform]`, with `keys` before the request's table and `request` in it.
    fn table(endpoint: &str, keys: &str, request: &str) -> String {
        format!(
            r#"endpoint = "{endpoint}"
namespace = "{NAMESPACE}"
username = '{USER}'
password = "file:pw"
retry_seconds = "0.01"
{keys}
[REQUEST]
operation = "GetSettlements"
records = "GetSettlementsResult/Items/SettlementRecord"
total = "GetSettlementsResult/TotalCount"
page_size = 5
parameters = {{ counterparty = "{{vendor}}", from = "{{window.start}}", to = "{{window.end}}", page = "{{page}}", pageSize = "{{page_size}}" }}
{request}
"#
        )
    }

    fn fetch(&self, endpoint: &str, keys: &str, request: &str) -> Result<Vec<String>> {
        self.fetch_in(endpoint, keys, request, &Manner::default(), &Silent)
    }

    /// All records, as texts.
    fn fetch_in(
        &self,
        endpoint: &str,
        keys: &str,
        request: &str,
        manner: &Manner<'_>,
        progress: &dyn Progress,
    ) -> Result<Vec<String>> {
        let table = Self::table(endpoint, keys, request).replace("[REQUEST]", "[request]");
        let settings: Settings = toml::from_str(&table).unwrap();
        let zone = Zone::named("America/Chicago").unwrap();
        let period = Period::parse("2026-10-01..2026-10-06", &zone, SystemTime::now()).unwrap();
        let vendors = ["ALFA".to_owned(), "BETA".to_owned()];
        let pieces = settings.request.plan(&zone, Some(&period), &vendors).unwrap();
        let platform = Platform::new(&settings, self.folder.path())?;
        let mut records = Vec::new();
        let fetched = platform.fetch(&pieces, manner, progress, &mut |record| {
            records.push(
                record.fields.iter().map(|(_, value)| value.unwrap_or("-")).collect::<Vec<_>>().join("|"),
            );
            Ok(())
        })?;
        let mut again = Vec::new();
        fetched.again(&mut |record| {
            again.push(
                record.fields.iter().map(|(_, value)| value.unwrap_or("-")).collect::<Vec<_>>().join("|"),
            );
            Ok(())
        })?;
        assert_eq!(records, again, "what is read again is what came");
        fetched.close()?;
        Ok(records)
    }

    /// What there is to fetch, whole and in order.
    fn truth(&self) -> Vec<String> {
        let truth = self.fetch(self.endpoint(), "connections = 1", "").unwrap();
        assert_eq!(truth.len(), 2 * DAYS * PER_DAY);
        assert_eq!(truth.iter().collect::<BTreeSet<_>>().len(), truth.len());
        truth
    }

    /// The records that a fetch through a proxy by `script` gives, and the proxy.
    fn through(
        &self,
        keys: &str,
        request: &str,
        script: impl Fn(&Seen) -> Harm + Send + Sync + 'static,
    ) -> (Result<Vec<String>>, Proxy) {
        let proxy = Proxy::start(self.endpoint(), script);
        (self.fetch(&proxy.endpoint, keys, request), proxy)
    }
}

/// The harm for the requests with an NTLM message of this kind that `which` chooses by number.
fn at(message: u8, which: impl Fn(usize) -> bool, harm: Harm) -> impl Fn(&Seen) -> Harm {
    move |seen| if seen.message == message && which(seen.before) { harm.clone() } else { Harm::None }
}

/// For the second page of the first vendor's calls.
fn on_second_page(harm: Harm) -> impl Fn(&Seen) -> Harm {
    move |seen| {
        let is_it = seen.parameter("page") == "2" && seen.parameter("counterparty") == "ALFA";
        if is_it { harm.clone() } else { Harm::None }
    }
}

fn assert_says(fault: &Fault, kind: Kind, phrase: &str) {
    let text = fault.to_string();
    assert_eq!(fault.kind(), kind, "{text}");
    assert!(text.contains(phrase) && text.contains("\n  next: "), "{phrase:?} is not said in: {text}");
    assert!(!text.contains(PASSWORD), "{text}");
}

#[test]
fn records_are_the_same_in_the_same_order_whatever_the_windows_and_connections() {
    let night = Night::new();
    let truth = night.truth();
    for window in ["hour", "day", "month"] {
        for connections in [1, 2, 4] {
            let keys = format!("connections = {connections}");
            let request = format!("window = \"{window}\"\nidentity = \"Id\"");
            assert_eq!(
                night.fetch(night.endpoint(), &keys, &request).unwrap(),
                truth,
                "{window}, {connections}"
            );
        }
    }
}

#[test]
fn a_connection_that_is_reset_in_the_middle_of_the_fetch_costs_no_record() {
    // The platform drops connections, so that there are many handshakes to be broken.
    let night = Night::with(|settings| settings.faults = Faults { drop_after: Some(5), ..Faults::default() });
    let truth = night.truth();
    for harm in [Harm::ResetBefore, Harm::ResetAfter, Harm::ResetInHead, Harm::ResetInBody, Harm::CutBody] {
        // In the first message of a handshake, in the last, and in calls of a connection that is signed in.
        for message in [1, 3, 0] {
            let (fetched, proxy) = night.through(
                "connections = 2",
                "window = \"day\"",
                at(message, |before| matches!(before, 1 | 4 | 5), harm.clone()),
            );
            let fetched = fetched.unwrap_or_else(|fault| panic!("message {message}: {fault}"));
            assert_eq!(fetched, truth, "message {message}");
            assert!(proxy.seen().iter().any(|seen| seen.message == message && seen.before > 5));
        }
    }
}

#[test]
fn a_compressed_answer_that_is_cut_off_or_damaged_is_asked_for_again() {
    let night = Night::with(|settings| settings.gzip = true);
    let truth = night.truth();
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let harms: [(Change, &str); 5] = [
        (|body| cut(&body, 2), "cut off"),
        (|body| cut(&body, body.len() / 2), "cut off"),
        // Nothing but the length at its end is missing.
        (|body| cut(&body, body.len() - 4), "cut off"),
        (
            |mut body| {
                let last = body.len() - 6;
                body[last] ^= 1;
                body
            },
            "is damaged",
        ),
        (|body| [body, b"more than that".to_vec()].concat(), "is damaged"),
    ];
    for (harm, phrase) in harms {
        let once = at(0, |before| before == 2, Harm::Bytes(harm));
        let (fetched, _) = night.through("connections = 1", "", once);
        assert_eq!(fetched.unwrap_or_else(|fault| panic!("{phrase}: {fault}")), truth);
        // For good, it is an error and no record.
        let (fetched, proxy) = night.through("connections = 1", "", on_second_page(Harm::Bytes(harm)));
        assert_says(&fetched.unwrap_err(), Kind::Platform, phrase);
        assert_eq!(proxy.seen().iter().filter(|seen| seen.parameter("page") == "2").count(), 4);
    }
}

/// The start of a compressed body.
fn cut(body: &[u8], length: usize) -> Vec<u8> {
    assert!(body.starts_with(&[0x1f, 0x8b]), "it is not compressed");
    body[..length].to_vec()
}

#[test]
fn a_connection_that_is_reset_inside_of_the_tls_handshake_costs_no_record_and_no_password() {
    let pems = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let (own, own_key) = (pems.path().join("ca.pem"), pems.path().join("key.pem"));
    std::fs::write(&own, certificate.pem()).unwrap();
    std::fs::write(&own_key, key.serialize_pem()).unwrap();
    let night = Night::with(|settings| {
        settings.tls = Some((own.clone(), own_key));
        settings.require_channel_bindings = true;
        // Every connection ends soon, so that there are many.
        settings.faults = Faults { drop_after: Some(5), ..Faults::default() };
    });
    std::fs::copy(own, night.folder.path().join("ca.pem")).unwrap();
    let keys = "ca_file = \"ca.pem\"\nconnections = 1";
    let truth = night.fetch(night.endpoint(), keys, "").unwrap();
    assert_eq!(truth.len(), 2 * DAYS * PER_DAY);
    // Bytes that arrive of the platform's side: nothing, a record's head, half a ServerHello, what follows it. A
    // handshake that resumes a session has no more than some 200.
    for bytes in [0, 3, 60, 160] {
        let calls = night.simulator.log().entries().unwrap().len();
        let endpoint =
            proxy::cut_connections(night.endpoint(), move |connection| (connection == 0).then_some(bytes));
        let fault = night.fetch(&endpoint, keys, "").unwrap_err();
        assert_says(&fault, Kind::Platform, "");
        assert_eq!(night.simulator.log().entries().unwrap().len(), calls, "nobody signed in");
        let endpoint = proxy::cut_connections(night.endpoint(), move |connection| {
            (connection % 3 == 1).then_some(bytes)
        });
        let fetched = night.fetch(&endpoint, keys, "window = \"day\"");
        assert_eq!(fetched.unwrap_or_else(|fault| panic!("after {bytes} bytes: {fault}")), truth);
    }
}

#[test]
fn a_connection_that_is_reset_in_the_first_handshake_is_told_and_the_password_sent_once_at_most() {
    let night = Night::new();
    let truth = night.truth();
    for harm in [Harm::ResetBefore, Harm::ResetAfter, Harm::ResetInHead, Harm::ResetInBody, Harm::CutBody] {
        for message in [1, 3] {
            let (fetched, proxy) =
                night.through("connections = 4", "", at(message, |before| before == 0, harm.clone()));
            match fetched {
                // The body of the call itself: the password was taken by then.
                Ok(records) => assert_eq!(records, truth),
                Err(fault) => {
                    assert_says(&fault, Kind::Platform, "");
                    assert!(proxy.passwords() <= 1, "message {message}: {}", proxy.passwords());
                }
            }
        }
    }
}

#[test]
fn a_wrong_password_is_sent_once_even_where_connections_break() {
    let night = Night::new();
    std::fs::write(night.folder.path().join("pw"), "Wrong-8").unwrap();
    for harm in [Harm::None, Harm::ResetAfter, Harm::ResetInHead, Harm::ResetInBody] {
        let (fetched, proxy) =
            night.through("connections = 4", "window = \"day\"", at(3, |_| true, harm.clone()));
        let fault = fetched.unwrap_err();
        assert!(matches!(fault.kind(), Kind::SignIn | Kind::Platform), "{fault}");
        assert_eq!(proxy.passwords(), 1, "{fault}");
    }
    let log = night.simulator.log().entries().unwrap();
    assert_eq!(log.iter().filter(|call| call.outcome == "refused").count(), 4, "once in each run");
}

#[test]
fn a_platform_that_wants_to_know_again_who_we_are_is_told() {
    let night = Night::new();
    let truth = night.truth();
    let who = Harm::Instead(
        "401 Unauthorized",
        "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM",
        "who?".into(),
    );
    let (fetched, proxy) =
        night.through("connections = 2", "window = \"day\"", at(0, |before| before % 7 == 3, who));
    assert_eq!(fetched.unwrap(), truth);
    assert!(proxy.passwords() > 3);
}

#[test]
fn a_platform_that_is_unwell_for_a_while_is_asked_again() {
    let night = Night::new();
    let truth = night.truth();
    let html = "<!DOCTYPE html><html><head><title>Runtime Error</title></head></html>";
    let envelope = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><GetSettlementsResponse>\
        <GetSettlementsResult><TotalCount>0</TotalCount></GetSettlementsResult></GetSettlementsResponse></s:Body></s:Envelope>";
    for (status, headers, body) in [
        ("500 Internal Server Error", "Content-Type: text/html", html),
        ("500 Internal Server Error", "Content-Type: text/xml", ""),
        ("500 Internal Server Error", "Content-Type: text/xml", "<s:Envelope>"),
        ("500 Internal Server Error", "Content-Type: text/xml", envelope),
        ("500 Internal Server Error", "Content-Type: text/xml", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        ("500 Internal Server Error", "Content-Type: text/xml; charset=utf-16", "odd"),
        ("500 Internal Server Error", "Content-Type: text/xml\r\nContent-Encoding: gzip", "not packed"),
        ("500 Internal Server Error", "Content-Type: text/xml\r\nContent-Encoding: br", "unknown"),
        ("500 Internal Server Error", "Content-Type: multipart/related", "no boundary"),
        ("500 Internal Server Error", "Content-Type: application/json", "{\"error\":null}"),
        ("500 Internal Server Error", "", "plain"),
        ("502 Bad Gateway", "Content-Type: text/html", html),
        ("503 Service Unavailable", "", ""),
        ("503 Service Unavailable", "Retry-After: soon", ""),
        ("503 Service Unavailable", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", ""),
        ("504 Gateway Timeout", "Connection: close", ""),
        ("429 Too Many Requests", "Content-Type: text/html", html),
        ("429 Too Many Requests", "Retry-After: 0", ""),
    ] {
        let harm = Harm::Instead(status, headers, body.into());
        let (fetched, _) =
            night.through("", "window = \"day\"", at(0, |before| before % 5 == 2, harm.clone()));
        assert_eq!(fetched.unwrap_or_else(|fault| panic!("{status}: {fault}")), truth, "{status}");
        // For good: the call, three times again, and the end.
        let for_good = move |seen: &Seen| {
            if seen.is_call() && seen.calls_before >= 3 { harm.clone() } else { Harm::None }
        };
        let (fetched, proxy) = night.through("connections = 1", "", for_good);
        assert_says(&fetched.unwrap_err(), Kind::Platform, "");
        assert_eq!(proxy.calls(), 3 + 1 + 3, "{status}");
    }
}

#[test]
fn what_the_platform_says_about_coming_back_is_heeded() {
    let night = Night::new();
    let truth = night.truth();
    for status in ["503 Service Unavailable", "429 Too Many Requests"] {
        let rest = Harm::Instead(status, "Retry-After: 1", String::new());
        let started = Instant::now();
        let (fetched, _) = night.through("connections = 1", "", at(0, |before| before == 1, rest));
        assert_eq!(fetched.unwrap(), truth);
        assert!(started.elapsed() >= Duration::from_secs(1), "{status}");
    }
    // Longer than the fetch may take: it ends now, and not then.
    let rest = Harm::Instead("503 Service Unavailable", "Retry-After: 200", String::new());
    let started = Instant::now();
    let (fetched, _) =
        night.through("connections = 1\nfetch_deadline_seconds = 100", "", at(0, |before| before == 1, rest));
    assert_says(&fetched.unwrap_err(), Kind::Platform, "not available");
    assert!(started.elapsed() < Duration::from_secs(50));
}

#[test]
fn what_cannot_pass_is_not_tried_again() {
    let night = Night::new();
    let fault = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
        <faultcode>s:Server</faultcode><faultstring>period is closed</faultstring></s:Fault></s:Body></s:Envelope>";
    let bomb = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><a>&b;</a>";
    for (harm, kind, phrase) in [
        (Harm::Instead("500 E", "Content-Type: text/xml", fault.into()), Kind::Platform, "period is closed"),
        (Harm::Instead("200 OK", "Content-Type: text/xml", bomb.into()), Kind::Platform, "DOCTYPE"),
        (Harm::Instead("400 Bad Request", "", String::new()), Kind::Platform, "HTTP 400"),
        (Harm::Instead("403 Forbidden", "", String::new()), Kind::SignIn, "does not let us"),
        (Harm::Instead("404 Not Found", "", String::new()), Kind::Platform, "no service at this address"),
        (Harm::Instead("302 Found", "Location: /login", String::new()), Kind::Platform, "elsewhere"),
        (Harm::Type("text/html"), Kind::Platform, "of type text/html"),
        (Harm::Type("application/json"), Kind::Platform, "of type application/json"),
        (Harm::Type("text/xml; charset=utf-16"), Kind::Platform, "utf-16"),
        (
            Harm::Bytes(|body| body.iter().map(|byte| if *byte == b'=' { 0xff } else { *byte }).collect()),
            Kind::Platform,
            "is not UTF-8",
        ),
        (Harm::Endless, Kind::Platform, "answer_limit_mib"),
        // Pages that contradict what was announced.
        (
            Harm::Rewrite(|body| body.replace("<TotalCount>48<", "<TotalCount>47<")),
            Kind::Platform,
            "from 48 to 47",
        ),
        (Harm::Rewrite(|body| twice(body, "R10")), Kind::Platform, "announced 48 records, but sent 49"),
        (Harm::Rewrite(|body| without(body, "R12")), Kind::Platform, "announced 48 records, but sent 47"),
    ] {
        let (fetched, proxy) =
            night.through("connections = 1\nanswer_limit_mib = 4", "", on_second_page(harm));
        let fault = fetched.unwrap_err();
        assert_says(&fault, kind, phrase);
        // The platform's operators are sent by the id that they find it by.
        assert!(fault.to_string().contains("\n  correlation id: tieout-"), "{fault}");
        let asked = proxy.seen().iter().filter(|seen| seen.parameter("page") == "2").count();
        assert_eq!(asked, 1, "{phrase}");
    }
}

/// The record called `id`, as it stands in `body`.
fn record<'b>(body: &'b str, id: &str) -> &'b str {
    let from = body.find(&format!("<SettlementRecord><Id>{id}<")).unwrap();
    let end = "</SettlementRecord>";
    &body[from..from + body[from..].find(end).unwrap() + end.len()]
}

fn twice(body: &str, id: &str) -> String {
    let record = record(body, id);
    body.replace(record, &record.repeat(2))
}

fn without(body: &str, id: &str) -> String {
    body.replace(record(body, id), "")
}

#[test]
fn a_page_that_comes_twice_or_repeats_one_record_for_another_is_found() {
    let night = Night::new();
    // Page 2 holds R10 to R18 of ALFA; the records of page 1 come again.
    let (fetched, _) = night.through(
        "connections = 1",
        "",
        on_second_page(Harm::Rewrite(|body| {
            let mut body = body.to_owned();
            for (from, to) in [(10, 0), (12, 2), (14, 4), (16, 6), (18, 8)] {
                body = body
                    .replace(&format!(">R{from}<"), &format!(">R{to}<"))
                    .replace(&format!(">{from}.10<"), &format!(">{to}.10<"));
            }
            body.replace("T05:", "T00:")
                .replace("T06:", "T01:")
                .replace("T07:", "T02:")
                .replace("2026-10-02T00:", "2026-10-01T03:")
                .replace("2026-10-02T01:", "2026-10-01T04:")
        })),
    );
    assert_says(&fetched.unwrap_err(), Kind::Platform, "same page twice");
    // The last record of page 1 comes again in the place of the first of page 2: the count is right all the same.
    let shift = || on_second_page(Harm::Rewrite(|body| body.replace(">R10<", ">R8<")));
    let (fetched, _) = night.through("connections = 1", "identity = \"Id\"", shift());
    let fault = fetched.unwrap_err();
    assert_says(&fault, Kind::Platform, "came before");
    assert!(fault.to_string().contains("Id R8"), "{fault}");
    // A field that is not there tells nothing apart.
    let fault = night.fetch(night.endpoint(), "", "identity = [\"Id\", \"Version\"]").unwrap_err();
    assert_says(&fault, Kind::Platform, "has no Version");
}

#[test]
fn an_answer_that_trickles_is_given_up_and_asked_for_again() {
    let night = Night::new();
    let truth = night.truth();
    let slow = || Harm::Trickle(Duration::from_millis(40));
    let keys = "connections = 2\ndeadline_seconds = 1";
    let (fetched, _) = night.through(keys, "", at(0, |before| before == 2, slow()));
    assert_eq!(fetched.unwrap(), truth);
    let (fetched, _) = night.through(&format!("{keys}\nretries = 1"), "", move |_: &Seen| slow());
    assert_says(&fetched.unwrap_err(), Kind::Platform, "deadline_seconds");
    // The whole fetch has an end too, whatever its calls do.
    let (fetched, _) = night.through("fetch_deadline_seconds = 1", "", |_| slow_but_alive());
    assert_says(&fetched.unwrap_err(), Kind::Platform, "fetch_deadline_seconds");
}

fn slow_but_alive() -> Harm {
    Harm::Trickle(Duration::from_millis(20))
}

#[test]
fn calls_start_at_the_given_rate() {
    let night = Night::new();
    let started = Instant::now();
    let records = night.fetch(night.endpoint(), "connections = 4\ncalls_per_second = \"12.5\"", "").unwrap();
    assert_eq!(records.len(), 2 * DAYS * PER_DAY);
    // 20 pages, 80 ms between the starts of each two.
    assert!(started.elapsed() >= Duration::from_millis(19 * 80), "{:?}", started.elapsed());
}

/// What a fetch says while it runs.
#[derive(Default)]
struct Notes(std::sync::Mutex<Vec<String>>);

impl Progress for Notes {
    fn task(&self, label: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        Silent.task(label, unit, total)
    }

    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl Notes {
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join("\n")
    }
}

/// How often each window of each vendor was asked for.
fn asked(simulator: &Simulator) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for call in simulator.log().entries().unwrap() {
        let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap();
        if arguments["page"] == "1" {
            let window = format!("{} {}", arguments["counterparty"], arguments["from"]);
            *asked.entry(window).or_default() += 1;
        }
    }
    asked
}

/// The files of finished windows.
fn finished(folder: &Path) -> Vec<PathBuf> {
    let stores = std::fs::read_dir(folder.join(".tieout/fetched")).into_iter().flatten();
    let files = stores.flat_map(|store| std::fs::read_dir(store.unwrap().path()).unwrap());
    let mut files: Vec<PathBuf> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "records"))
        .collect();
    files.sort();
    files
}

/// A fetch by days that is interrupted at the ninth of its twelve windows.
fn interrupted() -> (Night, Proxy, Vec<String>) {
    let night = Night::new();
    let truth = night.truth();
    let is_over = AtomicBool::new(false);
    let proxy = Proxy::start(night.endpoint(), move |seen| {
        let is_third_of_beta = seen.parameter("counterparty") == "BETA"
            && seen.parameter("from").starts_with("2026-10-03")
            && seen.parameter("page") == "2";
        if is_third_of_beta && !is_over.swap(true, Ordering::Relaxed) {
            return Harm::Instead("400 Bad Request", "", String::new());
        }
        Harm::None
    });
    let fault = night.kept(&proxy, false, SystemTime::now(), &Notes::default()).unwrap_err();
    assert_says(&fault, Kind::Platform, "HTTP 400");
    assert_eq!(finished(night.folder.path()).len(), 8);
    (night, proxy, truth)
}

impl Night {
    fn kept(&self, proxy: &Proxy, refetch: bool, now: SystemTime, notes: &Notes) -> Result<Vec<String>> {
        let manner = Manner { keep: Some(now), refetch, ..Manner::default() };
        self.fetch_in(
            &proxy.endpoint,
            "connections = 1",
            "window = \"day\"\nidentity = \"Id\"",
            &manner,
            notes,
        )
    }
}

/// So many calls, and no more.
struct Left(std::sync::atomic::AtomicU32);

impl Allowance for Left {
    fn take(&self) -> Result<()> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map(drop)
            .map_err(|_| Fault::new(Kind::Busy, "that was enough").again_in(Duration::from_millis(1500)))
    }
}

#[test]
fn no_call_is_made_that_is_not_allowed_and_none_is_asked_for_twice() {
    let night = Night::new();
    let truth = night.truth();
    let calls = || night.simulator.log().entries().unwrap().len();
    let (before, now) = (calls(), SystemTime::now());
    let fetch = |left: u32| {
        let left = Left(left.into());
        let manner = Manner { keep: Some(now), allowance: &left, ..Manner::default() };
        night.fetch_in(night.endpoint(), "connections = 3", "window = \"day\"", &manner, &Silent)
    };
    let fault = fetch(7).unwrap_err();
    assert_says(&fault, Kind::Busy, "next: try again in 2 seconds");
    assert_eq!(fault.retry_after(), Some(Duration::from_secs(2)));
    assert_eq!(calls() - before, 7, "a refusal is not tried again");
    // What was had is kept: the calls that are left are enough now.
    let windows = finished(night.folder.path()).len();
    assert!(windows > 0);
    assert_eq!(fetch(1000).unwrap(), truth);
}

#[test]
fn finished_windows_of_an_interrupted_fetch_are_kept_and_of_a_complete_one_are_not() {
    let (night, proxy, truth) = interrupted();
    let notes = Notes::default();
    let before = asked(&night.simulator);
    assert_eq!(night.kept(&proxy, false, SystemTime::now(), &notes).unwrap(), truth);
    assert!(notes.take().contains("interrupted: 8 finished windows are kept"));
    let after = asked(&night.simulator);
    let again =
        after.iter().filter(|(window, count)| before.get(*window).is_some_and(|before| before < *count));
    assert_eq!(
        again.map(|(window, _)| window.as_str()).collect::<Vec<_>>().join(", ").matches("BETA").count(),
        1
    );
    assert!(finished(night.folder.path()).is_empty());
    // The next night: everything is asked for.
    night.kept(&proxy, false, SystemTime::now(), &notes).unwrap();
    assert_eq!(notes.take(), "");
    for (window, count) in asked(&night.simulator) {
        let earlier = after.get(&window).copied().unwrap_or_default();
        assert_eq!(count, earlier + 1, "{window}");
    }
}

#[test]
fn what_was_kept_is_not_trusted_when_it_is_damaged_old_or_unwanted() {
    // Any byte of any part: head, records, digest.
    for place in [3, 40, 120, 400, usize::MAX] {
        let (night, proxy, truth) = interrupted();
        let file = finished(night.folder.path()).remove(2);
        let mut bytes = std::fs::read(&file).unwrap();
        let place = place.min(bytes.len() - 1);
        bytes[place] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let notes = Notes::default();
        assert_eq!(night.kept(&proxy, false, SystemTime::now(), &notes).unwrap(), truth);
        let said = notes.take();
        assert!(said.contains(&file.display().to_string()) && said.contains("is damaged"), "{said}");
    }
    // Cut off, empty, or another window's file.
    for change in [|_: &[u8]| Vec::new(), |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec()] {
        let (night, proxy, truth) = interrupted();
        let file = finished(night.folder.path()).remove(2);
        std::fs::write(&file, change(&std::fs::read(&file).unwrap())).unwrap();
        let notes = Notes::default();
        assert_eq!(night.kept(&proxy, false, SystemTime::now(), &notes).unwrap(), truth);
        assert!(notes.take().contains("is damaged"));
    }
    let (night, proxy, truth) = interrupted();
    let files = finished(night.folder.path());
    std::fs::copy(&files[0], &files[1]).unwrap();
    let notes = Notes::default();
    assert_eq!(night.kept(&proxy, false, SystemTime::now(), &notes).unwrap(), truth);
    assert!(notes.take().contains("is damaged"));

    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    for (refetch, now, phrase) in [
        (true, SystemTime::now(), "is ignored"),
        (false, SystemTime::now() + hours(13), "too old"),
        (false, SystemTime::now() - hours(1), "too old"),
    ] {
        let (night, proxy, truth) = interrupted();
        let (notes, before) = (Notes::default(), asked(&night.simulator));
        assert_eq!(night.kept(&proxy, refetch, now, &notes).unwrap(), truth);
        assert!(notes.take().contains(phrase));
        let after = asked(&night.simulator);
        assert!(
            before.iter().all(|(window, count)| after[window] > *count),
            "all windows are asked for again"
        );
    }
}

#[test]
fn a_fetch_that_runs_twice_at_once_is_right_both_times() {
    let night = Night::with(|settings| settings.faults.delay = Duration::from_millis(5));
    let truth = night.truth();
    let proxy = Proxy::start(night.endpoint(), |_| Harm::None);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                assert_eq!(night.kept(&proxy, false, SystemTime::now(), &Notes::default()).unwrap(), truth);
            });
        }
    });
    assert!(finished(night.folder.path()).is_empty());
}

// ---- Through the binary. ----

impl Night {
    /// Writes a whole `tieout.toml`, with a record file of one invoice for each vendor.
    pub(super) fn configure(&self, endpoint: &str, keys: &str) {
        let platform =
            Self::table(endpoint, keys, "window = \"day\"").replace("[REQUEST]", "[platform.request]");
        let config = format!(
            r#"[reconciliation]
name = "night"
time_zone = "America/Chicago"
period = "2026-10-01..2026-10-06"

[invoices]
files = ["invoice.csv"]
columns = {{ vendor = "Vendor", deal = "Deal", amount = "Amount" }}

[settlements]
source = "platform"
columns = {{ vendor = "Counterparty", deal = "Id", amount = "Amount" }}

[[pass]]
name = "deals"
key = ["deal"]

[platform]
{platform}"#
        );
        std::fs::write(self.folder.path().join("tieout.toml"), config).unwrap();
        let mut invoice = "Vendor,Deal,Amount\n".to_owned();
        for number in 0..2 * DAYS * PER_DAY {
            invoice += &format!("{},R{number},{number}.10\n", ["ALFA", "BETA"][number % 2]);
        }
        std::fs::write(self.folder.path().join("invoice.csv"), invoice).unwrap();
    }

    /// Replaces `from` in `tieout.toml`.
    pub(super) fn edit(&self, from: &str, to: &str) {
        let path = self.folder.path().join("tieout.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        assert!(config.contains(from), "{from}");
        std::fs::write(path, config.replace(from, to)).unwrap();
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tieout();
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().unwrap().into()
    }
}

/// A process that does not outlive its test.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_fetch_that_is_killed_goes_on_where_it_was() {
    let night = Night::with(|settings| settings.faults.delay = Duration::from_millis(25));
    night.configure(night.endpoint(), "connections = 2");
    let whole = night.run(&["fetch"]);
    assert_eq!((whole.code, whole.stderr.as_str()), (Some(0), ""));
    assert_eq!(whole.stdout.lines().count(), 1 + 2 * DAYS * PER_DAY);
    assert!(
        whole.stdout.starts_with("Id,Counterparty,FlowStart,Amount,Remark\nR0,ALFA,"),
        "{}",
        whole.stdout
    );
    assert!(whole.stdout.contains(",'=a & <b>\n"), "a formula is neutralised");

    let asked_before = asked(&night.simulator);
    let mut child =
        Killed(night.command(&["fetch"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let started = Instant::now();
    while finished(night.folder.path()).len() < 4 {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(2));
    }
    // SIGKILL: nothing is tidied up.
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let kept = finished(night.folder.path()).len();
    assert!((4..2 * DAYS).contains(&kept), "{kept}");
    let asked_until = asked(&night.simulator);

    let resumed = night.run(&["fetch", "--output", "records.csv.out"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert!(
        resumed.stderr.contains(&format!("interrupted: {kept} finished windows are kept")),
        "{}",
        resumed.stderr
    );
    // Each window has two pages.
    assert_eq!(
        resumed.stdout,
        format!(
            "wrote records.csv.out: 96 records of {} calls, {kept} windows kept from an interrupted fetch\n",
            2 * (2 * DAYS - kept)
        )
    );
    let written = std::fs::read_to_string(night.folder.path().join("records.csv.out")).unwrap();
    assert_eq!(written, whole.stdout);
    let asked_after = asked(&night.simulator);
    let times = |window: &str| asked_after[window] - asked_before[window];
    let once = asked_after.keys().filter(|window| times(window) == 1).count();
    // What was under way when it was killed, one window for each connection, is asked for again.
    assert!(once >= 2 * DAYS - 2, "{once}");
    let again: usize = asked_after
        .iter()
        .map(|(window, count)| count - asked_until.get(window).copied().unwrap_or_default())
        .sum();
    assert_eq!(again, 2 * DAYS - kept, "no finished window is asked for again");
    assert!(finished(night.folder.path()).is_empty());
}

#[test]
fn a_reconciliation_resumes_too_and_says_the_same() {
    let night = Night::new();
    night.configure(night.endpoint(), "connections = 2");
    let whole = night.run(&["reconcile"]);
    assert_eq!(whole.code, Some(0), "{}{}", whole.stdout, whole.stderr);
    let summary = || std::fs::read_to_string(night.folder.path().join("reports/summary.json")).unwrap();
    let before = summary();
    let is_first = AtomicBool::new(true);
    let proxy = Proxy::start(night.endpoint(), move |seen| {
        let is_it =
            seen.parameter("from").starts_with("2026-10-04") && seen.parameter("counterparty") == "BETA";
        if is_it && is_first.swap(false, Ordering::Relaxed) {
            return Harm::Instead("404 Not Found", "", String::new());
        }
        Harm::None
    });
    night.configure(&proxy.endpoint, "connections = 2");
    assert_eq!(night.run(&["reconcile", "--evidence", "calls.jsonl"]).code, Some(4));
    let resumed = night.run(&["reconcile", "--evidence", "calls.jsonl"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert!(resumed.stderr.contains("finished windows are kept"), "{}", resumed.stderr);
    let source = |summary: &str| {
        let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
        summary["inputs"][1]["source"].as_str().unwrap().to_owned()
    };
    assert!(source(&before).ends_with("(GetSettlements, 24 calls)"), "{}", source(&before));
    // How many windows were finished depends on which connection was faster; each has two pages.
    let resumed_from = source(&summary());
    let numbers: Vec<usize> = resumed_from.split([' ', '(']).filter_map(|word| word.parse().ok()).collect();
    let [calls, kept] = numbers[..] else { panic!("{resumed_from}") };
    assert!(kept > 0 && calls + 2 * kept == 24, "{resumed_from}");
    assert!(resumed_from.ends_with(" kept from an interrupted fetch)"), "{resumed_from}");
    let digest = |summary: &str| {
        let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
        summary["inputs"].as_array().unwrap().iter().map(|input| input["sha256"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(digest(&summary()), digest(&before));
    assert_eq!(night.run(&["reconcile", "--refetch"]).code, Some(0));
}

#[test]
fn the_evidence_is_what_the_platform_logged() {
    let night = Night::new();
    let unwell = Harm::Instead("503 Service Unavailable", "", "busy".into());
    let proxy = Proxy::start(night.endpoint(), at(0, |before| before % 6 == 1, unwell));
    night.configure(&format!("{}?key=hunter2", proxy.endpoint), "connections = 2");
    let outcome = night.run(&["fetch", "--evidence", "calls.jsonl", "--output", "out.csv"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let text = std::fs::read_to_string(night.folder.path().join("calls.jsonl")).unwrap();
    assert!(!text.contains("hunter2") && !text.contains(PASSWORD));
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let log: BTreeMap<String, _> = night
        .simulator
        .log()
        .entries()
        .unwrap()
        .into_iter()
        .map(|call| (call.correlation_id.clone(), call))
        .collect();
    let (good, bad): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["outcome"] == "ok");
    assert_eq!((good.len(), log.len()), (24, 24), "every call that succeeded, and no other, was executed");
    assert!(
        !bad.is_empty()
            && bad
                .iter()
                .all(|line| line["status"] == 503 && line["records"] == 0 && line["sha256"].is_null())
    );
    let mut ids = BTreeSet::new();
    for line in &lines {
        assert!(ids.insert(line["correlation_id"].as_str().unwrap()), "an id of its own for every attempt");
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }
    for line in good {
        let call = &log[line["correlation_id"].as_str().unwrap()];
        assert_eq!(
            (line["operation"].as_str(), line["records"].as_i64()),
            (Some(&*call.method), Some(call.rows))
        );
        let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap();
        assert_eq!(line["parameters"], arguments);
        assert_eq!(line["page"].to_string(), arguments["page"].as_str().unwrap());
        assert!(line["window"].as_str().unwrap().starts_with(arguments["from"].as_str().unwrap()));
        assert_eq!((line["status"].as_u64(), line["sha256"].as_str().unwrap().len()), (Some(200), 64));
        assert!(line["bytes"].as_u64().unwrap() > 0);
    }
    // A line that was cut off stays alone: what is added is joined to no other.
    let path = night.folder.path().join("calls.jsonl");
    std::fs::write(&path, text.trim_end().to_owned() + "\n{\"time\": \"20").unwrap();
    assert_eq!(night.run(&["fetch", "--evidence", "calls.jsonl", "--output", "out.csv"]).code, Some(0));
    let continued = std::fs::read_to_string(&path).unwrap();
    let is_json = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert_eq!(continued.lines().filter(|line| !is_json(line)).collect::<Vec<_>>(), ["{\"time\": \"20"]);
    assert!(continued.starts_with(&text) && continued.lines().count() > lines.len() + 24);
    let so_far = night.simulator.log().entries().unwrap().len();
    // A file that cannot be written is told before anything is asked.
    let outcome = night.run(&["fetch", "--evidence", "nowhere/calls.jsonl"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("nowhere/calls.jsonl") && outcome.stderr.contains("--evidence"));
    assert_eq!(night.simulator.log().entries().unwrap().len(), so_far);
}

#[test]
fn vendors_may_be_named_and_a_file_is_whole_or_not_there() {
    let night = Night::new();
    night.configure(night.endpoint(), "");
    let outcome = night.run(&["fetch", "--vendor", "BETA", "--vendor", "BETA", "--period", "2026-10-02"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout.lines().count(), 1 + PER_DAY);
    let outcome = night.run(&["fetch", "--vendor", "BETA", "--period", "2026-12", "--output", "none.csv"]);
    assert_eq!(outcome.stdout, "wrote none.csv: 0 records of 31 calls\n");
    assert_eq!(std::fs::read(night.folder.path().join("none.csv")).unwrap(), b"");
    let outcome = night.run(&["fetch", "--vendor", "NOBODY", "--output", "none.csv"]);
    assert_eq!(outcome.code, Some(4));
    assert_eq!(std::fs::read(night.folder.path().join("none.csv")).unwrap(), b"", "it is as it was");
    let outcome = night.run(&["fetch", "--output", "nowhere/out.csv"]);
    assert_eq!(outcome.code, Some(2));
    assert!(
        outcome.stderr.contains("nowhere/out.csv") && outcome.stderr.contains("next: "),
        "{}",
        outcome.stderr
    );
}

#[test]
fn whether_the_output_can_be_written_is_tried_before_the_first_call() {
    let night = Night::new();
    night.configure(night.endpoint(), "");
    std::fs::create_dir(night.folder.path().join("folder")).unwrap();
    for arguments in [
        &["fetch", "--output", "nowhere/out.csv"][..],
        &["fetch", "--output", "folder"],
        &["fetch", "--evidence", "nowhere/calls.jsonl"],
        &["fetch", "--evidence", "folder"],
        &["reconcile", "--output", "tieout.toml/reports"],
        &["reconcile", "--evidence", "folder"],
    ] {
        let outcome = night.run(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(arguments[2]) && outcome.stderr.contains("next: "),
            "{arguments:?}: {}",
            outcome.stderr
        );
    }
    assert!(night.simulator.log().entries().unwrap().is_empty());
    // Nothing is left behind of the trial, and folders that are not there yet are no hindrance.
    assert_eq!(std::fs::read_dir(night.folder.path().join("folder")).unwrap().count(), 0);
    assert_eq!(night.run(&["reconcile", "--output", "reports/of/today"]).code, Some(0));
    assert_eq!(night.run(&["fetch", "--output", "folder/out.csv"]).code, Some(0));
    assert_eq!(std::fs::read_dir(night.folder.path().join("folder")).unwrap().count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_fetched_is_not_lost_where_it_cannot_be_written() {
    let night = Night::new();
    night.configure(night.endpoint(), "");
    let outcome = night.run(&["fetch", "--output", "/dev/full"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    let outcome = night.run(&["fetch", "--output", "out.csv"]);
    assert!(outcome.stderr.contains("12 finished windows are kept"), "{}", outcome.stderr);
    assert_eq!(
        outcome.stdout,
        "wrote out.csv: 96 records of 0 calls, 12 windows kept from an interrupted fetch\n"
    );
}

#[test]
fn a_column_that_no_record_has_is_told_with_the_nearest() {
    let night = Night::new();
    night.configure(night.endpoint(), "");
    night.edit("amount = \"Amount\" }\n\n[[pass]]", "amount = \"Ammount\" }\n\n[[pass]]");
    let outcome = night.run(&["fetch"]);
    // The records are there to be looked at all the same.
    assert_eq!((outcome.code, outcome.stdout.lines().count()), (Some(0), 97), "{}", outcome.stderr);
    for part in ["note: ", "there is no column \"Ammount\" for amount", "did you mean \"Amount\"?"] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    let outcome = night.run(&["--log", "json", "fetch"]);
    assert!(outcome.stderr.contains("did you mean"), "{}", outcome.stderr);
    let outcome = night.run(&["reconcile"]);
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.stderr.contains("did you mean \"Amount\"?"), "{}", outcome.stderr);
    // Corrected, it goes on with what has come.
    let before = night.simulator.log().entries().unwrap().len();
    night.edit("Ammount", "Amount");
    assert_eq!(night.run(&["reconcile"]).code, Some(0));
    assert_eq!(night.simulator.log().entries().unwrap().len(), before);
}

#[test]
fn a_records_path_that_ends_at_what_holds_the_records_is_told() {
    let night = Night::new();
    night.configure(night.endpoint(), "");
    night.edit("GetSettlementsResult/Items/SettlementRecord", "GetSettlementsResult/Items");
    let outcome = night.run(&["fetch"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(4), ""), "{}", outcome.stderr);
    for part in [
        "SettlementRecord stands in it 5 times",
        "set records = \"GetSettlementsResult/Items/SettlementRecord\"",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
    night.edit("\"GetSettlementsResult/Items\"", "\"GetSettlementsResult\"");
    let outcome = night.run(&["fetch"]);
    assert!(outcome.stderr.contains("Items/SettlementRecord stands in it 5 times"), "{}", outcome.stderr);
}

#[test]
fn what_makes_no_sense_is_told_before_anything_is_asked() {
    let files = Setup::small();
    let outcome: Outcome = tieout().current_dir(files.folder()).arg("fetch").output().unwrap().into();
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("[settlements] source"), "{}", outcome.stderr);
    let outcome = files.reconcile(&["--evidence", "calls.jsonl"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("--evidence") && outcome.stderr.contains("come from files"));

    let night = Night::new();
    for (from, to, phrase) in [
        ("window = \"day\"", "window = \"week\"", "unknown variant `week`"),
        ("from = \"{window.start}\", to = \"{window.end}\", ", "", "every call would bring all records"),
        ("to = \"{window.end}\"", "to = \"{window.last}\"", "an hour has no last day"),
        (
            "from = \"{window.start}\", to = \"{window.end}\"",
            "from = \"{window.start:%H:%M}\"",
            "records would come twice",
        ),
        ("connections = 1", "calls_per_second = 0.5", "decimal in quotes"),
        ("connections = 1", "store = \"tieout.toml\"", "[platform] store"),
    ] {
        night.configure(night.endpoint(), "connections = 1");
        if phrase.contains("hour") || phrase.contains("twice") {
            night.edit("window = \"day\"", "window = \"hour\"");
        }
        night.edit(from, to);
        let outcome = night.run(&["fetch"]);
        assert_eq!(outcome.code, Some(2), "{to}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(phrase), "{to}: {}", outcome.stderr);
    }
    assert!(night.simulator.log().entries().unwrap().is_empty());
}
