//! What may stand in a message, and what a simple value must look like.

use schemars::JsonSchema;
use serde::Serialize;

use crate::fault::nearest;

/// The type of what no document describes.
pub(super) const UNKNOWN: &str = "unknown";

/// An element of a message, with what stands in it. Attributes are elements whose names start with `@`; anything at
/// all is an element named `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Element {
    /// Its name.
    pub name: String,
    /// Its type as the WSDL names it; for a simple type without values to choose from, the built-in type below it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its namespace; empty where it is in none.
    pub namespace: String,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may stand there more than once.
    pub list: bool,
    /// Whether it may be null (`xsi:nil`).
    pub nillable: bool,
    /// The values to choose from, where there is a choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What stands in it, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Self>,
    /// Whether it holds more than is told here: its type holds itself, or is too large.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
    /// What its text must look like; `None` where it holds elements, or nothing is known.
    #[serde(skip)]
    pub(in crate::platform) base: Option<Simple>,
}

impl Element {
    /// Whether no document describes it.
    pub(super) fn is_unknown(&self) -> bool {
        self.kind == UNKNOWN
    }

    /// Whether it is an attribute.
    pub(in crate::platform) fn is_attribute(&self) -> bool {
        self.name.starts_with('@')
    }

    /// Whether anything may stand in it.
    pub(in crate::platform) fn is_open(&self) -> bool {
        self.kind == "any" || self.elements.iter().any(|inner| inner.name == "*")
    }

    /// The elements in it, without attributes and without what may be anything.
    pub(in crate::platform) fn inner(&self) -> impl Iterator<Item = &Self> {
        self.elements.iter().filter(|inner| !inner.is_attribute() && inner.name != "*")
    }

    /// What is known of it in a few words: `int, optional`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = vec![if self.kind.is_empty() { "elements" } else { self.kind.as_str() }];
        let marks = [
            (self.list, "list"),
            (self.optional, "optional"),
            (self.nillable, "may be null"),
            (self.recursive, "…"),
        ];
        words.extend(marks.into_iter().filter_map(|(is, mark)| is.then_some(mark)));
        words.join(", ")
    }

    /// Its leaves, each with its path from here.
    pub(in crate::platform) fn leaves(&self) -> Vec<(String, &Self)> {
        leaves(&self.elements)
    }

    /// Whether `text` can be its value; where not, what is expected.
    pub(in crate::platform) fn check(&self, text: &str) -> Result<(), String> {
        if !self.values.is_empty() {
            if self.values.iter().any(|value| value == text) {
                return Ok(());
            }
            let all = self.values.join(", ");
            return Err(match nearest(text, self.values.iter().map(String::as_str)) {
                Some(near) => format!("one of {all}; did you mean {near}?"),
                None => format!("one of {all}"),
            });
        }
        match self.base {
            Some(base) => base.check(text),
            None => Ok(()),
        }
    }
}

/// The leaves of elements, each with its path (`Party/Name`, `Party/@id`), in order. An element that has both
/// attributes and a text is a leaf as well.
pub(in crate::platform) fn leaves(elements: &[Element]) -> Vec<(String, &Element)> {
    fn walk<'e>(elements: &'e [Element], path: &str, leaves: &mut Vec<(String, &'e Element)>) {
        for inner in elements {
            let path = if path.is_empty() { inner.name.clone() } else { format!("{path}/{}", inner.name) };
            if inner.base.is_some() || inner.elements.is_empty() {
                leaves.push((path.clone(), inner));
            }
            walk(&inner.elements, &path, leaves);
        }
    }
    let mut found = Vec::new();
    walk(elements, "", &mut found);
    found
}

/// The built-in types whose texts can be checked (XML Schema Part 2 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::platform) enum Simple {
    /// Any text.
    Text,
    /// A whole number in a range; `None` is no limit.
    Whole(Option<i128>, Option<i128>),
    Decimal,
    Float,
    Boolean,
    DateTime,
    Date,
    Time,
}

impl Simple {
    /// The built-in type `name`.
    pub(super) fn named(name: &str) -> Self {
        let signed = |bits: u32| Self::Whole(Some(-(1 << (bits - 1))), Some((1 << (bits - 1)) - 1));
        let unsigned = |bits: u32| Self::Whole(Some(0), Some((1 << bits) - 1));
        match name {
            "byte" => signed(8),
            "short" => signed(16),
            "int" => signed(32),
            "long" => signed(64),
            "unsignedByte" => unsigned(8),
            "unsignedShort" => unsigned(16),
            "unsignedInt" => unsigned(32),
            "unsignedLong" => unsigned(64),
            "integer" => Self::Whole(None, None),
            "nonNegativeInteger" => Self::Whole(Some(0), None),
            "positiveInteger" => Self::Whole(Some(1), None),
            "nonPositiveInteger" => Self::Whole(None, Some(0)),
            "negativeInteger" => Self::Whole(None, Some(-1)),
            "decimal" => Self::Decimal,
            "float" | "double" => Self::Float,
            "boolean" => Self::Boolean,
            "dateTime" => Self::DateTime,
            "date" => Self::Date,
            "time" => Self::Time,
            _ => Self::Text,
        }
    }

    /// Whether it is a whole number.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Whole(..))
    }

    fn check(self, text: &str) -> Result<(), String> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let (is_right, expected) = match self {
            Self::Text => (true, String::new()),
            Self::Whole(least, most) => (is_whole(text, least, most), whole(least, most)),
            Self::Decimal => (is_decimal(text), "a decimal number such as 1234.50".to_owned()),
            Self::Float => (is_float(text), "a number such as 1234.5 or 1.5E3".to_owned()),
            Self::Boolean => (matches!(text, "true" | "false" | "1" | "0"), "true or false".to_owned()),
            Self::DateTime => {
                let is = text.split_once('T').is_some_and(|(date, time)| is_date(date) && is_time(time));
                (is, "a date and time such as 2026-10-01T00:00:00".to_owned())
            }
            Self::Date => (is_date(without_zone(text)), "a date such as 2026-10-01".to_owned()),
            Self::Time => (is_time(text), "a time such as 06:00:00".to_owned()),
        };
        if is_right { Ok(()) } else { Err(expected) }
    }
}

fn whole(least: Option<i128>, most: Option<i128>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
        (Some(least), None) => format!("a whole number, {least} or more"),
        (None, Some(most)) => format!("a whole number, {most} or less"),
        (None, None) => "a whole number".to_owned(),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn is_whole(text: &str, least: Option<i128>, most: Option<i128>) -> bool {
    if !is_digits(unsigned(text)) {
        return false;
    }
    match text.parse::<i128>() {
        Ok(number) => least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most),
        // Beyond 38 digits only the side counts.
        Err(_) if text.starts_with('-') => least.is_none(),
        Err(_) => most.is_none(),
    }
}

fn is_decimal(text: &str) -> bool {
    let (whole, fraction) = unsigned(text).split_once('.').unwrap_or((unsigned(text), ""));
    let all = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    all(whole) && all(fraction) && !(whole.is_empty() && fraction.is_empty())
}

fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    matches!(text, "INF" | "-INF" | "NaN") || (is_decimal(mantissa) && is_digits(unsigned(exponent)))
}

/// A date or time without its zone: `Z` or `+01:00` (XML Schema Part 2 §3.2.7).
fn without_zone(text: &str) -> &str {
    if let Some(rest) = text.strip_suffix('Z') {
        return rest;
    }
    let zone = text.len().checked_sub(6).and_then(|at| text.split_at_checked(at));
    match zone {
        Some((rest, zone)) if is_zone(zone) => rest,
        _ => text,
    }
}

fn is_zone(zone: &str) -> bool {
    let two = |text: &str, most: u8| {
        text.len() == 2 && is_digits(text) && text.parse::<u8>().is_ok_and(|n| n <= most)
    };
    zone.strip_prefix(['+', '-'])
        .and_then(|zone| zone.split_once(':'))
        .is_some_and(|(hours, minutes)| two(hours, 14) && two(minutes, 59))
}

fn is_date(text: &str) -> bool {
    let mut parts = text.strip_prefix('-').unwrap_or(text).splitn(3, '-');
    let mut number = |width: usize| {
        let part = parts.next()?;
        let fits =
            is_digits(part) && if width == 4 { (4..=9).contains(&part.len()) } else { part.len() == width };
        fits.then(|| part.parse::<u32>().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(4), number(2), number(2)) else { return false };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let text = without_zone(text);
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let two = |text: &str, most: u8| {
        text.len() == 2 && is_digits(text) && text.parse::<u8>().is_ok_and(|n| n <= most)
    };
    match parts.as_slice() {
        ["24", "00", "00"] => fraction.bytes().all(|byte| byte == b'0'),
        [hours, minutes, seconds] => {
            two(hours, 23) && two(minutes, 59) && two(seconds, 59) && is_digits(fraction)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_held_against_their_types() {
        for (kind, right, wrong) in [
            (
                "int",
                &["0", "-2147483648", "+7", " 12 "][..],
                &["", "1.0", "2147483648", "1e3", "0x1", "-"][..],
            ),
            ("unsignedByte", &["255"], &["256", "-1"]),
            ("integer", &["123456789012345678901234567890123456789012"], &["12a"]),
            (
                "positiveInteger",
                &["1", "999999999999999999999999999999999999999999"],
                &["0", "-99999999999999999999999999999999999999999999"],
            ),
            ("decimal", &["1", "1.", ".5", "-0.00", "+3.1"], &["", ".", "1,5", "1e3", "NaN"]),
            ("double", &["1.5E-3", "INF", "NaN", "2"], &["inf", "E3", "1e"]),
            ("boolean", &["true", "0"], &["True", "yes", ""]),
            (
                "dateTime",
                &[
                    "2026-10-01T00:00:00",
                    "2024-02-29T23:59:59.123Z",
                    "2026-10-01T24:00:00",
                    "2026-10-01T00:00:00-05:00",
                ],
                &[
                    "2026-10-01",
                    "2026-10-01 00:00:00",
                    "2026-02-29T00:00:00",
                    "2026-10-01T25:00:00",
                    "10/01/2026",
                    "2026-10-01T00:00",
                    "x",
                ],
            ),
            (
                "date",
                &["2026-10-31", "2026-10-31Z", "2026-10-31+02:00", "-0044-03-15"],
                &["2026-11-31", "2026-1-1", "łłłłłłłł", "2026-13-01"],
            ),
            ("time", &["06:00:00", "06:00:00.5+01:00"], &["6:00", "24:00:01", "06:60:00"]),
            ("string", &["", "anything"], &[]),
            ("base64Binary", &["whatever"], &[]),
        ] {
            for text in right {
                assert_eq!(Simple::named(kind).check(text), Ok(()), "{kind} {text}");
            }
            for text in wrong {
                assert!(Simple::named(kind).check(text).is_err(), "{kind} {text}");
            }
        }
    }

    #[test]
    fn a_choice_names_the_nearest_value() {
        let element = Element { values: vec!["Final".into(), "Disputed".into()], ..Element::default() };
        assert_eq!(element.check("Final"), Ok(()));
        assert_eq!(element.check("final"), Err("one of Final, Disputed; did you mean Final?".to_owned()));
    }
}
