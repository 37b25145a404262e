//! Delivery intervals as files state them: a start and an end, a start and a length, a date and an hour, a date and a number.

use serde::Deserialize;

use super::local::{Repeated, Skipped, Trouble};
use super::{Instant, TimeOfDay, hours, text};

/// How a side writes its delivery intervals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    /// How long an interval is, where one edge says it all.
    pub length: Option<Length>,
    /// When the day of a date begins, where that is not midnight.
    pub gas_day: Option<TimeOfDay>,
    /// Whether an end that is a date belongs to the interval.
    pub end_date: Option<EndDate>,
    /// What a local time means that comes twice.
    pub repeated: Repeated,
    /// What a local time means that the clock skips.
    pub skipped: Skipped,
}

impl Intervals {
    /// Whether midnight is a time like any other, and not a date.
    pub(super) fn has_hours(&self) -> bool {
        matches!(self.length, Some(Length::Minutes(_)))
            || self.repeated != Repeated::Reject
            || self.skipped != Skipped::Reject
    }
}

/// How long an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many minutes.
    Minutes(u32),
    /// To the same local time of the next date: 23 to 25 hours.
    Day,
    /// To the same local time of the next month.
    Month,
}

impl Length {
    /// Reads `1 hour`, `15 minutes`, `1 day`, `1 month`. Minutes make up an hour, hours a day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.trim().split_once(' ')?;
        let number: u32 = number.parse().ok().filter(|&number| number > 0)?;
        match (unit.trim().trim_end_matches('s'), number) {
            ("minute", number) if 60 % number == 0 => Some(Self::Minutes(number)),
            ("hour", number) if 24 % number == 0 => Some(Self::Minutes(number * 60)),
            ("day", 1) => Some(Self::Day),
            ("month", 1) => Some(Self::Month),
            _ => None,
        }
    }
}

/// Whether an end that is a date belongs to the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndDate {
    /// It is the last day.
    Included,
    /// It is the day behind the last.
    Excluded,
}

/// What a column says of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The date or time at which it starts.
    Start,
    /// The date or time at which it ends.
    End,
    /// The hour by the local clock, called by its end: 1 to 24.
    HourEnding,
    /// The hour by the local clock, called by its start: 0 to 23.
    HourBeginning,
    /// Which interval of the day it is, or of the hour where there is one: from 1.
    IntervalNumber,
    /// Whether it is in the second of two hours with the same local time.
    Repeated,
    /// Whether it is in daylight time.
    Daylight,
    /// The offset of the local time from UTC, or its name.
    UtcOffset,
}

impl Part {
    /// Each once; the edges first.
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::End,
        Self::HourEnding,
        Self::HourBeginning,
        Self::IntervalNumber,
        Self::Repeated,
        Self::Daylight,
        Self::UtcOffset,
    ];

    /// The name used in `tieout.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::HourEnding => "hour_ending",
            Self::HourBeginning => "hour_beginning",
            Self::IntervalNumber => "interval_number",
            Self::Repeated => "repeated",
            Self::Daylight => "daylight",
            Self::UtcOffset => "utc_offset",
        }
    }

    /// Whether `text` can stand for it in the header of a column that each hour has.
    #[must_use]
    pub fn is_label(self, text: &str) -> bool {
        match self {
            Self::HourEnding | Self::HourBeginning => hours::hour(text).is_ok(),
            _ => text::number(text).is_some(),
        }
    }

    /// The part of that name, if it is none of the roles.
    #[must_use]
    pub fn beside(name: &str) -> Option<Self> {
        Self::ALL.into_iter().skip(2).find(|part| part.name() == name)
    }
}

/// What one row says of its interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a>([Option<&'a str>; Part::ALL.len()]);

impl<'a> Texts<'a> {
    /// The text of each part; `None` for a part that the side does not have.
    #[must_use]
    pub fn of(mut text: impl FnMut(Part) -> Option<&'a str>) -> Self {
        Self(Part::ALL.map(&mut text))
    }

    /// The text of a part; `None` where the side does not have it.
    #[must_use]
    pub fn get(&self, part: Part) -> Option<&'a str> {
        self.0.get(part as usize).copied().flatten()
    }

    /// The part that names an hour, and its text.
    pub(super) fn hour(&self) -> Option<(Part, &'a str)> {
        [Part::HourEnding, Part::HourBeginning].into_iter().find_map(|part| Some((part, self.get(part)?)))
    }
}

/// A delivery interval, as far as it is stated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Where it starts.
    pub start: Option<Instant>,
    /// Where it ends.
    pub end: Option<Instant>,
    /// Whether a clock change has to do with either.
    pub at_change: bool,
}

/// Why a row states no interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// Whose text it is.
    pub part: Part,
    /// What is wrong with it.
    pub trouble: Trouble,
    /// Where the interval starts, if that is known.
    pub start: Option<Instant>,
}

impl Misread {
    pub(super) fn of(part: Part) -> impl Fn(Trouble) -> Self {
        move |trouble| Self { part, trouble, start: None }
    }
}
