//! Numbers as people write them.

use rust_decimal::Decimal;

use super::ZERO;
use super::number::Number;
use super::wide::{MAX_SCALE, Wide, power};

/// Which character separates the whole part from the fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum DecimalMark {
    /// `1,234.56`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `1.234,56`
    #[serde(rename = ",")]
    Comma,
}

/// A number that was read, with the currency that stood beside it, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The value, exact, at the scale it was written with.
    pub value: Decimal,
    /// The ISO 4217 code, where the text named one beyond doubt (`EUR 5`, `£5`; not `$5`).
    pub currency: Option<[u8; 3]>,
}

/// Reads a number as people write it. Understood are grouping in threes (by
/// comma or point, whichever is not the decimal mark, by space or apostrophe),
/// a currency sign or ISO code before or behind, parentheses or a trailing
/// minus for negatives, and a lone dash for nil. Not understood, because too
/// often wrong: exponents, percent signs, underscores, digits beyond 28.
///
/// # Errors
/// A phrase that says what is wrong, to follow "cannot be read as a number: ".
#[inline]
pub fn parse(text: &str, mark: DecimalMark) -> Result<Parsed, &'static str> {
    match parse_plain(text.as_bytes(), mark) {
        Some(value) => Ok(Parsed { value: value.decimal(), currency: None }),
        None => adorned(text, mark),
    }
}

/// All that [`parse_plain`] does not understand.
fn adorned(text: &str, mark: DecimalMark) -> Result<Parsed, &'static str> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is blank");
    }
    let mut negative = false;
    let mut signs = 0;
    let mut dash = false;
    let mut currency = None;
    // Signs, parentheses and currencies may stand in any order around the digits.
    loop {
        let before = rest;
        if let Some(inner) = rest.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
            (negative, signs, rest) = (true, signs + 1, inner);
        } else if let Some(tail) = rest.strip_prefix(['-', '\u{2212}', '\u{2013}']) {
            (negative, signs, dash, rest) = (true, signs + 1, true, tail);
        } else if let Some(tail) = rest.strip_prefix('+') {
            (signs, rest) = (signs + 1, tail);
        } else if let Some(head) = rest.strip_suffix(['-', '\u{2212}']) {
            (negative, signs, dash, rest) = (true, signs + 1, true, head);
        }
        if let Some((code, remainder)) = strip_currency(rest.trim()) {
            if currency.is_some() && code.is_some() {
                return Err("it names more than one currency");
            }
            currency = currency.or(code);
            rest = remainder;
        }
        rest = rest.trim();
        if rest == before {
            break;
        }
    }
    if signs > 1 {
        return Err("it has more than one sign");
    }
    if rest.is_empty() {
        // Accounting formats write nil as a dash.
        return if dash { Ok(Parsed { value: ZERO, currency }) } else { Err("it has no digits") };
    }
    let magnitude = from_groups(rest, mark)?;
    Ok(Parsed { value: if negative { -magnitude } else { magnitude }, currency })
}

/// Reads a number of an XML document, where `xs:double` may carry an exponent: `-1.4551915228366852E-11`, `1E5`.
/// Everything else is read as [`parse`] does.
///
/// # Errors
/// As [`parse`]; also where the exponent takes the value past 28 digits.
pub fn parse_xml(text: &str, mark: DecimalMark) -> Result<Parsed, &'static str> {
    const TOO_LONG: &str = "with its exponent it has more than 28 digits";
    let trimmed = text.trim();
    let Some((mantissa, exponent)) = trimmed.split_once(['E', 'e']) else { return parse(text, mark) };
    let (Some(mantissa), Ok(exponent)) =
        (parse_plain(mantissa.as_bytes(), DecimalMark::Point), exponent.parse::<i32>())
    else {
        return Err("it is not a number of an XML document");
    };
    // The exponent moves the point: the digits stay.
    let scale =
        i32::try_from(mantissa.scale()).map_err(|_| TOO_LONG)?.checked_sub(exponent).ok_or(TOO_LONG)?;
    let mantissa = mantissa.mantissa();
    let wide = match u32::try_from(scale) {
        Ok(scale) => Wide { mantissa, scale },
        Err(_) => {
            let up = power(scale.unsigned_abs()).ok_or(TOO_LONG)?;
            Wide { mantissa: mantissa.checked_mul(up).ok_or(TOO_LONG)?, scale: 0 }
        }
    };
    wide.decimal().map(|value| Parsed { value, currency: None }).ok_or(TOO_LONG)
}

/// The common case without detours: an optional minus, up to 18 digits, at most one mark; `None` for all that takes
/// [`parse`] to tell.
#[must_use]
#[inline]
pub fn parse_plain(text: &[u8], mark: DecimalMark) -> Option<Number> {
    let separator = if mark == DecimalMark::Point { b'.' } else { b',' };
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut mantissa = 0_i64;
    // Takes digits until something else comes; how many.
    let mut take = |text: &[u8]| {
        let mut count = 0;
        for &byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            mantissa = mantissa.wrapping_mul(10).wrapping_add(i64::from(digit));
            count += 1;
        }
        count
    };
    let whole = take(digits);
    let (_, rest) = digits.split_at_checked(whole)?;
    let scale = match rest {
        [] => 0,
        [point, fraction @ ..] if *point == separator && take(fraction) == fraction.len() => fraction.len(),
        _ => return None,
    };
    // So many digits fit 64 bits. ".5" and "12." are not how most write an amount: the slow path has its say.
    let is_plain = whole > 0 && whole + scale <= 18 && (scale > 0 || rest.is_empty());
    #[expect(clippy::cast_possible_truncation, reason = "at most 18")]
    is_plain.then(|| Number::new(if negative { -mantissa } else { mantissa }, scale as u32))
}

/// The currencies of ISO 4217 in use: three capitals alone may be a unit (`10 MWH`).
const CURRENCIES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN \
    BWP BYN BZD CAD CDF CHF CLF CLP CNH CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD \
    GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP \
    LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN \
    PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS \
    TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG";

/// Whether `code` is a currency of ISO 4217 in use, in capitals.
#[must_use]
pub fn is_currency(code: &str) -> bool {
    CURRENCIES.split(' ').any(|known| known == code)
}

/// Takes a currency sign or code off either end: the code, where the sign stands for one currency only.
fn strip_currency(text: &str) -> Option<(Option<[u8; 3]>, &str)> {
    for (sign, code) in [("€", Some(*b"EUR")), ("£", Some(*b"GBP")), ("$", None), ("¥", None)] {
        if let Some(rest) = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign)) {
            return Some((code, rest));
        }
    }
    let letters = |code: &str| -> Option<[u8; 3]> {
        CURRENCIES.split(' ').find(|known| *known == code).and_then(|code| code.as_bytes().try_into().ok())
    };
    if let Some((code, rest)) = text.split_at_checked(3)
        && let Some(code) = letters(code)
        && !rest.starts_with(|c: char| c.is_alphabetic())
    {
        return Some((Some(code), rest));
    }
    let (rest, code) = text.split_at_checked(text.len().checked_sub(3)?)?;
    let code = letters(code)?;
    (!rest.ends_with(|c: char| c.is_alphabetic())).then_some((Some(code), rest))
}

fn from_groups(text: &str, mark: DecimalMark) -> Result<Decimal, &'static str> {
    let (point, comma) = match mark {
        DecimalMark::Point => ('.', ','),
        DecimalMark::Comma => (',', '.'),
    };
    let (whole, fraction) = match text.split_once(point) {
        Some((_, "")) => return Err("nothing stands behind the decimal mark"),
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err("it is not a plain decimal number");
    }
    let mut digits = String::with_capacity(text.len());
    let group = whole.chars().find(|c| !c.is_ascii_digit());
    match group {
        None => digits.push_str(whole),
        Some(separator)
            if separator == comma || matches!(separator, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '\u{2019}') =>
        {
            for (index, part) in whole.split(separator).enumerate() {
                let right_length = if index == 0 { (1..=3).contains(&part.len()) } else { part.len() == 3 };
                if !right_length || !part.bytes().all(|b| b.is_ascii_digit()) {
                    return Err("its digits are not grouped in threes");
                }
                digits.push_str(part);
            }
        }
        Some(_) => return Err("it is not a plain decimal number"),
    }
    if digits.is_empty() && fraction.is_empty() {
        return Err("it has no digits");
    }
    digits.push_str(fraction);
    let significant = digits.trim_start_matches('0');
    let scale = u32::try_from(fraction.len()).map_err(|_| "it has too many digits")?;
    if significant.len() > 28 || scale > MAX_SCALE {
        return Err("it has more than 28 digits");
    }
    let mantissa: i128 =
        if significant.is_empty() { 0 } else { significant.parse().map_err(|_| "it has too many digits")? };
    Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| "it has more than 28 digits")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::super::dec;
    use super::*;

    #[test]
    fn numbers_as_people_write_them() {
        for (text, value) in [
            ("0", "0"),
            ("-12.50", "-12.50"),
            (" 27,275.25 ", "27275.25"),
            ("$1,200.50", "1200.50"),
            ("-$1,200.50", "-1200.50"),
            ("$-5", "-5"),
            ("(1,234.56)", "-1234.56"),
            ("($12.00)", "-12.00"),
            ("$(100.00)", "-100.00"),
            ("$ -", "0"),
            ("12.5-", "-12.5"),
            ("\u{2212}3", "-3"),
            ("HKD 239,046.00", "239046.00"),
            ("5.00 EUR", "5.00"),
            ("1 234 567.8", "1234567.8"),
            ("1'000", "1000"),
            (".5", "0.5"),
            ("-", "0"),
            ("4.0729999999999995", "4.0729999999999995"),
            ("9223372036854775808", "9223372036854775808"),
        ] {
            let parsed = parse(text, DecimalMark::Point);
            assert_eq!(parsed.map(|p| p.value), Ok(dec(value)), "{text}");
            assert_eq!(parsed.unwrap().value.scale(), dec(value).scale(), "{text} keeps its scale");
        }
        assert_eq!(parse("1.234,56", DecimalMark::Comma).unwrap().value, dec("1234.56"));
        assert_eq!(parse("1.234", DecimalMark::Comma).unwrap().value, dec("1234"));
        assert_eq!(parse("HKD 2", DecimalMark::Point).unwrap().currency, Some(*b"HKD"));
        assert_eq!(parse("£2", DecimalMark::Point).unwrap().currency, Some(*b"GBP"));
        assert_eq!(parse("$2", DecimalMark::Point).unwrap().currency, None);
    }

    #[test]
    fn doubles_of_xml_keep_their_digits() {
        for (text, value) in [
            ("1E5", "100000"),
            ("-1.4551915228366852E-11", "-0.000000000014551915228366852"),
            ("2.50e+1", "25.0"),
            ("12.5", "12.5"),
        ] {
            assert_eq!(parse_xml(text, DecimalMark::Point).map(|p| p.value), Ok(dec(value)), "{text}");
        }
        for text in ["1E", "E5", "1E400", "1E-40", "1E5E5", "NaN", "INF", ""] {
            assert!(parse_xml(text, DecimalMark::Point).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in [
            "",
            " ",
            "abc",
            "1e3",
            "1_000",
            "12,5",
            "1,23,456",
            "12.",
            "1.2.3",
            "--5",
            "(-5)",
            "5%",
            "0x10",
            "NaN",
            "1234,567",
            "+",
            "()",
            "10 MWH",
            "ABC 5",
            "$",
            "EUR",
            "EUR 5 USD",
            "1 2",
            "٣",
            "12345678901234567890123456789",
        ] {
            assert!(parse(text, DecimalMark::Point).is_err(), "{text:?} is no number");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(mantissa in any::<i64>(), scale in 0_u32..12) {
            let value = Decimal::new(mantissa, scale);
            let parsed = parse(&value.to_string(), DecimalMark::Point).unwrap().value;
            prop_assert_eq!(parsed, value);
            prop_assert_eq!(parsed.scale(), scale);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,24}") {
            let _ = parse(&text, DecimalMark::Point);
            let _ = parse(&text, DecimalMark::Comma);
        }
    }
}
