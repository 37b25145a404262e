//! The forms in which files write dates and times of day.

use jiff::civil::{Date, Time};

use super::dates::{Edge, Format};
use super::local::{Beside, Turn};

/// A date as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    pub(super) date: Date,
    /// Whether only the month is written: then it is its first day, or its last.
    pub(super) is_month: bool,
}

/// The date in `text`: `None` where no form fits, an error where one fits but is no date.
pub(super) fn date(text: &str, edge: Edge, formats: &[Format]) -> Result<Option<Day>, String> {
    // One kind of separator, each time once: "Oct 1, 2026" has its comma with the space.
    let separator = text.chars().find(|c| matches!(c, '-' | '/' | '.' | ' '));
    let parts: Vec<&str> = match separator {
        Some(separator) => text.split(separator).map(|part| part.strip_suffix(',').unwrap_or(part)).collect(),
        None => vec![text],
    };
    let no_date = || format!("{text} is not in the calendar");
    let make = |year: i64, month: i64, day: i64| -> Result<Option<Day>, String> {
        let small = |n: i64| i8::try_from(n).map_err(|_| no_date());
        let year = i16::try_from(year).map_err(|_| no_date())?;
        let date = Date::new(year, small(month)?, small(day)?).map_err(|_| no_date())?;
        Ok(Some(Day { date, is_month: false }))
    };
    let whole_month = |year: i64, month: i64| -> Result<Option<Day>, String> {
        let first = make(year, month, 1)?;
        let edge = |date: Date| if edge == Edge::End { date.last_of_month() } else { date };
        Ok(first.map(|day| Day { date: edge(day.date), is_month: true }))
    };
    match *parts.as_slice() {
        [one] if one.len() == 8 && number(one).is_some() => {
            let n = number(one).unwrap_or_default();
            make(n / 10_000, n / 100 % 100, n % 100)
        }
        [a, b] => match (number(a), number(b), month_named(a), month_named(b)) {
            (Some(year), Some(month), ..) if a.len() == 4 && b.len() <= 2 => whole_month(year, month),
            (Some(month), Some(year), ..) if b.len() == 4 && a.len() <= 2 => whole_month(year, month),
            (None, Some(year), Some(month), _) => whole_month(full_year(b, year), month),
            (Some(year), None, _, Some(month)) if a.len() == 4 => whole_month(year, month),
            _ => Ok(None),
        },
        [a, b, c] => match (number(a), number(b), number(c)) {
            (Some(year), Some(month), Some(day)) if a.len() == 4 => make(year, month, day),
            (Some(first), Some(second), Some(year))
                if a.len() <= 2 && b.len() <= 2 && matches!(c.len(), 2 | 4) =>
            {
                let year = full_year(c, year);
                for format in formats {
                    match format {
                        Format::MonthFirst => return make(year, first, second),
                        Format::DayFirst => return make(year, second, first),
                        Format::Pattern(_) => {}
                    }
                }
                Err("day and month cannot be told apart; state dates = [\"month first\"] or [\"day first\"]"
                    .into())
            }
            (Some(day), None, Some(year)) => match month_named(b) {
                Some(month) if a.len() == 4 => make(day, month, year),
                Some(month) => make(full_year(c, year), month, day),
                None => Ok(None),
            },
            (None, Some(day), Some(year)) => match month_named(a) {
                Some(month) => make(full_year(c, year), month, day),
                None => Ok(None),
            },
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

pub(super) fn number(text: &str) -> Option<i64> {
    (text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Two-digit years are those from 1970 to 2069.
fn full_year(text: &str, year: i64) -> i64 {
    match (text.len(), year) {
        (2, 70..) => 1900 + year,
        (2, _) => 2000 + year,
        _ => year,
    }
}

fn month_named(text: &str) -> Option<i64> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let text = text.to_ascii_lowercase();
    let at = NAMES.iter().position(|name| {
        text.len() >= 3 && name.starts_with(&text) || text == "sept" && *name == "september"
    })?;
    i64::try_from(at + 1).ok()
}

/// Splits the time of day off: `8/1/2000 00:00:00` and `2000-08-01T00:00Z`.
pub(super) fn split_clock(text: &str) -> (&str, Option<&str>) {
    match text.find(':') {
        None => (text, None),
        Some(colon) => {
            let head = text.get(..colon).unwrap_or_default();
            match head.rfind(['T', 't', ' ']) {
                Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
                None => (text, None),
            }
        }
    }
}

/// A time of day as it is written.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) time: Time,
    /// Whether it is 24:00, the midnight behind the date.
    pub(super) is_midnight_behind: bool,
    pub(super) beside: Option<Beside>,
}

/// Reads `14:30`, `02:30:00 PM`, `00:00:00.0000000`, `24:00`, each with `Z`, an offset, `*`, or the name of the time behind it.
pub(super) fn clock(text: &str) -> Result<Clock, String> {
    let wrong = || format!("{text} is not a time of day");
    let mut rest = text.trim();
    let mut beside = None;
    if let Some(head) = rest.strip_suffix(['Z', 'z']) {
        (beside, rest) = (Some(Beside::Offset(0)), head);
    } else if let Some(at) = rest.rfind(['+', '-']) {
        let (head, tail) = rest.split_at(at);
        (beside, rest) = (Some(Beside::Offset(offset(tail).ok_or_else(wrong)?)), head.trim_end());
    } else if let Some(head) = rest.strip_suffix('*') {
        (beside, rest) = (Some(Beside::Turn(Turn::Second)), head.trim_end());
    } else {
        let head = rest.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let word = rest.get(head.len()..).unwrap_or_default();
        if !word.is_empty() && !is_half(word) {
            (beside, rest) = (Some(season(word).ok_or_else(wrong)?), head.trim_end());
        }
    }
    let half = rest.get(rest.len().saturating_sub(2)..).filter(|half| is_half(half));
    let is_afternoon = half.map(|half| half.eq_ignore_ascii_case("pm"));
    if half.is_some() {
        rest = rest.get(..rest.len() - 2).unwrap_or_default().trim_end();
    }
    let mut parts = rest.splitn(3, ':');
    let mut next = || {
        parts.next().map(|part| number(part).filter(|_| part.len() <= 2).and_then(|n| i8::try_from(n).ok()))
    };
    let (hour, minute) = (next().flatten().ok_or_else(wrong)?, next().flatten().ok_or_else(wrong)?);
    let second = match parts.next() {
        None => 0,
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
            if fraction.bytes().any(|b| b != b'0') {
                return Err("it is finer than a second".to_owned());
            }
            number(whole).and_then(|n| i8::try_from(n).ok()).ok_or_else(wrong)?
        }
    };
    let hour = match (is_afternoon, hour) {
        (None, 24) if (minute, second) == (0, 0) => {
            return Ok(Clock { time: Time::midnight(), is_midnight_behind: true, beside });
        }
        (None, hour) => hour,
        (Some(false), 12) => 0,
        (Some(false), 1..=11) => hour,
        (Some(true), 12) => 12,
        (Some(true), 1..=11) => hour + 12,
        _ => return Err(wrong()),
    };
    let time = Time::new(hour, minute, second, 0).map_err(|_| wrong())?;
    Ok(Clock { time, is_midnight_behind: false, beside })
}

fn is_half(text: &str) -> bool {
    text.eq_ignore_ascii_case("am") || text.eq_ignore_ascii_case("pm")
}

/// Reads `-05:00`, `+0530`, `-6`; in seconds.
pub(super) fn offset(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-'])?;
    let (hours, minutes) = match digits.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "00"),
    };
    let part = |text: &str, most: i64| -> Option<i32> {
        let number = number(text).filter(|&n| n <= most && (1..=2).contains(&text.len()))?;
        i32::try_from(number).ok()
    };
    let (hours, minutes) = (part(hours, 14)?, part(minutes, 59).filter(|_| minutes.len() == 2)?);
    let seconds = hours * 3600 + minutes * 60;
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

/// Reads what says which of two hours is meant: `AD` and `AS`, `DST` and `ST`, `CDT`, `UTC`.
pub(super) fn season(word: &str) -> Option<Beside> {
    let is = |known: &[&str]| known.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(&["UTC", "GMT"]) {
        Some(Beside::Offset(0))
    } else if is(&["AD", "D", "DT", "DST", "daylight"]) {
        Some(Beside::Daylight(true))
    } else if is(&["AS", "S", "ST", "standard"]) {
        Some(Beside::Daylight(false))
    } else {
        let is_name = (3..=5).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphabetic());
        is_name.then(|| Beside::Named(word.to_owned()))
    }
}
