//! `discrepancies.json`: the same cells by name, the sources as lists, decimals
//! as strings so that no reader makes doubles of them.

use std::fmt::Write as _;
use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::line::{self, Cells, Lines};
use super::{COLUMNS, Report, rates_used};
use crate::fault::{Fault, Kind, Result, is_unseen};
use crate::judge::Discrepancy;
use crate::normalise::Side;

/// Any result as JSON, for programs that read what is printed. What cannot be seen, or moves a cursor, is escaped as JSON
/// does it, so that the text is fit for a terminal and still says the same.
///
/// # Errors
/// [`Kind::Bug`] where it has no form in JSON.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map(escaped_json)
        .map_err(|error| Fault::new(Kind::Bug, "the result cannot be written as JSON").because(error))
}

/// The same JSON with all that cannot be seen escaped.
#[must_use]
pub fn escaped_json(text: String) -> String {
    if !text.contains(|c: char| c != '\n' && is_unseen(c)) {
        return text;
    }
    // Between texts there are no such characters, and serde escapes those below U+0020.
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c != '\n' && is_unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
        out
    })
}

/// Writes the report.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    out.write_all(b"[")?;
    let lines = Lines::of(report);
    let mut cells = Cells::default();
    for (number, discrepancy) in report.listed().enumerate() {
        out.write_all(if number == 0 { b"\n" } else { b",\n" })?;
        lines.fill(&mut cells, discrepancy);
        serde_json::to_writer(&mut *out, &object(report, discrepancy, &cells))?;
    }
    out.write_all(b"\n]\n")?;
    Ok(())
}

fn object(report: &Report<'_>, discrepancy: &Discrepancy, cells: &Cells) -> Value {
    let mut object: Map<String, Value> = COLUMNS
        .iter()
        .zip(cells.iter())
        .map(|(&name, cell)| (name.to_owned(), if cell.is_empty() { Value::Null } else { cell.into() }))
        .collect();
    for (name, side) in [("invoice_source", Side::Invoice), ("settlement_source", Side::Settlement)] {
        let ledger = report.book.ledger(side);
        let sources = line::sources(discrepancy, side).map(|entry| {
            let doubles: Vec<&str> = ledger.doubles(entry).map(|role| role.name()).collect();
            match doubles.as_slice() {
                [] => json!({ "place": ledger.source(entry) }),
                // A workbook stores doubles: the shortest decimal that reads back as the same one was taken.
                doubles => json!({ "place": ledger.source(entry), "read_from_doubles": doubles }),
            }
        });
        object.insert(name.to_owned(), Value::Array(sources.collect()));
    }
    // Only where there was something to convert: most discrepancies are in one currency.
    let rates = rates_used(report.book, discrepancy);
    if !rates.is_empty() {
        object.insert("rates".to_owned(), json!(rates));
    }
    Value::Object(object)
}
