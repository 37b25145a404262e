//! Some of the discrepancies in a file of their own, for finance.

use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use rust_xlsxwriter::{Format as Style, Workbook};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::csv::neutral;
use super::{COLUMNS, Line};
use crate::fault::{Fault, Kind, Result};
use crate::money::{self, Decimal, DecimalMark};

/// What an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A table of text, as `discrepancies.csv`.
    Csv,
    /// A list of objects, as `discrepancies.json`.
    Json,
    /// A workbook.
    Xlsx,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "xlsx" => Ok(Self::Xlsx),
            _ => Err("csv, json or xlsx".to_owned()),
        }
    }
}

impl Form {
    /// What a file is to be by its name.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        path.extension()?.to_str()?.parse().ok()
    }
}

/// Rows of a sheet, its header among them (ECMA-376 leaves it open; Excel has so many).
const ROWS: u32 = 1_048_576;

/// Digits that a double keeps of every decimal (IEEE 754 binary64).
const DIGITS: usize = 15;

/// An export under way. What is added and not finished is nothing.
pub struct Sheet<'w>(Writer<'w>);

enum Writer<'w> {
    Csv(Box<::csv::Writer<&'w mut (dyn Write + Send)>>),
    /// How many there are.
    Json(&'w mut (dyn Write + Send), u64),
    Xlsx(Box<Workbook>, &'w mut (dyn Write + Send), u32, Vec<Style>),
}

impl<'w> Sheet<'w> {
    /// Begins an export that goes to `out`.
    ///
    /// # Errors
    /// Where `out` does not take it.
    pub fn new(form: Form, out: &'w mut (dyn Write + Send)) -> anyhow::Result<Self> {
        Ok(Self(match form {
            Form::Csv => {
                let mut writer = ::csv::Writer::from_writer(out);
                writer.write_record(COLUMNS)?;
                Writer::Csv(Box::new(writer))
            }
            Form::Json => {
                out.write_all(b"[")?;
                Writer::Json(out, 0)
            }
            Form::Xlsx => {
                let mut workbook = Workbook::new();
                // Rows go to a temporary file as they come: a sheet may have a million.
                let sheet = workbook.add_worksheet_with_constant_memory()?.set_name("Discrepancies")?;
                let bold = Style::new().set_bold();
                sheet.set_freeze_panes(1, 0)?;
                for (column, name) in (0_u16..).zip(COLUMNS) {
                    sheet.set_column_width(column, if name == "explanation" { 80 } else { 18 })?;
                    sheet.write_string_with_format(0, column, name, &bold)?;
                }
                Writer::Xlsx(Box::new(workbook), out, 0, Vec::new())
            }
        }))
    }

    /// Adds a discrepancy.
    ///
    /// # Errors
    /// Where the file does not take it; a sheet has room for 1,048,575.
    pub fn add(&mut self, line: &Line<'_>) -> anyhow::Result<()> {
        match &mut self.0 {
            Writer::Csv(writer) => {
                for cell in line.cells() {
                    writer.write_field(neutral(cell).as_bytes())?;
                }
                writer.write_record(None::<&[u8]>)?;
            }
            Writer::Json(out, count) => {
                out.write_all(if *count == 0 { b"\n" } else { b",\n" })?;
                serde_json::to_writer(&mut **out, line)?;
                *count += 1;
            }
            Writer::Xlsx(workbook, _, row, styles) => {
                *row += 1;
                if *row >= ROWS {
                    return Err(Fault::new(Kind::Output, "a sheet has no room for so many discrepancies")
                        .expected("at most 1,048,575")
                        .next("narrow them, or export csv")
                        .into());
                }
                let sheet = workbook.worksheet_from_index(0)?;
                for ((column, name), cell) in (0_u16..).zip(COLUMNS).zip(line.cells()) {
                    match number(name, cell) {
                        Some((value, places)) => {
                            while styles.len() <= places {
                                styles.push(style(styles.len()));
                            }
                            match styles.get(places) {
                                Some(style) => sheet.write_number_with_format(*row, column, value, style)?,
                                None => sheet.write_number(*row, column, value)?,
                            };
                        }
                        None if cell.is_empty() => {}
                        // A text cell is no formula, but may become one where it is copied to.
                        None => drop(sheet.write_string(*row, column, clipped(&neutral(cell)))?),
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// Where `out` does not take it.
    pub fn finish(self) -> anyhow::Result<()> {
        match self.0 {
            Writer::Csv(mut writer) => writer.flush()?,
            Writer::Json(out, _) => out.write_all(b"\n]\n")?,
            Writer::Xlsx(mut workbook, out, row, _) => {
                let last = u16::try_from(COLUMNS.len()).unwrap_or(u16::MAX) - 1;
                workbook.worksheet_from_index(0)?.autofilter(0, 0, row, last)?;
                workbook.save_to_writer(out)?;
            }
        }
        Ok(())
    }
}

/// A number cell, and its digits behind the point; `None` for text, and for a number that a double would not keep.
fn number(column: &str, cell: &str) -> Option<(f64, usize)> {
    let is_number =
        ["quantity_", "price_", "amount_", "variance"].into_iter().any(|start| column.starts_with(start));
    let value: Decimal = money::parse(cell, DecimalMark::Point).ok().filter(|_| is_number)?.value;
    let digits = money::canonical(value).0.unsigned_abs().to_string().len();
    let places = usize::try_from(value.scale()).ok()?;
    Some((cell.parse().ok()?, places)).filter(|_| digits <= DIGITS)
}

/// `#,##0.00` for two digits behind the point.
fn style(places: usize) -> Style {
    let point = if places == 0 { "" } else { "." };
    Style::new().set_num_format(format!("#,##0{point}{}", "0".repeat(places)))
}

/// What a cell of Excel holds.
fn clipped(text: &str) -> String {
    const MOST: usize = 32_767;
    match text.char_indices().nth(MOST - 1) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_text() {
        assert_eq!(number("amount_invoiced", "812.50"), Some((812.5, 2)));
        assert_eq!(number("variance", "-0.10"), Some((-0.1, 2)));
        assert_eq!(number("price_settled", "3"), Some((3.0, 0)));
        assert_eq!(number("amount_invoiced", "1234567890123456.7"), None, "a double ends before");
        assert_eq!(number("amount_invoiced", ""), None);
        assert_eq!(number("deal", "12"), None, "a deal may have zeros in front");
    }
}
