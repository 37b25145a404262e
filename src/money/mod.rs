//! The only gate for decimals: parsing, exact arithmetic, named rounding, exact unit ratios.
//!
//! [`Decimal`] holds 28 significant digits and its own operators round
//! silently past them. Nothing outside this folder uses those operators: the
//! functions here work on the 128-bit mantissas and say `None` where a result
//! would not be exact.

mod number;
mod parse;
mod product;
mod ratio;
mod rounding;
mod shown;
mod sum;
mod ways;
mod wide;

pub use rust_decimal::Decimal;

pub use self::number::{Narrow, Number};
pub use self::parse::{DecimalMark, Parsed, is_currency, parse, parse_plain, parse_xml};
pub use self::product::{Product, is_apart};
pub use self::ratio::{Ratio, quotient};
pub use self::rounding::{Rounding, round};
pub use self::shown::{Digits, grouped, plain, show, show_plain, shown, whole};
pub use self::sum::Sum;
pub use self::ways::Ways;
use self::wide::{UNIT, Wide, narrow_power, power};

/// Zero.
pub const ZERO: Decimal = Decimal::ZERO;

/// `a + b`, if that is exact.
#[must_use]
pub fn add(a: Decimal, b: Decimal) -> Option<Decimal> {
    Wide::from(a).add(b.into())?.decimal()
}

/// `a − b`, if that is exact.
#[must_use]
pub fn subtract(a: Decimal, b: Decimal) -> Option<Decimal> {
    add(a, -b)
}

/// `a × b`, if that is exact.
#[must_use]
pub fn multiply(a: Decimal, b: Decimal) -> Option<Decimal> {
    Wide::from(a).multiply(b.into())?.decimal()
}

/// `mantissa × 10^-scale`; a scale is at most 28. What [`Decimal::new`] makes, where it is made so often that it must not be a call.
#[must_use]
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
pub const fn narrow(mantissa: i64, scale: u32) -> Decimal {
    let magnitude = mantissa.unsigned_abs();
    Decimal::from_parts(magnitude as u32, (magnitude >> 32) as u32, 0, mantissa < 0, scale)
}

/// The mantissa and the scale of `value` without zeros at its end: equal values have equal ones.
#[must_use]
#[inline]
pub fn canonical(value: Decimal) -> (i128, u32) {
    Number::from(value).canonical()
}

/// The whole cents of an amount, without its sign.
#[must_use]
pub fn whole_cents(amount: Decimal) -> u128 {
    // 96 bits: a hundred times as many fit 128.
    let hundredfold = amount.mantissa().unsigned_abs() * 100;
    match (u64::try_from(hundredfold), narrow_power(amount.scale())) {
        // 64 bits divide many times faster than 128.
        (Ok(hundredfold), Some(unit)) => (hundredfold / unit.unsigned_abs()).into(),
        _ => hundredfold / power(amount.scale()).unwrap_or(UNIT).unsigned_abs(),
    }
}

/// The mantissas of `values` at one scale; `None` where they do not fit 128 bits.
#[must_use]
pub fn aligned(values: impl Iterator<Item = Decimal> + Clone) -> Option<Vec<i128>> {
    let scale = values.clone().map(|value| value.scale()).max()?;
    values.map(|value| Wide::from(value).at(scale)).collect()
}

/// A decimal of a test.
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn dec(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fewer_whole_cents_are_less(a in any::<(i64, u8)>(), b in any::<(i128, u8)>(), shift in 32_u32..127) {
            let decimal = |mantissa, scale: u8| Decimal::try_from_i128_with_scale(mantissa, u32::from(scale % 29));
            let (Ok(a), Ok(b)) = (decimal(a.0.into(), a.1), decimal(b.0 >> shift, b.1)) else { return Ok(()) };
            for (a, b) in [(a, b), (b, a)] {
                prop_assert!(whole_cents(a) >= whole_cents(b) || a.abs() < b.abs(), "{} {}", a, b);
            }
            prop_assert_eq!(whole_cents(Decimal::new(-12_999, 4)), 129);
        }
    }

    #[test]
    fn a_sum_past_its_digits_says_so() {
        let mut sum = Sum::default();
        sum.add(Decimal::MAX);
        assert_eq!(sum.value(), Some(Decimal::MAX));
        sum.add(dec("0.01"));
        assert_eq!(sum.value(), None);
        assert_eq!(add(Decimal::MAX, dec("1")), None);
        assert_eq!(multiply(Decimal::MAX, dec("10")), None);
    }

    proptest! {
        #[test]
        fn arithmetic_agrees_with_whole_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let (x, y) = (Decimal::new(a, 3), Decimal::new(b, 2));
            prop_assert_eq!(add(x, y), Some(Decimal::new(a + 10 * b, 3)));
            prop_assert_eq!(subtract(x, y), Some(Decimal::new(a - 10 * b, 3)));
            prop_assert_eq!(multiply(x, y), Some(Decimal::new(a * b, 5)));
            prop_assert_eq!(add(x, y), [x, y].into_iter().collect::<Sum>().value());
        }
    }
}
