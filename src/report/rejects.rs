//! `rejects.csv`: every row that could not become an entry, and why.

use std::io::Write;

use super::Report;
use super::csv::neutral;
use crate::fault::shown;
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

/// The first `count` rejects, in a line each, and how many more there are.
#[must_use]
pub(super) fn first_rejects(report: &Report<'_>, count: usize) -> Vec<String> {
    let rejects =
        [Side::Invoice, Side::Settlement].into_iter().flat_map(|side| &report.book.ledger(side).rejects);
    let mut lines: Vec<String> = rejects
        .take(count)
        .map(|reject| {
            let column = match reject.column.as_str() {
                "" => String::new(),
                column => format!(", column \"{column}\""),
            };
            let value =
                if reject.value.is_empty() { String::new() } else { format!(" ({})", shown(&reject.value)) };
            format!("rejected {}{column}: {}{value}", reject.source, reject.reason)
        })
        .collect();
    let more = report.rejected().saturating_sub(lines.len() as u64);
    if more > 0 {
        lines.push(format!("… and {more} more: see rejects.csv"));
    }
    lines
}
