//! The platform's records as rows: fields become columns by name.

use std::collections::HashMap;

use super::{Mark, Origin, Row};
use crate::platform::Record;

/// Lays records out as rows. The header grows as new names come; it never shrinks or changes its order.
#[derive(Debug)]
pub struct Answer {
    origin: Origin,
    call: u64,
    columns: Vec<String>,
    places: HashMap<String, usize>,
    /// By column, the text of the last record, and what its answer says of it.
    cells: Vec<(String, Mark)>,
    row: Row,
}

impl Answer {
    /// No record yet.
    #[must_use]
    pub fn new(operation: &str) -> Self {
        Self {
            origin: Origin { name: operation.into(), part: None },
            call: 0,
            columns: Vec::new(),
            places: HashMap::new(),
            cells: Vec::new(),
            row: Row::default(),
        }
    }

    /// Where the last record came from: operation and call.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The names of all fields so far.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The last record as a row.
    #[must_use]
    pub const fn row(&self) -> &Row {
        &self.row
    }

    /// Lays `record` out. The values of a field that repeats are joined by `; `: none of them is lost, or preferred.
    pub fn lay_out(&mut self, record: &Record<'_>) {
        if self.call != record.call {
            self.call = record.call;
            self.origin.part = Some(record.call.to_string().into());
        }
        for (text, mark) in &mut self.cells {
            text.clear();
            *mark = Mark::Text;
        }
        for (name, value, is_double) in record.fields.marked() {
            let place = match self.places.get(name) {
                Some(&place) => place,
                None => {
                    self.columns.push(name.to_owned());
                    self.places.insert(name.to_owned(), self.cells.len());
                    self.cells.push((String::new(), Mark::Text));
                    self.cells.len() - 1
                }
            };
            if let Some((text, mark)) = self.cells.get_mut(place) {
                if !text.is_empty() {
                    text.push_str("; ");
                }
                text.push_str(value.unwrap_or_default());
                if is_double {
                    *mark = Mark::Double;
                }
            }
        }
        self.row.clear();
        self.row.number = record.index;
        for (text, mark) in &self.cells {
            self.row.push(text, *mark);
        }
    }
}
