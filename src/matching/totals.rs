//! Sums against sums: all entries under one key make one group.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::Book;
use super::{Group, How};
use crate::money::{self, Decimal, Sum};
use crate::normalise::{Field, Role, Side};

/// Groups `invoices` and `settlements` by currency: sums have one.
pub(super) fn total(
    book: &Book<'_>,
    invoices: &[u32],
    settlements: &[u32],
    claim: &mut dyn FnMut(Group<'_>),
) {
    by_currency(book, invoices, settlements, &mut |invoices, settlements| {
        let (invoices, settlements) = without_copies(book, invoices, settlements);
        claim(Group { pass: None, how: How::Totals, invoices: &invoices, settlements: &settlements });
    });
}

/// Parts entries by currency. A blank currency is the other one, where there is but one. If each side has a single
/// currency, they are one part, whether the two agree or not.
pub(super) fn by_currency(
    book: &Book<'_>,
    invoices: &[u32],
    settlements: &[u32],
    then: &mut dyn FnMut(&[u32], &[u32]),
) {
    let parts = |side, entries: &[u32]| {
        let mut parts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &entry in entries {
            let currency = Field::of(Role::Currency).map_or(BLANK, |field| book.key(side, field, entry));
            parts.entry(currency).or_default().push(entry);
        }
        parts
    };
    let of_invoices = parts(Side::Invoice, invoices);
    let of_settlements = parts(Side::Settlement, settlements);
    let stated: BTreeSet<u32> = of_invoices
        .keys()
        .chain(of_settlements.keys())
        .copied()
        .filter(|&currency| currency != BLANK)
        .collect();
    if stated.len() < 2 || (of_invoices.len() == 1 && of_settlements.len() == 1) {
        return then(invoices, settlements);
    }
    for (currency, invoices) in &of_invoices {
        if let Some(settlements) = of_settlements.get(currency) {
            then(invoices, settlements);
        }
    }
}

/// The key of a blank currency.
const BLANK: u32 = 0;

/// Leaves copies of a line out, one after the other, as long as the sums come closer without them: a month that was
/// billed twice against its days. What is left out stays over, and becomes a duplicate. Where leaving out one of either
/// side is equally close, nothing is left out.
fn without_copies(book: &Book<'_>, invoices: &[u32], settlements: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut kept = [invoices.to_vec(), settlements.to_vec()];
    let sum = |side, entries: &[u32]| sum(book, side, entries);
    let (Some(mut apart), mut copies) = (
        sum(Side::Invoice, invoices)
            .zip(sum(Side::Settlement, settlements))
            .and_then(|(a, b)| money::subtract(a, b)),
        [copies(book, Side::Invoice, invoices), copies(book, Side::Settlement, settlements)],
    ) else {
        return kept.into();
    };
    while !apart.is_zero() {
        let closest = |side: Side, copies: &[u32]| {
            let without = |&entry: &u32| {
                let own = measure(book, side, entry)?;
                // An invoice line adds to the difference, a settlement record takes from it.
                let rest =
                    if side == Side::Invoice { money::subtract(apart, own) } else { money::add(apart, own) };
                Some((rest?, entry))
            };
            copies
                .iter()
                .filter_map(without)
                .min_by_key(|(rest, _)| rest.abs())
                .filter(|(rest, _)| rest.abs() < apart.abs())
        };
        let [of_invoices, of_settlements] = &copies;
        let out = match (closest(Side::Invoice, of_invoices), closest(Side::Settlement, of_settlements)) {
            (Some((a, _)), Some((b, _))) if a.abs() == b.abs() => break,
            (Some(a), Some(b)) if b.0.abs() < a.0.abs() => (b, 1),
            (Some(a), _) => (a, 0),
            (None, Some(b)) => (b, 1),
            (None, None) => break,
        };
        let ((rest, entry), side) = out;
        apart = rest;
        for lists in [&mut kept, &mut copies] {
            if let Some(list) = lists.get_mut(side) {
                list.retain(|&other| other != entry);
            }
        }
    }
    kept.into()
}

fn measure(book: &Book<'_>, side: Side, entry: u32) -> Option<Decimal> {
    let ledger = book.ledger(side);
    ledger.amount(entry).or_else(|| ledger.quantity(entry))
}

fn sum(book: &Book<'_>, side: Side, entries: &[u32]) -> Option<Decimal> {
    entries.iter().filter_map(|&entry| measure(book, side, entry)).collect::<Sum>().value()
}

/// The entries that say what an earlier one says, in the order of [`Book::rank`].
fn copies(book: &Book<'_>, side: Side, entries: &[u32]) -> Vec<u32> {
    let mut entries = entries.to_vec();
    entries.sort_by_cached_key(|&entry| book.rank(side, entry));
    let mut seen = BTreeSet::new();
    entries.retain(|&entry| !seen.insert(book.line(side, entry)));
    entries
}
