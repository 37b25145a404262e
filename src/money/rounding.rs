//! Rounding, always by name.

use rust_decimal::{Decimal, RoundingStrategy};

/// How a value that lies between two steps of a scale becomes one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// Ties away from zero: 0.125 → 0.13, −0.125 → −0.13.
    HalfUp,
    /// Ties to the even neighbour: 0.125 → 0.12.
    HalfEven,
    /// Towards zero: 0.129 → 0.12.
    Down,
    /// Away from zero: 0.121 → 0.13.
    Up,
}

impl Rounding {
    /// All of them, the usual ones first.
    pub const ALL: [Self; 4] = [Self::HalfUp, Self::HalfEven, Self::Down, Self::Up];

    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HalfUp => "half-up",
            Self::HalfEven => "half-even",
            Self::Down => "down",
            Self::Up => "up",
        }
    }
}

/// `value` at `scale` digits behind the point.
#[must_use]
pub fn round(value: Decimal, scale: u32, rounding: Rounding) -> Decimal {
    let strategy = match rounding {
        Rounding::HalfUp => RoundingStrategy::MidpointAwayFromZero,
        Rounding::HalfEven => RoundingStrategy::MidpointNearestEven,
        Rounding::Down => RoundingStrategy::ToZero,
        Rounding::Up => RoundingStrategy::AwayFromZero,
    };
    value.round_dp_with_strategy(scale, strategy)
}
