//! In: the two sides' [`Ledger`]s. Out: [`Group`]s, each entry of either side in
//! exactly one. Never: looks at a tolerance, decides what a difference means, or guesses
//! between equal candidates.
//!
//! Passes run in order, each over what the earlier ones left. A copy of a line
//! that a pass has paired is a duplicate there and then: later passes must not
//! set it against records of something else. What no pass took is handed on
//! alone, or as a duplicate of an entry that is its equal.

mod keys;
mod pairing;
mod totals;
mod trace;

use rayon::slice::ParallelSliceMut as _;

pub use self::keys::{Book, KeyPart};
pub use self::pairing::MOST;
pub use self::trace::{Fate, fate};
use crate::normalise::Side;
use crate::progress::Task;

/// How the entries under one key are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// One invoice entry against one settlement entry.
    #[default]
    Lines,
    /// The sums of all entries against each other.
    Totals,
}

/// One matching rule.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Its name in reports.
    pub name: String,
    /// What must be equal on both sides.
    pub key: Vec<KeyPart>,
    /// How entries under one key are compared.
    pub compare: Compare,
}

/// How a group came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// One entry of each side.
    Lines,
    /// Sums against sums.
    Totals,
    /// One entry for which the other side has none.
    Alone,
    /// One entry that repeats another one of its own side, which is given here.
    Duplicate(u32),
    /// Entries under one key that cannot be told apart: more than one assignment is equally close.
    Ambiguous,
    /// Entries under one key that are too many to weigh every assignment.
    TooMany,
}

/// Entries that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The pass that made the group; none for what is left over.
    pub pass: Option<usize>,
    /// How it came about.
    pub how: How,
    /// Invoice entries.
    pub invoices: &'a [u32],
    /// Settlement entries.
    pub settlements: &'a [u32],
}

impl<'a> Group<'a> {
    fn alone(side: Side, entry: &'a [u32], how: How) -> Self {
        let (invoices, settlements) = match side {
            Side::Invoice => (entry, &[][..]),
            Side::Settlement => (&[][..], entry),
        };
        Self { pass: None, how, invoices, settlements }
    }

    /// How many lines and records it has.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        (self.invoices.len() + self.settlements.len()) as u64
    }
}

/// What one pass took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassCount {
    /// Groups made.
    pub groups: u64,
    /// Invoice entries in them.
    pub invoices: u64,
    /// Settlement entries in them.
    pub settlements: u64,
}

impl PassCount {
    /// Counts pairs that were made elsewhere.
    pub const fn add_pairs(&mut self, pairs: u64) {
        self.groups += pairs;
        self.invoices += pairs;
        self.settlements += pairs;
    }
}

/// An entry under its key's hash; sorting brings the entries of a key together, invoices first.
type Candidate = (u64, Side, u32);

/// Puts every entry into a group and hands the groups to `sink`. The groups do
/// not depend on the order of the entries, but for equals, of which the earlier goes first.
pub fn run(
    book: &Book<'_>,
    passes: &[Pass],
    task: &dyn Task,
    sink: &mut dyn FnMut(Group<'_>),
) -> Vec<PassCount> {
    let mut open = Open::new(book);
    let counts = passes
        .iter()
        .enumerate()
        .map(|(number, pass)| {
            let mut count = PassCount::default();
            let mut candidates = open.candidates(book, pass);
            candidates.par_sort_unstable();
            let (mut invoices, mut settlements) = (Vec::new(), Vec::new());
            for run in candidates.chunk_by(|a, b| a.0 == b.0) {
                let is_invoice =
                    |candidate: Option<&Candidate>| candidate.is_some_and(|c| c.1 == Side::Invoice);
                if is_invoice(run.first()) == is_invoice(run.last()) {
                    continue;
                }
                book.split_by_key(pass, run, &mut |of_invoices, of_settlements| {
                    let mut claim = |group: Group<'_>| {
                        open.close(&group);
                        task.advance((group.invoices.len() + group.settlements.len()) as u64);
                        if !matches!(group.how, How::Duplicate(_)) {
                            count.groups += 1;
                            count.invoices += group.invoices.len() as u64;
                            count.settlements += group.settlements.len() as u64;
                        }
                        sink(Group { pass: Some(number), ..group });
                    };
                    for (entries, candidates) in
                        [(&mut invoices, of_invoices), (&mut settlements, of_settlements)]
                    {
                        entries.clear();
                        entries.extend(candidates.iter().map(|candidate| candidate.2));
                    }
                    match pass.compare {
                        // Deltas of one line are lines of their own only until they are added up.
                        Compare::Lines if book.adds_up(&settlements) => {
                            totals::total(book, &invoices, &settlements, &mut claim);
                        }
                        Compare::Lines => pairing::pair(book, &invoices, &settlements, &mut claim),
                        Compare::Totals => totals::total(book, &invoices, &settlements, &mut claim),
                    }
                });
            }
            count
        })
        .collect();
    for side in [Side::Invoice, Side::Settlement] {
        open.left_over(book, side, &mut |group| {
            task.advance(1);
            sink(group);
        });
    }
    counts
}

/// Which entries no pass has taken yet.
struct Open {
    invoice: Vec<bool>,
    settlement: Vec<bool>,
}

impl Open {
    fn new(book: &Book<'_>) -> Self {
        let all = |side| (0..book.ledger(side).len()).map(|entry| !book.is_superseded(side, entry)).collect();
        Self { invoice: all(Side::Invoice), settlement: all(Side::Settlement) }
    }

    fn of(&self, side: Side) -> &[bool] {
        match side {
            Side::Invoice => &self.invoice,
            Side::Settlement => &self.settlement,
        }
    }

    fn entries(&self, side: Side) -> impl Iterator<Item = u32> + '_ {
        (0_u32..).zip(self.of(side)).filter(|&(_, &open)| open).map(|(entry, _)| entry)
    }

    fn close(&mut self, group: &Group<'_>) {
        for (flags, entries) in
            [(&mut self.invoice, group.invoices), (&mut self.settlement, group.settlements)]
        {
            for &entry in entries {
                if let Some(flag) = flags.get_mut(entry as usize) {
                    *flag = false;
                }
            }
        }
    }

    fn candidates(&self, book: &Book<'_>, pass: &Pass) -> Vec<Candidate> {
        let of = |side| {
            let mut hasher = book.hasher(side, &pass.key);
            self.entries(side)
                .filter_map(move |entry| hasher.hash(entry).map(|hash| (hash, side, entry)))
                .collect::<Vec<_>>()
        };
        let (mut invoices, settlements) = rayon::join(|| of(Side::Invoice), || of(Side::Settlement));
        invoices.extend(settlements);
        invoices
    }

    fn left_over(&self, book: &Book<'_>, side: Side, sink: &mut dyn FnMut(Group<'_>)) {
        let open = self.of(side);
        let is_open = |entry: u32| open.get(entry as usize).copied().unwrap_or(false);
        let left: Vec<u32> = self.entries(side).collect();
        let originals = book.originals(side, &left, &is_open);
        for (entry, original) in left.iter().zip(originals) {
            let how = original.map_or(How::Alone, How::Duplicate);
            sink(Group::alone(side, std::slice::from_ref(entry), how));
        }
    }
}
