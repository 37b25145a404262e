//! The shape of an operation's answers: where its records are, and what is said beside them.

use schemars::JsonSchema;
use serde::Serialize;

use super::XSD;
use super::element::Element;

/// What an operation answers, as far as its WSDL says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Answers {
    /// The WSDL does not say.
    #[default]
    Unknown,
    /// There is nothing in the answer, or no answer at all.
    Nothing,
    /// Records, one after the other.
    Records(Records),
    /// A .NET `DataSet`: which tables it has is only known from an answer.
    DataSet {
        /// The element that it stands in, from the result element down.
        at: String,
    },
    /// Any XML.
    Open {
        /// The element that it stands in, from the result element down.
        at: String,
    },
    /// Values that do not repeat. A single text may well be an XML document.
    Values {
        /// The values, each named by its path from the result element down.
        fields: Vec<Element>,
    },
}

/// Where records are in an answer. Paths lead from the result element down, as `[platform.request]` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Records {
    /// The element that repeats.
    pub records: String,
    /// What seems to announce how many records there are in all pages together.
    pub total: Option<String>,
    /// What seems to say whether there are more pages.
    pub more: Option<String>,
    /// The fields of a record, named as its columns will be: `Amount`, `Party/Name`, `Party/@id`.
    pub fields: Vec<Element>,
}

/// A value of an answer, by a name of its own.
fn field(name: String, element: &Element) -> Element {
    Element { name, elements: Vec::new(), ..element.clone() }
}

/// An element on the way down, with those around it, the outermost first.
type Way<'e> = Vec<&'e Element>;

/// The shape of an answer that is `element`.
pub(super) fn shape(element: &Element) -> Answers {
    let mut ways = Vec::new();
    walk(element, &mut Vec::new(), &mut ways);
    let path =
        |way: &[&Element]| way.iter().map(|element| element.name.as_str()).collect::<Vec<_>>().join("/");
    let has_fields = |element: &Element| !element.elements.is_empty();
    // The outermost that repeats and has fields; of several, the one with the most. Lists of mere values come last.
    let records = ways.iter().filter(|way| way.last().is_some_and(|last| last.list)).min_by_key(|way| {
        let last = way.last();
        let fields = last.map_or(0, |last| last.leaves().len());
        (!last.is_some_and(|last| has_fields(last)), way.len(), usize::MAX - fields)
    });
    let data_set = ways.iter().find(|way| way.last().is_some_and(|last| is_data_set(last)));
    if let Some(way) =
        data_set.filter(|_| records.is_none_or(|way| !way.last().is_some_and(|last| has_fields(last))))
    {
        return Answers::DataSet { at: path(way) };
    }
    if let Some(way) = records
        && let Some(record) = way.last()
    {
        let mut fields: Vec<Element> = record
            .leaves()
            .into_iter()
            .filter(|(name, _)| !name.ends_with('*'))
            .map(|(name, leaf)| field(name, leaf))
            .collect();
        if record.inner().next().is_none() && (record.base.is_some() || fields.is_empty()) {
            // A record that is a value by itself has one field by its own name.
            fields.insert(0, field(record.name.clone(), record));
        }
        let beside = |score: &dyn Fn(&Element) -> u8| {
            let mut best: Option<(u8, String)> = None;
            for depth in 0..way.len() {
                let outer = way.get(..depth).unwrap_or_default();
                let around = outer.last().copied().unwrap_or(element);
                for inner in around.inner().filter(|inner| !inner.list && inner.elements.is_empty()) {
                    let points = score(inner);
                    if points > best.as_ref().map_or(0, |(points, _)| *points) {
                        best = Some((points, path(&[outer, &[inner]].concat())));
                    }
                }
            }
            best.map(|(_, path)| path)
        };
        return Answers::Records(Records {
            records: path(way),
            total: beside(&total),
            more: beside(&more),
            fields,
        });
    }
    if let Some(way) = ways.iter().find(|way| way.last().is_some_and(|last| last.is_open())) {
        return Answers::Open { at: path(way) };
    }
    let fields: Vec<Element> = element.leaves().into_iter().map(|(name, leaf)| field(name, leaf)).collect();
    match fields.is_empty() {
        false => Answers::Values { fields },
        true if element.is_unknown() => Answers::Unknown,
        true => Answers::Nothing,
    }
}

/// All elements below `element`, with the way to each.
fn walk<'e>(element: &'e Element, way: &mut Way<'e>, ways: &mut Vec<Way<'e>>) {
    for inner in element.inner() {
        way.push(inner);
        ways.push(way.clone());
        walk(inner, way, ways);
        way.pop();
    }
}

/// How .NET describes a `DataSet`: an inline schema, and then anything.
fn is_data_set(element: &Element) -> bool {
    const DIFFGRAM: &str = "urn:schemas-microsoft-com:xml-diffgram-v1";
    let has_any = element.elements.iter().any(|inner| inner.name == "*");
    has_any
        && element.elements.iter().any(|inner| {
            (inner.name == "*" && matches!(inner.namespace.as_str(), XSD | DIFFGRAM))
                || (inner.name == "schema" && inner.namespace == XSD)
        })
}

/// How much an element looks like the number of records in all pages.
fn total(element: &Element) -> u8 {
    let name = element.name.to_lowercase();
    if !element.base.is_some_and(super::element::Simple::is_whole) || name.contains("page") {
        return 0;
    }
    match () {
        () if name.contains("total") => 3,
        () if name.contains("count") => 2,
        () if name.contains("numberof") || name.contains("hits") => 1,
        () => 0,
    }
}

/// How much an element looks like the word on whether there is more.
fn more(element: &Element) -> u8 {
    let name = element.name.to_lowercase();
    if element.base != Some(super::element::Simple::Boolean) {
        return 0;
    }
    if name.contains("more") { 2 } else { u8::from(name.contains("next")) }
}
