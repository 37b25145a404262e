//! OpenDocument spreadsheets: a cell or a row may state how often it is repeated, and calamine repeats
//! it in memory.

use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{CELLS_MOST, absurd, broken};
use crate::fault::Result;

/// Bytes of a cell in memory, beside its text.
const CELL: u64 = 64;
/// Columns and rows beyond which calamine cuts repetitions off.
const COLUMNS: u64 = 16_384;
const ROWS: u64 = 1_048_576;

/// Adds up the memory that the cells of `content` will take.
pub(super) fn check(content: impl BufRead) -> Result<()> {
    let mut reader = Reader::from_reader(content);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_end_names = false;
    let mut buffer = Vec::new();
    let mut size = Size::default();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(broken)? {
            Event::Start(element) => size.start(&element),
            Event::End(element) => size.end(element.name().as_ref()),
            Event::Text(text) => size.text += text.len() as u64,
            Event::GeneralRef(_) => size.text += 4,
            Event::Eof => return Ok(()),
            _ => {}
        }
        if size.total > CELLS_MOST * CELL {
            return Err(absurd("the cells of the workbook repeat themselves beyond all measure"));
        }
    }
}

/// The memory that cells take, in bytes.
#[derive(Default)]
struct Size {
    total: u64,
    /// Of the row so far, up to its last cell that is not empty.
    row: u64,
    row_repeats: u64,
    /// Empty cells after that; they count once another cell follows.
    gap: u64,
    /// Empty rows since the last that was not.
    row_gap: u64,
    /// The widest row of the table: rows in a gap take as much.
    widest: u64,
    cell_repeats: u64,
    cell_is_empty: bool,
    /// Of the current cell.
    text: u64,
}

impl Size {
    fn start(&mut self, element: &BytesStart<'_>) {
        match element.name().as_ref() {
            "table:table" => (self.widest, self.row_gap) = (0, 0),
            "table:table-row" => {
                self.row_repeats = repeats(element, "table:number-rows-repeated").min(ROWS);
                (self.row, self.gap) = (0, 0);
            }
            "table:table-cell" | "table:covered-table-cell" => {
                self.cell_repeats = repeats(element, "table:number-columns-repeated").min(COLUMNS);
                let attributes = element.attributes_raw();
                self.cell_is_empty = !attributes.contains("office:") && !attributes.contains("table:formula");
                self.text = attributes.len() as u64;
            }
            "text:s" => self.text = self.text.saturating_add(repeats(element, "text:c")),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "table:table-cell" | "table:covered-table-cell" if self.cell_is_empty => {
                self.gap = self.gap.saturating_add(self.cell_repeats);
            }
            "table:table-cell" | "table:covered-table-cell" => {
                let cells = self.cell_repeats.saturating_mul(CELL.saturating_add(self.text));
                self.row = self.row.saturating_add(cells).saturating_add(self.gap.min(COLUMNS) * CELL);
                self.gap = 0;
            }
            "table:table-row" if self.row == 0 => {
                self.row_gap = self.row_gap.saturating_add(self.row_repeats).min(ROWS)
            }
            "table:table-row" => {
                self.widest = self.widest.max(self.row);
                let rows = self.row.saturating_mul(self.row_repeats + 1);
                self.total =
                    self.total.saturating_add(rows).saturating_add(self.row_gap.saturating_mul(self.widest));
                self.row_gap = 0;
            }
            _ => {}
        }
    }
}

fn repeats(element: &BytesStart<'_>, name: &str) -> u64 {
    let attribute = element.try_get_attribute(name).ok().flatten();
    attribute.and_then(|attribute| attribute.value.parse().ok()).unwrap_or(1)
}
