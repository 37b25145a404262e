//! In: files named by globs, answers of the platform. Out: [`Row`]s, text with
//! their place. Never: interprets a value, skips a row unsaid, or ends the process on a bad file.

use std::fmt;
use std::sync::Arc;

use crate::fault::Result;

/// What the source said about a cell, beyond its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Text as it stands in the source.
    #[default]
    Text,
    /// A workbook's number: the shortest decimal that reads back as the stored double.
    Double,
    /// A workbook's date cell, written as ISO 8601 local time (`2000-08-01` where there is no time of day).
    Date,
    /// A workbook's error cell (`#N/A`, `#REF!`): its text stands there, it is never a value.
    Error,
}

/// One record as it was read: text by column, reused from record to record.
#[derive(Clone, Debug, Default)]
pub struct Row {
    text: String,
    ends: Vec<usize>,
    marks: Vec<Mark>,
    /// The row as a person would look it up: the line of a CSV file on which the record
    /// starts (the first line is 1), the row of a sheet (the first row is 1), the
    /// index of a record in its call (the first is 1).
    pub number: u64,
    /// What is wrong with the record as a whole ("12 cells under 11 headers"), if anything is.
    pub defect: Option<Box<str>>,
}

impl Row {
    /// Forgets the cells, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.marks.clear();
        self.defect = None;
    }

    /// Appends a cell.
    pub fn push(&mut self, text: &str, mark: Mark) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
        self.marks.push(mark);
    }

    /// The text of a column; blank where the record is shorter than that.
    #[must_use]
    pub fn text(&self, column: usize) -> &str {
        let start = match column.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).copied().unwrap_or(self.text.len()),
        };
        let end = self.ends.get(column).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default()
    }

    /// What the source said about a column.
    #[must_use]
    pub fn mark(&self, column: usize) -> Mark {
        self.marks.get(column).copied().unwrap_or_default()
    }

    /// How many cells the record has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no cell holds anything but white space.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// Where rows come from, as reports name it: `file`, `file:sheet`, or `operation:call`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The file as its glob found it, or the platform's operation.
    pub name: Arc<str>,
    /// The sheet, or the number of the call.
    pub part: Option<Arc<str>>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.part {
            Some(part) => write!(f, ":{part}"),
            None => Ok(()),
        }
    }
}

/// A stream of rows that share one header.
pub trait Rows {
    /// Where these rows come from. May change between rows (an answer has many calls).
    fn origin(&self) -> &Origin;

    /// The headers, trimmed, in order. A stream whose header grows (answers) only ever appends.
    fn columns(&self) -> &[String];

    /// Whether the header is known to be whole before the first record is read: true for files.
    fn is_header_whole(&self) -> bool {
        true
    }

    /// Reads the next record into `row`; `false` at the end.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Input`] where the source is broken at this place: nothing after it can be trusted.
    fn read(&mut self, row: &mut Row) -> Result<bool>;
}
