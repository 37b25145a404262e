//! The money of discrepancies: added up by currency and sign.

use std::collections::BTreeMap;

use super::Discrepancy;
use crate::matching::Book;
use crate::money::Sum;
use crate::normalise::Role;

/// Variances by currency.
#[derive(Clone, Debug, Default)]
pub struct Variances(BTreeMap<String, Signed>);

/// Variances by their sign.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed {
    /// The sum of the positive ones.
    pub overbilled: Sum,
    /// The sum of the negative ones.
    pub underbilled: Sum,
    /// Both together.
    pub net: Sum,
}

impl Variances {
    /// Those of these discrepancies, as far as they have any.
    #[must_use]
    pub fn of<'d>(book: &Book<'_>, discrepancies: impl Iterator<Item = &'d Discrepancy>) -> Self {
        let mut all = Self::default();
        discrepancies.for_each(|discrepancy| all.add(book, discrepancy));
        all
    }

    pub(super) fn add(&mut self, book: &Book<'_>, discrepancy: &Discrepancy) {
        let Some(variance) = &discrepancy.variance else { return };
        self.of_currency(
            &discrepancy.said(book, Role::Currency),
            |Signed { overbilled, underbilled, net }| {
                let sum = if variance.total.is_sign_negative() { underbilled } else { overbilled };
                sum.add(variance.total);
                net.add(variance.total);
            },
        );
    }

    pub(super) fn join(&mut self, other: &Self) {
        for (currency, other) in &other.0 {
            self.of_currency(currency, |Signed { overbilled, underbilled, net }| {
                overbilled.join(other.overbilled);
                underbilled.join(other.underbilled);
                net.join(other.net);
            });
        }
    }

    /// By currency, in order; what states none is under a blank one.
    pub fn by_currency(&self) -> impl Iterator<Item = (&str, &Signed)> {
        self.0.iter().map(|(currency, signed)| (currency.as_str(), signed))
    }

    fn of_currency(&mut self, currency: &str, add: impl FnOnce(&mut Signed)) {
        match self.0.get_mut(currency) {
            Some(signed) => add(signed),
            None => add(self.0.entry(currency.to_owned()).or_default()),
        }
    }
}
