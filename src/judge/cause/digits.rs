//! `digits swapped`: two digits that stand side by side changed places.

use super::{Case, Cause};
use crate::money::{self, Decimal};

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let pair = case.figure()?;
    let [first, second] = swapped(pair.invoiced, pair.settled)?;
    Some(Cause {
        name: "digits swapped".to_owned(),
        arithmetic: format!(
            "{} has the {first} and the {second} of {} in each other's place",
            pair.show(pair.invoiced),
            pair.show(pair.settled)
        ),
    })
}

/// The two digits of `settled` that stand in each other's place in `billed`.
fn swapped(billed: Decimal, settled: Decimal) -> Option<[char; 2]> {
    if billed.is_sign_negative() != settled.is_sign_negative() {
        return None;
    }
    let apart = money::subtract(billed.abs(), settled.abs());
    if apart.is_some_and(|apart| !may_be_swapped(apart.mantissa())) {
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
    (second == first + 1 && a == d && b == c).then(|| [b, d].map(char::from))
}

/// Whether two digits in each other's place can make such a difference: nine times what they are apart, with zeros behind it.
const fn may_be_swapped(mut apart: i128) -> bool {
    while apart != 0 && apart % 10 == 0 {
        apart /= 10;
    }
    apart % 9 == 0 && apart.abs() <= 81
}

/// The digits of `value` with so many behind the point, without sign and point.
fn digits(value: Decimal, scale: u32) -> Option<String> {
    let zeros = usize::try_from(scale.checked_sub(value.scale())?).ok()?;
    Some(format!("{}{}", value.mantissa().unsigned_abs(), "0".repeat(zeros)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_two_digits_side_by_side_are_found(text in "[1-9][0-9]{1,27}", at in any::<prop::sample::Index>(), scale in 0_u32..28) {
            let at = at.index(text.len() - 1);
            let mut bytes = text.clone().into_bytes();
            bytes.swap(at, at + 1);
            let other = String::from_utf8(bytes).unwrap();
            if other == text || other.starts_with('0') {
                return Ok(());
            }
            let value = |text: &str| Decimal::try_from_i128_with_scale(text.parse().unwrap(), scale).unwrap();
            let expected: Vec<char> = text.chars().skip(at).take(2).collect();
            for sign in [Decimal::ONE, -Decimal::ONE] {
                let found = swapped(value(&other) * sign, value(&text) * sign);
                prop_assert_eq!(found.as_ref().map(|found| found.as_slice()), Some(expected.as_slice()));
            }
        }
    }
}
