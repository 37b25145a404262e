//! SOAP 1.1 and 1.2, document/literal: reading a call, writing an answer or a fault.

use quick_xml::escape::{partial_escape, resolve_xml_entity};
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use super::records::allowed_in_xml;

/// The service's own namespace.
pub(super) const NAMESPACE: &str = "http://tieout.example/settlement/";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Which SOAP a call speaks; the content type decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V11,
    V12,
}

impl Version {
    /// The version of a content type, if it is SOAP's at all.
    pub(super) fn of_content_type(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "text/xml" => Some(Self::V11),
            "application/soap+xml" => Some(Self::V12),
            _ => None,
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::V11 => "text/xml; charset=utf-8",
            Self::V12 => "application/soap+xml; charset=utf-8",
        }
    }

    const fn namespace(self) -> &'static str {
        match self {
            Self::V11 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V12 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }
}

/// Whose mistake a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// `Client` in SOAP 1.1, `Sender` in 1.2.
    Caller,
    /// `Server`, or `Receiver`.
    Service,
    /// The envelope is of the other SOAP.
    Version,
}

/// A SOAP fault; the reason carries a stack trace, as those of ASMX do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SoapFault {
    pub(super) blame: Blame,
    pub(super) reason: String,
}

impl SoapFault {
    pub(super) fn caller(reason: impl Into<String>) -> Self {
        Self { blame: Blame::Caller, reason: reason.into() }
    }

    pub(super) fn service(reason: impl Into<String>) -> Self {
        Self { blame: Blame::Service, reason: reason.into() }
    }

    /// The reason's first line: what happened, without the stack.
    pub(super) fn summary(&self) -> &str {
        self.reason.lines().next().unwrap_or_default()
    }
}

/// A call as it was read: the operation's element and the texts of its children.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) operation: String,
    pub(super) arguments: Vec<(String, String)>,
}

impl Call {
    /// The argument called `name`; `None` where it is absent, nil or empty.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        self.arguments
            .iter()
            .find(|(argument, text)| argument == name && !text.is_empty())
            .map(|(_, text)| text.as_str())
    }
}

/// Why a request is no call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not XML: HTTP 400 with nothing in it.
    Malformed,
    /// XML, but not to be served.
    Fault(SoapFault),
}

impl From<quick_xml::Error> for Unreadable {
    fn from(_: quick_xml::Error) -> Self {
        Self::Malformed
    }
}

/// Reads a call. No DTD, and so no entity beyond XML's own five.
pub(super) fn read(body: &[u8], version: Version) -> Result<Call, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Malformed)?;
    if !text.chars().all(allowed_in_xml) {
        return Err(Unreadable::Malformed);
    }
    let mut reader = NsReader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut call = Call::default();
    let mut depth = 0u32;
    // Where the body's children are; headers are passed over.
    let mut in_body = false;
    let mut done = false;
    loop {
        let (resolved, event) = reader.read_resolved_event()?;
        match event {
            Event::Start(start) => {
                let name = start.local_name().into_inner();
                let ours = matches!(resolved, ResolveResult::Bound(Namespace(space)) if space == NAMESPACE);
                match depth {
                    0 if done => return Err(Unreadable::Malformed),
                    0 => envelope(name, &resolved, version)?,
                    1 => in_body = name == "Body",
                    2 if in_body && ours && call.operation.is_empty() => name.clone_into(&mut call.operation),
                    2 if in_body => return Err(Unreadable::Fault(unexpected(&start))),
                    3 if in_body => call.arguments.push((name.to_owned(), String::new())),
                    _ => {}
                }
                depth += 1;
            }
            Event::End(_) => {
                depth -= 1;
                done = depth == 0;
            }
            Event::Text(text) if depth == 4 && in_body => append(&mut call, &text.xml10_content()),
            Event::CData(text) if depth == 4 && in_body => append(&mut call, &text.xml10_content()),
            Event::Text(text) if depth == 0 && !text.trim().is_empty() => return Err(Unreadable::Malformed),
            Event::GeneralRef(reference) => {
                let mut buffer = [0; 4];
                let text = match reference.resolve_char_ref()? {
                    Some(c) => allowed_in_xml(c).then(|| &*c.encode_utf8(&mut buffer)),
                    None => resolve_xml_entity(&reference),
                };
                match text {
                    Some(text) if depth == 4 && in_body => append(&mut call, text),
                    Some(_) if depth > 0 => {}
                    _ => return Err(Unreadable::Malformed),
                }
            }
            Event::DocType(_) => {
                return Err(Unreadable::Fault(SoapFault::caller(
                    "Server was unable to read request. ---> System.InvalidOperationException: There is an error in \
                     XML document. ---> System.Xml.XmlException: For security reasons DTD is prohibited in this XML \
                     document.",
                )));
            }
            Event::Eof if done => return Ok(call),
            Event::Eof => return Err(Unreadable::Malformed),
            _ => {}
        }
    }
}

fn envelope(name: &str, resolved: &ResolveResult<'_>, version: Version) -> Result<(), Unreadable> {
    match resolved {
        ResolveResult::Bound(Namespace(space)) if name == "Envelope" && *space == version.namespace() => {
            Ok(())
        }
        ResolveResult::Bound(Namespace(space)) if name == "Envelope" => Err(Unreadable::Fault(SoapFault {
            blame: Blame::Version,
            reason: format!(
                "Possible SOAP version mismatch: Envelope namespace {space} was unexpected. Expecting {}.",
                version.namespace()
            ),
        })),
        _ => Err(Unreadable::Fault(SoapFault::caller(
            "Server was unable to read request. ---> Request format is invalid: Missing required soap:Envelope element.",
        ))),
    }
}

fn unexpected(start: &BytesStart<'_>) -> SoapFault {
    SoapFault::caller(format!(
        "Server was unable to read request. ---> System.InvalidOperationException: There is an error in XML document. \
         ---> System.InvalidOperationException: <{}> was not expected.",
        start.local_name().into_inner()
    ))
}

fn append(call: &mut Call, text: &str) {
    if let Some((_, argument)) = call.arguments.last_mut() {
        argument.push_str(text);
    }
}

/// An envelope around `body`, which is XML.
pub(super) fn envelope_of(version: Version, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"{}\" xmlns:xsi=\"{XSI}\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><soap:Body>{body}</soap:Body></soap:Envelope>",
        version.namespace()
    )
}

/// The envelope of a fault.
pub(super) fn fault_envelope(version: Version, fault: &SoapFault) -> String {
    let reason = format!("System.Web.Services.Protocols.SoapException: {}", fault.reason);
    let reason = partial_escape(&*reason);
    let body = match version {
        Version::V11 => {
            let code = match fault.blame {
                Blame::Caller => "Client",
                Blame::Service => "Server",
                Blame::Version => "VersionMismatch",
            };
            format!(
                "<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{reason}</faultstring><detail /></soap:Fault>"
            )
        }
        Version::V12 => {
            let code = match fault.blame {
                Blame::Caller => "Sender",
                Blame::Service => "Receiver",
                Blame::Version => "VersionMismatch",
            };
            format!(
                "<soap:Fault><soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code><soap:Reason>\
                 <soap:Text xml:lang=\"en\">{reason}</soap:Text></soap:Reason><soap:Detail /></soap:Fault>"
            )
        }
    };
    envelope_of(version, &body)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn call(inner: &str) -> Result<Call, Unreadable> {
        let space = Version::V11.namespace();
        let text = format!(
            "<s:Envelope xmlns:s='{space}'><s:Header><x>no</x></s:Header><s:Body>{inner}</s:Body></s:Envelope>"
        );
        read(text.as_bytes(), Version::V11)
    }

    #[test]
    fn a_call_is_read_with_its_arguments_unescaped() {
        let call = call(&format!(
            "<Get xmlns='{NAMESPACE}'><a>x &amp; &#x41;<![CDATA[<y>]]></a><b/><c><d>deep</d></c></Get>"
        ))
        .unwrap();
        assert_eq!(call.operation, "Get");
        assert_eq!(call.argument("a"), Some("x & A<y>"));
        assert_eq!((call.argument("b"), call.argument("c"), call.argument("z")), (None, None, None));
    }

    #[test]
    fn what_is_no_call_is_told_apart() {
        for text in ["", "no", "<a>", "<a></b>", "<a/><a/>", "<a>&x;</a>", "\u{0}"] {
            let read = read(text.as_bytes(), Version::V11);
            assert!(matches!(read, Err(Unreadable::Malformed)) || text.starts_with("<a"), "{text}");
        }
        assert_eq!(call(&format!("<Get xmlns='{NAMESPACE}'>&x;</Get>")), Err(Unreadable::Malformed));
        assert_eq!(call(&format!("<Get xmlns='{NAMESPACE}'><a>&#1;</a></Get>")), Err(Unreadable::Malformed));
        let fault = |read| match read {
            Err(Unreadable::Fault(fault)) => fault,
            other => SoapFault::service(format!("{other:?}")),
        };
        let bomb = "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>";
        assert!(fault(read(bomb.as_bytes(), Version::V12)).reason.contains("DTD is prohibited"));
        assert!(fault(call("<Get/>")).reason.contains("<Get> was not expected"));
        let other = format!("<s:Envelope xmlns:s='{}'/>", Version::V12.namespace());
        assert_eq!(fault(read(other.as_bytes(), Version::V11)).blame, Blame::Version);
    }
}
