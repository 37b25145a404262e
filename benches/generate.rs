//! Writes a reconciliation of any size, with the truth about it:
//!
//! ```text
//! cargo bench --bench generate -- ROWS DIRECTORY [--share PERCENT] [--xlsx]
//! ```
//!
//! Two rows in a hundred differ, or as many as `--share` says; `truth.csv` says which, and how. `truth-rejects.csv` says
//! which rows cannot be read. `--xlsx` writes the invoices as a workbook, which has room for a million lines.
#![expect(clippy::print_stderr, reason = "a program for the command line")]

mod generator;

use std::io::Result;
use std::path::PathBuf;
use std::process::ExitCode;

use generator::{Job, generate};

const USAGE: &str = "usage: cargo bench --bench generate -- ROWS DIRECTORY [--share PERCENT] [--xlsx]";

fn job() -> Option<(Job, PathBuf)> {
    let mut job = Job { rows: 0, share: 2, workbook: false };
    let (mut rows, mut folder) = (None, None);
    // `cargo bench` adds a flag of its own.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--share" => {
                job.share = arguments.next()?.parse().ok().filter(|share| (0..=50).contains(share))?
            }
            "--xlsx" => job.workbook = true,
            _ if rows.is_none() => rows = Some(argument.parse().ok().filter(|&rows| rows > 0)?),
            _ if folder.is_none() => folder = Some(PathBuf::from(argument)),
            _ => return None,
        }
    }
    job.rows = rows?;
    Some((job, folder?))
}

fn main() -> Result<ExitCode> {
    let Some((job, folder)) = job() else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    generate(&job, &folder)?;
    Ok(ExitCode::SUCCESS)
}
