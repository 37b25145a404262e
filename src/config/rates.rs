//! `[rates]`: what converts the settlements into the currency of the invoice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fault::{Fault, Kind, Result};
use crate::money::Rounding;
use crate::normalise::{Fields, MissingRate, RateDay, Rates, Reading, Role};
use crate::period::Zone;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RatesFile {
    pub(super) file: PathBuf,
    date: Option<String>,
    #[serde(default)]
    missing: MissingRate,
    rounding: Option<Rounding>,
    #[serde(default)]
    scale: BTreeMap<String, u32>,
}

impl RatesFile {
    /// The attribute that holds the day, where it is one.
    pub(super) fn attribute(&self) -> Option<&str> {
        self.date.as_deref().filter(|name| Role::named(name).is_none())
    }

    /// The table, read and checked; `sides` are the invoices and the settlements.
    pub(super) fn checked(
        self,
        fields: &Fields,
        sides: [&Reading; 2],
        zone: &Zone,
        base: &Path,
    ) -> Result<Rates> {
        let [invoices, settlements] = sides;
        let is_read = |reading: &Reading, name: &str| match Role::named(name) {
            Some(role) => reading.has(role),
            None => reading.columns.contains_key(name) || reading.defaults.contains_key(name),
        };
        for (table, reading) in [("invoices", invoices), ("settlements", settlements)] {
            if !is_read(reading, Role::Currency.name()) {
                return Err(fault(
                    "rates convert one side's currency into the other's, but nothing says which that is",
                )
                .at(format!("[{table}.columns]"))
                .expected("currency = \"…\", a header, or a default"));
            }
        }
        let name = self.date.as_deref().unwrap_or(Role::Start.name());
        let day = match Role::named(name) {
            Some(Role::Start) => RateDay::Start,
            Some(Role::End) => RateDay::End,
            Some(_) => {
                return Err(fault("this role holds no day")
                    .at("[rates] date")
                    .value(name)
                    .expected("start, end, or an attribute of [settlements.columns] or [invoices.columns]"));
            }
            None => fields.find(name).map_or(RateDay::Start, RateDay::Attribute),
        };
        let holders: &[&Reading] =
            if matches!(day, RateDay::Attribute(_)) { &[settlements, invoices] } else { &[settlements] };
        if !holders.iter().any(|reading| is_read(reading, name)) {
            return Err(fault("nothing says which column holds the day of a rate")
                .at("[rates] date")
                .value(name)
                .expected(format!("{name} = \"…\" in [settlements.columns]")));
        }
        let (mut amount_scale, mut price_scale) = (None, None);
        for (name, &digits) in &self.scale {
            let place = match Role::named(name) {
                Some(Role::Amount) => &mut amount_scale,
                Some(Role::Price) => &mut price_scale,
                _ => {
                    return Err(fault("only money is converted")
                        .at("[rates] scale")
                        .value(name)
                        .expected("amount or price"));
                }
            };
            if digits > 28 {
                return Err(fault("decimals have at most 28 digits")
                    .at(format!("[rates] scale {name}"))
                    .value(digits)
                    .expected("0 to 28"));
            }
            *place = Some(digits);
        }
        if self.rounding.is_some() == self.scale.is_empty() {
            let missing =
                if self.scale.is_empty() { "scale = { amount = 2 }" } else { "rounding = \"half-up\"" };
            return Err(fault("to round takes both: how, and to how many digits")
                .at("[rates]")
                .expected(format!("{missing} beside the other, or neither: then nothing is rounded")));
        }
        let dates = [invoices.dates(zone)?, settlements.dates(zone)?];
        let mut rates = Rates::load(&base.join(&self.file), &self.file, dates)?;
        (rates.day, rates.missing) = (day, self.missing);
        (rates.amount_scale, rates.price_scale) = (amount_scale, price_scale);
        rates.rounding = self.rounding.unwrap_or(rates.rounding);
        Ok(rates)
    }
}

fn fault(what: &str) -> Fault {
    Fault::new(Kind::Configuration, what)
}
