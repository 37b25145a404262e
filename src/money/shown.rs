//! Decimals as text.

use std::fmt::{self, Write};

use rust_decimal::Decimal;

use super::canonical;

/// A decimal that is written where it is wanted, without a text of its own.
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    value: Decimal,
    least: usize,
}

impl Digits {
    /// An amount as [`shown`] has it.
    #[must_use]
    pub const fn shown(amount: Decimal) -> Self {
        Self { value: amount, least: 2 }
    }

    /// A quantity or a price as [`plain`] has it.
    #[must_use]
    pub const fn plain(value: Decimal) -> Self {
        Self { value, least: 0 }
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(self.value, self.least, f)
    }
}

/// An amount as it is shown: at least two digits behind the point, no more zeros than that.
#[must_use]
pub fn shown(amount: Decimal) -> String {
    let mut text = String::new();
    show(amount, &mut text);
    text
}

/// Appends an amount as [`shown`] has it.
pub fn show(amount: Decimal, text: &mut String) {
    let _ = write_digits(amount, 2, text);
}

/// An amount for people: like [`shown`], its whole part grouped in threes.
#[must_use]
pub fn grouped(amount: Decimal) -> String {
    let text = shown(amount);
    let (sign, magnitude) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    format!("{sign}{}.{fraction}", in_threes(whole))
}

/// A number of things for people: its digits grouped in threes.
#[must_use]
pub fn whole(count: u64) -> String {
    in_threes(&count.to_string())
}

fn in_threes(digits: &str) -> String {
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A quantity or a price as it is shown: without zeros at its end.
#[must_use]
pub fn plain(value: Decimal) -> String {
    let mut text = String::new();
    show_plain(value, &mut text);
    text
}

/// Appends a quantity or a price as [`plain`] has it.
pub fn show_plain(value: Decimal, text: &mut String) {
    let _ = write_digits(value, 0, text);
}

/// Appends `value` with at least `least` digits behind the point, and no more zeros at its end than that.
fn write_digits(value: Decimal, least: usize, text: &mut impl Write) -> fmt::Result {
    // More than any decimal has behind its point.
    const ZEROS: &str = "00000000000000000000000000000000";
    let (mantissa, scale) = canonical(value);
    let scale = scale as usize;
    let mut buffer = itoa::Buffer::new();
    // 64 bits divide many times faster than 128.
    let digits = match u64::try_from(mantissa.unsigned_abs()) {
        Ok(narrow) => buffer.format(narrow),
        Err(_) => buffer.format(mantissa.unsigned_abs()),
    };
    let zeros = |count: usize| ZEROS.get(..count).unwrap_or(ZEROS);
    let (whole, behind) = digits.split_at(digits.len().saturating_sub(scale));
    if mantissa < 0 {
        text.write_char('-')?;
    }
    text.write_str(if whole.is_empty() { "0" } else { whole })?;
    if scale.max(least) > 0 {
        text.write_char('.')?;
    }
    if behind.len() < scale {
        text.write_str(zeros(scale - behind.len()))?;
    }
    if !behind.is_empty() {
        text.write_str(behind)?;
    }
    if scale < least {
        text.write_str(zeros(least - scale))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::super::dec;
    use super::*;

    #[test]
    fn amounts_are_grouped_for_people() {
        for (value, text) in
            [("0", "0.00"), ("-1234.5", "-1,234.50"), ("999.999", "999.999"), ("1000000", "1,000,000.00")]
        {
            assert_eq!(grouped(dec(value)), text);
        }
    }

    proptest! {
        #[test]
        fn figures_are_shown_without_losing_a_digit(mantissa in any::<i128>(), shift in 32_u32..127, scale in 0_u32..=28) {
            let Ok(value) = Decimal::try_from_i128_with_scale(mantissa >> shift, scale) else { return Ok(()) };
            prop_assert_eq!(plain(value), value.normalize().to_string());
            let shown = shown(value);
            prop_assert_eq!(shown.split_once('.').map_or(0, |(_, behind)| behind.len()).max(2), value.normalize().scale().max(2) as usize);
            prop_assert_eq!(shown.parse::<Decimal>().ok(), Some(value));
        }
    }
}
