//! What one side of a group says: its sums, in one unit.

use crate::matching::Book;
use crate::money::{self, Decimal, Ratio, Sum};
use crate::normalise::{Field, Role, Side, Unit};

/// The figures of one side of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The sum of the amounts, if any is stated.
    pub amount: Option<Decimal>,
    /// The sum of the quantities, if any is stated and their units convert.
    pub quantity: Option<Decimal>,
    /// The price, if all entries state the same.
    pub price: Option<Decimal>,
}

/// Both sides of a group, the settlement's converted to the invoice's unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Both {
    /// What was billed.
    pub invoiced: Figures,
    /// What was settled, in the unit of the invoice.
    pub settled: Figures,
    /// What was settled, in its own unit.
    pub settled_as_stated: Figures,
    /// Whether both sides state a quantity or a price, in units that do not convert.
    pub units_clash: bool,
    /// Whether a conversion took place.
    pub converted: bool,
}

/// The ratio from the unit of `entry` to the unit of `target`: `None` where they do not convert.
/// A blank unit is whatever the other one is.
fn ratio(book: &Book<'_>, entry: (Side, u32), target: (Side, u32)) -> Option<Ratio> {
    let field = Field::of(Role::Unit)?;
    let text = |(side, entry): (Side, u32)| book.ledger(side).text(field, entry);
    let (from, to) = (text(entry), text(target));
    let key = |(side, entry): (Side, u32)| book.key(side, field, entry);
    if from == to || from.is_empty() || to.is_empty() || key(entry) == key(target) {
        return Some(Ratio::ONE);
    }
    match (Unit::named(from), Unit::named(to)) {
        (Some(from), Some(to)) => from.ratio_to(to),
        _ => None,
    }
}

/// The figures of `entries` in the unit of `target`, and whether all units convert and any had to.
fn figures(book: &Book<'_>, side: Side, entries: &[u32], target: (Side, u32)) -> (Figures, bool, bool) {
    let ledger = book.ledger(side);
    let (mut clash, mut converted) = (false, false);
    let (mut amount, mut quantity) = (None::<Sum>, None::<Sum>);
    let mut price: Option<Option<Decimal>> = None;
    for &entry in entries {
        if let Some(value) = ledger.amount(entry) {
            amount.get_or_insert_default().add(value);
        }
        let own = (ledger.quantity(entry), ledger.price(entry));
        let own = match ratio(book, (side, entry), target) {
            Some(Ratio::ONE) => own,
            Some(ratio) => {
                converted = true;
                let apply = |ratio: Ratio, value: Option<Decimal>| Some(ratio.apply(value?)?.0.normalize());
                (apply(ratio, own.0), apply(ratio.inverse(), own.1))
            }
            None => {
                // Where nothing is stated there is nothing to convert.
                clash |= own.0.is_some() || own.1.is_some();
                own
            }
        };
        if let Some(value) = own.0 {
            quantity.get_or_insert_default().add(value);
        }
        price = Some(match price {
            None => own.1,
            Some(same) if same == own.1 => same,
            Some(_) => None,
        });
    }
    let value = |sum: Option<Sum>| sum.and_then(|sum| sum.value());
    let figures = Figures { amount: value(amount), quantity: value(quantity), price: price.flatten() };
    (figures, clash, converted)
}

/// The figures of a group.
pub(super) fn both(book: &Book<'_>, invoices: &[u32], settlements: &[u32]) -> Both {
    let first = |side, entries: &[u32]| entries.first().map(|&entry| (side, entry));
    let invoice = first(Side::Invoice, invoices);
    let settlement = first(Side::Settlement, settlements);
    let Some(target) = invoice.or(settlement) else { return Both::default() };
    let (invoiced, clash_invoiced, _) = figures(book, Side::Invoice, invoices, target);
    let (settled, clash_settled, converted) = figures(book, Side::Settlement, settlements, target);
    let as_stated =
        settlement.map(|own| figures(book, Side::Settlement, settlements, own).0).unwrap_or_default();
    let comparable = (invoiced.quantity.is_some() && settled.quantity.is_some())
        || (invoiced.price.is_some() && settled.price.is_some());
    Both {
        invoiced,
        settled,
        settled_as_stated: as_stated,
        units_clash: comparable && (clash_invoiced || clash_settled),
        converted,
    }
}

/// What a variance consists of; the parts sum to it exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variance {
    /// Invoiced − settled: positive where overbilled.
    pub total: Decimal,
    /// (Qi − Qs) × Ps.
    pub volume: Decimal,
    /// (Pi − Ps) × Qi.
    pub price: Decimal,
    /// What remains, where it is not more than half a cent for each line.
    pub rounding: Decimal,
    /// What remains, where it is more.
    pub other: Decimal,
}

/// What rounding can do to so many lines: half a cent for each.
pub(super) fn rounding_of(lines: usize) -> Decimal {
    Decimal::try_from_i128_with_scale(5 * lines as i128, 3).unwrap_or(Decimal::MAX)
}

/// Splits `invoiced − settled`; `None` where neither states an amount, or the difference does not fit 28 digits.
#[must_use]
pub fn split(invoiced: &Figures, settled: &Figures, lines: usize) -> Option<Variance> {
    let total = match (invoiced.amount, settled.amount) {
        (None, None) => return None,
        (a, b) => money::subtract(a.unwrap_or_default(), b.unwrap_or_default())?,
    };
    let parts = || {
        let (qi, qs) = (invoiced.quantity?, settled.quantity?);
        let (pi, ps) = (invoiced.price?, settled.price?);
        let volume = money::multiply(money::subtract(qi, qs)?, ps)?;
        let price = money::multiply(money::subtract(pi, ps)?, qi)?;
        let rest = money::subtract(money::subtract(total, volume)?, price)?;
        let (rounding, other) =
            if rest.abs() <= rounding_of(lines) { (rest, money::ZERO) } else { (money::ZERO, rest) };
        Some(Variance { total, volume, price, rounding, other })
    };
    Some(parts().unwrap_or(Variance { total, other: total, ..Variance::default() }))
}
