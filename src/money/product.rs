//! Exact products, which may hold more than a [`Decimal`].

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::number::Number;
use super::wide::Wide;

/// An exact product, which may hold more than a [`Decimal`]: what tolerances are compared as.
#[derive(Clone, Copy, Debug)]
pub struct Product(Wide);

impl Product {
    /// `a × b`; `None` where that does not fit 128 bits.
    #[must_use]
    pub fn of(a: Decimal, b: Decimal) -> Option<Self> {
        Wide::from(a).multiply(b.into()).map(Self)
    }

    /// `base × percent %`: the point moves, nothing is divided. `None` where that does not fit 128 bits.
    #[must_use]
    pub fn percent(base: Decimal, percent: Decimal) -> Option<Self> {
        let Wide { mantissa, scale } = Self::of(base, percent)?.0;
        Some(Self(Wide { mantissa, scale: scale + 2 }))
    }

    /// The order of two products; `None` where they are too fine to be compared.
    #[must_use]
    pub fn compare(self, other: Self) -> Option<Ordering> {
        self.0.compare(other.0)
    }

    /// As a decimal, where it is one exactly.
    #[must_use]
    pub fn decimal(self) -> Option<Decimal> {
        self.0.decimal()
    }
}

/// Whether `a × b` is more than `most` away from `value`; `None` where that does not fit 128 bits.
#[must_use]
pub fn is_apart(a: Number, b: Number, value: Number, most: Number) -> Option<bool> {
    let narrow = || {
        let product = a.narrow()?.multiply(b.narrow()?)?;
        let (value, most) = (value.narrow()?, most.narrow()?);
        let scale = product.scale.max(value.scale).max(most.scale);
        Some(i128::from(product.at(scale)?.abs_diff(value.at(scale)?)) > i128::from(most.at(scale)?))
    };
    let wide = || {
        let Wide { mantissa, scale } = Wide::from(a).multiply(b.into())?.add(Wide::from(value).negated())?;
        let apart = Wide { mantissa: mantissa.checked_abs()?, scale };
        apart.compare(most.into()).map(Ordering::is_gt)
    };
    narrow().or_else(wide)
}

impl From<Decimal> for Product {
    fn from(value: Decimal) -> Self {
        Self(value.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::super::dec;
    use super::*;

    proptest! {
        /// In 64 bits and in 128, by how many noughts stand behind the value.
        #[test]
        fn a_product_is_apart_from_a_value_by_what_whole_numbers_say(
            a in -100_000_i64..100_000,
            b in -1_000_i64..1_000,
            scales in (0_u32..4, 0_u32..4),
            off in -3_i64..4,
            zeros in 0_u32..18,
        ) {
            // In steps of 10⁻⁶, near the product by some cents.
            let product = i128::from(a * b) * 10_i128.pow(6 - scales.0 - scales.1);
            let near = product - product % 10_000 + i128::from(off) * 10_000;
            let mut value = Decimal::from_i128_with_scale(near, 6);
            value.rescale(6 + zeros);
            let [a, b] = [Decimal::new(a, scales.0), Decimal::new(b, scales.1)].map(Number::from);
            let expected = (product - near).abs() > 10_000;
            prop_assert_eq!(is_apart(a, b, value.into(), Number::new(1, 2)), Some(expected));
        }
    }

    #[test]
    fn percent_is_inclusive_and_exact() {
        let share = Product::percent(dec("100"), dec("0.1")).unwrap();
        assert_eq!(share.compare(dec("0.1").into()), Some(Ordering::Equal));
        assert_eq!(share.compare(dec("0.1000000000000001").into()), Some(Ordering::Less));
        let most = Product::percent(dec("9999999999999.999999999999999"), dec("1.00000001")).unwrap();
        let least = Product::from(dec("0.0000000000000000000000000001"));
        assert_eq!(most.compare(least), Some(Ordering::Greater));
        assert_eq!(least.compare(most), Some(Ordering::Less));
    }
}
