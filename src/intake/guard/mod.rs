//! Looks a workbook over before calamine reads it: what format it is, whether a password locks it, and
//! whether reading it would take more memory than any honest workbook does.
//!
//! A panic can be caught; running out of memory ends the process, and a few thousand bytes of a workbook
//! can state or unfold into any amount of it.

mod ods;
mod xls;
mod zip;

use crate::fault::{Fault, Kind};

pub(super) use self::xls::unpack;
pub(super) use self::zip::{Format, inspect};

/// Cells that a sheet held in memory whole may span: as many as an .xls sheet has places.
const CELLS_MOST: u64 = 65_536 * 256;

pub(super) fn locked() -> Fault {
    Fault::new(Kind::Input, "the workbook is protected by a password")
        .next("open it in Excel, remove the password under File > Info > Protect Workbook, and save it")
}

pub(super) fn unreadable(error: impl Into<anyhow::Error>) -> Fault {
    Fault::new(Kind::Input, "the workbook cannot be read")
        .because(error)
        .next("open it in Excel and save it again as .xlsx, or ask for it as .csv")
}

fn broken(error: impl Into<anyhow::Error>) -> Fault {
    Fault::new(Kind::Input, "the workbook is damaged or cut off")
        .because(error)
        .next("ask for the file again, or open it in Excel and save it again as .xlsx")
}

fn absurd(what: &str) -> Fault {
    Fault::new(Kind::Input, what)
        .next("do not open it unless you trust its sender; ask for the data as .csv or as a plain .xlsx")
}
