//! The description that a .NET `DataSet` sends along with its rows: an inline XML Schema.

use quick_xml::events::BytesStart;

use super::space::{Space, Spaces};

/// What a `DataSet` says of the columns of one table.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// The table is described, with or without columns.
    pub(super) is_known: bool,
    /// Attributes first, as in a row.
    pub(super) columns: Vec<Column>,
    /// The level of the schema that is being read, and of the table in it.
    level: Option<usize>,
    table: Option<usize>,
    /// The element that is being read in the table: its level, and itself as long as it holds no
    /// elements (a table within the table is no column).
    column: Option<(usize, Option<Column>)>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// As the fields of records are called.
    pub(super) name: Box<str>,
    /// It holds binary floating point: its texts are not what somebody once typed.
    pub(super) is_double: bool,
}

impl Schema {
    /// Whether the parser is inside of a schema.
    pub(super) const fn is_open(&self) -> bool {
        self.level.is_some()
    }

    /// An element opens, in a schema or perhaps as one. `table` is the name of the records.
    pub(super) fn open(
        &mut self,
        level: usize,
        start: &BytesStart<'_>,
        spaces: &Spaces,
        table: Option<&str>,
    ) {
        if spaces.element(start) != Space::Schema {
            return;
        }
        match (start.local_name().as_ref(), self.level, self.table) {
            ("schema", None, _) => self.level = Some(level),
            // Described twice, the first time counts.
            ("element", Some(_), None) if !self.is_known && attribute(start, "name").as_deref() == table => {
                self.is_known = true;
                self.table = Some(level);
            }
            ("element", _, Some(_)) => match &mut self.column {
                Some((_, column)) => *column = None,
                None => self.column = Some((level, named(start, ""))),
            },
            ("attribute", _, Some(_)) if self.column.is_none() => {
                let first_element = self.columns.iter().position(|column| !column.name.starts_with('@'));
                let place = first_element.unwrap_or(self.columns.len());
                self.columns.splice(place..place, named(start, "@"));
            }
            // A type of its own, as of a text with a greatest length.
            ("restriction", _, Some(_)) => {
                if let Some((_, Some(column))) = &mut self.column {
                    column.is_double |= is_double(attribute(start, "base").as_deref());
                }
            }
            _ => {}
        }
    }

    /// The element on `level` closes.
    pub(super) fn close(&mut self, level: usize) {
        if self.column.as_ref().is_some_and(|(at, _)| *at == level) {
            self.columns.extend(self.column.take().and_then(|(_, column)| column));
        }
        for place in [&mut self.level, &mut self.table] {
            if *place == Some(level) {
                *place = None;
            }
        }
    }
}

fn named(start: &BytesStart<'_>, sign: &str) -> Option<Column> {
    let name = attribute(start, "name")?;
    Some(Column {
        name: format!("{sign}{name}").into(),
        is_double: is_double(attribute(start, "type").as_deref()),
    })
}

/// Whether a type, as `xs:double`, is binary floating point.
fn is_double(kind: Option<&str>) -> bool {
    matches!(kind.map(|kind| kind.rsplit(':').next().unwrap_or(kind)), Some("double" | "float"))
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|attribute| attribute.key.0 == name);
    found.map(|attribute| attribute.value.into_owned())
}
