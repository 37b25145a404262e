//! The documents that a WSDL consists of: the first one, and all that it imports, each once.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use reqwest::Url;

use super::tree::{self, Node};
use super::{WSDL, XSD};
use crate::fault::{Fault, Kind, Result, shown};
use crate::platform::refusal::html_title;

/// Bytes that all documents may have together.
pub(super) const MOST_BYTES: u64 = 64 << 20;
/// Documents that are read; real services have a dozen.
const MOST_DOCUMENTS: usize = 200;

/// Where a WSDL is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file. What it imports is looked for beside it; nothing is asked over the network.
    File(PathBuf),
    /// An address. What it imports is asked at the same host, whatever host the import names.
    Url(Url),
}

impl Source {
    /// A source as it is written: an address starts with `http://` or `https://`, all else is a file below `base`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] for what starts as an address and is none.
    pub fn parse(text: &str, base: &Path) -> Result<Self> {
        let lower = text.to_ascii_lowercase();
        if !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Ok(Self::File(base.join(text)));
        }
        match Url::parse(text) {
            // Not quoted where a password may be in it.
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err(Fault::new(Kind::Configuration, "the address of the WSDL holds a user or a password")
                    .next("give them by [platform] username and password"))
            }
            Ok(url) if url.host_str().is_some() => Ok(Self::Url(url)),
            _ => Err(Fault::new(Kind::Configuration, "this is not the address of a WSDL").value(text)),
        }
    }

    /// What an import that stands in this document names; `None` where that can only be elsewhere.
    fn import(&self, location: &str) -> Option<Self> {
        match self {
            Self::Url(base) => {
                let mut url = base.join(location).ok()?;
                if !matches!(url.scheme(), "http" | "https") {
                    return None;
                }
                // The host that an import names is often one that only the service itself knows.
                url.set_scheme(base.scheme()).ok()?;
                url.set_host(base.host_str()).ok()?;
                url.set_port(base.port()).ok()?;
                url.set_username("").ok()?;
                url.set_password(None).ok()?;
                url.set_fragment(None);
                Some(Self::Url(url))
            }
            Self::File(base) => {
                let folder = base.parent().unwrap_or(Path::new(""));
                let Ok(url) = Url::parse(location) else {
                    let plain = folder.join(location.split('#').next().unwrap_or_default());
                    return Some(Self::File(plain));
                };
                // Whoever saved it may have saved what it imports: `…?wsdl=wsdl0` as `wsdl0.wsdl`.
                let last = url.path_segments().and_then(Iterator::last).unwrap_or_default();
                let asked = url.query_pairs().map(|(_, value)| value.into_owned()).collect::<Vec<_>>();
                [".wsdl", ".xsd", ""]
                    .iter()
                    .flat_map(|end| asked.iter().map(move |name| format!("{name}{end}")))
                    .chain([last.to_owned()])
                    .filter(|name| !name.is_empty() && !name.contains(['/', '\\']) && name != "..")
                    .map(|name| folder.join(name))
                    .find(|path| path.is_file())
                    .map(Self::File)
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Url(url) => write!(f, "{url}"),
        }
    }
}

/// A part of a document that describes something.
pub(super) struct Part {
    pub(super) node: Node,
    /// The namespace that a schema without one takes from the schema that includes it (XML Schema Part 1 §4.2.1).
    pub(super) adopted: Option<String>,
}

/// All that was read.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) parts: Vec<Part>,
    /// What could not be read, and why.
    pub(super) notes: Vec<String>,
}

/// An import that is still to be followed.
struct Import {
    source: Source,
    adopted: Option<String>,
}

/// Reads `first` and everything that it imports, by `ask`, which is given the bytes that may still come.
///
/// # Errors
/// Whatever makes the first document unreadable, and a refused sign-in. An import that cannot be read is a note.
pub(super) fn read(
    first: &Source,
    ask: &mut dyn FnMut(&Source, u64) -> Result<Vec<u8>>,
) -> Result<Documents> {
    let mut documents = Documents::default();
    let mut left = MOST_BYTES;
    let mut seen = HashSet::new();
    let mut queue = vec![Import { source: first.clone(), adopted: None }];
    let mut next = 0;
    while let Some(Import { source, adopted }) = queue.get(next) {
        let (source, adopted) = (source.clone(), adopted.clone());
        next += 1;
        if !seen.insert((source.to_string(), adopted.clone())) {
            continue;
        }
        if seen.len() > MOST_DOCUMENTS {
            documents.notes.push(format!("only the first {MOST_DOCUMENTS} documents were read"));
            break;
        }
        let root = ask(&source, left).and_then(|bytes| {
            left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            parse(&source, &bytes)
        });
        match root {
            Ok(root) => take(root, &source, adopted.as_deref(), &mut queue, &mut documents),
            Err(fault) if next == 1 || fault.kind() == Kind::SignIn => return Err(fault),
            Err(fault) => documents
                .notes
                .push(format!("{source} is imported, but {}: what it describes is unknown", fault.what())),
        }
    }
    Ok(documents)
}

/// Takes the definitions and schemas out of a document, wherever they stand in it (an answer to
/// WS-MetadataExchange has them in a SOAP envelope), and notes what they import.
fn take(
    root: Node,
    source: &Source,
    adopted: Option<&str>,
    queue: &mut Vec<Import>,
    documents: &mut Documents,
) {
    fn schemas<'n>(node: &'n Node, found: &mut Vec<&'n Node>) {
        if node.is(XSD, "schema") {
            found.push(node);
        } else {
            node.children.iter().for_each(|child| schemas(child, found));
        }
    }
    let mut found = Vec::new();
    schemas(&root, &mut found);
    let mut locations: Vec<(&str, Option<String>)> = Vec::new();
    for schema in found {
        for child in schema.children.iter().filter(|child| *child.name.namespace == *XSD) {
            let Some(location) = child.attribute("schemaLocation") else { continue };
            match &*child.name.local {
                "import" if !is_known(child.attribute("namespace").unwrap_or_default()) => {
                    locations.push((location, None));
                }
                "include" | "redefine" => {
                    let own = schema.attribute("targetNamespace").or(adopted);
                    locations.push((location, own.map(str::to_owned)));
                }
                _ => {}
            }
        }
    }
    definitions(&root, &mut |definitions| {
        locations.extend(
            definitions
                .all(WSDL, "import")
                .filter_map(|import| import.attribute("location").map(|location| (location, None))),
        );
    });
    for (location, adopted) in locations {
        match source.import(location) {
            Some(source) => queue.push(Import { source, adopted }),
            None => documents.notes.push(format!(
                "{} is imported, but is nowhere here: what it describes is unknown",
                shown(location)
            )),
        }
    }
    documents.parts.push(Part { node: root, adopted: adopted.map(str::to_owned) });
}

impl Source {
    /// Whose fault it is that something else is there.
    pub(super) const fn blame(&self) -> Kind {
        match self {
            Self::File(_) => Kind::Configuration,
            Self::Url(_) => Kind::Platform,
        }
    }
}

/// Gives every `definitions` at or below `node` to `sink`.
pub(super) fn definitions<'n>(node: &'n Node, sink: &mut dyn FnMut(&'n Node)) {
    if node.is(WSDL, "definitions") {
        sink(node);
    } else {
        for child in &node.children {
            definitions(child, sink);
        }
    }
}

/// Namespaces whose types are known without a document.
fn is_known(namespace: &str) -> bool {
    matches!(
        namespace,
        XSD | "http://www.w3.org/XML/1998/namespace"
            | "http://schemas.xmlsoap.org/soap/encoding/"
            | "http://www.w3.org/2003/05/soap-encoding"
            | "http://schemas.xmlsoap.org/wsdl/"
    )
}

fn parse(source: &Source, bytes: &[u8]) -> Result<Node> {
    let text = decoded(bytes);
    tree::parse(&text).map_err(|why| match html_title(&text) {
        Some(title) => Fault::new(source.blame(), format!("an HTML page {title} is there instead of a WSDL"))
            .at(source)
            .next("the WSDL of an .asmx or .svc service is at its address with ?WSDL behind it"),
        None => no_wsdl(source, &why.to_string()),
    })
}

/// What is there is something else.
pub(super) fn no_wsdl(source: &Source, why: &str) -> Fault {
    Fault::new(source.blame(), format!("this is no WSDL: {}", shown(why)))
        .at(source)
        .expected(format!("an XML document with <definitions> of {WSDL}"))
        .next("the WSDL of an .asmx or .svc service is at its address with ?WSDL behind it")
}

/// The text of a document: by its byte order mark, else by what its declaration says, else UTF-8 (XML 1.0 §4.3.3).
fn decoded(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let start = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes));
    let declared = start
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split("?>").next())
        .and_then(|declaration| declaration.split("encoding=").nth(1))
        .and_then(|value| value.split(['"', '\'']).nth(1))
        .and_then(|label| Encoding::for_label(label.as_bytes()))
        // A declaration that can be read as ASCII is in no encoding of two bytes, whatever it says.
        .filter(|encoding| encoding.is_ascii_compatible());
    declared.unwrap_or(encoding_rs::UTF_8).decode(bytes).0
}

/// Reads a file of at most `most` bytes.
pub(super) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what).at(path.display());
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes)).map_err(|error| {
        fault("it cannot be read").because(error).next("check the path: a file with a WSDL is wanted")
    })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(fault("it is too large")
            .expected(format!("at most {MOST_BYTES} bytes in all documents together")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn an_import_is_asked_at_the_host_that_is_known() {
        let base = Source::parse("https://etrm.example:8443/a/S.svc?wsdl", Path::new("")).unwrap();
        for (location, asked) in [
            ("http://srv01.internal/a/S.svc?wsdl=wsdl0", "https://etrm.example:8443/a/S.svc?wsdl=wsdl0"),
            ("S.svc?xsd=xsd1", "https://etrm.example:8443/a/S.svc?xsd=xsd1"),
            ("../t.xsd#x", "https://etrm.example:8443/t.xsd"),
            ("//u:p@elsewhere:1/t.xsd", "https://etrm.example:8443/t.xsd"),
        ] {
            assert_eq!(base.import(location).unwrap().to_string(), asked, "{location}");
        }
        assert_eq!(base.import("urn:types"), None);
        assert_eq!(base.import("file:///etc/passwd"), None);
        let file = Source::parse("wsdl/s.wsdl", Path::new("base")).unwrap();
        assert_eq!(file.import("t.xsd"), Some(Source::File("base/wsdl/t.xsd".into())));
        assert_eq!(file.import("http://elsewhere/x?wsdl=wsdl0"), None);
    }

    #[test]
    fn an_address_holds_no_password() {
        let fault = Source::parse("http://u:Secret-1@127.0.0.1/x?WSDL", Path::new("")).unwrap_err();
        assert!(!fault.to_string().contains("Secret-1"), "{fault}");
        assert!(Source::parse("http://", Path::new("")).is_err());
    }

    #[test]
    fn the_declared_encoding_is_read() {
        assert!(
            decoded(b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>").ends_with("<a>\u{e9}</a>")
        );
        assert!(decoded(b"<?xml version='1.0' encoding='utf-16'?><a/>").ends_with("<a/>"));
        assert_eq!(decoded(b"\xff\xfe<\0a\0/\0>\0"), "<a/>");
    }
}
