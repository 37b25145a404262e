//! What was settled in one currency, in that of the invoice: each record by the rate of its day.

use super::Rules;
use crate::matching::Book;
use crate::money::{self, Decimal, Product, Sum};
use crate::normalise::{Field, MissingRate, RateDay, Rates, Role, Side};
use crate::period::Edge;

/// How the records of a group were converted into the currency of its invoice lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    /// The invoice's currency.
    pub to: String,
    /// Every record that is in another one, with its rate, in the order of the entries.
    pub records: Vec<Converted>,
    /// The record that could not be converted, and why: nothing is converted then.
    pub missing: Option<(u32, String)>,
    /// The rate of another day, where that gives what was billed.
    pub billed_at: Option<BilledAt>,
}

/// A record, converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The settlement entry.
    pub entry: u32,
    /// Its currency.
    pub from: String,
    /// The day whose rate was asked for.
    pub wanted: String,
    /// The day that the rate is of.
    pub day: String,
    /// How many units of the invoice's currency one of `from` is.
    pub rate: Decimal,
    /// What was settled, in `from`.
    pub stated: Option<Decimal>,
    /// The same, converted; `None` where nothing is stated, or it has more than 28 digits.
    pub amount: Option<Decimal>,
}

/// What was billed, as the rate of another day gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BilledAt {
    /// The day.
    pub day: String,
    /// Its rate.
    pub rate: Decimal,
    /// What was settled, in its own currency.
    pub stated: Decimal,
    /// By how much the exact amount at this rate is more than at the rates that count.
    pub effect: Decimal,
}

impl Conversion {
    /// Whether everything is in the invoice's currency now.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.missing.is_none()
    }

    /// Whether a rate is of an earlier day than the one that was asked for.
    #[must_use]
    pub fn is_by_previous(&self) -> bool {
        self.records.iter().any(|record| record.day != record.wanted)
    }

    /// The rate of an entry, if it was converted.
    pub(super) fn rate(&self, entry: u32) -> Option<Decimal> {
        let at = self.records.binary_search_by_key(&entry, |record| record.entry).ok()?;
        self.records.get(at).map(|record| record.rate)
    }
}

/// Converts `settlements`, where there are rates and the two sides are in different currencies; `None` where there is
/// nothing to convert, or it is not clear into what.
pub(super) fn convert(
    book: &Book<'_>,
    rules: &Rules<'_>,
    invoices: &[u32],
    settlements: &[u32],
) -> Option<Conversion> {
    let rates = rules.rates?;
    let field = Field::of(Role::Currency)?;
    let currency =
        |side: Side, entry: u32| rules.keys.key(field, book.ledger(side).text(field, entry)).to_uppercase();
    let mut targets: Vec<String> = invoices.iter().map(|&entry| currency(Side::Invoice, entry)).collect();
    targets.retain(|code| !code.is_empty());
    targets.sort_unstable();
    targets.dedup();
    let [to] = targets.as_slice() else { return None };
    let mut foreign: Vec<(u32, String)> = settlements
        .iter()
        .map(|&entry| (entry, currency(Side::Settlement, entry)))
        .filter(|(_, from)| from != to)
        .collect();
    // A record without a currency beside those of another one could be in either.
    if foreign.is_empty() || foreign.iter().any(|(_, from)| from.is_empty()) {
        return None;
    }
    foreign.sort_unstable();
    let mut conversion = Conversion { to: to.clone(), ..Conversion::default() };
    let mut missing: Option<(String, u32)> = None;
    for (entry, from) in foreign {
        let found = day(book, rates, invoices, entry).and_then(|wanted| {
            let found = rates.find(&from, to, &wanted);
            let (day, rate) = found.ok_or_else(|| lacks(rates, &from, to, &wanted))?;
            Ok((day.to_owned(), rate, wanted))
        });
        match found {
            Ok((day, rate, wanted)) => {
                let stated = book.ledger(Side::Settlement).amount(entry);
                let amount = stated.and_then(|stated| rates.amount(stated, rate));
                conversion.records.push(Converted { entry, from, wanted, day, rate, stated, amount });
            }
            // Of several the first in the order of what is told, not of the rows.
            Err(why) => missing = missing.into_iter().chain([(why, entry)]).min(),
        }
    }
    if let Some((why, entry)) = missing {
        let place = book.ledger(Side::Settlement).source(entry);
        conversion.missing = Some((entry, format!("{why} ({place})")));
        conversion.records.clear();
    }
    Some(conversion)
}

/// The day whose rate converts an entry; a phrase, where there is none.
fn day(book: &Book<'_>, rates: &Rates, invoices: &[u32], entry: u32) -> Result<String, String> {
    let ledger = book.ledger(Side::Settlement);
    let at = match rates.day {
        RateDay::Start => ledger.start(entry).ok_or("it states no start"),
        RateDay::End => ledger.end(entry).ok_or("it states no end"),
        RateDay::Attribute(field) => {
            let [of_invoices, of_settlements] = &rates.dates;
            let own = (ledger.text(field, entry), of_settlements);
            let mut texts = invoices.iter().map(|&entry| book.ledger(Side::Invoice).text(field, entry));
            let billed = texts.next().filter(|first| texts.all(|text| text == *first)).unwrap_or_default();
            let (text, dates) = if own.0.is_empty() { (billed, of_invoices) } else { own };
            if text.is_empty() {
                Err("no day of its rate is stated")
            } else {
                let read = dates.parse(text, Edge::Start);
                return read.map(|at| book.zone().show(at, false)).map_err(|why| {
                    format!("the day of its rate is \"{text}\", which cannot be read as a date: {why}")
                });
            }
        }
    };
    at.map(|at| book.zone().show(at, false)).map_err(str::to_owned)
}

fn lacks(rates: &Rates, from: &str, to: &str, day: &str) -> String {
    let when = match rates.missing {
        MissingRate::Discrepancy => format!("for {day}"),
        MissingRate::Previous => format!("for {day} or a day before it"),
    };
    let other = match (rates.has_pair(from, to), rates.has_pair(to, from)) {
        (false, true) => format!("; it has the other direction, {to} to {from}, which is not turned round"),
        _ => String::new(),
    };
    format!("{} has no rate {when} from {from} to {to}{other}", rates.file)
}

/// So many steps of the last digit lie between what was billed and what was settled: nearer, a rate could fit by chance.
const STEPS: i64 = 5;

/// The rate of another day that gives what was billed, to the last digit: that of the amounts one by one, or of their
/// sum. `None` where no rate does, or more than one.
pub(super) fn billed_at(
    rates: &Rates,
    conversion: &Conversion,
    billed: Decimal,
    settled: Decimal,
) -> Option<BilledAt> {
    let first = conversion.records.first()?;
    if conversion.records.iter().any(|record| record.from != first.from) {
        return None;
    }
    let amounts: Vec<Decimal> =
        conversion.records.iter().map(|record| record.stated).collect::<Option<_>>()?;
    let stated = amounts.iter().copied().collect::<Sum>().value()?;
    let scale = rates.amount_scale.unwrap_or(billed.scale());
    let step = Decimal::new(1, scale);
    let apart = money::subtract(billed, settled)?.abs();
    if stated.is_zero() || apart < money::multiply(step, STEPS.into())? {
        return None;
    }
    // The products grow with the rates where the sum is positive; those near what was billed stand side by side.
    let near = money::multiply(step, (amounts.len() as u64 + 1).into())?;
    let (sum, wanted) = (stated.abs(), if stated.is_sign_negative() { -billed } else { billed });
    let bounds = [money::subtract(wanted, near)?, money::add(wanted, near)?].map(Product::from);
    let [lowest, highest] = bounds;
    let against =
        |rate: Decimal, bound: Product| Product::of(sum, rate).and_then(|product| product.compare(bound));
    let all = rates.by_rate(&first.from, &conversion.to);
    let start =
        all.partition_point(|(rate, _)| against(*rate, lowest).is_some_and(std::cmp::Ordering::is_lt));
    let gives = |rate: Decimal| {
        let rounded =
            |amount: Decimal| money::Ratio::of(rate, Decimal::ONE)?.rounded(amount, scale, rates.rounding);
        let one_by_one = || amounts.iter().map(|&amount| rounded(amount)).collect::<Option<Sum>>()?.value();
        rounded(stated) == Some(billed) || one_by_one() == Some(billed)
    };
    let mut fitting: Vec<&(Decimal, String)> = all
        .get(start..)?
        .iter()
        .take_while(|(rate, _)| against(*rate, highest).is_some_and(std::cmp::Ordering::is_le))
        .filter(|(rate, _)| gives(*rate))
        .collect();
    let (rate, _) = fitting.first()?;
    if fitting.iter().any(|(other, _)| other != rate) {
        return None;
    }
    // Of several days with one rate, the last that is not after the delivery, else the first after it.
    fitting.sort_by_key(|(_, day)| day);
    let delivery = conversion.records.iter().map(|record| &record.wanted).min()?;
    let before = fitting.iter().rfind(|(_, day)| day <= delivery);
    let (rate, day) = before.or(fitting.first())?;
    let exact = conversion.records.iter().map(|record| money::multiply(record.stated?, record.rate));
    let counted = exact.collect::<Option<Sum>>()?.value()?;
    let effect = money::subtract(money::multiply(stated, *rate)?, counted)?;
    Some(BilledAt { day: day.clone(), rate: *rate, stated, effect })
}
