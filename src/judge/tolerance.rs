//! How far two values may differ and still tie.
//!
//! Tolerances are inclusive and exact. For each field the first one whose `when` holds decides; where none
//! does, the values must be equal. Its limbs each allow an amount, `combine` says which of them counts, and
//! `floor` and `cap` bound that. Nothing here needs to know where the values come from: [`Tolerance::weigh`] sees
//! numbers alone, and [`Tolerance::concerns`] asks for the texts.

use std::cmp::Ordering;
use std::fmt;

use super::explanation::Told;
use crate::fault::{Fault, Kind, Result};
use crate::money::{self, Decimal, Digits, Product};
use crate::normalise::{Field, Role};

/// Which of several limbs counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// The wider one: any limb suffices.
    Greater,
    /// The narrower one: all limbs must hold.
    Lesser,
}

/// What `percent` is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// The settled value.
    #[default]
    Settled,
    /// The invoiced value.
    Invoiced,
    /// The larger of the two.
    Larger,
}

impl Of {
    /// The name used in `tieout.toml`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Invoiced => "invoiced",
            Self::Larger => "larger",
        }
    }
}

/// A part of a tolerance that can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limb {
    /// So much, whatever the values.
    Absolute,
    /// A part of a value.
    Percent,
    /// So much for each unit of the settled quantity.
    PerUnit,
    /// So much for each line and record of the group.
    PerLine,
    /// The least that is allowed.
    Floor,
    /// The most that is allowed.
    Cap,
}

impl Limb {
    /// The name used in `tieout.toml` and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Percent => "percent",
            Self::PerUnit => "per_unit",
            Self::PerLine => "per_line",
            Self::Floor => "floor",
            Self::Cap => "cap",
        }
    }
}

/// One tolerance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Quantity, price or amount.
    pub role: Role,
    /// In the field's own unit: money for amounts, the invoice's unit for quantities and prices.
    pub absolute: Option<Decimal>,
    /// 0.1 means 0.1 %.
    pub percent: Option<Decimal>,
    /// What `percent` is of.
    pub of: Of,
    /// For each unit of the settled quantity; allows nothing where none is stated.
    pub per_unit: Option<Decimal>,
    /// For each invoice line and each settlement record of the group.
    pub per_line: Option<Decimal>,
    /// The least that is allowed, whatever the limbs say.
    pub floor: Option<Decimal>,
    /// The most that is allowed, whatever the limbs say.
    pub cap: Option<Decimal>,
    /// Which limb counts where there are several.
    pub combine: Option<Combine>,
    /// Fields that must have one of the values, as keys, on every entry concerned.
    pub when: Vec<(Field, Vec<String>)>,
}

/// What a tolerance is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What was billed.
    pub invoiced: Decimal,
    /// What was settled.
    pub settled: Decimal,
    /// How many lines and records there are, of both sides together.
    pub lines: u64,
    /// The settled quantity, where it is known.
    pub quantity: Option<Decimal>,
}

/// What a tolerance says of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighed {
    /// The part that decided.
    pub limb: Limb,
    /// Whether the difference is allowed.
    pub allows: bool,
    /// How much it allows; blank where that has more than 28 digits.
    pub allowance: Option<Decimal>,
    /// How much more would be allowed; negative where it is exceeded. Blank where that has more than 28 digits.
    pub room: Option<Decimal>,
}

/// Digits that a factor may have, so that its product with any value can be held and compared.
const FACTOR: (i128, u32) = (999_999_999, 8);

impl Tolerance {
    /// A tolerance for `role` that has no limb yet.
    #[must_use]
    pub const fn of(role: Role) -> Self {
        Self {
            role,
            absolute: None,
            percent: None,
            of: Of::Settled,
            per_unit: None,
            per_line: None,
            floor: None,
            cap: None,
            combine: None,
            when: Vec::new(),
        }
    }

    /// The limbs that are stated, but for floor and cap.
    fn limbs(&self) -> impl Iterator<Item = (Limb, Decimal)> + use<> {
        [
            (Limb::Absolute, self.absolute),
            (Limb::Percent, self.percent),
            (Limb::PerUnit, self.per_unit),
            (Limb::PerLine, self.per_line),
        ]
        .into_iter()
        .filter_map(|(limb, value)| Some((limb, value?)))
    }

    /// Checks what `tieout.toml` states.
    ///
    /// # Errors
    /// [`Kind::Configuration`] for a field that has no tolerance, a tolerance without a limb, several limbs without
    /// `combine`, and whatever contradicts itself or could never decide.
    pub fn checked(self) -> Result<Self> {
        let fault = |what: &str| Fault::new(Kind::Configuration, what).at("[[tolerance]]");
        if !matches!(self.role, Role::Quantity | Role::Price | Role::Amount) {
            return Err(fault("this field has no tolerance")
                .value(self.role)
                .expected("quantity, price or amount"));
        }
        let stated: Vec<(Limb, Decimal)> = self.limbs().collect();
        match (stated.as_slice(), self.combine) {
            ([], _) => {
                return Err(fault("this tolerance allows nothing")
                    .expected("absolute, percent, per_unit or per_line, or several of them"));
            }
            ([_, _, ..], None) => {
                let names: Vec<&str> = stated.iter().map(|(limb, _)| limb.name()).collect();
                return Err(fault("several limbs are given, but not which of them counts")
                    .value(names.join(", "))
                    .expected("combine = \"greater\" or combine = \"lesser\""));
            }
            ([_], Some(_)) => {
                return Err(fault("combine is given, but only one limb")
                    .expected("two of absolute, percent, per_unit and per_line, or more")
                    .next("remove combine, or state the other limb"));
            }
            _ => {}
        }
        let bounds = [(Limb::Floor, self.floor), (Limb::Cap, self.cap)];
        let bounds = bounds.into_iter().filter_map(|(limb, value)| Some((limb, value?)));
        if let Some((limb, value)) =
            stated.iter().copied().chain(bounds).find(|(_, value)| value.is_sign_negative())
        {
            return Err(fault("a tolerance cannot be negative")
                .value(format!("{} {value}", limb.name()))
                .expected("zero or more"));
        }
        let fine = |value: Decimal| value.mantissa() <= FACTOR.0 && value.scale() <= FACTOR.1;
        if let Some((limb, value)) =
            stated.iter().copied().find(|&(limb, value)| limb != Limb::Absolute && !fine(value))
        {
            return Err(fault("this has too many digits")
                .value(format!("{} {value}", limb.name()))
                .expected("at most nine digits, eight of them behind the point"));
        }
        if self.of != Of::Settled && self.percent.is_none() {
            return Err(fault("`of` says what percent is of, but there is no percent")
                .value(self.of.name())
                .next("remove of, or state percent"));
        }
        if let Some((floor, cap)) = self.floor.zip(self.cap).filter(|(floor, cap)| cap <= floor) {
            return Err(fault("the cap is not above the floor, so that no limb could ever decide")
                .value(format!("floor {floor}, cap {cap}"))
                .next("widen the cap; for a fixed limit state absolute alone"));
        }
        if let ([(Limb::Absolute, absolute)], true) =
            (stated.as_slice(), self.floor.is_some() || self.cap.is_some())
        {
            return Err(fault("a fixed limit needs neither floor nor cap")
                .value(format!("absolute {absolute}"))
                .next(
                    "state the limit that is meant as absolute, or percent, per_unit or per_line beside it",
                ));
        }
        Ok(self)
    }

    /// Whether this tolerance, standing behind `earlier`, can never be reached: whatever concerns it concerns
    /// the earlier one as well.
    #[must_use]
    pub fn is_shadowed_by(&self, earlier: &Self) -> bool {
        let covered = |(field, values): &(Field, Vec<String>)| {
            self.when
                .iter()
                .any(|(own, ours)| own == field && ours.iter().all(|value| values.contains(value)))
        };
        self.role == earlier.role && earlier.when.iter().all(covered)
    }

    /// Whether `when` holds: `has` says whether all entries concerned have one of the values in a field.
    pub fn concerns(&self, mut has: impl FnMut(Field, &[String]) -> bool) -> bool {
        self.when.iter().all(|(field, values)| has(*field, values))
    }

    /// Whether the values of `terms` tie.
    #[must_use]
    pub fn allows(&self, terms: &Terms) -> bool {
        money::subtract(terms.invoiced, terms.settled)
            .and_then(|difference| self.weigh(difference, terms))
            .is_some_and(|weighed| weighed.allows)
    }

    /// What one limb allows; `None` where that cannot be held.
    fn allowance(&self, limb: Limb, value: Decimal, terms: &Terms) -> Option<Product> {
        match limb {
            Limb::Absolute | Limb::Floor | Limb::Cap => Some(value.into()),
            Limb::Percent => Product::percent(self.base(terms), value),
            Limb::PerUnit => Product::of(value, terms.quantity.unwrap_or_default().abs()),
            Limb::PerLine => Product::of(value, terms.lines.into()),
        }
    }

    /// What `percent` is taken of.
    fn base(&self, terms: &Terms) -> Decimal {
        let (invoiced, settled) = (terms.invoiced.abs(), terms.settled.abs());
        match self.of {
            Of::Settled => settled,
            Of::Invoiced => invoiced,
            Of::Larger => invoiced.max(settled),
        }
    }

    /// What this tolerance says of `difference` where the values are those of `terms`; `None` where it has no limb.
    /// A limb that cannot be held allows nothing: out of tolerance is the safe side.
    #[must_use]
    pub fn weigh(&self, difference: Decimal, terms: &Terms) -> Option<Weighed> {
        let nothing = || Product::from(money::ZERO);
        let order = |a: Product, b: Product| a.compare(b).unwrap_or(Ordering::Equal);
        let limbs = self
            .limbs()
            .map(|(limb, value)| (limb, self.allowance(limb, value, terms).unwrap_or_else(nothing)));
        // The first of equals decides.
        let (mut limb, mut allowance) = limbs.reduce(|a, b| {
            let wanted =
                if self.combine == Some(Combine::Greater) { Ordering::Greater } else { Ordering::Less };
            if order(b.1, a.1) == wanted { b } else { a }
        })?;
        for (bound, value, beyond) in
            [(Limb::Floor, self.floor, Ordering::Less), (Limb::Cap, self.cap, Ordering::Greater)]
        {
            if let Some(value) = value.map(Product::from).filter(|&value| order(allowance, value) == beyond) {
                (limb, allowance) = (bound, value);
            }
        }
        let apart = Product::from(difference.abs());
        let stated = allowance.decimal();
        Some(Weighed {
            limb,
            allows: apart.compare(allowance).is_some_and(Ordering::is_le),
            allowance: stated,
            room: stated.and_then(|allowance| money::subtract(allowance, difference.abs())),
        })
    }

    /// The arithmetic of the part that decided, as a reader can check it: `0.5 % of 114.00 = 0.57`.
    #[must_use]
    pub fn arithmetic(&self, weighed: &Weighed, terms: &Terms) -> String {
        let show = if self.role == Role::Amount { Digits::shown } else { Digits::plain };
        let allowed = Told { value: weighed.allowance.map(show), none: "more than 28 digits", unit: "" };
        let plain = |value: Option<Decimal>| Told { value: value.map(Digits::plain), none: "", unit: "" };
        match weighed.limb {
            Limb::Absolute => allowed.to_string(),
            Limb::Floor => format!("the floor of {allowed}"),
            Limb::Cap => format!("the cap of {allowed}"),
            Limb::Percent => {
                format!("{} % of {} = {allowed}", plain(self.percent), show(self.base(terms)))
            }
            Limb::PerUnit => {
                let quantity = terms.quantity.map(|quantity| Digits::plain(quantity.abs()));
                let quantity = Told { value: quantity, none: "no quantity", unit: "" };
                format!("{} × {quantity} = {allowed}", plain(self.per_unit))
            }
            Limb::PerLine => format!("{} × {} lines = {allowed}", plain(self.per_line), terms.lines),
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.role)?;
        let mut between = "";
        for (limb, value) in self.limbs() {
            f.write_str(between)?;
            between = " or ";
            let plain = Digits::plain(value);
            match (limb, self.of) {
                (Limb::Percent, Of::Settled) => write!(f, "{plain} %")?,
                (Limb::Percent, Of::Invoiced) => write!(f, "{plain} % of the invoiced")?,
                (Limb::Percent, Of::Larger) => write!(f, "{plain} % of the larger")?,
                (Limb::PerUnit, _) => write!(f, "{plain} per unit")?,
                (Limb::PerLine, _) => write!(f, "{plain} per line")?,
                _ => write!(f, "{value}")?,
            }
        }
        if between.is_empty() {
            f.write_str("none")?;
        }
        match self.combine {
            Some(Combine::Greater) => write!(f, ", the greater")?,
            Some(Combine::Lesser) => write!(f, ", the lesser")?,
            None => {}
        }
        if let Some(floor) = self.floor {
            write!(f, ", at least {floor}")?;
        }
        if let Some(cap) = self.cap {
            write!(f, ", at most {cap}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn dec(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    fn terms(invoiced: &str, settled: &str) -> Terms {
        Terms { invoiced: dec(invoiced), settled: dec(settled), lines: 6, quantity: Some(dec("-40")) }
    }

    /// Billed, settled → the limb that decides, and the room.
    #[track_caller]
    fn decides(tolerance: &Tolerance, invoiced: &str, settled: &str, limb: Limb, room: &str) {
        let terms = terms(invoiced, settled);
        let difference = money::subtract(terms.invoiced, terms.settled).unwrap();
        let weighed = tolerance.weigh(difference, &terms).unwrap();
        assert_eq!(
            (weighed.limb, weighed.room),
            (limb, Some(dec(room))),
            "{tolerance}: {invoiced} {settled}"
        );
        assert_eq!(weighed.allows, !dec(room).is_sign_negative());
        assert_eq!(tolerance.allows(&terms), weighed.allows);
    }

    #[test]
    fn each_limb_decides_in_its_turn_and_its_limit_is_included() {
        let amount = || Tolerance::of(Role::Amount);
        let some = |text| Some(dec(text));
        let per_line = Tolerance { per_line: some("0.005"), ..amount() };
        decides(&per_line, "100.03", "100", Limb::PerLine, "0");
        decides(&per_line, "100.0300001", "100", Limb::PerLine, "-0.0000001");
        let per_unit = Tolerance { per_unit: some("0.01"), ..amount() };
        decides(&per_unit, "99.6", "100", Limb::PerUnit, "0");
        let percent = |of| Tolerance { percent: some("0.5"), of, ..amount() };
        decides(&percent(Of::Settled), "201", "200", Limb::Percent, "0");
        decides(&percent(Of::Invoiced), "201", "200", Limb::Percent, "0.005");
        decides(&percent(Of::Larger), "200", "-201", Limb::Percent, "-399.995");
        let bounded = Tolerance { floor: some("0.10"), cap: some("5"), ..percent(Of::Settled) };
        decides(&bounded, "10.10", "10", Limb::Floor, "0");
        decides(&bounded, "100.50", "100", Limb::Percent, "0");
        decides(&bounded, "5005.01", "5000", Limb::Cap, "-0.01");
        let both = |combine| Tolerance {
            absolute: some("1.00"),
            per_line: some("0.1"),
            combine: Some(combine),
            ..percent(Of::Settled)
        };
        // 1.00, 0.5 % of the settled value, and 6 × 0.1.
        decides(&both(Combine::Greater), "101", "100", Limb::Absolute, "0");
        decides(&both(Combine::Greater), "1005", "1000", Limb::Percent, "0");
        decides(&both(Combine::Lesser), "101", "100", Limb::Percent, "-0.5");
        decides(&both(Combine::Lesser), "1000.6", "1000", Limb::PerLine, "0");
    }

    #[test]
    fn a_tolerance_is_shadowed_by_whatever_concerns_the_same_and_more() {
        let field = |role| Field::of(role).unwrap();
        let when = |role: Role, values: &[&str]| Tolerance {
            when: vec![(field(role), values.iter().map(|&value| value.to_owned()).collect())],
            ..Tolerance::of(Role::Amount)
        };
        let all = Tolerance::of(Role::Amount);
        let (wide, narrow) = (when(Role::Charge, &["A", "B"]), when(Role::Charge, &["B"]));
        assert!(narrow.is_shadowed_by(&all) && narrow.is_shadowed_by(&wide) && all.is_shadowed_by(&all));
        assert!(!wide.is_shadowed_by(&narrow) && !all.is_shadowed_by(&narrow));
        assert!(!narrow.is_shadowed_by(&when(Role::Deal, &["B"])));
        assert!(!Tolerance::of(Role::Price).is_shadowed_by(&all));
    }
}
