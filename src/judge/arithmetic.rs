//! The arithmetic behind a verdict, for whoever asks about one: which tolerance was held against which figures, how far
//! its limbs reach, and the cause as an equation.

use super::{Combine, Discrepancy, Figures, Judge, Kind};
use crate::matching::Group;
use crate::money::{self, Decimal};
use crate::normalise::Role;

/// One limb of a tolerance, held against a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limb {
    /// `0.01`, or `0.5 % of 120.00`.
    pub words: String,
    /// How far it lets the values differ; `None` where that has more than 28 digits.
    pub limit: Option<Decimal>,
    /// The limit less the difference: negative where it is exceeded.
    pub room: Option<Decimal>,
}

/// One field, as it was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighed {
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
    /// Its limbs.
    pub limbs: Vec<Limb>,
    /// Which of two limbs counts.
    pub combine: Option<Combine>,
    /// Whether the values tie; `None` where one side does not state them.
    pub ties: Option<bool>,
}

/// Compares the figures of `discrepancy` once more, field by field.
#[must_use]
pub fn weigh(judge: &Judge<'_>, discrepancy: &Discrepancy) -> Vec<Weighed> {
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
    [Role::Amount, Role::Quantity, Role::Price]
        .into_iter()
        .map(|role| {
            let invoiced = of(&discrepancy.figures.invoiced, role);
            let settled = of(&discrepancy.figures.settled, role);
            let difference = invoiced.zip(settled).and_then(|(a, b)| money::subtract(a, b));
            let found = judge.tolerance(role, &group);
            let room = |limit: Option<Decimal>| money::subtract(limit?, difference?.abs());
            let mut limbs = Vec::new();
            if let Some((_, tolerance)) = found {
                limbs.extend(tolerance.absolute.map(|limit| Limb {
                    words: limit.to_string(),
                    limit: Some(limit),
                    room: room(Some(limit)),
                }));
                limbs.extend(tolerance.percent.zip(settled).map(|(percent, settled)| {
                    let hundredth = Decimal::new(1, 2);
                    let limit = money::multiply(percent, hundredth)
                        .and_then(|part| money::multiply(part, settled.abs()));
                    let words = format!("{} % of {}", percent.normalize(), money::plain(settled));
                    Limb { words, limit, room: room(limit) }
                }));
            }
            let ties =
                invoiced.zip(settled).map(|_| !judge.compare(role, &group, invoiced, settled).is_beyond());
            Weighed {
                role,
                invoiced,
                settled,
                difference,
                tolerance: found.map(|(number, _)| number),
                limbs,
                combine: found.and_then(|(_, tolerance)| tolerance.combine),
                ties,
            }
        })
        .collect()
}

/// The cause of `discrepancy` as an equation, where its figures alone show it.
#[must_use]
pub fn cause_in_figures(discrepancy: &Discrepancy) -> Option<String> {
    let cause = discrepancy.cause.as_deref()?;
    let (invoiced, settled) = (&discrepancy.figures.invoiced, &discrepancy.figures.settled);
    let pair = match discrepancy.kind {
        Kind::Quantity => invoiced.quantity.zip(settled.quantity),
        Kind::Price => invoiced.price.zip(settled.price),
        _ => invoiced.amount.zip(settled.amount),
    };
    let (invoiced, settled) = pair?;
    let (a, b) = (money::plain(invoiced), money::plain(settled));
    if cause == "opposite sign" {
        return Some(format!("-({a}) = {}, and settled is {b}", money::plain(-invoiced)));
    }
    let factor = cause.strip_prefix("unit scale ")?;
    Some(match factor.strip_prefix("1/") {
        Some(factor) => format!("billed {a} × {factor} = settled {b}"),
        None => format!("settled {b} × {factor} = billed {a}"),
    })
}
