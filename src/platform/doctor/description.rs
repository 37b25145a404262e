//! What a WSDL (1.1) says of the configured operation: enough to hold the configuration against it.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;

use crate::fault::{Fault, Kind, Result, nearest};
use crate::platform::Platform;
use crate::platform::settings::Soap;

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP_11: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";

/// A WSDL, as far as a call depends on it.
#[derive(Debug, Default)]
pub(super) struct Description {
    /// Every target namespace: that of the WSDL, and those of its schemas.
    namespaces: Vec<String>,
    /// The operations of all port types, each once.
    operations: Vec<String>,
    /// What a binding says: SOAP version, operation, SOAP action.
    bound: Vec<(Soap, String, String)>,
    /// Parts of it are elsewhere.
    has_imports: bool,
}

impl Description {
    /// Reads a WSDL; `None` where the text is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut description = Self::default();
        // The local names of the open elements, with `name` of each.
        let mut open: Vec<(String, String)> = Vec::new();
        let mut soap = None;
        loop {
            let (space, event) = reader.read_resolved_event().ok()?;
            let space = match space {
                ResolveResult::Bound(Namespace(space)) => space.to_owned(),
                _ => String::new(),
            };
            match event {
                Event::Start(start) => {
                    let local = start.local_name().into_inner().to_owned();
                    if open.is_empty() && (local != "definitions" || space != WSDL) {
                        return None;
                    }
                    description.take(&mut soap, &open, &local, &space, &start);
                    open.push((local, attribute(&start, "name").unwrap_or_default()));
                }
                Event::End(_) => {
                    open.pop();
                    // A binding ends where the document's own level begins again.
                    soap = soap.filter(|_| open.len() > 1);
                }
                Event::Eof => {
                    return (open.is_empty() && !description.namespaces.is_empty()).then_some(description);
                }
                _ => {}
            }
        }
    }

    fn take(
        &mut self,
        soap: &mut Option<Soap>,
        open: &[(String, String)],
        local: &str,
        space: &str,
        start: &BytesStart<'_>,
    ) {
        let parents: Vec<&str> = open.iter().map(|(local, _)| local.as_str()).collect();
        match (parents.as_slice(), local) {
            ([], "definitions") | ([_, "types"], "schema") => {
                self.namespaces.extend(attribute(start, "targetNamespace"));
            }
            ([_], "import") => self.has_imports = true,
            // A schema elsewhere may hold the elements of the calls.
            ([_, "types", "schema"], "import") => self.namespaces.extend(attribute(start, "namespace")),
            ([_, "portType"], "operation") => {
                let name = attribute(start, "name").unwrap_or_default();
                if !self.operations.contains(&name) {
                    self.operations.push(name);
                }
            }
            ([_, "binding"], "binding") => {
                *soap = match space {
                    SOAP_11 => Some(Soap::V11),
                    SOAP_12 => Some(Soap::V12),
                    _ => None,
                };
            }
            ([_, "binding", "operation"], "operation") => {
                if let (Some(soap), Some((_, name))) = (*soap, open.last()) {
                    let action = attribute(start, "soapAction").unwrap_or_default();
                    self.bound.push((soap, name.clone(), action));
                }
            }
            _ => {}
        }
    }

    /// Holds the configuration against it.
    ///
    /// # Errors
    /// [`Kind::Configuration`], naming the key of `[platform]` that does not fit.
    pub(super) fn check(&self, platform: &Platform) -> Result<String> {
        let fault =
            |key: &str, what: &str| Fault::new(Kind::Configuration, what).at(format!("[platform{key}"));
        let operation = platform.operation();
        if self.operations.is_empty() && self.has_imports {
            return Ok("a WSDL whose operations stand in other documents that it imports; they are not looked into here".to_owned());
        }
        if !self.operations.iter().any(|known| known == operation) {
            let fault = fault(".request] operation", "the WSDL has no such operation")
                .value(operation)
                .expected(listed(&self.operations));
            return Err(match nearest(operation, self.operations.iter().map(String::as_str)) {
                Some(near) => fault.next(format!("did you mean {near}?")),
                None => fault.next("name an operation of this service, or correct [platform] endpoint"),
            });
        }
        if !self.namespaces.contains(&platform.namespace) {
            let mut known = self.namespaces.clone();
            known.dedup();
            return Err(fault("] namespace", "this is not the namespace of the service")
                .value(&platform.namespace)
                .expected(listed(&known))
                .next("copy it from the WSDL, to the last slash"));
        }
        let bound = |soap: Soap| {
            self.bound
                .iter()
                .find(|(version, name, _)| *version == soap && name == operation)
                .map(|(_, _, action)| action)
        };
        let speaks: Vec<&str> =
            [Soap::V11, Soap::V12].into_iter().filter(|soap| bound(*soap).is_some()).map(version).collect();
        match bound(platform.soap) {
            None if !speaks.is_empty() => {
                return Err(fault(
                    "] soap",
                    "the WSDL has no binding of the operation for this version of SOAP",
                )
                .value(version(platform.soap))
                .expected(speaks.join(" or "))
                .next("set [platform] soap to what the service speaks"));
            }
            Some(action) if *action != platform.action && !action.is_empty() => {
                return Err(fault(
                    ".request] action",
                    "the WSDL names another SOAP action for the operation",
                )
                .value(&platform.action)
                .expected(action)
                .next("set [platform.request] action to what the WSDL says"));
            }
            _ => {}
        }
        let by = if speaks.is_empty() { String::new() } else { format!(" (SOAP {})", speaks.join(" and ")) };
        Ok(format!(
            "a WSDL with {} operations, among them {operation}{by}; namespace and action agree",
            self.operations.len()
        ))
    }
}

/// As many names as a message holds.
fn listed(names: &[String]) -> String {
    const MOST: usize = 12;
    let shown = names.iter().take(MOST).map(|name| crate::fault::shown(name)).collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{shown}, …") } else { shown }
}

const fn version(soap: Soap) -> &'static str {
    match soap {
        Soap::V11 => "1.1",
        Soap::V12 => "1.2",
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = start.try_get_attribute(name).ok()??;
    attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
}
