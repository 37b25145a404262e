//! Namespaces, as far as an answer means something by them.

use quick_xml::events::BytesStart;
use quick_xml::name::PrefixDeclaration;

use super::limits::malformed;
use crate::fault::Result;

/// A namespace whose names mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// XML Schema instance: `nil`, `type`.
    Instance,
    /// XML Schema: the description of a `DataSet`.
    Schema,
    /// .NET's diffgrams: `id`, `hasChanges`, `before`.
    Diffgram,
    /// .NET's notes about data: `rowOrder`, `DateTimeMode`.
    Data,
    /// XOP (§2.1): `Include`, in the place of bytes that travel beside the envelope.
    Include,
    /// XML itself: `space`, `lang`.
    Xml,
    /// Anything else.
    Other,
}

impl Space {
    fn of(name: &str) -> Self {
        match name {
            "http://www.w3.org/2001/XMLSchema-instance" => Self::Instance,
            "http://www.w3.org/2001/XMLSchema" => Self::Schema,
            "urn:schemas-microsoft-com:xml-diffgram-v1" => Self::Diffgram,
            "urn:schemas-microsoft-com:xml-msdata" => Self::Data,
            "http://www.w3.org/2004/08/xop/include" => Self::Include,
            _ => Self::Other,
        }
    }
}

/// The prefixes that are declared where the parser stands.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    declared: Vec<Declared>,
}

#[derive(Debug)]
struct Declared {
    level: usize,
    /// Empty for the default namespace.
    prefix: Box<str>,
    space: Space,
}

impl Spaces {
    /// Takes in what the start tag on `level` declares; says whether it declares anything.
    pub(super) fn open(&mut self, level: usize, start: &BytesStart<'_>) -> Result<bool> {
        if !start.attributes_raw().contains("xmlns") {
            return Ok(false);
        }
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| malformed(error, "the answer"))?;
            let prefix = match attribute.key.as_namespace_binding() {
                Some(PrefixDeclaration::Default) => "",
                Some(PrefixDeclaration::Named(prefix)) => prefix,
                None => continue,
            };
            let space = Space::of(&attribute.value);
            // What means nothing is of interest only where it hides something that does.
            if space != Space::Other || self.find(prefix) != Space::Other {
                self.declared.push(Declared { level, prefix: prefix.into(), space });
            }
        }
        Ok(true)
    }

    /// Forgets what was declared on `level`; says whether there was anything.
    #[inline]
    pub(super) fn close(&mut self, level: usize) -> bool {
        let before = self.declared.len();
        while self.declared.last().is_some_and(|declared| declared.level >= level) {
            self.declared.pop();
        }
        self.declared.len() < before
    }

    fn find(&self, prefix: &str) -> Space {
        let declared = self.declared.iter().rev().find(|declared| *declared.prefix == *prefix);
        declared.map_or(Space::Other, |declared| declared.space)
    }

    /// The namespace of an element.
    pub(super) fn element(&self, start: &BytesStart<'_>) -> Space {
        self.find(start.name().prefix().as_ref().map_or("", AsRef::as_ref))
    }

    /// The namespace of an attribute; without a prefix it is in none (Namespaces in XML 1.0 §6.2).
    pub(super) fn attribute(&self, prefix: Option<&str>) -> Space {
        match prefix {
            None => Space::Other,
            Some("xml") => Space::Xml,
            Some(prefix) => self.find(prefix),
        }
    }
}
