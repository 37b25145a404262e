//! Rows put aside as they are read, for those whose source cannot be read again here and there: a workbook is
//! compressed, another encoding has no places.

use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::{Digest, Mark, Origin, Row, Rows};
use crate::fault::{Fault, Kind, Result};
use crate::spill;

/// Rows that can be revisited, whatever they come from.
///
/// # Errors
/// [`Kind::Output`] where a temporary file in `folder` is needed and cannot be made.
pub fn revisitable(rows: Box<dyn Rows + Send>, folder: &Path) -> Result<Box<dyn Rows + Send>> {
    if rows.keeps_place() {
        return Ok(rows);
    }
    let file = BufWriter::with_capacity(1 << 18, spill::file(folder)?);
    Ok(Box::new(Shelf { rows, file, end: 0, bytes: Vec::new() }))
}

struct Shelf {
    rows: Box<dyn Rows + Send>,
    /// Rows one after another, each with its length in front.
    file: BufWriter<File>,
    end: u64,
    bytes: Vec<u8>,
}

impl Rows for Shelf {
    fn origin(&self) -> &Origin {
        self.rows.origin()
    }

    fn columns(&self) -> &[String] {
        self.rows.columns()
    }

    fn read(&mut self, row: &mut Row) -> Result<bool> {
        if !self.rows.read(row)? {
            return Ok(false);
        }
        row.place = self.end;
        self.bytes.clear();
        write(row, &mut self.bytes);
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.file
            .write_all(&length)
            .and_then(|()| self.file.write_all(&self.bytes))
            .map_err(spill::unwritable)?;
        self.end += (length.len() + self.bytes.len()) as u64;
        Ok(true)
    }

    fn digest(&self) -> Option<&Digest> {
        self.rows.digest()
    }

    fn keeps_place(&self) -> bool {
        true
    }

    fn revisit(&mut self, place: u64, row: &mut Row) -> Result<()> {
        let mut read = || {
            self.file.flush()?;
            let file = self.file.get_mut();
            file.seek(SeekFrom::Start(place))?;
            let mut length = [0; 4];
            file.read_exact(&mut length)?;
            self.bytes.resize(u32::from_le_bytes(length) as usize, 0);
            file.read_exact(&mut self.bytes)
        };
        read().map_err(spill::unreadable)?;
        restore(&self.bytes, row).ok_or_else(|| {
            Fault::new(Kind::Bug, "a row that was put aside is broken").at(self.origin()).value(place)
        })
    }
}

/// Cells and marks, each with their number in front, then the text.
fn write(row: &Row, bytes: &mut Vec<u8>) {
    let mut number = |n: u32| bytes.extend_from_slice(&n.to_le_bytes());
    number(u32::try_from(row.cells.len()).unwrap_or(u32::MAX));
    for &(start, end) in &row.cells {
        number(start);
        number(end);
    }
    number(u32::try_from(row.marks.len()).unwrap_or(u32::MAX));
    bytes.extend(row.marks.iter().map(|&mark| mark as u8));
    bytes.extend_from_slice(row.text.as_bytes());
}

fn restore(mut bytes: &[u8], row: &mut Row) -> Option<()> {
    row.clear();
    let mut number = || {
        let (number, rest) = bytes.split_first_chunk::<4>()?;
        bytes = rest;
        Some(u32::from_le_bytes(*number))
    };
    for _ in 0..number()? {
        row.cells.push((number()?, number()?));
    }
    let marks = number()? as usize;
    let (marks, text) = bytes.split_at_checked(marks)?;
    let mark = |&mark: &u8| {
        [Mark::Text, Mark::Double, Mark::Date, Mark::Error].into_iter().find(|&m| m as u8 == mark)
    };
    row.marks.extend(marks.iter().filter_map(mark));
    row.text.push_str(std::str::from_utf8(text).ok()?);
    Some(())
}
