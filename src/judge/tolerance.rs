//! How far two values may differ and still tie.
//!
//! Tolerances are inclusive and exact. For each field the first one whose
//! `when` holds decides; where none does, the values must be equal.

use std::fmt;

use crate::fault::{Fault, Kind, Result};
use crate::money::{self, Decimal};
use crate::normalise::{Field, Role};

/// Which of two limbs counts when both are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// The wider one: either limb suffices.
    Greater,
    /// The narrower one: both limbs must hold.
    Lesser,
}

/// One tolerance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Quantity, price or amount.
    pub role: Role,
    /// In the field's own unit: money for amounts, the invoice's unit for quantities and prices.
    pub absolute: Option<Decimal>,
    /// Of the settled value; 0.1 means 0.1 %.
    pub percent: Option<Decimal>,
    /// Which limb counts when both are given.
    pub combine: Option<Combine>,
    /// Fields that must have one of the values, as keys, on every entry concerned.
    pub when: Vec<(Field, Vec<String>)>,
}

impl Tolerance {
    /// Checks what `tieout.toml` states.
    ///
    /// # Errors
    /// [`Kind::Configuration`] for a field that has no tolerance, a tolerance
    /// without a limb, two limbs without `combine`, or a negative limb.
    pub fn checked(self) -> Result<Self> {
        let fault = |what: &str| Fault::new(Kind::Configuration, what).at("[[tolerance]]");
        if !matches!(self.role, Role::Quantity | Role::Price | Role::Amount) {
            return Err(fault("this field has no tolerance")
                .value(self.role)
                .expected("quantity, price or amount"));
        }
        match (self.absolute, self.percent, self.combine) {
            (None, None, _) => {
                return Err(fault("this tolerance allows nothing").expected("absolute, percent, or both"));
            }
            (Some(_), Some(_), None) => {
                return Err(fault("absolute and percent are both given, but not which one counts")
                    .expected("combine = \"greater\" or combine = \"lesser\""));
            }
            (Some(_), None, Some(_)) | (None, Some(_), Some(_)) => {
                return Err(fault("combine is given, but only one limb")
                    .expected("both absolute and percent")
                    .next("remove combine, or state the other limb"));
            }
            _ => {}
        }
        if let Some(limb) =
            [self.absolute, self.percent].into_iter().flatten().find(Decimal::is_sign_negative)
        {
            return Err(fault("a tolerance cannot be negative").value(limb).expected("zero or more"));
        }
        Ok(self)
    }

    /// Whether `invoiced − settled = difference` is allowed.
    #[must_use]
    pub fn allows(&self, difference: Decimal, settled: Decimal) -> bool {
        let absolute = self.absolute.map(|limit| difference.abs() <= limit);
        let percent = self.percent.map(|percent| money::within_percent(difference, settled, percent));
        match (absolute, percent, self.combine) {
            (Some(absolute), Some(percent), Some(Combine::Greater)) => absolute || percent,
            (Some(absolute), Some(percent), _) => absolute && percent,
            (Some(one), None, _) | (None, Some(one), _) => one,
            (None, None, _) => false,
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.role)?;
        let percent = self.percent.map(|percent| format!("{} %", percent.normalize()));
        match (self.absolute.map(|limit| limit.to_string()), percent, self.combine) {
            (Some(absolute), Some(percent), Some(Combine::Greater)) => {
                write!(f, "{absolute} or {percent}, the greater")
            }
            (Some(absolute), Some(percent), _) => write!(f, "{absolute} or {percent}, the lesser"),
            (Some(one), None, _) | (None, Some(one), _) => f.write_str(&one),
            (None, None, _) => f.write_str("none"),
        }
    }
}
