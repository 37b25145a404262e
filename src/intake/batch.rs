//! Plain records, many at once, as they stand in their source: for whoever can tell what they say without taking each apart.

use super::Row;

/// Records of one line each, which have a cell for each header. Their quotes, where they have any, are where they belong.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records, one behind the other, each with its line end.
    pub(super) text: String,
    /// By record, where in the text its cells start, and one behind the end of the last.
    pub(super) starts: Vec<u32>,
    /// How many cells a record has.
    pub(super) width: usize,
    /// [`Row::number`] of the first record; the others follow it line by line.
    pub(super) number: u64,
    /// [`Row::place`] of the first record.
    pub(super) place: u64,
}

impl Batch {
    /// Forgets the records, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.starts.clear();
    }

    /// Says which [`Row::number`] the first record has.
    pub const fn count_from(&mut self, number: u64) {
        self.number = number;
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The records.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.starts.chunks_exact(self.width + 1).zip(self.number..).map(|(starts, number)| Record {
            text: &self.text,
            starts,
            number,
            place: self.place + starts.first().copied().map_or(0, u64::from),
        })
    }
}

/// One of the records of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub struct Record<'b> {
    text: &'b str,
    starts: &'b [u32],
    /// See [`Row::number`].
    pub number: u64,
    /// See [`Row::place`].
    pub place: u64,
}

impl<'b> Record<'b> {
    /// The bytes from one column on and before another one, with the quotes around the cells and what ends each of them. Where
    /// those of two records of one source are the same, so are their cells.
    #[must_use]
    #[inline]
    pub fn span(&self, from: usize, to: usize) -> &'b [u8] {
        match (self.starts.get(from), self.starts.get(to)) {
            (Some(&start), Some(&behind)) => {
                self.text.as_bytes().get(start as usize..behind as usize).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// The bytes of a cell, without the quotes around them. Quotes among them are still doubled.
    #[must_use]
    #[inline]
    pub fn cell(&self, column: usize) -> &'b [u8] {
        match self.span(column, column + 1) {
            [b'"', inner @ .., _, _] => inner,
            [cell @ .., _] => cell,
            [] => &[],
        }
    }

    /// Writes the record into `row`.
    pub fn read(&self, row: &mut Row) {
        row.clear();
        row.take_apart(self.text, self.starts);
        (row.number, row.place) = (self.number, self.place);
    }
}
