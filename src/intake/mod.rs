//! In: files named by globs, answers of the platform. Out: [`Row`]s, text with
//! their place; or many at once, as a [`Batch`]. Never: interprets a value, skips a row unsaid, or ends the process on a bad file.

mod answer;
mod batch;
mod cell;
mod csv;
mod excel;
mod files;
mod guard;
mod index;
mod quiet;
mod shared;
mod shelf;
mod text;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::fault::{Fault, Kind, Result};

pub use answer::Answer;
pub use batch::{Batch, Record};
pub use files::{Delimiter, Encoding, FileSettings, Found, Sheet, find, open};
pub use shared::Shared;
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

    /// Appends the cells of a record that stands in `text`: each starts at one of `starts` and ends one before the next. Quotes around
    /// a cell are left out, and one is made of two.
    #[inline]
    fn take_apart(&mut self, text: &str, starts: &[u32]) {
        let (Some(&from), Some(&behind)) = (starts.first(), starts.last()) else { return };
        let Some(record) = text.get(from as usize..(behind as usize).wrapping_sub(1)) else { return };
        self.text.push_str(record);
        let bytes = record.as_bytes();
        for (&start, &behind) in starts.iter().zip(starts.iter().skip(1)) {
            let (start, end) = (start - from, behind - from - 1);
            if bytes.get(start as usize) == Some(&b'"') && start < end {
                self.unquote(record, start + 1, end - 1);
            } else {
                self.cells.push((start, end));
            }
        }
    }

    /// Appends a cell that has quotes around it. Where it has some of its own, its text goes behind the record.
    fn unquote(&mut self, record: &str, start: u32, end: u32) {
        let Some(mut rest) = record.get(start as usize..end as usize).filter(|cell| cell.contains('"'))
        else {
            self.cells.push((start, end));
            return;
        };
        let behind = self.text.len();
        while let Some((head, tail)) = rest.split_once("\"\"") {
            self.text.push_str(head);
            self.text.push('"');
            rest = tail;
        }
        self.text.push_str(rest);
        self.bound(behind, self.text.len());
    }

    /// The text of a column; blank where the record is shorter than that.
    #[must_use]
    #[inline]
    pub fn text(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", |&cell| self.slice(cell))
    }

    /// The bytes of [`Row::text`].
    #[must_use]
    #[inline]
    pub fn bytes(&self, column: usize) -> &[u8] {
        let cell = self
            .cells
            .get(column)
            .and_then(|&(start, end)| self.text.as_bytes().get(start as usize..end as usize));
        cell.unwrap_or_default()
    }

    /// The bytes of columns side by side, if they stand end to end, as where a reader wrote them cell by cell.
    #[must_use]
    #[inline]
    pub fn run(&self, columns: Range<usize>) -> Option<&[u8]> {
        let cells = self.cells.get(columns)?;
        let (&(start, _), &(_, end)) = cells.first().zip(cells.last())?;
        let is_run = cells.iter().zip(cells.iter().skip(1)).all(|((_, end), (start, _))| start == end);
        self.text.as_bytes().get(start as usize..end as usize).filter(|_| is_run)
    }

    fn slice(&self, (start, end): (u32, u32)) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
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

    /// Reads the next records that are plain into `batch`. Those of nothing but white space, which [`Rows::read`] passes over, are
    /// among them. None is not the end: the next one may not be plain, or stand across the border of what is in memory, and is for
    /// [`Rows::read`] then; most sources have no such records at all.
    ///
    /// # Errors
    /// As [`Rows::read`].
    fn batch(&mut self, batch: &mut Batch) -> Result<()> {
        batch.clear();
        Ok(())
    }

    /// Whether most records come in batches, so that it pays to read them by turns: see [`Shared`].
    fn has_batches(&self) -> bool {
        false
    }

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

    /// Reads that record into `batch`, all alone there, if it is plain; else it is for [`Rows::revisit`].
    ///
    /// # Errors
    /// As [`Rows::revisit`].
    fn revisit_plain(&mut self, place: u64, batch: &mut Batch) -> Result<()> {
        let _ = place;
        batch.clear();
        Ok(())
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
