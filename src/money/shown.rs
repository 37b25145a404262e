//! Decimals as text.

use rust_decimal::Decimal;

/// An amount as it is shown: at least two digits behind the point, no more zeros than that.
#[must_use]
pub fn shown(amount: Decimal) -> String {
    let mut amount = amount.normalize();
    if amount.scale() < 2 {
        // Widening cannot lose digits; where it does not fit, the shorter form stays.
        amount.rescale(2);
    }
    amount.to_string()
}

/// An amount for people: like [`shown`], its whole part grouped in threes.
#[must_use]
pub fn grouped(amount: Decimal) -> String {
    let text = shown(amount);
    let (sign, magnitude) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let mut out = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + "." + fraction
}

/// A quantity or a price as it is shown: without zeros at its end.
#[must_use]
pub fn plain(value: Decimal) -> String {
    value.normalize().to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn amounts_are_grouped_for_people() {
        for (value, text) in
            [("0", "0.00"), ("-1234.5", "-1,234.50"), ("999.999", "999.999"), ("1000000", "1,000,000.00")]
        {
            assert_eq!(grouped(dec(value)), text);
        }
    }
}
