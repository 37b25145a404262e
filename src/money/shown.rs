//! Decimals as text.

use std::fmt::{self, Write};

use rust_decimal::Decimal;

use super::canonical;

/// A decimal that is written where it is wanted, without a text of its own.
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    value: Decimal,
    least: u32,
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
fn write_digits(value: Decimal, least: u32, text: &mut impl Write) -> fmt::Result {
    let (mantissa, scale) = canonical(value);
    let behind = scale.max(least);
    // From the last to the first, of at most 39 digits, as many zeros as `least`, a point and a sign.
    let mut buffer = [b'0'; 48];
    let mut places = buffer.iter_mut().rev();
    let (mut count, mut length) = (0, 0);
    let mut put = |byte: u8| {
        if let Some(place) = places.next() {
            *place = byte;
            length += 1;
        }
    };
    let mut put_digit = |digit: u8| {
        if count == behind && behind > 0 {
            put(b'.');
        }
        put(b'0' + digit);
        count += 1;
        count > behind
    };
    for _ in scale..behind {
        put_digit(0);
    }
    // 64 bits divide many times faster than 128.
    let mut wide = mantissa.unsigned_abs();
    let mut digits = loop {
        match u64::try_from(wide) {
            Ok(digits) => break digits,
            Err(_) => {
                put_digit((wide % 10) as u8);
                wide /= 10;
            }
        }
    };
    loop {
        let is_whole = put_digit((digits % 10) as u8);
        digits /= 10;
        if digits == 0 && is_whole {
            break;
        }
    }
    if mantissa < 0 {
        put(b'-');
    }
    let written = buffer.get(buffer.len() - length..).and_then(|digits| std::str::from_utf8(digits).ok());
    text.write_str(written.unwrap_or_default())
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
