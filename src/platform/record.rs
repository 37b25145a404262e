//! Records as they came: names and texts, in the order of the document.

use std::fmt;
use std::io::{self, Read};

/// Many records in few allocations: all their text in one string.
///
/// A reader fills it, a consumer empties it, and the memory is used again.
#[derive(Debug, Default)]
pub struct Batch {
    text: String,
    fields: Vec<Field>,
    /// For each record, how many fields there are up to its end.
    ends: Vec<usize>,
}

/// The bit that marks an encoded number: a name's end where the value is null, a value's where it is a double.
const MARK: u32 = 1 << 31;

/// A field's name and value follow each other in the text; it starts where the field before it ended.
#[derive(Clone, Copy, Debug)]
struct Field {
    name_end: usize,
    value_end: usize,
    worth: Worth,
}

/// What a field's value is, beyond its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// The text as somebody wrote it.
    Text,
    /// The text of a binary floating point number, by the answer's own schema.
    Double,
    /// Null.
    Null,
}

impl Batch {
    /// The records, in order.
    pub fn records(&self) -> impl Iterator<Item = Fields<'_>> {
        let mut first = 0;
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let fields = self.fields.get(first..end).unwrap_or_default();
            let record = Fields { text: &self.text, fields, start };
            start = fields.last().map_or(start, |field| field.value_end);
            first = end;
            record
        })
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.fields.clear();
        self.ends.clear();
    }

    /// Bytes of text so far.
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Starts a field; [`Self::push`] adds to its value, [`Self::end_field`] ends it.
    /// The name comes in parts; most fields have one that is not empty.
    #[inline]
    pub(super) fn start_field(&mut self, parts: &[&str]) -> Open {
        let start = self.text.len();
        for part in parts {
            if !part.is_empty() {
                self.text.push_str(part);
            }
        }
        Open { start, name_end: self.text.len() }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The name of an open field.
    pub(super) fn name(&self, open: Open) -> &str {
        self.text.get(open.start..open.name_end).unwrap_or_default()
    }

    /// What stands in an open field's value.
    pub(super) fn value(&self, open: Open) -> &str {
        self.text.get(open.name_end..).unwrap_or_default()
    }

    pub(super) fn end_field(&mut self, open: Open, worth: Worth) {
        if worth == Worth::Null {
            self.text.truncate(open.name_end);
        }
        self.fields.push(Field { name_end: open.name_end, value_end: self.text.len(), worth });
    }

    /// Takes back a field that turned out to be none.
    pub(super) fn drop_field(&mut self, open: Open) {
        self.text.truncate(open.start);
    }

    /// How far it is, to come back to.
    pub(super) fn mark(&self) -> (usize, usize) {
        (self.text.len(), self.fields.len())
    }

    /// Takes back the fields that were written since.
    pub(super) fn rewind(&mut self, (text, fields): (usize, usize)) {
        self.text.truncate(text);
        self.fields.truncate(fields);
    }

    /// Whether the record that is being written has fields already.
    pub(super) fn has_open_record(&self) -> bool {
        self.ends.last().copied().unwrap_or_default() < self.fields.len()
    }

    pub(super) fn end_record(&mut self) {
        self.ends.push(self.fields.len());
    }

    /// Writes the batch to the end of `out`: three counts, the ends of the records, the fields, the text.
    ///
    /// # Errors
    /// Where the batch is larger than 2 GiB.
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let mut put = |number: usize, flag: bool| {
            let number = u32::try_from(number).ok().filter(|number| number & MARK == 0);
            let number = number.ok_or(io::ErrorKind::InvalidInput)?;
            out.extend_from_slice(&(number | if flag { MARK } else { 0 }).to_le_bytes());
            io::Result::Ok(())
        };
        for count in [self.ends.len(), self.fields.len(), self.text.len()] {
            put(count, false)?;
        }
        for end in &self.ends {
            put(*end, false)?;
        }
        for field in &self.fields {
            put(field.name_end, field.worth == Worth::Null)?;
            put(field.value_end, field.worth == Worth::Double)?;
        }
        out.extend_from_slice(self.text.as_bytes());
        Ok(())
    }

    /// Reads what [`Self::encode`] wrote, in place of what is here.
    ///
    /// # Errors
    /// Where `source` ends, or holds something else.
    pub(super) fn decode(&mut self, source: &mut impl Read) -> io::Result<()> {
        self.clear();
        let mut get = || {
            let mut bytes = [0; 4];
            source.read_exact(&mut bytes)?;
            let number = u32::from_le_bytes(bytes);
            let size = usize::try_from(number & !MARK).map_err(|_| io::ErrorKind::InvalidData)?;
            io::Result::Ok((size, number & MARK != 0))
        };
        let (ends, fields, text) = (get()?.0, get()?.0, get()?.0);
        for _ in 0..ends {
            self.ends.push(get()?.0);
        }
        for _ in 0..fields {
            let ((name_end, is_null), (value_end, is_double)) = (get()?, get()?);
            let worth = match (is_null, is_double) {
                (true, _) => Worth::Null,
                (false, true) => Worth::Double,
                (false, false) => Worth::Text,
            };
            self.fields.push(Field { name_end, value_end, worth });
        }
        // Taken piece by piece: a count that is not ours shall not be believed before the bytes are there.
        let length = u64::try_from(text).unwrap_or(u64::MAX);
        if source.take(length).read_to_string(&mut self.text)? == text {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// The text from a place on, names and values together: what tells one page from another.
    pub(super) fn text_from(&self, start: usize) -> &[u8] {
        self.text.as_bytes().get(start..).unwrap_or_default()
    }
}

/// A field that is being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    start: usize,
    name_end: usize,
}

/// The fields of one record: name and text, in the order of the document.
///
/// The names of nested elements are joined by `/`, attributes start with `@`
/// (`Party/Name`, `Party/@id`). A record that is text itself has one field by
/// the record's own name. `None` is a null: `xsi:nil`, or a column of a .NET `DataSet` that the row leaves out;
/// an element that repeats gives a field each time.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    text: &'a str,
    fields: &'a [Field],
    start: usize,
}

impl<'a> Fields<'a> {
    /// The fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        self.marked().map(|(name, value, _)| (name, value))
    }

    /// The fields, in order, each with whether the answer itself says (by the schema of a .NET `DataSet`) that its
    /// value is binary floating point: what reads `0.1` may have been any double near it.
    pub fn marked(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>, bool)> + use<'a> {
        let text = self.text;
        let mut start = self.start;
        self.fields.iter().map(move |field| {
            let name = text.get(start..field.name_end).unwrap_or_default();
            let value = text.get(field.name_end..field.value_end).unwrap_or_default();
            start = field.value_end;
            (name, (field.worth != Worth::Null).then_some(value), field.worth == Worth::Double)
        })
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none (the whole record is null).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// A record with the place that it came from. Shown, it reads `operation:call:index`.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The operation that was called.
    pub operation: &'a str,
    /// The call (one page is one call), counted from 1 over the whole fetch, in the order of delivery.
    pub call: u64,
    /// The record in its call, counted from 1.
    pub index: u64,
    /// What it says.
    pub fields: Fields<'a>,
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.operation, self.call, self.index)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    type Rows = Vec<Vec<(String, Option<String>, bool)>>;

    fn rows(batch: &Batch) -> Rows {
        let row = |fields: Fields<'_>| {
            let owned = |(name, value, is_double): (&str, Option<&str>, bool)| {
                (name.to_owned(), value.map(str::to_owned), is_double)
            };
            fields.marked().map(owned).collect()
        };
        batch.records().map(row).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(given in prop::collection::vec(prop::collection::vec((".{0,4}", prop::option::of(".{0,6}"), any::<bool>()), 0..4), 0..5)) {
            let mut batch = Batch::default();
            for row in &given {
                for (name, value, is_double) in row {
                    let field = batch.start_field(&[name]);
                    batch.push(value.as_deref().unwrap_or("gone"));
                    let worth = match value {
                        None => Worth::Null,
                        Some(_) if *is_double => Worth::Double,
                        Some(_) => Worth::Text,
                    };
                    batch.end_field(field, worth);
                }
                batch.end_record();
            }
            let mut bytes = Vec::new();
            batch.encode(&mut bytes).unwrap();
            let mut read = Batch::default();
            read.decode(&mut bytes.as_slice()).unwrap();
            // A null is no number of any kind.
            let given: Rows = given.into_iter().map(|row| {
                row.into_iter().map(|(name, value, is_double)| {
                    let is_double = is_double && value.is_some();
                    (name, value, is_double)
                }).collect()
            }).collect();
            prop_assert_eq!(rows(&read), given);
            for end in 0..bytes.len() {
                prop_assert!(read.decode(&mut bytes.get(..end).unwrap()).is_err());
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut read = Batch::default();
            if read.decode(&mut bytes.as_slice()).is_ok() {
                let _ = rows(&read);
            }
        }
    }
}
