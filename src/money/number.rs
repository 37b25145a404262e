//! Numbers as rows state them.

use rust_decimal::Decimal;

use super::narrow;
use super::wide::{Wide, narrow_power};

/// A number. Nearly every one has a mantissa of 64 bits, which multiply and divide many times faster than the 96 of a [`Decimal`].
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// One that has.
    Narrow(Narrow),
    /// Any other.
    Wide(Decimal),
}

impl Number {
    /// `mantissa × 10^-scale`; a scale is at most 28.
    #[must_use]
    #[inline]
    pub const fn new(mantissa: i64, scale: u32) -> Self {
        Self::Narrow(Narrow { mantissa, scale })
    }

    /// As a decimal.
    #[must_use]
    #[inline]
    pub const fn decimal(self) -> Decimal {
        match self {
            Self::Narrow(Narrow { mantissa, scale }) => narrow(mantissa, scale),
            Self::Wide(value) => value,
        }
    }

    /// The mantissa.
    #[must_use]
    #[inline]
    pub fn mantissa(self) -> i128 {
        match self {
            Self::Narrow(narrow) => narrow.mantissa.into(),
            Self::Wide(value) => value.mantissa(),
        }
    }

    /// The digits behind the point.
    #[must_use]
    #[inline]
    pub const fn scale(self) -> u32 {
        match self {
            Self::Narrow(narrow) => narrow.scale,
            Self::Wide(value) => value.scale(),
        }
    }

    /// The mantissa and the scale without zeros at the end: equal numbers have equal ones.
    #[must_use]
    #[inline]
    pub fn canonical(self) -> (i128, u32) {
        match self {
            Self::Narrow(narrow) => {
                let Narrow { mantissa, scale } = narrow.stripped();
                (mantissa.into(), scale)
            }
            Self::Wide(value) => {
                let Wide { mantissa, scale } = Wide::from(value).stripped();
                (mantissa, scale)
            }
        }
    }

    #[inline]
    pub(super) const fn narrow(self) -> Option<Narrow> {
        match self {
            Self::Narrow(narrow) => Some(narrow),
            Self::Wide(_) => None,
        }
    }
}

impl From<Decimal> for Number {
    #[inline]
    fn from(value: Decimal) -> Self {
        Narrow::of(value).map_or(Self::Wide(value), Self::Narrow)
    }
}

impl From<Number> for Wide {
    #[inline]
    fn from(value: Number) -> Self {
        Self { mantissa: value.mantissa(), scale: value.scale() }
    }
}

/// A mantissa of 64 bits and a scale.
#[derive(Clone, Copy, Debug)]
pub struct Narrow {
    pub(super) mantissa: i64,
    pub(super) scale: u32,
}

impl Narrow {
    /// `None` where the mantissa does not fit.
    #[inline]
    pub(super) fn of(value: Decimal) -> Option<Self> {
        let parts = value.unpack();
        let magnitude = i64::try_from(u64::from(parts.mid) << 32 | u64::from(parts.lo)).ok()?;
        let mantissa = if parts.negative { -magnitude } else { magnitude };
        (parts.hi == 0).then_some(Self { mantissa, scale: parts.scale })
    }

    /// The mantissa at a scale, where it fits.
    #[inline]
    pub(super) fn at(self, scale: u32) -> Option<i64> {
        self.mantissa.checked_mul(narrow_power(scale.checked_sub(self.scale)?)?)
    }

    #[inline]
    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        Some(Self { mantissa: self.mantissa.checked_mul(other.mantissa)?, scale: self.scale + other.scale })
    }

    /// Without zeros at its end.
    #[inline]
    pub(super) const fn stripped(self) -> Self {
        let Self { mut mantissa, mut scale } = self;
        while scale > 0 && mantissa % 10 == 0 {
            (mantissa, scale) = (mantissa / 10, scale - 1);
        }
        Self { mantissa, scale }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_the_same_in_64_bits_and_in_more(
            mantissa in prop_oneof![any::<i64>(), (-1_000_i64..1_000).prop_map(|small| small * 1_000_000)],
            scale in 0_u32..29,
        ) {
            let value = Decimal::new(mantissa, scale);
            let (narrow, wide) = (Number::from(value), Number::Wide(value));
            prop_assert_eq!(narrow.canonical(), wide.canonical());
            prop_assert_eq!((narrow.mantissa(), narrow.scale()), (wide.mantissa(), wide.scale()));
            prop_assert_eq!(narrow.decimal(), value);
            prop_assert_eq!(narrow.narrow().is_some(), mantissa != i64::MIN);
        }
    }
}
