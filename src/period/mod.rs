//! Delivery intervals: zones, days and months, how files write hours, the period of a run.
//!
//! Inside tieout a time is an [`Instant`], whole seconds since 1970 in UTC, so
//! that texts with different offsets compare. A date without a time of day is
//! its local midnight in the side's zone. A local time that a clock change
//! repeats or skips is resolved by what stands beside it or by a rule, else refused; it is never guessed.

mod calendar;
mod dates;
mod days;
mod hours;
mod interval;
mod local;
mod stamp;
mod text;
mod written;
mod zone;

pub use self::calendar::{Calendar, TimeOfDay};
pub use self::dates::{Dates, Edge};
pub use self::days::{Period, Step};
pub use self::interval::{EndDate, Interval, Intervals, Length, Misread, Part, Texts};
pub use self::local::{Repeated, Skipped, Trouble, Turn};
pub use self::zone::{Clocks, Zone};

/// Whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(pub i64);

impl Instant {
    const fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

/// A moment as logs write it: RFC 3339, UTC, milliseconds.
#[must_use]
pub fn moment(at: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// A moment as HTTP writes it (RFC 9110 §5.6.7, its preferred form).
#[must_use]
pub fn http_date(text: &str) -> Option<std::time::SystemTime> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn moments_of_http_are_read_and_those_of_logs_written() {
        let at = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(moment(at), "1994-11-06T08:49:37.000Z");
        assert_eq!(http_date("soon"), None);
    }
}
