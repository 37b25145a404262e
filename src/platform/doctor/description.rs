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
        // Open elements around the definitions: WS-MetadataExchange has some.
        let mut around = 0_u32;
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
                        around += 1;
                        continue;
                    }
                    description.take(&mut soap, &open, &local, &space, &start);
                    open.push((local, attribute(&start, "name").unwrap_or_default()));
                }
                Event::End(_) => {
                    if open.pop().is_none() {
                        around = around.saturating_sub(1);
                    }
                    // A binding ends where the document's own level begins again.
                    soap = soap.filter(|_| open.len() > 1);
                }
                Event::Eof => {
                    return (around == 0 && open.is_empty() && !description.namespaces.is_empty())
                        .then_some(description);
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::path::PathBuf;

    use super::*;

    #[expect(clippy::print_stderr, reason = "whoever runs the tests should know what was skipped")]
    fn shared() -> Option<PathBuf> {
        let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
        let found = std::env::var_os("TIEOUT_SHARED").map_or(beside, PathBuf::from);
        if !found.is_dir() {
            eprintln!("skipped: {} does not exist", found.display());
            return None;
        }
        Some(found)
    }

    fn platform(keys: &str, operation: &str) -> Platform {
        let settings = toml::from_str(&format!(
            "endpoint = \"http://localhost/\"\nauth = \"none\"\n{keys}\n[request]\noperation = \"{operation}\"\nrecords = \"R\""
        ));
        Platform::new(&settings.unwrap(), std::path::Path::new("")).unwrap()
    }

    const SMALL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap12/" targetNamespace="urn:w">
        <types><x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"/></types>
        <portType name="P"><operation name="Get"/></portType>
        <binding name="B" type="P"><s:binding transport="t"/><operation name="Get"><s:operation soapAction="urn:act"/></operation></binding>
        </definitions>"#;

    #[test]
    fn the_configuration_is_held_against_the_wsdl() {
        let description = Description::read(SMALL).unwrap();
        let check = |keys, operation| {
            description.check(&platform(keys, operation)).map_err(|fault| fault.to_string())
        };
        for (keys, operation, expected) in [
            ("namespace = \"urn:t\"", "Gett", "did you mean Get?"),
            ("namespace = \"urn:other\"", "Get", "expected: urn:w, urn:t"),
            (
                "namespace = \"urn:t\"",
                "Get",
                "no binding of the operation for this version of SOAP\n  found: 1.1\n  expected: 1.2",
            ),
            (
                "namespace = \"urn:t\"\nsoap = \"1.2\"",
                "Get",
                "another SOAP action for the operation\n  found: urn:t/Get\n  expected: urn:act",
            ),
        ] {
            let fault = check(keys, operation).unwrap_err();
            assert!(fault.contains(expected), "{fault}");
        }
        for other in [
            "",
            "<html/>",
            "<definitions/>",
            "plain",
            "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'",
            &SMALL.replace("</definitions>", ""),
        ] {
            assert!(Description::read(other).is_none(), "{other}");
        }
        let parts = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="u"><import location="?wsdl=wsdl0"/></definitions>"#;
        let said = Description::read(parts).unwrap().check(&platform("namespace = \"u\"", "Get")).unwrap();
        assert!(said.contains("in other documents"), "{said}");
    }

    #[test]
    fn the_wsdls_of_real_services_are_read() {
        let Some(shared) = shared() else { return };
        let mut read = 0;
        for folder in ["data/wsdl", "platform"] {
            for entry in std::fs::read_dir(shared.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                if !text.contains("definitions") {
                    continue;
                }
                let Some(description) = Description::read(text.trim_start_matches('\u{feff}')) else {
                    assert_ne!(path.extension().unwrap(), "wsdl", "{}", path.display());
                    continue;
                };
                read += 1;
                let says = !description.operations.is_empty() || description.has_imports;
                assert!(says || text.contains("message"), "{}", path.display());
            }
        }
        assert!(read > 5, "{read} were read");
    }
}
