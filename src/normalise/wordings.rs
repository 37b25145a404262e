//! What rows say in words, each wording kept once: rows of a file differ in figures and times, and seldom in texts.
//!
//! A row whose texts stand in its cells as they stood in a row before has that row's [`Wording`]; of a file that is read in part many
//! records at once and in part one by one, each part has wordings of its own. Whoever makes something of
//! texts alone makes it once for each wording, and keeps it in a [`Memo`].

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::layout::Layout;
use super::role::{Field, Role};
use crate::intake::{Record, Row};

/// Wordings that are remembered; past so many the memory is started anew.
const MOST: usize = 1 << 14;

/// Bytes that they may take.
const ROOM: usize = 1 << 22;

/// All texts of some row, by number; what the number says is forgotten when the memory is started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wording {
    era: u64,
    number: u32,
}

/// What somebody makes of wordings.
#[derive(Clone, Debug)]
pub struct Memo<T> {
    era: u64,
    all: Vec<Option<T>>,
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self { era: 0, all: Vec::new() }
    }
}

impl<T> Memo<T> {
    /// What was made of a wording.
    #[must_use]
    #[inline]
    pub fn get(&self, wording: Option<Wording>) -> Option<&T> {
        let Wording { number, .. } = wording.filter(|wording| wording.era == self.era)?;
        self.all.get(number as usize)?.as_ref()
    }

    /// Keeps what was made of a wording, if there is one.
    pub fn keep(&mut self, wording: Option<Wording>, value: T) {
        let Some(Wording { era, number }) = wording else { return };
        if era != self.era {
            self.all.clear();
            self.era = era;
        }
        let at = number as usize;
        if self.all.len() <= at {
            self.all.resize_with(at + 1, || None);
        }
        if let Some(place) = self.all.get_mut(at) {
            *place = Some(value);
        }
    }
}

impl<T: Clone> Memo<T> {
    /// What was made of a wording, or is made of it now.
    #[inline]
    pub fn of(&mut self, wording: Option<Wording>, make: impl FnOnce() -> T) -> T {
        if let Some(known) = self.get(wording) {
            return known.clone();
        }
        let made = make();
        self.keep(wording, made.clone());
        made
    }
}

/// The texts of a row by field, trimmed, with defaults where nothing stands.
#[derive(Clone, Copy)]
pub(super) enum Texts<'w> {
    /// As they are remembered.
    Kept {
        all: &'w str,
        /// Where each starts and ends; behind the fields stands the currency as a code.
        edges: &'w [u32],
    },
    /// As they stand in the row.
    Read {
        layout: &'w Layout<'w>,
        row: &'w Row,
        /// The currency as a code.
        currency: &'w str,
    },
}

impl Default for Texts<'_> {
    fn default() -> Self {
        Self::Kept { all: "", edges: &[] }
    }
}

impl<'w> Texts<'w> {
    pub(super) fn get(self, field: Field) -> &'w str {
        match self {
            // The currency is no field.
            Self::Kept { all, edges } if field.index() + 2 < edges.len() => kept(all, edges, field.index()),
            Self::Kept { .. } => "",
            Self::Read { layout, row, .. } => layout.text(field, row),
        }
    }

    pub(super) fn role(self, role: Role) -> &'w str {
        Field::of(role).map_or("", |field| self.get(field))
    }

    /// The currency as a code; blank where the row has no column for it.
    pub(super) fn currency(self) -> &'w str {
        match self {
            Self::Kept { all, edges } => kept(all, edges, edges.len().saturating_sub(2)),
            Self::Read { currency, .. } => currency,
        }
    }
}

fn kept<'w>(all: &'w str, edges: &[u32], number: usize) -> &'w str {
    match edges.get(number..).unwrap_or_default() {
        [start, end, ..] => all.get(*start as usize..*end as usize).unwrap_or_default(),
        _ => "",
    }
}

/// What stands in the cells that say something, as bytes that differ where the cells do.
trait Asked {
    /// Hands out the bytes, part by part, as long as they are wanted; whether all were.
    fn parts(&self, each: impl FnMut(&[u8]) -> bool) -> bool;
}

/// Lengths of cells that are handed out together.
const AT_ONCE: usize = 16;

/// The cells of a row, in these columns.
struct Cells<'a>(&'a [Range<usize>], &'a Row);

impl Asked for Cells<'_> {
    fn parts(&self, mut each: impl FnMut(&[u8]) -> bool) -> bool {
        let Self(columns, row) = self;
        // No text has such a byte, so that no record looks like a row.
        if !each(&[u8::MAX]) {
            return false;
        }
        // All lengths come first, some at once; the bytes then often come at once as well. No row is near 4 GiB: readers refuse it
        // long before.
        let mut lengths = [[0; 4]; AT_ONCE];
        columns.iter().all(|columns| {
            columns.clone().step_by(AT_ONCE).all(|first| {
                let some = first..columns.end.min(first + AT_ONCE);
                for (column, length) in some.clone().zip(&mut lengths) {
                    *length = u32::try_from(row.bytes(column).len()).unwrap_or(u32::MAX).to_le_bytes();
                }
                each(lengths.get(..some.len()).unwrap_or_default().as_flattened())
            })
        }) && columns.iter().all(|columns| match row.run(columns.clone()) {
            Some(bytes) => each(bytes),
            None => columns.clone().all(|column| each(row.bytes(column))),
        })
    }
}

/// The cells of a record, in these columns: as many as there are, each with what ends it.
struct Spans<'a>(&'a [Range<usize>], Record<'a>);

impl Asked for Spans<'_> {
    #[inline]
    fn parts(&self, mut each: impl FnMut(&[u8]) -> bool) -> bool {
        let Self(columns, record) = self;
        columns.iter().all(|columns| each(record.span(columns.start, columns.end)))
    }
}

/// Whether cells that are remembered are those that are asked for.
#[inline]
fn is(asked: &impl Asked, cells: &[u8]) -> bool {
    let mut rest = cells;
    let is_all = asked.parts(|part| match rest.split_at_checked(part.len()) {
        Some((own, behind)) => {
            rest = behind;
            own == part
        }
        None => false,
    });
    is_all && rest.is_empty()
}

/// A wording that is remembered: its hash, and where what stands in its cells starts and ends.
struct Known {
    hash: u64,
    start: u32,
    end: u32,
}

/// Remembers what rows under one header say.
pub(super) struct Wordings {
    /// Each layout, and each start anew, is an era of its own.
    era: u64,
    numbers: HashTable<u32>,
    hasher: RandomState,
    /// By wording.
    known: Vec<Known>,
    /// What stands in the cells of all of them.
    cells: Vec<u8>,
    /// By wording.
    texts: String,
    edges: Vec<u32>,
    /// How many edges a wording has.
    width: usize,
    /// Of the row at hand, where its wording is not remembered.
    currency: String,
    /// The last one that was asked for, and whether it was asked for twice in a row.
    last: u32,
    is_run: bool,
    /// Rows whose wording was known, since the memory was started anew.
    met: usize,
    /// Whether remembering pays.
    pays: bool,
}

impl Default for Wordings {
    fn default() -> Self {
        Self {
            era: 0,
            numbers: HashTable::default(),
            hasher: RandomState::default(),
            known: Vec::new(),
            cells: Vec::new(),
            texts: String::new(),
            edges: Vec::new(),
            width: 0,
            currency: String::new(),
            last: 0,
            is_run: false,
            met: 0,
            pays: true,
        }
    }
}

impl Wordings {
    /// Starts anew, for rows under another header.
    pub(super) fn start(&mut self, layout: &Layout<'_>) {
        self.width = layout.texts.len() + 2;
        self.pays = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.era += 1;
        self.numbers.clear();
        self.known.clear();
        self.cells.clear();
        self.texts.clear();
        self.edges.clear();
        (self.last, self.is_run) = (0, false);
        self.met = 0;
    }

    /// Whether remembering pays.
    pub(super) const fn pays(&self) -> bool {
        self.pays
    }

    /// What a row says, if it is remembered, or can be.
    pub(super) fn of(&mut self, layout: &Layout<'_>, row: &Row) -> Option<Wording> {
        let found = if self.pays { self.find(&Cells(&layout.spans, row), || (layout, row)) } else { None };
        if found.is_none() {
            self.currency.clear();
            self.currency.push_str(&layout.currency(row));
        }
        found
    }

    /// What a record says, if it is remembered, or can be; `row` is where it is read into for that.
    #[inline]
    pub(super) fn of_record<'r>(
        &mut self,
        layout: &'r Layout<'_>,
        record: Record<'_>,
        row: &'r mut Row,
    ) -> Option<Wording> {
        self.find(&Spans(&layout.spans, record), || {
            record.read(row);
            (layout, row)
        })
    }

    /// The wording of what is asked for.
    #[inline]
    fn find<'r>(
        &mut self,
        asked: &impl Asked,
        read: impl FnOnce() -> (&'r Layout<'r>, &'r Row),
    ) -> Option<Wording> {
        let is_asked_for = |&number: &u32| self.cells_of(number).is_some_and(|cells| is(asked, cells));
        // Where lines of one wording stand together, it need not be looked for.
        let number = if self.is_run && is_asked_for(&self.last) {
            self.last
        } else {
            let mut hasher = self.hasher.build_hasher();
            asked.parts(|part| {
                hasher.write(part);
                true
            });
            let hash = hasher.finish();
            match self.numbers.find(hash, is_asked_for) {
                Some(&number) => {
                    (self.is_run, self.last) = (number == self.last, number);
                    number
                }
                None => {
                    let (layout, row) = read();
                    return self.remember(asked, hash, layout, row);
                }
            }
        };
        self.met += 1;
        Some(Wording { era: self.era, number })
    }

    /// What stands in the cells of a wording.
    #[inline]
    fn cells_of(&self, number: u32) -> Option<&[u8]> {
        let &Known { start, end, .. } = self.known.get(number as usize)?;
        self.cells.get(start as usize..end as usize)
    }

    /// Remembers the wording that is asked for, where that can be, and pays.
    #[cold]
    fn remember(&mut self, asked: &impl Asked, hash: u64, layout: &Layout<'_>, row: &Row) -> Option<Wording> {
        if !self.pays {
            return None;
        }
        if self.known.len() >= MOST || self.cells.len() + self.texts.len() > ROOM {
            // Where hardly any row says what another one said, looking for it costs more than it brings.
            self.pays = self.met > self.known.len();
            self.forget();
            if !self.pays {
                return None;
            }
        }
        let number = u32::try_from(self.known.len()).ok()?;
        let start = u32::try_from(self.cells.len()).ok()?;
        asked.parts(|part| {
            self.cells.extend_from_slice(part);
            true
        });
        // Readers refuse a record long before it is near 4 GiB.
        let end = u32::try_from(self.cells.len()).ok()?;
        self.write(layout, row);
        self.known.push(Known { hash, start, end });
        let known = &self.known;
        let hash_of = |&number: &u32| known.get(number as usize).map_or(0, |known| known.hash);
        self.numbers.insert_unique(hash, number, hash_of);
        (self.is_run, self.last) = (false, number);
        Some(Wording { era: self.era, number })
    }

    /// Writes the texts of a row behind those that are remembered.
    fn write(&mut self, layout: &Layout<'_>, row: &Row) {
        let Self { texts, edges, .. } = self;
        let mut edge = |texts: &String| edges.push(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        edge(texts);
        for source in &layout.texts {
            texts.push_str(source.text(row));
            edge(texts);
        }
        texts.push_str(&layout.currency(row));
        edge(texts);
    }

    /// The texts of a wording; where there is none, of the row at hand.
    pub(super) fn texts<'w>(
        &'w self,
        wording: Option<Wording>,
        layout: &'w Layout<'w>,
        row: &'w Row,
    ) -> Texts<'w> {
        match wording {
            Some(wording) => self.kept(wording),
            None => Texts::Read { layout, row, currency: &self.currency },
        }
    }

    /// The texts of a wording.
    pub(super) fn kept(&self, wording: Wording) -> Texts<'_> {
        let at = wording.number as usize * self.width;
        Texts::Kept { all: &self.texts, edges: self.edges.get(at..at + self.width).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::{Fields, Headers, Reading, currency_code};
    use super::*;
    use crate::intake::Mark;

    const COLUMNS: [&str; 6] = ["Document", "Vendor", "Amount", "Currency", "Deal", "Other"];

    /// A deal from either of two columns, a charge from none.
    fn reading() -> Reading {
        let one = |(role, header): (&str, &str)| (role.to_owned(), Headers::One(header.to_owned()));
        let columns = [("document", "Document"), ("vendor", "Vendor"), ("currency", "Currency")].map(one);
        let deal = ["Deal", "Other"].map(str::to_owned).to_vec();
        Reading {
            columns: columns.into_iter().chain([("deal".to_owned(), Headers::Several(deal))]).collect(),
            defaults: [("charge".to_owned(), "ENERGY".to_owned())].into(),
            ..Reading::default()
        }
    }

    fn row(cells: &[String]) -> Row {
        let mut row = Row::default();
        cells.iter().for_each(|cell| row.push(cell, Mark::Text));
        row
    }

    /// Asks for what each row says; it must be what the layout finds there, and the same for rows of one wording. How many rows
    /// were of a wording that had come before.
    fn check(rows: &[Row]) -> usize {
        let (reading, fields) = (reading(), Fields::default());
        let columns = COLUMNS.map(str::to_owned);
        let layout = Layout::of(&columns, &reading, &fields);
        let (mut wordings, mut memo) = (Wordings::default(), Memo::<usize>::default());
        wordings.start(&layout);
        let mut said_before: HashMap<(u64, u32), Vec<String>> = HashMap::new();
        let mut known = 0;
        for row in rows {
            let wording = wordings.of(&layout, row);
            let texts = wordings.texts(wording, &layout, row);
            let all: Vec<String> = fields.all().map(|field| texts.get(field).to_owned()).collect();
            let expected: Vec<&str> = fields.all().map(|field| layout.text(field, row)).collect();
            assert_eq!(all, expected);
            assert_eq!(texts.currency(), currency_code(layout.text(Field::of(Role::Currency).unwrap(), row)));
            let made = memo.of(wording, || all.concat().len());
            assert_eq!(made, all.concat().len());
            let Some(Wording { era, number }) = wording else { continue };
            match said_before.get(&(era, number)) {
                Some(before) => {
                    assert_eq!(before, &all);
                    known += 1;
                }
                None => {
                    said_before.insert((era, number), all);
                }
            }
        }
        known
    }

    proptest! {
        #[test]
        fn a_row_says_what_stands_in_its_cells(
            rows in prop::collection::vec(prop::collection::vec("[aB€ ]{0,2}", 0..=6), 0..40),
        ) {
            check(&rows.iter().map(|cells| row(cells)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn rows_that_differ_in_figures_have_one_wording() {
        let cells = |deal: u32, amount: usize| {
            ["INV-1", "Vendor", &amount.to_string(), "usd", &deal.to_string(), ""].map(str::to_owned)
        };
        let rows: Vec<Row> = (0..300).map(|n| row(&cells(n % 3, n as usize))).collect();
        assert_eq!(check(&rows), 297);
    }

    #[test]
    fn more_wordings_than_are_remembered_are_right_whether_they_stand_together_or_not() {
        let cells = |deal: usize| ["I", "V", "1", "EUR", &deal.to_string(), ""].map(str::to_owned);
        let many = MOST + MOST / 2;
        // Each four times in a row: remembering pays, and starts anew.
        let together: Vec<Row> = (0..many * 4).map(|n| row(&cells(n / 4))).collect();
        assert_eq!(check(&together), many * 3);
        // Each once, and then again: by the time it comes again, it does not pay any more.
        let apart: Vec<Row> = (0..many * 2).map(|n| row(&cells(n % many))).collect();
        assert_eq!(check(&apart), 0);
    }
}
