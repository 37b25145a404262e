//! `rounded half-up against half-even` and the like: both sides have quantity × price, rounded in two ways.

use super::{Case, Cause, Kind};
use crate::matching::How;
use crate::money::{self, Decimal, Rounding};

/// Digits behind the point that money is rounded to.
const SCALES: [u32; 2] = [2, 0];

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let discrepancy = case.discrepancy;
    if discrepancy.kind != Kind::Amount || discrepancy.how != How::Lines {
        return None;
    }
    let (billed, settled) = (&discrepancy.figures.invoiced, &discrepancy.figures.settled);
    let (quantity, price) = (billed.quantity?, billed.price.or(settled.price)?);
    if settled.quantity != Some(quantity) || settled.price.is_some_and(|other| other != price) {
        return None;
    }
    let product = money::multiply(quantity, price)?;
    let (ours, theirs) = (billed.amount?, settled.amount?);
    SCALES.into_iter().find_map(|scale| {
        let of = |amount: Decimal| way(product, scale, amount);
        let (one, other) = (of(ours)?, of(theirs)?);
        Some(Cause {
            name: format!("rounded {one} against {other}"),
            arithmetic: format!(
                "{} × {} = {}: {one} {} was billed, {other} {} is settled",
                money::plain(quantity),
                money::plain(price),
                money::plain(product),
                money::shown(ours),
                money::shown(theirs)
            ),
        })
    })
}

/// The way in which `product` becomes `amount`, if there is one; the usual ones first.
fn way(product: Decimal, scale: u32, amount: Decimal) -> Option<&'static str> {
    if product == amount {
        return Some("not at all");
    }
    let way = Rounding::ALL.into_iter().find(|&way| money::round(product, scale, way) == amount)?;
    Some(way.name())
}
