//! Delivery intervals: zones, days and months, the period of a run.
//!
//! Inside tieout a time is an [`Instant`], whole seconds since 1970 in UTC, so
//! that texts with different offsets compare. A date without a time of day is
//! its local midnight in the configured zone. A local time that a clock change
//! makes ambiguous or impossible is refused, never guessed.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

use crate::fault::{Fault, Kind, Result};

/// Whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(pub i64);

/// A time zone by its IANA name.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// Finds a zone by name. The zone data is part of the program: results do not depend on the machine.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where there is no such zone; the nearest name is given.
    pub fn named(name: &str) -> Result<Self> {
        TimeZone::get(name).map(Self).map_err(|_| {
            let names: Vec<String> = jiff::tz::db().available().map(|n| n.as_str().to_owned()).collect();
            let near = crate::fault::nearest(name, names.iter().map(String::as_str));
            let fault = Fault::new(Kind::Configuration, "there is no such time zone")
                .value(name)
                .expected("an IANA name such as America/Chicago");
            match near {
                Some(near) => fault.next(format!("did you mean {near}?")),
                None => fault,
            }
        })
    }

    /// UTC.
    #[must_use]
    pub const fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    fn local(&self, at: Instant) -> Option<DateTime> {
        Some(self.0.to_datetime(Timestamp::from_second(at.0).ok()?))
    }

    fn midnight(&self, date: Date) -> Option<Instant> {
        // Where a clock change skips midnight, the day begins with its first instant.
        date.to_zoned(self.0.clone()).ok().map(|zoned| Instant(zoned.timestamp().as_second()))
    }

    /// The local day that `at` falls on, as its first instant.
    #[must_use]
    pub fn day(&self, at: Instant) -> Instant {
        self.local(at).and_then(|local| self.midnight(local.date())).unwrap_or(at)
    }

    /// The local month that `at` falls in, as its first instant.
    #[must_use]
    pub fn month(&self, at: Instant) -> Instant {
        self.local(at).and_then(|local| self.midnight(local.date().first_of_month())).unwrap_or(at)
    }

    /// Whether `at` is a local midnight: a date, as far as anyone can see.
    #[must_use]
    pub fn is_date(&self, at: Instant) -> bool {
        self.day(at) == at
    }

    /// The first instant of the next hour, local day or local month; hours are counted from each day's first instant.
    fn next(&self, at: Instant, step: Step) -> Option<Instant> {
        let date = self.local(at)?.date();
        let day = || date.tomorrow().ok().and_then(|date| self.midnight(date));
        let next = match step {
            Step::Hour => day()?.min(Instant(at.0 + 3600)),
            Step::Day => day()?,
            Step::Month => self.midnight(date.first_of_month().checked_add(1.month()).ok()?)?,
        };
        (next > at).then_some(next)
    }

    /// ISO 8601: the date alone, or with time and offset.
    #[must_use]
    pub fn show(&self, at: Instant, with_time: bool) -> String {
        let Ok(timestamp) = Timestamp::from_second(at.0) else { return at.0.to_string() };
        let zoned = timestamp.to_zoned(self.0.clone());
        zoned.strftime(if with_time { "%Y-%m-%dT%H:%M:%S%:z" } else { "%Y-%m-%d" }).to_string()
    }

    /// `at` by a strftime pattern, in local time.
    ///
    /// # Errors
    /// A phrase, where the pattern is not one.
    pub fn format(&self, at: Instant, pattern: &str) -> Result<String, String> {
        let timestamp = Timestamp::from_second(at.0).map_err(|error| error.to_string())?;
        jiff::fmt::strtime::format(pattern, &timestamp.to_zoned(self.0.clone()))
            .map_err(|error| error.to_string())
    }
}

/// A part of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An hour: 23, 24 or 25 of them make a day.
    Hour,
    /// A local day.
    Day,
    /// A local month.
    Month,
}

/// Which edge of a delivery interval a text stands for: `Aug-00` begins on the 1st and ends on the 31st.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Its first day.
    Start,
    /// Its last day.
    End,
}

#[derive(Clone, Debug)]
enum Format {
    MonthFirst,
    DayFirst,
    Pattern(String),
}

/// How a side writes its dates.
#[derive(Clone, Debug)]
pub struct Dates {
    zone: Zone,
    formats: Vec<Format>,
}

impl Dates {
    /// `formats` are `month first` or `day first` (for `8/1/2000`), or strptime
    /// patterns such as `%d-%b-%Y %H:%M`. ISO 8601, dates with a month's name,
    /// and months (`2000-08`, `Aug-00`) need no format.
    ///
    /// # Errors
    /// [`Kind::Configuration`] for a format that is neither.
    pub fn new(zone: Zone, formats: &[String]) -> Result<Self> {
        let formats = formats
            .iter()
            .map(|format| match format.as_str() {
                pattern
                    if pattern.contains('%') && jiff::fmt::strtime::format(pattern, sample()).is_err() =>
                {
                    Err(Fault::new(Kind::Configuration, "this is not a pattern for dates")
                        .value(pattern)
                        .expected("strptime, such as \"%d-%b-%Y %H:%M\""))
                }
                "month first" => Ok(Format::MonthFirst),
                "day first" => Ok(Format::DayFirst),
                pattern if pattern.contains('%') => Ok(Format::Pattern(pattern.to_owned())),
                other => Err(Fault::new(Kind::Configuration, "this is not a date format")
                    .value(other)
                    .expected("\"month first\", \"day first\" or a pattern such as \"%d-%b-%Y\"")),
            })
            .collect::<Result<_>>()?;
        Ok(Self { zone, formats })
    }

    /// Reads a date or a time.
    ///
    /// # Errors
    /// A phrase that says what is wrong, to follow "cannot be read as a date: ".
    pub fn parse(&self, text: &str, edge: Edge) -> Result<Instant, String> {
        let text = text.trim();
        for format in &self.formats {
            if let Format::Pattern(pattern) = format
                && let Ok(parsed) = jiff::fmt::strtime::parse(pattern, text)
            {
                if let Ok(timestamp) = parsed.to_timestamp() {
                    return Ok(Instant(timestamp.as_second()));
                }
                let date = parsed
                    .to_date()
                    .map_err(|_| format!("the format {pattern} does not give a whole date"))?;
                return self.at(date.to_datetime(parsed.to_time().unwrap_or(Time::midnight())));
            }
        }
        let (day, clock) = split_clock(text);
        let date = match self.date(day, edge)? {
            Some(date) => date,
            None => return Err("it is in no format that is recognised or stated".to_owned()),
        };
        let Some(clock) = clock else { return self.at(date.to_datetime(Time::midnight())) };
        let (time, offset) = read_clock(clock)?;
        match offset {
            None => self.at(date.to_datetime(time)),
            Some(seconds) => {
                let utc =
                    TimeZone::UTC.to_timestamp(date.to_datetime(time)).map_err(|error| error.to_string())?;
                Ok(Instant(utc.as_second() - i64::from(seconds)))
            }
        }
    }

    fn at(&self, local: DateTime) -> Result<Instant, String> {
        let ambiguous = self.zone.0.to_ambiguous_timestamp(local);
        if local.time() != Time::midnight() && ambiguous.is_ambiguous() {
            return Err(
                "the clock change makes this local time ambiguous or skips it; an offset is needed".into()
            );
        }
        ambiguous
            .compatible()
            .map(|timestamp| Instant(timestamp.as_second()))
            .map_err(|_| "it is outside of the years that can be handled".to_owned())
    }

    /// The date in `text`: `None` where no form fits, an error where one fits but is no date.
    fn date(&self, text: &str, edge: Edge) -> Result<Option<Date>, String> {
        // One kind of separator, each time once: "Oct 1, 2026" has its comma with the space.
        let separator = text.chars().find(|c| matches!(c, '-' | '/' | '.' | ' '));
        let parts: Vec<&str> = match separator {
            Some(separator) => {
                text.split(separator).map(|part| part.strip_suffix(',').unwrap_or(part)).collect()
            }
            None => vec![text],
        };
        let no_date = || format!("{text} is not in the calendar");
        let make = |year: i64, month: i64, day: i64| -> Result<Option<Date>, String> {
            let small = |n: i64| i8::try_from(n).map_err(|_| no_date());
            let year = i16::try_from(year).map_err(|_| no_date())?;
            Date::new(year, small(month)?, small(day)?).map(Some).map_err(|_| no_date())
        };
        let whole_month = |year: i64, month: i64| -> Result<Option<Date>, String> {
            let first = make(year, month, 1)?;
            Ok(first.map(|date| if edge == Edge::End { date.last_of_month() } else { date }))
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
                    for format in &self.formats {
                        match format {
                            Format::MonthFirst => return make(year, first, second),
                            Format::DayFirst => return make(year, second, first),
                            Format::Pattern(_) => {}
                        }
                    }
                    Err("day and month cannot be told apart; state dates = [\"month first\"] or [\"day first\"]".into())
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
}

/// Any time: to see whether a pattern is one.
fn sample() -> BrokenDownTime {
    BrokenDownTime::from(&Zoned::new(Timestamp::UNIX_EPOCH, TimeZone::UTC))
}

fn number(text: &str) -> Option<i64> {
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
fn split_clock(text: &str) -> (&str, Option<&str>) {
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

/// Reads `14:30`, `02:30:00 PM`, `00:00:00.0000000`, each with `Z` or an offset behind it.
fn read_clock(text: &str) -> Result<(Time, Option<i32>), String> {
    let wrong = || format!("{text} is not a time of day");
    let mut rest = text.trim();
    let mut offset = None;
    if let Some(head) = rest.strip_suffix(['Z', 'z']) {
        (offset, rest) = (Some(0), head);
    } else if let Some(at) = rest.rfind(['+', '-']) {
        let (head, tail) = rest.split_at(at);
        let digits: String = tail.chars().filter(char::is_ascii_digit).collect();
        let n: i32 = digits.parse().map_err(|_| wrong())?;
        let seconds = match digits.len() {
            2 if n <= 14 => n * 3600,
            4 if n % 100 < 60 && n <= 1400 => (n / 100) * 3600 + (n % 100) * 60,
            _ => return Err(wrong()),
        };
        (offset, rest) = (Some(if tail.starts_with('-') { -seconds } else { seconds }), head.trim_end());
    }
    let lower = rest.to_ascii_lowercase();
    let half = ["am", "pm"].into_iter().find(|half| lower.ends_with(half));
    if half.is_some() {
        rest = rest.get(..rest.len() - 2).unwrap_or_default().trim_end();
    }
    let mut parts = rest.split(':');
    let mut next = || {
        parts.next().map(|part| number(part).filter(|_| part.len() <= 2).and_then(|n| i8::try_from(n).ok()))
    };
    let (hour, minute) = (next().flatten().ok_or_else(wrong)?, next().flatten().ok_or_else(wrong)?);
    let second = match rest.splitn(3, ':').nth(2) {
        None => 0,
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
            if fraction.bytes().any(|b| b != b'0') {
                return Err("it is finer than a second".to_owned());
            }
            number(whole).and_then(|n| i8::try_from(n).ok()).ok_or_else(wrong)?
        }
    };
    let hour = match (half, hour) {
        (None, hour) => hour,
        (Some("am"), 12) => 0,
        (Some("am"), 1..=11) => hour,
        (Some(_), 12) => 12,
        (Some(_), 1..=11) => hour + 12,
        _ => return Err(wrong()),
    };
    Ok((Time::new(hour, minute, second, 0).map_err(|_| wrong())?, offset))
}

/// The days that a run looks at, first and last included.
#[derive(Clone, Debug)]
pub struct Period {
    first: Date,
    last: Date,
    zone: Zone,
}

impl Period {
    /// Reads `2026-10`, `2026-10-05`, `2026-10-01..2026-10-15`, `yesterday`,
    /// `this month` or `last month`; the last three as seen from `now` in the zone.
    ///
    /// # Errors
    /// [`Kind::Configuration`] for anything else.
    pub fn parse(text: &str, zone: &Zone, now: std::time::SystemTime) -> Result<Self> {
        let wrong = || {
            Fault::new(Kind::Configuration, "this is not a period")
                .at("period")
                .value(text)
                .expected("2026-10, 2026-10-05, 2026-10-01..2026-10-15, yesterday, this month or last month")
        };
        let today = || -> Result<Date> {
            let timestamp = Timestamp::try_from(now).map_err(|_| wrong())?;
            Ok(Zoned::new(timestamp, zone.0.clone()).date())
        };
        let month = |date: Date| (date.first_of_month(), date.last_of_month());
        let dates = Dates { zone: zone.clone(), formats: Vec::new() };
        let edge = |text: &str, edge| match dates.date(text.trim(), edge) {
            Ok(Some(date)) => Ok(date),
            _ => Err(wrong()),
        };
        let (first, last) = match text.trim() {
            "yesterday" => {
                let date = today()?.yesterday().map_err(|_| wrong())?;
                (date, date)
            }
            "this month" => month(today()?),
            "last month" => month(today()?.checked_sub(1.month()).map_err(|_| wrong())?),
            text => match text.split_once("..") {
                Some((first, last)) => (edge(first, Edge::Start)?, edge(last, Edge::End)?),
                None => (edge(text, Edge::Start)?, edge(text, Edge::End)?),
            },
        };
        if last < first {
            return Err(wrong().next("the last day comes before the first; write the earlier one first"));
        }
        Ok(Self { first, last, zone: zone.clone() })
    }

    /// The first instant.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.zone.midnight(self.first).unwrap_or(Instant(i64::MIN))
    }

    /// The first instant behind the last day.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.last.tomorrow().ok().and_then(|date| self.zone.midnight(date)).unwrap_or(Instant(i64::MAX))
    }

    /// The first instant of the last day.
    #[must_use]
    pub fn last_day(&self) -> Instant {
        self.zone.midnight(self.last).unwrap_or(Instant(i64::MAX))
    }

    /// Where its hours, days or months begin, and where the last one ends. The first and the last part are as
    /// long as the period has them.
    pub fn edges(&self, step: Step) -> impl Iterator<Item = Instant> {
        let end = self.end();
        std::iter::successors(Some(self.start()), move |at| self.zone.next(*at, step))
            .take_while(move |at| *at < end)
            .chain([end])
    }

    /// Whether an interval that starts at `at` belongs to the period.
    #[must_use]
    pub fn contains(&self, at: Instant) -> bool {
        self.start() <= at && at < self.end()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

/// A moment as logs write it: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn moment(at: std::time::SystemTime) -> String {
    Timestamp::try_from(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// A moment as HTTP writes it (RFC 9110 §5.6.7, its preferred form).
#[must_use]
pub fn http_date(text: &str) -> Option<std::time::SystemTime> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn chicago(formats: &[&str]) -> Dates {
        let formats: Vec<String> = formats.iter().map(|&f| f.to_owned()).collect();
        Dates::new(Zone::named("America/Chicago").unwrap(), &formats).unwrap()
    }

    fn shown(dates: &Dates, text: &str, edge: Edge) -> String {
        match dates.parse(text, edge) {
            Ok(at) => dates.zone.show(at, !dates.zone.is_date(at)),
            Err(why) => why,
        }
    }

    #[test]
    fn dates_in_the_forms_that_invoices_use() {
        let dates = chicago(&["month first", "%Y%j"]);
        for (text, start) in [
            ("2000-08-01", "2000-08-01"),
            ("2000-08-01T00:00:00", "2000-08-01"),
            ("2000-08-01 00:00:00.0000000", "2000-08-01"),
            ("2000-08-01T13:30:00", "2000-08-01T13:30:00-05:00"),
            ("2000-08-01T13:30:00Z", "2000-08-01T08:30:00-05:00"),
            ("2000-08-01T13:30+02:00", "2000-08-01T06:30:00-05:00"),
            ("8/1/2000 00:00:00", "2000-08-01"),
            ("8/1/00", "2000-08-01"),
            ("8/1/2000 1:05 PM", "2000-08-01T13:05:00-05:00"),
            ("8/1/2000 12:00 AM", "2000-08-01"),
            ("01-Aug-2000", "2000-08-01"),
            ("1 August 2000", "2000-08-01"),
            ("Aug 1, 2000", "2000-08-01"),
            ("20000801", "2000-08-01"),
            ("2000214", "2000-08-01"),
            ("Aug-00", "2000-08-01"),
            ("2000-08", "2000-08-01"),
        ] {
            assert_eq!(shown(&dates, text, Edge::Start), start, "{text}");
        }
        assert_eq!(shown(&dates, "Aug-00", Edge::End), "2000-08-31");
        assert_eq!(shown(&dates, "Feb 2000", Edge::End), "2000-02-29");
        assert_eq!(shown(&chicago(&["day first"]), "8/1/2000", Edge::Start), "2000-01-08");
    }

    #[test]
    fn what_is_no_date_says_why() {
        let dates = chicago(&[]);
        for (text, why) in [
            ("8/1/2000", "cannot be told apart"),
            ("2000-02-30", "not in the calendar"),
            ("2000-13", "not in the calendar"),
            ("soon", "no format"),
            ("-2026--10-/01", "no format"),
            ("2026-10/01", "no format"),
            ("2000-08-01T10:00+99:00", "not a time of day"),
            ("", "no format"),
            ("2000-08-01T25:00", "not a time of day"),
            ("2000-08-01T10:00:00.5", "finer than a second"),
            ("2000-10-29T01:30:00", "clock change"),
            ("2000-04-02T02:30:00", "clock change"),
            ("99999-01-01", "no format"),
        ] {
            let told = dates.parse(text, Edge::Start).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
        assert!(Zone::named("America/Chicgo").unwrap_err().to_string().contains("America/Chicago"));
    }

    #[test]
    fn periods_include_their_last_day() {
        let zone = Zone::named("America/Chicago").unwrap();
        // 2026-11-22T23:00:00Z
        let now = UNIX_EPOCH + Duration::from_secs(1_795_388_400);
        let read = |text: &str| Period::parse(text, &zone, now);
        for (text, days) in [
            ("2026-10", "2026-10-01..2026-10-31"),
            ("2026-10-05", "2026-10-05..2026-10-05"),
            ("2026-10-01..2026-10-15", "2026-10-01..2026-10-15"),
            ("2026-09..2026-10", "2026-09-01..2026-10-31"),
            ("yesterday", "2026-11-21..2026-11-21"),
            ("this month", "2026-11-01..2026-11-30"),
            ("last month", "2026-10-01..2026-10-31"),
        ] {
            assert_eq!(read(text).unwrap().to_string(), days, "{text}");
        }
        let october = read("2026-10").unwrap();
        assert!(october.contains(october.start()) && !october.contains(october.end()));
        assert!(october.contains(october.last_day()));
        assert_eq!(read("2026-10-15..2026-10-01").unwrap_err().kind(), Kind::Configuration);
        assert!(read("next week").is_err());
    }

    /// A day of the calendar, counted from 1970.
    fn zone_date(day: i64) -> Date {
        Date::constant(1970, 1, 1).checked_add(day.days()).unwrap()
    }

    #[test]
    fn a_period_is_cut_into_hours_days_and_months_of_the_zone() {
        let zone = Zone::named("America/Chicago").unwrap();
        let edges = |text: &str, step| -> Vec<String> {
            let period = Period::parse(text, &zone, UNIX_EPOCH).unwrap();
            period.edges(step).map(|at| zone.show(at, true)).collect()
        };
        assert_eq!(edges("2026-11-01", Step::Hour).len(), 26, "25 hours");
        assert_eq!(edges("2026-03-08", Step::Hour).len(), 24, "23 hours");
        assert_eq!(
            edges("2026-10-31..2026-11-02", Step::Day),
            [
                "2026-10-31T00:00:00-05:00",
                "2026-11-01T00:00:00-05:00",
                "2026-11-02T00:00:00-06:00",
                "2026-11-03T00:00:00-06:00"
            ]
        );
        assert_eq!(
            edges("2026-10-15..2026-12-02", Step::Month),
            [
                "2026-10-15T00:00:00-05:00",
                "2026-11-01T00:00:00-05:00",
                "2026-12-01T00:00:00-06:00",
                "2026-12-03T00:00:00-06:00"
            ]
        );
        assert_eq!(edges("2026-10-05", Step::Month).len(), 2);
    }

    #[test]
    fn moments_of_http_are_read_and_those_of_logs_written() {
        let at = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(moment(at), "1994-11-06T08:49:37.000Z");
        assert_eq!(http_date("soon"), None);
    }

    proptest::proptest! {
        #[test]
        fn the_parts_of_a_period_follow_each_other(
            first in 0i64..20_000, days in 0i64..70, zone in "America/Chicago|Australia/Lord_Howe|America/Havana|America/Sao_Paulo|Pacific/Apia"
        ) {
            let zone = Zone::named(&zone).unwrap();
            let date = |day: i64| zone_date(day);
            let text = format!("{}..{}", date(first), date(first + days));
            let period = Period::parse(&text, &zone, UNIX_EPOCH).unwrap();
            for step in [Step::Hour, Step::Day, Step::Month] {
                let edges: Vec<Instant> = period.edges(step).collect();
                proptest::prop_assert_eq!((edges.first(), edges.last()), (Some(&period.start()), Some(&period.end())));
                proptest::prop_assert!(edges.is_sorted_by(|a, b| a < b));
            }
        }

        #[test]
        fn any_text_is_a_date_or_refused(text in "[-0-9/:. TZAaPpMmug+]{0,24}|.{0,24}") {
            let _ = chicago(&["month first"]).parse(&text, Edge::End);
        }
    }
}
