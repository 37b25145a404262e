//! `discrepancies.csv`: one row per discrepancy.

use std::borrow::Cow;

use super::discrepancies::{Part, Writing};
use super::{COLUMNS, Report};

pub(super) const WRITING: Writing = Writing { file: "discrepancies.csv", head, part, foot: b"" };

fn head() -> anyhow::Result<Vec<u8>> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    Ok(writer.into_inner()?)
}

fn part(_: &Report<'_>, part: &Part<'_>) -> anyhow::Result<Vec<u8>> {
    // What has room in the writer's memory, with all that quotes could add, is written many times faster.
    let room = part.bytes() * 2;
    let mut writer = ::csv::WriterBuilder::new().buffer_capacity(room).from_writer(Vec::new());
    let mut row = ::csv::ByteRecord::new();
    for (_, cells) in part.lines() {
        row.clear();
        for cell in cells {
            row.push_field(neutral(cell).as_bytes());
        }
        writer.write_byte_record(&row)?;
    }
    Ok(writer.into_inner()?)
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
    use super::neutral;

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
