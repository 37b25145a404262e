//! `[invoices.taxes]` and `[settlements.taxes]`: which of net, tax and gross is compared.

use super::decimal;
use super::file::{Taxed, TaxesFile};
use crate::fault::{Fault, Kind, Result};
use crate::normalise::{Reading, Role, TaxSettings};

/// The settings of a side whose columns `reading` has.
pub(super) fn checked(
    table: &str,
    file: Option<TaxesFile>,
    reading: &Reading,
) -> Result<Option<TaxSettings>> {
    let fault = |what: &str| Fault::new(Kind::Configuration, what.to_owned());
    let is_read = |role: &Role| reading.columns.contains_key(role.name());
    let Some(file) = file else {
        return match Role::TAXES.iter().find(|role| is_read(role)) {
            None => Ok(None),
            Some(role) => Err(fault("taxes are read, but nothing says what of them is compared")
                .at(format!("[{table}.columns] {role}"))
                .expected(format!("[{table}.taxes] compare = \"net\", \"tax\" or \"gross\""))),
        };
    };
    if let Some(missing) = Role::TAXES.iter().find(|role| !is_read(role)) {
        return Err(fault("net + tax = gross is checked, but nothing says which column holds one of them")
            .at(format!("[{table}.columns]"))
            .expected(format!("{missing} = \"…\", a header")));
    }
    if is_read(&Role::Amount) {
        return Err(fault("two columns would be the amount")
            .at(format!("[{table}.columns] amount"))
            .next(format!("leave it out: [{table}.taxes] compare says what is compared")));
    }
    if reading.template().is_some() {
        return Err(fault("each hour has a column of its own, but the taxes are those of the whole row")
            .at(format!("[{table}.taxes]"))
            .next("leave the table out, and name the column of the hours' amounts"));
    }
    Ok(Some(TaxSettings {
        compare: match file.compare {
            Taxed::Net => Role::Net,
            Taxed::Tax => Role::Tax,
            Taxed::Gross => Role::Gross,
        },
        rates: decimal::rates(&format!("[{table}.taxes] rates"), &file.rates)?,
    }))
}
