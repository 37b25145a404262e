//! `discrepancies.json`: the same cells by name, the sources as lists, decimals
//! as strings so that no reader makes doubles of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use super::discrepancies::{Part, Writing};
use super::{COLUMNS, Report, line, rates_used};
use crate::fault::{Fault, Kind, Result, is_unseen};
use crate::judge::Discrepancy;
use crate::normalise::Side;

pub(super) const WRITING: Writing =
    Writing { file: "discrepancies.json", head: || Ok(b"[".to_vec()), part, foot: b"\n]\n" };

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

/// What stands under a name; nothing is null.
#[derive(Serialize)]
#[serde(untagged)]
enum Cell<'a> {
    Text(Option<&'a str>),
    Sources(Vec<Source>),
    Rates(Value),
}

/// Where an entry stands.
#[derive(Serialize)]
struct Source {
    place: String,
    /// A workbook stores doubles: the shortest decimal that reads back as the same one was taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    read_from_doubles: Vec<&'static str>,
}

fn part(report: &Report<'_>, part: &Part<'_>) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    for (number, (discrepancy, cells)) in part.lines().enumerate() {
        out.extend_from_slice(if part.is_first && number == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut out, &object(report, discrepancy, cells))?;
    }
    Ok(out)
}

fn object<'a>(
    report: &Report<'_>,
    discrepancy: &Discrepancy,
    cells: impl Iterator<Item = &'a str>,
) -> BTreeMap<&'static str, Cell<'a>> {
    let texts = cells.map(|cell| Cell::Text(Some(cell).filter(|cell| !cell.is_empty())));
    let mut object: BTreeMap<&str, Cell<'_>> = COLUMNS.into_iter().zip(texts).collect();
    for (name, side) in [("invoice_source", Side::Invoice), ("settlement_source", Side::Settlement)] {
        let ledger = report.book.ledger(side);
        let sources = line::sources(discrepancy, side).map(|entry| Source {
            place: ledger.source(entry),
            read_from_doubles: ledger.doubles(entry).map(|role| role.name()).collect(),
        });
        object.insert(name, Cell::Sources(sources.collect()));
    }
    // Only where there was something to convert: most discrepancies are in one currency.
    let rates = rates_used(report.book, discrepancy);
    if !rates.is_empty() {
        object.insert("rates", Cell::Rates(json!(rates)));
    }
    object
}
