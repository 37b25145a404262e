//! Units of quantity, and the exact ratios between them.
//!
//! A unit is a whole or finite decimal multiple of its dimension's base unit,
//! so that the ratio of any two is exact. Sources: 1 Btu(IT) = 1055.05585262 J,
//! 1 US therm = 105,480,400 J (15 U.S.C., 33 FR 3600), 1 Dth = 10 therm = 1 MMBtu
//! by trade usage, 1 ft³ = 0.028316846592 m³ and 1 lb = 0.45359237 kg (NIST SP 811).

use crate::money::{Decimal, Ratio};

/// What is measured; units of different dimensions do not convert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Base unit megajoule.
    Energy,
    /// Base unit cubic metre.
    Volume,
    /// Base unit kilogram.
    Mass,
    /// Base unit kilowatt.
    Power,
}

/// A unit that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its dimension.
    pub dimension: Dimension,
    factor: Decimal,
}

/// Names (folded: lower case, without spaces, points and underscores), dimension, mantissa and scale of the factor.
const TABLE: &[(&[&str], Dimension, i64, u32)] = {
    use Dimension::{Energy, Mass, Power, Volume};
    &[
        (
            &[
                "mmbtu",
                "mmbtus",
                "dth",
                "dths",
                "dekatherm",
                "dekatherms",
                "decatherm",
                "decatherms",
                "dt",
                "dkt",
            ],
            Energy,
            105_505_585_262,
            8,
        ),
        (&["therm", "therms", "thm", "thms", "th"], Energy, 105_505_585_262, 9),
        (&["therm(us)", "ustherm", "ustherms"], Energy, 1_054_804, 4),
        (&["btu"], Energy, 105_505_585_262, 14),
        (&["mj"], Energy, 1, 0),
        (&["gj"], Energy, 1_000, 0),
        (&["tj"], Energy, 1_000_000, 0),
        (&["wh"], Energy, 36, 4),
        (&["kwh"], Energy, 36, 1),
        (&["mwh", "mwhs"], Energy, 3_600, 0),
        (&["gwh"], Energy, 3_600_000, 0),
        (&["m3", "m³", "cm", "scm", "nm3"], Volume, 1, 0),
        (&["cf", "scf", "ft3"], Volume, 28_316_846_592, 12),
        (&["ccf"], Volume, 28_316_846_592, 10),
        (&["mcf"], Volume, 28_316_846_592, 9),
        (&["mmcf"], Volume, 28_316_846_592, 6),
        (&["bbl", "bbls", "barrel", "barrels"], Volume, 158_987_294_928, 12),
        (&["gal", "gallon", "gallons"], Volume, 3_785_411_784, 12),
        (&["l", "litre", "litres", "liter", "liters"], Volume, 1, 3),
        (&["kg"], Mass, 1, 0),
        (&["t", "mt", "tonne", "tonnes"], Mass, 1_000, 0),
        (&["lb", "lbs"], Mass, 45_359_237, 8),
        (&["kw"], Power, 1, 0),
        (&["mw"], Power, 1_000, 0),
    ]
};

impl Unit {
    /// The unit called `name`, whatever its case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let folded: String = name
            .chars()
            .filter(|c| !matches!(c, ' ' | '.' | '_' | '\u{a0}'))
            .flat_map(char::to_lowercase)
            .collect();
        TABLE
            .iter()
            .find(|(names, ..)| names.contains(&folded.as_str()))
            .map(|&(_, dimension, mantissa, scale)| Self { dimension, factor: Decimal::new(mantissa, scale) })
    }

    /// By what a quantity in this unit is multiplied to stand in `other`; `None` where the two do not convert.
    #[must_use]
    pub fn ratio_to(self, other: Self) -> Option<Ratio> {
        (self.dimension == other.dimension).then(|| Ratio::of(self.factor, other.factor)).flatten()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_ratios_of_the_trade_are_exact() {
        let convert = |text: &str, from: &str, to: &str| {
            let ratio = Unit::named(from).unwrap().ratio_to(Unit::named(to).unwrap()).unwrap();
            let (value, exact) = ratio.apply(Decimal::from_str_exact(text).unwrap()).unwrap();
            (value.normalize().to_string(), exact)
        };
        assert_eq!(convert("799800", "THERM", "MMBtu"), ("79980".into(), true));
        assert_eq!(convert("1", "Dth", "mmbtu"), ("1".into(), true));
        assert_eq!(convert("1", "MMBTU", "GJ"), ("1.05505585262".into(), true));
        assert_eq!(convert("1", "MWh", "GJ"), ("3.6".into(), true));
        assert_eq!(convert("1", "MWh", "MMBtu"), ("3.412141633128".into(), false));
        assert_eq!(convert("2.5", "MWh", "kWh"), ("2500".into(), true));
        assert!(Unit::named("MWh").unwrap().ratio_to(Unit::named("bbl").unwrap()).is_none());
        assert!(Unit::named("widgets").is_none());
    }

    #[test]
    fn no_name_stands_for_two_units() {
        let mut names: Vec<_> = TABLE.iter().flat_map(|(names, ..)| names.iter()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
