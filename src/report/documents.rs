//! `documents.csv`: the control totals of every document.

use std::collections::BTreeMap;
use std::io::Write;

use super::Report;
use super::csv::neutral;
use crate::judge::Class;
use crate::money;
use crate::normalise::{Side, Tally};

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let classes =
        Class::ALL.map(|class| [format!("{}_lines", class.name()), format!("{}_amount", class.name())]);
    let names =
        ["side", "document", "currency"].into_iter().chain(classes.iter().flatten().map(String::as_str));
    writer.write_record(names)?;
    for side in [Side::Invoice, Side::Settlement] {
        let pool = report.book.ledger(side).pool();
        // By what the documents are called, whatever the order in which they came.
        let mut rows: BTreeMap<(&str, &str), [Tally; Class::ALL.len()]> = BTreeMap::new();
        for (column, class) in Class::ALL.into_iter().enumerate() {
            for ((document, currency), tally) in report.outcome.control.accounts(side, class) {
                let row = rows.entry((pool.text(*document), pool.text(*currency))).or_default();
                if let Some(cell) = row.get_mut(column) {
                    cell.join(tally);
                }
            }
        }
        for ((document, currency), tallies) in rows {
            writer.write_field(side.name())?;
            writer.write_field(&*neutral(document))?;
            writer.write_field(&*neutral(currency))?;
            for tally in tallies {
                writer.write_field(tally.lines.to_string())?;
                // Blank where the sum has more than 28 digits.
                writer.write_field(tally.amount.value().map(money::shown).unwrap_or_default())?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
    }
    writer.flush()?;
    Ok(())
}
