//! Why a pass brought nothing together: for whoever set it up.

use std::collections::{HashMap, HashSet};

use rayon::slice::ParallelSliceMut as _;

use super::keys::{Book, KeyPart};
use super::{Candidate, Open};
use crate::normalise::{Side, TextId};

/// Why a pass made no group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Idle {
    /// One side has no entries, or earlier passes left none.
    NothingLeft(Side),
    /// All that is left of one side has nothing but blanks in its key.
    Blank(Side),
    /// Parts of the key that have no value in common, by name, with values of the invoices and of the settlements as
    /// their sources say them.
    Apart(Vec<(String, [Vec<String>; 2])>),
    /// Every part has values in common, but no two entries share all.
    Crossed(Option<Nearly>),
    /// Entries share the key, but none start near enough: the starts of an invoice line and a settlement record that are
    /// nearest.
    Far([String; 2]),
    /// Entries share the key, but nothing under it fits.
    Unfit,
}

/// What would be brought together without one part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearly {
    /// The part.
    pub part: String,
    /// How many invoice lines would have a settlement record.
    pub lines: u64,
    /// What an invoice line and such a record say in that part.
    pub example: [String; 2],
}

/// So many values are shown of each side.
const SAMPLES: usize = 3;

/// Why a pass with this key made no group of `candidates`, which are all that is open and has a key, by key.
pub(super) fn why(
    book: &Book<'_>,
    key: &[KeyPart],
    is_window: bool,
    open: &Open,
    candidates: &[Candidate],
) -> Idle {
    const SIDES: [Side; 2] = [Side::Invoice, Side::Settlement];
    if let Some(side) = SIDES.into_iter().find(|&side| open.entries(side).next().is_none()) {
        return Idle::NothingLeft(side);
    }
    let of =
        |side| candidates.iter().filter(move |candidate| candidate.1 == side).map(|&(_, _, entry)| entry);
    if let Some(side) = SIDES.into_iter().find(|&side| of(side).next().is_none()) {
        return Idle::Blank(side);
    }
    if candidates.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0 && a.1 != b.1)) {
        let nearest = if is_window { nearest(book, candidates) } else { None };
        let start = |(side, entry)| book.shown(side, KeyPart::Start, entry);
        return nearest.map_or(Idle::Unfit, |pair| Idle::Far(pair.map(start)));
    }
    let is_apart = |part: &KeyPart| {
        let known = |side| sorted(of(side).map(|entry| book.known(side, *part, entry)));
        let billed = known(Side::Invoice);
        !known(Side::Settlement).iter().any(|value| billed.binary_search(value).is_ok())
    };
    let apart: Vec<_> = key
        .iter()
        .copied()
        .filter(is_apart)
        .map(|part| (book.name(part), SIDES.map(|side| samples(book, side, part, of(side)))))
        .collect();
    if !apart.is_empty() {
        return Idle::Apart(apart);
    }
    let without = key.iter().map(|&part| {
        let rest: Vec<KeyPart> = key.iter().copied().filter(|other| *other != part).collect();
        let hashes = |side| {
            let mut hasher = book.hasher(side, &rest);
            of(side).filter_map(|entry| Some((hasher.hash(entry)?, entry))).collect::<Vec<_>>()
        };
        let settled = sorted(hashes(Side::Settlement).into_iter().map(|(hash, _)| hash));
        let met = hashes(Side::Invoice).into_iter().filter(|(hash, _)| settled.binary_search(hash).is_ok());
        (part, rest, met.map(|(_, entry)| entry).collect::<Vec<_>>())
    });
    // The first of equals.
    let best = without.reduce(|a, b| if b.2.len() > a.2.len() { b } else { a });
    Idle::Crossed(best.and_then(|(part, rest, met)| nearly(book, part, &rest, &met, of(Side::Settlement))))
}

/// Each value once.
fn sorted<T: Ord + Send>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.par_sort_unstable();
    values.dedup();
    values
}

/// The invoice line and the settlement record of one key whose starts are nearest: of equals the earlier ones, those of the invoice first.
fn nearest(book: &Book<'_>, candidates: &[Candidate]) -> Option<[(Side, u32); 2]> {
    let mut nearest = None;
    for run in candidates.chunk_by(|a, b| a.0 == b.0) {
        let timed =
            run.iter().filter_map(|&(_, side, entry)| Some((book.ledger(side).start(entry)?, side, entry)));
        let mut timed: Vec<_> = timed.collect();
        timed.sort_unstable();
        // The nearest of two sides stand side by side, or only others of the same start between them.
        for pair in timed.windows(2) {
            let [(earlier, a, first), (later, b, second)] = *pair else { continue };
            let rank = (earlier.0.abs_diff(later.0), earlier, a);
            if a != b && nearest.is_none_or(|(known, _)| rank < known) {
                let (a, b) = ((a, first), (b, second));
                nearest = Some((rank, if a.0 == Side::Invoice { [a, b] } else { [b, a] }));
            }
        }
    }
    nearest.map(|(_, pair)| pair)
}

/// The first values in the order of their texts, so that the order of the entries means nothing.
fn samples(book: &Book<'_>, side: Side, part: KeyPart, entries: impl Iterator<Item = u32>) -> Vec<String> {
    let ledger = book.ledger(side);
    let said = |entry| match part {
        KeyPart::Text(field) => ledger.text_id(field, entry),
        _ => TextId::BLANK,
    };
    let mut seen = HashSet::new();
    // Of texts that are one to the key, the first.
    let mut values: HashMap<_, String> = HashMap::new();
    for entry in entries {
        let value = book.known(side, part, entry);
        if seen.insert((value, said(entry))) {
            let shown = book.shown(side, part, entry);
            let known = values.entry(value).or_insert_with(|| shown.clone());
            if shown < *known {
                *known = shown;
            }
        }
    }
    let mut values: Vec<String> = values.into_values().collect();
    values.sort_unstable();
    values.truncate(SAMPLES);
    values
}

/// What `rest` brings together without `part`: the invoice lines of `met` with records.
fn nearly(
    book: &Book<'_>,
    part: KeyPart,
    rest: &[KeyPart],
    met: &[u32],
    settlements: impl Iterator<Item = u32>,
) -> Option<Nearly> {
    // Of the lines those whose part is first in the order of texts; of the records that they meet, likewise.
    let mut hasher = book.hasher(Side::Invoice, rest);
    let billed = met.iter().map(|&entry| book.shown(Side::Invoice, part, entry)).min()?;
    let is_first = |entry: &&u32| book.shown(Side::Invoice, part, **entry) == billed;
    let hashes = sorted(met.iter().filter(is_first).filter_map(|&entry| hasher.hash(entry)));
    let mut hasher = book.hasher(Side::Settlement, rest);
    let is_met = |entry: &u32| hasher.hash(*entry).is_some_and(|hash| hashes.binary_search(&hash).is_ok());
    let settled = settlements.filter(is_met).map(|entry| book.shown(Side::Settlement, part, entry)).min()?;
    Some(Nearly { part: book.name(part), lines: met.len() as u64, example: [billed, settled] })
}
