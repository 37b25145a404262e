//! Which ways of rounding make an amount of a quantity and a price.

use super::Rounding;
use super::number::Number;
use super::wide::{Wide, narrow_power, power};

/// A bit for each way of rounding at each scale: whether quantity × price, rounded so, is the amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ways(u32);

/// Digits behind the point that are tried, from 0 on: money is not rounded to more.
const SCALES: u32 = 5;

/// As many as [`Rounding::ALL`] has.
const WAYS: u32 = 4;

/// Their bits at scale 0.
const ALL: u32 = (1 << WAYS) - 1;

/// Behind the bits of all ways: the amount is quantity × price, and nothing was rounded.
const EXACT: u32 = 1 << (SCALES * WAYS);

impl Ways {
    /// All scales that are tried.
    pub const SCALES: std::ops::Range<u32> = 0..SCALES;

    /// The ways by which `amount` is `quantity × price`. Where the product does not fit 128 bits, there is none.
    #[must_use]
    pub fn of(quantity: Number, price: Number, amount: Number) -> Self {
        let narrow = || {
            let [quantity, price, amount] = [quantity, price, amount].map(Number::narrow);
            let (product, amount) = (quantity?.multiply(price?)?, amount?);
            let scale = product.scale.max(amount.scale);
            // Noughts fit at any scale, but the steps of a finer one do not.
            narrow_power(scale)?;
            Some(narrow(product.at(scale)?, amount.at(scale)?, scale, amount.stripped().scale))
        };
        let wide = || {
            let product = Wide::from(quantity).multiply(price.into())?;
            let amount = Wide::from(amount);
            let scale = product.scale.max(amount.scale);
            Some(wide(product.at(scale)?, amount.at(scale)?, scale, amount.stripped().scale))
        };
        narrow().or_else(wide).unwrap_or_default()
    }

    /// Whether the amount is the exact product.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        self.0 & EXACT != 0
    }

    /// Whether some rounding to two digits behind the point, or more, makes the amount: it is less than a cent off then.
    #[must_use]
    pub const fn is_to_the_cent(self) -> bool {
        self.0 >> (2 * WAYS) != 0
    }

    /// A number below 16: the same for the same ways, and seldom for others.
    #[must_use]
    pub const fn hint(self) -> usize {
        (self.0.wrapping_mul(0x9e37_79b9) >> 28) as usize
    }

    /// Whether the product is the amount when it is rounded to `scale` digits in this way.
    #[must_use]
    pub fn has(self, scale: u32, rounding: Rounding) -> bool {
        scale < SCALES && self.0 & bit(scale, rounding) != 0
    }
}

const fn bit(scale: u32, rounding: Rounding) -> u32 {
    let way = match rounding {
        Rounding::HalfUp => 0,
        Rounding::HalfEven => 1,
        Rounding::Down => 2,
        Rounding::Up => 3,
    };
    1 << (scale * WAYS + way)
}

/// The same code for mantissas of 64 and of 128 bits, which stand at one scale; the last digit of the amount that is no nought
/// is so many behind the point.
macro_rules! ways {
    ($name:ident, $int:ty, $power:ident) => {
        #[inline]
        fn $name(product: $int, amount: $int, scale: u32, last: u32) -> Ways {
            let Some(gap) = product.checked_sub(amount) else { return Ways::default() };
            let apart = gap.unsigned_abs();
            let towards_zero = (gap > 0) == (product > 0);
            let mut ways = if gap == 0 { EXACT } else { 0 };
            // Among wider steps the amount has no place.
            for digits in (last..SCALES).rev() {
                // So many digits the product does not have: there are none to lose.
                let unit = $power(scale.saturating_sub(digits)).filter(|unit| apart < unit.unsigned_abs());
                let Some(unit) = unit else { continue };
                if gap == 0 {
                    ways |= ALL << (digits * WAYS);
                    continue;
                }
                ways |= bit(digits, if towards_zero { Rounding::Down } else { Rounding::Up });
                let half = apart.cmp(&(unit.unsigned_abs() - apart));
                if half.is_lt() || (half.is_eq() && !towards_zero) {
                    ways |= bit(digits, Rounding::HalfUp);
                }
                if half.is_lt() || (half.is_eq() && amount / unit % 2 == 0) {
                    ways |= bit(digits, Rounding::HalfEven);
                }
            }
            Ways(ways)
        }
    };
}

ways!(narrow, i64, narrow_power);
ways!(wide, i128, power);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Decimal, multiply, round};
    use super::*;

    proptest! {
        /// What the bits say is what rounding does.
        #[test]
        fn the_ways_are_those_that_rounding_takes(
            quantity in prop_oneof![Just(0), -2_000_i64..2_000],
            price in -2_000_i64..2_000,
            scales in (0_u32..4, 0_u32..4, 0_u32..5),
            apart in -2_i64..3,
            zeros in 0_u32..20,
        ) {
            let (quantity, price) = (Decimal::new(quantity, scales.0), Decimal::new(price, scales.1));
            let product = multiply(quantity, price).unwrap_or_default();
            let near = round(product, scales.2, Rounding::HalfEven);
            let mut amount = near + Decimal::new(apart, scales.2);
            // The same amount, written with more digits than 64 bits hold.
            amount.rescale(amount.scale() + zeros);
            let ways = Ways::of(quantity.into(), price.into(), amount.into());
            prop_assert_eq!(ways.is_exact(), product == amount);
            prop_assert!(!ways.is_to_the_cent() || (product - amount).abs() < Decimal::new(1, 2));
            for scale in Ways::SCALES {
                for rounding in Rounding::ALL {
                    prop_assert_eq!(
                        ways.has(scale, rounding),
                        round(product, scale, rounding) == amount,
                        "{} × {} = {}, to {} {}", quantity, price, amount, scale, rounding.name()
                    );
                }
            }
        }
    }

    #[test]
    fn half_a_cent_tells_the_ways_apart() {
        let of = |price: i64, amount: i64| {
            let ways = Ways::of(Number::new(1, 0), Number::new(price, 3), Number::new(amount, 2));
            Rounding::ALL.into_iter().filter(|&way| ways.has(2, way)).map(Rounding::name).collect::<Vec<_>>()
        };
        assert_eq!(of(125, 12), ["half-even", "down"]);
        assert_eq!(of(125, 13), ["half-up", "up"]);
        assert_eq!(of(135, 14), ["half-up", "half-even", "up"]);
        assert_eq!(of(-125, -12), ["half-even", "down"]);
        assert_eq!(of(129, 12), ["down"]);
        assert_eq!(of(129, 14), [""; 0]);
    }
}
