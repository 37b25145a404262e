//! Delimited text: in constant memory, one record at a time.
//!
//! A record on one line that lies whole in the buffer, and whose quotes are where they belong, is taken apart where its delimiters are
//! marked ([`Index`]); many such are handed out at once. For all others `csv-core` finds the cells. Beside it runs a [`Watch`] over the same bytes, for the three things that
//! it does not tell: on which line a record starts, whether a quote was left open, and whether text
//! follows a closing quote.

use std::sync::Arc;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::files::{FileSettings, Input};
use super::index::{Index, Marks, Starts};
use super::text::Text;
use super::{Batch, Digest, Form, Origin, Row, Rows, columns};
use crate::fault::{Fault, Kind, Result};

/// Bytes that one record may have. Nothing that anyone bills is longer: a quote was left open.
const RECORD_MOST: usize = 16 * 1024 * 1024;

/// Records that a batch has at the most: so few that they stay in the first caches.
const BATCH: usize = 64;

/// What may separate cells, in the order in which a tie is decided.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Opens a file as delimited text and reads its header.
pub(super) fn open(input: Input, settings: &FileSettings) -> Result<Box<dyn Rows + Send>> {
    let mut csv = Csv::new(input, settings)?;
    csv.read_header(settings)?;
    Ok(Box::new(csv))
}

struct Csv {
    origin: Origin,
    columns: Vec<String>,
    header_row: u64,
    text: Text,
    core: Reader,
    watch: Watch,
    index: Index,
    /// The cells of the current record, one after another, and where each ends.
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// Where the cells of the current record start, and one behind the end of the last. One that has more goes the other way.
    starts: Vec<u32>,
    digest: Option<Digest>,
}

impl Rows for Csv {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn read(&mut self, row: &mut Row) -> Result<bool> {
        if !self.read_record(row)? {
            return Ok(false);
        }
        if let Some(column) = self.watch.stray {
            row.defect = Some(format!("text after the closing quote in {}", self.column(column)).into());
        } else if row.len() > self.columns.len()
            && (self.columns.len()..row.len()).any(|column| !row.text(column).trim().is_empty())
        {
            row.defect = Some(format!("{} cells under {} headers", row.len(), self.columns.len()).into());
        }
        Ok(true)
    }

    fn batch(&mut self, batch: &mut Batch) -> Result<()> {
        self.batch_of(BATCH, batch)
    }

    fn has_batches(&self) -> bool {
        true
    }

    fn form(&self) -> Form {
        Form {
            format: "CSV text",
            encoding: Some(self.text.encoding()),
            delimiter: Some(char::from(self.watch.delimiter)),
            sheets: Vec::new(),
            header_row: self.header_row,
        }
    }

    fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    fn keeps_place(&self) -> bool {
        self.text.place().is_some()
    }

    fn revisit_plain(&mut self, place: u64, batch: &mut Batch) -> Result<()> {
        self.go_to(place)?;
        self.batch_of(1, batch)
    }

    fn revisit(&mut self, place: u64, row: &mut Row) -> Result<()> {
        self.go_to(place)?;
        if self.read(row)? {
            return Ok(());
        }
        Err(Fault::new(Kind::Input, "the file has changed while it was read: a record is gone")
            .at(&self.origin)
            .next("let nobody write to the files of a run"))
    }
}

impl Csv {
    /// A reader that stands before the headers.
    fn new(input: Input, settings: &FileSettings) -> Result<Self> {
        let origin = Origin { name: Arc::clone(&input.label), part: None };
        let mut text = Text::open(input, settings.encoding)?;
        let mut watch = Watch::new();
        if let Some(line) = settings.header_row {
            skip_lines(&mut text, &mut watch, u64::from(line.get()))?;
        }
        watch.delimiter = match settings.delimiter {
            Some(delimiter) => delimiter.0,
            None => sniff(text.ahead()?),
        };
        Ok(Self {
            origin,
            columns: Vec::new(),
            header_row: 0,
            text,
            core: ReaderBuilder::new().delimiter(watch.delimiter).build(),
            watch,
            index: Index::default(),
            cells: vec![0; 4096],
            ends: vec![0; 256],
            starts: vec![0; 256],
            digest: None,
        })
    }

    fn read_header(&mut self, settings: &FileSettings) -> Result<()> {
        let line = settings.header_row.map(|line| u64::from(line.get()));
        let mut header = Row::default();
        let found = self.read_record(&mut header)?;
        let fault = |what: String| Fault::new(Kind::Input, what).at(&self.origin);
        match line {
            None if !found => {
                return Err(fault("the file is empty".to_owned())
                    .expected("a line of headers, then records")
                    .next("ask for the file again, or keep it out of files = [...]"));
            }
            Some(line) if !found || header.number != line => {
                let what = match found {
                    false => format!(
                        "there is nothing on line {line} or after it, where header_row expects the headers"
                    ),
                    true => format!("line {line}, where header_row expects the headers, is blank"),
                };
                return Err(fault(what).next("set header_row to the line of the headers"));
            }
            _ => {}
        }
        self.header_row = header.number;
        self.columns = columns((0..header.len()).map(|column| header.text(column)));
        Ok(())
    }

    /// Stands before the record at that place, whatever stood before it.
    fn go_to(&mut self, place: u64) -> Result<()> {
        self.core.reset();
        self.watch.state = State::Start;
        self.text.go_to(place)
    }

    /// The next records that are plain, at most so many.
    fn batch_of(&mut self, most: usize, batch: &mut Batch) -> Result<()> {
        batch.clear();
        (batch.width, batch.number) = (self.columns.len(), self.watch.line);
        batch.place = self.text.place().unwrap_or_default();
        let (bytes, start, filling) = self.text.buffer()?;
        let mut marks = self.index.marks(bytes, start, self.watch.delimiter, filling);
        let (mut next, mut count) = (start, 0);
        batch.starts.resize(most * (batch.width + 1), 0);
        for room in batch.starts.chunks_exact_mut(batch.width + 1) {
            let mut starts = Starts::new(start, room);
            let Some(line) = Line::bound(bytes, next, &mut marks, &mut starts) else { break };
            if starts.len() <= batch.width {
                break;
            }
            (next, count) = (line.next, count + 1);
        }
        batch.starts.truncate(count * (batch.width + 1));
        match simdutf8::basic::from_utf8(bytes.get(start..next).unwrap_or_default()) {
            Ok(text) => batch.text.push_str(text),
            // Which of them is no text, and where, is told one by one.
            Err(_) => {
                batch.clear();
                return Ok(());
            }
        }
        if count > 0 {
            self.text.consume(next - start);
            self.watch.pass_lines(count as u64);
        }
        Ok(())
    }

    /// The next record that is not blank, whatever the headers say.
    fn read_record(&mut self, row: &mut Row) -> Result<bool> {
        loop {
            row.clear();
            if !self.read_plain(row)? && !self.read_any(row)? {
                return Ok(false);
            }
            row.number = self.watch.start;
            if !row.is_empty() {
                return Ok(true);
            }
        }
    }

    /// The next record, if it lies whole in the buffer and on one line, and its quotes are where they belong; else `row`
    /// and the buffer are as they were.
    fn read_plain(&mut self, row: &mut Row) -> Result<bool> {
        let place = self.text.place().unwrap_or_default();
        let (bytes, start, filling) = self.text.buffer()?;
        let mut marks = self.index.marks(bytes, start, self.watch.delimiter, filling);
        let mut starts = Starts::new(start, &mut self.starts);
        let Some(line) = Line::bound(bytes, start, &mut marks, &mut starts) else {
            return Ok(false);
        };
        let count = starts.len();
        let Ok(text) = simdutf8::basic::from_utf8(bytes.get(start..line.end).unwrap_or_default()) else {
            return Ok(false);
        };
        row.take_apart(text, self.starts.get(..count).unwrap_or_default());
        row.place = place;
        self.text.consume(line.next - start);
        self.watch.pass_lines(1);
        Ok(true)
    }

    /// The next record, whatever stands in it.
    fn read_any(&mut self, row: &mut Row) -> Result<bool> {
        row.place = self.text.place().unwrap_or_default();
        let Some((length, count)) = self.parse()? else {
            self.digest.get_or_insert_with(|| self.text.digest());
            return Ok(false);
        };
        let cells = self.cells.get(..length).unwrap_or_default();
        let ends = self.ends.get(..count).unwrap_or_default();
        match std::str::from_utf8(cells) {
            // Bytes that only make sense across the border of two cells are not text either.
            Ok(text) if text.is_ascii() || ends.iter().all(|&end| text.is_char_boundary(end)) => {
                row.text.push_str(text);
                let mut start = 0;
                for &end in ends {
                    row.bound(start, end);
                    start = end;
                }
                Ok(true)
            }
            outcome => {
                let place = match outcome {
                    Err(error) => error.valid_up_to(),
                    Ok(text) => {
                        ends.iter().find(|&&end| !text.is_char_boundary(end)).map_or(0, |end| end - 1)
                    }
                };
                Err(self.not_utf_8(place, cells, ends))
            }
        }
    }

    /// Reads one record into `self.cells` and `self.ends`: the bytes and the cells that it has.
    fn parse(&mut self) -> Result<Option<(usize, usize)>> {
        let (mut length, mut count) = (0, 0);
        self.watch.begin();
        loop {
            let chunk = self.text.chunk()?;
            let at_end = chunk.is_empty();
            if at_end && self.watch.state == State::Quoted {
                let line = self.watch.opened;
                return Err(self.left_open(line));
            }
            if at_end && let Some(encoding) = self.text.malformed() {
                return Err(Fault::new(Kind::Input, format!("this is not {encoding} text"))
                    .at(format_args!("{}:{}", self.origin, self.watch.line))
                    .next("set encoding to what the sender uses, or ask for the file again"));
            }
            // Borrowed again, because the faults above need the whole of `self`.
            let chunk = self.text.chunk()?;
            let (result, read, written, ended) = self.core.read_record(
                chunk,
                self.cells.get_mut(length..).unwrap_or_default(),
                self.ends.get_mut(count..).unwrap_or_default(),
            );
            self.watch.feed(chunk.get(..read).unwrap_or_default());
            self.text.consume(read);
            length += written;
            count += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.cells.len() >= RECORD_MOST => {
                    return Err(self.left_open(self.watch.start));
                }
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => return Ok(Some((length, count))),
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    /// A column as a message names it.
    fn column(&self, column: usize) -> String {
        match self.columns.get(column) {
            Some(name) => format!("column {name}"),
            None => format!("cell {}", column + 1),
        }
    }

    fn left_open(&self, line: u64) -> Fault {
        Fault::new(
            Kind::Input,
            "a quote that opens here is never closed, so the rest of the file stands inside it",
        )
        .at(format_args!("{}:{line}", self.origin))
        .expected("a closing quote in the same record")
        .next("close or remove the quote; if the file was cut off, ask for it again")
    }

    fn not_utf_8(&self, place: usize, cells: &[u8], ends: &[usize]) -> Fault {
        let before = cells.get(..place).unwrap_or_default();
        let mut lines = Watch::new();
        before.iter().for_each(|&byte| lines.pass(byte));
        let column = ends.iter().take_while(|&&end| end <= place).count();
        let start = column.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let end = ends.get(column).copied().unwrap_or(cells.len());
        let cell = String::from_utf8_lossy(cells.get(start..end).unwrap_or_default());
        Fault::new(Kind::Input, format!("{} is not UTF-8 text", self.column(column)))
            .at(format_args!("{}:{}", self.origin, self.watch.start + lines.line - 1))
            .value(cell)
            .next("set encoding = \"windows-1252\", or whatever the sender uses")
    }
}

/// A record on one line: where it ends, and where the next one starts.
struct Line {
    end: usize,
    next: usize,
}

impl Line {
    /// The record that starts at `start`: where its cells start, and one behind the end of the last, goes to `starts`. `None` where it is
    /// blank, goes on behind the buffer or on another line, has quotes where they mean nothing, or more cells than there is room for.
    fn bound(bytes: &[u8], start: usize, marks: &mut Marks<'_>, starts: &mut Starts<'_>) -> Option<Self> {
        starts.put(start)?;
        loop {
            let mark = marks.until_other(starts)?;
            if bytes.get(mark) != Some(&b'"') {
                starts.put(mark + 1)?;
                return Self::ended(bytes, start, mark, marks);
            }
            // A quote where no cell starts means nothing.
            if !starts.ends_with(mark) {
                return None;
            }
            let closed = loop {
                let quote = marks.next()?;
                match *bytes.get(quote)? {
                    b'"' if bytes.get(quote + 1) == Some(&b'"') => {
                        marks.next()?;
                    }
                    b'"' => break quote,
                    b'\n' | b'\r' => return None,
                    _ => {}
                }
            };
            // Else something stands between the quote and the end of the cell.
            let mark = marks.next().filter(|mark| *mark == closed + 1)?;
            starts.put(mark + 1)?;
            if matches!(bytes.get(mark), Some(b'\n' | b'\r')) {
                return Self::ended(bytes, start, mark, marks);
            }
        }
    }

    /// The line whose end stands at `end`. A blank line, or the second half of the last line end, is for the other way.
    fn ended(bytes: &[u8], start: usize, end: usize, marks: &mut Marks<'_>) -> Option<Self> {
        let next = match (bytes.get(end)?, bytes.get(end + 1)) {
            (b'\n', _) => end + 1,
            (b'\r', Some(b'\n')) => {
                marks.next()?;
                end + 2
            }
            _ => return None,
        };
        (end > start).then_some(Self { end, next })
    }
}

/// Passes over the lines before line `header`.
fn skip_lines(text: &mut Text, watch: &mut Watch, header: u64) -> Result<()> {
    while watch.line < header {
        let chunk = text.chunk()?;
        if chunk.is_empty() {
            break;
        }
        let mut passed = 0;
        for &byte in chunk {
            watch.pass(byte);
            passed += 1;
            if watch.line == header {
                break;
            }
        }
        text.consume(passed);
    }
    Ok(())
}

/// The delimiter that stands most often in the first line that is not blank, outside quotes.
fn sniff(head: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let (mut quoted, mut blank) = (false, true);
    for &byte in head {
        match byte {
            b'"' => (quoted, blank) = (!quoted, false),
            _ if quoted => {}
            b'\r' | b'\n' if blank => counts = [0; DELIMITERS.len()],
            b'\r' | b'\n' => break,
            _ => match DELIMITERS.iter().zip(&mut counts).find(|(delimiter, _)| **delimiter == byte) {
                Some((_, count)) => *count += 1,
                None => blank &= byte.is_ascii_whitespace(),
            },
        }
    }
    let mut best = (b',', 0);
    for (delimiter, count) in DELIMITERS.into_iter().zip(counts) {
        if count > best.1 {
            best = (delimiter, count);
        }
    }
    best.0
}

/// Where in a record the last byte stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first byte of a cell.
    Start,
    /// In a cell without quotes, where a quote is a character like any other.
    Plain,
    /// Inside quotes.
    Quoted,
    /// After a quote inside quotes: it closes them, unless another one follows.
    Quote,
    /// After a closing quote, where only white space may stand.
    Closed,
}

/// Follows the bytes of the records: lines and quotes.
struct Watch {
    delimiter: u8,
    /// The line on which the next byte stands; the first is 1.
    line: u64,
    /// The last byte was a carriage return: a line feed now belongs to it.
    carriage: bool,
    begun: bool,
    state: State,
    column: usize,
    /// The line on which the record starts.
    start: u64,
    /// The line on which the last quote opened.
    opened: u64,
    /// The first column where text follows a closing quote.
    stray: Option<usize>,
}

impl Watch {
    fn new() -> Self {
        Self {
            delimiter: b',',
            line: 1,
            carriage: false,
            begun: false,
            state: State::Start,
            column: 0,
            start: 1,
            opened: 1,
            stray: None,
        }
    }

    /// The next bytes are those of another record.
    fn begin(&mut self) {
        self.begun = false;
        self.column = 0;
        self.stray = None;
    }

    /// So many records went by, of one line each.
    fn pass_lines(&mut self, count: u64) {
        self.begin();
        self.line += count;
        self.start = self.line - 1;
        self.carriage = false;
    }

    /// Counts the lines.
    fn pass(&mut self, byte: u8) {
        if byte == b'\r' || (byte == b'\n' && !self.carriage) {
            self.line += 1;
        }
        self.carriage = byte == b'\r';
    }

    /// Follows the next bytes of the record, never beyond its end.
    fn feed(&mut self, mut bytes: &[u8]) {
        if !self.begun {
            // The second half of the last line end, and blank lines.
            while let Some((&byte @ (b'\r' | b'\n'), rest)) = bytes.split_first() {
                self.pass(byte);
                bytes = rest;
            }
            if bytes.is_empty() {
                return;
            }
            self.begun = true;
            self.start = self.line;
            // Most records have no quotes: then only the line end at their end matters.
            if let Some((&byte @ (b'\r' | b'\n'), cells)) = bytes.split_last()
                && !cells.contains(&b'"')
            {
                self.carriage = false;
                self.pass(byte);
                return;
            }
        }
        for &byte in bytes {
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        self.pass(byte);
        self.state = match (self.state, byte) {
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) | (State::Quote, b'"') => State::Quoted,
            (_, b'\r' | b'\n') => State::Start,
            (_, byte) if byte == self.delimiter => {
                self.column += 1;
                State::Start
            }
            (State::Start, b'"') => {
                self.opened = self.line;
                State::Quoted
            }
            (State::Start | State::Plain, _) => State::Plain,
            (State::Quote | State::Closed, byte) => {
                if !byte.is_ascii_whitespace() {
                    self.stray.get_or_insert(self.column);
                }
                State::Closed
            }
        };
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::io::{Seek as _, Write as _};

    use proptest::prelude::*;

    use super::*;
    use crate::progress::{Progress as _, Silent, Unit};

    type Read = Vec<(u64, u64, Vec<String>)>;
    /// Bytes of a record, and its cells there.
    type Spans = Vec<(Vec<u8>, Vec<String>)>;

    /// What `next` makes of `bytes`, and how it ends.
    fn read(bytes: &[u8], next: fn(&mut Csv, &mut Row) -> Result<bool>) -> (Read, Option<String>) {
        let mut rows = Vec::new();
        let end = each(bytes, next, &mut |csv, row| {
            let cells = (0..row.len()).map(|column| row.text(column).to_owned()).collect();
            rows.push((csv.watch.start, csv.watch.line, cells));
        });
        (rows, end)
    }

    /// Stands before the headers of `bytes`.
    fn open(bytes: &[u8]) -> Result<Csv> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        let task = Silent.task("reading", Unit::Bytes, None).into();
        let input = Input { file, label: "a.csv".into(), length: bytes.len() as u64, task };
        Csv::new(input, &FileSettings::default())
    }

    /// Hands out every record that `next` makes of `bytes`; how it ends.
    fn each(
        bytes: &[u8],
        mut next: impl FnMut(&mut Csv, &mut Row) -> Result<bool>,
        take: &mut dyn FnMut(&Csv, &Row),
    ) -> Option<String> {
        let mut csv = match open(bytes) {
            Ok(csv) => csv,
            Err(fault) => return Some(fault.to_string()),
        };
        let mut row = Row::default();
        loop {
            row.clear();
            match next(&mut csv, &mut row) {
                Ok(true) => take(&csv, &row),
                Ok(false) => return None,
                Err(fault) => return Some(fault.to_string()),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_by_its_marks_is_what_csv_core_reads(text in r#"[ab,"\r\n ä]{0,60}"#) {
            let either = |csv: &mut Csv, row: &mut Row| Ok(csv.read_plain(row)? || csv.read_any(row)?);
            prop_assert_eq!(read(text.as_bytes(), either), read(text.as_bytes(), Csv::read_any));
        }
    }

    fn cells(row: &Row) -> Vec<String> {
        (0..row.len()).map(|column| row.text(column).to_owned()).collect()
    }

    /// What is read with batches wherever there is one, and the raw spans of those records.
    fn batched(bytes: &[u8]) -> (Read, Option<String>, Spans) {
        let (mut rows, mut spans) = (Vec::new(), Vec::new());
        let mut batch = Batch::default();
        let next = |csv: &mut Csv, row: &mut Row| {
            csv.columns.resize(3, String::new());
            csv.batch(&mut batch)?;
            for record in batch.records() {
                record.read(row);
                spans.push((record.span(0, 2).to_vec(), cells(row).into_iter().take(2).collect()));
                rows.push((row.number, row.place, cells(row)));
            }
            if !batch.is_empty() {
                return Ok(true);
            }
            let found = csv.read_record(row)?;
            if found {
                rows.push((row.number, row.place, cells(row)));
            }
            Ok(found)
        };
        let end = each(bytes, next, &mut |_, _| {});
        (rows, end, spans)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Records that are read many at once are those that are read one by one; and where the bytes of two of them are the
        /// same, so are the cells.
        #[test]
        fn batches_hold_what_is_read_one_by_one(
            records in prop::collection::vec(
                prop_oneof![
                    4 => prop::array::uniform3(r#"[ab ]{0,2}|"[ab,]{0,2}"|"[ab]?""[a]?"|"a\n?b"|a"b|ä"#)
                        .prop_map(|cells| cells.join(",")),
                    1 => r#"[ab,"]{0,6}"#,
                ],
                0..20,
            ),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n"]), 20),
        ) {
            let mut text = "one,two,three\n".to_owned();
            for (record, end) in records.iter().zip(ends) {
                text.push_str(record);
                text.push_str(end);
            }
            let mut singly = Vec::new();
            let end = each(text.as_bytes(), Csv::read_record, &mut |_, row| {
                singly.push((row.number, row.place, cells(row)));
            });
            let (mut many, batched_end, spans) = batched(text.as_bytes());
            many.retain(|(_, _, cells)| cells.iter().any(|cell| !cell.trim().is_empty()));
            prop_assert_eq!((many, batched_end), (singly, end));
            prop_assert!(!spans.is_empty(), "the first record is plain");
            let mut known = std::collections::HashMap::new();
            for (bytes, cells) in spans {
                prop_assert_eq!(known.entry(bytes).or_insert_with(|| cells.clone()), &cells);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// What is read again says what it said, whatever was read again before it.
        #[test]
        fn records_that_are_read_again_say_the_same(
            records in prop::collection::vec(
                (
                    r#"([ab ]{0,2}|"[ab,]{0,2}"|"a\n?b"|ä|a{300}),[ab]{0,30},[ab]{0,2}(,)?"#,
                    prop::sample::select(vec!["\n", "\r\n", "\n\n"]),
                ),
                1..20,
            ),
            times in 1_usize..40,
            ends in any::<bool>(),
            order in any::<prop::sample::Index>(),
        ) {
            let all: String = records.iter().flat_map(|(record, end)| [record, *end]).collect();
            let mut text = format!("one,two,three\n{}", all.repeat(times));
            if !ends {
                text.truncate(text.trim_end().len());
            }
            let mut csv = open(text.as_bytes()).unwrap();
            let (mut row, mut batch, mut known) = (Row::default(), Batch::default(), Vec::new());
            csv.columns.resize(3, String::new());
            while csv.read_record(&mut row).unwrap() {
                known.push((row.place, cells(&row)));
            }
            let middle = order.index(known.len());
            let mut plain = 0;
            for (place, said) in known.iter().chain(known.iter().rev()).chain(known.iter().skip(middle).step_by(7)) {
                csv.revisit_plain(*place, &mut batch).unwrap();
                match batch.records().next() {
                    Some(record) => {
                        plain += 1;
                        record.read(&mut row);
                    }
                    None => csv.revisit(*place, &mut row).unwrap(),
                }
                prop_assert!(batch.records().count() < 2);
                prop_assert_eq!(&cells(&row), said, "{}", place);
            }
            prop_assert!(plain > 0, "the headers are plain");
        }
    }

    #[test]
    fn the_delimiter_of_the_headers_wins_and_ties_go_in_order() {
        assert_eq!(sniff(b"a,b;c;d\n1,2,3,4,5,6"), b';');
        assert_eq!(sniff(b"\n \n;;\na|b\n"), b'|');
        assert_eq!(sniff(b"\"a,b,\nc\"\td\n"), b'\t');
        assert_eq!(sniff(b"a;b,c"), b',');
        assert_eq!(sniff(b"alone"), b',');
    }
}
