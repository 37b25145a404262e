//! `rejects.csv`: every row that could not become an entry, and why.

use std::io::Write;

use super::Report;
use super::csv::neutral;
use crate::normalise::Side;

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["side", "source", "column", "value", "reason"])?;
    for side in [Side::Invoice, Side::Settlement] {
        for reject in &report.book.ledger(side).rejects {
            let cells = [reject.side.name(), &reject.source, &reject.column, &reject.value, &reject.reason];
            writer.write_record(cells.map(|cell| neutral(cell).into_owned()))?;
        }
    }
    writer.flush()?;
    Ok(())
}
