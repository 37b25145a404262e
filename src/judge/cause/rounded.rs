//! `rounded half-up against half-even` and the like: both sides have quantity × price, rounded in two ways. And
//! `rounded line by line against on the total`: the lines were rounded each, the record is their sum rounded once.

use super::{Case, Cause, Kind};
use crate::matching::How;
use crate::money::{self, Decimal, Rounding, Sum};
use crate::normalise::{Inferred, Ledger, Role, Side};

/// Digits behind the point that money is rounded to.
const SCALES: [u32; 2] = [2, 0];

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let discrepancy = case.discrepancy;
    if discrepancy.kind != Kind::Amount || !matches!(discrepancy.how, How::Lines | How::Totals) {
        return None;
    }
    match (&*discrepancy.invoices, &*discrepancy.settlements) {
        ([_], [_]) => in_two_ways(case),
        ([_, _, ..], [_]) => at_two_points(case, Side::Invoice),
        ([_], [_, _, ..]) => at_two_points(case, Side::Settlement),
        _ => None,
    }
}

fn in_two_ways(case: &Case<'_>) -> Option<Cause> {
    let (billed, settled) = (&case.discrepancy.figures.invoiced, &case.discrepancy.figures.settled);
    let (quantity, price) = (billed.quantity?, billed.price.or(settled.price)?);
    if settled.quantity != Some(quantity) || settled.price.is_some_and(|other| other != price) {
        return None;
    }
    let product = money::multiply(quantity, price)?;
    let (ours, theirs) = (billed.amount?, settled.amount?);
    let is_rounded = |amount, scale| way(product, scale, amount, None).is_some();
    if !SCALES.into_iter().any(|scale| is_rounded(ours, scale) && is_rounded(theirs, scale)) {
        return None;
    }
    // Where several ways come to the same cents, the one that makes all other lines is the one.
    let habits = [Side::Invoice, Side::Settlement].map(|side| habit(case, side));
    let usual = habits.each_ref().map(|habit| habit.as_ref().and_then(|(_, inferred)| inferred.only()));
    let [our_way, their_way] = usual;
    SCALES.into_iter().find_map(|scale| {
        let one = way(product, scale, ours, our_way)?;
        let other = way(product, scale, theirs, their_way)?;
        let evidence: Vec<String> = habits
            .iter()
            .flatten()
            .filter(|(_, inferred)| inferred.only().is_some() && inferred.exact < inferred.lines)
            .map(|(whose, inferred)| {
                format!("; of {whose}, {}", inferred.told(["line", "lines"], "line-wise"))
            })
            .collect();
        Some(Cause {
            name: format!("rounded {one} against {other}"),
            arithmetic: format!(
                "{} × {} = {}: {one} {} was billed, {other} {} is settled{}",
                money::plain(quantity),
                money::plain(price),
                money::plain(product),
                money::shown(ours),
                money::shown(theirs),
                evidence.concat()
            ),
        })
    })
}

/// The way in which `product` becomes `amount`, if there is one; the usual ones first.
fn way(product: Decimal, scale: u32, amount: Decimal, usual: Option<Rounding>) -> Option<&'static str> {
    if product == amount {
        return Some("not at all");
    }
    let mut ways = usual.into_iter().chain(Rounding::ALL);
    ways.find(|&way| money::round(product, scale, way) == amount).map(Rounding::name)
}

/// Whose lines these are, and what rounds them.
fn habit(case: &Case<'_>, side: Side) -> Option<(String, Inferred)> {
    let ledger = case.book.ledger(side);
    let vendor = case.discrepancy.said_first(case.book, side, Role::Vendor);
    let inferred = ledger.counts.roundings.of(vendor)?;
    let whose = match (side, vendor) {
        (Side::Invoice, "") => "the invoices".to_owned(),
        (Side::Invoice, vendor) => format!("the invoices of {vendor}"),
        (Side::Settlement, "") => "the settlements".to_owned(),
        (Side::Settlement, vendor) => format!("the settlements of {vendor}"),
    };
    Some((whose, inferred))
}

/// Several entries of one side against one of the other, which is the sum of their quantities × prices: rounded each, or once.
fn at_two_points(case: &Case<'_>, several: Side) -> Option<Cause> {
    let names = match several {
        Side::Invoice => ["line by line", "on the total"],
        Side::Settlement => ["on the total", "line by line"],
    };
    let ledger = case.book.ledger(several);
    let (billed, settled) =
        (case.discrepancy.figures.invoiced.amount?, case.discrepancy.figures.settled.amount?);
    let (sum, once) = if several == Side::Invoice { (billed, settled) } else { (settled, billed) };
    let products: Vec<(Decimal, Decimal)> = case
        .discrepancy
        .entries(several)
        .iter()
        .map(|&entry| product(ledger, entry))
        .collect::<Option<_>>()?;
    let exact = products.iter().map(|(product, _)| *product).collect::<Sum>().value()?;
    let ways = SCALES.into_iter().flat_map(|scale| Rounding::ALL.map(|way| (scale, way)));
    let (_, way) = ways.into_iter().find(|&(scale, way)| {
        let rounded = |value| money::round(value, scale, way);
        rounded(exact) == once && products.iter().all(|&(product, amount)| rounded(product) == amount)
    })?;
    let [ours, theirs] = names;
    let way = way.name();
    Some(Cause {
        name: format!("rounded {ours} against {theirs}"),
        arithmetic: format!(
            "quantity × price of {} lines is {} together: {way} line by line {}, {way} on the total {}",
            products.len(),
            money::plain(exact),
            money::shown(sum),
            money::shown(once)
        ),
    })
}

/// An entry's quantity × price, and its amount.
fn product(ledger: &Ledger, entry: u32) -> Option<(Decimal, Decimal)> {
    Some((money::multiply(ledger.quantity(entry)?, ledger.price(entry)?)?, ledger.amount(entry)?))
}
