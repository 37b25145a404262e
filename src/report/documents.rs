//! `documents.csv`: the control totals of each document, so that who pays it sees whether all of it ties.

use std::io::Write;

use super::Report;
use super::csv::neutral;
use crate::judge::Class;
use crate::money;

/// Writes the report. A side whose documents are too many to tell apart has none.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    for name in ["side", "document", "currency"] {
        writer.write_field(name)?;
    }
    for class in Class::ALL {
        writer.write_field(format!("{}_lines", class.name()))?;
        writer.write_field(format!("{}_amount", class.name()))?;
    }
    writer.write_record(None::<&[u8]>)?;
    for ((side, document, currency), balance) in report.outcome.control.documents() {
        writer.write_field(side.name())?;
        for text in [document, currency] {
            writer.write_field(neutral(text).as_bytes())?;
        }
        for tally in balance.values() {
            writer.write_field(tally.lines.to_string())?;
            // Blank where it has more than 28 digits.
            writer.write_field(tally.amount.value().map(money::shown).unwrap_or_default())?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()?;
    Ok(())
}
