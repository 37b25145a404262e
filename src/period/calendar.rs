//! Calendar functions: the hour, the day, the gas day that an instant belongs to.

use std::fmt;

use jiff::ToSpan as _;
use jiff::civil::Time;

use super::{Instant, Zone};

const HOUR: i64 = 3600;
const QUARTER: i64 = HOUR / 4;

/// A local time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Reads `09:00`; `None` for anything that is no time of day to the minute.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.trim().split_once(':')?;
        let number = |text: &str, below: u16| -> Option<u16> {
            let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten().filter(|&number| number < below)
        };
        Some(Self(number(hour, 24)? * 60 + number(minute, 60)?))
    }

    pub(super) fn time(self) -> Time {
        let part = |n: u16| i8::try_from(n).unwrap_or_default();
        Time::new(part(self.0 / 60), part(self.0 % 60), 0, 0).unwrap_or(Time::midnight())
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// What an instant belongs to; each but the last answers with the first instant of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// The quarter of an hour by the local clock.
    QuarterHour,
    /// The hour by the local clock.
    Hour,
    /// The local day.
    Day,
    /// The local month.
    Month,
    /// The day from this local time to the same time of the next date.
    GasDay(TimeOfDay),
    /// The hour that begins, or goes on, at the instant: where it ends.
    HourEndingOfStart,
    /// The hour that ends at the instant, or has begun before it and goes on: where it ends.
    HourEndingOfEnd,
}

impl Calendar {
    /// What `at` belongs to in `zone`.
    #[must_use]
    pub fn of(self, zone: &Zone, at: Instant) -> Instant {
        // By the clock: where zones lie half an hour apart, hours begin at the full local hour.
        let floor = |at: Instant, step: i64| {
            let offset = zone.offset(at);
            Instant((at.0 + offset).div_euclid(step) * step - offset)
        };
        match self {
            Self::QuarterHour => floor(at, QUARTER),
            Self::Hour => floor(at, HOUR),
            Self::Day => zone.day(at),
            Self::Month => zone.month(at),
            Self::GasDay(begin) => zone.gas_day(at, begin).unwrap_or(at),
            Self::HourEndingOfStart => floor(at, HOUR).plus(HOUR),
            Self::HourEndingOfEnd => floor(at.plus(-1), HOUR).plus(HOUR),
        }
    }
}

/// As `tieout.toml` writes it.
impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QuarterHour => f.write_str("quarter_hour(start)"),
            Self::Hour => f.write_str("hour(start)"),
            Self::Day => f.write_str("day(start)"),
            Self::Month => f.write_str("month(start)"),
            Self::GasDay(begin) => write!(f, "gas_day(start, \"{begin}\")"),
            Self::HourEndingOfStart => f.write_str("hour_ending(start)"),
            Self::HourEndingOfEnd => f.write_str("hour_ending(end)"),
        }
    }
}

impl Zone {
    fn gas_day(&self, at: Instant, begin: TimeOfDay) -> Option<Instant> {
        let date = self.local(at)?.date();
        let of = |date| self.at(date, begin.time());
        let own = of(date)?;
        if own <= at { Some(own) } else { of(date.checked_sub(1.day()).ok()?) }
    }

    /// A local time; the first of two, and what is skipped as late after the gap as it stands in it.
    pub(super) fn at(&self, date: jiff::civil::Date, time: Time) -> Option<Instant> {
        let ambiguous = self.0.to_ambiguous_timestamp(date.to_datetime(time));
        ambiguous.compatible().ok().map(|at| Instant(at.as_second()))
    }
}
