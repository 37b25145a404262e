//! From the text of a date or a time to its instant.

use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::local::{Beside, Rules, Trouble};
use super::stamp::stamp;
use super::text::{self, Day};
use super::{Instant, Intervals, Turn, Zone};
use crate::fault::{Fault, Kind, Result};

/// Which edge of a delivery interval a text stands for: `Aug-00` begins on the 1st and ends on the 31st.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Its first day.
    Start,
    /// Its last day.
    End,
}

#[derive(Clone, Debug)]
pub(super) enum Format {
    MonthFirst,
    DayFirst,
    Pattern(String),
}

/// How a side writes its dates, its times and its delivery intervals.
#[derive(Clone, Debug)]
pub struct Dates {
    pub(super) zone: Zone,
    formats: Vec<Format>,
    has_pattern: bool,
    pub(super) intervals: Intervals,
}

/// What a text says of a time.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// With its offset, or in UTC.
    At(Instant),
    /// By a local clock or calendar.
    Local(Local),
}

/// A local date or time as it is written.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) at: DateTime,
    pub(super) written: Written,
    pub(super) beside: Option<Beside>,
}

/// How far a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// To the month.
    Month,
    /// To the day.
    Day,
    /// To the day and 00:00, which may mean no more than the day.
    Midnight,
    /// To a time of day.
    Time,
}

impl Written {
    /// Whether it may mean no more than a day.
    pub(super) fn is_date(self) -> bool {
        self != Self::Time
    }
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
            .collect::<Result<Vec<_>>>()?;
        let has_pattern = formats.iter().any(|format| matches!(format, Format::Pattern(_)));
        Ok(Self { zone, formats, has_pattern, intervals: Intervals::default() })
    }

    /// The same, for a side that writes its intervals so.
    #[must_use]
    pub fn with(self, intervals: Intervals) -> Self {
        Self { intervals, ..self }
    }

    /// Reads a date or a time.
    ///
    /// # Errors
    /// A phrase that says what is wrong, to follow "cannot be read as a date: ".
    pub fn parse(&self, text: &str, edge: Edge) -> Result<Instant, String> {
        match self.told(text, edge)? {
            Told::At(at) => Ok(at),
            Told::Local(local) => {
                let resolved = self.resolve(&local, local.beside.as_ref(), None);
                resolved.map(|(at, _)| at).map_err(|trouble| trouble.phrase())
            }
        }
    }

    /// The instant that a text states in full, with its offset, so that nothing else has to do with it; `None` where it takes
    /// [`Dates::interval`] to tell.
    #[must_use]
    #[inline]
    pub fn stamp(&self, text: &[u8]) -> Option<Instant> {
        // A pattern may read it otherwise.
        if self.has_pattern { None } else { stamp(text) }
    }

    /// What a text says.
    pub(super) fn told(&self, text: &str, edge: Edge) -> Result<Told, String> {
        let text = text.trim();
        for format in &self.formats {
            if let Format::Pattern(pattern) = format
                && let Ok(parsed) = jiff::fmt::strtime::parse(pattern, text)
            {
                if let Ok(timestamp) = parsed.to_timestamp() {
                    return Ok(Told::At(Instant(timestamp.as_second())));
                }
                let date = parsed
                    .to_date()
                    .map_err(|_| format!("the format {pattern} does not give a whole date"))?;
                let time = parsed.to_time().unwrap_or(Time::midnight());
                let written = if parsed.hour().is_none() { Written::Day } else { written(time) };
                return Ok(Told::Local(Local { at: date.to_datetime(time), written, beside: None }));
            }
        }
        let (day, clock) = text::split_clock(text);
        let Some(Day { date, is_month }) = text::date(day, edge, &self.formats)? else {
            return Err("it is in no format that is recognised or stated".to_owned());
        };
        let Some(clock) = clock else {
            let written = if is_month { Written::Month } else { Written::Day };
            return Ok(Told::Local(Local { at: date.to_datetime(Time::midnight()), written, beside: None }));
        };
        let clock = text::clock(clock)?;
        let date = if clock.is_midnight_behind { date.tomorrow().map_err(|_| far())? } else { date };
        let at = date.to_datetime(clock.time);
        if let Some(Beside::Offset(seconds)) = clock.beside {
            let utc = TimeZone::UTC.to_timestamp(at).map_err(|error| error.to_string())?;
            return Ok(Told::At(Instant(utc.as_second() - i64::from(seconds))));
        }
        let written = if clock.is_midnight_behind { Written::Time } else { written(clock.time) };
        Ok(Told::Local(Local { at, written, beside: clock.beside }))
    }

    /// The instant of a local date or time, and whether a clock change has to do with it. The day's first
    /// instant stands for a date, and for a midnight on a side that writes no hours.
    pub(super) fn resolve(
        &self,
        local: &Local,
        beside: Option<&Beside>,
        turn: Option<Turn>,
    ) -> Result<(Instant, bool), Trouble> {
        let midnight = local.at.time() == Time::midnight();
        let has_clock = matches!(local.written, Written::Midnight | Written::Time);
        if midnight && beside.is_none() && !(has_clock && self.intervals.has_hours()) {
            return self.zone.midnight(local.at.date()).map(|at| (at, false)).ok_or_else(|| far().into());
        }
        let Intervals { repeated, skipped, .. } = self.intervals;
        self.zone.resolve(local.at, beside, Rules { repeated, skipped, turn })
    }
}

fn written(time: Time) -> Written {
    if time == Time::midnight() { Written::Midnight } else { Written::Time }
}

pub(super) fn far() -> String {
    "it is outside of the years that can be handled".to_owned()
}

/// Any time: to see whether a pattern is one.
fn sample() -> BrokenDownTime {
    BrokenDownTime::from(&Zoned::new(Timestamp::UNIX_EPOCH, TimeZone::UTC))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
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

    proptest::proptest! {
        #[test]
        fn any_text_is_a_date_or_refused(text in "[-0-9/:. TZAaPpMmug+]{0,24}|.{0,24}") {
            let _ = chicago(&["month first"]).parse(&text, Edge::End);
        }
    }
}
