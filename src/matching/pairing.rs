//! Pairs the entries under one key, one to one, by closeness where that is decidable.
//!
//! Entries that say the same go together first. What remains is assigned so
//! that the fewest fields differ, and among those assignments so that the sum of squared
//! amount differences is least. If another assignment, not merely a swap of
//! equals, is exactly as close, what it would pair otherwise is ambiguous.

use std::collections::{HashMap, HashSet};

use super::assign::{Assignment, Cost, only_cheapest, tag};
use super::keys::{Book, Values};
use super::{Group, How, without};
use crate::money::{self, Decimal, Rounding};
use crate::normalise::Side;

/// Beyond this many entries on the smaller side the optimal assignment would
/// take too long (its time grows with the cube), and all of the remainder is ambiguous.
pub const MOST: usize = 64;

/// Groups `invoices` and `settlements`; entries that get no partner are not handed to `claim`.
pub(super) fn pair(book: &Book<'_>, invoices: &[u32], settlements: &[u32], claim: &mut dyn FnMut(Group<'_>)) {
    if let ([_], [_]) = (invoices, settlements) {
        return claim(Group { pass: None, how: How::Lines, invoices, settlements });
    }
    let (all_invoices, all_settlements) = (invoices, settlements);
    let [invoices, settlements] = valued(book, invoices, settlements);
    let (mut paired, left_invoices, left_settlements) = twins(invoices, settlements);
    let mut undecided = Vec::new();
    let pairs = assign(&left_invoices, &left_settlements);
    pairs.part([&left_invoices, &left_settlements], How::TooMany, &mut paired, &mut undecided);
    hand_on(book, [all_invoices, all_settlements], paired, undecided, claim);
}

/// The entries of a list, in its order.
fn entries(valued: &[(Values, u32)]) -> Vec<u32> {
    valued.iter().map(|(_, entry)| *entry).collect()
}

/// Hands on what could not be decided, the pairs, and what of all that stands under the key repeats an entry of them.
pub(super) fn hand_on(
    book: &Book<'_>,
    [invoices, settlements]: [&[u32]; 2],
    paired: Vec<(u32, u32)>,
    undecided: Vec<Undecided>,
    claim: &mut dyn FnMut(Group<'_>),
) {
    let (mut unsure_invoices, mut unsure_settlements) = (Vec::new(), Vec::new());
    for (how, of_invoices, of_settlements) in undecided {
        claim(Group { pass: None, how, invoices: &of_invoices, settlements: &of_settlements });
        unsure_invoices.extend(of_invoices);
        unsure_settlements.extend(of_settlements);
    }
    let (of_invoices, of_settlements): (Vec<u32>, Vec<u32>) = paired.iter().copied().unzip();
    let invoices = without(invoices, &unsure_invoices);
    let settlements = without(settlements, &unsure_settlements);
    copies_of_paired(book, Side::Invoice, &invoices, &of_invoices, claim);
    copies_of_paired(book, Side::Settlement, &settlements, &of_settlements, claim);
    for (invoice, settlement) in paired {
        claim(Group { pass: None, how: How::Lines, invoices: &[invoice], settlements: &[settlement] });
    }
}

/// Hands on the entries that repeat a paired entry of their own side.
pub(super) fn copies_of_paired(
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

/// Entries with what they say.
pub(super) type Valued = Vec<(Values, u32)>;

/// The entries of both sides by what they say, in order.
pub(super) fn valued(book: &Book<'_>, invoices: &[u32], settlements: &[u32]) -> [Valued; 2] {
    let of = |side, entries: &[u32]| -> Valued {
        entries.iter().map(|&entry| (book.values(side, entry), entry)).collect()
    };
    let mut sides = [of(Side::Invoice, invoices), of(Side::Settlement, settlements)];
    leave_out_what_one_side_never_states(&mut sides);
    for (side, valued) in [Side::Invoice, Side::Settlement].into_iter().zip(&mut sides) {
        valued.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| book.rank(side, a.1).cmp(&book.rank(side, b.1))));
    }
    sides
}

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
pub(super) fn twins(invoices: Valued, settlements: Valued) -> (Vec<(u32, u32)>, Valued, Valued) {
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

/// Entries of both sides that cannot be paired, and why.
pub(super) type Undecided = (How, Vec<u32>, Vec<u32>);

/// Entries of both sides that go together.
pub(super) enum Pairs {
    /// In the closest way, as far as there is but one; and the entries that others as close would pair otherwise.
    Closest(Vec<(u32, u32)>, Vec<(Vec<u32>, Vec<u32>)>),
    /// They were not weighed.
    TooMany,
}

impl Pairs {
    /// Adds the pairs to those that are known, and the rest to what is undecided: as `unweighed` where nothing was weighed of these entries.
    pub(super) fn part(
        self,
        [invoices, settlements]: [&[(Values, u32)]; 2],
        unweighed: How,
        paired: &mut Vec<(u32, u32)>,
        undecided: &mut Vec<Undecided>,
    ) {
        match self {
            Self::Closest(pairs, tangles) => {
                paired.extend(pairs);
                undecided.extend(tangles.into_iter().map(|(a, b)| (How::Ambiguous, a, b)));
            }
            Self::TooMany => undecided.push((unweighed, entries(invoices), entries(settlements))),
        }
    }

    /// By the entries of rows and columns; columns beyond them are nobody.
    pub(super) fn of(assignment: Assignment, rows: &[(Values, u32)], columns: &[(Values, u32)]) -> Self {
        let Assignment::Cheapest { columns: column_of, tangles } = assignment else { return Self::TooMany };
        let pair = |(row, column): (&(Values, u32), Option<usize>)| Some((row.1, columns.get(column?)?.1));
        let all = |of: &[(Values, u32)], numbers: Vec<usize>| -> Vec<u32> {
            numbers.into_iter().filter_map(|number| of.get(number)).map(|(_, entry)| *entry).collect()
        };
        Self::Closest(
            rows.iter().zip(column_of).filter_map(pair).collect(),
            tangles
                .into_iter()
                .map(|tangle| (all(rows, tangle.rows), all(columns, tangle.columns)))
                .collect(),
        )
    }

    /// The same with the sides in each other's place.
    fn swapped(self) -> Self {
        fn turn<A, B>(all: Vec<(A, B)>) -> Vec<(B, A)> {
            all.into_iter().map(|(a, b)| (b, a)).collect()
        }
        match self {
            Self::Closest(pairs, tangles) => Self::Closest(turn(pairs), turn(tangles)),
            Self::TooMany => Self::TooMany,
        }
    }
}

/// The closest assignment of the fewer to the more.
fn assign(invoices: &Valued, settlements: &Valued) -> Pairs {
    if invoices.is_empty() || settlements.is_empty() {
        return Pairs::Closest(Vec::new(), Vec::new());
    }
    if invoices.len() > settlements.len() {
        return assign(settlements, invoices).swapped();
    }
    if let ([(_, a)], [(_, b)]) = (invoices.as_slice(), settlements.as_slice()) {
        return Pairs::Closest(vec![(*a, *b)], Vec::new());
    }
    if invoices.len() > MOST || settlements.len() > MOST * MOST {
        return Pairs::TooMany;
    }
    let (rows, columns) = (classes(invoices), classes(settlements));
    let edges = invoices
        .iter()
        .zip(&rows)
        .map(|((a, _), &row)| {
            let cost = |((b, _), &column): (&(Values, u32), &u64)| {
                Cost([fields_apart(a, b) + times_apart(a, b), amounts_apart(a, b), tag(row, column)])
            };
            settlements.iter().zip(&columns).map(cost).enumerate().collect()
        })
        .collect();
    Pairs::of(only_cheapest(edges, settlements.len(), u64::MAX), invoices, settlements)
}

/// Numbers the distinct values of a sorted list.
pub(super) fn classes(valued: &[(Values, u32)]) -> Vec<u64> {
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

/// How many of the fields differ, without the times.
pub(super) fn fields_apart(a: &Values, b: &Values) -> i128 {
    i128::from(a.currency != b.currency)
        + i128::from(a.unit != b.unit)
        + i128::from(a.version != b.version)
        + i128::from(a.amount != b.amount)
        + i128::from(a.quantity != b.quantity)
        + i128::from(a.price != b.price)
}

fn times_apart(a: &Values, b: &Values) -> i128 {
    i128::from(a.start != b.start) + i128::from(a.end != b.end)
}

/// The square of the amounts' difference in millionths (of the quantities', where amounts are blank).
pub(super) fn amounts_apart(a: &Values, b: &Values) -> i128 {
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
    millionths * millionths
}

/// So far apart that it does not matter how far (nine thousand million); the sum of a million of its squares still fits.
const FAR: i128 = 1 << 53;
