//! What a pass is told.

use std::fmt;

use super::keys::KeyPart;
use crate::money::{self, Decimal};
use crate::normalise::Side;
use crate::period::{Instant, Zone};

/// How the entries under one key are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// One invoice entry against one settlement entry.
    #[default]
    Lines,
    /// The sums of all entries against each other.
    Totals,
    /// One entry against some of the other side's that add up to it.
    Subset,
}

/// One matching rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Its name in reports.
    pub name: String,
    /// What must be equal on both sides.
    pub key: Vec<KeyPart>,
    /// How entries under one key are compared.
    pub compare: Compare,
    /// How far apart two starts may be; where this is given, the start is no part of what must be equal.
    pub within: Option<Within>,
    /// For subsets: the side of which some entries add up to one of the other side.
    pub of: Side,
    /// For subsets: how far a sum may be from the amount that it stands for.
    pub sum_within: Decimal,
}

impl Pass {
    /// A pass that compares entries of equal keys.
    #[must_use]
    pub const fn exact(name: String, key: Vec<KeyPart>, compare: Compare) -> Self {
        Self { name, key, compare, within: None, of: Side::Settlement, sum_within: money::ZERO }
    }

    /// The parts of the key that must be equal.
    #[must_use]
    pub fn equal_parts(&self) -> Vec<KeyPart> {
        let is_equal = |part: &KeyPart| self.within.is_none() || *part != KeyPart::Start;
        self.key.iter().copied().filter(is_equal).collect()
    }

    /// Whether entries that tie one to one under the whole key belong together whatever else there is.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.within.is_none() && self.compare != Compare::Subset
    }
}

/// How far apart two starts may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// So many local days, whether they have 23, 24 or 25 hours.
    Days(u32),
    /// So many seconds.
    Seconds(i64),
}

impl Within {
    /// The last instant that is within reach of an earlier one. A later `at` never reaches less far.
    #[must_use]
    pub fn reach(self, zone: &Zone, at: Instant) -> Instant {
        match self {
            Self::Seconds(seconds) => Instant(at.0.saturating_add(seconds)),
            Self::Days(days) => {
                let day = zone.day(at);
                // Noon, give or take an hour: it is on the day that is meant, whatever clocks did in between.
                let later = |days: i64| zone.day(Instant(day.0.saturating_add(days * DAY + DAY / 2)));
                let (target, next) = (later(days.into()), later(i64::from(days) + 1));
                Instant((target.0 + (at.0 - day.0)).min(next.0 - 1))
            }
        }
    }
}

const DAY: i64 = 86_400;

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = match *self {
            Self::Days(days) => (i64::from(days), "day"),
            Self::Seconds(seconds) if seconds % 3600 == 0 => (seconds / 3600, "hour"),
            Self::Seconds(seconds) => (seconds / 60, "minute"),
        };
        write!(f, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::period::{Dates, Edge};

    #[test]
    fn a_day_is_a_day_whatever_the_clocks_do() {
        let zone = Zone::named("America/Chicago").unwrap();
        let at = |text: &str| Dates::new(zone.clone(), &[]).unwrap().parse(text, Edge::Start).unwrap();
        for (within, from, to) in [
            (Within::Days(1), "2026-10-31", "2026-11-01"),
            // 25 hours, and 23.
            (Within::Days(1), "2026-11-01", "2026-11-02"),
            (Within::Days(1), "2026-03-08", "2026-03-09"),
            (Within::Days(2), "2026-03-07T09:00-06:00", "2026-03-09T09:00-05:00"),
            (Within::Seconds(7200), "2026-10-31T23:00-05:00", "2026-11-01T01:00-05:00"),
        ] {
            assert_eq!(within.reach(&zone, at(from)), at(to), "{within} from {from}");
        }
        assert_eq!(Within::Days(2).to_string(), "2 days");
        assert_eq!(Within::Seconds(3600).to_string(), "1 hour");
        assert_eq!(Within::Seconds(5400).to_string(), "90 minutes");
        // From quarter-hour to quarter-hour over both changes of the clocks.
        let mut last = Instant(i64::MIN);
        for quarter in 0..40_000 {
            let reach = Within::Days(1).reach(&zone, Instant(at("2026-02-01").0 + quarter * 900));
            assert!(reach >= last);
            last = reach;
        }
    }
}
