//! The arithmetic behind a verdict, for whoever asks about one: which tolerance was held against which figures, and what
//! decided.

use super::{Discrepancy, Figures, Judge, Terms, Weighed};
use crate::matching::Group;
use crate::money::{self, Decimal};
use crate::normalise::Role;

/// One field, as it was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Amount, quantity or price.
    pub role: Role,
    /// What was billed.
    pub invoiced: Option<Decimal>,
    /// What was settled, in the unit of the invoice.
    pub settled: Option<Decimal>,
    /// Invoiced less settled.
    pub difference: Option<Decimal>,
    /// The tolerance that applied, by its number.
    pub tolerance: Option<usize>,
    /// What of it decided, with its arithmetic.
    pub decided: Option<(Weighed, String)>,
    /// Whether the values tie; `None` where one side does not state them.
    pub ties: Option<bool>,
}

/// Compares the figures of `discrepancy` once more, field by field.
#[must_use]
pub fn weigh(judge: &Judge<'_>, discrepancy: &Discrepancy) -> Vec<Held> {
    let group = Group {
        pass: discrepancy.pass,
        how: discrepancy.how,
        invoices: &discrepancy.invoices,
        settlements: &discrepancy.settlements,
    };
    let of = |figures: &Figures, role| match role {
        Role::Amount => figures.amount,
        Role::Quantity => figures.quantity,
        _ => figures.price,
    };
    let quantity = discrepancy.figures.settled.quantity;
    let held = |role| {
        let invoiced = of(&discrepancy.figures.invoiced, role);
        let settled = of(&discrepancy.figures.settled, role);
        let both = invoiced.zip(settled);
        let difference = both.and_then(|(a, b)| money::subtract(a, b));
        let found = judge.tolerance(role, &group);
        let decided = || {
            let ((_, tolerance), (invoiced, settled)) = found.zip(both)?;
            let terms = Terms { invoiced, settled, lines: group.lines(), quantity };
            let weighed = tolerance.weigh(difference?, &terms)?;
            Some((weighed, tolerance.arithmetic(&weighed, &terms)))
        };
        Held {
            role,
            invoiced,
            settled,
            difference,
            tolerance: found.map(|(number, _)| number),
            decided: decided(),
            ties: both.map(|_| !judge.compare(role, &group, [invoiced, settled], quantity).is_beyond()),
        }
    };
    [Role::Amount, Role::Quantity, Role::Price].into_iter().map(held).collect()
}
