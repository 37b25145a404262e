//! From a local time to its instant: by what stands beside it, else by a rule, else not at all.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset};
use serde::Deserialize;

use super::{Instant, Zone};

/// Which hour is meant by a local time that comes twice, where nothing beside it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeated {
    /// Nothing is: the row is rejected.
    #[default]
    Reject,
    /// The first: the second one is always marked, or not there.
    First,
    /// The second.
    Second,
    /// The row that comes first in the file means the first, the one that comes next the second.
    Order,
    /// The first: the second one is called hour 25.
    #[serde(rename = "hour 25")]
    Hour25,
}

/// What becomes of a local time that the clock skips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Skipped {
    /// The row is rejected.
    #[default]
    Reject,
    /// The clock had been put forward by then: 02:30 is 03:30.
    Forward,
}

/// Which of the two that bear the same local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    /// The one before the clock is put back.
    First,
    /// The one after it.
    Second,
}

/// What stands beside a local time and says which one it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// An offset from UTC, in seconds.
    Offset(i32),
    /// A mark such as `02X`.
    Turn(Turn),
    /// Daylight time, or standard time.
    Daylight(bool),
    /// The abbreviation of a time, such as `CDT`.
    Named(String),
}

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is not; the phrase says why.
    Wrong(String),
    /// The local time comes twice, and nothing says which one is meant.
    Repeated,
    /// The clock skips the local time.
    Skipped,
    /// The day has no such hour or interval; the phrase says what it has.
    Beyond(String),
}

impl Trouble {
    /// A phrase that says what is wrong, to follow "cannot be read as a date: ".
    #[must_use]
    pub fn phrase(&self) -> String {
        match self {
            Self::Wrong(why) | Self::Beyond(why) => why.clone(),
            Self::Repeated => {
                "the clock change makes this local time ambiguous: it comes twice, and an offset or a mark is needed"
                    .to_owned()
            }
            Self::Skipped => "the clock change skips this local time".to_owned(),
        }
    }

    /// What to set where the file is right as it is.
    #[must_use]
    pub const fn setting(&self) -> Option<&'static str> {
        match self {
            Self::Wrong(_) | Self::Beyond(_) => None,
            Self::Repeated => Some(
                "repeated_hour = \"first\", \"second\" or \"order\"; where a column tells the two apart, map it as repeated, daylight or utc_offset",
            ),
            Self::Skipped => {
                Some("skipped_hour = \"forward\"; hours that are counted from midnight are interval_number")
            }
        }
    }
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

/// How local times are resolved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub(super) repeated: Repeated,
    pub(super) skipped: Skipped,
    /// Of two rows, the one that this is.
    pub(super) turn: Option<Turn>,
}

impl Zone {
    /// The instant of a local time, and whether a clock change has to do with it.
    pub(super) fn resolve(
        &self,
        local: DateTime,
        beside: Option<&Beside>,
        rules: Rules,
    ) -> Result<(Instant, bool), Trouble> {
        let wrong = |why: String| Trouble::Wrong(why);
        let at = |offset: Offset| {
            offset
                .to_timestamp(local)
                .map(|at| Instant(at.as_second()))
                .map_err(|_| wrong("it is outside of the years that can be handled".to_owned()))
        };
        if let Some(Beside::Offset(seconds)) = beside {
            let offset = Offset::from_seconds(*seconds).map_err(|error| wrong(error.to_string()))?;
            return Ok((at(offset)?, true));
        }
        match self.0.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => {
                let instant = at(offset)?;
                self.agree(instant, offset, local.date(), beside)?;
                Ok((instant, false))
            }
            AmbiguousOffset::Gap { before, .. } => match rules.skipped {
                Skipped::Reject => Err(Trouble::Skipped),
                // By the offset of before, it is as late after the gap as it stands in it.
                Skipped::Forward => Ok((at(before)?, true)),
            },
            AmbiguousOffset::Fold { before, after } => {
                let turn = match (beside, rules.turn, rules.repeated) {
                    (Some(Beside::Turn(turn)), ..) => *turn,
                    // The clock is put back: what was ahead comes first.
                    (Some(Beside::Daylight(true)), ..) => Turn::First,
                    (Some(Beside::Daylight(false)), ..) => Turn::Second,
                    (Some(Beside::Named(name)), ..) => {
                        let is = |offset| Ok::<_, Trouble>(self.is_called(name, at(offset)?));
                        match (is(before)?, is(after)?) {
                            (true, false) => Turn::First,
                            (false, true) => Turn::Second,
                            _ => return Err(wrong(format!("{name} is not a time of this zone"))),
                        }
                    }
                    (_, Some(turn), _) => turn,
                    (.., Repeated::First | Repeated::Hour25) => Turn::First,
                    (.., Repeated::Second) => Turn::Second,
                    (.., Repeated::Reject | Repeated::Order) => return Err(Trouble::Repeated),
                };
                Ok((at(if turn == Turn::First { before } else { after })?, true))
            }
        }
    }

    /// The local time of a date that comes twice and begins an hour, if there is one.
    pub(super) fn repeated_hour(&self, date: Date) -> Option<DateTime> {
        (0..24).map(|hour| date.at(hour, 0, 0, 0)).find(|&local| {
            matches!(self.0.to_ambiguous_timestamp(local).offset(), AmbiguousOffset::Fold { .. })
        })
    }

    /// Whether what stands beside a time fits it, where the clock alone decides.
    fn agree(&self, at: Instant, offset: Offset, date: Date, beside: Option<&Beside>) -> Result<(), Trouble> {
        let wrong = match beside {
            None | Some(Beside::Offset(_) | Beside::Turn(Turn::First)) => return Ok(()),
            Some(Beside::Turn(Turn::Second)) => {
                "it is marked as the second of two, but the time comes once".to_owned()
            }
            Some(Beside::Daylight(daylight)) => {
                if *daylight == self.is_daylight(offset, date) {
                    return Ok(());
                }
                let [says, is] = if *daylight { ["daylight", "standard"] } else { ["standard", "daylight"] };
                format!("it is marked as {says} time, but the zone has {is} time then")
            }
            Some(Beside::Named(name)) if self.is_called(name, at) => return Ok(()),
            Some(Beside::Named(name)) => format!("{name} is not the time of the zone then"),
        };
        Err(Trouble::Wrong(wrong))
    }

    /// Whether the clock is ahead of where it stands in the other half of the year.
    fn is_daylight(&self, offset: Offset, date: Date) -> bool {
        [1, 7].into_iter().any(|month| {
            let other = Date::new(date.year(), month, 1).ok().and_then(|date| self.midnight(date));
            other.is_some_and(|other| self.offset(other) < i64::from(offset.seconds()))
        })
    }

    fn is_called(&self, name: &str, at: Instant) -> bool {
        jiff::Timestamp::from_second(at.0)
            .is_ok_and(|at| self.0.to_offset_info(at).abbreviation().eq_ignore_ascii_case(name))
    }
}
