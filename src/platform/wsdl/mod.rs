//! What a service says of itself: its WSDL (1.1), read from a file or asked from the service.
//!
//! `documents` gets the WSDL and what it imports, each as a `tree`; `schema`
//! finds out what stands in which element; `service` reads ports and
//! operations; `answers` finds where the records are; and `suggestion` writes
//! a `[platform.request]` to start from.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::Platform;
use super::connection::{Call, Connection};
use super::settings::{Settings, Soap};
use crate::allowance::Allowance;
use crate::fault::{Fault, Kind, Result, nearest};

mod answers;
mod documents;
pub(super) mod element;
mod schema;
mod service;
mod suggestion;
pub(super) mod tree;

pub use answers::{Answers, Records};
pub use documents::Source;
pub use element::Element;

/// The namespace of WSDL 1.1.
const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
/// The namespaces of its bindings to SOAP 1.1 and 1.2.
const SOAP11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
/// The namespace of XML Schema.
pub(super) const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of SOAP's own encoding (SOAP 1.1 §5).
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";

/// What a WSDL says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Wsdl {
    /// The file or address that was read.
    pub source: String,
    /// The ports that speak SOAP.
    pub ports: Vec<Port>,
    /// The operations of all ports together, in the order of the WSDL.
    pub operations: Vec<Operation>,
    /// What is missing or was passed over.
    pub notes: Vec<String>,
}

/// A place where a service can be called.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Port {
    /// The service that it belongs to; `None` where no service names the binding.
    pub service: Option<String>,
    /// Its name.
    pub name: String,
    /// Where it says it is; the configured endpoint counts more.
    pub address: Option<String>,
    /// The version of SOAP that it speaks.
    #[serde(serialize_with = "version")]
    #[schemars(with = "String")]
    pub soap: Soap,
    /// How it lays messages out, unless an operation says otherwise.
    pub style: Style,
}

/// How messages are laid out (WSDL 1.1 §3.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// The body holds an element that a schema describes.
    #[default]
    Document,
    /// The body holds an element by the operation's name, with the parts of the message in it.
    Rpc,
}

impl Style {
    fn of(written: Option<&str>) -> Option<Self> {
        match written? {
            "rpc" => Some(Self::Rpc),
            "document" => Some(Self::Document),
            _ => None,
        }
    }

    /// Its name in a WSDL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Rpc => "rpc",
        }
    }
}

/// Something that can be called.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// What the WSDL says it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The ports that offer it.
    pub ports: Vec<String>,
    /// The versions of SOAP that it can be called in.
    #[serde(serialize_with = "versions")]
    #[schemars(with = "Vec<String>")]
    pub soap: Vec<Soap>,
    /// The SOAP action; may be empty.
    pub action: String,
    /// How its messages are laid out.
    pub style: Style,
    /// Whether values carry their types with them (`use="encoded"`).
    pub encoded: bool,
    /// The element of the body.
    pub element: String,
    /// The namespace of that element.
    pub namespace: String,
    /// Headers that it wants to be sent, which tieout does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Its parameters, in the order in which they are sent.
    pub parameters: Vec<Element>,
    /// What it answers.
    pub answers: Answers,
    /// Whether the WSDL describes its parameters.
    #[serde(skip)]
    is_known: bool,
    /// Whether anything may be sent beside them.
    #[serde(skip)]
    pub(super) is_open: bool,
}

impl Operation {
    /// Whether it is the same operation, by another port.
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.action == other.action
            && (self.style, self.encoded) == (other.style, other.encoded)
            && (&self.element, &self.namespace) == (&other.element, &other.namespace)
            && self.parameters == other.parameters
    }

    /// The parameters that hold values, each with its path as `-p` takes it.
    #[must_use]
    pub fn leaves(&self) -> Vec<(String, &Element)> {
        element::leaves(&self.parameters)
    }

    /// Whether the WSDL describes the parameters; where it does not, nothing can be checked.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.is_known
    }

    /// A `[platform.request]` to start from.
    #[must_use]
    pub fn suggestion(&self) -> String {
        suggestion::request(self)
    }

    /// What the operation needs, and tieout does not offer.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        suggestion::missing(self)
    }

    /// What the operation needs that a `[platform.request]` cannot say, or that tieout does not offer at all.
    #[must_use]
    pub fn beyond(&self) -> Vec<String> {
        suggestion::beyond(self)
    }
}

fn version<S: Serializer>(soap: &Soap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(soap.name())
}

fn versions<S: Serializer>(soap: &[Soap], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(soap.iter().map(|soap| soap.name()))
}

impl Wsdl {
    /// Reads a WSDL with all that it imports. From an address, only that address's host is asked; it is told who we
    /// are where it is the host of the endpoint in `settings`, whose relative files are below the path beside them.
    ///
    /// # Errors
    /// [`Kind::Configuration`] for a file, [`Kind::Platform`] for an address that holds no WSDL, or one without a
    /// binding to SOAP; [`Kind::SignIn`] where the service refuses who we are, [`Kind::Busy`] where it may not be asked.
    pub fn read(
        source: &Source,
        settings: Option<(&Settings, &Path)>,
        allowance: &dyn Allowance,
    ) -> Result<Self> {
        match source {
            Source::File(_) => Self::of(source, &mut |source, most| match source {
                Source::File(path) => documents::read_file(path, most),
                Source::Url(_) => Err(Fault::new(Kind::Bug, "a WSDL in a file asked for an address")),
            }),
            Source::Url(url) => {
                let own = settings.filter(|(settings, _)| settings.is_at(url));
                let stranger = Settings::stranger(url, settings.map(|(settings, _)| settings));
                let (settings, base) =
                    own.unwrap_or((&stranger, settings.map_or(Path::new(""), |(_, base)| base)));
                let platform = Platform::new(settings, base)?;
                Self::over(&mut Connection::new(&platform, "", allowance)?, &platform, source)
            }
        }
    }

    /// Reads a WSDL with all that it imports over a connection to the host that it is at.
    pub(super) fn over(
        connection: &mut Connection<'_>,
        platform: &Platform,
        source: &Source,
    ) -> Result<Self> {
        Self::of(source, &mut |source, most| match source {
            Source::Url(url) => connection.get(&Call::get(url.clone(), platform.correlation()), most),
            Source::File(_) => Err(Fault::new(Kind::Bug, "a WSDL at an address asked for a file")),
        })
    }

    /// Reads a WSDL with all that it imports; `fetch` gives the bytes of a document, of which there may be so many.
    fn of(source: &Source, fetch: &mut dyn FnMut(&Source, u64) -> Result<Vec<u8>>) -> Result<Self> {
        let documents = documents::read(source, fetch)?;
        let mut is_any = false;
        documents.parts.iter().for_each(|part| documents::definitions(&part.node, &mut |_| is_any = true));
        if let (false, Some(part)) = (is_any, documents.parts.first()) {
            let name = &part.node.name;
            let space = if name.namespace.is_empty() { "no namespace" } else { &*name.namespace };
            return Err(documents::no_wsdl(source, &format!("it is <{}> of {space}", name.local)));
        }
        let service::Bound { ports, operations, others, notes } = service::read(&documents.parts);
        if ports.is_empty() {
            let found = match others {
                0 => "no binding at all".to_owned(),
                1 => "a binding to something else".to_owned(),
                _ => format!("{others} bindings to something else"),
            };
            let fault = Fault::new(source.blame(), "the WSDL has no SOAP binding").at(source).value(found);
            let next = "ask for the WSDL of the SOAP service itself, at its address with ?WSDL behind it";
            return Err(match documents.notes.first() {
                Some(note) => fault.next(format!("{next}; {note}")),
                None => fault.next(next),
            });
        }
        let notes = documents.notes.into_iter().chain(notes).collect();
        Ok(Self { source: source.to_string(), ports, operations, notes })
    }

    /// The operation `name`.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is none, with the nearest name.
    pub fn operation(&self, name: &str) -> Result<&Operation> {
        if let Some(operation) = self.operations.iter().find(|operation| operation.name == name) {
            return Ok(operation);
        }
        let names: Vec<&str> = self.operations.iter().map(|operation| operation.name.as_str()).collect();
        let fault = Fault::new(Kind::Usage, "the service has no such operation").at(&self.source).value(name);
        Err(match nearest(name, names.iter().copied()) {
            Some(near) => fault.next(format!("did you mean {near}?")),
            None if names.len() > 12 => fault.next("tieout platform operations lists all that there are"),
            None => fault.expected(names.join(", ")),
        })
    }

    /// What `settings` say that the WSDL does not: an operation or parameters that are not there, another namespace or
    /// version of SOAP. None of it need be wrong, since services do more than they tell; all of it is worth a look.
    #[must_use]
    pub fn misfits(&self, settings: &Settings) -> Vec<String> {
        let request = &settings.request;
        let mut misfits = Vec::new();
        let by_element = self.operations.iter().find(|operation| operation.element == request.operation);
        let operation = match (self.operation(&request.operation), by_element) {
            (Ok(operation), _) | (Err(_), Some(operation)) => operation,
            (Err(fault), None) => {
                let names = self.operations.iter().map(|operation| operation.name.as_str());
                let near = nearest(&request.operation, names);
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                return vec![format!(
                    "[platform.request] operation = {:?}: {}{near}",
                    request.operation,
                    fault.what()
                )];
            }
        };
        for (key, ours, theirs) in [
            ("request] operation", &request.operation, &operation.element),
            ("] namespace", &settings.namespace, &operation.namespace),
        ] {
            if ours != theirs {
                let dot = if key.starts_with(']') { "" } else { "." };
                misfits.push(format!("[platform{dot}{key} = {ours:?}, but the WSDL says {theirs:?}"));
            }
        }
        if !operation.soap.contains(&settings.soap) {
            let offered: Vec<&str> = operation.soap.iter().map(|soap| soap.name()).collect();
            let offered = offered.join(" and ");
            misfits
                .push(format!("[platform] soap = {:?}, but the WSDL offers {offered}", settings.soap.name()));
        }
        if operation.is_known && !operation.is_open {
            let known: Vec<&str> = operation.parameters.iter().map(|known| known.name.as_str()).collect();
            for (name, _) in request.parameters.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
                let near = nearest(name, known.iter().copied());
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                misfits.push(format!(
                    "[platform.request] parameters.{name}: the operation has no such parameter{near}"
                ));
            }
        }
        misfits
    }
}
