//! The rates that brought a discrepancy's records into the invoice's currency.

use schemars::JsonSchema;
use serde::Serialize;

use super::as_text;
use crate::judge::Discrepancy;
use crate::matching::Book;
use crate::money::{self, Decimal};
use crate::normalise::Side;

/// One record, converted.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RateUsed {
    /// Where the record stands.
    pub place: String,
    /// Its currency.
    pub from: String,
    /// The invoice's.
    pub to: String,
    /// How many units of `to` one of `from` is.
    pub rate: String,
    /// The day that the rate is of.
    pub date: String,
    /// The day whose rate was asked for: another one where an earlier rate stands in.
    pub date_wanted: String,
    /// What was settled, in `from`.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub amount: Option<Decimal>,
    /// The same in `to`; blank where nothing is stated, or it has more than 28 digits.
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "String")]
    pub converted: Option<Decimal>,
}

/// Every record of `discrepancy` that was converted.
#[must_use]
pub fn rates_used(book: &Book<'_>, discrepancy: &Discrepancy) -> Vec<RateUsed> {
    let Some(conversion) = &discrepancy.figures.conversion else { return Vec::new() };
    let used = conversion.records.iter().map(|record| RateUsed {
        place: book.ledger(Side::Settlement).source(record.entry),
        from: record.from.clone(),
        to: conversion.to.clone(),
        rate: money::plain(record.rate),
        date: record.day.clone(),
        date_wanted: record.wanted.clone(),
        amount: record.stated,
        converted: record.amount,
    });
    used.collect()
}
