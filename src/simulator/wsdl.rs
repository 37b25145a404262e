//! What the service says of itself: the WSDL (1.1), and the page for a browser.

use quick_xml::escape::escape;

use super::operations::OPERATIONS;
use super::records::{Column, Type};
use super::soap::NAMESPACE;

/// What stands wherever the simulator describes itself.
pub(super) const NOTICE: &str =
    "tieout's simulated settlement platform, for demonstrations and tests; no real platform";

/// The WSDL: document/literal, bound to SOAP 1.1 and 1.2, at `endpoint`.
pub(super) fn wsdl(endpoint: &str, columns: &[Column]) -> String {
    let endpoint = escape(endpoint);
    let each = |part: &dyn Fn(&str, &str) -> String| -> String {
        OPERATIONS.iter().map(|(name, about)| part(name, about)).collect()
    };
    let messages = each(&|name, _| {
        format!(
            "<wsdl:message name=\"{name}SoapIn\"><wsdl:part name=\"parameters\" element=\"tns:{name}\" /></wsdl:message>\n  \
             <wsdl:message name=\"{name}SoapOut\"><wsdl:part name=\"parameters\" element=\"tns:{name}Response\" /></wsdl:message>\n  "
        )
    });
    let port_type = each(&|name, about| {
        format!(
            "\n    <wsdl:operation name=\"{name}\"><wsdl:documentation>{}</wsdl:documentation>\
             <wsdl:input message=\"tns:{name}SoapIn\" /><wsdl:output message=\"tns:{name}SoapOut\" /></wsdl:operation>",
            escape(about)
        )
    });
    let binding = |prefix: &str, port: &str| {
        let operations = each(&|name, _| {
            format!(
                "\n    <wsdl:operation name=\"{name}\"><{prefix}:operation soapAction=\"{NAMESPACE}{name}\" style=\"document\" />\
                 <wsdl:input><{prefix}:body use=\"literal\" /></wsdl:input>\
                 <wsdl:output><{prefix}:body use=\"literal\" /></wsdl:output></wsdl:operation>"
            )
        });
        format!(
            "<wsdl:binding name=\"{port}\" type=\"tns:SettlementSoap\">\n    \
             <{prefix}:binding transport=\"http://schemas.xmlsoap.org/soap/http\" />{operations}\n  </wsdl:binding>"
        )
    };
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:s="http://www.w3.org/2001/XMLSchema" xmlns:tns="{NAMESPACE}" targetNamespace="{NAMESPACE}">
  <wsdl:documentation>{NOTICE}</wsdl:documentation>
  <wsdl:types>
    <s:schema elementFormDefault="qualified" targetNamespace="{NAMESPACE}">
{types}
    </s:schema>
  </wsdl:types>
  {messages}<wsdl:portType name="SettlementSoap">{port_type}
  </wsdl:portType>
  {soap11}
  {soap12}
  <wsdl:service name="Settlement">
    <wsdl:documentation>{NOTICE}</wsdl:documentation>
    <wsdl:port name="SettlementSoap" binding="tns:SettlementSoap"><soap:address location="{endpoint}" /></wsdl:port>
    <wsdl:port name="SettlementSoap12" binding="tns:SettlementSoap12"><soap12:address location="{endpoint}" /></wsdl:port>
  </wsdl:service>
</wsdl:definitions>"#,
        types = types(columns),
        soap11 = binding("soap", "SettlementSoap"),
        soap12 = binding("soap12", "SettlementSoap12"),
    )
}

fn types(columns: &[Column]) -> String {
    let simple = |name: &str, kind: &str| sequence(&element(&format!("{name}Result"), kind, "0"));
    let wrapped =
        |name: &str, content: &str| format!("      <s:element name=\"{name}\">{content}</s:element>\n");
    let named = |name: &str, content: &str| {
        content.replacen("<s:complexType", &format!("      <s:complexType name=\"{name}\""), 1) + "\n"
    };
    let arguments = [
        ("counterparty", "s:string", "0"),
        ("from", "s:dateTime", "1"),
        ("to", "s:dateTime", "1"),
        ("page", "s:int", "1"),
        ("pageSize", "s:int", "1"),
    ]
    .map(|(name, kind, least)| element(name, kind, least))
    .concat();
    let page = [
        ("TotalCount", "s:int", "1"),
        ("Page", "s:int", "1"),
        ("PageSize", "s:int", "1"),
        ("HasMore", "s:boolean", "1"),
        ("Items", "tns:ArrayOfSettlementRecord", "0"),
    ]
    .map(|(name, kind, least)| element(name, kind, least))
    .concat();
    let many = |name: &str, kind: &str| {
        sequence(&format!(
            "<s:element minOccurs=\"0\" maxOccurs=\"unbounded\" name=\"{name}\" nillable=\"true\" type=\"{kind}\" />"
        ))
    };
    let record: String = columns
        .iter()
        .map(|Column { element: name, kind }| match kind {
            Type::Text => element(name, "s:string", "0"),
            Type::Decimal => nillable(name, "s:decimal"),
            Type::Moment => nillable(name, "s:dateTime"),
        })
        .collect();
    [
        wrapped("Ping", "<s:complexType />"),
        wrapped("PingResponse", &simple("Ping", "s:string")),
        wrapped("WhoAmI", "<s:complexType />"),
        wrapped("WhoAmIResponse", &simple("WhoAmI", "s:string")),
        wrapped("GetCounterparties", "<s:complexType />"),
        wrapped("GetCounterpartiesResponse", &simple("GetCounterparties", "tns:ArrayOfString")),
        wrapped("GetSettlements", &sequence(&arguments)),
        wrapped("GetSettlementsResponse", &simple("GetSettlements", "tns:SettlementPage")),
        wrapped("GetSettlementsDataSet", &sequence(&arguments)),
        wrapped("GetSettlementsDataSetResponse", &sequence(DATA_SET)),
        wrapped("GetSettlementsXml", &sequence(&arguments)),
        wrapped("GetSettlementsXmlResponse", &simple("GetSettlementsXml", "s:string")),
        named("ArrayOfString", &many("string", "s:string")),
        named("SettlementPage", &sequence(&page)),
        named("ArrayOfSettlementRecord", &many("SettlementRecord", "tns:SettlementRecord")),
        named("SettlementRecord", &sequence(&record)),
    ]
    .concat()
}

/// A `DataSet`, as .NET describes one: anything, as long as it is a schema or a diffgram.
const DATA_SET: &str = "<s:element minOccurs=\"0\" maxOccurs=\"1\" name=\"GetSettlementsDataSetResult\"><s:complexType>\
    <s:sequence maxOccurs=\"unbounded\"><s:any minOccurs=\"0\" namespace=\"http://www.w3.org/2001/XMLSchema\" processContents=\"lax\" />\
    <s:any minOccurs=\"0\" namespace=\"urn:schemas-microsoft-com:xml-diffgram-v1\" processContents=\"lax\" /></s:sequence>\
    </s:complexType></s:element>";

fn element(name: &str, kind: &str, least: &str) -> String {
    format!("<s:element minOccurs=\"{least}\" maxOccurs=\"1\" name=\"{name}\" type=\"{kind}\" />")
}

fn nillable(name: &str, kind: &str) -> String {
    format!("<s:element minOccurs=\"1\" maxOccurs=\"1\" name=\"{name}\" nillable=\"true\" type=\"{kind}\" />")
}

fn sequence(elements: &str) -> String {
    format!("<s:complexType><s:sequence>{elements}</s:sequence></s:complexType>")
}

/// The page that a browser gets.
pub(super) fn page() -> String {
    let operations: String = OPERATIONS
        .iter()
        .map(|(name, about)| format!("<li><b>{name}</b>: {}</li>", escape(*about)))
        .collect();
    format!(
        "<!DOCTYPE html><html><head><title>Settlement Web Service</title></head><body><h1>Settlement</h1>\
         <p>This is {NOTICE}.</p><p>The following operations are supported. For a formal definition, see the \
         <a href=\"Settlement.asmx?WSDL\">Service Description</a>.</p><ul>{operations}</ul></body></html>"
    )
}
