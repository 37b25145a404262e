//! A discrepancy as the reports have it: read back from them, and as a program is told of it.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::line::{self, Lines, MOST_SOURCES};
use super::{COLUMNS, RateUsed, Report, rates_used};
use crate::judge::Discrepancy;
use crate::money::{self, Decimal, DecimalMark};
use crate::normalise::Side;

/// Where a row stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(default)]
pub struct Place {
    /// `file:row`, `file:sheet:row` or `operation:call:record`.
    pub place: String,
    /// The roles whose values a workbook or an answer stores as binary fractions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read_from_doubles: Vec<String>,
}

/// One discrepancy of a report: its cells by [`COLUMNS`], and its sources in full.
#[derive(Clone, Debug, Default)]
pub struct Line<'a> {
    cells: [Cow<'a, str>; COLUMNS.len()],
    invoice_source: Vec<Place>,
    settlement_source: Vec<Place>,
    rates: Vec<Value>,
}

impl<'a> Line<'a> {
    /// The cell of a column; blank where there is none.
    #[must_use]
    pub fn cell(&self, column: &str) -> &str {
        let at = COLUMNS.iter().position(|name| *name == column);
        at.and_then(|at| self.cells.get(at)).map_or("", |cell| cell)
    }

    /// The cells, by [`COLUMNS`].
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(AsRef::as_ref)
    }

    /// A column of numbers.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<Decimal> {
        money::parse(self.cell(column), DecimalMark::Point).ok().map(|parsed| parsed.value)
    }

    /// Of cells as a table has them; the sources are parted where they were joined.
    pub(super) fn of_cells(cells: impl Iterator<Item = (usize, Cow<'a, str>)>) -> Self {
        let mut line = Self::default();
        for (at, cell) in cells {
            if let Some(slot) = line.cells.get_mut(at) {
                *slot = cell;
            }
        }
        let places = |joined: &str| -> Vec<Place> {
            // What a cell had no room for is counted there.
            let places = joined.split("; ").filter(|place| !place.is_empty() && !place.starts_with('…'));
            places.map(|place| Place { place: place.to_owned(), ..Place::default() }).collect()
        };
        line.invoice_source = places(line.cell("invoice_source"));
        line.settlement_source = places(line.cell("settlement_source"));
        line
    }
}

/// Places as they stand in the cell of a table, as `Lines` has them.
fn joined(places: &[Place]) -> String {
    let mut out = String::new();
    for (number, place) in places.iter().enumerate() {
        let before = out.len();
        out.push_str(if number > 0 { "; " } else { "" });
        out.push_str(&place.place);
        if out.len() > MOST_SOURCES {
            out.truncate(before);
            out.push_str(&format!("; … and {} more", places.len() - number));
            break;
        }
    }
    out
}

/// A text, or null, which is blank.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or null")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed("")))
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

impl<'de> Deserialize<'de> for Line<'de> {
    /// From an object of `discrepancies.json`. What a later version adds is passed over.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects;
        impl<'de> Visitor<'de> for Objects {
            type Value = Line<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a discrepancy")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut line = Line::default();
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "invoice_source" => line.invoice_source = map.next_value()?,
                        "settlement_source" => line.settlement_source = map.next_value()?,
                        "rates" => line.rates = map.next_value()?,
                        name => {
                            let at = COLUMNS.iter().position(|column| *column == name);
                            match at.and_then(|at| line.cells.get_mut(at)) {
                                Some(cell) => *cell = map.next_value::<Text<'de>>()?.0,
                                None => drop(map.next_value::<IgnoredAny>()?),
                            }
                        }
                    }
                }
                for (name, places) in
                    [("invoice_source", &line.invoice_source), ("settlement_source", &line.settlement_source)]
                {
                    let at = COLUMNS.iter().position(|column| *column == name);
                    if let Some(cell) = at.and_then(|at| line.cells.get_mut(at)) {
                        *cell = Cow::Owned(joined(places));
                    }
                }
                Ok(line)
            }
        }
        deserializer.deserialize_map(Objects)
    }
}

impl Serialize for Line<'_> {
    /// As an object of `discrepancies.json`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, cell) in COLUMNS.iter().zip(self.cells()) {
            match *name {
                "invoice_source" => map.serialize_entry(name, &self.invoice_source)?,
                "settlement_source" => map.serialize_entry(name, &self.settlement_source)?,
                _ => map.serialize_entry(name, &Some(cell).filter(|cell| !cell.is_empty()))?,
            }
        }
        if !self.rates.is_empty() {
            map.serialize_entry("rates", &self.rates)?;
        }
        map.end()
    }
}

/// So many sources of each side are told of; a month of totals has more than anyone reads.
const SOURCES: usize = 10;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands on a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

macro_rules! listed {
    ($($(#[doc = $doc:literal])* $name:ident)*) => {
        /// A discrepancy, as a program is told of it. Decimals are texts; what is blank is left out.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
        pub struct Listed {
            /// Its identity, the same in every run over the same facts.
            pub discrepancy_id: String,
            /// What differs.
            pub kind: String,
            $($(#[doc = $doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $name: Option<String>,)*
            /// Where the invoice's rows stand, the first of them.
            pub invoice_source: Vec<Place>,
            /// How many more rows of the invoice belong to it.
            #[serde(skip_serializing_if = "is_zero")]
            pub more_invoice_sources: u64,
            /// Where the settlement's records stand, the first of them.
            pub settlement_source: Vec<Place>,
            /// How many more records of the settlement belong to it.
            #[serde(skip_serializing_if = "is_zero")]
            pub more_settlement_sources: u64,
            /// The rates that brought its records into the invoice's currency, the first of them.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            #[schemars(with = "Vec<RateUsed>")]
            pub rates: Vec<Value>,
        }

        impl From<&Line<'_>> for Listed {
            fn from(line: &Line<'_>) -> Self {
                let some = |name: &str| Some(line.cell(name)).filter(|cell| !cell.is_empty()).map(str::to_owned);
                let first = |places: &[Place]| places.iter().take(SOURCES).cloned().collect();
                let more = |places: &[Place]| places.len().saturating_sub(SOURCES) as u64;
                Self {
                    discrepancy_id: line.cell("discrepancy_id").to_owned(),
                    kind: line.cell("kind").to_owned(),
                    $($name: some(stringify!($name)),)*
                    invoice_source: first(&line.invoice_source),
                    more_invoice_sources: more(&line.invoice_source),
                    settlement_source: first(&line.settlement_source),
                    more_settlement_sources: more(&line.settlement_source),
                    rates: line.rates.iter().take(SOURCES).cloned().collect(),
                }
            }
        }

        /// The names above, to be held against [`COLUMNS`].
        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

listed! {
    /// Why, where exact arithmetic shows it.
    cause
    /// Who bills.
    vendor
    /// The invoice or statement.
    document
    /// The contract or trade.
    deal
    /// The charge.
    charge
    /// Meter, node or delivery point.
    location
    /// When the delivery starts, in ISO 8601.
    period_start
    /// When it ends; midnight is the end of the day before.
    period_end
    /// The quantity billed.
    quantity_invoiced
    /// The quantity on record.
    quantity_settled
    /// The unit of both.
    unit
    /// The price billed.
    price_invoiced
    /// The price on record.
    price_settled
    /// The amount billed.
    amount_invoiced
    /// The amount on record.
    amount_settled
    /// The currency, in ISO 4217.
    currency
    /// Invoiced less settled: positive is overbilled.
    variance
    /// The part of it that comes from the quantity.
    variance_volume
    /// The part of it that comes from the price.
    variance_price
    /// The part of it that rounding can make.
    variance_rounding
    /// What remains of it.
    variance_other
    /// The pass that brought the rows together.
    pass
    /// The tolerance that was exceeded.
    tolerance
    /// In a sentence or two.
    explanation
    /// The part of the variance that comes from another rate of exchange.
    variance_currency
    /// What it has in common with many others.
    pattern
}

/// Gives `see` a discrepancy as the reports have its cells.
pub fn with_line<T>(report: &Report<'_>, discrepancy: &Discrepancy, see: impl FnOnce(&Line<'_>) -> T) -> T {
    let cells = Lines::of(report).cells(&[discrepancy]);
    see(&Line::of_cells(cells.line(0).map(Cow::Borrowed).enumerate()))
}

/// The first `limit` discrepancies of a run, as its reports list them.
#[must_use]
pub fn first(report: &Report<'_>, limit: usize) -> Vec<Listed> {
    let first: Vec<&Discrepancy> = report.listed().take(limit).collect();
    let cells = Lines::of(report).cells(&first);
    let listed = first.iter().zip(0..).map(|(&discrepancy, number)| {
        let mut line = Line::of_cells(cells.line(number).map(Cow::Borrowed).enumerate());
        for (places, side) in
            [(&mut line.invoice_source, Side::Invoice), (&mut line.settlement_source, Side::Settlement)]
        {
            let ledger = report.book.ledger(side);
            let place = |entry| Place {
                place: ledger.source(entry),
                read_from_doubles: ledger.doubles(entry).map(|role| role.name().to_owned()).collect(),
            };
            *places = line::sources(discrepancy, side).map(place).collect();
        }
        let rates = rates_used(report.book, discrepancy);
        line.rates = rates.iter().filter_map(|rate| serde_json::to_value(rate).ok()).collect();
        Listed::from(&line)
    });
    listed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_of_every_column() {
        let special = ["discrepancy_id", "kind", "invoice_source", "settlement_source"];
        let expected: Vec<&str> = COLUMNS.into_iter().filter(|name| !special.contains(name)).collect();
        assert_eq!(NAMES, expected);
    }
}
