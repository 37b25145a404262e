//! What rows say in words, each wording kept once: rows of a file differ in figures and times, and seldom in texts.
//!
//! A row whose texts stand in its cells as they stood in a row before has that row's [`Wording`]. Whoever makes something of
//! texts alone makes it once for each wording, and keeps it in a [`Memo`].

use std::hash::{BuildHasher as _, Hasher as _};
use std::ops::Range;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::currency_code;
use super::layout::Layout;
use super::role::{Field, Role};
use crate::intake::Row;

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

impl<T: Copy> Memo<T> {
    /// What was made of a wording, or is made of it now.
    #[inline]
    pub fn of(&mut self, wording: Option<Wording>, make: impl FnOnce() -> T) -> T {
        if let Some(&known) = self.get(wording) {
            return known;
        }
        let made = make();
        self.keep(wording, made);
        made
    }
}

/// The texts of a row by field, trimmed, with defaults where nothing stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Texts<'w> {
    all: &'w str,
    /// Where each starts and ends; behind the fields stands the currency as a code.
    edges: &'w [u32],
}

impl<'w> Texts<'w> {
    fn at(self, number: usize) -> &'w str {
        match self.edges.get(number..).unwrap_or_default() {
            [start, end, ..] => self.all.get(*start as usize..*end as usize).unwrap_or_default(),
            _ => "",
        }
    }

    fn fields(self) -> usize {
        self.edges.len().saturating_sub(2)
    }

    pub(super) fn get(self, field: Field) -> &'w str {
        if field.index() < self.fields() { self.at(field.index()) } else { "" }
    }

    pub(super) fn role(self, role: Role) -> &'w str {
        self.at(role as usize)
    }

    /// The currency as a code; blank where the row has no column for it.
    pub(super) fn currency(self) -> &'w str {
        self.at(self.fields())
    }
}

/// The texts of a row.
#[derive(Clone, Copy)]
pub(super) struct Said {
    /// The wording, where it is remembered.
    pub(super) wording: Option<Wording>,
    /// Where its edges start.
    at: usize,
    count: usize,
}

/// Remembers what rows under one header say.
pub(super) struct Wordings {
    /// Each layout, and each start anew, is an era of its own.
    era: u64,
    numbers: HashTable<u32>,
    hashes: Vec<u64>,
    hasher: RandomState,
    /// By wording: what stands in its cells, where that ends, and where in it each cell starts and ends.
    cells: String,
    ends: Vec<usize>,
    bounds: Vec<u64>,
    /// How many of these a wording has.
    width: usize,
    /// By wording, and behind them of the row at hand, where its wording is not remembered.
    texts: String,
    edges: Vec<u32>,
    /// The last one that was asked for, and whether it was asked for twice in a row.
    last: u32,
    is_run: bool,
    /// Rows whose wording was known, since the memory was started anew.
    known: usize,
    /// Whether remembering pays.
    pays: bool,
}

impl Default for Wordings {
    fn default() -> Self {
        Self {
            era: 0,
            numbers: HashTable::default(),
            hashes: Vec::new(),
            hasher: RandomState::default(),
            cells: String::new(),
            ends: Vec::new(),
            bounds: Vec::new(),
            width: 0,
            texts: String::new(),
            edges: Vec::new(),
            last: 0,
            is_run: false,
            known: 0,
            pays: true,
        }
    }
}

impl Wordings {
    /// Starts anew, for rows under another header.
    pub(super) fn start(&mut self, layout: &Layout<'_>) {
        self.width = layout.spans.iter().map(Range::len).sum();
        self.pays = true;
        self.forget();
    }

    fn forget(&mut self) {
        self.era += 1;
        self.numbers.clear();
        self.hashes.clear();
        self.cells.clear();
        self.ends.clear();
        self.bounds.clear();
        self.texts.clear();
        self.edges.clear();
        (self.last, self.is_run) = (0, false);
        self.known = 0;
    }

    /// What a row says.
    #[inline]
    pub(super) fn of(&mut self, layout: &Layout<'_>, row: &Row) -> Said {
        let count = layout.texts.len() + 2;
        if self.pays
            && let Some(number) = self.number(layout, row)
        {
            let wording = Some(Wording { era: self.era, number });
            return Said { wording, at: number as usize * count, count };
        }
        Said { wording: None, at: self.write(layout, row), count }
    }

    /// The number of a row's wording, if it is remembered, or can be.
    fn number(&mut self, layout: &Layout<'_>, row: &Row) -> Option<u32> {
        // Where lines of one wording stand together, it need not be looked for.
        if self.is_run && self.is_said(self.last, layout, row) {
            self.known += 1;
            return Some(self.last);
        }
        let hash = self.hash(layout, row)?;
        let is_said = |&number: &u32| self.is_said(number, layout, row);
        if let Some(&number) = self.numbers.find(hash, is_said) {
            self.known += 1;
            (self.is_run, self.last) = (number == self.last, number);
            return Some(number);
        }
        self.remember(layout, row, hash)
    }

    /// Of what stands in the cells of a row; `None` where they are not whole.
    fn hash(&self, layout: &Layout<'_>, row: &Row) -> Option<u64> {
        let mut hasher = self.hasher.build_hasher();
        for span in &layout.spans {
            hasher.write(row.span(span.clone())?.text.as_bytes());
        }
        Some(hasher.finish())
    }

    /// Whether a row has the cells of a wording.
    fn is_said(&self, number: u32, layout: &Layout<'_>, row: &Row) -> bool {
        let number = number as usize;
        let mut from =
            number.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default();
        let mut bounds = self.bounds.get(number * self.width..).unwrap_or_default();
        for columns in &layout.spans {
            let Some(span) = row.span(columns.clone()) else { return false };
            let to = from + span.text.len();
            let (Some(cells), Some((own, rest))) =
                (self.cells.get(from..to), bounds.split_at_checked(columns.len()))
            else {
                return false;
            };
            if !span.is(cells, own) {
                return false;
            }
            (from, bounds) = (to, rest);
        }
        self.ends.get(number) == Some(&from)
    }

    /// Remembers the wording of a row, where that can be, and pays.
    #[cold]
    fn remember(&mut self, layout: &Layout<'_>, row: &Row, hash: u64) -> Option<u32> {
        let spans = || layout.spans.iter().filter_map(|span| row.span(span.clone()));
        if !spans().all(|span| span.is_in_order()) {
            return None;
        }
        if self.ends.len() >= MOST || self.cells.len() + self.texts.len() > ROOM {
            // Where hardly any row says what another one said, looking for it costs more than it brings.
            self.pays = self.known > self.ends.len();
            self.forget();
            if !self.pays {
                return None;
            }
        }
        let number = u32::try_from(self.ends.len()).ok()?;
        self.write(layout, row);
        for span in spans() {
            self.cells.push_str(span.text);
            self.bounds.extend(span.bounds());
        }
        self.ends.push(self.cells.len());
        self.hashes.push(hash);
        let hashes = &self.hashes;
        self.numbers.insert_unique(hash, number, |&number| hashes.get(number as usize).copied().unwrap_or(0));
        (self.is_run, self.last) = (false, number);
        Some(number)
    }

    /// Writes the texts of a row behind those that are remembered; where its edges start.
    fn write(&mut self, layout: &Layout<'_>, row: &Row) -> usize {
        let at = self.ends.len() * (layout.texts.len() + 2);
        self.edges.truncate(at);
        self.texts.truncate(self.edges.last().map_or(0, |&end| end as usize));
        let Self { texts, edges, .. } = self;
        // No record is near 4 GiB: readers refuse it long before.
        let mut edge = |texts: &String| edges.push(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        edge(texts);
        for source in &layout.texts {
            texts.push_str(source.text(row));
            edge(texts);
        }
        let currency = layout.texts.get(Role::Currency as usize).map_or("", |source| source.text(row));
        texts.push_str(&currency_code(currency));
        edge(texts);
        at
    }

    pub(super) fn texts(&self, said: Said) -> Texts<'_> {
        Texts { all: &self.texts, edges: self.edges.get(said.at..said.at + said.count).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::{Fields, Headers, Reading};
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
            let said = wordings.of(&layout, row);
            let texts = wordings.texts(said);
            let all: Vec<String> = fields.all().map(|field| texts.get(field).to_owned()).collect();
            let expected: Vec<&str> = fields.all().map(|field| layout.text(field, row)).collect();
            assert_eq!(all, expected);
            assert_eq!(texts.currency(), currency_code(layout.text(Field::of(Role::Currency).unwrap(), row)));
            let made = memo.of(said.wording, || all.concat().len());
            assert_eq!(made, all.concat().len());
            let Some(Wording { era, number }) = said.wording else { continue };
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
