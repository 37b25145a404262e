//! `split line`: a line that the other side lacks is the sum of several records that its own side lacks, under one deal.
//!
//! It is named where just one choice of records adds up, and no two lines claim the same record. Where more than [`MOST`]
//! records of a deal are left, too many choices would add up by chance, and nothing is named.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rayon::slice::{ParallelSlice as _, ParallelSliceMut as _};

use super::leftovers::{Left, Leftovers};
use super::{Cause, Kind};
use crate::money::{self, Decimal};
use crate::normalise::{Field, Role, Side};

/// Records of one deal that are tried in all combinations.
const MOST: usize = 10;

/// An entry of a deal: its discrepancy and its amount.
type Part = (usize, Decimal);

/// What is left of a deal in one currency, by their numbers: of which side, and which part.
type OfDeal = ((u32, u32), Side, Part);

pub(super) fn find(left: &Leftovers<'_>) -> Vec<(usize, Cause)> {
    let parts = |(side, kind)| {
        let key = move |role, entry| Field::of(role).map_or(0, |field| left.book.key(side, field, entry));
        let part = move |&Left { entry, number, .. }: &Left| -> Option<OfDeal> {
            let deal = Some(key(Role::Deal, entry)).filter(|deal| *deal != 0)?;
            let amount = left.book.ledger(side).amount(entry).filter(|amount| !amount.is_zero())?;
            let is_open = left.discrepancies.get(number).is_some_and(|of| !of.is_blamed());
            is_open.then_some(((deal, key(Role::Currency, entry)), side, (number, amount)))
        };
        left.entries(side).par_iter().filter(move |left| left.kind == kind).filter_map(part)
    };
    let billed = parts((Side::Invoice, Kind::Unsettled));
    let mut all: Vec<OfDeal> = billed.chain(parts((Side::Settlement, Kind::Unbilled))).collect();
    all.par_sort_unstable_by_key(|&(deal, side, (number, _))| (deal, side, number));
    let of_deal = |all: &[OfDeal]| {
        let [billed, settled] = [Side::Invoice, Side::Settlement].map(|side| {
            all.iter().filter(|part| part.1 == side).map(|&(_, _, part)| part).collect::<Vec<Part>>()
        });
        let mut found = Vec::new();
        for (wholes, parts) in [(&billed, &settled), (&settled, &billed)] {
            if (2..=MOST).contains(&parts.len()) && (1..=MOST).contains(&wholes.len()) {
                found.extend(split(wholes, parts));
            }
        }
        found
    };
    all.par_chunk_by(|a, b| a.0 == b.0).flat_map_iter(of_deal).collect()
}

fn split(wholes: &[Part], parts: &[Part]) -> Vec<(usize, Cause)> {
    let amounts = parts.iter().chain(wholes).map(|&(_, amount)| amount);
    let Some(amounts) = money::aligned(amounts) else { return Vec::new() };
    let (of_parts, of_wholes) = amounts.split_at(parts.len());
    // Every choice of parts, as a bit for each, by its sum.
    let mut sums: Vec<(u32, Option<i128>)> = vec![(0, Some(0))];
    for (bit, amount) in of_parts.iter().enumerate() {
        sums.extend_from_within(..);
        let half = sums.len() / 2;
        for (mask, sum) in sums.iter_mut().skip(half) {
            *mask |= 1 << bit;
            *sum = sum.and_then(|sum| sum.checked_add(*amount));
        }
    }
    let choice = |whole: i128| {
        let mut fitting = sums.iter().filter(|(mask, sum)| *sum == Some(whole) && mask.count_ones() > 1);
        fitting.next().filter(|_| fitting.next().is_none()).map(|(mask, _)| *mask)
    };
    let chosen: Vec<(Part, u32)> =
        wholes.iter().zip(of_wholes).filter_map(|(&whole, &amount)| Some((whole, choice(amount)?))).collect();
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
