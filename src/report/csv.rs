//! `discrepancies.csv`: one row per discrepancy.

use std::borrow::Cow;

use super::discrepancies::{Part, Writing};
use super::{COLUMNS, Report};

pub(super) const WRITING: Writing = Writing { file: "discrepancies.csv", head, part, foot: b"" };

fn head() -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    row(&csv_core::Writer::new(), COLUMNS.into_iter(), &mut out);
    Ok(out)
}

fn part(_: &Report<'_>, part: &Part<'_>) -> anyhow::Result<Vec<u8>> {
    let core = csv_core::Writer::new();
    let mut out = Vec::with_capacity(part.bytes() * 9 / 8);
    part.lines().for_each(|(_, cells)| row(&core, cells, &mut out));
    Ok(out)
}

/// Appends a row. There may be many: cells go straight to where they are wanted, not through the buffers of a writer.
fn row<'c>(core: &csv_core::Writer, cells: impl Iterator<Item = &'c str>, out: &mut Vec<u8>) {
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            out.push(core.get_delimiter());
        }
        let cell = neutral(cell);
        if core.should_quote(cell.as_bytes()) {
            quote(core, cell.as_bytes(), out);
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.push(b'\n');
}

/// Appends a cell in quotes.
fn quote(core: &csv_core::Writer, cell: &[u8], out: &mut Vec<u8>) {
    let quote = core.get_quote();
    out.push(quote);
    let start = out.len();
    // Each of its bytes may be a quote.
    out.resize(start + 2 * cell.len(), 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let (.., written) = csv_core::quote(cell, room, quote, core.get_escape(), core.get_double_quote());
    out.truncate(start + written);
    out.push(quote);
}

/// `cell` such that no spreadsheet takes it for a formula: text that begins
/// with one of `= + - @`, a tab or a carriage return gets an apostrophe in
/// front (OWASP, CSV injection). Negative numbers are numbers and stay.
#[must_use]
pub(super) fn neutral(cell: &str) -> Cow<'_, str> {
    // Nearly all cells begin so, or are blank.
    if cell.bytes().next().is_none_or(|first| first.is_ascii_alphanumeric()) {
        return Cow::Borrowed(cell);
    }
    let trigger =
        cell.trim_start_matches(' ').starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    let number = cell.strip_prefix('-').is_some_and(|rest| {
        !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && rest.bytes().filter(|&b| b == b'.').count() < 2
            && rest.starts_with(|c: char| c.is_ascii_digit())
    });
    if trigger && !number { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_as_a_writer_has_them(cells in vec("[ab=,;'\"\r\né-]{0,4}", 2..6)) {
            let mut out = Vec::new();
            row(&csv_core::Writer::new(), cells.iter().map(String::as_str), &mut out);
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(cells.iter().map(|cell| neutral(cell).into_owned())).unwrap();
            prop_assert_eq!(out, writer.into_inner().unwrap());
        }
    }

    #[test]
    fn formulas_are_neutralised_and_numbers_stay() {
        for formula in ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", " =1", "-", "-.5", "-1.2.3", "－1"] {
            assert_eq!(neutral(formula), format!("'{formula}"));
        }
        for text in ["", "-12.50", "-3", "12", "a=b", "D-4", "'=1"] {
            assert_eq!(neutral(text), text);
        }
    }
}
