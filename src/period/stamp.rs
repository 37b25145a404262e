//! The one form that says all by itself, read without detours.

use super::Instant;

/// The instant of a time in full with its offset, `2026-11-05T07:00:00-06:00` or `…Z` (RFC 3339 §5.6, without fractions), of the
/// years 1970 to 2099; `None` for any other text, whether it is a time or not.
#[inline]
pub(super) fn stamp(text: &[u8]) -> Option<Instant> {
    let date = pairs(text, 0, *b"0000-00-")?;
    let clock = pairs(text, 8, *b"00T00:00")?;
    let (second, offset) = match (text.len(), text.get(19).filter(|_| text.get(16) == Some(&b':'))?) {
        (20, _) => (pairs(text, 12, *b"0:00:00Z")?.at(5), 0),
        (25, b'+') => behind(pairs(text, 17, *b"00+00:00")?, 1)?,
        (25, b'-') => behind(pairs(text, 17, *b"00-00:00")?, -1)?,
        _ => return None,
    };
    // Every year of these that four divides is a leap year.
    let (year, month, day) = (date.at(0) * 100 + date.at(2), date.at(5), clock.at(0));
    let (hour, minute) = (clock.at(3), clock.at(6));
    let &(before, length) = MONTHS.get(usize::try_from(month - 1).ok()?)?;
    let leap_day = i64::from(year % 4 == 0);
    let length = if month == 2 { length + leap_day } else { length };
    let is_one = (1970..2100).contains(&year)
        && (1..=length).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let leap_days = (year - 1969) / 4 + if month > 2 { leap_day } else { 0 };
    let days = (year - 1970) * 365 + leap_days + before + day - 1;
    is_one.then_some(Instant(days * 86_400 + hour * 3600 + minute * 60 + second - offset))
}

/// The seconds of the clock, and those by which it is before UTC: of `SS+HH:MM`.
#[inline]
fn behind(end: Pairs, sign: i64) -> Option<(i64, i64)> {
    let (hours, minutes) = (end.at(3), end.at(6));
    (hours <= 14 && minutes < 60).then_some((end.at(0), sign * (hours * 3600 + minutes * 60)))
}

/// The numbers that each two digits side by side make, of eight bytes at once.
#[derive(Clone, Copy)]
struct Pairs([u8; 8]);

impl Pairs {
    /// The number that starts with this digit.
    #[inline]
    fn at(self, digit: usize) -> i64 {
        self.0.get(digit).copied().unwrap_or_default().into()
    }
}

/// The eight bytes from `start` on, where they have a digit wherever `form` has a nought, and elsewhere what `form` has.
#[inline]
fn pairs(text: &[u8], start: usize, form: [u8; 8]) -> Option<Pairs> {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let bytes: [u8; 8] = *text.get(start..)?.first_chunk()?;
    // Digits become what they count, and all else nought.
    let counts = u64::from_le_bytes(bytes) ^ u64::from_le_bytes(form);
    // What is more than that reaches the highest bit of its byte.
    let room = u64::from_le_bytes(form.map(|byte| if byte == b'0' { 0x7f - 9 } else { 0x7f }));
    let is_form = (counts.wrapping_add(room) | counts) & HIGH == 0;
    is_form.then(|| Pairs(counts.wrapping_mul(10).wrapping_add(counts >> 8).to_le_bytes()))
}

/// Days before each month, and in it, of a year that is no leap year.
const MONTHS: [(i64, i64); 12] = [
    (0, 31),
    (31, 28),
    (59, 31),
    (90, 30),
    (120, 31),
    (151, 30),
    (181, 31),
    (212, 31),
    (243, 30),
    (273, 31),
    (304, 30),
    (334, 31),
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::super::{Dates, Edge, Zone};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// Where it says anything, the long way says the same; and of a time it says something.
        #[test]
        fn a_stamp_is_what_the_long_way_reads(
            date in prop_oneof!["[0-9]{4}-[01][0-9]-[0-3][0-9]", "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"],
            clock in prop_oneof!["[0-2][0-9]:[0-6][0-9]:[0-6][0-9]", "1[0-9]:[0-5][0-9]:[0-5][0-9]", "24:00:00"],
            offset in prop_oneof!["Z", "[+-]0[0-9]:[0-5][0-9]", "[+-][01][0-9]:[0-9]{2}", "[+-][0-9]", ""],
            spoilt in prop::option::of((0_usize..25, "[0-9TZ:+ .é-]")),
        ) {
            let mut text = format!("{date}T{clock}{offset}");
            if let Some((at, other)) = &spoilt && *at < text.len() {
                text.replace_range(*at..=*at, other);
            }
            let dates = Dates::new(Zone::named("America/Chicago").unwrap(), &[]).unwrap();
            let long = dates.parse(&text, Edge::Start);
            if let Some(at) = stamp(text.as_bytes()) {
                prop_assert_eq!(Ok(at), long, "{}", text);
            } else if spoilt.is_none() && offset.len() != 2 && !offset.is_empty() && *clock < *"24" && ("1970".."2100").contains(&&*date) {
                prop_assert!(long.is_err(), "{}: {:?}", text, long);
            }
        }
    }

    #[test]
    fn what_is_no_such_stamp_is_left() {
        let at = |text: &str| stamp(text.as_bytes()).map(|at| at.0);
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(at("2026-11-01T01:30:00-05:00"), Some(1_793_514_600));
        for text in [
            "",
            "2026-11-01",
            "2026-11-01 01:30:00-05:00",
            "2026-11-01T01:30-05:00",
            "2026-02-29T00:00:00Z",
            "2026-11-01T01:30:00z",
            "2026-11-01T01:30.00-05:00",
            "2026-11-01T01:30.00Z",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
