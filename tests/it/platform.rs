//! Tests of the room `platform` from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tieout::fault::{Kind, Result};
use tieout::platform::answer::{self, Page};
use tieout::platform::{Auth, Batch, Fetched, Manner, Piece, Platform, Request, Settings, Values};
use tieout::progress::Silent;

use super::support::shared;

/// Records as they came, one inner list each; `None` is null.
type Rows = Vec<Vec<(String, Option<String>)>>;

fn request(table: &str) -> Request {
    toml::from_str(&format!("operation = \"Get\"\n{table}")).unwrap()
}

fn read(xml: &[u8], request: &Request) -> Result<(Rows, Page)> {
    /// Bytes in small pieces, so that every token is split somewhere.
    struct Pieces<'x>(&'x [u8]);
    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let most = into.len().min(7);
            self.0.read(&mut into[..most])
        }
    }
    let source = Pieces(xml);
    let mut rows = Rows::new();
    let page = answer::read(source, request, 1 << 20, &mut Batch::default(), &mut |batch| {
        for record in batch.records() {
            rows.push(
                record.iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect(),
            );
        }
        Ok(())
    })?;
    assert_eq!(page.records, rows.len() as u64);
    Ok((rows, page))
}

fn row(fields: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
}

fn soap(body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

fn items(items: &str) -> String {
    soap(&format!(
        r#"<GetResponse xmlns="urn:x"><GetResult><Items>{items}</Items></GetResult></GetResponse>"#
    ))
}

const ITEMS: &str = r#"records = "GetResult/Items/Item""#;

#[test]
fn records_are_flattened_in_order_and_null_is_not_empty() {
    let xml = items(
        "<Item ows_ID='7' xmlns:d='urn:d' d:id=\"a&amp;b\"><Id>1</Id><Party id='9'>\n <Name>A&amp;B &lt;&#x142;&gt;<![CDATA[&raw;]]><!-- c -->!</Name>\n <City/></Party>\
         <None xsi:nil=\"true\" /><Blank> </Blank></Item><Item xsi:nil='1'/><Item>\r\n</Item><Other/>",
    );
    let (rows, _) = read(xml.as_bytes(), &request(ITEMS)).unwrap();
    assert_eq!(
        rows,
        [
            row(&[
                ("@ows_ID", Some("7")),
                ("@id", Some("a&b")),
                ("Id", Some("1")),
                ("Party/@id", Some("9")),
                ("Party/Name", Some("A&B <ł>&raw;!")),
                ("Party/City", Some("")),
                ("None", None),
                ("Blank", Some(" ")),
            ]),
            row(&[]),
            row(&[("Item", Some("\n"))]),
        ]
    );
    // SharePoint's rows are all attributes.
    let (rows, _) = read(items("<z:Item xmlns:z='#R' ows_A='1'/>").as_bytes(), &request(ITEMS)).unwrap();
    assert_eq!(rows, [row(&[("@ows_A", Some("1"))])]);
}

#[test]
fn an_answer_that_is_cut_off_anywhere_is_a_fault() {
    let xml =
        items("<Item a='1'><Id>1&amp;</Id><!--c--><T><![CDATA[łx]]></T></Item><Item xsi:nil=\"true\" />");
    assert_eq!(read(xml.as_bytes(), &request(ITEMS)).unwrap().0.len(), 2);
    for end in 0..xml.len() {
        let fault = read(&xml.as_bytes()[..end], &request(ITEMS)).unwrap_err();
        assert_eq!(fault.kind(), Kind::Platform);
        let text = fault.to_string();
        assert!(text.contains("cut off in the middle") || text.contains("is empty"), "at {end}: {text}");
    }
}

#[test]
fn what_is_no_soap_is_refused_with_what_it_is() {
    for (xml, expected) in [
        ("<!DOCTYPE html><html></html>", "DOCTYPE"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "DOCTYPE"),
        ("<html><body/></html>", "no SOAP envelope\n  found: <html>"),
        ("plain words", "not XML\n  found: plain words"),
        ("", "is empty"),
        (
            r#"<?xml version="1.0" encoding="utf-7"?><a/>"#,
            "encoding that tieout does not read\n  found: utf-7",
        ),
        (&items("<Item>&custom;</Item>"), "&custom;"),
        (&items("<Item>&#0;</Item>"), "not well-formed"),
        (&items("<Item>a<B/></Item>"), "text beside elements"),
        (&items("<Item><B/>a</Item>"), "text beside elements"),
        (&items("<Item><A></B></Item>"), "not well-formed"),
        (&items("<Item>\u{1}</Item>").replace('\u{1}', "a & b"), "not well-formed"),
        (&format!("{}<more/>", items("")), "follows the end"),
        (&format!("{}x", items("")), "follows the end"),
        (&soap(""), "body of the answer is empty"),
        (&items(&"<a>".repeat(200)), "more than 100 deep"),
    ] {
        let text = read(xml.as_bytes(), &request(ITEMS)).unwrap_err().to_string();
        assert!(text.contains(expected) && text.contains("\n  next: "), "{text}");
    }
    assert!(read(b"\xff\xfe<\0a\0", &request(ITEMS)).is_err());
    assert!(
        read(&[b"<s:Envelope><s:Body><a>\xff\xfe</a>".as_slice(), &[b' '; 99]].concat(), &request(ITEMS))
            .is_err()
    );
    let text =
        read(items(&"<Item>x</Item>".repeat(1 << 17)).as_bytes(), &request(ITEMS)).unwrap_err().to_string();
    assert!(text.contains("answer_limit_mib"), "{text}");
}

#[test]
fn nothing_is_told_from_a_path_that_leads_nowhere() {
    let with_total = "records = \"GetResult/Items/Item\"\ntotal = \"GetResult/Total\"";
    let result = |inner: &str| soap(&format!("<GetResponse><GetResult>{inner}</GetResult></GetResponse>"));
    for (xml, table) in [
        (items(""), ITEMS),
        (items(" \n "), ITEMS),
        (result("<Items xsi:nil='true'/>"), ITEMS),
        (soap("<GetResponse><GetResult xsi:nil='true'/></GetResponse>"), ITEMS),
        (soap("<GetResponse><GetResult xsi:nil='true'/></GetResponse>"), with_total),
        (result("<Total>0</Total>"), with_total),
        (
            result(
                "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:element name='Item'/></xs:schema><Items><PageInfo/></Items>",
            ),
            ITEMS,
        ),
    ] {
        let (rows, page) =
            read(xml.as_bytes(), &request(table)).unwrap_or_else(|fault| panic!("{xml}: {fault}"));
        assert!(rows.is_empty() && page.total.unwrap_or(0) == 0);
    }
    for (xml, table, expected) in [
        (items("<Row/><Line/><Row/>"), ITEMS, "GetResult/Items holds no Item\n  found: Row, Line"),
        (result("<Total>0</Total>"), ITEMS, "GetResult holds no Items\n  found: Total"),
        (result("<Total>4</Total>"), with_total, "GetResult holds no Items\n  found: Total"),
        (result("&lt;xml/&gt;"), ITEMS, "GetResult holds no Items\n  found: xml"),
        (result("no data &amp; no records"), ITEMS, "found: the text no data & no records"),
        (result(""), ITEMS, "GetResult holds no Items\n  found: nothing"),
        (soap("<GetResponse/>"), ITEMS, "the response holds no GetResult"),
        (items("<Item/>"), with_total, "there is no GetResult/Total"),
        (result("<Total>many</Total>"), with_total, "is not a number\n  found: many"),
        (result("<Total>1</Total><Total>2</Total>"), with_total, "stands twice"),
    ] {
        let text = read(xml.as_bytes(), &request(table)).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn recorded_answers_of_a_real_service_are_read() {
    let Some(shared) = shared("") else { return };
    let file = |name: &str| std::fs::read(shared.join("platform").join(name)).unwrap();
    let page = request(
        "records = \"GetSettlementsResult/Items/SettlementRecord\"\ntotal = \"GetSettlementsResult/TotalCount\"\nmore = \"GetSettlementsResult/HasMore\"",
    );
    let table = request(
        "records = \"GetSettlementsDataSetResult/diffgram/SettlementData/Settlement\"\ntotal = \"GetSettlementsDataSetResult/diffgram/SettlementData/PageInfo/TotalCount\"",
    );
    let names = request("records = \"GetCounterpartiesResult/string\"");
    for soap in ["soap11", "soap12"] {
        let (rows, said) = read(&file(&format!("{soap}-GetSettlements.xml")), &page).unwrap();
        assert_eq!((rows.len(), said.total, said.more), (5, Some(96), Some(true)));
        assert_eq!(rows[0][7..9], row(&[("Amount", Some("0.00")), ("Correction", None)]));
        assert_eq!(rows[0][11], row(&[("Remark", Some("metered & <corrected> \"nr 0\""))])[0]);
        assert_eq!(rows[2][1].1.as_deref(), Some("Łódź Energetyka"));

        let (rows, said) = read(&file(&format!("{soap}-GetSettlements-empty.xml")), &page).unwrap();
        assert_eq!((rows.len(), said.total, said.more), (0, Some(0), Some(false)));

        let (rows, said) = read(&file(&format!("{soap}-GetSettlementsDataSet.xml")), &table).unwrap();
        assert_eq!((rows.len(), said.total), (5, Some(96)));
        assert_eq!(
            rows[3][..3],
            row(&[
                ("Id", Some("4")),
                ("Counterparty", Some("DELTA-VOLT")),
                ("DeliveryPoint", Some("PL-CEPS"))
            ])
        );
        let (rows, said) = read(&file(&format!("{soap}-GetSettlementsDataSet-empty.xml")), &table).unwrap();
        assert_eq!((rows.len(), said.total), (0, Some(0)));

        let (rows, _) = read(&file(&format!("{soap}-GetCounterparties.xml")), &names).unwrap();
        assert_eq!(rows[1], row(&[("string", Some("Beta Gas & Power <Trading>"))]));

        for (name, expected) in [
            ("GetSettlements-unknown-counterparty", "refused Get: Unknown counterparty: NOBODY\n"),
            ("GetSettlements-bad-date", "refused Get: The string 'yesterday' is not a valid AllXsd value.\n"),
            ("FailPlain", "refused Get: Boom & bust\n"),
            ("FailBusiness", "Code 4711, Message period is closed"),
            ("unknown-method", "compare operation, namespace, action"),
        ] {
            let text = read(&file(&format!("{soap}-{name}-fault.xml")), &page).unwrap_err().to_string();
            assert!(text.contains(expected), "{name}: {text}");
            assert!(!text.contains("  at ") && !text.contains("Exception"), "{name}: {text}");
        }
    }
}

#[test]
fn placeholders_are_checked_before_any_call() {
    let request = request(&format!(
        "{ITEMS}\n[parameters]\nz = \"{{window.start}}\"\na = \"{{vendr}}\"\nq = {{ page = \"{{page}}\", n = 5, all = true }}"
    ));
    assert_eq!(request.parameters.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["z", "a", "q"]);
    assert_eq!(request.placeholders(), ["window.start", "vendr"]);
    let fault = request.check(&["vendor", "window.start", "window.end"]).unwrap_err();
    assert_eq!(fault.kind(), Kind::Configuration);
    assert!(fault.to_string().contains("did you mean {vendor}?"), "{fault}");
    request.check(&["vendr", "window.start"]).unwrap();
}

/// `[platform]` with a request of one parameter and the given keys (before the request's table).
fn settings(endpoint: &str, keys: &str, request: &str) -> Settings {
    toml::from_str(&format!(
        "endpoint = \"{endpoint}\"\nnamespace = \"urn:x/\"\n{keys}\n[request]\noperation = \"Get\"\n{ITEMS}\n{request}"
    ))
    .unwrap()
}

#[test]
fn settings_that_make_no_sense_are_refused_with_their_key() {
    let none = "auth = \"none\"";
    for (endpoint, keys, expected) in [
        ("ftp://x/", none, "endpoint"),
        ("nowhere", none, "endpoint"),
        ("http://u:hunter2@x/", none, "endpoint"),
        ("http://x/", "", "username"),
        ("http://x/", "username = \"u\"", "password"),
        ("http://x/", "auth = \"basic\"\nusername = \"u\"\npassword = \"file:pw\"", "auth"),
        ("http://x/", "username = \"u\"\npassword = \"env:TIEOUT_NO_SUCH\"", "TIEOUT_NO_SUCH"),
        ("http://x/", "auth = \"none\"\nconnections = 0", "connections"),
        ("http://x/", "auth = \"none\"\ncalls_per_second = \"0.0\"", "calls_per_second"),
        ("http://x/", "auth = \"none\"\nfetch_deadline_seconds = 0", "fetch_deadline_seconds"),
        ("https://x/", "auth = \"none\"\nca_file = \"none.pem\"", "none.pem"),
        ("https://x/", "auth = \"none\"\nclient_key = \"k.pem\"", "client_key"),
        ("http://x/", "auth = \"none\"\nclient_certificate = \"c.pem\"", "over http"),
        ("https://x/", "auth = \"none\"\nclient_certificate = \"c.pem\"", "c.pem"),
    ] {
        let fault = Platform::new(&settings(endpoint, keys, ""), Path::new("/nonexistent")).err().unwrap();
        assert_eq!(fault.kind(), Kind::Configuration, "{fault}");
        assert!(fault.to_string().contains(expected) && !fault.to_string().contains("hunter2"), "{fault}");
    }
}

#[test]
fn a_certificate_of_ours_that_is_not_to_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let pair = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(["us".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    };
    let ((certificate, key), (_, other_key)) = (pair(), pair());
    write("both.pem", &format!("{key}{certificate}"));
    write("certificate.pem", &certificate);
    write("key.pem", &key);
    write("other.pem", &other_key);
    write("encrypted.pem", &key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    write("broken.pem", "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n");
    let platform = |keys: &str| {
        Platform::new(&settings("https://x/", &format!("auth = \"none\"\n{keys}"), ""), folder.path())
    };
    platform("client_certificate = \"both.pem\"").unwrap();
    platform("client_certificate = \"certificate.pem\"\nclient_key = \"key.pem\"").unwrap();
    for (certificate, key, expected) in [
        ("certificate.pem", None, "give the key's file by [platform] client_key"),
        ("key.pem", None, "no certificate in this file"),
        ("none.pem", None, "none.pem: our certificate cannot be read"),
        ("certificate.pem", Some("none.pem"), "none.pem: the key of our certificate cannot be read"),
        ("certificate.pem", Some("certificate.pem"), "no key to use"),
        ("certificate.pem", Some("broken.pem"), "no key to use"),
        ("certificate.pem", Some("encrypted.pem"), "openssl pkey"),
        ("certificate.pem", Some("other.pem"), "client_key is not the key of client_certificate"),
    ] {
        let key = key.map(|key| format!("\nclient_key = \"{key}\"")).unwrap_or_default();
        let fault = platform(&format!("client_certificate = \"{certificate}\"{key}")).err().unwrap();
        assert_eq!(fault.kind(), Kind::Configuration, "{fault}");
        assert!(fault.to_string().contains(expected), "{fault}");
        assert!(!fault.to_string().contains("BEGIN PRIVATE KEY-----\n"), "{fault}");
    }
}

// ---- A platform on a socket, answering by script. ----

/// A request as it arrived.
#[derive(Clone, Debug)]
struct Asked {
    connection: usize,
    headers: String,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What the script gives back: the bytes to send, and whether the connection ends with them.
type Reply = (String, bool);

struct Scripted {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Serves each request by `script`, which is told the request and how many came before it.
fn serve(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/Service.asmx", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, script) = (Arc::clone(&asked), Arc::new(script));
    std::thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let (log, script) = (Arc::clone(&log), Arc::clone(&script));
            std::thread::spawn(move || converse(stream.unwrap(), connection, &log, &*script));
        }
    });
    Scripted { url, asked }
}

fn converse(
    stream: TcpStream,
    connection: usize,
    log: &Mutex<Vec<Asked>>,
    script: &(dyn Fn(&Asked, usize) -> Reply + Send + Sync),
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            if reader.read_line(&mut headers).unwrap_or(0) == 0 {
                return;
            }
        }
        let mut asked = Asked { connection, headers, body: String::new() };
        let length = asked.header("content-length").expect("a length").parse().unwrap();
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        asked.body = String::from_utf8(body).unwrap();
        let (reply, ends) = {
            let mut log = log.lock().unwrap();
            log.push(asked.clone());
            script(&asked, log.len() - 1)
        };
        if stream.write_all(reply.as_bytes()).is_err() || ends {
            return;
        }
    }
}

fn http(status: &str, headers: &str, body: &str) -> Reply {
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    (format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()), false)
}

fn ok(body: &str) -> Reply {
    http("200 OK", "Content-Type: text/xml; charset=utf-8", body)
}

fn values(vendor: &str) -> Values {
    Values::from([("vendor".to_owned(), vendor.to_owned())])
}

fn pieces(calls: &[Values]) -> Vec<Piece> {
    calls.iter().cloned().map(Piece::from).collect()
}

/// Fetches and gives each record as `operation:call:index=first field`.
fn fetch(settings: &Settings, base: &Path, calls: &[Values]) -> Result<(Fetched, Vec<String>)> {
    let mut seen = Vec::new();
    let pieces = pieces(calls);
    let fetched =
        Platform::new(settings, base)?.fetch(&pieces, &Manner::default(), &Silent, &mut |record| {
            let (_, value) = record.fields.iter().next().unwrap();
            seen.push(format!("{record}={}", value.unwrap()));
            Ok(())
        })?;
    assert_eq!(fetched.records, seen.len() as u64);
    Ok((fetched, seen))
}

const PAGED: &str = "page_size = 2\nparameters = { v = \"{vendor}\", p = \"{page}\", n = \"{page_size}\" }";

#[test]
fn pages_come_in_order_over_several_connections_with_the_right_headers() {
    for (version, content_type, action) in [
        ("1.1", "text/xml; charset=utf-8", Some("\"urn:x/Get\"")),
        ("1.2", "application/soap+xml; charset=utf-8; action=\"urn:x/Get\"", None),
    ] {
        let server = serve(|asked, _| {
            let part =
                |tag: &str| asked.body.split(&format!("<{tag}>")).nth(1).unwrap().split('<').next().unwrap();
            // The first vendor is slow; its records come first all the same.
            if part("v") == "A&amp;B" {
                std::thread::sleep(std::time::Duration::from_millis(60));
            }
            let (first, second) = (format!("{}-{}a", part("v"), part("p")), format!("{}b", part("p")));
            let full = format!("<Item><I>{first}</I></Item><Item><I>{second}</I></Item>");
            ok(&items(if part("p") == "3" { "" } else { &full }))
        });
        let keys = format!("auth = \"none\"\nsoap = \"{version}\"\nconnections = 3");
        let calls = [values("A&B"), values("C"), values("D"), values("E")];
        let (fetched, seen) = fetch(&settings(&server.url, &keys, PAGED), Path::new(""), &calls).unwrap();
        assert_eq!((fetched.calls, fetched.records), (12, 16));
        assert_eq!(
            seen[..5],
            ["Get:1:1=A&B-1a", "Get:1:2=1b", "Get:2:1=A&B-2a", "Get:2:2=2b", "Get:4:1=C-1a"]
        );
        let asked = server.asked.lock().unwrap();
        let mut ids: Vec<_> = asked.iter().map(|asked| asked.header("x-correlation-id").unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 12);
        for asked in asked.iter() {
            assert_eq!(asked.header("content-type"), Some(content_type));
            assert_eq!(asked.header("soapaction"), action);
            assert!(
                asked.body.contains("<Get xmlns=\"urn:x/\"><v>") && asked.body.contains("<n>2</n></Get>")
            );
        }
    }
}

#[test]
fn a_platform_that_answers_something_else_is_named_with_a_next_step() {
    let keys = "auth = \"none\"\ntimeout_seconds = 1\nretries = 0";
    let html = |title: &str| format!("<!DOCTYPE html><html><head><title>{title}</title></head></html>");
    for (reply, kind, expected) in [
        (
            http("302 Found", "Location: https://sso.example/login?token=secret", ""),
            Kind::Platform,
            "elsewhere, to https://sso.example/login\n",
        ),
        (
            http("200 OK", "Content-Type: text/html", &html("Sign in")),
            Kind::Platform,
            "an HTML page \"Sign in\" came instead of SOAP",
        ),
        (
            http("500 Internal Server Error", "Content-Type: text/html", &html("Runtime Error")),
            Kind::Platform,
            "\"Runtime Error\" came instead",
        ),
        (
            http("404 Not Found", "Content-Type: text/html", &html("gone")),
            Kind::Platform,
            "no service at this address (an HTML page \"gone\")",
        ),
        (http("503 Service Unavailable", "", ""), Kind::Platform, "not available"),
        (http("400 Bad Request", "Content-Type: text/xml", ""), Kind::Platform, "without content"),
        (http("403 Forbidden", "", ""), Kind::SignIn, "does not let us call Get"),
        (
            http("401 Unauthorized", "WWW-Authenticate: Negotiate, NTLM", ""),
            Kind::SignIn,
            "offers Negotiate, NTLM",
        ),
        (http("200 OK", "Content-Type: application/json", "{}"), Kind::Platform, "of type application/json"),
        (http("200 OK", "Content-Type: text/xml; charset=utf-7", &items("")), Kind::Platform, "found: utf-7"),
        (
            http("500 Internal Server Error", "Content-Type: text/xml", &items("")),
            Kind::Platform,
            "does not say which",
        ),
        (
            http(
                "500 E",
                "Content-Type: text/xml",
                &soap("<s:Fault><faultcode>s:Server</faultcode><faultstring>no</faultstring></s:Fault>"),
            ),
            Kind::Platform,
            "refused Get: no",
        ),
        (
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 900\r\n\r\n<s:Envelope>"
                    .to_owned(),
                true,
            ),
            Kind::Platform,
            "cut off in the middle",
        ),
        (
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 900\r\n\r\n<s:Envelope>"
                    .to_owned(),
                false,
            ),
            Kind::Platform,
            "stopped sending",
        ),
        ((String::new(), true), Kind::Platform, "broke before an answer came"),
        ((String::new(), false), Kind::Platform, "no answer came in 1 seconds"),
        (("SSH-2.0-x\r\n".to_owned(), true), Kind::Platform, "broke before"),
    ] {
        let server = serve(move |_, _| reply.clone());
        let fault = fetch(&settings(&server.url, keys, ""), Path::new(""), &[Values::new()]).unwrap_err();
        let text = fault.to_string();
        assert_eq!(fault.kind(), kind, "{text}");
        assert!(
            text.contains(expected) && text.contains("\n  next: ") && text.starts_with(&server.url),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (endpoint, expected) in [
        (format!("http://{closed}/"), "refuses connections"),
        ("http://no-such-host.invalid/".to_owned(), "name no-such-host.invalid is not known"),
        (serve(|_, _| (String::new(), true)).url.replace("http:", "https:"), "no secure connection"),
    ] {
        let fault = fetch(&settings(&endpoint, keys, ""), Path::new(""), &[Values::new()]).unwrap_err();
        assert!(fault.to_string().contains(expected) && fault.to_string().contains("\n  next: "), "{fault}");
    }
}

#[test]
fn a_call_that_trickles_on_ends_at_its_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let mut piece =
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 99999\r\n\r\n<s:Envelope>";
        while stream.write_all(piece.as_bytes()).is_ok() {
            piece = " ";
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    let settings = settings(&url, "auth = \"none\"\ndeadline_seconds = 1\nretries = 0", "");
    let fault = fetch(&settings, Path::new(""), &[Values::new()]).unwrap_err();
    assert!(fault.to_string().contains("deadline_seconds"), "{fault}");
}

#[test]
fn a_connection_that_broke_between_calls_is_asked_once_more() {
    // Each connection serves one page, then closes without saying so.
    let server = serve(|asked, _| {
        let page = asked.body.split("<p>").nth(1).unwrap().split('<').next().unwrap();
        let (reply, _) =
            ok(&items(&format!("<Item><I>{page}</I></Item>").repeat(if page == "4" { 1 } else { 2 })));
        (reply, true)
    });
    let (fetched, _) =
        fetch(&settings(&server.url, "auth = \"none\"", PAGED), Path::new(""), &[values("A")]).unwrap();
    assert_eq!((fetched.calls, fetched.records), (4, 7));
}

#[test]
fn what_the_sink_refuses_ends_the_fetch() {
    let server = serve(|_, _| ok(&items(&"<Item><I>1</I></Item>".repeat(20_000))));
    let asks = settings(&server.url, "auth = \"none\"", "parameters = { v = \"{vendor}\" }");
    let platform = Platform::new(&asks, Path::new("")).unwrap();
    let mut seen = 0;
    let calls: Vec<Values> = (0..50).map(|number| values(&number.to_string())).collect();
    let fault = platform
        .fetch(&pieces(&calls), &Manner::default(), &Silent, &mut |_| {
            seen += 1;
            if seen == 3 { Err(tieout::fault::Fault::new(Kind::Input, "enough")) } else { Ok(()) }
        })
        .err()
        .unwrap();
    assert_eq!((fault.to_string(), seen), ("enough".to_owned(), 3));
    assert!(server.asked.lock().unwrap().len() < 50, "nobody goes on asking");
}

/// A challenge of a real server, which any handshake can answer.
const CHALLENGE: &str = "WWW-Authenticate: NTLM TlRMTVNTUAACAAAABwAHADgAAAAGgooCgNN5guIahsMAAAAAAAAAAEwATAA/AAAABgIAAAAAAA9QTEFUU1JWAQAOAFAATABBAFQAUwBSAFYAAgAWAFcATwBSAEsAUwBUAEEAVABJAE8ATgADAAQAdgBtAAYABAAAAAAABwAIAPqMWyNaet0BAAAAAA==";

/// Which message of a handshake a request carries, under which scheme; 0 is SPNEGO's first.
fn message(asked: &Asked) -> Option<(&str, u8)> {
    let (scheme, token) = asked.header("authorization")?.split_once(' ')?;
    let number = match token {
        token if token.starts_with("TlRMTVNTUAAB") => 1,
        token if token.starts_with('Y') => 0,
        _ => 3,
    };
    Some((scheme, number))
}

fn form((scheme, number): (&str, u8)) -> &'static str {
    match (scheme, number) {
        ("NTLM", 1) => "NTLM 1",
        ("Negotiate", 1) => "Negotiate 1",
        ("Negotiate", 0) => "SPNEGO",
        _ => "a proof",
    }
}

fn ntlm(url: &str, request: &str) -> (Settings, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pw"), "s3cret\n").unwrap();
    (settings(url, "username = 'CORP\\svc'\npassword = \"file:pw\"\nconnections = 4", request), folder)
}

#[test]
fn a_sign_in_holds_for_its_connection_and_is_repeated_where_it_is_lost() {
    // The platform forgets us with every third request, on a connection of its choice.
    let server = serve(|asked, count| match message(asked) {
        Some((_, 1)) => http("401 Unauthorized", CHALLENGE, "go on"),
        None if count % 3 == 2 => http("401 Unauthorized", "WWW-Authenticate: NTLM", "who?"),
        _ => ok(&items(&"<Item><I>1</I></Item>".repeat(if asked.body.contains("<p>5<") { 1 } else { 2 }))
            .replace("1</I>", &format!("{count}</I>"))),
    });
    let (settings, folder) = ntlm(&server.url, PAGED);
    let (fetched, _) = fetch(&settings, folder.path(), &[values("A")]).unwrap();
    assert_eq!((fetched.calls, fetched.records), (5, 9));
    let asked = server.asked.lock().unwrap();
    for (one, next) in asked.iter().zip(&asked[1..]) {
        match message(one) {
            Some((_, 1)) => {
                assert_eq!((one.header("content-length"), one.body.as_str()), (Some("0"), ""));
                assert_eq!((message(next), next.connection), (Some(("NTLM", 3)), one.connection));
                assert!(!next.body.is_empty());
            }
            Some(_) => assert!(message(next).is_none(), "no Authorization on a connection that is signed in"),
            None => {}
        }
    }
}

#[test]
fn a_refused_password_is_sent_once_whatever_the_number_of_connections() {
    let server = serve(|asked, _| match message(asked) {
        Some((_, 1)) => http("401 Unauthorized", CHALLENGE, ""),
        _ => http("401 Unauthorized", "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM", "no"),
    });
    let (settings, folder) = ntlm(&server.url, PAGED);
    let platform = Platform::new(&settings, folder.path()).unwrap();
    let calls = [values("A"), values("B"), values("C"), values("D")];
    for _ in 0..2 {
        let fault =
            platform.fetch(&pieces(&calls), &Manner::default(), &Silent, &mut |_| Ok(())).err().unwrap();
        assert_eq!(fault.kind(), Kind::SignIn);
        assert!(fault.to_string().contains(r"refused the user or the password of CORP\svc"), "{fault}");
        assert!(!fault.to_string().contains("s3cret"));
    }
    let last =
        server.asked.lock().unwrap().iter().filter(|asked| matches!(message(asked), Some((_, 3)))).count();
    assert_eq!(last, 1);
}

#[test]
fn a_sign_in_that_cannot_work_says_why() {
    let closing = format!("{CHALLENGE}\r\nConnection: close");
    for (first, expected) in [
        (http("401 Unauthorized", &closing, ""), "Connection: close"),
        (
            http("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\", Digest qop=\"auth\"", ""),
            "offers Basic, Digest",
        ),
        (http("401 Unauthorized", "", ""), "offers nothing"),
        (http("401 Unauthorized", "WWW-Authenticate: NTLM", ""), "does not go on"),
        (http("401 Unauthorized", "WWW-Authenticate: NTLM !!!", ""), "make no sense"),
        (http("401 Unauthorized", "WWW-Authenticate: NTLM TlRMTVNTUAAC", ""), "make no sense"),
    ] {
        let server = serve(move |_, _| first.clone());
        let (settings, folder) = ntlm(&server.url, "");
        let fault = fetch(&settings, folder.path(), &[Values::new()]).unwrap_err();
        assert_eq!(fault.kind(), Kind::SignIn);
        assert!(fault.to_string().contains(expected), "{fault}");
        assert!(server.asked.lock().unwrap().len() < 3);
    }
    // A platform that wants nothing but Kerberos goes on with neither form.
    let server = serve(|_, _| http("401 Unauthorized", "WWW-Authenticate: Negotiate", ""));
    let (settings, folder) = ntlm(&server.url, "");
    let fault = fetch(&settings, folder.path(), &[Values::new()]).unwrap_err();
    assert!(fault.to_string().contains("Kerberos") && fault.kind() == Kind::SignIn, "{fault}");
    let forms: Vec<_> = server.asked.lock().unwrap().iter().map(|asked| message(asked).map(form)).collect();
    assert_eq!(forms, [Some("NTLM 1"), Some("SPNEGO"), Some("Negotiate 1")]);

    // The other way round, auth = "negotiate" does not use NTLM.
    let server = serve(|_, _| http("401 Unauthorized", "WWW-Authenticate: NTLM", ""));
    let (settings, folder) = ntlm(&server.url, "");
    let settings = Settings { auth: Auth::Negotiate, ..settings };
    let fault = fetch(&settings, folder.path(), &[Values::new()]).unwrap_err();
    assert!(fault.to_string().contains("does not offer Negotiate\n  found: it offers NTLM"), "{fault}");
    assert_eq!(server.asked.lock().unwrap().len(), 1);

    // Nobody asks at all.
    let open = serve(|asked, _| {
        if asked.body.is_empty() { http("400 Bad Request", "", "") } else { ok(&items("<Item>1</Item>")) }
    });
    let (settings, folder) = ntlm(&open.url, "");
    let _ = fetch(&settings, folder.path(), &[Values::new()]).unwrap();
}

#[test]
fn a_connection_near_its_end_is_no_reason_to_give_up() {
    // Every other connection ends with the challenge, as where it was the last of so many requests.
    let server = serve(|asked, _| match message(asked) {
        Some((_, 1)) if asked.connection % 2 == 0 => {
            let (reply, _) = http("401 Unauthorized", &format!("{CHALLENGE}\r\nConnection: close"), "");
            (reply, true)
        }
        Some((_, 1)) => http("401 Unauthorized", CHALLENGE, ""),
        _ => (ok(&items("<Item>1</Item>")).0, true),
    });
    let (settings, folder) = ntlm(&server.url, "parameters = { v = \"{vendor}\" }");
    let calls = ["A", "B", "C"].map(values);
    let settings = Settings { connections: 1, ..settings };
    let (fetched, _) = fetch(&settings, folder.path(), &calls).unwrap();
    assert_eq!(fetched.records, 3);
}

#[test]
fn a_sign_in_over_two_connections_is_no_refusal() {
    // The first time, the connection closes silently after the challenge.
    let server = serve(|asked, count| match message(asked) {
        Some((_, 1)) => {
            let (reply, _) = http("401 Unauthorized", CHALLENGE, "");
            (reply, count == 0)
        }
        Some((_, 3)) if asked.connection == 1 => http("401 Unauthorized", "WWW-Authenticate: NTLM", ""),
        _ => ok(&items("<Item>1</Item>")),
    });
    let (settings, folder) = ntlm(&server.url, "");
    match fetch(&settings, folder.path(), &[Values::new()]) {
        Ok(_) => {}
        // Where our second message was on its way already, nobody knows whether it was judged.
        Err(fault) => {
            assert_eq!(fault.kind(), Kind::Platform);
            assert!(fault.to_string().contains("broke before an answer"), "{fault}");
        }
    }
}

proptest! {
    #[test]
    fn any_value_survives_the_way_out_and_back(text in "\\PC*|[<>&'\"\\]\\r\\n\\t {}]*") {
        // The envelope that goes out is itself a record to read back.
        let server = serve(|asked, _| ok(&items(&format!("<Item>{}</Item>", asked.body.split("<v>").nth(1).unwrap().split("</v>").next().unwrap()))));
        let settings = settings(&server.url, "auth = \"none\"", "parameters = { v = \"{vendor}\" }");
        let (_, seen) = fetch(&settings, Path::new(""), &[values(&text)]).unwrap();
        prop_assert_eq!(&seen[0], &format!("Get:1:1={}", text));
    }

    #[test]
    fn no_answer_makes_the_reader_panic(xml in "(<[a-cI/!?]{0,3}[ =\"'>]?|[&;#x]|Item>|]]>|<!\\[CDATA\\[|.){0,40}") {
        let _ = read(items(&xml).as_bytes(), &request(ITEMS));
        let _ = read(xml.as_bytes(), &request(ITEMS));
    }
}

// ---- Against the simulator: real NTLM from end to end. ----

#[cfg(feature = "simulator")]
mod against_the_simulator {
    use std::time::Duration;

    use tempfile::TempDir;
    use tieout::simulator::{Faults, NAMESPACE, Scheme, Simulator, Trouble, User};

    use super::*;

    /// 25 records of ALFA, 10 of BETA.
    fn start(folder: &TempDir, change: impl FnOnce(&mut tieout::simulator::Settings)) -> Simulator {
        let mut csv = "Id,Counterparty,FlowStart,Amount,Remark\n".to_owned();
        for id in 1..=35 {
            let vendor = if id <= 25 { "ALFA" } else { "BETA" };
            csv += &format!("{id},{vendor},2026-10-01T00:00:00,{id}.10,\"a & <b> {id}\"\n");
        }
        let records = folder.path().join("records.csv");
        std::fs::write(&records, csv).unwrap();
        std::fs::write(folder.path().join("pw"), "Pa$$wörd ł\n").unwrap();
        let user = |name: &str| User { name: name.into(), password: "Pa$$wörd ł".to_owned().into() };
        let mut settings = tieout::simulator::Settings::new(
            records,
            vec![user(r"CORP\svc"), user("solo"), user("svc@corp.example")],
        );
        change(&mut settings);
        Simulator::start(settings).unwrap()
    }

    fn settings(endpoint: &str, user: &str, keys: &str) -> Settings {
        toml::from_str(&format!(
            r#"
            endpoint = "{endpoint}"
            namespace = "{NAMESPACE}"
            username = '{user}'
            password = "file:pw"
            {keys}
            [request]
            operation = "GetSettlements"
            records = "GetSettlementsResult/Items/SettlementRecord"
            total = "GetSettlementsResult/TotalCount"
            more = "GetSettlementsResult/HasMore"
            page_size = 10
            [request.parameters]
            counterparty = "{{vendor}}"
            from = "2026-10-01T00:00:00"
            to = "2026-11-01T00:00:00"
            page = "{{page}}"
            pageSize = "{{page_size}}"
            "#
        ))
        .unwrap()
    }

    fn both() -> [Values; 2] {
        [values("ALFA"), values("BETA")]
    }

    #[test]
    fn records_come_whole_in_both_versions_and_under_all_forms_of_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let simulator = start(&folder, |_| {});
        for (user, keys) in [
            (r"CORP\svc", "soap = \"1.1\""),
            ("svc@corp.example", "soap = \"1.2\""),
            ("solo", "connections = 1"),
        ] {
            let (fetched, seen) = fetch(&settings(simulator.endpoint(), user, keys), folder.path(), &both())
                .unwrap_or_else(|fault| panic!("{user}: {fault}"));
            assert_eq!((fetched.calls, fetched.records), (4, 35));
            assert!(
                seen[0].starts_with("GetSettlements:1:1=") && seen[34].starts_with("GetSettlements:4:10=")
            );
        }
        let log = simulator.log().entries().unwrap();
        assert!(log.iter().all(|call| call.correlation_id.starts_with("tieout-")));
        let fault = fetch(&settings(simulator.endpoint(), "solo", ""), folder.path(), &[values("NOBODY")])
            .unwrap_err();
        assert!(
            fault.to_string().contains("refused GetSettlements: Unknown counterparty: NOBODY"),
            "{fault}"
        );
    }

    #[test]
    fn a_wrong_password_is_tried_once() {
        let folder = tempfile::tempdir().unwrap();
        let simulator = start(&folder, |_| {});
        std::fs::write(folder.path().join("pw"), "wrong").unwrap();
        let settings = settings(simulator.endpoint(), r"CORP\svc", "connections = 4");
        let fault = fetch(&settings, folder.path(), &both()).unwrap_err();
        assert_eq!(fault.kind(), Kind::SignIn);
        let log = simulator.log().entries().unwrap();
        assert!(log.len() <= 1, "{log:?}");
    }

    #[test]
    fn lost_connections_and_forgotten_sign_ins_lose_no_record() {
        let folder = tempfile::tempdir().unwrap();
        for faults in [
            Faults { drop_after: Some(3), ..Faults::default() },
            Faults { drop_after: Some(4), ..Faults::default() },
            Faults { forget_after: Some(1), ..Faults::default() },
            Faults { forget_after: Some(2), ..Faults::default() },
            Faults { delay: Duration::from_millis(5), ..Faults::default() },
        ] {
            let simulator = start(&folder, |settings| settings.faults = faults.clone());
            let settings = settings(simulator.endpoint(), r"CORP\svc", "");
            let (fetched, seen) = fetch(&settings, folder.path(), &both())
                .unwrap_or_else(|fault| panic!("{faults:?}: {fault}"));
            assert_eq!((fetched.calls, seen.len()), (4, 35), "{faults:?}");
        }
    }

    #[test]
    fn trouble_ends_the_fetch_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for (trouble, expected) in [
            (Trouble::CutBody, "cut off in the middle"),
            (Trouble::WrongTotal, "changed from one page to the next"),
            (Trouble::HtmlPage, "an HTML page"),
            (Trouble::Unavailable, "not available"),
        ] {
            let simulator = start(&folder, |settings| settings.faults.troubles = vec![(2..=2, trouble)]);
            let settings = settings(simulator.endpoint(), r"CORP\svc", "connections = 1\nretries = 0");
            let fault = fetch(&settings, folder.path(), &both()).unwrap_err();
            assert!(fault.to_string().contains(expected), "{fault}");
        }
        let simulator =
            start(&folder, |settings| settings.faults.troubles = vec![(1..=9, Trouble::WrongTotal)]);
        let fault = fetch(&settings(simulator.endpoint(), "solo", ""), folder.path(), &both()).unwrap_err();
        assert!(fault.to_string().contains("announced 26 records, but sent 25"), "{fault}");
        let simulator = start(&folder, |settings| settings.faults.close_on_challenge = true);
        let fault = fetch(&settings(simulator.endpoint(), "solo", ""), folder.path(), &both()).unwrap_err();
        assert!(fault.to_string().contains("Connection: close"), "{fault}");
    }

    #[test]
    fn under_negotiate_ntlm_is_wrapped_and_bare_where_that_is_not_understood() {
        let folder = tempfile::tempdir().unwrap();
        for (schemes, auth) in [
            (&[Scheme::Negotiate, Scheme::Ntlm][..], "negotiate"),
            (&[Scheme::Negotiate], "negotiate"),
            (&[Scheme::Negotiate], "ntlm"),
            (&[Scheme::BareNegotiate], "negotiate"),
            (&[Scheme::BareNegotiate], "ntlm"),
        ] {
            for forget_after in [None, Some(1)] {
                let simulator = start(&folder, |settings| {
                    settings.schemes = schemes;
                    settings.faults.forget_after = forget_after;
                });
                let settings = settings(simulator.endpoint(), r"CORP\svc", &format!("auth = \"{auth}\""));
                let (fetched, _) = fetch(&settings, folder.path(), &both())
                    .unwrap_or_else(|fault| panic!("{schemes:?} {auth}: {fault}"));
                assert_eq!((fetched.calls, fetched.records), (4, 35));

                let wrong = tempfile::tempdir().unwrap();
                std::fs::write(wrong.path().join("pw"), "wrong").unwrap();
                let fault = fetch(&settings, wrong.path(), &both()).unwrap_err();
                assert!(fault.to_string().contains("refused the user or the password"), "{fault}");
                let log = simulator.log().entries().unwrap();
                assert_eq!(log.iter().filter(|entry| entry.method == "sign-in").count(), 1, "{log:?}");
            }
        }
    }

    #[test]
    fn a_platform_that_wants_a_certificate_gets_ours_beside_any_sign_in() {
        let folder = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        let file = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (own, own_key) = (file("ca.pem", certificate.pem()), file("key.pem", key.serialize_pem()));
        let stranger = rcgen::KeyPair::generate().unwrap();
        let unknown =
            rcgen::CertificateParams::new(["us".to_owned()]).unwrap().self_signed(&stranger).unwrap();
        file("unknown.pem", format!("{}{}", unknown.pem(), stranger.serialize_pem()));
        let simulator = start(&folder, |settings| {
            settings.tls = Some((own.clone(), own_key));
            settings.client_ca = Some(own);
            settings.require_channel_bindings = true;
            settings.schemes = &[Scheme::Negotiate, Scheme::Ntlm];
        });
        let fetch = |keys: &str| {
            let keys = format!("ca_file = \"ca.pem\"\n{keys}");
            fetch(&settings(simulator.endpoint(), r"CORP\svc", &keys), folder.path(), &both())
        };
        for auth in ["ntlm", "negotiate"] {
            let keys =
                format!("auth = \"{auth}\"\nclient_certificate = \"ca.pem\"\nclient_key = \"key.pem\"");
            assert_eq!(fetch(&keys).unwrap().0.records, 35);
        }
        for (keys, expected) in [
            ("", "wants a certificate of its callers"),
            ("client_certificate = \"unknown.pem\"", "refused our certificate"),
        ] {
            let fault = fetch(keys).unwrap_err();
            assert_eq!(fault.kind(), Kind::SignIn, "{fault}");
            assert!(fault.to_string().contains(expected), "{fault}");
        }
    }

    #[test]
    fn over_tls_the_sign_in_is_bound_to_the_certificate() {
        let folder = tempfile::tempdir().unwrap();
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
            let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
            let (certificate_file, key_file) = (folder.path().join("ca.pem"), folder.path().join("key.pem"));
            std::fs::write(&certificate_file, certificate.pem()).unwrap();
            std::fs::write(&key_file, key.serialize_pem()).unwrap();
            let simulator = start(&folder, |settings| {
                settings.tls = Some((certificate_file.clone(), key_file));
                settings.require_channel_bindings = true;
            });
            let settings = |keys: &str| settings(simulator.endpoint(), r"CORP\svc", keys);
            let (fetched, _) = fetch(&settings("ca_file = \"ca.pem\""), folder.path(), &both()).unwrap();
            assert_eq!(fetched.records, 35);
            let fault = fetch(&settings(""), folder.path(), &both()).unwrap_err();
            assert!(fault.to_string().contains("by [platform] ca_file"), "{fault}");
        }
    }
}
