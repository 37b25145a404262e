//! What one side of a group says: its sums, in one unit.

use super::Rules;
use super::conversion::{self, Conversion};
use crate::matching::Book;
use crate::money::{self, Decimal, Number, Ratio, Sum};
use crate::normalise::{Field, Ledger, Rates, Role, Side, Unit};

/// The figures of one side of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The sum of the amounts, if any is stated, and all are in one currency.
    pub amount: Option<Decimal>,
    /// The sum of the quantities, if any is stated and their units convert.
    pub quantity: Option<Decimal>,
    /// The price, if all entries state the same and their units convert; the average by quantity where they do not, and
    /// no amounts of both sides stand for them.
    pub price: Option<Decimal>,
}

/// Both sides of a group, the settlement's converted to the invoice's unit and currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Both {
    /// What was billed.
    pub invoiced: Figures,
    /// What was settled, in the unit of the invoice, and in its currency where there are rates.
    pub settled: Figures,
    /// What was settled, in its own unit and currency, where that is another; see [`Both::as_stated`].
    pub settled_as_stated: Option<Box<Figures>>,
    /// The entry whose unit the figures have; none where no unit is stated.
    pub unit: Option<(Side, u32)>,
    /// The entry whose unit [`Both::as_stated`] has.
    pub unit_as_stated: Option<(Side, u32)>,
    /// Whether both sides state a quantity or a price, in units that do not convert.
    pub units_clash: bool,
    /// Whether units were converted.
    pub converted: bool,
    /// Whether a sum or a conversion has more than 28 digits: it is stated, but blank here, and ties with nothing.
    pub overflow: bool,
    /// How the records came into the invoice's currency, where they are in another and there are rates.
    pub conversion: Option<Box<Conversion>>,
}

impl Both {
    /// What was settled, in its own unit and currency.
    #[must_use]
    pub fn as_stated(&self) -> &Figures {
        self.settled_as_stated.as_deref().unwrap_or(&self.settled)
    }
}

/// The entry of one side whose unit stands for the side: of those that state a quantity or a price, and a
/// unit, the one whose unit is first in the alphabet, so that the order of the entries means nothing.
fn measure(book: &Book<'_>, side: Side, entries: &[u32]) -> Option<u32> {
    let ledger = book.ledger(side);
    entries
        .iter()
        .copied()
        .filter(|&entry| states(ledger.quantity(entry), ledger.price(entry)))
        .filter(|&entry| !ledger.role(Role::Unit, entry).is_empty())
        .min_by_key(|&entry| ledger.role(Role::Unit, entry))
}

const fn states(quantity: Option<Decimal>, price: Option<Decimal>) -> bool {
    quantity.is_some() || price.is_some()
}

/// The ratio from the unit of `entry` to the unit of `target`: `None` where they do not convert.
pub(super) fn ratio(book: &Book<'_>, entry: (Side, u32), target: (Side, u32)) -> Option<Ratio> {
    let field = Field::of(Role::Unit)?;
    let text = |(side, entry): (Side, u32)| book.ledger(side).text(field, entry);
    let (from, to) = (text(entry), text(target));
    let key = |(side, entry): (Side, u32)| book.key(side, field, entry);
    if from == to || key(entry) == key(target) {
        return Some(Ratio::ONE);
    }
    match (Unit::named(from), Unit::named(to)) {
        (Some(from), Some(to)) => from.ratio_to(to),
        _ => None,
    }
}

/// Whether entries state more than one text in `role`; blanks agree with anything.
pub(super) fn differ(book: &Book<'_>, role: Role, entries: impl Iterator<Item = (Side, u32)>) -> bool {
    let Some(field) = Field::of(role) else { return false };
    let mut keys = entries.map(|(side, entry)| book.key(side, field, entry)).filter(|&key| key != 0);
    keys.next().is_some_and(|first| keys.any(|key| key != first))
}

/// The figures of one side, and what came of its units.
struct Measured {
    figures: Figures,
    /// The price by quantity, where every entry states both and the prices differ.
    average: Option<Decimal>,
    states_quantity: bool,
    states_price: bool,
    /// A quantity or a price stands in a unit that does not convert.
    clash: bool,
    converted: bool,
    /// A sum or a conversion has more digits than fit: it is stated, but not known.
    overflow: bool,
}

/// The figures of `entries` in the unit of `target`. A blank unit is that of `own`, which stands for the side;
/// where no entry has one, it is whatever the target has. Money is converted by `rates`, if there are any.
fn figures(
    book: &Book<'_>,
    side: Side,
    entries: &[u32],
    own: Option<u32>,
    target: Option<(Side, u32)>,
    rates: Option<(&Rates, &Conversion)>,
) -> Measured {
    let ledger = book.ledger(side);
    let (mut clash, mut converted, mut overflow) = (false, false, false);
    let (mut states_quantity, mut states_price) = (false, false);
    let (mut amount, mut quantity) = (None::<Sum>, None::<Sum>);
    let mut price: Option<Option<Decimal>> = None;
    // Of one entry there is nothing to average.
    let mut worth = (entries.len() > 1).then(Sum::default);
    for &entry in entries {
        let rate = rates.and_then(|(rates, conversion)| Some((rates, conversion.rate(entry)?)));
        let mut money = |value: Option<Decimal>, of: fn(&Rates, Decimal, Decimal) -> Option<Decimal>| {
            let Some((rates, rate)) = rate else { return value };
            let money = of(rates, value?, rate);
            overflow |= money.is_none();
            money
        };
        let stated_price = money(ledger.price(entry), Rates::price);
        if let Some(value) = money(ledger.amount(entry), Rates::amount) {
            amount.get_or_insert_default().add(value);
        }
        let stated = (ledger.quantity(entry), stated_price);
        states_quantity |= stated.0.is_some();
        states_price |= stated.1.is_some();
        let measured = if ledger.role(Role::Unit, entry).is_empty() { own } else { Some(entry) };
        let ratio = match (measured, target) {
            (Some(measured), Some(target)) => ratio(book, (side, measured), target),
            _ => Some(Ratio::ONE),
        };
        let (own_quantity, own_price) = match ratio {
            Some(Ratio::ONE) => stated,
            Some(ratio) => {
                converted = true;
                let mut apply = |ratio: Ratio, value: Option<Decimal>| {
                    let applied = ratio.apply(value?).map(|(value, _)| value.normalize());
                    overflow |= applied.is_none();
                    applied
                };
                (apply(ratio, stated.0), apply(ratio.inverse(), stated.1))
            }
            None => {
                // Where nothing is stated there is nothing to convert.
                clash |= states(stated.0, stated.1);
                (None, None)
            }
        };
        if let Some(value) = own_quantity {
            quantity.get_or_insert_default().add(value);
        }
        worth = worth.zip(own_quantity.zip(own_price)).and_then(|(mut worth, (quantity, price))| {
            worth.add(money::multiply(quantity, price)?);
            Some(worth)
        });
        price = Some(match price {
            None => own_price,
            // With as many digits as any of them states.
            Some(same) if same == own_price => {
                [same, own_price].into_iter().flatten().max_by_key(Decimal::scale)
            }
            Some(_) => None,
        });
    }
    let mut value = |sum: Option<Sum>| {
        let value = sum?.value();
        overflow |= value.is_none();
        value
    };
    let (quantity, price) = if clash { (None, None) } else { (value(quantity), price.flatten()) };
    let average = || money::quotient(worth?.value()?, quantity?, AVERAGE_SCALE);
    let average = if price.is_none() { average() } else { None };
    // Currencies are never added up.
    let are_several =
        rates.is_none() && differ(book, Role::Currency, entries.iter().map(|&entry| (side, entry)));
    let amount = if are_several { None } else { value(amount) };
    let figures = Figures { amount, quantity, price };
    Measured { figures, average, states_quantity, states_price, clash, converted, overflow }
}

/// The digits behind the point of an average price, as of one whose unit was converted.
const AVERAGE_SCALE: u32 = 12;

/// The figures of a group.
pub(super) fn both(book: &Book<'_>, rules: &Rules<'_>, invoices: &[u32], settlements: &[u32]) -> Both {
    let own_invoice = measure(book, Side::Invoice, invoices);
    let own_settlement = measure(book, Side::Settlement, settlements);
    let as_stated = own_settlement.map(|entry| (Side::Settlement, entry));
    let unit = own_invoice.map(|entry| (Side::Invoice, entry)).or(as_stated);
    let mut invoiced = figures(book, Side::Invoice, invoices, own_invoice, unit, None);
    let mut conversion = conversion::convert(book, rules, invoices, settlements);
    let recorded =
        |target, rates| figures(book, Side::Settlement, settlements, own_settlement, target, rates);
    let rates = rules.rates.zip(conversion.as_ref());
    let mut settled = recorded(unit, rates);
    if invoiced.figures.amount.is_none() || settled.figures.amount.is_none() {
        // Without amounts to sum, lines of other prices would tie by their quantities alone.
        for side in [&mut invoiced, &mut settled] {
            side.figures.price = side.figures.price.or(side.average);
        }
    }
    let comparable = (invoiced.states_quantity && settled.states_quantity)
        || (invoiced.states_price && settled.states_price);
    let as_it_is = !settled.converted && !settled.clash && rates.is_none();
    let settled_as_stated = (!as_it_is).then(|| Box::new(recorded(as_stated, None).figures));
    let same_quantity = invoiced.figures.quantity == settled.figures.quantity;
    let amounts = invoiced.figures.amount.zip(settled.figures.amount).filter(|_| same_quantity);
    let complete = rates.filter(|(_, conversion)| conversion.is_complete());
    let billed_at = complete.zip(amounts).and_then(|((rates, conversion), (billed, settled))| {
        conversion::billed_at(rates, conversion, billed, settled)
    });
    if let Some(conversion) = &mut conversion {
        conversion.billed_at = billed_at;
    }
    Both {
        settled_as_stated,
        units_clash: comparable && (invoiced.clash || settled.clash),
        converted: settled.converted,
        overflow: invoiced.overflow || settled.overflow,
        invoiced: invoiced.figures,
        settled: settled.figures,
        unit,
        unit_as_stated: as_stated,
        // Most are in one currency.
        conversion: conversion.map(Box::new),
    }
}

/// By how much an entry's amount before tax is more than its own quantity × price; `None` where it does not state all three.
pub(super) fn gap(ledger: &Ledger, entry: u32) -> Option<Decimal> {
    let product = money::multiply(ledger.quantity(entry)?, ledger.price(entry)?)?;
    money::subtract(ledger.before_tax(entry)?, product)
}

/// Whether an amount is not quantity × price, by more than rounding a line can do: a cent.
#[must_use]
pub fn miscalculated<N: Into<Number>>(quantity: Option<N>, price: Option<N>, amount: Option<N>) -> bool {
    let apart = || money::is_apart(quantity?.into(), price?.into(), amount?.into(), CENT);
    apart().unwrap_or(false)
}

const CENT: Number = Number::new(1, 2);

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
    /// What the rate of another day makes of it, where that is what was billed.
    pub currency: Decimal,
}

impl Variance {
    /// The parts, which sum to the total, by name.
    #[must_use]
    pub const fn parts(&self) -> [(&'static str, Decimal); 5] {
        [
            ("volume", self.volume),
            ("price", self.price),
            ("rounding", self.rounding),
            ("currency", self.currency),
            ("other", self.other),
        ]
    }
}

/// What rounding can do to so many lines: half a cent for each.
pub(super) fn rounding_of(lines: usize) -> Decimal {
    Decimal::try_from_i128_with_scale(5 * lines as i128, 3).unwrap_or(Decimal::MAX)
}

/// The variance of a group whose sides are in different currencies, where what was billed is what another day's rate
/// gives; `None` where it is not.
pub(super) fn split_by_rate(figures: &Both, lines: usize) -> Option<Variance> {
    let billed_at = figures.conversion.as_ref()?.billed_at.as_ref()?;
    let total = money::subtract(figures.invoiced.amount?, figures.settled.amount?)?;
    let rounding = money::subtract(total, billed_at.effect)?;
    let variance = Variance { total, currency: billed_at.effect, rounding, ..Variance::default() };
    (rounding.abs() <= rounding_of(lines)).then_some(variance)
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
        // A price that only one side states is taken to be the price.
        let (pi, ps) = (invoiced.price.or(settled.price)?, settled.price.or(invoiced.price)?);
        let volume = money::multiply(money::subtract(qi, qs)?, ps)?;
        let price = money::multiply(money::subtract(pi, ps)?, qi)?;
        let rest = money::subtract(money::subtract(total, volume)?, price)?;
        let (rounding, other) =
            if rest.abs() <= rounding_of(lines) { (rest, money::ZERO) } else { (money::ZERO, rest) };
        Some(Variance { total, volume, price, rounding, other, ..Variance::default() })
    };
    Some(parts().unwrap_or(Variance { total, other: total, ..Variance::default() }))
}
