//! Time zones: where a local day or month begins, and how a time is shown.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use super::{Instant, Step};
use crate::fault::{Fault, Kind, Result};

/// A time zone: one of IANA by its name, or a time that is the same all year.
#[derive(Clone, Debug)]
pub struct Zone(pub(super) TimeZone);

impl Zone {
    /// Finds a zone by name, or makes one of a fixed offset: `UTC-05:00`. The zone data is part of the program: results do
    /// not depend on the machine.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where there is no such zone; the nearest name is given.
    pub fn named(name: &str) -> Result<Self> {
        if let Some(offset) = name.strip_prefix("UTC").filter(|offset| !offset.is_empty()) {
            let offset = super::text::offset(offset).and_then(|seconds| Offset::from_seconds(seconds).ok());
            return offset.map(|offset| Self(TimeZone::fixed(offset))).ok_or_else(|| {
                Fault::new(Kind::Configuration, "this is not an offset from UTC")
                    .value(name)
                    .expected("UTC-05:00 or the like: hours behind UTC with -, ahead of it with +")
            });
        }
        TimeZone::get(name).map(Self).map_err(|_| {
            let names: Vec<String> = jiff::tz::db().available().map(|n| n.as_str().to_owned()).collect();
            let near = crate::fault::nearest(name, names.iter().map(String::as_str));
            let fault = Fault::new(Kind::Configuration, "there is no such time zone").value(name).expected(
                "an IANA name such as America/Chicago, or a time that is the same all year such as UTC-05:00",
            );
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

    /// Whether the offset is the same all year, and in all years.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.0.to_fixed_offset().is_ok()
    }

    pub(super) fn local(&self, at: Instant) -> Option<DateTime> {
        Some(self.0.to_datetime(Timestamp::from_second(at.0).ok()?))
    }

    /// The offset from UTC at an instant, in seconds.
    pub(super) fn offset(&self, at: Instant) -> i64 {
        Timestamp::from_second(at.0).map_or(0, |at| i64::from(self.0.to_offset(at).seconds()))
    }

    pub(super) fn midnight(&self, date: Date) -> Option<Instant> {
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

    /// What the clock on the wall shows at an instant, in seconds from midnight.
    #[must_use]
    pub fn clock(&self, at: Instant) -> i64 {
        self.local(at).map_or(0, |local| {
            let time = local.time();
            i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
        })
    }

    /// The local day that `at` falls on, as its first instant, and the time of day, which is nought at that instant: a date is a date also where
    /// a clock change skips midnight.
    #[must_use]
    pub fn day_and_time(&self, at: Instant) -> (Instant, i64) {
        let day = self.day(at);
        (day, if day == at { 0 } else { self.clock(at) })
    }

    /// Whether `at` is a local midnight: a date, as far as anyone can see.
    #[must_use]
    pub fn is_date(&self, at: Instant) -> bool {
        self.day(at) == at
    }

    /// The first instant of the next hour, local day or local month; hours are counted from each day's first instant.
    pub(super) fn next(&self, at: Instant, step: Step) -> Option<Instant> {
        let date = self.local(at)?.date();
        let day = || date.tomorrow().ok().and_then(|date| self.midnight(date));
        let next = match step {
            Step::Hour => day()?.min(at.plus(3600)),
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

/// The local days and times of day of instants, remembered: to find one takes long, and there are few instants. Past so many the memory is
/// started anew.
#[derive(Debug)]
pub struct Clocks<'z> {
    zone: &'z Zone,
    known: HashMap<Instant, (Instant, i64), FixedState>,
}

impl<'z> Clocks<'z> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(zone: &'z Zone) -> Self {
        Self { zone, known: HashMap::default() }
    }

    /// See [`Zone::day_and_time`].
    pub fn day_and_time(&mut self, at: Instant) -> (Instant, i64) {
        if self.known.len() >= 1 << 16 {
            self.known.clear();
        }
        *self.known.entry(at).or_insert_with(|| self.zone.day_and_time(at))
    }
}
