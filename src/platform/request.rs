//! `[platform.request]` of `tieout.toml`: what to ask, and where in the answer the records are.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::template::Template;
use crate::fault::{Fault, Kind, Result, nearest};

/// The `[platform.request]` table: the operation, its parameters, and where in the answer the records are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The operation's name.
    pub operation: String,
    /// The SOAP action; by default the namespace and the operation, with one slash between them.
    pub action: Option<String>,
    /// The operation's parameters, sent in this order (services of this age read them by position).
    #[serde(default, deserialize_with = "parameters")]
    pub parameters: Vec<(String, Parameter)>,
    /// Whether the parameters are in the service's namespace, like the operation (`elementFormDefault="qualified"` in
    /// its WSDL): `true` (default) for services of .NET, often `false` for services of Java, and always for RPC style.
    #[serde(default = "defaults::qualified")]
    pub qualified: bool,
    /// The records: element names from the result element down, as in `GetSettlementsResult/Items/SettlementRecord`.
    /// They go on into XML that is a text.
    pub records: Trail,
    /// The element, or an attribute of one, that announces how many records there are in all pages together.
    pub total: Option<Trail>,
    /// The element, or an attribute of one, that says `true` while there are more pages.
    pub more: Option<Trail>,
    /// The parts of the period that are asked for one by one; by default the period is asked for whole.
    pub window: Option<Window>,
    /// The fields that together tell one record from all others: with them, a record that comes twice is an error.
    #[serde(default)]
    pub identity: Names,
    /// What `{page_size}` stands for.
    #[serde(default = "defaults::page_size")]
    pub page_size: u64,
    /// What `{page}` stands for in the first call.
    #[serde(default = "defaults::first_page")]
    pub first_page: u64,
}

mod defaults {
    pub(super) const fn qualified() -> bool {
        true
    }
    pub(super) const fn page_size() -> u64 {
        1000
    }
    pub(super) const fn first_page() -> u64 {
        1
    }
}

/// A part of a period that is asked for by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// Each hour.
    Hour,
    /// Each local day.
    Day,
    /// Each local month.
    Month,
}

/// A name, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct Names(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a field's name, or a list of them")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Names {
    fn from(given: OneOrMany) -> Self {
        match given {
            OneOrMany::One(name) => Self(vec![name]),
            OneOrMany::Many(names) => Self(names),
        }
    }
}

/// What an operation's parameter holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Text, with placeholders.
    Text(Template),
    /// Elements of its own, for operations that take one request object.
    Nested(Vec<(String, Parameter)>),
}

/// Element names from the outside in, and perhaps an attribute of the last (`Result/settlements/@total`).
/// Prefixes and namespaces do not count.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Trail {
    names: Vec<Box<str>>,
    attribute: Option<Box<str>>,
}

impl TryFrom<String> for Trail {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (elements, attribute) = match text.rsplit_once("/@") {
            Some((elements, attribute)) => (elements, Some(attribute.into())),
            None => (text.as_str(), None),
        };
        let names: Vec<Box<str>> = elements.split('/').map(Into::into).collect();
        match names.iter().chain(&attribute).find(|name| !is_name(name)) {
            Some(name) => Err(format!(
                "{name:?} in the path {text:?} is no element name; a path reads like GetSettlementsResult/Items/SettlementRecord"
            )),
            None => Ok(Self { names, attribute }),
        }
    }
}

impl Trail {
    /// The names, outermost first; never empty.
    #[must_use]
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The attribute of the last element, where that is meant instead of the element's text.
    #[must_use]
    pub fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join("/"))?;
        match &self.attribute {
            Some(attribute) => write!(f, "/@{attribute}"),
            None => Ok(()),
        }
    }
}

/// Whether `text` can name an element (Namespaces in XML 1.0 §3, NCName; its long tail of scripts is left to `char`).
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// Reads a table in the order in which it is written.
fn parameters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Parameter)>, D::Error> {
    struct Table;
    impl<'de> Visitor<'de> for Table {
        type Value = Vec<(String, Parameter)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of parameters")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut table = Vec::new();
            while let Some((name, parameter)) = map.next_entry::<String, Parameter>()? {
                if !is_name(&name) {
                    return Err(serde::de::Error::custom(format!(
                        "{name:?} cannot be the name of a parameter"
                    )));
                }
                table.push((name, parameter));
            }
            Ok(table)
        }
    }
    deserializer.deserialize_map(Table)
}

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Parameter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text with placeholders, a whole number, true or false, or a table of these")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Parameter, E> {
                Template::try_from(text.to_owned()).map(Parameter::Text).map_err(E::custom)
            }

            fn visit_i64<E>(self, number: i64) -> Result<Parameter, E> {
                Ok(Parameter::Text(Template::literal(number.to_string())))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Parameter, E> {
                Ok(Parameter::Text(Template::literal(flag.to_string())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Parameter, A::Error> {
                parameters(serde::de::value::MapAccessDeserializer::new(map)).map(Parameter::Nested)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The placeholders that the platform itself fills.
const OWN: [&str; 2] = ["page", "page_size"];

impl Request {
    /// A request that is never made.
    pub(super) fn nothing() -> Self {
        Self {
            operation: "nothing".to_owned(),
            action: None,
            parameters: Vec::new(),
            qualified: true,
            records: Trail { names: vec!["nothing".into()], attribute: None },
            total: None,
            more: None,
            page_size: defaults::page_size(),
            first_page: defaults::first_page(),
            window: None,
            identity: Names::default(),
        }
    }

    /// The placeholders that the caller has to fill, as often as they are used; `{page}` and `{page_size}` are not among them.
    #[must_use]
    pub fn placeholders(&self) -> Vec<&str> {
        self.every_placeholder().into_iter().filter(|name| !OWN.contains(name)).collect()
    }

    /// Checks before any call that all placeholders are among the `known` ones.
    ///
    /// # Errors
    /// [`Kind::Configuration`] for the first that is not, with the nearest name that is.
    pub fn check(&self, known: &[&str]) -> Result<()> {
        let Some(unknown) = self.placeholders().into_iter().find(|name| !known.contains(name)) else {
            return Ok(());
        };
        let candidates: Vec<&str> = known.iter().chain(&OWN).copied().collect();
        let fault = Fault::new(Kind::Configuration, format!("nothing is known by the name of {{{unknown}}}"))
            .at("[platform.request] parameters")
            .expected(format!("one of {{{}}}", candidates.join("}, {")));
        Err(match nearest(unknown, candidates) {
            Some(near) => fault.next(format!("did you mean {{{near}}}?")),
            None => fault,
        })
    }

    /// Whether there is more than one call to make: the parameters name a page.
    pub(super) fn is_paged(&self) -> bool {
        self.every_placeholder().contains(&"page")
    }

    fn every_placeholder(&self) -> Vec<&str> {
        fn collect<'a>(table: &'a [(String, Parameter)], names: &mut Vec<&'a str>) {
            for (_, parameter) in table {
                match parameter {
                    Parameter::Text(template) => names.extend(template.placeholders()),
                    Parameter::Nested(table) => collect(table, names),
                }
            }
        }
        let mut names = Vec::new();
        collect(&self.parameters, &mut names);
        names
    }
}
