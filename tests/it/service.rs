//! What a service says of itself, and single calls of it: real WSDLs, imports of all kinds, and the embedded platform.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tieout::allowance::Unlimited;
use tieout::fault::Result;
use tieout::platform::wsdl::{Answers, Operation, Source, Wsdl};

use super::support::{Outcome, Setup, shared, tieout};

fn read(path: &Path) -> Result<Wsdl> {
    Wsdl::read(&Source::File(path.to_owned()), None, &Unlimited)
}

/// A WSDL with `schema` as its types and one operation `Get`, whose messages are `Get` and `GetResponse`.
fn wsdl_of(schema: &str) -> String {
    format!(
        r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
          xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">
        <types>{schema}</types>
        <message name="In"><part name="p" element="t:Get"/></message>
        <message name="Out"><part name="p" element="t:GetResponse"/></message>
        <portType name="T"><operation name="Get"><input message="t:In"/><output message="t:Out"/></operation></portType>
        <binding name="B" type="t:T"><soap:binding/><operation name="Get"><soap:operation soapAction="urn:t/Get"/>
          <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
        <service name="S"><port name="P" binding="t:B"><soap:address location="http://dead.internal/S"/></port></service>
        </definitions>"#
    )
}

fn schema_of(inner: &str) -> String {
    format!(r#"<xs:schema targetNamespace="urn:t" elementFormDefault="qualified">{inner}</xs:schema>"#)
}

/// The operation `Get` of such a WSDL.
fn get(schema: &str) -> Operation {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.wsdl");
    std::fs::write(&path, wsdl_of(&schema_of(schema))).unwrap();
    read(&path).unwrap().operation("Get").unwrap().clone()
}

/// The leaves of its parameters: `path: type, …`.
fn parameters(operation: &Operation) -> Vec<String> {
    operation.leaves().into_iter().map(|(path, element)| format!("{path}: {}", element.words())).collect()
}

fn fields(operation: &Operation) -> (String, Vec<String>) {
    match &operation.answers {
        Answers::Records(records) => (
            records.records.clone(),
            records.fields.iter().map(|field| format!("{}: {}", field.name, field.words())).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_real_wsdl_is_read() {
    let Some(shared) = shared("") else { return };
    let mut seen = 0;
    for folder in ["data/wsdl", "data/wsdl/recursive-import", "platform"] {
        for entry in std::fs::read_dir(shared.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "wsdl") {
                continue;
            }
            seen += 1;
            let wsdl = read(&path).unwrap_or_else(|fault| panic!("{fault}"));
            assert!(!wsdl.ports.is_empty(), "{}", path.display());
            let is_empty = path.ends_with("recursive_schema_main.wsdl");
            assert_eq!(wsdl.operations.is_empty(), is_empty, "{}", path.display());
            // The schemas of Exchange are not beside its WSDL, and that is said.
            let is_incomplete = path.ends_with("ews-services.wsdl");
            assert_eq!(wsdl.notes.len(), usize::from(is_incomplete), "{:?}", wsdl.notes);
            for operation in &wsdl.operations {
                assert!(!operation.ports.is_empty() && !operation.element.is_empty(), "{operation:?}");
                assert_eq!(operation.is_known(), !is_incomplete, "{}", operation.name);
                // What is suggested is TOML, whatever the names.
                toml::from_str::<toml::Table>(&operation.suggestion()).unwrap();
            }
        }
    }
    assert_eq!(seen, 10);
}

#[test]
fn the_platform_that_was_recorded_is_described_in_full() {
    let Some(shared) = shared("") else { return };
    let wsdl = read(&shared.join("platform/SettlementService.wsdl")).unwrap();
    let ports: Vec<String> =
        wsdl.ports.iter().map(|port| format!("{} {}", port.name, port.soap.name())).collect();
    assert_eq!(ports, ["SettlementServiceSoap 1.1", "SettlementServiceSoap12 1.2"]);
    let operation = wsdl.operation("GetSettlements").unwrap();
    assert_eq!(
        parameters(operation),
        ["counterparty: string, optional", "from: dateTime", "to: dateTime", "page: int", "pageSize: int"]
    );
    assert_eq!(operation.action, "http://lab.example/settlement/2004/GetSettlements");
    let Answers::Records(records) = &operation.answers else { panic!("{:?}", operation.answers) };
    assert_eq!(records.records, "GetSettlementsResult/Items/SettlementRecord");
    assert_eq!(records.total.as_deref(), Some("GetSettlementsResult/TotalCount"));
    assert_eq!(records.more.as_deref(), Some("GetSettlementsResult/HasMore"));
    assert_eq!(records.fields.len(), 12);
    assert_eq!(records.fields[8].words(), "decimal, may be null");
    assert_eq!(records.fields[10].values, ["Provisional", "Final", "Disputed"]);
    let data_set = &wsdl.operation("GetSettlementsDataSet").unwrap().answers;
    assert!(
        matches!(data_set, Answers::DataSet { at } if at == "GetSettlementsDataSetResult"),
        "{data_set:?}"
    );
    // The suggestion is the very request that the recorded platform takes.
    #[derive(serde::Deserialize)]
    struct File {
        platform: Table,
    }
    #[derive(serde::Deserialize)]
    struct Table {
        request: tieout::platform::Request,
    }
    let request = toml::from_str::<File>(&operation.suggestion()).unwrap().platform.request;
    assert_eq!(request.placeholders(), ["vendor", "window.start", "window.end"]);
    let names: Vec<&str> = request.parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["counterparty", "from", "to", "page", "pageSize"], "in the order of the WSDL");
    assert!(request.qualified);
}

#[test]
fn other_real_services_are_described_as_they_are() {
    let Some(shared) = shared("") else { return };
    let wsdl = |name: &str| read(&shared.join("data/wsdl").join(name)).unwrap();

    // RPC, encoded, from before document style.
    let claim = wsdl("claim.wsdl");
    let operation = claim.operation("GetClaimDetails").unwrap();
    assert!(operation.encoded);
    assert_eq!(operation.style.name(), "rpc");
    assert_eq!(operation.namespace, "http://schemas.risk-stuff.com/soap/");
    assert_eq!(parameters(operation), ["ClaimID: string"]);

    // Header parts of the very message that is the body.
    let header = wsdl("soap_header.wsdl");
    let operation = header.operation("GetLastTradePrice").unwrap();
    assert_eq!(operation.headers, ["Authentication", "Token"]);
    assert_eq!(
        (operation.element.as_str(), parameters(operation)),
        ("TradePriceRequest", vec!["tickerSymbol: string".to_owned()])
    );
    assert!(
        operation
            .suggestion()
            .contains("operation = \"TradePriceRequest\"\naction = \"http://example.com/GetLastTradePrice\"")
    );

    // SharePoint: no service at all, elements by reference, types by extension, recursive conditions.
    let lists = wsdl("MS-LISTSWS.wsdl");
    assert!(lists.ports.iter().all(|port| port.service.is_none()));
    let (records, fields) = fields(lists.operation("GetListCollection").unwrap());
    assert_eq!(records, "GetListCollectionResult/Lists/List");
    assert!(fields.contains(&"@Title: string".to_owned()), "{fields:?}");
    assert!(
        matches!(&lists.operation("GetListItems").unwrap().answers, Answers::Open { at } if at == "GetListItemsResult/listitems/data")
    );

    // Metadata in a SOAP envelope, twelve ports for two operations.
    let metadata = wsdl("wcf.wsdl");
    assert_eq!((metadata.ports.len(), metadata.operations.len()), (14, 2));
    assert!(metadata.operations.iter().all(|operation| operation.soap.len() == 1));

    // An import that is missing is no reason to know nothing.
    let exchange = wsdl("ews-services.wsdl");
    assert!(exchange.notes[0].contains("messages.xsd"), "{:?}", exchange.notes);
    assert_eq!(exchange.operation("FindItem").unwrap().element, "FindItem");

    let reports = wsdl("ReportService2010.wsdl");
    let (records, fields) = self::fields(reports.operation("ListChildren").unwrap());
    assert_eq!((records.as_str(), fields.len()), ("CatalogItems/CatalogItem", 14));
}

#[test]
fn types_are_followed_wherever_they_lead() {
    let operation = get(r#"
        <xs:element name="Get"><xs:complexType><xs:sequence>
          <xs:element name="ids" type="t:Ids"/><xs:element ref="t:Party" minOccurs="0"/>
          <xs:choice><xs:element name="a" type="xs:date"/><xs:element name="b" type="t:Code"/></xs:choice>
          <xs:group ref="t:Page"/><xs:any minOccurs="0"/>
        </xs:sequence><xs:attribute name="v" type="xs:int" use="required"/></xs:complexType></xs:element>
        <xs:group name="Page"><xs:sequence><xs:element name="page" type="xs:int" default="1"/></xs:sequence></xs:group>
        <xs:element name="Party" type="t:Derived"/>
        <xs:complexType name="Base"><xs:sequence><xs:element name="name" type="xs:string"/></xs:sequence><xs:attributeGroup ref="t:Marks"/></xs:complexType>
        <xs:complexType name="Derived"><xs:complexContent><xs:extension base="t:Base"><xs:sequence>
          <xs:element name="country" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
        <xs:attributeGroup name="Marks"><xs:attribute name="id"/></xs:attributeGroup>
        <xs:complexType name="Ids"><xs:sequence><xs:element name="int" type="xs:int" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
        <xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:enumeration value="X"/><xs:enumeration value="Y"/></xs:restriction></xs:simpleType>
        <xs:element name="GetResponse"><xs:complexType><xs:sequence maxOccurs="unbounded"><xs:element name="Row" type="t:Row"/></xs:sequence></xs:complexType></xs:element>
        <xs:complexType name="Row"><xs:sequence>
          <xs:element name="Amount"><xs:complexType><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="ccy"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
          <xs:element name="Child" type="t:Row" minOccurs="0"/><xs:element ref="t:Nowhere"/>
        </xs:sequence></xs:complexType>"#);
    assert_eq!(
        parameters(&operation),
        [
            "ids/int: int, list",
            "Party/name: string",
            "Party/@id: string, optional",
            "Party/country: string",
            "a: date, optional",
            "b: Code, optional",
            "page: int",
            "*: any, optional",
            "@v: int",
        ]
    );
    let (records, fields) = fields(&operation);
    assert_eq!(records, "Row");
    assert_eq!(
        fields,
        ["Amount: decimal", "Amount/@ccy: string, optional", "Child: Row, optional, …", "Nowhere: unknown"]
    );
}

#[test]
fn types_without_end_come_to_one() {
    // Each of forty types holds two of the next, and groups hold each other.
    let mut schema = String::from(
        r#"<xs:element name="Get" type="t:T0"/><xs:element name="GetResponse"><xs:complexType><xs:group ref="t:G"/></xs:complexType></xs:element>
        <xs:group name="G"><xs:sequence><xs:group ref="t:H"/><xs:group ref="t:H"/></xs:sequence></xs:group>
        <xs:group name="H"><xs:sequence><xs:group ref="t:G"/><xs:element name="x" type="t:S"/></xs:sequence></xs:group>
        <xs:simpleType name="S"><xs:restriction base="t:S"/></xs:simpleType>"#,
    );
    for at in 0..40 {
        let next = (at + 1) % 40;
        schema.push_str(&format!(
            r#"<xs:complexType name="T{at}"><xs:sequence><xs:element name="a" type="t:T{next}"/><xs:element name="b" type="t:T{next}"/></xs:sequence></xs:complexType>"#
        ));
    }
    let operation = get(&schema);
    assert!(operation.leaves().len() < 10_000);
    assert!(!operation.parameters.is_empty());
}

#[test]
fn whatever_is_done_to_a_wsdl_it_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.wsdl");
    let whole = wsdl_of(&schema_of(SCHEMA));
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(read(&path).unwrap().operations.len(), 1);
    for at in 0..whole.len() {
        // Cut off, and with every word in turn made another.
        let is_start = at > 0
            && whole.as_bytes()[at].is_ascii_alphabetic()
            && !whole.as_bytes()[at - 1].is_ascii_alphabetic();
        let texts = [whole[..at].to_owned(), format!("{}x{}", &whole[..at], &whole[at + 1..])];
        for text in texts.into_iter().take(1 + usize::from(is_start)) {
            std::fs::write(&path, text).unwrap();
            if let Ok(wsdl) = read(&path) {
                assert!(!wsdl.ports.is_empty());
                for operation in &wsdl.operations {
                    toml::from_str::<toml::Table>(&operation.suggestion()).unwrap();
                }
            }
        }
    }
}

/// Serves documents by path and query on this machine, and notes what it is asked and with which headers.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(documents: impl FnOnce(&str) -> BTreeMap<&'static str, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let documents = documents(&address);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        // Ends with the test's process; it holds nothing but its socket.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                // To close with a request half read would break the connection before its answer is read.
                let length = head.lines().find_map(|line| {
                    line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                });
                let _ = std::io::copy(&mut (&mut stream).take(length.unwrap_or(0)), &mut std::io::sink());
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                noted.lock().unwrap().push(head);
                let (status, body) = match documents.get(target.as_str()) {
                    Some(body) => ("200 OK", body.as_str()),
                    None => ("404 Not Found", ""),
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn targets(&self) -> Vec<String> {
        self.asked().iter().map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

/// A service of WCF: the outer WSDL imports the inner one by the name of a host that nobody reaches.
fn split() -> Server {
    Server::start(|_| {
        let import = |namespace: &str, at: &str| {
            format!(r#"<xs:import namespace="{namespace}" schemaLocation="{at}"/>"#)
        };
        let whole = wsdl_of(&format!(
            "<xs:schema>{}{}</xs:schema>",
            import("urn:t", "http://srv01.internal:9999/S.svc?xsd=xsd0"),
            r#"<xs:import namespace="urn:nowhere"/>"#,
        ));
        let service_at = whole.find("<service").unwrap();
        let inner = format!("{}</definitions>", &whole[..service_at]);
        let outer = format!(
            r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:t" targetNamespace="urn:o">
            <import namespace="urn:t" location="http://srv01.internal:9999/S.svc?wsdl=wsdl0"/>{}"#,
            &whole[service_at..]
        );
        let schema = |inner: &str| {
            schema_of(inner).replacen(
                "<xs:schema",
                "<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:t=\"urn:t\"",
                1,
            )
        };
        let page = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:complexType name="Row"><xs:sequence><xs:element name="Id" type="xs:int"/></xs:sequence></xs:complexType></xs:schema>"#;
        BTreeMap::from([
            ("/S.svc?wsdl", outer),
            ("/S.svc?wsdl=wsdl0", inner),
            (
                "/S.svc?xsd=xsd0",
                schema(&format!(
                    r#"{}<xs:include schemaLocation="types/page.xsd"/><xs:element name="Get"><xs:complexType/></xs:element>
                    <xs:element name="GetResponse"><xs:complexType><xs:sequence><xs:element name="Rows" type="t:Row" maxOccurs="9"/></xs:sequence></xs:complexType></xs:element>"#,
                    import("urn:u", "S.svc?xsd=xsd1")
                )),
            ),
            // The two import each other.
            (
                "/S.svc?xsd=xsd1",
                schema(&import("urn:t", "http://srv01.internal:9999/S.svc?xsd=xsd0"))
                    .replace("\"urn:t\" elementForm", "\"urn:u\" elementForm"),
            ),
            ("/types/page.xsd", page.to_owned()),
        ])
    })
}

#[test]
fn imports_are_asked_at_the_host_of_the_endpoint_each_once() {
    let server = split();
    let url = format!("http://{}/S.svc?wsdl", server.address);
    let wsdl = Wsdl::read(&Source::parse(&url, Path::new("")).unwrap(), None, &Unlimited).unwrap();
    assert_eq!(wsdl.notes, [""; 0]);
    let operation = wsdl.operation("Get").unwrap();
    assert_eq!(operation.ports, ["P"]);
    // The included schema has no namespace of its own and takes that of the one that includes it.
    assert_eq!(fields(operation), ("Rows".to_owned(), vec!["Id: int".to_owned()]));
    let targets = server.targets();
    assert_eq!(
        targets,
        ["/S.svc?wsdl", "/S.svc?wsdl=wsdl0", "/S.svc?xsd=xsd0", "/S.svc?xsd=xsd1", "/types/page.xsd"]
    );
    // Nobody said who we are: there is no configuration for this host.
    assert!(server.asked().iter().all(|head| !head.to_lowercase().contains("authorization")));
}

fn run(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = tieout();
    command.current_dir(folder).arg("platform").args(arguments).output().unwrap().into()
}

#[test]
fn what_is_no_wsdl_of_a_soap_service_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let http_only = wsdl_of(&schema_of(""))
        .replace("http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/http/");
    let bomb = "<!DOCTYPE d [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]><definitions>&b;</definitions>";
    for (text, expected) in [
        ("", "there is no XML in it"),
        ("hello", "this is no WSDL"),
        ("<definitions", "this is no WSDL"),
        ("<definitions/>", "this is no WSDL: it is <definitions> of no namespace"),
        ("<a xmlns='urn:a'/>", "this is no WSDL: it is <a> of urn:a"),
        (&http_only, "a binding to something else"),
        (bomb, "DOCTYPE"),
        ("<html><head><title>Sign in</title></head></html>", "this is no WSDL: it is <html>"),
        ("<!DOCTYPE html><html><title>Sign in</title></html>", "an HTML page \"Sign in\""),
    ] {
        std::fs::write(folder.path().join("s.wsdl"), text).unwrap();
        let outcome = run(folder.path(), &["operations", "--wsdl", "s.wsdl"]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{text}");
        assert!(
            outcome.stderr.contains("s.wsdl") && outcome.stderr.contains(expected),
            "{text}: {}",
            outcome.stderr
        );
    }
    let outcome = run(folder.path(), &["operations", "--wsdl", "nowhere.wsdl"]);
    assert!(outcome.stderr.contains("nowhere.wsdl: it cannot be read"), "{}", outcome.stderr);

    std::fs::write(folder.path().join("s.wsdl"), wsdl_of(&schema_of(""))).unwrap();
    let outcome = run(folder.path(), &["operations", "GetAll", "--wsdl", "s.wsdl"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("did you mean Get?"), "{}", outcome.stderr);
}

#[test]
fn an_answer_without_anything_in_it_is_told_from_one_that_is_not_described() {
    let answers = |schema: &str| get(schema).answers;
    let asked = r#"<xs:element name="Get"><xs:complexType/></xs:element>"#;
    let nothing = format!(r#"{asked}<xs:element name="GetResponse"><xs:complexType/></xs:element>"#);
    assert!(matches!(answers(&nothing), Answers::Nothing));
    assert!(matches!(answers(asked), Answers::Unknown));
    let text = format!(
        r#"{asked}<xs:element name="GetResponse"><xs:complexType><xs:sequence><xs:element name="X" type="xs:string"/></xs:sequence></xs:complexType></xs:element>"#
    );
    assert!(get(&text).suggestion().contains("a single text: if it is XML"), "{}", get(&text).suggestion());
    // Nobody answers a message that goes one way.
    let one_way = wsdl_of(&schema_of(asked)).replace("<output message=\"t:Out\"/>", "");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one way.wsdl");
    std::fs::write(&path, one_way).unwrap();
    assert!(matches!(read(&path).unwrap().operations[0].answers, Answers::Nothing));
    // What is said to be the next command is one that works.
    let outcome = run(folder.path(), &["operations", "--wsdl", "one way.wsdl"]);
    let next = outcome.stdout.lines().last().unwrap();
    assert!(next.ends_with("platform operations Get --wsdl 'one way.wsdl'"), "{next}");
    let outcome = run(folder.path(), &["operations", "--wsdl", "none.wsdl"]);
    assert!(outcome.stderr.contains("check the path"), "{}", outcome.stderr);
}

#[test]
fn operations_read_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let schema = schema_of(
        r#"<xs:element name="Get"><xs:complexType><xs:sequence><xs:element name="d" type="xs:date"/></xs:sequence></xs:complexType></xs:element>
        <xs:element name="GetResponse"><xs:complexType><xs:sequence><xs:element name="R" maxOccurs="unbounded"><xs:complexType><xs:attribute name="a"/><xs:attribute name="b"/></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>"#,
    );
    std::fs::write(folder.path().join("s.wsdl"), wsdl_of(&schema)).unwrap();
    let outcome = run(folder.path(), &["operations", "--wsdl", "s.wsdl", "--json"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["ports"][0]["soap"], "1.1");
    assert_eq!(json["ports"][0]["address"], "http://dead.internal/S");
    assert_eq!(json["operations"][0]["parameters"][0]["type"], "date");
    assert_eq!(json["operations"][0]["answers"]["form"], "records");
    let field = &json["operations"][0]["answers"]["fields"][1];
    assert_eq!((&field["name"], &field["type"]), (&"@b".into(), &"string".into()));
    assert_eq!((&field["optional"], &field["list"]), (&true.into(), &false.into()));
    assert!(json["suggestion"].as_str().unwrap().contains("records = \"R\""));
}

/// A configuration of a service at `address` whose WSDL is `s.wsdl`.
fn configured(address: &str, more: &str, request: &str) -> Setup {
    let setup = Setup::small();
    let config = setup.read("tieout.toml");
    setup.write(
        "tieout.toml",
        format!(
            "{config}\n[platform]\nendpoint = \"http://{address}/S?key=Secret-1\"\nnamespace = \"urn:t\"\nauth = \"none\"\n{more}\n[platform.request]\n{request}\n"
        ),
    );
    setup
}

const SCHEMA: &str = r#"
    <xs:element name="Get"><xs:complexType><xs:sequence>
      <xs:element name="from" type="xs:dateTime"/><xs:element name="size" type="xs:int" minOccurs="0"/>
      <xs:element name="amount" type="xs:decimal" minOccurs="0"/><xs:element name="all" type="xs:boolean" minOccurs="0"/>
      <xs:element name="status" type="t:Status" minOccurs="0"/><xs:element name="ids" minOccurs="0" nillable="true"><xs:complexType><xs:sequence>
        <xs:element name="id" type="xs:int" minOccurs="0" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="kind"/></xs:complexType></xs:element>
      <xs:element name="query" minOccurs="0"><xs:complexType><xs:sequence><xs:any/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="note" type="xs:string" nillable="true" form="unqualified"/>
    </xs:sequence></xs:complexType></xs:element>
    <xs:simpleType name="Status"><xs:restriction base="xs:string"><xs:enumeration value="Final"/><xs:enumeration value="Open"/></xs:restriction></xs:simpleType>
    <xs:element name="GetResponse"><xs:complexType/></xs:element>"#;

#[test]
fn a_request_is_checked_against_the_wsdl_and_shown_without_a_word_to_the_platform() {
    // Nobody listens there: whatever is asked would fail.
    let setup = configured("127.0.0.1:9", "wsdl = \"s.wsdl\"", "operation = \"Get\"\nrecords = \"Row\"");
    setup.write("s.wsdl", wsdl_of(&schema_of(SCHEMA)));
    let call = |parameters: &[&str]| {
        let given = parameters.iter().flat_map(|parameter| ["-p", parameter]);
        let arguments: Vec<&str> = ["call", "Get", "--dry-run"].into_iter().chain(given).collect();
        run(setup.folder(), &arguments)
    };
    let outcome = call(&[
        "query=<Where><Eq/></Where>",
        "ids/id=2",
        "status=Final",
        "ids/id=1",
        "from=2026-10-01T00:00:00",
        "ids/@kind=a\"b",
        "amount=-1.50",
    ]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert!(
        outcome.stdout.contains(
            "<Get xmlns=\"urn:t\"><from>2026-10-01T00:00:00</from><amount>-1.50</amount><status>Final</status>\
             <ids kind=\"a&quot;b\"><id>2</id><id>1</id></ids><query><Where><Eq/></Where></query>\
             <note xmlns=\"\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/></Get>"
        ),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.contains("POST http://127.0.0.1:9/S\n")
            && outcome.stdout.contains("soapaction: \"urn:t/Get\"")
    );
    assert!(!outcome.stdout.contains("Secret-1"));
    let from = "from=2026-10-01T00:00:00";
    for (parameters, expected) in [
        (&["frm=1"][..], "did you mean from?"),
        (&[from, "id=1"], "did you mean ids/id?"),
        (&[from, "ids/kind=1"], "did you mean ids/@kind?"),
        (&["size=1"], "-p from: this parameter is missing"),
        (&[from, "size=many"], "a whole number from -2147483648 to 2147483647"),
        (&[from, "size=3000000000"], "found: 3000000000"),
        (&[from, "amount=1,5"], "a decimal number"),
        (&["from=10/01/2026"], "a date and time such as 2026-10-01T00:00:00"),
        (&[from, "all=yes"], "true or false"),
        (&[from, "status=final"], "did you mean Final?"),
        (&[from, "size=1", "size=2"], "given more than once"),
        (&[from, "ids=1"], "holds elements"),
        (&[from, "query=<a>"], "this is no XML"),
        (&[from, "note=\u{1}"], "control character"),
        (&["from"], "NAME=VALUE"),
    ] {
        let outcome = call(parameters);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{parameters:?}");
        assert!(outcome.stderr.contains(expected), "{parameters:?}: {}", outcome.stderr);
    }
    // JSON for programs.
    let outcome = run(setup.folder(), &["call", "Get", "--dry-run", "--json", "-p", from]);
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((json["method"].as_str(), json["sign_in"].as_str()), (Some("POST"), Some("none")));
}

#[test]
fn rpc_and_unqualified_services_get_what_they_expect() {
    let Some(shared) = shared("") else { return };
    let claim = shared.join("data/wsdl/claim.wsdl");
    let more = format!("wsdl = '{}'\nallow = [\"GetClaimDetails\"]", claim.display());
    let setup = configured("127.0.0.1:9", &more, "operation = \"Get\"\nqualified = false\nrecords = \"Row\"");
    let outcome = run(setup.folder(), &["call", "GetClaimDetails", "--dry-run", "-p", "ClaimID=7"]);
    assert!(
        outcome.stdout.contains("<GetClaimDetails xmlns=\"http://schemas.risk-stuff.com/soap/\" soap:encodingStyle=")
            && outcome.stdout.contains("<ClaimID xmlns=\"\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xsd:string\">7</ClaimID>"),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    assert!(
        outcome.stdout.contains("soapaction: \"http://schemas.risk-stuff.com/soap/action/#GetClaimDetails\"")
    );
    // Without a WSDL, the order is that of the command line, and `qualified` says where parameters are.
    setup.edit("tieout.toml", &more, "allow = [\"Put\"]");
    let outcome =
        run(setup.folder(), &["call", "Put", "--dry-run", "-p", "b/x=1", "-p", "b/y=2", "-p", "a=3"]);
    assert!(
        outcome
            .stdout
            .contains("<Put xmlns=\"urn:t\"><b xmlns=\"\"><x>1</x><y>2</y></b><a xmlns=\"\">3</a></Put>"),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    assert!(outcome.stderr.contains("note: the parameters are not checked"), "{}", outcome.stderr);
}

#[test]
fn an_operation_that_nobody_allowed_is_not_called() {
    let server = Server::start(|_| BTreeMap::new());
    let setup = configured(&server.address, "allow = [\"Ping\"]", "operation = \"Get\"\nrecords = \"Row\"");
    for arguments in [&["call", "Delete"][..], &["call", "get"], &["call", "Delete", "--dry-run"]] {
        let outcome = run(setup.folder(), arguments);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        let name = arguments[1];
        assert!(outcome.stderr.contains("[platform] allow"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("allow = [\"Ping\", \"{name}\"]")), "{}", outcome.stderr);
    }
    assert!(run(setup.folder(), &["call", "Pin"]).stderr.contains("did you mean Ping?"));
    assert_eq!(server.asked(), [""; 0], "not even for the WSDL");
}

#[test]
fn answers_are_shown_whatever_their_shape() {
    let Some(shared) = shared("") else { return };
    let answer =
        |name: &str| std::fs::read_to_string(shared.join(format!("platform/soap11-{name}.xml"))).unwrap();
    let one_row = {
        let text = answer("GetSettlementsDataSet");
        let first_end = text.find("</Settlement>").unwrap() + "</Settlement>".len();
        let last_end = text.rfind("</Settlement>").unwrap() + "</Settlement>".len();
        format!("{}{}", &text[..first_end], &text[last_end..])
    };
    let body = |inner: &str| {
        format!(
            "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>{inner}</e:Body></e:Envelope>"
        )
    };
    for (text, at, count, first, says) in [
        (answer("GetSettlements"), Some("GetSettlementsResult/Items/SettlementRecord"), None, "Id", 4),
        (answer("GetSettlements-empty"), None, Some(1), "GetSettlementsResult/TotalCount", 0),
        (
            answer("GetSettlementsDataSet"),
            Some("GetSettlementsDataSetResult/diffgram/SettlementData/Settlement"),
            None,
            "Id",
            3,
        ),
        (one_row, Some("GetSettlementsDataSetResult/diffgram/SettlementData/Settlement"), Some(1), "Id", 3),
        (answer("GetCounterparties"), Some("GetCounterpartiesResult/string"), Some(4), "string", 0),
        (answer("WhoAmI"), None, Some(1), "WhoAmIResult", 0),
        (body("<r/>"), None, Some(0), "", 0),
        (body("<r>5</r>"), None, Some(1), "r", 0),
    ] {
        let server = Server::start(|_| BTreeMap::from([("/S?key=Secret-1", text.clone())]));
        let setup =
            configured(&server.address, "allow = [\"Any\"]", "operation = \"Get\"\nrecords = \"Row\"");
        let outcome = run(setup.folder(), &["call", "Any", "--json"]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(json["records_at"].as_str(), at);
        let records = json["records"].as_array().unwrap();
        assert!(
            count.is_none_or(|count| count == records.len()) && (count.is_some() || records.len() > 1),
            "{json}"
        );
        let names =
            records.first().map(|record| record.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        assert!(first.is_empty() || names.unwrap().iter().any(|name| name == first), "{json}");
        // What is said of all records is not lost, and nothing of theirs is said again.
        let beside = json["beside"].as_object().unwrap();
        let total = beside.iter().find(|(name, _)| name.ends_with("/TotalCount"));
        assert_eq!((total.is_some(), beside.len()), (says > 0, says), "{json}");
        if let Some((name, total)) = total {
            let table = run(setup.folder(), &["call", "Any"]).stdout;
            assert!(table.contains(&format!("{name} = {}\n", total.as_str().unwrap())), "{table}");
        }
        let raw = run(setup.folder(), &["call", "Any", "--raw"]);
        assert_eq!((raw.code, raw.stdout.as_str()), (Some(0), text.as_str()));

        // Where the path is configured it must be right; what is there instead is said.
        let setup = configured(&server.address, "", "operation = \"Any\"\nrecords = \"AnyResult/Rows/Row\"");
        let outcome = run(setup.folder(), &["call", "Any"]);
        assert_eq!(outcome.code, Some(4), "{}", outcome.stdout);
        assert!(
            outcome.stderr.contains("there are no records") && outcome.stderr.contains("AnyResult/Rows/Row"),
            "{}",
            outcome.stderr
        );
        assert!(!outcome.stderr.contains("Secret-1"));
    }
}

#[cfg(feature = "simulator")]
mod embedded {
    use std::process::Command;

    use super::super::support::platform::{PASSWORD, VARIABLE, ask, start};
    use super::*;

    fn platform(setup: &Setup, arguments: &[&str]) -> Outcome {
        command(setup, arguments).output().unwrap().into()
    }

    fn command(setup: &Setup, arguments: &[&str]) -> Command {
        let mut command = tieout();
        command.current_dir(setup.folder()).env(VARIABLE, PASSWORD).arg("platform").args(arguments);
        command
    }

    #[test]
    fn the_embedded_platform_tells_what_it_can_do_and_does_it() {
        let setup = Setup::small();
        let simulator = start(&setup, "records.csv", |_| {});
        ask(&setup, "files = [\"records.csv\"]\n", simulator.endpoint());
        setup.edit(
            "tieout.toml",
            "auth = \"ntlm\"",
            "auth = \"ntlm\"\nallow = [\"Ping\", \"WhoAmI\", \"GetCounterparties\"]",
        );

        let outcome = platform(&setup, &["operations", "--json"]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let names: Vec<&str> = json["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|operation| operation["name"].as_str().unwrap())
            .collect();
        let expected = [
            "Ping",
            "WhoAmI",
            "GetCounterparties",
            "GetSettlements",
            "GetSettlementsDataSet",
            "GetSettlementsXml",
        ];
        assert_eq!(names, expected);
        assert!(
            json["suggestion"]
                .as_str()
                .unwrap()
                .contains("records = \"GetSettlementsResult/Items/SettlementRecord\"")
        );
        let shown = platform(&setup, &["operations"]).stdout;
        assert!(shown.contains("from: dateTime") && shown.contains("[platform.request]"), "{shown}");
        let shown = platform(&setup, &["operations", "GetSettlements"]).stdout;
        assert!(shown.contains("Counterparty") && shown.contains("decimal"), "{shown}");

        // What is configured is held against what the service says.
        setup.edit("tieout.toml", "operation = \"GetSettlements\"", "operation = \"GetSettlement\"");
        let outcome = platform(&setup, &["operations"]);
        assert!(outcome.stderr.contains("did you mean GetSettlements?"), "{}", outcome.stderr);
        let outcome = platform(&setup, &["call", "GetSettlement"]);
        assert_eq!(outcome.code, Some(2));
        assert!(
            outcome.stderr.contains("the service has no such operation")
                && outcome.stderr.contains("did you mean GetSettlements?")
        );
        setup.edit("tieout.toml", "operation = \"GetSettlement\"", "operation = \"GetSettlements\"");
        setup.edit("tieout.toml", "{ counterparty =", "{ counterpart =");
        let outcome = platform(&setup, &["operations"]);
        assert!(outcome.stderr.contains(
            "parameters.counterpart: the operation has no such parameter; did you mean counterparty?"
        ));
        setup.edit("tieout.toml", "{ counterpart =", "{ counterparty =");

        assert!(platform(&setup, &["call", "Ping"]).stdout.contains("pong"));
        assert!(platform(&setup, &["call", "WhoAmI"]).stdout.contains("CORP\\svc_recon"));
        let outcome = platform(&setup, &["call", "GetCounterparties"]);
        assert!(
            outcome.stdout.contains("ALFA GAS")
                && outcome.stdout.contains("1 record at GetCounterpartiesResult/string")
        );
        let arguments = |more: &[&'static str]| {
            let window = [
                "-p",
                "pageSize=5",
                "-p",
                "page=1",
                "-p",
                "to=2026-11-01T00:00:00",
                "-p",
                "from=2026-10-01T00:00:00",
            ];
            [&["call", "GetSettlements"], &window[..], more].concat()
        };
        let outcome = platform(&setup, &arguments(&["--json"]));
        let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(json["records"][1]["TradeId"], "G-2");
        // Wrong in a way that only the platform knows.
        let outcome = platform(&setup, &arguments(&["-p", "counterparty=NOBODY"]));
        assert_eq!(outcome.code, Some(4));
        assert!(outcome.stderr.contains("Unknown counterparty: NOBODY"), "{}", outcome.stderr);
        let outcome = platform(&setup, &arguments(&["-p", "counterparty=NOBODY", "--raw"]));
        assert_eq!(outcome.code, Some(4));
        assert!(outcome.stdout.contains("faultstring"), "{}", outcome.stdout);

        let executed: Vec<String> =
            simulator.log().entries().unwrap().into_iter().map(|call| call.method).collect();
        assert_eq!(
            executed,
            ["Ping", "WhoAmI", "GetCounterparties", "GetSettlements", "GetSettlements", "GetSettlements"]
        );
        // What nobody allowed, and what is only shown, never gets there.
        assert_eq!(platform(&setup, &["call", "Delete"]).code, Some(2));
        assert_eq!(platform(&setup, &["call", "Ping", "--dry-run"]).code, Some(0));
        assert_eq!(simulator.log().entries().unwrap().len(), executed.len());
    }

    #[test]
    fn a_refused_password_is_sent_once_and_never_shown() {
        let setup = Setup::small();
        let simulator = start(&setup, "records.csv", |_| {});
        ask(&setup, "files = [\"records.csv\"]\n", simulator.endpoint());
        let outcome: Outcome = command(&setup, &["call", "GetSettlements"])
            .env(VARIABLE, "Wrong-Horse-8")
            .output()
            .unwrap()
            .into();
        assert_eq!(outcome.code, Some(4));
        assert!(outcome.stderr.contains("refused the user or the password"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("Wrong-Horse-8"));
    }
}
