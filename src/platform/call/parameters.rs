//! The parameters of a call, as somebody gives them: held against what the WSDL says, and written as XML.

use std::borrow::Cow;

use super::INSTANCE;
use crate::fault::{Fault, Kind, Result, nearest};
use crate::platform::envelope;
use crate::platform::request::Trail;
use crate::platform::wsdl::Operation;
use crate::platform::wsdl::element::{Element, leaves};
use crate::platform::wsdl::tree;

/// Checks that every parameter exists.
pub(super) fn check_names(operation: &Operation, parameters: &[(String, String)]) -> Result<()> {
    fn exists(elements: &[Element], path: &str) -> bool {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        elements
            .iter()
            .filter(|element| element.name == first && first != "*")
            .any(|element| rest.is_empty() || exists(&element.elements, rest))
    }
    for (path, _) in parameters {
        if operation.is_open && !path.contains('/') || exists(&operation.parameters, path) {
            continue;
        }
        let known: Vec<String> = leaves(&operation.parameters).into_iter().map(|(path, _)| path).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).filter(|path| !path.ends_with('*')).collect();
        let fault =
            Fault::new(Kind::Usage, format!("{} has no such parameter", operation.name)).at("-p").value(path);
        return Err(match nearest(path, known.iter().copied()) {
            Some(near) => fault.next(format!("did you mean {near}?")),
            None if known.is_empty() => fault.next("leave it out: the operation has none"),
            None => fault.expected(known.join(", ")),
        });
    }
    Ok(())
}

/// Writes parameters as XML.
pub(super) struct Writer {
    pub(super) out: String,
    encoded: bool,
}

impl Writer {
    pub(super) const fn new(encoded: bool) -> Self {
        Self { out: String::new(), encoded }
    }

    /// Writes the values that are given for `elements`, in the order of the elements, below the path `above`;
    /// the default namespace is `around` there.
    pub(super) fn all(
        &mut self,
        elements: &[Element],
        above: &str,
        given: &[(String, String)],
        around: &str,
    ) -> Result<()> {
        for element in elements.iter().filter(|element| !element.is_attribute() && element.name != "*") {
            let path = format!("{above}{}", element.name);
            let below = format!("{path}/");
            let own: Vec<&str> =
                given.iter().filter(|(given, _)| *given == path).map(|(_, value)| value.as_str()).collect();
            let is_nested = given.iter().any(|(given, _)| given.starts_with(&below));
            let fault = |what: String| Fault::new(Kind::Usage, what).at(format!("-p {path}"));
            match own.as_slice() {
                [] if is_nested => self.element(element, &below, None, given, around)?,
                [] if element.optional => {}
                [] if element.nillable => self.tag(element, " xsi:nil=\"true\"", "", around)?,
                [] => {
                    let inner = element.leaves();
                    let example = inner.first().map_or(path.clone(), |(inner, _)| format!("{below}{inner}"));
                    return Err(fault("this parameter is missing".to_owned())
                        .expected(element.words())
                        .next(format!("give it: -p {example}=…")));
                }
                [_, _, ..] if !element.list => {
                    return Err(fault("this parameter is given more than once, and is no list".to_owned()));
                }
                values => {
                    if element.inner().next().is_some() && !element.is_open() {
                        let inner: Vec<String> = element
                            .leaves()
                            .into_iter()
                            .take(5)
                            .map(|(inner, _)| format!("{below}{inner}"))
                            .collect();
                        return Err(fault("this parameter holds elements, no value of its own".to_owned())
                            .expected(format!("one or more of {}", inner.join(", "))));
                    }
                    for value in values {
                        element.check(value).map_err(|expected| {
                            fault(format!("this is no {}", element.kind)).value(value).expected(expected)
                        })?;
                        self.element(element, &below, Some(value), given, around)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes one element with its attributes, and its value or what is given below it.
    fn element(
        &mut self,
        element: &Element,
        below: &str,
        value: Option<&str>,
        given: &[(String, String)],
        around: &str,
    ) -> Result<()> {
        let mut attributes = String::new();
        for attribute in element.elements.iter().filter(|inner| inner.is_attribute()) {
            let path = format!("{below}{}", attribute.name);
            let fault = |what: &str| Fault::new(Kind::Usage, what).at(format!("-p {path}"));
            let Some((_, value)) = given.iter().find(|(given, _)| *given == path) else {
                if attribute.optional {
                    continue;
                }
                return Err(fault("this attribute is missing").expected(attribute.words()));
            };
            attribute.check(value).map_err(|expected| {
                fault("this is no value of the attribute").value(value).expected(expected)
            })?;
            let value = envelope::carried(value).map_err(|fault| fault.at(format!("-p {path}")))?;
            attributes.push_str(&format!(" {}=\"{value}\"", attribute.name.trim_start_matches('@')));
        }
        let inner = match value {
            Some(value) if element.is_open() && value.trim_start().starts_with('<') => {
                // Where anything may stand, XML stands as it is given.
                tree::parse(value).map_err(|why| {
                    Fault::new(Kind::Usage, format!("this is no XML: {why}"))
                        .at(format!("-p {}", below.trim_end_matches('/')))
                })?;
                Cow::Borrowed(value.trim())
            }
            Some(value) => envelope::carried(value)
                .map_err(|fault| fault.at(format!("-p {}", below.trim_end_matches('/'))))?,
            None => {
                let mut inner = Self::new(self.encoded);
                inner.all(&element.elements, below, given, &element.namespace)?;
                Cow::Owned(inner.out)
            }
        };
        if self.encoded && element.base.is_some() && element.values.is_empty() {
            attributes.push_str(&format!(" xmlns:xsi=\"{INSTANCE}\" xsi:type=\"xsd:{}\"", element.kind));
        }
        self.tag(element, &attributes, &inner, around)
    }

    fn tag(&mut self, element: &Element, attributes: &str, inner: &str, around: &str) -> Result<()> {
        let name = &element.name;
        let namespace = self::namespace(&element.namespace, around)?;
        let instance = if attributes.contains(" xsi:nil") {
            format!(" xmlns:xsi=\"{INSTANCE}\"")
        } else {
            String::new()
        };
        self.out.push_str(&match inner {
            "" => format!("<{name}{namespace}{instance}{attributes}/>"),
            inner => format!("<{name}{namespace}{instance}{attributes}>{inner}</{name}>"),
        });
        Ok(())
    }

    /// Writes what the WSDL leaves open: parameters by other names than those it has.
    pub(super) fn rest(&mut self, known: &[Element], given: &[(String, String)]) -> Result<()> {
        let rest: Vec<(String, String)> = given
            .iter()
            .filter(|(path, _)| !known.iter().any(|element| path.split('/').next() == Some(&element.name)))
            .cloned()
            .collect();
        self.unchecked(&rest, "", "")
    }

    /// Writes parameters of which nothing is known, in the order in which they are given.
    pub(super) fn unchecked(
        &mut self,
        given: &[(String, String)],
        namespace: &str,
        around: &str,
    ) -> Result<()> {
        let mut left = given;
        while let Some((path, value)) = left.first() {
            let at = || format!("-p {path}");
            let (name, rest) =
                path.split_once('/').map_or((path.as_str(), None), |(name, rest)| (name, Some(rest)));
            if Trail::try_from(name.to_owned()).is_err() {
                return Err(Fault::new(Kind::Usage, "this cannot be the name of a parameter")
                    .at(at())
                    .value(name));
            }
            let xmlns = self::namespace(namespace, around)?;
            if rest.is_none() {
                let value = envelope::carried(value).map_err(|fault| fault.at(at()))?;
                self.out.push_str(&format!("<{name}{xmlns}>{value}</{name}>"));
                left = left.get(1..).unwrap_or_default();
                continue;
            }
            // What follows below the same element stands in it.
            let inside = |path: &str| {
                path.split_once('/').filter(|(first, _)| *first == name).map(|(_, rest)| rest.to_owned())
            };
            let inner: Vec<(String, String)> =
                left.iter().map_while(|(path, value)| Some((inside(path)?, value.clone()))).collect();
            self.out.push_str(&format!("<{name}{xmlns}>"));
            self.unchecked(&inner, namespace, namespace)?;
            self.out.push_str(&format!("</{name}>"));
            left = left.get(inner.len()..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The declaration that an element in `namespace` needs inside of one in `around`.
fn namespace(namespace: &str, around: &str) -> Result<String> {
    if namespace == around {
        return Ok(String::new());
    }
    Ok(format!(" xmlns=\"{}\"", envelope::carried(namespace)?))
}
