//! `rejects.csv`: every row that could not become an entry, and why.

use std::io::Write;

use schemars::JsonSchema;
use serde::Serialize;

use super::Report;
use super::csv::neutral;
use crate::fault::shown;
use crate::normalise::{Reject, Side};

/// A row that could not become an entry, as a program is told of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Rejected {
    /// `file:row`, `file:sheet:row` or `operation:call:record`.
    pub source: String,
    /// The header of the column; blank where the row as a whole is broken.
    pub column: String,
    /// What stands there, its first characters.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl From<&Reject> for Rejected {
    fn from(reject: &Reject) -> Self {
        Self {
            source: reject.source.clone(),
            column: reject.column.clone(),
            value: shown(&reject.value),
            reason: reject.reason.clone(),
        }
    }
}

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
