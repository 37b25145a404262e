//! The days that a run looks at.

use std::fmt;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, Zoned};

use super::{Edge, Instant, TimeOfDay, Zone, text};
use crate::fault::{Fault, Kind, Result};

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

/// The days that a run looks at, first and last included.
#[derive(Clone, Debug)]
pub struct Period {
    first: Date,
    last: Date,
    zone: Zone,
    /// When its days begin, where that is not midnight.
    gas_day: Option<TimeOfDay>,
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
        let edge = |text: &str, edge| match text::date(text.trim(), edge, &[]) {
            Ok(Some(day)) => Ok(day.date),
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
        Ok(Self { first, last, zone: zone.clone(), gas_day: None })
    }

    /// The same days, each from this local time to the same time of the next date.
    #[must_use]
    pub fn of_gas_days(self, gas_day: Option<TimeOfDay>) -> Self {
        Self { gas_day, ..self }
    }

    fn begin(&self, date: Date) -> Option<Instant> {
        match self.gas_day {
            Some(gas_day) => self.zone.at(date, gas_day.time()),
            None => self.zone.midnight(date),
        }
    }

    /// The first instant.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.begin(self.first).unwrap_or(Instant(i64::MIN))
    }

    /// The first instant behind the last day.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.last.tomorrow().ok().and_then(|date| self.begin(date)).unwrap_or(Instant(i64::MAX))
    }

    /// The first instant of the last day.
    #[must_use]
    pub fn last_day(&self) -> Instant {
        self.begin(self.last).unwrap_or(Instant(i64::MAX))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

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
    }
}
