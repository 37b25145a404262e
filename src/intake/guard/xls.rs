//! Workbooks of before 2007: BIFF records (MS-XLS) in a compound file (MS-CFB).

use std::io::{Cursor, Read, Seek, Write as _};

use cfb::{CompoundFile, Version};

use super::{CELLS_MOST, absurd, broken, locked};
use crate::fault::{Fault, Kind, Result};

/// The records that matter here (MS-XLS 2.3), and which of them hold cells.
const BOUND_SHEET: u16 = 0x0085;
const DIMENSIONS: u16 = 0x0200;
const BEGIN: u16 = 0x0809;
const END: u16 = 0x000A;
const MANY: u16 = 0x00BD;
const CELLS: [u16; 8] = [0x0006, 0x00D6, 0x00FD, 0x0203, 0x0204, 0x0205, 0x027E, MANY];

/// Takes the workbook out of the compound file `file` and puts it into a clean one: calamine follows
/// chains of sectors without asking whether they ever end.
pub(in super::super) fn unpack(file: impl Read + Seek) -> Result<Cursor<Vec<u8>>> {
    let mut outer = CompoundFile::open(file).map_err(broken)?;
    if outer.exists("/EncryptedPackage") {
        return Err(locked());
    }
    let Some(name) = ["/Workbook", "/Book"].into_iter().find(|name| outer.is_stream(name)) else {
        return Err(Fault::new(Kind::Input, "the file holds no workbook")
            .expected("CSV text, or a workbook (.xlsx, .xlsb, .xls, .ods)")
            .next("open it in the program that made it, and save the table as .xlsx or .csv"));
    };
    let mut records = Vec::new();
    outer.open_stream(name).and_then(|mut stream| stream.read_to_end(&mut records)).map_err(broken)?;
    check(&records)?;
    let mut inner =
        CompoundFile::create_with_version(Version::V3, Cursor::new(Vec::new())).map_err(broken)?;
    inner.create_stream(name).and_then(|mut stream| stream.write_all(&records)).map_err(broken)?;
    inner.flush().map_err(broken)?;
    Ok(inner.into_inner())
}

/// The records of a stream, up to its end or to the first that is cut off.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[kind, kind_high, length, length_high], rest) = self.0.split_first_chunk()?;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([length, length_high])))?;
        self.0 = rest;
        Some((u16::from_le_bytes([kind, kind_high]), data))
    }
}

fn check(stream: &[u8]) -> Result<()> {
    let globals = Records(stream).take_while(|(kind, _)| *kind != END);
    let sheets = globals.filter(|(kind, _)| *kind == BOUND_SHEET).map(|(_, data)| u32_at(data, 0));
    let (mut span, mut walked) = (0_u64, 0_u64);
    for start in sheets {
        let sheet = usize::try_from(start).ok().and_then(|start| stream.get(start..)).unwrap_or_default();
        span = span.saturating_add(check_sheet(sheet, &mut walked)?);
        if span > CELLS_MOST {
            return Err(absurd("the sheets of the workbook span more cells than memory should hold"));
        }
        if walked > stream.len() as u64 {
            return Err(absurd("the sheets of the workbook lie over one another"));
        }
    }
    Ok(())
}

/// How many places the cells of a sheet span.
fn check_sheet(sheet: &[u8], walked: &mut u64) -> Result<u64> {
    let (mut begun, mut depth) = (false, 0_u32);
    let (mut top, mut bottom, mut left, mut right) = (u64::MAX, 0, u64::MAX, 0);
    for (kind, data) in Records(sheet) {
        *walked += data.len() as u64 + 4;
        match kind {
            // Charts in the sheet are sheets of their own, with cells that are not the sheet's.
            BEGIN if begun => depth += 1,
            BEGIN => begun = true,
            END if depth == 0 => break,
            END => depth -= 1,
            _ if depth > 0 => {}
            // Room for what is stated here is made at once (MS-XLS 2.4.90; ten bytes before BIFF8).
            DIMENSIONS => {
                let (top, bottom, left, right) = match data.len() {
                    10 => (u16_at(data, 0).into(), u16_at(data, 2).into(), u16_at(data, 4), u16_at(data, 6)),
                    _ => (u32_at(data, 0), u32_at(data, 4), u16_at(data, 8), u16_at(data, 10)),
                };
                // Real files state odd columns; calamine then counts from the first.
                let columns = right.checked_sub(left).filter(|_| left < 256).unwrap_or(right);
                let rows = bottom.checked_sub(top).map(u64::from);
                if rows.is_none_or(|rows| rows * u64::from(columns) > CELLS_MOST) {
                    return Err(absurd("a sheet of the workbook states more cells than there can be"));
                }
            }
            _ if CELLS.contains(&kind) => {
                let (row, column) = (u64::from(u16_at(data, 0)), u64::from(u16_at(data, 2)));
                // MulRk (MS-XLS 2.4.175): row, first column, six bytes a cell, last column.
                let more = if kind == MANY { data.len() as u64 / 6 } else { 0 };
                (top, bottom) = (top.min(row), bottom.max(row));
                (left, right) = (left.min(column), right.max(column + more));
            }
            _ => {}
        }
    }
    Ok(if top > bottom { 0 } else { (bottom - top + 1).saturating_mul(right - left + 1) })
}

fn u16_at(data: &[u8], at: usize) -> u16 {
    data.get(at..at + 2).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    data.get(at..at + 4).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
