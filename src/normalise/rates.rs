//! Exchange rates by day, from a table. None is turned round (what banks quote for the two directions are not each
//! other's inverse), none is made of two others, and none is invented.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use super::role::Field;
use crate::fault::{Fault, Kind, Result};
use crate::money::{self, Decimal, DecimalMark, Rounding};
use crate::period::{Dates, Edge, Zone};

/// Which day's rate converts a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateDay {
    /// The day on which its delivery starts.
    #[default]
    Start,
    /// The day on which it ends.
    End,
    /// A day that stands in an attribute of the record; of the invoice where the record has none.
    Attribute(Field),
}

/// What happens where the table has no rate for a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingRate {
    /// Nothing is converted, and that is a discrepancy.
    #[default]
    Discrepancy,
    /// The rate of the last day before it counts.
    Previous,
}

/// The rates of one pair of currencies.
#[derive(Clone, Debug, Default)]
struct Pair {
    /// By day, as ISO 8601 writes it, so that the order of the texts is that of the days.
    days: BTreeMap<String, Decimal>,
    /// The same, the lowest rate first.
    by_rate: Vec<(Decimal, String)>,
}

/// A table of rates, and how it is used.
#[derive(Clone, Debug)]
pub struct Rates {
    /// The file, as the configuration names it.
    pub file: String,
    /// Which day's rate converts a record.
    pub day: RateDay,
    /// How the invoices and the settlements write dates, for [`RateDay::Attribute`].
    pub dates: [Dates; 2],
    /// What happens where the table has no rate for a day.
    pub missing: MissingRate,
    /// How what was converted is rounded.
    pub rounding: Rounding,
    /// Digits behind the point of converted amounts; exact without it.
    pub amount_scale: Option<u32>,
    /// Digits behind the point of converted prices; exact without it.
    pub price_scale: Option<u32>,
    pairs: BTreeMap<(String, String), Pair>,
}

impl Rates {
    /// Reads a table: a header `date,from,to,rate`, and how much one unit of `from` is in `to` on that day.
    ///
    /// # Errors
    /// [`Kind::Configuration`] naming file, line and column where the table cannot be read, a date or a currency is none, a
    /// rate is no number above zero, or a day has two rates.
    pub fn load(path: &Path, shown: &Path, dates: [Dates; 2]) -> Result<Self> {
        Ok(Self {
            file: shown.display().to_string(),
            day: RateDay::default(),
            dates,
            missing: MissingRate::default(),
            rounding: Rounding::HalfUp,
            amount_scale: None,
            price_scale: None,
            pairs: read(path, shown)?,
        })
    }

    /// The rate from one currency to another on a day (`2026-10-01`), with the day that it is of: an earlier one, where that
    /// is allowed.
    #[must_use]
    pub fn find(&self, from: &str, to: &str, day: &str) -> Option<(&str, Decimal)> {
        let days = &self.pair(from, to)?.days;
        let found = match self.missing {
            MissingRate::Discrepancy => days.get_key_value(day),
            MissingRate::Previous => {
                days.range::<str, _>((Bound::Unbounded, Bound::Included(day))).next_back()
            }
        };
        found.map(|(day, rate)| (day.as_str(), *rate))
    }

    /// Whether the table has any rate of a pair.
    #[must_use]
    pub fn has_pair(&self, from: &str, to: &str) -> bool {
        self.pair(from, to).is_some()
    }

    /// All rates of a pair with their days, the lowest rate first.
    #[must_use]
    pub fn by_rate(&self, from: &str, to: &str) -> &[(Decimal, String)] {
        self.pair(from, to).map(|pair| pair.by_rate.as_slice()).unwrap_or_default()
    }

    /// `amount × rate`, rounded as configured; `None` where that has more than 28 digits.
    #[must_use]
    pub fn amount(&self, amount: Decimal, rate: Decimal) -> Option<Decimal> {
        self.product(amount, rate, self.amount_scale)
    }

    /// `price × rate`, rounded as configured; `None` where that has more than 28 digits.
    #[must_use]
    pub fn price(&self, price: Decimal, rate: Decimal) -> Option<Decimal> {
        self.product(price, rate, self.price_scale)
    }

    fn product(&self, value: Decimal, rate: Decimal, scale: Option<u32>) -> Option<Decimal> {
        match scale {
            // The exact product may have more digits than fit before it is rounded.
            Some(scale) => money::Ratio::of(rate, Decimal::ONE)?.rounded(value, scale, self.rounding),
            None => money::multiply(value, rate),
        }
    }

    fn pair(&self, from: &str, to: &str) -> Option<&Pair> {
        self.pairs.get(&(from.to_owned(), to.to_owned()))
    }
}

const HEADER: [&str; 4] = ["date", "from", "to", "rate"];

fn read(path: &Path, shown: &Path) -> Result<BTreeMap<(String, String), Pair>> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what.to_owned());
    let whole = |error: csv::Error| {
        fault("the table of rates cannot be read").at(shown.display()).because(error).next(
            "check [rates] file (the folder of tieout.toml is where it starts), and that the file is UTF-8",
        )
    };
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_path(path).map_err(whole)?;
    let header = reader.headers().map_err(whole)?.clone();
    let places = HEADER.map(|name| header.iter().position(|column| column == name));
    let [Some(date), Some(from), Some(to), Some(rate)] = places else {
        return Err(fault("the table of rates has another header")
            .at(format!("{}:1", shown.display()))
            .value(header.iter().collect::<Vec<_>>().join(","))
            .expected("date,from,to,rate"));
    };
    if header.len() > HEADER.len() {
        return Err(fault("the table of rates has a column that means nothing")
            .at(format!("{}:1", shown.display()))
            .value(header.iter().find(|column| !HEADER.contains(column)).unwrap_or("a column twice"))
            .expected("date,from,to,rate"));
    }
    let dates = Dates::new(Zone::utc(), &[])?;
    let mut pairs: BTreeMap<(String, String), Pair> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(whole)?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != HEADER.len() {
            return Err(fault("this line is not a day, two currencies and a rate")
                .at(format!("{}:{line}", shown.display()))
                .value(record.iter().collect::<Vec<_>>().join(","))
                .expected("four cells"));
        }
        let cell = |place: usize| record.get(place).unwrap_or_default();
        let wrong = |what: &str, column: &str, value: &str| {
            fault(what).at(format!("{}:{line}, column {column}", shown.display())).value(value)
        };
        let day = dates
            .parse(cell(date), Edge::Start)
            .ok()
            .map(|at| Zone::utc().show(at, false))
            .filter(|day| day == cell(date))
            .ok_or_else(|| wrong("this is not a day", "date", cell(date)).expected("2026-10-01"))?;
        for (column, place) in [("from", from), ("to", to)] {
            if !money::is_currency(cell(place)) {
                return Err(wrong("this is not a currency", column, cell(place))
                    .expected("a code of ISO 4217 in capitals, such as EUR"));
            }
        }
        let (from, to) = (cell(from), cell(to));
        if from == to {
            return Err(
                wrong("a currency has no rate to itself", "to", to).expected(format!("another than {from}"))
            );
        }
        let value = match money::parse(cell(rate), DecimalMark::Point) {
            Ok(parsed) if parsed.currency.is_some() => Err("it names a currency"),
            Ok(parsed) if parsed.value <= money::ZERO => Err("it is not above zero"),
            parsed => parsed.map(|parsed| parsed.value),
        }
        .map_err(|why| {
            wrong(&format!("this is not a rate: {why}"), "rate", cell(rate))
                .expected(format!("how many {to} one {from} is, such as 1.0843"))
        })?;
        let pair = pairs.entry((from.to_owned(), to.to_owned())).or_default();
        match pair.days.insert(day.clone(), value) {
            Some(other) if other != value => {
                return Err(wrong("this day has two rates", "rate", cell(rate))
                    .expected(format!("{} for {from} to {to} on {day}, as above", money::plain(other)))
                    .next("keep one of the two lines"));
            }
            _ => {}
        }
    }
    for pair in pairs.values_mut() {
        pair.by_rate = pair.days.iter().map(|(day, rate)| (*rate, day.clone())).collect();
        pair.by_rate.sort();
    }
    Ok(pairs)
}
