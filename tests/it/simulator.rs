//! Tests of the room `simulator` from outside: a client of our own over a bare socket, with sspi's NTLM.
#![cfg(feature = "simulator")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::events::Event;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use sspi::{
    AuthIdentityBuffers, BufferType, ClientRequestFlags, DataRepresentation, Ntlm, SecurityBuffer, Sspi,
    SspiImpl,
};
use tempfile::TempDir;
use tieout::fault::Kind;
use tieout::simulator::{Execution, Faults, NAMESPACE, Settings, Simulator, Trouble, User, read_log};

const CSV: &str = "\
Trade Id,Counterparty,FlowStart,Quantity,Amount,Remark
1,ALFA,2026-10-01T00:00:00,10.0,100.00,\"metered & <corrected> \"\"nr 0\"\"\"
2,\"Beta & <Sons>\",2026-10-01T01:00:00,20.0,-50.10,
3,ALFA,2026-10-01T02:00:00,,0.00,
4,ALFA,2026-10-31T23:00:00,7.5,75.00,late
5,Łódź,2026-11-01T00:00:00,1.0,1.00,next month
";

fn user(name: &str, password: &str) -> User {
    User { name: name.into(), password: password.to_owned().into() }
}

fn settings(folder: &TempDir) -> Settings {
    let path = folder.path().join("records.csv");
    std::fs::write(&path, CSV).unwrap();
    Settings::new(path, vec![user("CORP\\svc_recon", "Pa$$wörd"), user("other", "another")])
}

fn start(change: impl FnOnce(&mut Settings)) -> Simulator {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    change(&mut settings);
    Simulator::start(settings).unwrap()
}

fn address(simulator: &Simulator) -> SocketAddr {
    simulator.endpoint().split('/').nth(2).unwrap().parse().unwrap()
}

/// One connection, plain or TLS; `bindings` is what NTLM is bound to, if anything.
struct Client {
    stream: Box<dyn Stream>,
    bindings: Option<Vec<u8>>,
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn connect(simulator: &Simulator) -> TcpStream {
    let stream = TcpStream::connect(address(simulator)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// The message of the challenge that this is.
    fn token(&self) -> Vec<u8> {
        match field(&self.head, "www-authenticate").and_then(|offer| offer.strip_prefix("NTLM ")) {
            Some(token) if self.status == 401 => STANDARD.decode(token).unwrap(),
            _ => panic!("no challenge: {}", self.head),
        }
    }
}

impl Client {
    fn new(simulator: &Simulator) -> Self {
        Self { stream: Box::new(connect(simulator)), bindings: None }
    }

    /// Over TLS, trusting `certificate` alone.
    fn over_tls(
        simulator: &Simulator,
        certificate: &CertificateDer<'static>,
        bindings: Option<&[u8]>,
    ) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let session =
            rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let stream = rustls::StreamOwned::new(session, connect(simulator));
        Self { stream: Box::new(stream), bindings: bindings.map(<[u8]>::to_vec) }
    }

    /// Sends a request; `None` where the connection ended before a whole answer.
    fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nHost: simulator\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        self.stream.write_all((request + "\r\n" + body).as_bytes()).ok()?;
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break String::from_utf8(bytes.drain(..at + 4).collect()).unwrap();
            }
            self.more(&mut bytes)?;
        };
        let length = field(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        while bytes.len() < length {
            self.more(&mut bytes)?;
        }
        assert_eq!(bytes.len(), length, "more than was announced");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head, body: String::from_utf8(bytes).unwrap() })
    }

    fn more(&mut self, bytes: &mut Vec<u8>) -> Option<()> {
        let mut buffer = [0; 1 << 16];
        let read = self.stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        Some(())
    }

    /// A handshake; the answer to a `GET` of the service's page that ends it.
    fn sign_in(&mut self, domain: &str, user: &str, password: &str) -> Answer {
        self.sign_in_with(domain, user, password, |_| {})
    }

    /// The same, with the authenticate message changed on its way.
    fn sign_in_with(
        &mut self,
        domain: &str,
        user: &str,
        password: &str,
        change: impl FnOnce(&mut [u8]),
    ) -> Answer {
        let mut ntlm = Ntlm::new();
        if let Some(token) = &self.bindings {
            ntlm.set_channel_bindings(token);
        }
        let mut identity = Some(AuthIdentityBuffers::from_utf8(user, domain, password));
        let challenge = self.get_with(&step(&mut ntlm, &mut identity, Vec::new()));
        let mut authenticate = step(&mut ntlm, &mut identity, challenge.token());
        change(&mut authenticate);
        self.get_with(&authenticate)
    }

    fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, &[], "").expect("a whole answer")
    }

    fn get_with(&mut self, token: &[u8]) -> Answer {
        let authorization = format!("NTLM {}", STANDARD.encode(token));
        self.send("GET", PATH, &[("Authorization", &authorization)], "").expect("a whole answer")
    }

    fn soap11(&mut self, operation: &str, arguments: &str) -> Option<Answer> {
        let action = format!("\"{NAMESPACE}{operation}\"");
        let headers = [
            ("Content-Type", "text/xml; charset=utf-8"),
            ("SOAPAction", &action),
            ("X-Correlation-Id", "run-7"),
        ];
        self.send("POST", PATH, &headers, &envelope(SOAP11, operation, arguments))
    }

    fn soap12(&mut self, operation: &str, arguments: &str) -> Option<Answer> {
        let content_type = format!("application/soap+xml; charset=utf-8; action=\"{NAMESPACE}{operation}\"");
        self.send("POST", PATH, &[("Content-Type", &content_type)], &envelope(SOAP12, operation, arguments))
    }
}

const PATH: &str = "/Settlement.asmx";
const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";

fn envelope(soap: &str, operation: &str, arguments: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"{soap}\"><e:Body><{operation} xmlns=\"{NAMESPACE}\">{arguments}</{operation}></e:Body></e:Envelope>"
    )
}

fn query(counterparty: &str, page: &str, size: &str) -> String {
    format!(
        "<counterparty>{counterparty}</counterparty><from>2026-10-01T00:00:00</from><to>2026-11-01T00:00:00</to>\
         <page>{page}</page><pageSize>{size}</pageSize>"
    )
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|f| f.1)
}

fn step(ntlm: &mut Ntlm, identity: &mut Option<AuthIdentityBuffers>, token: Vec<u8>) -> Vec<u8> {
    let mut input = [SecurityBuffer::new(token, BufferType::Token)];
    let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
    let mut builder = ntlm
        .initialize_security_context()
        .with_credentials_handle(identity)
        .with_context_requirements(ClientRequestFlags::ALLOCATE_MEMORY)
        .with_target_data_representation(DataRepresentation::Native)
        .with_input(&mut input)
        .with_output(&mut output);
    ntlm.initialize_security_context_impl(&mut builder).unwrap().resolve_to_result().unwrap();
    let [output] = output;
    output.buffer
}

fn signed_in(simulator: &Simulator) -> Client {
    let mut client = Client::new(simulator);
    assert_eq!(client.sign_in("CORP", "svc_recon", "Pa$$wörd").status, 200);
    client
}

fn assert_well_formed(xml: &str) {
    let mut reader = quick_xml::Reader::from_str(xml);
    while !matches!(reader.read_event().unwrap(), Event::Eof) {}
}

#[test]
fn only_the_right_password_signs_in_and_only_on_its_connection() {
    let simulator = start(|_| {});
    let mut client = Client::new(&simulator);
    let first = client.get(PATH);
    assert_eq!((first.status, field(&first.head, "www-authenticate")), (401, Some("NTLM")));

    for (domain, name, password) in [
        ("CORP", "svc_recon", "pa$$wörd"),
        ("CORP", "svc_recon", "another"),
        ("OTHER", "svc_recon", "Pa$$wörd"),
        ("CORP", "nobody", "Pa$$wörd"),
    ] {
        let answer = client.sign_in(domain, name, password);
        assert_eq!((answer.status, field(&answer.head, "www-authenticate")), (401, Some("NTLM")), "{name}");
        assert_eq!(client.get(PATH).status, 401);
    }
    for (domain, name) in
        [("CORP", "svc_recon"), ("corp", "SVC_Recon"), ("", "svc_recon"), ("", "svc_recon@corp")]
    {
        let mut client = Client::new(&simulator);
        assert_eq!(client.sign_in(domain, name, "Pa$$wörd").status, 200, "{domain} {name}");
        assert!(
            client
                .soap11("WhoAmI", "")
                .unwrap()
                .body
                .contains("<WhoAmIResult>CORP\\svc_recon</WhoAmIResult>")
        );
        assert_eq!(Client::new(&simulator).soap11("Ping", "").unwrap().status, 401, "another connection");
    }
    let refused: Vec<Execution> =
        simulator.log().entries().unwrap().into_iter().filter(|entry| entry.method == "sign-in").collect();
    assert_eq!(refused.len(), 4);
    assert_eq!((refused[0].user.as_str(), refused[0].outcome.as_str()), ("CORP\\svc_recon", "refused"));
}

#[test]
fn a_handshake_split_over_two_connections_is_refused() {
    let simulator = start(|_| {});
    let mut ntlm = Ntlm::new();
    let mut identity = Some(AuthIdentityBuffers::from_utf8("svc_recon", "CORP", "Pa$$wörd"));
    let negotiate = step(&mut ntlm, &mut identity, Vec::new());
    let challenge = Client::new(&simulator).get_with(&negotiate).token();
    let authenticate = step(&mut ntlm, &mut identity, challenge);
    let mut other = Client::new(&simulator);
    assert_eq!(other.get_with(&authenticate).status, 401);
    other.get_with(&negotiate).token();
    // A fresh challenge: the old answer does not fit it.
    assert_eq!(other.get_with(&authenticate).status, 401);
    assert_eq!(other.get(PATH).status, 401);
}

#[test]
fn a_changed_message_is_refused() {
    let simulator = start(|_| {});
    // The integrity code ([MS-NLMP] §2.2.1.3: after 64 bytes of fields and 8 of version).
    for at in 72..88 {
        let mut client = Client::new(&simulator);
        assert_eq!(
            client.sign_in_with("CORP", "svc_recon", "Pa$$wörd", |message| message[at] ^= 1).status,
            401
        );
    }
    let mut client = Client::new(&simulator);
    for garbage in ["", "NTLM", "NTLM ", "NTLM !", "Basic eDp5", "NTLM AAAA", "Negotiate TlRMTVNTUAABAAAA"] {
        let answer = client.send("GET", PATH, &[("Authorization", garbage)], "").unwrap();
        assert_eq!(
            (answer.status, field(&answer.head, "www-authenticate")),
            (401, Some("NTLM")),
            "{garbage}"
        );
    }
    assert_eq!(client.sign_in("CORP", "svc_recon", "Pa$$wörd").status, 200);
}

#[test]
fn over_tls_a_sign_in_is_bound_to_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    // ECDSA with SHA-256, by rcgen's default; RFC 5929 then hashes with SHA-256.
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let end_point = [b"tls-server-end-point:".as_slice(), &Sha256::digest(made.cert.der())].concat();
    let wrong = [b"tls-server-end-point:".as_slice(), &[7; 32]].concat();

    for required in [false, true] {
        let simulator = start(|settings| {
            settings.tls = Some((certificate.clone(), key.clone()));
            settings.require_channel_bindings = required;
        });
        assert!(simulator.endpoint().starts_with("https://127.0.0.1:"));
        let sign_in = |bindings, password| {
            Client::over_tls(&simulator, made.cert.der(), bindings)
                .sign_in("CORP", "svc_recon", password)
                .status
        };
        assert_eq!(sign_in(Some(end_point.as_slice()), "Pa$$wörd"), 200);
        assert_eq!(sign_in(Some(end_point.as_slice()), "wrong"), 401);
        assert_eq!(sign_in(Some(wrong.as_slice()), "Pa$$wörd"), 401);
        assert_eq!(sign_in(None, "Pa$$wörd"), if required { 401 } else { 200 });
    }
}

#[test]
fn pages_add_up_and_cells_survive() {
    let simulator = start(|_| {});
    let mut client = signed_in(&simulator);
    let first = client.soap11("GetSettlements", &query("", "1", "3")).unwrap();
    assert_eq!((first.status, field(&first.head, "content-type")), (200, Some("text/xml; charset=utf-8")));
    assert_well_formed(&first.body);
    assert!(
        first.body.contains(
            "<TotalCount>4</TotalCount><Page>1</Page><PageSize>3</PageSize><HasMore>true</HasMore>"
        ),
        "{}",
        first.body
    );
    assert_eq!(first.body.matches("<SettlementRecord>").count(), 3);
    assert!(first.body.contains(
        "<SettlementRecord><Trade_x0020_Id>1</Trade_x0020_Id><Counterparty>ALFA</Counterparty>\
         <FlowStart>2026-10-01T00:00:00</FlowStart><Quantity>10.0</Quantity><Amount>100.00</Amount>\
         <Remark>metered &amp; &lt;corrected&gt; \"nr 0\"</Remark></SettlementRecord>"
    ));
    assert!(first.body.contains("<Quantity xsi:nil=\"true\" /><Amount>0.00</Amount></SettlementRecord>"));

    let second = client.soap12("GetSettlements", &query("", "2", "3")).unwrap();
    assert_eq!(field(&second.head, "content-type"), Some("application/soap+xml; charset=utf-8"));
    assert!(second.body.contains("<HasMore>false</HasMore>") && second.body.contains("late"));
    assert_eq!(second.body.matches("<SettlementRecord>").count(), 1);

    let empty = client.soap12("GetSettlements", &query("Łódź", "1", "3")).unwrap();
    assert!(empty.body.contains("<TotalCount>0</TotalCount>") && empty.body.contains("<Items />"));
    let escaped = client.soap11("GetSettlements", &query("Beta &amp; &lt;Sons&gt;", "1", "3")).unwrap();
    assert!(escaped.body.contains("<TotalCount>1</TotalCount>") && escaped.body.contains("-50.10"));
    let names = client.soap11("GetCounterparties", "").unwrap().body;
    assert!(
        names.contains("<string>ALFA</string><string>Beta &amp; &lt;Sons&gt;</string><string>Łódź</string>")
    );
}

#[test]
fn faults_speak_the_soap_they_were_asked_in() {
    let simulator = start(|_| {});
    let mut client = signed_in(&simulator);
    let unknown = client.soap11("GetSettlements", &query("NOBODY", "1", "3")).unwrap();
    assert_eq!(unknown.status, 500);
    assert!(unknown.body.contains("<faultcode>soap:Server</faultcode>"), "{}", unknown.body);
    assert!(unknown.body.contains("---&gt; System.ArgumentException: Unknown counterparty: NOBODY\n"));
    let unknown = client.soap12("GetSettlements", &query("NOBODY", "1", "3")).unwrap();
    assert_eq!(unknown.status, 500);
    assert!(
        unknown.body.contains("<soap:Code><soap:Value>soap:Receiver</soap:Value></soap:Code><soap:Reason>")
    );
    for (page, size) in [("0", "1"), ("1", "-1"), ("x", "1"), ("", "1")] {
        let bad = client.soap12("GetSettlements", &query("", page, size)).unwrap();
        assert!(bad.body.contains("<soap:Value>soap:Sender</soap:Value>"), "{page} {size}: {}", bad.body);
    }
    let bad = query("", "1", "1").replace("2026-10-01T00:00:00", "yesterday");
    let bad = client.soap11("GetSettlements", &bad).unwrap();
    assert!(bad.body.contains("<faultcode>soap:Client</faultcode>") && bad.body.contains("'yesterday'"));
    let action = client.soap11("DropTables", "").unwrap();
    assert!(
        action.status == 500
            && action.body.contains("SOAPAction: http://tieout.example/settlement/DropTables.")
    );
    assert!(client.soap12("DropTables", "").unwrap().body.contains("DropTables' was not recognized"));

    let soap = [("Content-Type", "text/xml"), ("SOAPAction", "x")];
    let malformed = client.send("POST", PATH, &soap, "<no").unwrap();
    assert_eq!((malformed.status, malformed.body.as_str()), (400, ""));
    let dtd = client.send("POST", PATH, &soap, "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>").unwrap();
    assert!(dtd.status == 500 && dtd.body.contains("DTD is prohibited"));
    let wrong = client.send("POST", PATH, &soap, &envelope(SOAP12, "Ping", "")).unwrap();
    assert!(wrong.body.contains("soap:VersionMismatch"));
    assert_eq!(client.send("POST", PATH, &[("Content-Type", "application/json")], "{}").unwrap().status, 415);
    assert_eq!(client.get("/elsewhere").status, 404);
    assert_eq!(client.soap11("Ping", "").unwrap().status, 200, "the connection goes on");
}

#[test]
fn the_service_describes_itself_and_says_what_it_is() {
    let simulator = start(|_| {});
    let mut client = signed_in(&simulator);
    let wsdl = client.get("/Settlement.asmx?WSDL").body;
    assert_well_formed(&wsdl);
    for part in [
        "no real platform",
        simulator.endpoint(),
        "wsdl/soap12/",
        "soapAction=\"http://tieout.example/settlement/GetSettlements\"",
        "name=\"Trade_x0020_Id\" nillable=\"true\" type=\"s:decimal\"",
        "name=\"FlowStart\" nillable=\"true\" type=\"s:dateTime\"",
        "minOccurs=\"0\" maxOccurs=\"1\" name=\"Remark\" type=\"s:string\"",
    ] {
        assert!(wsdl.contains(part), "{part}\n{wsdl}");
    }
    let page = client.get(PATH).body;
    assert!(page.contains("no real platform") && page.contains("GetSettlements"));
    assert!(simulator.notice().contains("no real platform") && simulator.notice().contains("5 records"));
}

#[test]
fn the_log_has_every_call_and_outlives_the_simulator() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    for _ in 0..2 {
        let simulator = start(|settings| settings.log = Some(path.clone()));
        let mut client = signed_in(&simulator);
        client.soap11("GetSettlements", &query("ALFA", "1", "2")).unwrap();
        client.soap12("GetSettlements", &query("NOBODY", "1", "2")).unwrap();
        client.send("POST", PATH, &[("Content-Type", "text/xml")], "<no").unwrap();
        assert_eq!(simulator.log().entries().unwrap(), read_log(&path).unwrap());
    }
    let entries = read_log(&path).unwrap();
    assert_eq!(entries.len(), 6);
    let Execution { id, time, user, method, arguments, outcome, rows, correlation_id } = &entries[3];
    assert_eq!(
        (*id, user.as_str(), method.as_str(), outcome.as_str()),
        (4, "CORP\\svc_recon", "GetSettlements", "ok")
    );
    assert_eq!((*rows, correlation_id.as_str()), (2, "run-7"));
    assert!(time.len() == "2026-10-01T00:00:00.000Z".len() && time.ends_with('Z'), "{time}");
    let arguments: serde_json::Value = serde_json::from_str(arguments).unwrap();
    assert_eq!((&arguments["counterparty"], &arguments["pageSize"]), (&"ALFA".into(), &"2".into()));
    assert!(entries[4].outcome.starts_with("fault: ") && entries[4].outcome.contains("NOBODY"));
    assert!(!entries[4].outcome.contains('\n') && entries[4].correlation_id.starts_with("simulator-"));
    assert_eq!(entries[5].outcome, "fault: the request is not well-formed XML");
    assert_eq!(read_log(Path::new("/nowhere/log.sqlite")).unwrap_err().kind(), Kind::Input);
}

#[test]
fn stopped_it_is_gone_and_so_are_its_connections() {
    let simulator = start(|_| {});
    let address = address(&simulator);
    let mut client = signed_in(&simulator);
    simulator.stop();
    assert!(client.soap11("Ping", "").is_none());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings(&folder);
        change(&mut settings);
        Simulator::start(settings).unwrap_err()
    };
    let fault = refused(&|settings| settings.address = "0.0.0.0:0".parse().unwrap());
    assert!(fault.to_string().contains("this machine alone"), "{fault}");
    assert_eq!(fault.kind(), Kind::Configuration);
    let fault = refused(&|settings| settings.vendor_column = Some("Counter Party".into()));
    assert!(fault.to_string().contains("did you mean Counterparty?"), "{fault}");
    refused(&|settings| settings.users.clear());
    refused(&|settings| settings.records = "nowhere.csv".into());
    refused(&|settings| settings.tls = Some(("nowhere.pem".into(), "nowhere.pem".into())));
    let running = start(|_| {});
    refused(&|settings| settings.address = address(&running));
}

#[test]
fn troubles_come_as_ordered() {
    let simulator = start(|settings| {
        settings.faults = Faults {
            troubles: vec![
                (1..=1, Trouble::Unavailable),
                (2..=2, Trouble::HtmlPage),
                (3..=3, Trouble::WrongTotal),
                (4..=4, Trouble::CutBody),
            ],
            ..Faults::default()
        }
    });
    let mut client = signed_in(&simulator);
    let mut call = || client.soap11("GetSettlements", &query("", "1", "9"));
    assert_eq!(call().unwrap().status, 503);
    let portal = call().unwrap();
    assert!(portal.status == 200 && portal.body.contains("<html>"));
    assert!(call().unwrap().body.contains("<TotalCount>5</TotalCount>"));
    assert!(call().is_none());
    assert!(
        signed_in(&simulator)
            .soap11("GetSettlements", &query("", "1", "9"))
            .unwrap()
            .body
            .contains("<TotalCount>4<")
    );
    assert_eq!(simulator.log().entries().unwrap().len(), 5);
}

#[test]
fn a_cut_body_arrives_half() {
    let simulator = start(|settings| settings.faults.troubles = vec![(1..=1, Trouble::CutBody)]);
    let mut client = signed_in(&simulator);
    let body = envelope(SOAP12, "Ping", "");
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.stream.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    client.stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let announced: usize = field(head, "content-length").unwrap().parse().unwrap();
    assert_eq!(body.len(), announced / 2);
}

#[test]
fn connections_can_be_dropped_sign_ins_forgotten_and_challenges_closed() {
    let simulator = start(|settings| settings.faults.drop_after = Some(4));
    let mut client = signed_in(&simulator);
    assert_eq!(client.soap11("Ping", "").unwrap().status, 200);
    let last = client.soap11("Ping", "").unwrap();
    assert_eq!((last.status, field(&last.head, "connection")), (200, None), "unannounced");
    assert!(client.soap11("Ping", "").is_none());

    // A page too large for one write is still sent whole before the end.
    let simulator = start(|settings| {
        let row = |n: u32| format!("{n},ALFA,2026-10-01,1,{},x\n", "9".repeat(400));
        let rows: String = (0..9_999).map(row).collect();
        std::fs::write(&settings.records, format!("{}\n{rows}", CSV.lines().next().unwrap())).unwrap();
        settings.faults.drop_after = Some(3);
    });
    let mut client = signed_in(&simulator);
    let page = client.soap11("GetSettlements", &query("", "1", "99999")).unwrap();
    assert!(page.body.contains("<PageSize>10000</PageSize>") && page.body.len() > 4_000_000);
    assert_eq!(page.body.matches("<SettlementRecord>").count(), 9_999);
    assert!(client.soap11("Ping", "").is_none());

    let simulator = start(|settings| settings.faults.forget_after = Some(2));
    let mut client = signed_in(&simulator);
    let mut statuses = || client.soap11("Ping", "").unwrap().status;
    assert_eq!([statuses(), statuses(), statuses()], [200, 200, 401]);
    assert_eq!(client.sign_in("CORP", "svc_recon", "Pa$$wörd").status, 200);
    assert_eq!(client.soap11("Ping", "").unwrap().status, 200);

    let simulator = start(|settings| settings.faults.close_on_challenge = true);
    let mut identity = Some(AuthIdentityBuffers::from_utf8("svc_recon", "CORP", "x"));
    let negotiate = step(&mut Ntlm::new(), &mut identity, Vec::new());
    let mut client = Client::new(&simulator);
    let challenge = client.get_with(&negotiate);
    assert_eq!((challenge.status, field(&challenge.head, "connection")), (401, Some("close")));
    assert!(client.send("GET", PATH, &[], "").is_none());

    let simulator = start(|settings| settings.faults.delay = Duration::from_millis(80));
    let started = Instant::now();
    assert_eq!(Client::new(&simulator).get(PATH).status, 401);
    assert!(started.elapsed() >= Duration::from_millis(80));
}
