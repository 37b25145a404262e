//! `unit scale N`: one figure is the other in another unit.
//!
//! Powers of ten hold exactly or not at all. Ratios between units hold to the last digit, half-up or half-even, where
//! that leaves them no more than a hundredth of the difference to hide in.

use std::sync::LazyLock;

use super::{Case, Cause, follows, rounding};
use crate::money::{self, Decimal, Ratio};

const POWERS: [u16; 3] = [10, 100, 1000];

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
    about: f64,
}

/// [`KNOWN`] both ways round, in lowest terms.
static UNITS: LazyLock<Vec<Unit>> = LazyLock::new(|| {
    let decimal = |(mantissa, scale)| Decimal::new(mantissa, scale);
    let unit = |name, over, under| {
        let about = money::approximate(over) / money::approximate(under);
        Some(Unit { name, ratio: Ratio::of(over, under)?, over, under, about })
    };
    let both = |&Known(name, inverse, over, under): &Known| {
        let (over, under) = (decimal(over), decimal(under));
        [unit(name, over, under), unit(inverse, under, over)]
    };
    KNOWN.iter().flat_map(both).flatten().collect()
});

/// Half a step of the last digit is at most a hundredth of this many.
const STEPS: u8 = 50;

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let pair = case.figure()?;
    let (billed, settled) = (pair.invoiced, pair.settled);
    // Most figures stand in none of these ratios, which doubles tell at once.
    let quotient = money::approximate(billed) / money::approximate(settled);
    let may_be = |about: f64, slack: f64| (quotient - about).abs() <= slack + about * 1e-9;
    let power = POWERS.into_iter().find_map(|factor| {
        let about = f64::from(factor);
        if !may_be(about, 0.0) && !may_be(about.recip(), 0.0) {
            return None;
        }
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
        // What rounding can hide is at most so small a part of how far the figures are apart.
        let slack = (quotient - 1.0).abs() / f64::from(STEPS);
        UNITS.iter().filter(|unit| may_be(unit.about, slack)).find_map(|unit| {
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
