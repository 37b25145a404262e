//! Pairs the entries under one key, one to one, by closeness where that is decidable.
//!
//! Entries that say the same go together first. What remains is assigned so
//! that the fewest fields differ, and among those assignments so that the sum of squared
//! amount differences is least. If another assignment, not merely a swap of
//! equals, is exactly as close, the remainder is ambiguous.

use std::collections::{HashMap, HashSet};
use std::ops::{Add, Sub};

use super::keys::{Book, Values};
use super::{Group, How};
use crate::money::{self, Decimal, Rounding};
use crate::normalise::Side;

/// Beyond this many entries on the smaller side the optimal assignment would
/// take too long (its time grows with the cube), and the remainder is ambiguous.
pub const MOST: usize = 64;

/// Groups `invoices` and `settlements`; entries that get no partner are not handed to `claim`.
pub(super) fn pair(book: &Book<'_>, invoices: &[u32], settlements: &[u32], claim: &mut dyn FnMut(Group<'_>)) {
    if let ([_], [_]) = (invoices, settlements) {
        return claim(Group { pass: None, how: How::Lines, invoices, settlements });
    }
    let (all_invoices, all_settlements) = (invoices, settlements);
    let valued = |side, entries: &[u32]| -> Valued {
        entries.iter().map(|&entry| (book.values(side, entry), entry)).collect()
    };
    let mut sides = [valued(Side::Invoice, invoices), valued(Side::Settlement, settlements)];
    leave_out_what_one_side_never_states(&mut sides);
    let [mut invoices, mut settlements] = sides;
    invoices.sort_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| book.rank(Side::Invoice, a.1).cmp(&book.rank(Side::Invoice, b.1)))
    });
    settlements.sort_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| book.rank(Side::Settlement, a.1).cmp(&book.rank(Side::Settlement, b.1)))
    });
    let (mut paired, left_invoices, left_settlements) = twins(invoices, settlements);
    let entries = |left: &[(Values, u32)]| left.iter().map(|(_, entry)| *entry).collect::<Vec<_>>();
    let undecided = |how, claim: &mut dyn FnMut(Group<'_>)| {
        let (invoices, settlements) = (entries(&left_invoices), entries(&left_settlements));
        claim(Group { pass: None, how, invoices: &invoices, settlements: &settlements });
    };
    match assign(&left_invoices, &left_settlements) {
        Assignment::Pairs(pairs) => paired.extend(pairs),
        Assignment::Undecidable => return undecided(How::Ambiguous, claim),
        Assignment::TooMany => return undecided(How::TooMany, claim),
    }
    for side in [Side::Invoice, Side::Settlement] {
        let all = if side == Side::Invoice { all_invoices } else { all_settlements };
        let own =
            |&(invoice, settlement): &(u32, u32)| if side == Side::Invoice { invoice } else { settlement };
        copies_of_paired(book, side, all, &paired.iter().map(own).collect::<Vec<_>>(), claim);
    }
    for (invoice, settlement) in paired {
        claim(Group { pass: None, how: How::Lines, invoices: &[invoice], settlements: &[settlement] });
    }
}

/// Hands on the entries that repeat a paired entry of their own side.
fn copies_of_paired(
    book: &Book<'_>,
    side: Side,
    all: &[u32],
    paired: &[u32],
    claim: &mut dyn FnMut(Group<'_>),
) {
    if paired.len() == all.len() {
        return;
    }
    let lines: HashMap<_, u32> = paired.iter().rev().map(|&entry| (book.line(side, entry), entry)).collect();
    let taken: HashSet<u32> = paired.iter().copied().collect();
    for entry in all.iter().filter(|entry| !taken.contains(entry)) {
        if let Some(&original) = lines.get(&book.line(side, *entry)) {
            claim(Group::alone(side, std::slice::from_ref(entry), How::Duplicate(original)));
        }
    }
}

type Valued = Vec<(Values, u32)>;

/// What only one side states (a currency, say, which the other one takes for granted) cannot tell its entries apart.
fn leave_out_what_one_side_never_states(sides: &mut [Valued; 2]) {
    fn part<T: Default + PartialEq>(sides: &mut [Valued; 2], of: fn(&mut Values) -> &mut T) {
        let states = |side: &mut Valued| side.iter_mut().any(|(values, _)| *of(values) != T::default());
        let [invoices, settlements] = sides;
        if states(invoices) != states(settlements) {
            sides.iter_mut().flatten().for_each(|(values, _)| *of(values) = T::default());
        }
    }
    part(sides, |values| &mut values.currency);
    part(sides, |values| &mut values.unit);
    part(sides, |values| &mut values.version);
    part(sides, |values| &mut values.start);
    part(sides, |values| &mut values.end);
    part(sides, |values| &mut values.amount);
    part(sides, |values| &mut values.quantity);
    part(sides, |values| &mut values.price);
}

/// Takes out the pairs that say the same; both lists are sorted and stay so.
fn twins(invoices: Valued, settlements: Valued) -> (Vec<(u32, u32)>, Valued, Valued) {
    let mut pairs = Vec::new();
    let mut left_invoices = Valued::new();
    let mut left_settlements = Valued::new();
    let mut settlements = settlements.into_iter().peekable();
    for (values, invoice) in invoices {
        while let Some(less) = settlements.next_if(|(other, _)| *other < values) {
            left_settlements.push(less);
        }
        match settlements.next_if(|(other, _)| *other == values) {
            Some((_, settlement)) => pairs.push((invoice, settlement)),
            None => left_invoices.push((values, invoice)),
        }
    }
    left_settlements.extend(settlements);
    (pairs, left_invoices, left_settlements)
}

/// What came of weighing the assignments.
enum Assignment {
    /// The one that is closest.
    Pairs(Vec<(u32, u32)>),
    /// More than one is.
    Undecidable,
    /// They were not weighed.
    TooMany,
}

/// The closest assignment of the fewer to the more.
fn assign(invoices: &Valued, settlements: &Valued) -> Assignment {
    if invoices.is_empty() || settlements.is_empty() {
        return Assignment::Pairs(Vec::new());
    }
    if invoices.len() > settlements.len() {
        return match assign(settlements, invoices) {
            Assignment::Pairs(pairs) => Assignment::Pairs(pairs.into_iter().map(|(a, b)| (b, a)).collect()),
            other => other,
        };
    }
    if let ([(_, a)], [(_, b)]) = (invoices.as_slice(), settlements.as_slice()) {
        return Assignment::Pairs(vec![(*a, *b)]);
    }
    if invoices.len() > MOST || settlements.len() > MOST * MOST {
        return Assignment::TooMany;
    }
    // The third component tells assignments apart that are equally close:
    // drawn to either end of it, they agree only if there is but one. It
    // depends on the values alone, so that a swap of equals is no difference.
    let (rows, columns) = (classes(invoices), classes(settlements));
    let costs = |direction: i128| -> Vec<Vec<Cost>> {
        invoices
            .iter()
            .zip(&rows)
            .map(|((a, _), &row)| {
                let cost = |((b, _), &column): (&(Values, u32), &u64)| {
                    let [fields, distance] = distance(a, b);
                    Cost([fields, distance, direction * tag(row, column)])
                };
                settlements.iter().zip(&columns).map(cost).collect()
            })
            .collect()
    };
    let (costs_up, costs_down) = (costs(1), costs(-1));
    let (up, down) = (cheapest(&costs_up), cheapest(&costs_down));
    let total = |assignment: &[usize], costs: &[Vec<Cost>]| {
        assignment
            .iter()
            .zip(costs)
            .filter_map(|(&column, row)| row.get(column))
            .fold(Cost::default(), |sum, &cost| sum + cost)
    };
    let ([.., most], [.., least]) = (total(&up, &costs_up).0, total(&down, &costs_down).0);
    if most != -least {
        return Assignment::Undecidable;
    }
    let entry = |(row, column): (usize, usize)| Some((invoices.get(row)?.1, settlements.get(column)?.1));
    Assignment::Pairs(up.into_iter().enumerate().filter_map(entry).collect())
}

/// Numbers the distinct values of a sorted list.
fn classes(valued: &Valued) -> Vec<u64> {
    let mut class = 0;
    let mut last: Option<&Values> = None;
    valued
        .iter()
        .map(|(values, _)| {
            class += u64::from(last.is_some_and(|last| last != values));
            last = Some(values);
            class
        })
        .collect()
}

/// A number for a pair of classes such that different sets of pairs have different sums, as far as chance goes (2⁻⁶⁰).
fn tag(row: u64, column: u64) -> i128 {
    let mut x = (row << 32 | column).wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    i128::from((x ^ (x >> 31)) >> 4)
}

/// How far two entries are apart: the fields that differ, and the square of the
/// amounts' difference in millionths (of the quantities', where amounts are blank).
fn distance(a: &Values, b: &Values) -> [i128; 2] {
    let differs = i128::from(a.currency != b.currency)
        + i128::from(a.unit != b.unit)
        + i128::from(a.version != b.version)
        + i128::from(a.start != b.start)
        + i128::from(a.end != b.end)
        + i128::from(a.amount != b.amount)
        + i128::from(a.quantity != b.quantity)
        + i128::from(a.price != b.price);
    let measure = |values: &Values| -> Option<Decimal> { values.amount.or(values.quantity) };
    let apart = match (measure(a), measure(b)) {
        (Some(a), Some(b)) => {
            money::subtract(money::round(a, 6, Rounding::HalfEven), money::round(b, 6, Rounding::HalfEven))
        }
        _ => None,
    };
    let millionths = apart
        .and_then(|apart| money::multiply(apart, Decimal::from(1_000_000)))
        .map_or(FAR, |apart| money::round(apart, 0, Rounding::HalfEven).mantissa().clamp(-FAR, FAR));
    [differs, millionths * millionths]
}

/// So far apart that it does not matter how far; its square, 64 times over, still fits.
const FAR: i128 = 1 << 58;

/// Costs, the first component first; they add and subtract like numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost([i128; 3]);

impl Cost {
    const INFINITE: Self = Self([i128::MAX / 4; 3]);
}

impl Add for Cost {
    type Output = Self;

    fn add(self, Self([d, e, f]): Self) -> Self {
        let Self([a, b, c]) = self;
        Self([a.saturating_add(d), b.saturating_add(e), c.saturating_add(f)])
    }
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, Self([d, e, f]): Self) -> Self {
        let Self([a, b, c]) = self;
        Self([a.saturating_sub(d), b.saturating_sub(e), c.saturating_sub(f)])
    }
}

/// The column of each row in the cheapest assignment of all rows; there are at
/// least as many columns. The Hungarian method by shortest augmenting paths
/// (Kuhn 1955, Munkres 1957), in O(rows² × columns).
#[expect(clippy::indexing_slicing, reason = "all indices run within the lengths set at the top")]
fn cheapest(costs: &[Vec<Cost>]) -> Vec<usize> {
    let rows = costs.len();
    let columns = costs.first().map_or(0, Vec::len);
    // Row and column 0 are sentinels; potentials keep all reduced costs ≥ 0.
    let mut row_potential = vec![Cost::default(); rows + 1];
    let mut column_potential = vec![Cost::default(); columns + 1];
    let mut row_of = vec![0; columns + 1];
    let mut came_from = vec![0; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut at = 0;
        let mut shortest = vec![Cost::INFINITE; columns + 1];
        let mut done = vec![false; columns + 1];
        loop {
            done[at] = true;
            let from = row_of[at];
            let mut step = Cost::INFINITE;
            let mut next = 0;
            for column in 1..=columns {
                if done[column] {
                    continue;
                }
                let reduced = costs[from - 1][column - 1] - row_potential[from] - column_potential[column];
                if reduced < shortest[column] {
                    shortest[column] = reduced;
                    came_from[column] = at;
                }
                if shortest[column] < step {
                    step = shortest[column];
                    next = column;
                }
            }
            for column in 0..=columns {
                if done[column] {
                    row_potential[row_of[column]] = row_potential[row_of[column]] + step;
                    column_potential[column] = column_potential[column] - step;
                } else {
                    shortest[column] = shortest[column] - step;
                }
            }
            at = next;
            if row_of[at] == 0 {
                break;
            }
        }
        while at != 0 {
            let before = came_from[at];
            row_of[at] = row_of[before];
            at = before;
        }
    }
    let mut column_of = vec![0; rows];
    for column in 1..=columns {
        if row_of[column] > 0 {
            column_of[row_of[column] - 1] = column - 1;
        }
    }
    column_of
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn cheapest_by_trying(costs: &[Vec<Cost>], taken: &mut Vec<bool>, row: usize) -> Cost {
        let Some(this) = costs.get(row) else { return Cost::default() };
        let mut best = Cost::INFINITE;
        for (column, &cost) in this.iter().enumerate() {
            if !std::mem::replace(&mut taken[column], true) {
                best = best.min(cost + cheapest_by_trying(costs, taken, row + 1));
                taken[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn the_assignment_is_the_cheapest(
            rows in 1_usize..5,
            extra in 0_usize..3,
            numbers in proptest::collection::vec((0_i128..4, 0_i128..50), 40),
        ) {
            let columns = rows + extra;
            let costs: Vec<Vec<Cost>> = (0..rows)
                .map(|r| (0..columns).map(|c| Cost([numbers[r * columns + c].0, numbers[r * columns + c].1, 0])).collect())
                .collect();
            let found = cheapest(&costs);
            let total = found.iter().zip(&costs).fold(Cost::default(), |sum, (&c, row)| sum + row[c]);
            prop_assert_eq!(total, cheapest_by_trying(&costs, &mut vec![false; columns], 0));
            let mut distinct = found.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), rows);
        }
    }
}
