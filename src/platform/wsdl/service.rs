//! Services, ports, bindings and operations (WSDL 1.1 §2), as far as they are bound to SOAP.

use std::collections::HashMap;

use super::documents::{Part, definitions};
use super::element::{Element, UNKNOWN};
use super::schema::Schemas;
use super::tree::{Name, Node};
use super::{Answers, Operation, Port, SOAP11, SOAP12, Style, WSDL, answers};
use crate::fault::shown;
use crate::platform::request::is_name;
use crate::platform::settings::Soap;

/// Operations that are read; the largest services have a few hundred.
const MOST_OPERATIONS: usize = 2_000;

/// Everything that has a name in the WSDL's own namespace.
#[derive(Default)]
struct Index<'d> {
    messages: HashMap<Name, &'d Node>,
    port_types: HashMap<Name, &'d Node>,
    bindings: Vec<(Name, &'d Node)>,
    services: Vec<&'d Node>,
}

impl<'d> Index<'d> {
    fn new(parts: &'d [Part]) -> Self {
        let mut index = Self::default();
        for part in parts {
            definitions(&part.node, &mut |definitions: &'d Node| {
                let namespace = definitions.attribute("targetNamespace").unwrap_or_default();
                for child in definitions.children.iter().filter(|child| *child.name.namespace == *WSDL) {
                    let local = child.attribute("name").unwrap_or_default();
                    let name = Name { namespace: namespace.into(), local: local.into() };
                    match &*child.name.local {
                        "message" => _ = index.messages.entry(name).or_insert(child),
                        "portType" => _ = index.port_types.entry(name).or_insert(child),
                        "binding" => index.bindings.push((name, child)),
                        "service" => index.services.push(child),
                        _ => {}
                    }
                }
            });
        }
        index
    }
}

/// What `name` names; where its namespace is wrong (they often are), what bears the name at all.
fn find<'d>(table: &HashMap<Name, &'d Node>, name: &Name) -> Option<&'d Node> {
    table.get(name).copied().or_else(|| {
        let mut others = table.iter().filter(|(known, _)| known.local == name.local);
        others.next().map(|(_, node)| *node).filter(|_| others.next().is_none())
    })
}

/// What is said of SOAP in a WSDL.
pub(super) struct Bound {
    pub(super) ports: Vec<Port>,
    pub(super) operations: Vec<Operation>,
    /// How many bindings there are to other things than SOAP.
    pub(super) others: usize,
    /// What was passed over.
    pub(super) notes: Vec<String>,
}

/// Reads all bindings to SOAP.
pub(super) fn read(parts: &[Part]) -> Bound {
    let index = Index::new(parts);
    let schemas = Schemas::new(parts);
    let mut bound = Bound { ports: Vec::new(), operations: Vec::new(), others: 0, notes: Vec::new() };
    for (name, node) in &index.bindings {
        let Some((soap, binding)) = soap_binding(node) else {
            bound.others += 1;
            continue;
        };
        let style = Style::of(binding.attribute("style")).unwrap_or_default();
        let ports = ports(&index, name, soap, style);
        let port_type = node.qualified("type").and_then(|name| find(&index.port_types, &name));
        for operation in node.all(WSDL, "operation").take(MOST_OPERATIONS) {
            let reader = Reader { index: &index, schemas: &schemas, port_type, binding_style: style };
            let Some(read) = reader.operation(operation, soap) else { continue };
            let names = read.parameters.iter().map(|parameter| parameter.name.trim_start_matches('@'));
            if !names.chain([read.element.as_str()]).all(|name| name == "*" || is_name(name)) {
                bound.notes.push(format!(
                    "{} has names that XML does not know: it cannot be called",
                    shown(&read.name)
                ));
                continue;
            }
            let names = ports.iter().map(|port| port.name.clone());
            if let Some(known) = bound.operations.iter_mut().find(|known| known.is_same(&read)) {
                known.ports.extend(names);
                if !known.soap.contains(&soap) {
                    known.soap.push(soap);
                }
            } else if bound.operations.len() < MOST_OPERATIONS {
                bound.operations.push(Operation { ports: names.collect(), ..read });
            }
        }
        bound.ports.extend(ports);
    }
    bound
}

fn soap_binding(binding: &Node) -> Option<(Soap, &Node)> {
    [(SOAP11, Soap::V11), (SOAP12, Soap::V12)]
        .into_iter()
        .find_map(|(namespace, soap)| binding.first(namespace, "binding").map(|node| (soap, node)))
}

/// The ports of a binding; the binding itself where no service has one.
fn ports(index: &Index<'_>, name: &Name, soap: Soap, style: Style) -> Vec<Port> {
    let mut found = Vec::new();
    for service in &index.services {
        for port in service.all(WSDL, "port") {
            let Some(binding) = port.qualified("binding") else { continue };
            if binding.local != name.local
                || (binding.namespace != name.namespace && !binding.namespace.is_empty())
            {
                continue;
            }
            let address = port.children.iter().find(|child| *child.name.local == *"address");
            let address =
                address.and_then(|address| address.attribute("location")).filter(|at| !at.is_empty());
            found.push(Port {
                service: service.attribute("name").map(str::to_owned),
                name: port.attribute("name").unwrap_or_default().to_owned(),
                address: address.map(str::to_owned),
                soap,
                style,
            });
        }
    }
    if found.is_empty() {
        found.push(Port { service: None, name: name.local.to_string(), address: None, soap, style });
    }
    found
}

/// Reads the operations of one binding.
struct Reader<'s, 'd> {
    index: &'s Index<'d>,
    schemas: &'s Schemas<'d>,
    port_type: Option<&'d Node>,
    binding_style: Style,
}

impl<'d> Reader<'_, 'd> {
    fn operation(&self, bound: &'d Node, soap: Soap) -> Option<Operation> {
        let name = bound.attribute("name")?;
        let namespace = if soap == Soap::V11 { SOAP11 } else { SOAP12 };
        let detail = bound.first(namespace, "operation");
        let style =
            detail.and_then(|detail| Style::of(detail.attribute("style"))).unwrap_or(self.binding_style);
        let action = detail.and_then(|detail| detail.attribute("soapAction")).unwrap_or_default();
        let input_name = bound.first(WSDL, "input").and_then(|input| input.attribute("name"));
        let described = self.described(name, input_name);

        let side = |which: &'static str| {
            let bound = bound.first(WSDL, which);
            let message = described.and_then(|described| described.first(WSDL, which));
            let message = message.and_then(|side| side.qualified("message"));
            let message = message.and_then(|name| find(&self.index.messages, &name));
            (bound, message)
        };
        let (bound_input, input) = side("input");
        let (bound_output, output) = side("output");
        let body = bound_input.and_then(|input| input.first(namespace, "body"));
        let request = self.message(name, style, namespace, bound_input, input);
        let answer = self.message(name, style, namespace, bound_output, output);
        let headers = bound_input.map(|input| self.headers(input, namespace)).unwrap_or_default();
        let about = described.and_then(|described| described.first(WSDL, "documentation"));
        let words = about.map(text_of).unwrap_or_default();
        Some(Operation {
            name: name.to_owned(),
            about: words.split_whitespace().collect::<Vec<_>>().join(" "),
            ports: Vec::new(),
            soap: vec![soap],
            action: action.to_owned(),
            style,
            encoded: body.and_then(|body| body.attribute("use")) == Some("encoded"),
            is_known: !request.is_unknown(),
            element: request.name,
            namespace: request.namespace,
            headers,
            parameters: request.elements,
            is_open: request.kind == "any",
            answers: match described {
                // Nobody answers a message that goes one way (WSDL 1.1 §2.4.1).
                Some(described) if described.first(WSDL, "output").is_none() => Answers::Nothing,
                _ => answers::shape(&answer),
            },
        })
    }

    /// The operation in the port type; of several by one name, the one with the input that the binding names (WSDL 1.1 §2.5).
    fn described(&self, name: &str, input: Option<&str>) -> Option<&'d Node> {
        let same =
            || self.port_type?.all(WSDL, "operation").find(|known| known.attribute("name") == Some(name));
        let mut known = self.port_type?.all(WSDL, "operation");
        let by_input = known.find(|known| {
            let its = known.first(WSDL, "input").and_then(|input| input.attribute("name"));
            known.attribute("name") == Some(name) && input.is_some() && its == input
        });
        by_input.or_else(same)
    }

    /// The element that a message is in the body, with what stands in it.
    fn message(
        &self,
        operation: &str,
        style: Style,
        soap: &str,
        bound: Option<&'d Node>,
        message: Option<&'d Node>,
    ) -> Element {
        let body = bound.and_then(|bound| bound.first(soap, "body").or_else(|| in_multipart(bound, soap)));
        let in_header: Vec<&str> = bound
            .map(|bound| bound.all(soap, "header").filter_map(|header| header.attribute("part")).collect())
            .unwrap_or_default();
        let listed = body.and_then(|body| body.attribute("parts"));
        let is_in_body = |part: &&'d Node| {
            let name = part.attribute("name").unwrap_or_default();
            match listed {
                Some(listed) => listed.split_whitespace().any(|known| known == name),
                None => !in_header.contains(&name),
            }
        };
        let parts: Vec<&Node> =
            message.map(|message| message.all(WSDL, "part").filter(is_in_body).collect()).unwrap_or_default();
        let wrapper = |namespace: &str| Element {
            name: operation.to_owned(),
            namespace: namespace.to_owned(),
            kind: if message.is_some() { String::new() } else { UNKNOWN.to_owned() },
            ..Element::default()
        };
        match style {
            Style::Rpc => {
                let namespace = body.and_then(|body| body.attribute("namespace")).unwrap_or_default();
                let elements = parts.iter().map(|part| self.part(part)).collect();
                Element { elements, ..wrapper(namespace) }
            }
            Style::Document => match parts.first() {
                None => wrapper(""),
                Some(part) => match part.qualified("element") {
                    Some(name) => self.schemas.element(&name).unwrap_or_else(|| Element {
                        name: name.local.to_string(),
                        namespace: name.namespace.to_string(),
                        kind: UNKNOWN.to_owned(),
                        ..Element::default()
                    }),
                    // The type is that of the body itself (WSDL 1.1 §3.5): what is in it stands there.
                    None => Element { elements: self.part(part).elements, ..wrapper("") },
                },
            },
        }
    }

    fn part(&self, part: &Node) -> Element {
        let name = part.attribute("name").unwrap_or_default();
        match (part.qualified("type"), part.qualified("element")) {
            (Some(kind), _) => self.schemas.part(name, &kind),
            (None, Some(element)) => self.schemas.element(&element).unwrap_or_else(|| Element {
                name: element.local.to_string(),
                namespace: element.namespace.to_string(),
                kind: UNKNOWN.to_owned(),
                ..Element::default()
            }),
            (None, None) => Element { name: name.to_owned(), kind: UNKNOWN.to_owned(), ..Element::default() },
        }
    }

    /// The names of the headers that the input has.
    fn headers(&self, input: &Node, soap: &str) -> Vec<String> {
        let mut names = Vec::new();
        for header in input.all(soap, "header") {
            let part = header.attribute("part").unwrap_or_default();
            let message = header.qualified("message").and_then(|name| find(&self.index.messages, &name));
            let element = message
                .and_then(|message| {
                    message.all(WSDL, "part").find(|known| known.attribute("name") == Some(part))
                })
                .and_then(|part| part.qualified("element"));
            names.push(element.map_or_else(|| part.to_owned(), |element| element.local.to_string()));
        }
        names
    }
}

/// The body in a MIME binding (WSDL 1.1 §5): services that may answer with attachments wrap it.
fn in_multipart<'d>(bound: &'d Node, soap: &str) -> Option<&'d Node> {
    bound
        .children
        .iter()
        .flat_map(|related| &related.children)
        .find_map(|part| part.children.iter().find(|body| body.is(soap, "body")))
}

fn text_of(node: &Node) -> String {
    let inner: String = node.children.iter().map(text_of).collect();
    format!("{} {inner}", node.text)
}
