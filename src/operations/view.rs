//! What a caller may see of what a reconciliation knows.

use std::collections::BTreeSet;

use crate::money::Decimal;
use crate::period::{Instant, Period};

/// What a caller may see: everything, or what can be seen through one of several windows.
#[derive(Clone, Debug)]
pub struct View(Option<Vec<Window>>);

/// Lines that have all of this. What is not given does not limit.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The vendors whose lines are seen.
    pub vendors: Option<BTreeSet<String>>,
    /// The deals whose lines are seen.
    pub accounts: Option<BTreeSet<String>>,
    /// The periods that the lines begin in.
    pub periods: Option<Vec<Period>>,
    /// The largest amount, whatever its sign, on either side.
    pub most_amount: Option<Decimal>,
}

/// What a line says of itself, as far as it decides who sees it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The vendor.
    pub vendor: &'a str,
    /// The deal.
    pub account: &'a str,
    /// When its delivery starts; `None` where it does not say.
    pub start: Option<Instant>,
    /// Its amounts, of one side or of both.
    pub amounts: &'a [Decimal],
}

impl View {
    /// Everything: for whoever sits at the machine.
    #[must_use]
    pub const fn everything() -> Self {
        Self(None)
    }

    /// What can be seen through any of `windows`.
    #[must_use]
    pub const fn through(windows: Vec<Window>) -> Self {
        Self(Some(windows))
    }

    /// Whether nothing is hidden.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.0.as_ref().is_none_or(|windows| windows.iter().any(Window::is_open))
    }

    /// Whether a line is seen. What a line does not say of itself hides it from whoever is limited by it.
    #[must_use]
    pub fn sees(&self, facts: &Facts<'_>) -> bool {
        self.0.as_ref().is_none_or(|windows| windows.iter().any(|window| window.sees(facts)))
    }

    /// Whether all lines of a vendor are seen.
    #[must_use]
    pub fn sees_vendor(&self, vendor: &str) -> bool {
        let whole = |window: &Window| {
            let others = Window { vendors: None, ..window.clone() };
            others.is_open() && window.vendors.as_ref().is_none_or(|vendors| vendors.contains(vendor))
        };
        self.0.as_ref().is_none_or(|windows| windows.iter().any(whole))
    }
}

impl Window {
    const fn is_open(&self) -> bool {
        self.vendors.is_none()
            && self.accounts.is_none()
            && self.periods.is_none()
            && self.most_amount.is_none()
    }

    fn sees(&self, facts: &Facts<'_>) -> bool {
        let is_among =
            |set: &Option<BTreeSet<String>>, value: &str| set.as_ref().is_none_or(|set| set.contains(value));
        let is_within = |periods: &Vec<Period>| {
            facts.start.is_some_and(|start| periods.iter().any(|period| period.contains(start)))
        };
        is_among(&self.vendors, facts.vendor)
            && is_among(&self.accounts, facts.account)
            && self.periods.as_ref().is_none_or(is_within)
            && self.most_amount.is_none_or(|most| facts.amounts.iter().all(|amount| amount.abs() <= most))
    }
}
