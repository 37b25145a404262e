//! Sums against sums: all entries under one key make one group.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::{Book, Values};
use super::{Group, How};
use crate::money::{self, Decimal, Sum};
use crate::normalise::{Field, Role, Side};

/// Groups `invoices` and `settlements` by currency: sums have one. If each side
/// has a single one, they make one group, whether the currencies agree or not.
pub(super) fn total(
    book: &Book<'_>,
    invoices: &[u32],
    settlements: &[u32],
    claim: &mut dyn FnMut(Group<'_>),
) {
    let by_currency = |side, entries: &[u32]| {
        let mut parts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &entry in entries {
            let currency = Field::of(Role::Currency).map_or(0, |field| book.key(side, field, entry));
            parts.entry(currency).or_default().push(entry);
        }
        parts
    };
    let (invoices, settlements) =
        (by_currency(Side::Invoice, invoices), by_currency(Side::Settlement, settlements));
    let mut group = |invoices: &[u32], settlements: &[u32]| {
        let (invoices, settlements) = without_copies(book, invoices, settlements);
        claim(Group { pass: None, how: How::Totals, invoices: &invoices, settlements: &settlements });
    };
    if let (1, 1, Some(invoices), Some(settlements)) =
        (invoices.len(), settlements.len(), invoices.values().next(), settlements.values().next())
    {
        return group(invoices, settlements);
    }
    for (currency, invoices) in &invoices {
        if let Some(settlements) = settlements.get(currency) {
            group(invoices, settlements);
        }
    }
}

/// Leaves copies of a line out where the sums are closer without them: a month
/// that was billed twice against its days. What is left out stays over, and becomes a duplicate.
fn without_copies(book: &Book<'_>, invoices: &[u32], settlements: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let whole = (invoices.to_vec(), settlements.to_vec());
    let difference = |invoices: &[u32], settlements: &[u32]| -> Option<Decimal> {
        Some(
            money::subtract(sum(book, Side::Invoice, invoices)?, sum(book, Side::Settlement, settlements)?)?
                .abs(),
        )
    };
    let Some(apart) = difference(invoices, settlements).filter(|apart| !apart.is_zero()) else {
        return whole;
    };
    let candidates = [
        (distinct(book, Side::Invoice, invoices), settlements.to_vec()),
        (invoices.to_vec(), distinct(book, Side::Settlement, settlements)),
    ];
    candidates
        .into_iter()
        .filter_map(|(invoices, settlements)| {
            Some((difference(&invoices, &settlements)?, invoices, settlements))
        })
        .filter(|(closer, ..)| *closer < apart)
        .min_by_key(|(closer, ..)| *closer)
        .map_or(whole, |(_, invoices, settlements)| (invoices, settlements))
}

fn sum(book: &Book<'_>, side: Side, entries: &[u32]) -> Option<Decimal> {
    let ledger = book.ledger(side);
    entries
        .iter()
        .filter_map(|&entry| ledger.amount(entry).or_else(|| ledger.quantity(entry)))
        .collect::<Sum>()
        .value()
}

fn distinct(book: &Book<'_>, side: Side, entries: &[u32]) -> Vec<u32> {
    let mut seen: BTreeSet<Values> = BTreeSet::new();
    entries.iter().copied().filter(|&entry| seen.insert(book.values(side, entry))).collect()
}
