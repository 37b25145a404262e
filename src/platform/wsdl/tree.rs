//! An XML document in memory, with namespaces resolved: for documents that are read back and forth, such as a WSDL.

use std::rc::Rc;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

/// Elements within elements.
const DEEPEST: usize = 100;
/// Bytes of one element's attributes.
const LONGEST_ATTRIBUTES_BYTES: usize = 64 << 10;
/// Prefixes that one element may declare.
const MOST_PREFIXES: usize = 256;
/// What the prefix `xml` stands for (Namespaces in XML 1.0 §3).
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// A namespace and a name in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::platform) struct Name {
    /// The namespace; empty where there is none.
    pub(in crate::platform) namespace: Rc<str>,
    /// The name without its prefix.
    pub(in crate::platform) local: Rc<str>,
}

/// An element, with all that is in it.
#[derive(Debug)]
pub(in crate::platform) struct Node {
    pub(in crate::platform) name: Name,
    pub(in crate::platform) attributes: Vec<(Name, String)>,
    pub(in crate::platform) children: Vec<Node>,
    /// The element's own texts, one after the other.
    pub(in crate::platform) text: String,
    /// What prefixes stand for here: names stand in attributes' values, too.
    scope: Rc<Scope>,
}

/// The prefixes that an element declares, inside those of the elements around it.
#[derive(Debug, Default)]
struct Scope {
    outer: Option<Rc<Scope>>,
    prefixes: Vec<(Box<str>, Rc<str>)>,
}

impl Scope {
    fn namespace(&self, prefix: &str) -> Option<Rc<str>> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let Some((_, namespace)) = here.prefixes.iter().find(|(known, _)| **known == *prefix) {
                return Some(namespace.clone());
            }
            scope = here.outer.as_deref();
        }
        match prefix {
            "" => Some("".into()),
            "xml" => Some(XML.into()),
            _ => None,
        }
    }

    /// A name as it is written, with a prefix or without. Prefixes that nobody declared stand for nothing.
    fn name(&self, written: &str) -> Name {
        let (prefix, local) = written.split_once(':').unwrap_or(("", written));
        Name { namespace: self.namespace(prefix).unwrap_or_default(), local: local.into() }
    }
}

impl Node {
    /// Whether this is the element `local` of `namespace`.
    pub(in crate::platform) fn is(&self, namespace: &str, local: &str) -> bool {
        *self.name.namespace == *namespace && *self.name.local == *local
    }

    /// The value of an attribute in no namespace.
    pub(in crate::platform) fn attribute(&self, local: &str) -> Option<&str> {
        self.attribute_in("", local)
    }

    /// The value of an attribute in `namespace`.
    pub(in crate::platform) fn attribute_in(&self, namespace: &str, local: &str) -> Option<&str> {
        let is = |name: &Name| *name.namespace == *namespace && *name.local == *local;
        self.attributes.iter().find(|(name, _)| is(name)).map(|(_, value)| value.as_str())
    }

    /// The name that an attribute's value is (a QName: XML Schema Part 2 §3.2.18).
    pub(in crate::platform) fn qualified(&self, attribute: &str) -> Option<Name> {
        self.attribute(attribute).map(|written| self.resolve(written))
    }

    /// `written` as a name, by the prefixes known here.
    pub(in crate::platform) fn resolve(&self, written: &str) -> Name {
        self.scope.name(written.trim())
    }

    /// The children `local` of `namespace`.
    pub(in crate::platform) fn all<'n>(
        &'n self,
        namespace: &'n str,
        local: &'n str,
    ) -> impl Iterator<Item = &'n Self> + use<'n> {
        self.children.iter().filter(move |child| child.is(namespace, local))
    }

    /// The first child `local` of `namespace`.
    pub(in crate::platform) fn first<'n>(&'n self, namespace: &'n str, local: &'n str) -> Option<&'n Self> {
        self.all(namespace, local).next()
    }
}

/// Reads a document.
///
/// # Errors
/// Why it cannot be read, as what may follow a name and a colon.
pub(in crate::platform) fn parse(text: &str) -> Result<Node, String> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    // What is open, the outermost first.
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("not well-formed XML, at byte {}: {error}", reader.error_position()))?;
        match event {
            Event::Start(start) => {
                let node = node(&start, open.last())?;
                if root.is_some() {
                    return Err("something follows the end of the document".to_owned());
                }
                if open.len() >= DEEPEST {
                    return Err(format!("elements nest more than {DEEPEST} deep"));
                }
                open.push(node);
            }
            Event::Empty(start) => {
                let node = node(&start, open.last())?;
                if root.is_some() {
                    return Err("something follows the end of the document".to_owned());
                }
                close(node, &mut open, &mut root);
            }
            Event::End(_) => {
                if let Some(node) = open.pop() {
                    close(node, &mut open, &mut root);
                }
            }
            Event::Text(text) => add(&text.xml10_content(), &mut open)?,
            Event::CData(text) => add(&text.xml10_content(), &mut open)?,
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                match (character, resolve_predefined_entity(&reference)) {
                    (Some(c), _) => add(c.encode_utf8(&mut [0; 4]), &mut open)?,
                    (None, Some(text)) => add(text, &mut open)?,
                    (None, None) => return Err("it uses an entity that XML does not define".to_owned()),
                }
            }
            Event::DocType(_) => return Err("it has a DOCTYPE, which tieout does not read".to_owned()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err("it is cut off".to_owned());
    }
    root.ok_or_else(|| "there is no XML in it".to_owned())
}

fn close(node: Node, open: &mut [Node], root: &mut Option<Node>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None => *root = Some(node),
    }
}

fn add(text: &str, open: &mut [Node]) -> Result<(), String> {
    match open.last_mut() {
        Some(node) => node.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("there is text outside of all elements".to_owned()),
    }
    Ok(())
}

fn node(start: &BytesStart<'_>, parent: Option<&Node>) -> Result<Node, String> {
    if start.attributes_raw().len() > LONGEST_ATTRIBUTES_BYTES {
        return Err(format!("the attributes of one element have more than {LONGEST_ATTRIBUTES_BYTES} bytes"));
    }
    let outer = parent.map(|parent| parent.scope.clone()).unwrap_or_default();
    let mut prefixes = Vec::new();
    let mut written = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let key = attribute.key.0;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
        match key.strip_prefix("xmlns:").or_else(|| (key == "xmlns").then_some("")) {
            Some(prefix) => prefixes.push((prefix.into(), Rc::from(value.as_ref()))),
            None => written.push((key.to_owned(), value.into_owned())),
        }
    }
    if prefixes.len() > MOST_PREFIXES {
        return Err(format!("one element declares more than {MOST_PREFIXES} prefixes"));
    }
    let scope = if prefixes.is_empty() { outer } else { Rc::new(Scope { outer: Some(outer), prefixes }) };
    let attributes = written
        .into_iter()
        .map(|(key, value)| {
            // An attribute without a prefix is in no namespace, whatever the default (Namespaces in XML 1.0 §6.2).
            let name = match key.contains(':') {
                true => scope.name(&key),
                false => Name { namespace: "".into(), local: key.into() },
            };
            (name, value)
        })
        .collect();
    let name = scope.name(start.name().0);
    Ok(Node { name, attributes, children: Vec::new(), text: String::new(), scope })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn names_are_resolved_where_they_stand() {
        let root = parse(
            "<?xml version='1.0'?><a xmlns='urn:a' xmlns:p='urn:p' p:x='1' x='2' type='p:T'>t&amp;<p:b xmlns:p='urn:q' type='p:T'/>\
             <c xmlns='' type='d'><![CDATA[<]]></c></a>",
        )
        .unwrap();
        assert!(root.is("urn:a", "a"));
        assert_eq!((root.attribute("x"), root.attribute_in("urn:p", "x")), (Some("2"), Some("1")));
        assert_eq!(&*root.qualified("type").unwrap().namespace, "urn:p");
        assert_eq!(root.text, "t&");
        let [b, c] = &root.children[..] else { unreachable!() };
        assert!(b.is("urn:q", "b") && c.is("", "c"));
        assert_eq!(&*b.qualified("type").unwrap().namespace, "urn:q");
        assert_eq!((c.text.as_str(), &*c.qualified("type").unwrap().namespace), ("<", ""));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(101);
        for (text, why) in [
            ("", "no XML"),
            ("hello", "outside of all elements"),
            ("<a>", "cut off"),
            ("<a></b>", "not well-formed"),
            ("<a/><b/>", "follows the end"),
            ("<a/><b></b>", "follows the end"),
            ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "DOCTYPE"),
            ("<a>&x;</a>", "entity"),
            (&deep, "deep"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
