//! Decimals as text.

use rust_decimal::Decimal;

use super::canonical;

/// An amount as it is shown: at least two digits behind the point, no more zeros than that.
#[must_use]
pub fn shown(amount: Decimal) -> String {
    let mut text = String::new();
    show(amount, &mut text);
    text
}

/// Appends an amount as [`shown`] has it.
pub fn show(amount: Decimal, text: &mut String) {
    write_digits(amount, 2, text);
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
    write_digits(value, 0, text);
}

/// Appends `value` with at least `least` digits behind the point, and no more zeros at its end than that.
fn write_digits(value: Decimal, least: u32, text: &mut String) {
    let (mantissa, scale) = canonical(value);
    let mut digits = mantissa.unsigned_abs();
    let behind = scale.max(least);
    // From the last to the first, of at most 39 digits, as many zeros as `least`, and a point.
    let mut buffer = [b'0'; 48];
    let mut places = buffer.iter_mut().rev();
    let mut length = 0;
    let mut put = |byte: u8| {
        if let Some(place) = places.next() {
            *place = byte;
            length += 1;
        }
    };
    (scale..behind).for_each(|_| put(b'0'));
    let mut count = behind - scale;
    loop {
        if count == behind && behind > 0 {
            put(b'.');
        }
        // 64 bits divide many times faster than 128.
        let digit = match u64::try_from(digits) {
            Ok(low) => {
                digits = u128::from(low / 10);
                low % 10
            }
            Err(_) => {
                let digit = digits % 10;
                digits /= 10;
                u64::try_from(digit).unwrap_or_default()
            }
        };
        put(b'0' + u8::try_from(digit).unwrap_or_default());
        count += 1;
        if digits == 0 && count > behind {
            break;
        }
    }
    if mantissa < 0 {
        put(b'-');
    }
    let written = buffer.get(buffer.len() - length..).and_then(|digits| std::str::from_utf8(digits).ok());
    text.push_str(written.unwrap_or_default());
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
