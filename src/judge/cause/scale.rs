//! `unit scale N`: one figure is the other in another unit.
//!
//! Powers of ten hold exactly or not at all. Ratios between units hold to the last digit, half-up or half-even, where
//! that leaves them no more than a hundredth of the difference to hide in.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use super::{Case, Cause, follows, rounding};
use crate::money::{self, Decimal, Ratio};

const POWERS: [i64; 3] = [10, 100, 1000];

/// A ratio between units: its name, its name the other way round, and billed ÷ settled as two decimals (mantissa and scale).
struct Known(&'static str, &'static str, (i64, u32), (i64, u32));

/// Sources: 1 MWh = 3600 MJ; 1 MMBtu(IT) = 1055.05585262 MJ; 1 US therm = 105,480,400 J (15 U.S.C., 33 FR 3600), 1 IT therm =
/// 105,505,585.262 J; the UK's correction of metered volumes is 1.02264 (SI 1996/439).
const KNOWN: [Known; 5] = [
    Known("unit scale MMBtu/MWh", "unit scale MWh/MMBtu", (3600, 0), (105_505_585_262, 8)),
    Known("unit scale GJ/MWh", "unit scale MWh/GJ", (36, 1), (1, 0)),
    Known("unit scale GJ/MMBtu", "unit scale MMBtu/GJ", (105_505_585_262, 11), (1, 0)),
    Known("therm US/IT", "therm IT/US", (105_480_400, 0), (105_505_585_262, 3)),
    Known("volume correction 1.02264", "volume correction 1/1.02264", (102_264, 5), (1, 0)),
];

/// A ratio, either way round.
struct Unit {
    name: &'static str,
    ratio: Ratio,
    over: Decimal,
    under: Decimal,
    /// What billed ÷ settled can be.
    near: RangeInclusive<i128>,
}

/// [`KNOWN`] both ways round, in lowest terms.
static UNITS: LazyLock<Vec<Unit>> = LazyLock::new(|| {
    let decimal = |(mantissa, scale)| Decimal::new(mantissa, scale);
    let unit = |name, over, under| {
        Some(Unit { name, ratio: Ratio::of(over, under)?, over, under, near: near(millionths(over, under)?) })
    };
    let both = |&Known(name, inverse, over, under): &Known| {
        let (over, under) = (decimal(over), decimal(under));
        [unit(name, over, under), unit(inverse, under, over)]
    };
    KNOWN.iter().flat_map(both).flatten().collect()
});

/// Half a step of the last digit is at most a hundredth of this many.
const STEPS: i64 = 50;

const MILLION: i128 = 1_000_000;

/// `a ÷ b` in millionths, rounded; `None` where that does not fit.
fn millionths(a: Decimal, b: Decimal) -> Option<i128> {
    money::quotient(a, b, 6).filter(|quotient| quotient.scale() == 6).map(|quotient| quotient.mantissa())
}

/// What billed ÷ settled can be where it is `ratio`, all in millionths. Billed and settled × ratio lie no more than a step of the last
/// digit apart, billed and settled at least [`STEPS`]: the quotient is at most a `STEPS`-th as far from the ratio as it is from one.
fn near(ratio: i128) -> RangeInclusive<i128> {
    let steps = i128::from(STEPS);
    let bounds = [(steps * ratio + MILLION) / (steps + 1), (steps * ratio - MILLION) / (steps - 1)];
    // Three are more than all that was rounded here.
    bounds[0].min(bounds[1]) - 3..=bounds[0].max(bounds[1]) + 3
}

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let pair = case.figure()?;
    let (billed, settled) = (pair.invoiced, pair.settled);
    // Most figures stand in none of these ratios, which one division tells.
    let quotient = millionths(billed, settled);
    let is_power = |factor: &i64| {
        let factor = i128::from(*factor);
        quotient.is_none_or(|quotient| quotient == factor * MILLION || quotient * factor == MILLION)
    };
    let power = POWERS.into_iter().filter(is_power).find_map(|factor| {
        let ratio = Ratio::of(factor.into(), Decimal::ONE)?;
        let (name, sign) = if ratio.holds(billed, settled) {
            (format!("unit scale {factor}"), '×')
        } else if ratio.holds(settled, billed) {
            (format!("unit scale 1/{factor}"), '÷')
        } else {
            return None;
        };
        let arithmetic = format!("{} = {} {sign} {factor}", pair.show(billed), pair.show(settled));
        Some(Cause { name, arithmetic })
    });
    let unit = || {
        let is_near = |unit: &&Unit| quotient.is_none_or(|quotient| unit.near.contains(&quotient));
        UNITS.iter().filter(is_near).find_map(|unit| {
            let &Unit { name, ratio, over, under, .. } = unit;
            let how = follows(billed, settled, ratio, STEPS)?;
            let by = match (over == Decimal::ONE, under == Decimal::ONE) {
                (false, true) => format!("× {}", money::plain(over)),
                (true, false) => format!("÷ {}", money::plain(under)),
                _ => format!("× {} ÷ {}", money::plain(over), money::plain(under)),
            };
            let (shown, of) = (pair.show(billed), pair.show(settled));
            let arithmetic = format!("{of} {by} = {shown}{}", rounding(how));
            Some(Cause { name: name.to_owned(), arithmetic })
        })
    };
    power.or_else(unit)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;
    use crate::money::Rounding;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// What the division rules out does not follow.
        #[test]
        fn no_figure_in_a_ratio_is_passed_over(
            settled in 1_i64..1_000_000_000_000, scale in 0_u32..8, digits in 0_u32..8, unit in 0..KNOWN.len() * 2, off in -1_i64..=1,
        ) {
            let settled = Decimal::new(settled, scale);
            let unit = &UNITS[unit];
            let Some(exact) = unit.ratio.rounded(settled, digits, Rounding::HalfUp) else { return Ok(()) };
            let billed = money::add(exact, Decimal::new(off, digits)).unwrap();
            for (billed, settled) in [(billed, settled), (-billed, -settled), (billed, -settled)] {
                if !billed.is_zero() && follows(billed, settled, unit.ratio, STEPS).is_some() {
                    prop_assert!(unit.near.contains(&millionths(billed, settled).unwrap()), "{} {}", billed, settled);
                }
            }
        }
    }
}
