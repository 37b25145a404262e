//! Why a pass brought nothing together: for whoever set it up.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::keys::{Book, KeyPart};
use super::{Candidate, Open};
use crate::normalise::Side;

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
        let billed: HashSet<Option<i64>> =
            of(Side::Invoice).map(|entry| book.known(Side::Invoice, *part, entry)).collect();
        !of(Side::Settlement).any(|entry| billed.contains(&book.known(Side::Settlement, *part, entry)))
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
    let nearly = key.iter().filter_map(|&part| {
        let rest: Vec<KeyPart> = key.iter().copied().filter(|other| *other != part).collect();
        nearly(book, part, &rest, of(Side::Invoice), of(Side::Settlement))
    });
    Idle::Crossed(nearly.max_by_key(|nearly| nearly.lines))
}

/// The invoice line and the settlement record of one key whose starts are nearest, the earlier ones of equals.
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
            let rank = (earlier.0.abs_diff(later.0), earlier);
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
    let mut seen = HashSet::new();
    let mut first = BTreeSet::new();
    for entry in entries.filter(|&entry| seen.insert(book.known(side, part, entry))) {
        first.insert(book.shown(side, part, entry));
        if first.len() > SAMPLES {
            first.pop_last();
        }
    }
    first.into_iter().collect()
}

/// What `rest` would bring together without `part`.
fn nearly(
    book: &Book<'_>,
    part: KeyPart,
    rest: &[KeyPart],
    invoices: impl Iterator<Item = u32>,
    settlements: impl Iterator<Item = u32>,
) -> Option<Nearly> {
    let mut hasher = book.hasher(Side::Settlement, rest);
    // By key: the record whose part is first in the order of texts.
    let mut settled: HashMap<u64, String> = HashMap::new();
    for entry in settlements {
        let Some(hash) = hasher.hash(entry) else { continue };
        let text = book.shown(Side::Settlement, part, entry);
        settled
            .entry(hash)
            .and_modify(|known| *known = text.clone().min(std::mem::take(known)))
            .or_insert(text);
    }
    let mut hasher = book.hasher(Side::Invoice, rest);
    let (mut lines, mut example) = (0, None);
    for entry in invoices {
        let Some(text) = hasher.hash(entry).and_then(|hash| settled.get(&hash)) else { continue };
        lines += 1;
        let pair = [book.shown(Side::Invoice, part, entry), text.clone()];
        if example.as_ref().is_none_or(|known| pair < *known) {
            example = Some(pair);
        }
    }
    Some(Nearly { part: book.name(part), lines, example: example? })
}
