//! `digits swapped`: two digits that stand side by side changed places.

use super::{Case, Cause};
use crate::money::{self, Decimal};

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let pair = case.figure()?;
    let (billed, settled) = (pair.invoiced, pair.settled);
    if billed.is_sign_negative() != settled.is_sign_negative() {
        return None;
    }
    // Two digits in each other's place make a difference of nine times what they are apart, with zeros behind it.
    let apart = money::subtract(billed.abs(), settled.abs()).map(|apart| money::canonical(apart).0);
    if apart.is_some_and(|apart| apart % 9 != 0 || apart.abs() > 81) {
        return None;
    }
    let (billed, settled) = (billed.normalize(), settled.normalize());
    let scale = billed.scale().max(settled.scale());
    let (ours, theirs) = (digits(billed, scale)?, digits(settled, scale)?);
    if ours.len() != theirs.len() {
        return None;
    }
    let mut apart = ours.bytes().zip(theirs.bytes()).enumerate().filter(|(_, (a, b))| a != b);
    let (Some((first, (a, b))), Some((second, (c, d))), None) = (apart.next(), apart.next(), apart.next())
    else {
        return None;
    };
    (second == first + 1 && a == d && b == c).then(|| Cause {
        name: "digits swapped".to_owned(),
        arithmetic: format!(
            "{} has the {} and the {} of {} in each other's place",
            pair.show(pair.invoiced),
            char::from(b),
            char::from(d),
            pair.show(pair.settled)
        ),
    })
}

/// The digits of `value` with so many behind the point, without sign and point.
fn digits(value: Decimal, scale: u32) -> Option<String> {
    let zeros = usize::try_from(scale.checked_sub(value.scale())?).ok()?;
    Some(format!("{}{}", value.mantissa().unsigned_abs(), "0".repeat(zeros)))
}
