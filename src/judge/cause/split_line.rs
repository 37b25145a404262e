//! `split line`: a line that the other side lacks is the sum of several records that its own side lacks, under one deal.
//!
//! It is named where just one choice of records adds up, and no two lines claim the same record. Where more than [`MOST`]
//! records of a deal are left, too many choices would add up by chance, and nothing is named.

use std::collections::{BTreeMap, HashMap};

use super::leftovers::{Left, Leftovers};
use super::{Cause, Kind};
use crate::money::{self, Decimal};
use crate::normalise::{Field, Role, Side};

/// Records of one deal that are tried in all combinations.
const MOST: usize = 10;

/// An entry of a deal: its discrepancy and its amount.
type Part = (usize, Decimal);

pub(super) fn find(left: &Leftovers<'_>) -> Vec<(usize, Cause)> {
    // Deals by number, so that their order is not that of a map.
    let mut deals: BTreeMap<(u32, u32), [Vec<Part>; 2]> = BTreeMap::new();
    let sides = [(Side::Invoice, Kind::Unsettled), (Side::Settlement, Kind::Unbilled)];
    for (at, (side, kind)) in sides.into_iter().enumerate() {
        let key = |role, entry| Field::of(role).map_or(0, |field| left.book.key(side, field, entry));
        for Left { entry, number } in left.entries(side) {
            let is_free = |of: &super::Discrepancy| of.kind == kind && of.cause.is_none();
            if !left.discrepancies.get(number).is_some_and(is_free) {
                continue;
            }
            let amount = left.book.ledger(side).amount(entry).filter(|amount| !amount.is_zero());
            let deal = key(Role::Deal, entry);
            if let Some(amount) = amount.filter(|_| deal != 0)
                && let Some(parts) = deals.entry((deal, key(Role::Currency, entry))).or_default().get_mut(at)
            {
                parts.push((number, amount));
            }
        }
    }
    let mut found = Vec::new();
    for [billed, settled] in deals.values() {
        for (wholes, parts) in [(billed, settled), (settled, billed)] {
            if (2..=MOST).contains(&parts.len()) && (1..=MOST).contains(&wholes.len()) {
                found.extend(split(wholes, parts));
            }
        }
    }
    found
}

fn split(wholes: &[Part], parts: &[Part]) -> Vec<(usize, Cause)> {
    // Every choice of parts, as a bit for each, by its sum.
    let mut sums: Vec<(u32, Option<Decimal>)> = vec![(0, Some(money::ZERO))];
    for (bit, &(_, amount)) in parts.iter().enumerate() {
        let more: Vec<_> = sums
            .iter()
            .map(|&(mask, sum)| (mask | (1 << bit), sum.and_then(|sum| money::add(sum, amount))))
            .collect();
        sums.extend(more);
    }
    let mut choices: HashMap<Decimal, Vec<u32>> = HashMap::new();
    for (mask, sum) in sums.into_iter().filter(|(mask, _)| mask.count_ones() > 1) {
        if let Some(sum) = sum {
            choices.entry(sum.normalize()).or_default().push(mask);
        }
    }
    let chosen: Vec<(Part, u32)> = wholes
        .iter()
        .filter_map(|&whole| match choices.get(&whole.1.normalize()).map(Vec::as_slice) {
            Some(&[mask]) => Some((whole, mask)),
            _ => None,
        })
        .collect();
    let is_disputed = |mask: u32| chosen.iter().filter(|(_, other)| other & mask != 0).count() > 1;
    let mut found = Vec::new();
    for &((number, amount), mask) in chosen.iter().filter(|(_, mask)| !is_disputed(*mask)) {
        let taken: Vec<Part> =
            (0..).zip(parts).filter(|&(bit, _)| mask & (1 << bit) != 0).map(|(_, &part)| part).collect();
        let mut terms: Vec<Decimal> = taken.iter().map(|&(_, amount)| amount).collect();
        terms.sort_unstable_by(|a, b| b.cmp(a));
        let terms: Vec<String> = terms.into_iter().map(money::shown).collect();
        let arithmetic = format!("{} = {}", money::shown(amount), terms.join(" + "));
        found.extend(
            std::iter::once(number).chain(taken.into_iter().map(|(number, _)| number)).map(|number| {
                (number, Cause { name: "split line".to_owned(), arithmetic: arithmetic.clone() })
            }),
        );
    }
    found
}
