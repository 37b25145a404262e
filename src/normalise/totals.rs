//! Rows that are totals of other rows: kept out of the lines, and held against them.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use super::accounts::Tallies;
use super::keys::KeyRules;
use super::ledger::{Draft, Ledger, Side};
use super::role::Field;
use super::roundings::Roundings;
use super::{Entry, Taker as _};
use crate::intake::Origin;
use crate::money::{self, Decimal, Rounding, Sum, Ways};

/// Which rows of a side are totals, and of what.
#[derive(Clone, Debug)]
pub struct TotalRules {
    /// The first whose `when` holds for a row is that row's.
    pub rules: Vec<TotalRule>,
    /// Makes texts comparable.
    pub keys: KeyRules,
}

/// One kind of totals.
#[derive(Clone, Debug)]
pub struct TotalRule {
    /// What a row must say to be such a total; values as keys.
    pub when: Vec<(Field, Vec<String>)>,
    /// What it shares with its lines.
    pub of: Vec<Share>,
    /// How far it may be from the sum of its lines.
    pub absolute: Decimal,
}

/// What a total shares with its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The file, or the sheet of a workbook.
    File,
    /// A text.
    Text(Field),
}

impl TotalRules {
    /// The number of the rule by which a row is a total.
    pub(super) fn find<'t>(&self, text: impl Fn(Field) -> &'t str) -> Option<usize> {
        let says = |(field, values): &(Field, Vec<String>)| {
            let text = text(*field);
            let equals = |key: &str| values.iter().any(|value| value == key);
            if self.keys.is_key(*field, text) { equals(text) } else { equals(&self.keys.key(*field, text)) }
        };
        self.rules.iter().position(|rule| rule.when.iter().all(says))
    }
}

/// What became of the totals of one side.
#[derive(Clone, Debug, Default)]
pub struct TotalCounts {
    /// The rows that were left out of the lines, by currency.
    pub rows: Tallies,
    /// Those of them that are the sum of their lines.
    pub agree: u64,
    /// Those that state no amount, so that there was nothing to hold against the lines.
    pub unchecked: u64,
    /// Those that are not the sum of their lines. Behind its entries, the ledger has a row for each, in this order.
    pub wrong: Vec<WrongTotal>,
    /// How the totals follow from the quantities and prices of their lines, added up.
    pub roundings: Roundings,
    /// By vendor, how many of these are the sum of their lines to the last digit.
    pub sums_of_lines: BTreeMap<String, u64>,
}

/// A total that is not the sum of its lines.
#[derive(Clone, Debug)]
pub struct WrongTotal {
    pub(super) origin: Origin,
    pub(super) row: u64,
    pub(super) texts: Vec<String>,
    /// What it states.
    pub amount: Decimal,
    /// How many lines share with it what it is the total of.
    pub lines: u64,
    /// Their sum; `None` where it has more than 28 digits.
    pub sum: Option<Decimal>,
    /// How many rows of it were rejected, so that the sum is short of them.
    pub rejected: u64,
    /// The currencies of its lines, where it states none and they have several.
    pub currencies: Vec<String>,
    /// The sum of quantity × price, and the way of rounding that makes the total of it, where one does.
    pub rounded: Option<(Decimal, Rounding)>,
}

/// What one row is beside the others of its total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// An entry.
    Line,
    /// A row outside the period: it counts for the sum, but makes its total none of this run's concern.
    Outside,
    /// A row that could not be read.
    Rejected,
}

/// The sums of one side, as its rows are read, and the totals that wait for them.
pub(super) struct Totals<'a> {
    rules: &'a TotalRules,
    /// By rule.
    sums: Vec<Sums>,
    waiting: Ledger,
    /// For each row that waits, its rule and what it shares with its lines.
    keys: Vec<(usize, String)>,
    key: String,
}

/// The sums of one rule.
#[derive(Clone, Debug, Default)]
struct Sums {
    numbers: HashMap<String, usize, FixedState>,
    /// The key that came last, and its number: lines of one document mostly stand together.
    last: Option<(String, usize)>,
    all: Vec<Lines>,
}

/// The lines of one total.
#[derive(Clone, Debug, Default)]
struct Lines {
    inside: u64,
    outside: u64,
    rejected: u64,
    by_currency: BTreeMap<String, (u64, Sum)>,
    /// Of quantity × price; `None` as soon as a line does not state both.
    products: Option<Sum>,
}

impl<'a> Totals<'a> {
    pub(super) fn new(rules: &'a TotalRules, side: Side, fields: usize) -> Self {
        Self {
            rules,
            sums: vec![Sums::default(); rules.rules.len()],
            waiting: Ledger::new(side, fields),
            keys: Vec::new(),
            key: String::new(),
        }
    }

    pub(super) fn find<'t>(&self, text: impl Fn(Field) -> &'t str) -> Option<usize> {
        self.rules.find(text)
    }

    /// Writes what a row shares with others by a rule; the first field that it leaves blank, where it does.
    fn share<'t>(&mut self, rule: usize, origin: &Origin, text: &impl Fn(Field) -> &'t str) -> Option<Field> {
        self.key.clear();
        let mut blank = None;
        for part in self.rules.rules.get(rule).into_iter().flat_map(|rule| &rule.of) {
            match part {
                Share::File => self.key.push_str(&origin.to_string()),
                Share::Text(field) => {
                    let text = text(*field);
                    if self.rules.keys.is_key(*field, text) {
                        self.key.push_str(text);
                    } else {
                        self.key.push_str(&self.rules.keys.key(*field, text));
                    }
                    if text.is_empty() {
                        blank = blank.or(Some(*field));
                    }
                }
            }
            self.key.push('\u{1f}');
        }
        blank
    }

    /// Adds a row that is no total.
    pub(super) fn add<'t>(
        &mut self,
        part: Standing,
        origin: &Origin,
        text: impl Fn(Field) -> &'t str,
        currency: &str,
        amount: Option<Decimal>,
        priced: Option<(Decimal, Decimal)>,
    ) {
        for rule in 0..self.sums.len() {
            self.share(rule, origin, &text);
            let Some(sums) = self.sums.get_mut(rule) else { continue };
            let lines = sums.lines(&self.key);
            match part {
                Standing::Line => lines.inside += 1,
                Standing::Outside => lines.outside += 1,
                Standing::Rejected => lines.rejected += 1,
            }
            if part == Standing::Rejected {
                continue;
            }
            let product = priced.and_then(|(quantity, price)| money::multiply(quantity, price));
            lines.products = lines.products.zip(product).map(|(mut sum, product)| {
                sum.add(product);
                sum
            });
            if let Some(amount) = amount {
                match lines.by_currency.get_mut(currency) {
                    Some((count, sum)) => {
                        *count += 1;
                        sum.add(amount);
                    }
                    None => {
                        lines.by_currency.insert(currency.to_owned(), (1, [amount].into_iter().collect()));
                    }
                }
            }
        }
    }

    /// Takes a total, to be checked when all is read; the field that says of what it is one, where it is blank.
    pub(super) fn wait(&mut self, rule: usize, origin: &Origin, entry: &Entry<'_>) -> Result<(), Field> {
        if let Some(blank) = self.share(rule, origin, &|field| entry.text(field)) {
            return Err(blank);
        }
        self.waiting.take(origin, entry);
        self.keys.push((rule, self.key.clone()));
        Ok(())
    }

    /// Holds every total against its lines. Those whose lines are all outside the period go to `outside`.
    pub(super) fn check(self, outside: &mut Tallies) -> TotalCounts {
        let mut counts = TotalCounts::default();
        let rows = &self.waiting;
        let vendor = Field::of(super::Role::Vendor).unwrap_or_default();
        for (entry, (rule, key)) in (0..).zip(&self.keys) {
            let document = rows.role(super::Role::Document, entry);
            let currency = rows.role(super::Role::Currency, entry);
            let amount = rows.amount(entry);
            let sums = self.sums.get(*rule);
            let none = Lines::default();
            let lines = sums.and_then(|sums| sums.all.get(*sums.numbers.get(key)?)).unwrap_or(&none);
            if lines.inside + lines.rejected == 0 && lines.outside > 0 {
                outside.add(document, currency, amount);
                continue;
            }
            counts.rows.add(document, currency, amount);
            let Some(amount) = amount else {
                counts.unchecked += 1;
                continue;
            };
            let summed = lines.of(currency);
            let rounded = lines.products.filter(|_| summed.lines > 0).and_then(|products| products.value());
            if let Some(exact) = rounded {
                let vendor = rows.text(vendor, entry);
                let ways = Ways::of(exact.into(), Decimal::ONE.into(), amount.into());
                counts.roundings.count(None, || vendor, ways, amount.scale());
                let sums = counts.sums_of_lines.entry(vendor.to_owned()).or_default();
                *sums += u64::from(summed.sum == Some(amount));
            }
            let allowed = self.rules.rules.get(*rule).map_or(money::ZERO, |rule| rule.absolute);
            let agrees = summed.lines > 0
                && summed.currencies.is_empty()
                && summed
                    .sum
                    .and_then(|sum| money::subtract(amount, sum))
                    .is_some_and(|gap| gap.abs() <= allowed);
            if agrees {
                counts.agree += 1;
                continue;
            }
            let way = |exact: Decimal| {
                let scales = [2, 0].into_iter().flat_map(|scale| Rounding::ALL.map(|way| (scale, way)));
                let mut ways = scales.filter(|&(scale, way)| money::round(exact, scale, way) == amount);
                ways.next().map(|(_, way)| (exact, way))
            };
            let (origin, row) = rows.place(entry);
            counts.wrong.push(WrongTotal {
                origin,
                row,
                texts: Field::all()
                    .take(rows.fields())
                    .map(|field| rows.text(field, entry).to_owned())
                    .collect(),
                amount,
                lines: summed.lines,
                sum: summed.sum,
                rejected: lines.rejected,
                currencies: summed.currencies,
                rounded: rounded.and_then(way),
            });
        }
        counts.roundings.close();
        counts
    }
}

/// What the lines of a total come to in its currency.
struct Summed {
    lines: u64,
    sum: Option<Decimal>,
    currencies: Vec<String>,
}

impl Lines {
    /// A blank currency agrees with any other, as everywhere; but it must be clear which one that is.
    fn of(&self, currency: &str) -> Summed {
        let stated: Vec<&String> = self.by_currency.keys().filter(|code| !code.is_empty()).collect();
        let currencies = match (currency, stated.as_slice()) {
            ("", [_, _, ..]) => stated.into_iter().cloned().collect(),
            _ => Vec::new(),
        };
        let counted = |code: &str| currency.is_empty() || code.is_empty() || code == currency;
        let (mut lines, mut all) = (0, Sum::default());
        for (count, sum) in self.by_currency.iter().filter(|(code, _)| counted(code)).map(|(_, sum)| sum) {
            lines += count;
            all.join(*sum);
        }
        Summed { lines, sum: all.value(), currencies }
    }
}

impl Sums {
    fn lines(&mut self, key: &str) -> &mut Lines {
        let number = match &self.last {
            Some((last, number)) if last == key => *number,
            _ => {
                let next = self.all.len();
                let number = *self.numbers.entry(key.to_owned()).or_insert(next);
                if number == next {
                    self.all.push(Lines { products: Some(Sum::default()), ..Lines::default() });
                }
                self.last = Some((key.to_owned(), number));
                number
            }
        };
        #[expect(clippy::indexing_slicing, reason = "numbers are places in `all`")]
        &mut self.all[number]
    }
}

impl WrongTotal {
    /// What a ledger keeps of it.
    pub(super) fn draft(&self) -> Draft {
        Draft { amount: Some(self.amount.into()), ..Draft::default() }
    }
}
