//! Running sums, exact whatever the order of their values.

use rust_decimal::Decimal;

use super::number::Number;
use super::wide::{MAX_SCALE, UNIT, Wide};

/// A running sum, exact whatever the order of its values. It can hold more than a [`Decimal`], so that what
/// is too large or too fine on the way may come back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    wide: Wide,
    /// What does not fit beside `wide`: whole units, and the fraction in steps of 10⁻²⁸.
    aside: (i128, i128),
    broken: bool,
}

impl Sum {
    /// Adds one value.
    #[inline]
    pub fn add(&mut self, value: impl Into<Number>) {
        let value = value.into();
        // Most sums are of one scale.
        if value.scale() == self.wide.scale
            && let Some(mantissa) = self.wide.mantissa.checked_add(value.mantissa())
        {
            self.wide.mantissa = mantissa;
            return;
        }
        self.add_wide(value.into());
    }

    /// Adds another sum.
    pub fn join(&mut self, other: Self) {
        self.broken |= other.broken;
        self.put_aside(other.aside);
        self.add_wide(other.wide);
    }

    fn add_wide(&mut self, other: Wide) {
        match self.wide.add(other) {
            Some(wide) => self.wide = wide,
            None => {
                self.put_aside(self.wide.split());
                self.wide = other;
            }
        }
    }

    fn put_aside(&mut self, (whole, fraction): (i128, i128)) {
        // Neither fraction is as much as one.
        let fraction = self.aside.1 + fraction;
        let wholes = self.aside.0.checked_add(whole).and_then(|sum| sum.checked_add(fraction / UNIT));
        self.broken |= wholes.is_none();
        self.aside = (wholes.unwrap_or_default(), fraction % UNIT);
    }

    /// Whole units and fraction, of one sign; `None` where more was added than even that can hold.
    fn split(mut self) -> Option<(i128, i128)> {
        self.put_aside(self.wide.split());
        let (whole, fraction) = self.aside;
        let carry = match (whole.signum(), fraction.signum()) {
            (1, -1) => 1,
            (-1, 1) => -1,
            _ => 0,
        };
        (!self.broken).then_some((whole - carry, fraction + carry * UNIT))
    }

    /// The sum; `None` where it left the 28 digits that a [`Decimal`] holds.
    #[must_use]
    pub fn value(&self) -> Option<Decimal> {
        if self.broken {
            return None;
        }
        if self.aside == (0, 0) {
            return self.wide.decimal();
        }
        let (whole, fraction) = self.split()?;
        let fraction = Wide { mantissa: fraction, scale: MAX_SCALE }.stripped();
        Wide { mantissa: whole, scale: 0 }.add(fraction)?.decimal()
    }
}

/// Equal sums are equal even where no [`Decimal`] holds them.
impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.split() == other.split()
    }
}

impl Eq for Sum {}

impl FromIterator<Decimal> for Sum {
    fn from_iter<I: IntoIterator<Item = Decimal>>(values: I) -> Self {
        let mut sum = Self::default();
        values.into_iter().for_each(|value| sum.add(value));
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dec;
    use super::*;

    #[test]
    fn a_sum_that_leaves_what_can_be_held_comes_back() {
        let (most, least) = (dec("9999999999999999999999999999"), dec("0.0000000000000000000000000001"));
        let sum = |values: &[Decimal]| values.iter().copied().collect::<Sum>();
        assert_eq!(sum(&[most, least, -most]).value(), Some(least));
        assert_eq!(sum(&[-most, -least, most, least, dec("-0.50")]).value(), Some(dec("-0.5")));
        assert_eq!(sum(&[most, least]).value(), None);
        assert_eq!(sum(&[most, least, dec("1"), -least]), sum(&[dec("1"), most]));
        assert_ne!(sum(&[most, least]), sum(&[most, -least]));
    }

    proptest! {
        #[test]
        fn a_sum_does_not_depend_on_the_order(
            mut values in proptest::collection::vec((any::<i64>(), 0_u32..29), 0..12),
        ) {
            let sum = |values: &[(i64, u32)]| values.iter().map(|&(m, s)| Decimal::new(m, s)).collect::<Sum>();
            let forward = sum(&values);
            values.reverse();
            prop_assert_eq!(forward, sum(&values));
            let (one, two) = values.split_at(values.len() / 2);
            let mut joined = sum(one);
            joined.join(sum(two));
            prop_assert_eq!(forward, joined);
            prop_assert_eq!(forward.value(), joined.value());
        }
    }
}
