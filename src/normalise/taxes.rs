//! Net, tax and gross of a line: which of them is compared, whether they add up, and at which rate the tax is.

use std::collections::BTreeMap;

use super::role::Role;
use crate::money::{self, Decimal, Ratio, Rounding};

/// How a side states its taxes.
#[derive(Clone, Debug)]
pub struct TaxSettings {
    /// Net, tax or gross: what counts as the amount.
    pub compare: Role,
    /// In percent: the rates that a line's tax is told by.
    pub rates: Vec<Decimal>,
}

/// What a line states; blank where it states nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taxes {
    /// The amount before tax.
    pub net: Option<Decimal>,
    /// The tax.
    pub tax: Option<Decimal>,
    /// The amount with tax.
    pub gross: Option<Decimal>,
}

impl Taxes {
    /// By how much net + tax is more than gross; `None` where one of them is not stated, or they do not fit 28 digits.
    #[must_use]
    pub fn gap(&self) -> Option<Decimal> {
        money::subtract(money::add(self.net?, self.tax?)?, self.gross?)
    }

    /// Whether nothing is wrong with them: they add up, or do not state enough to tell.
    #[must_use]
    pub fn add_up(&self) -> bool {
        match (self.net, self.tax, self.gross) {
            (Some(_), Some(_), Some(_)) => self.gap().is_some_and(|gap| gap.is_zero()),
            _ => true,
        }
    }

    /// The rate of `rates` at which the tax is, to its last digit; `None` where none fits, or more than one.
    #[must_use]
    pub fn rate(&self, rates: &[Decimal]) -> Option<Decimal> {
        let (net, tax) = (self.net?, self.tax?);
        let fits = |rate: Decimal| {
            let ratio = Ratio::of(rate, Decimal::ONE_HUNDRED)?;
            let mut ways = [Rounding::HalfUp, Rounding::HalfEven].into_iter();
            ways.any(|way| ratio.rounded(net, tax.scale(), way) == Some(tax)).then_some(rate)
        };
        let mut fitting = rates.iter().filter_map(|&rate| fits(rate));
        fitting.next().filter(|_| !tax.is_zero() && fitting.next().is_none())
    }
}

/// How many lines are taxed at which rate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaxCounts {
    /// The rates that were looked for.
    pub rates: Vec<Decimal>,
    /// Lines that state net, tax and gross.
    pub lines: u64,
    /// Those whose net and tax are not their gross.
    pub wrong: u64,
    /// Those without tax.
    pub untaxed: u64,
    /// By rate, in percent, those whose tax that rate alone makes.
    pub by_rate: BTreeMap<String, u64>,
}

impl TaxCounts {
    pub(super) fn count(&mut self, taxes: &Taxes, rates: &[Decimal]) {
        let Taxes { net: Some(_), tax: Some(tax), gross: Some(_) } = taxes else { return };
        self.lines += 1;
        self.wrong += u64::from(!taxes.add_up());
        self.untaxed += u64::from(tax.is_zero());
        if let Some(rate) = taxes.rate(rates) {
            *self.by_rate.entry(money::plain(rate)).or_default() += 1;
        }
    }

    /// Counts what another has counted, which looked for the same rates.
    pub(super) fn join(&mut self, other: Self) {
        self.lines += other.lines;
        self.wrong += other.wrong;
        self.untaxed += other.untaxed;
        for (rate, lines) in other.by_rate {
            *self.by_rate.entry(rate).or_default() += lines;
        }
    }
}
