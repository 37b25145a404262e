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
use std::sync::atomic::{AtomicU8, Ordering};

use rayon::iter::ParallelIterator as _;
use rayon::slice::{ParallelSlice as _, ParallelSliceMut as _};

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
    /// One entry for which the other side has entries under one key, all of which others of its own side took.
    Outnumbered,
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

    /// Counts what another thread has counted.
    fn join(&mut self, other: &Self) {
        self.groups += other.groups;
        self.invoices += other.invoices;
        self.settlements += other.settlements;
        self.unweighed += other.unweighed;
    }
}

/// An entry under its key's hash; sorting brings the entries of a key together, invoices first.
type Candidate = (u64, Side, u32);

/// So many keys, or entries that are left over, are one thread's work.
const SHARE: usize = 1024;

/// Puts every entry into a group and hands the groups to `sink`. The groups do
/// not depend on the order of the entries, but for those that say the same in every field, of which the earlier goes first.
/// `pairs` were made by the first pass already, of entries that are not in the book. Where `task` is cancelled, the groups are
/// not all there are.
///
/// Keys know nothing of each other, so that several threads match at once. Each share of the groups has a part of its own, into which
/// `sink` puts what becomes of them; the parts are returned in order, which is the same for any number of threads.
pub fn run<T: Default + Send>(
    book: &Book<'_>,
    passes: &[Pass],
    pairs: u64,
    task: &dyn Task,
    sink: &(dyn Fn(&Group<'_>, &mut T) + Sync),
) -> (Vec<PassCount>, Vec<T>) {
    let open = Open::new(book);
    let mut parts = Vec::new();
    let mut unweighed = Vec::new();
    let mut counts: Vec<PassCount> = passes
        .iter()
        .enumerate()
        .map(|(number, pass)| {
            let mut count = PassCount::of_pairs(if number == 0 { pairs } else { 0 });
            let key = pass.equal_parts();
            let mut candidates = open.candidates(book, &key);
            candidates.par_sort_unstable();
            let side = |candidate: Option<&Candidate>| candidate.map(|candidate| candidate.1);
            let mut runs: Vec<&[Candidate]> = candidates
                .chunk_by(|a, b| a.0 == b.0)
                .filter(|run| side(run.first()) != side(run.last()))
                .collect();
            // In the order of the invoice's rows, which lie beside each other in memory; that of the hashes is nobody's.
            runs.par_sort_unstable_by_key(|run| run.first().map(|candidate| candidate.2));
            let share = |runs: &[&[Candidate]]| {
                let mut taken = Taken::<T>::default();
                let mut hand_on = |group: Group<'_>| {
                    if group.how == How::Unweighed {
                        taken.count.unweighed += 1;
                        taken.unweighed.push([group.invoices.to_vec(), group.settlements.to_vec()]);
                        return;
                    }
                    open.close(&group);
                    task.advance(group.lines());
                    if !matches!(group.how, How::Duplicate(_)) {
                        taken.count.add(&group);
                    }
                    sink(&Group { pass: Some(number), ..group }, &mut taken.part);
                };
                match_runs(book, pass, &key, runs, &open, task, &mut hand_on);
                taken
            };
            for taken in runs.par_chunks(SHARE).map(share).collect::<Vec<_>>() {
                count.join(&taken.count);
                unweighed.extend(taken.unweighed.into_iter().map(|entries| (number, entries)));
                parts.push(taken.part);
            }
            if count.groups == 0 && count.unweighed == 0 && !task.is_cancelled() {
                count.idle = Some(idle::why(book, &key, pass.within.is_some(), &open, &candidates));
            }
            count
        })
        .collect();
    let mut rest = T::default();
    for (number, [mut invoices, mut settlements]) in unweighed {
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
        sink(&group, &mut rest);
    }
    parts.push(rest);
    for side in [Side::Invoice, Side::Settlement] {
        let left: Vec<u32> = open.entries(side).collect();
        let originals = book.originals(side, &left);
        let share = |left: &[(u32, Option<u32>)]| {
            let mut part = T::default();
            for (entry, original) in left.iter().take_while(|_| !task.is_cancelled()) {
                let alone = match open.stage(side, *entry) {
                    Stage::Met => How::Unfit,
                    Stage::Outnumbered => How::Outnumbered,
                    Stage::Open | Stage::Closed => How::Alone,
                };
                let how = original.map_or(alone, How::Duplicate);
                task.advance(1);
                sink(&Group::alone(side, std::slice::from_ref(entry), how), &mut part);
            }
            part
        };
        let left: Vec<(u32, Option<u32>)> = left.into_iter().zip(originals).collect();
        parts.extend(left.par_chunks(SHARE).map(share).collect::<Vec<_>>());
    }
    (counts, parts)
}

/// What one thread has taken.
#[derive(Default)]
struct Taken<T> {
    count: PassCount,
    unweighed: Vec<[Vec<u32>; 2]>,
    part: T,
}

/// Brings together what stands under some of the keys of a pass.
fn match_runs(
    book: &Book<'_>,
    pass: &Pass,
    key: &[KeyPart],
    runs: &[&[Candidate]],
    open: &Open,
    task: &dyn Task,
    claim: &mut dyn FnMut(Group<'_>),
) {
    let (mut invoices, mut settlements) = (Vec::new(), Vec::new());
    for run in runs {
        if task.is_cancelled() {
            break;
        }
        book.split_by_key(key, run, &mut |of_invoices, of_settlements| {
            for (entries, candidates) in [(&mut invoices, of_invoices), (&mut settlements, of_settlements)] {
                entries.clear();
                entries.extend(candidates.iter().map(|candidate| candidate.2));
            }
            match (pass.compare, pass.within) {
                (Compare::Subset, _) => subset::choose(book, pass, &invoices, &settlements, claim),
                (Compare::Lines, Some(within)) => {
                    window::pair(book, within, &invoices, &settlements, claim);
                }
                // Deltas of one line are lines of their own only until they are added up.
                (Compare::Lines, None) if !book.adds_up(&settlements) => {
                    pairing::pair(book, &invoices, &settlements, claim);
                }
                (Compare::Lines | Compare::Totals, _) => totals::total(book, &invoices, &settlements, claim),
            }
            let met = if pass.is_exact() { Stage::Outnumbered } else { Stage::Met };
            open.set([&invoices, &settlements], met);
        });
    }
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
#[repr(u8)]
enum Stage {
    /// A pass has taken it, or it does not count.
    Closed,
    Open,
    /// A pass has looked at it beside entries of the other side, and taken it for none of them.
    Met,
    /// The same, and each of them was taken for another one.
    Outnumbered,
}

/// Which entries no pass has taken yet, as the numbers of their stages. Threads write to it at once: never of one entry, which
/// stands under one key of a pass, and none reads what another writes before the pass is over.
struct Open([Vec<AtomicU8>; 2]);

impl Open {
    fn new(book: &Book<'_>) -> Self {
        let stage = |closed| if closed { Stage::Closed } else { Stage::Open };
        let all = |side| {
            let entries = 0..book.ledger(side).len();
            entries.map(|entry| AtomicU8::new(stage(book.is_superseded(side, entry)) as u8)).collect()
        };
        Self([all(Side::Invoice), all(Side::Settlement)])
    }

    fn of(&self, side: Side) -> &[AtomicU8] {
        let [invoices, settlements] = &self.0;
        if side == Side::Invoice { invoices } else { settlements }
    }

    fn stage(&self, side: Side, entry: u32) -> Stage {
        self.of(side).get(entry as usize).map_or(Stage::Closed, known)
    }

    fn is_open(&self, side: Side, entry: u32) -> bool {
        self.stage(side, entry) != Stage::Closed
    }

    fn entries(&self, side: Side) -> impl Iterator<Item = u32> + '_ {
        let open = (0_u32..).zip(self.of(side)).filter(|&(_, stage)| known(stage) != Stage::Closed);
        open.map(|(entry, _)| entry)
    }

    fn set(&self, [invoices, settlements]: [&[u32]; 2], stage: Stage) {
        for (side, entries) in [(Side::Invoice, invoices), (Side::Settlement, settlements)] {
            for &entry in entries {
                let slot = self.of(side).get(entry as usize);
                if let Some(slot) = slot.filter(|slot| known(slot) != Stage::Closed) {
                    slot.store(stage as u8, Ordering::Relaxed);
                }
            }
        }
    }

    fn close(&self, group: &Group<'_>) {
        self.set([group.invoices, group.settlements], Stage::Closed);
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
}

fn known(stage: &AtomicU8) -> Stage {
    match stage.load(Ordering::Relaxed) {
        stage if stage == Stage::Open as u8 => Stage::Open,
        stage if stage == Stage::Met as u8 => Stage::Met,
        stage if stage == Stage::Outnumbered as u8 => Stage::Outnumbered,
        _ => Stage::Closed,
    }
}
