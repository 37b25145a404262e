//! In: files named by globs, answers of the platform. Out: [`Row`]s, text with
//! their place. Never: interprets a value, skips a row unsaid, or ends the process on a bad file.

mod answer;
mod cell;
mod csv;
mod excel;
mod files;
mod guard;
mod index;
mod quiet;
mod shelf;
mod text;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::fault::{Fault, Kind, Result};

pub use answer::Answer;
pub use files::{Delimiter, Encoding, FileSettings, Found, Sheet, find, open};
pub use shelf::revisitable;

/// What the source said about a cell, beyond its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Text as it stands in the source.
    #[default]
    Text,
    /// A workbook's number: the shortest decimal that reads back as the stored double. Or what a platform's answer
    /// says is binary floating point.
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
    /// By column, where its text starts and ends.
    cells: Vec<(u32, u32)>,
    /// By column; a record without any is text throughout.
    marks: Vec<Mark>,
    /// The row as a person would look it up: the line of a CSV file on which the record
    /// starts (the first line is 1), the row of a sheet (the first row is 1), the
    /// index of a record in its call (the first is 1).
    pub number: u64,
    /// Where [`Rows::revisit`] finds the record again.
    pub place: u64,
    /// Why the record cannot be trusted although it was read (`12 cells under 11 headers`):
    /// such a row becomes a reject.
    pub defect: Option<Box<str>>,
}

impl Row {
    /// Forgets the cells, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.marks.clear();
        self.defect = None;
    }

    /// Appends a cell: `text`, behind what a reader has written into the row's text already.
    pub fn push(&mut self, text: &str, mark: Mark) {
        let start = self.cells.last().map_or(0, |&(_, end)| end as usize);
        self.text.push_str(text);
        self.bound(start, self.text.len());
        if mark != Mark::Text || !self.marks.is_empty() {
            self.marks.resize(self.cells.len() - 1, Mark::Text);
            self.marks.push(mark);
        }
    }

    /// Appends a cell whose text is there already. No record is near 4 GiB: readers refuse it long before.
    #[inline]
    fn bound(&mut self, start: usize, end: usize) {
        self.cells.push((u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX)));
    }

    /// Makes one quote of two in a cell whose text is there already. The cell's new text stands behind the record.
    fn unescape(&mut self, number: usize) {
        let Some(&(start, end)) = self.cells.get(number) else { return };
        let (mut from, end) = (start as usize, end as usize);
        let behind = self.text.len();
        while let Some(quote) = self.text.get(from..end).and_then(|rest| rest.find('"')) {
            self.text.extend_from_within(from..=from + quote);
            from += quote + 2;
        }
        self.text.extend_from_within(from..end);
        self.bound(behind, self.text.len());
        self.cells.swap_remove(number);
    }

    /// The text of a column; blank where the record is shorter than that.
    #[must_use]
    #[inline]
    pub fn text(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", |&cell| self.slice(cell))
    }

    fn slice(&self, (start, end): (u32, u32)) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// What stands in columns side by side; `None` where that is not one text.
    #[must_use]
    #[inline]
    pub fn span(&self, columns: Range<usize>) -> Option<Span<'_>> {
        let here = columns.start.min(self.cells.len())..columns.end.min(self.cells.len());
        let cells = self.cells.get(here)?;
        let (start, end) = match cells {
            [] => (0, 0),
            [only] => *only,
            [(start, _), .., (_, end)] => (*start, *end),
        };
        let text = self.text.get(start as usize..end as usize)?;
        Some(Span { text, cells, start, count: columns.len() })
    }

    /// A column's text without white space around it; `None` where it is blank.
    #[must_use]
    #[inline]
    pub fn trimmed(&self, column: usize) -> Option<&str> {
        let text = self.text(column);
        // Nearly every cell is as it should be.
        match text.as_bytes() {
            [] => None,
            [one] if one.is_ascii_graphic() => Some(text),
            [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => Some(text),
            _ => trimmed(text),
        }
    }

    /// Whether the source said anything about a column.
    #[must_use]
    pub const fn has_marks(&self) -> bool {
        !self.marks.is_empty()
    }

    /// What the source said about a column.
    #[must_use]
    pub fn mark(&self, column: usize) -> Mark {
        self.marks.get(column).copied().unwrap_or_default()
    }

    /// How many cells the record has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether no cell holds anything but white space.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (0..self.cells.len()).all(|column| self.trimmed(column).is_none())
    }
}

/// Columns side by side, and what stands between them.
#[derive(Clone, Copy, Debug)]
pub struct Span<'r> {
    /// From the first cell to the last.
    pub text: &'r str,
    cells: &'r [(u32, u32)],
    start: u32,
    count: usize,
}

impl Span<'_> {
    /// Where in the text each cell starts and ends, a word for each column.
    pub fn bounds(&self) -> impl Iterator<Item = u64> + '_ {
        let missing = std::iter::repeat_n(u64::MAX, self.count - self.cells.len());
        self.cells.iter().map(|&cell| self.bound(cell)).chain(missing)
    }

    /// Whether it holds the same cells as another one, of which these are the text and the bounds, and which was in order.
    #[inline]
    #[must_use]
    pub fn is(&self, text: &str, bounds: &[u64]) -> bool {
        let missing = bounds.get(self.cells.len()..).unwrap_or_default();
        self.text == text
            && self.cells.iter().zip(bounds).all(|(&cell, &bound)| self.bound(cell) == bound)
            && missing.iter().all(|&bound| bound == u64::MAX)
    }

    #[inline]
    fn bound(&self, (start, end): (u32, u32)) -> u64 {
        u64::from(start.wrapping_sub(self.start)) << 32 | u64::from(end.wrapping_sub(self.start))
    }

    /// Whether every cell is part of the text: between two of them stand a delimiter and quotes, and what is further away was put
    /// behind the record.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.cells
            .iter()
            .zip(self.cells.iter().skip(1))
            .all(|((_, end), (start, _))| start.wrapping_sub(*end) <= 3)
    }
}

#[cold]
fn trimmed(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
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
    /// Where these rows come from.
    fn origin(&self) -> &Origin;

    /// The headers, trimmed, in order.
    fn columns(&self) -> &[String];

    /// Reads the next record into `row`; `false` at the end.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Input`] where the source is broken at this place: nothing after it can be trusted.
    fn read(&mut self, row: &mut Row) -> Result<bool>;

    /// What the source turned out to be.
    fn form(&self) -> Form {
        Form::default()
    }

    /// What was read, byte for byte, once [`Rows::read`] has returned `false`; `None` before
    /// that, and where the source is no file.
    fn digest(&self) -> Option<&Digest> {
        None
    }

    /// Whether [`Rows::revisit`] works.
    fn keeps_place(&self) -> bool {
        false
    }

    /// Reads the record at a [`Row::place`] again, once [`Rows::read`] has returned `false`. Its
    /// [`Row::number`] is not known then.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Input`] where the record is not there any more.
    fn revisit(&mut self, place: u64, row: &mut Row) -> Result<()> {
        let _ = row;
        Err(Fault::new(Kind::Bug, "these rows keep no place").at(self.origin()).value(place))
    }
}

/// What a file turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Such as `CSV text` or `xlsx workbook`.
    pub format: &'static str,
    /// The encoding of a text.
    pub encoding: Option<&'static str>,
    /// What separates its cells.
    pub delimiter: Option<char>,
    /// The sheets of a workbook, in order, those that are hidden among them.
    pub sheets: Vec<String>,
    /// The line or the row of the headers, counted from 1.
    pub header_row: u64,
}

/// Which bytes a file held when it was read: for the summary, and for whoever reads it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The length of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, in lower-case hexadecimal.
    pub sha256: String,
}

/// The header cells as columns: trimmed, each with a name of its own. A blank header is named
/// by its place (`Column 3`). Where several are called `Amount`, they become `Amount (1)`, `Amount (2)` …:
/// whoever wants one of them must say which.
fn columns<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<String> = headers
        .zip(1_usize..)
        .map(|(header, place)| match header.trim() {
            "" => format!("Column {place}"),
            name => name.to_owned(),
        })
        .collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    names.iter().for_each(|name| *count.entry(name).or_default() += 1);
    let mut taken: HashSet<String> =
        names.iter().filter(|name| count.get(name.as_str()) == Some(&1)).cloned().collect();
    let unique = |name: &String| {
        if count.get(name.as_str()) == Some(&1) {
            return name.clone();
        }
        let mut number = 1;
        while !taken.insert(format!("{name} ({number})")) {
            number += 1;
        }
        format!("{name} ({number})")
    };
    names.iter().map(unique).collect()
}
