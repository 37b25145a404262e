//! Exact ratios of two whole numbers.

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;

use super::Rounding;
use super::wide::{MAX_SCALE, Wide, power};

/// An exact ratio of two whole numbers, in lowest terms, both positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    numerator: i128,
    denominator: i128,
}

impl Ratio {
    /// One.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// `numerator ÷ denominator` of two positive decimals; `None` where they are not positive or do not fit.
    #[must_use]
    pub fn of(numerator: Decimal, denominator: Decimal) -> Option<Self> {
        let scale = numerator.scale().max(denominator.scale());
        let (n, d) = (Wide::from(numerator).at(scale)?, Wide::from(denominator).at(scale)?);
        if n <= 0 || d <= 0 {
            return None;
        }
        let divisor = gcd(n, d);
        Some(Self { numerator: n / divisor, denominator: d / divisor })
    }

    /// The ratio the other way round.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self { numerator: self.denominator, denominator: self.numerator }
    }

    /// `value × self`, rounded to `scale` digits behind the point; `None` where it does not fit.
    #[must_use]
    pub fn rounded(self, value: Decimal, scale: u32, rounding: Rounding) -> Option<Decimal> {
        let value = Wide::from(value).stripped();
        let mut numerator = value.mantissa.checked_mul(self.numerator)?;
        let mut denominator = self.denominator;
        match scale.checked_sub(value.scale) {
            Some(up) => numerator = numerator.checked_mul(power(up)?)?,
            None => denominator = denominator.checked_mul(power(value.scale - scale)?)?,
        }
        let (whole, rest) = (numerator / denominator, (numerator % denominator).abs());
        let half = rest.checked_mul(2)?.cmp(&denominator);
        let away = match rounding {
            Rounding::HalfUp => half.is_ge(),
            Rounding::HalfEven => half.is_gt() || (half.is_eq() && whole % 2 != 0),
            Rounding::Down => false,
            Rounding::Up => rest != 0,
        };
        let step = if away { numerator.signum() } else { 0 };
        Wide { mantissa: whole + step, scale }.decimal()
    }

    /// Whether `a = b × self`, exactly.
    #[must_use]
    pub fn holds(self, a: Decimal, b: Decimal) -> bool {
        let sides = Wide::from(a).times(self.denominator).zip(Wide::from(b).times(self.numerator));
        sides.and_then(|(a, b)| a.compare(b)).is_some_and(Ordering::is_eq)
    }

    /// Whether `a` may be `b × self`, rounded to the digits that `a` has: no more than a step of its last digit lies between. Where
    /// that does not fit 128 bits, it may be.
    #[must_use]
    pub fn is_near(self, a: Decimal, b: Decimal) -> bool {
        let apart = || {
            let product = Wide::from(b).times(self.numerator)?;
            let Wide { mantissa, scale } = Wide::from(a).times(self.denominator)?.add(product.negated())?;
            let step = Wide { mantissa: self.denominator, scale: a.scale() };
            Wide { mantissa: mantissa.checked_abs()?, scale }.compare(step)
        };
        apart().is_none_or(Ordering::is_le)
    }

    /// `value × self`, and whether that is exact; where it is not, it is
    /// rounded half-even at 12 digits behind the point. `None` where it does not fit.
    #[must_use]
    pub fn apply(self, value: Decimal) -> Option<(Decimal, bool)> {
        const SCALE: u32 = 12;
        let product = Wide::from(value).stripped();
        let mantissa = product.mantissa.checked_mul(self.numerator)?;
        let mut extra = 0;
        // Exact as soon as enough zeros stand behind the mantissa.
        while product.scale + extra <= MAX_SCALE {
            let Some(scaled) = power(extra).and_then(|p| mantissa.checked_mul(p)) else { break };
            if scaled % self.denominator == 0 {
                let wide = Wide { mantissa: scaled / self.denominator, scale: product.scale + extra };
                return Some((wide.decimal()?, true));
            }
            extra += 1;
        }
        let (numerator, denominator) = match SCALE.checked_sub(product.scale) {
            Some(up) => (mantissa.checked_mul(power(up)?)?, self.denominator),
            None => (mantissa, self.denominator.checked_mul(power(product.scale - SCALE)?)?),
        };
        let (quotient, remainder) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
        let up = match (remainder.checked_mul(2)?).cmp(&denominator) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => quotient % 2 != 0,
        };
        Some((Wide { mantissa: quotient + i128::from(up), scale: SCALE }.decimal()?, false))
    }
}

/// `a ÷ b`, rounded half-even to `scale` digits behind the point; `None` where `b` is nought or it does not fit.
#[must_use]
pub fn quotient(a: Decimal, b: Decimal, scale: u32) -> Option<Decimal> {
    let (a, b) = (Wide::from(a).stripped(), Wide::from(b).stripped());
    let (mut over, mut under) = (a.mantissa, b.mantissa);
    match (scale + b.scale).checked_sub(a.scale) {
        Some(up) => over = over.checked_mul(power(up)?)?,
        None => under = under.checked_mul(power(a.scale - b.scale - scale)?)?,
    }
    let (whole, rest) = (over.checked_div(under)?, over.checked_rem(under)?);
    let half = rest.unsigned_abs().checked_mul(2)?.cmp(&under.unsigned_abs());
    let away = half.is_gt() || (half.is_eq() && whole % 2 != 0);
    let step = if away { over.signum() * under.signum() } else { 0 };
    Wide { mantissa: whole + step, scale }.decimal()
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::super::add;
    use super::super::dec;
    use super::*;

    #[test]
    fn ratios_are_exact_where_decimals_can_be() {
        let therm_to_mmbtu = Ratio::of(dec("1"), dec("10")).unwrap();
        assert_eq!(therm_to_mmbtu.apply(dec("799800")), Some((dec("79980"), true)));
        let third = Ratio::of(dec("1"), dec("3")).unwrap();
        assert_eq!(third.apply(dec("1")), Some((dec("0.333333333333"), false)));
        assert_eq!(third.apply(dec("-1")), Some((dec("-0.333333333333"), false)));
        assert_eq!(third.apply(dec("3")), Some((dec("1"), true)));
        assert!(Ratio::of(dec("0"), dec("1")).is_none());
    }

    proptest! {
        #[test]
        fn a_quotient_is_rounded_as_a_ratio_is(a in 1_i64..1_000_000_000, b in 1_i64..1_000_000, scales in prop::array::uniform3(0_u32..6)) {
            let (x, y) = (Decimal::new(a, scales[0]), Decimal::new(b, scales[1]));
            let ratio = Ratio::of(x, y).unwrap();
            let expected = ratio.rounded(Decimal::ONE, scales[2], Rounding::HalfEven);
            prop_assert_eq!(quotient(x, y, scales[2]), expected);
            prop_assert_eq!(quotient(-x, y, scales[2]), expected.map(|value| -value));
            // What a ratio makes of a value is near to it, and what is further away than a step is not.
            let product = ratio.rounded(y, scales[2], Rounding::HalfUp).unwrap();
            prop_assert!(ratio.is_near(product, y));
            prop_assert!(!ratio.is_near(add(product, Decimal::new(2, scales[2])).unwrap(), y));
        }
    }
}
