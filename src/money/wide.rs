//! An exact number of 128 bits and a scale: what sums and products pass through.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::number::Narrow;

pub(super) const MAX_SCALE: u32 = 28;

/// One, in steps of 10⁻²⁸.
pub(super) const UNIT: i128 = 10_i128.pow(MAX_SCALE);

/// Powers of ten that fit 128 bits: `10^0 ..= 10^38`.
const POWERS: [i128; 39] = {
    let mut powers = [1; 39];
    let mut i = 1;
    while i < 39 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, in bounds by the loop")]
        {
            powers[i] = powers[i - 1] * 10;
        }
        i += 1;
    }
    powers
};

/// `a × b`. What fits 64 bits, as nearly all does, is multiplied many times faster than 128, and always fits these.
#[inline]
fn exact_product(a: i128, b: i128) -> Option<i128> {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) => Some(i128::from(a) * i128::from(b)),
        _ => a.checked_mul(b),
    }
}

pub(super) fn power(exponent: u32) -> Option<i128> {
    POWERS.get(exponent as usize).copied()
}

/// Powers of ten that fit 64 bits: `10^0 ..= 10^18`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, in bounds by the loop"
)]
const NARROW_POWERS: [i64; 19] = {
    let mut powers = [1; 19];
    let mut i = 1;
    while i < 19 {
        powers[i] = POWERS[i] as i64;
        i += 1;
    }
    powers
};

#[inline]
pub(super) fn narrow_power(exponent: u32) -> Option<i64> {
    NARROW_POWERS.get(exponent as usize).copied()
}

/// An exact number of 128 bits and a scale: what sums and products pass through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wide {
    pub(super) mantissa: i128,
    pub(super) scale: u32,
}

impl From<Decimal> for Wide {
    #[inline]
    fn from(value: Decimal) -> Self {
        Self { mantissa: value.mantissa(), scale: value.scale() }
    }
}

impl Wide {
    #[inline]
    pub(super) fn at(self, scale: u32) -> Option<i128> {
        if scale == self.scale {
            return Some(self.mantissa);
        }
        exact_product(self.mantissa, power(scale.checked_sub(self.scale)?)?)
    }

    pub(super) fn add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let sum =
            |a: Self, b: Self, scale| Some(Self { mantissa: a.at(scale)?.checked_add(b.at(scale)?)?, scale });
        sum(self, other, scale).or_else(|| {
            let (a, b) = (self.stripped(), other.stripped());
            sum(a, b, a.scale.max(b.scale))
        })
    }

    pub(super) const fn negated(self) -> Self {
        // No mantissa of a decimal, nor its product with a ratio that fits, is the one number that has no opposite.
        Self { mantissa: self.mantissa.saturating_neg(), ..self }
    }

    /// `self × factor`, without zeros at its end where it does not fit with them.
    pub(super) fn times(self, factor: i128) -> Option<Self> {
        let times = |wide: Self| Some(Self { mantissa: exact_product(wide.mantissa, factor)?, ..wide });
        times(self).or_else(|| times(self.stripped()))
    }

    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        let product = |a: Self, b: Self| {
            Some(Self { mantissa: exact_product(a.mantissa, b.mantissa)?, scale: a.scale + b.scale })
        };
        product(self, other).or_else(|| product(self.stripped(), other.stripped()))
    }

    pub(super) fn stripped(mut self) -> Self {
        if let Ok(mantissa) = i64::try_from(self.mantissa) {
            let Narrow { mantissa, scale } = Narrow { mantissa, scale: self.scale }.stripped();
            return Self { mantissa: mantissa.into(), scale };
        }
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    pub(super) fn decimal(self) -> Option<Decimal> {
        let fit = |wide: Self| {
            (wide.scale <= MAX_SCALE)
                .then(|| Decimal::try_from_i128_with_scale(wide.mantissa, wide.scale).ok())
                .flatten()
        };
        fit(self).or_else(|| fit(self.stripped()))
    }

    /// Whole units, and the fraction in steps of 10⁻²⁸; for values of at most that scale.
    pub(super) fn split(self) -> (i128, i128) {
        let unit = power(self.scale).unwrap_or(UNIT);
        let steps = power(MAX_SCALE.saturating_sub(self.scale)).unwrap_or(1);
        (self.mantissa / unit, self.mantissa % unit * steps)
    }

    /// `None` only where a scale is past 38.
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        let scale = self.scale.max(other.scale);
        if let Some((a, b)) = self.at(scale).zip(other.at(scale)) {
            return Some(a.cmp(&b));
        }
        // The whole parts first, then the fractions, which fit at any scale up to 38.
        let parts = |wide: Self| {
            let unit = power(wide.scale)?;
            Some((wide.mantissa / unit, (wide.mantissa % unit).checked_mul(power(scale - wide.scale)?)?))
        };
        Some(parts(self)?.cmp(&parts(other)?))
    }
}
