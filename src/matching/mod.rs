//! In: the two sides' [`Ledger`]s. Out: [`Group`]s, each entry of either side in
//! exactly one. Never: looks at a tolerance, decides what a difference means, or guesses
//! between equal candidates.
//!
//! Passes run in order, each over what the earlier ones left. A copy of a line
//! that a pass has paired is a duplicate there and then: later passes must not
//! set it against records of something else. What no pass took is handed on
//! alone, or as a duplicate of an entry that is its equal.

mod assign;
mod idle;
mod keys;
mod pairing;
mod pass;
mod sets;
mod subset;
mod totals;
mod trace;
mod window;

use std::collections::HashSet;

use rayon::slice::ParallelSliceMut as _;

pub use self::idle::Idle;
pub use self::keys::{Book, KeyPart};
pub use self::pairing::MOST;
pub use self::pass::{Compare, Pass, Within};
pub use self::subset::choices;
pub use self::trace::{Fate, fate};
use crate::normalise::Side;
use crate::progress::Task;

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
    /// Entries of which more than one choice adds up.
    Choices,
    /// Entries that a pass of windows or subsets left to later ones, since weighing them takes too long, and that no
    /// later one took.
    Unweighed,
    /// One entry for which the other side has entries under one key, none of which fits.
    Unfit,
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
    /// A group that no pass has claimed yet, as the entries of one side and those of the other.
    fn of(how: How, side: Side, own: &'a [u32], others: &'a [u32]) -> Self {
        let (invoices, settlements) = match side {
            Side::Invoice => (own, others),
            Side::Settlement => (others, own),
        };
        Self { pass: None, how, invoices, settlements }
    }

    fn alone(side: Side, entry: &'a [u32], how: How) -> Self {
        Self::of(how, side, entry, &[])
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
    /// Keys (or clusters under one) that it left to later passes, since weighing them takes too long.
    pub unweighed: u64,
    /// Why it made no group, where it made none.
    pub idle: Option<Idle>,
}

impl PassCount {
    /// So many pairs.
    fn of_pairs(pairs: u64) -> Self {
        Self { groups: pairs, invoices: pairs, settlements: pairs, ..Self::default() }
    }

    fn add(&mut self, group: &Group<'_>) {
        self.groups += 1;
        self.invoices += group.invoices.len() as u64;
        self.settlements += group.settlements.len() as u64;
    }
}

/// An entry under its key's hash; sorting brings the entries of a key together, invoices first.
type Candidate = (u64, Side, u32);

/// Puts every entry into a group and hands the groups to `sink`. The groups do
/// not depend on the order of the entries, but for equals, of which the earlier goes first.
/// `pairs` were made by the first pass already, of entries that are not in the book. Where `task` is cancelled, the groups are
/// not all there are.
pub fn run(
    book: &Book<'_>,
    passes: &[Pass],
    pairs: u64,
    task: &dyn Task,
    sink: &mut dyn FnMut(Group<'_>),
) -> Vec<PassCount> {
    let mut open = Open::new(book);
    let mut unweighed = Vec::new();
    let mut counts: Vec<PassCount> = passes
        .iter()
        .enumerate()
        .map(|(number, pass)| {
            let mut count = PassCount::of_pairs(if number == 0 { pairs } else { 0 });
            let key = pass.equal_parts();
            let mut candidates = open.candidates(book, &key);
            candidates.par_sort_unstable();
            let (mut invoices, mut settlements) = (Vec::new(), Vec::new());
            let side = |candidate: Option<&Candidate>| candidate.map(|candidate| candidate.1);
            let mut runs: Vec<&[Candidate]> = candidates
                .chunk_by(|a, b| a.0 == b.0)
                .filter(|run| side(run.first()) != side(run.last()))
                .collect();
            // In the order of the invoice's rows, which lie beside each other in memory; that of the hashes is nobody's.
            runs.sort_unstable_by_key(|run| run.first().map(|candidate| candidate.2));
            for run in runs {
                if task.is_cancelled() {
                    break;
                }
                book.split_by_key(&key, run, &mut |of_invoices, of_settlements| {
                    let mut claim = |group: Group<'_>| {
                        if group.how == How::Unweighed {
                            count.unweighed += 1;
                            unweighed.push((number, group.invoices.to_vec(), group.settlements.to_vec()));
                            return;
                        }
                        open.close(&group);
                        task.advance(group.lines());
                        if !matches!(group.how, How::Duplicate(_)) {
                            count.add(&group);
                        }
                        sink(Group { pass: Some(number), ..group });
                    };
                    for (entries, candidates) in
                        [(&mut invoices, of_invoices), (&mut settlements, of_settlements)]
                    {
                        entries.clear();
                        entries.extend(candidates.iter().map(|candidate| candidate.2));
                    }
                    match (pass.compare, pass.within) {
                        (Compare::Subset, _) => {
                            subset::choose(book, pass, &invoices, &settlements, &mut claim);
                        }
                        (Compare::Lines, Some(within)) => {
                            window::pair(book, within, &invoices, &settlements, &mut claim);
                        }
                        // Deltas of one line are lines of their own only until they are added up.
                        (Compare::Lines, None) if !book.adds_up(&settlements) => {
                            pairing::pair(book, &invoices, &settlements, &mut claim);
                        }
                        (Compare::Lines | Compare::Totals, _) => {
                            totals::total(book, &invoices, &settlements, &mut claim);
                        }
                    }
                    if !pass.is_exact() {
                        open.meet(&invoices, &settlements);
                    }
                });
            }
            if count.groups == 0 && count.unweighed == 0 && !task.is_cancelled() {
                count.idle = Some(idle::why(book, &key, pass.within.is_some(), &open, &candidates));
            }
            count
        })
        .collect();
    for (number, mut invoices, mut settlements) in unweighed {
        invoices.retain(|&entry| open.is_open(Side::Invoice, entry));
        settlements.retain(|&entry| open.is_open(Side::Settlement, entry));
        if invoices.is_empty() || settlements.is_empty() {
            continue;
        }
        let group =
            Group { pass: Some(number), how: How::Unweighed, invoices: &invoices, settlements: &settlements };
        open.close(&group);
        task.advance(group.lines());
        if let Some(count) = counts.get_mut(number) {
            count.add(&group);
        }
        sink(group);
    }
    for side in [Side::Invoice, Side::Settlement] {
        if task.is_cancelled() {
            break;
        }
        open.left_over(book, side, &mut |group| {
            task.advance(1);
            if !task.is_cancelled() {
                sink(group);
            }
        });
    }
    counts
}

/// `all` but for what is in `others`; in order.
fn without(all: &[u32], others: &[u32]) -> Vec<u32> {
    if others.is_empty() {
        return all.to_vec();
    }
    let others: HashSet<u32> = others.iter().copied().collect();
    all.iter().copied().filter(|entry| !others.contains(entry)).collect()
}

/// What has become of an entry so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A pass has taken it, or it does not count.
    Closed,
    Open,
    /// A pass has looked at it beside entries of the other side, and taken it for none of them.
    Met,
}

/// Which entries no pass has taken yet.
struct Open {
    invoice: Vec<Stage>,
    settlement: Vec<Stage>,
}

impl Open {
    fn new(book: &Book<'_>) -> Self {
        let stage = |closed| if closed { Stage::Closed } else { Stage::Open };
        let all =
            |side| (0..book.ledger(side).len()).map(|entry| stage(book.is_superseded(side, entry))).collect();
        Self { invoice: all(Side::Invoice), settlement: all(Side::Settlement) }
    }

    fn of(&self, side: Side) -> &[Stage] {
        match side {
            Side::Invoice => &self.invoice,
            Side::Settlement => &self.settlement,
        }
    }

    fn stage(&self, side: Side, entry: u32) -> Stage {
        self.of(side).get(entry as usize).copied().unwrap_or(Stage::Closed)
    }

    fn is_open(&self, side: Side, entry: u32) -> bool {
        self.stage(side, entry) != Stage::Closed
    }

    fn entries(&self, side: Side) -> impl Iterator<Item = u32> + '_ {
        let open = (0_u32..).zip(self.of(side)).filter(|&(_, &stage)| stage != Stage::Closed);
        open.map(|(entry, _)| entry)
    }

    fn set(&mut self, [invoices, settlements]: [&[u32]; 2], stage: Stage) {
        for (stages, entries) in [(&mut self.invoice, invoices), (&mut self.settlement, settlements)] {
            for &entry in entries {
                if let Some(known) = stages.get_mut(entry as usize).filter(|known| **known != Stage::Closed) {
                    *known = stage;
                }
            }
        }
    }

    fn close(&mut self, group: &Group<'_>) {
        self.set([group.invoices, group.settlements], Stage::Closed);
    }

    fn meet(&mut self, invoices: &[u32], settlements: &[u32]) {
        self.set([invoices, settlements], Stage::Met);
    }

    fn candidates(&self, book: &Book<'_>, key: &[KeyPart]) -> Vec<Candidate> {
        let of = |side| {
            let mut hasher = book.hasher(side, key);
            self.entries(side)
                .filter_map(move |entry| hasher.hash(entry).map(|hash| (hash, side, entry)))
                .collect::<Vec<_>>()
        };
        let (mut invoices, settlements) = rayon::join(|| of(Side::Invoice), || of(Side::Settlement));
        invoices.extend(settlements);
        invoices
    }

    fn left_over(&self, book: &Book<'_>, side: Side, sink: &mut dyn FnMut(Group<'_>)) {
        let is_open = |entry: u32| self.is_open(side, entry);
        let left: Vec<u32> = self.entries(side).collect();
        let originals = book.originals(side, &left, &is_open);
        for (entry, original) in left.iter().zip(originals) {
            let alone = if self.stage(side, *entry) == Stage::Met { How::Unfit } else { How::Alone };
            let how = original.map_or(alone, How::Duplicate);
            sink(Group::alone(side, std::slice::from_ref(entry), how));
        }
    }
}
