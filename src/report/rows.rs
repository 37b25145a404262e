//! A table as CSV, row by row, as it came.

use std::io::{self, Write};

use super::csv::neutral;

/// Writes rows; no spreadsheet takes a cell of them for a formula.
pub struct Rows<W: Write>(csv::Writer<W>);

impl<W: Write> Rows<W> {
    /// A table that goes to `out`.
    pub fn new(out: W) -> Self {
        Self(csv::WriterBuilder::new().flexible(true).from_writer(out))
    }

    /// Adds a row. One without cells is none.
    ///
    /// # Errors
    /// Where `out` does not take it.
    pub fn add<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) -> io::Result<()> {
        let mut cells = cells.into_iter().peekable();
        if cells.peek().is_none() {
            return Ok(());
        }
        for cell in cells {
            self.0.write_field(neutral(cell).as_bytes()).map_err(io::Error::other)?;
        }
        self.0.write_record(None::<&[u8]>).map_err(io::Error::other)
    }

    /// Writes out what is held back.
    ///
    /// # Errors
    /// Where `out` does not take it.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}
