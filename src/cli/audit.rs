//! What a person asks of the audit log, and what he sees of it.

use std::path::PathBuf;

use super::print::Printer;
use crate::fault::{Kind, Result, shown};
use crate::report::to_json;
use crate::serve::audit::{Verified, verify};

/// Check that the audit log is whole: no line changed, missing, moved, put in or cut off
///
/// Reads the files in the order in which they are given, as one chain: those
/// that were put aside by their names, then the current one. What is missing
/// before the first line or after the last cannot be seen from inside; for that,
/// keep hashes of lines elsewhere, and give them with --anchor.
///
/// Exit codes: 0 whole, 2 usage, 3 not whole or not readable, 70 a bug of
/// tieout.
#[derive(clap::Args)]
pub(super) struct AuditVerify {
    /// The files, the oldest first
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// The hash of a line that must be there, as it was kept elsewhere (may be repeated)
    #[arg(long, value_name = "HASH")]
    anchor: Vec<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl AuditVerify {
    /// Prints what is found, and gives the exit code.
    pub(super) fn run(&self, printer: &mut Printer) -> Result<u8> {
        let found = verify(&self.files, &self.anchor)?;
        if self.json {
            printer.line(&to_json(&found)?);
        } else {
            told(&found).iter().for_each(|line| printer.line(line));
        }
        Ok(if found.whole { 0 } else { Kind::Input.exit_code() })
    }
}

fn told(found: &Verified) -> Vec<String> {
    let mut lines: Vec<String> = found.troubles.iter().map(ToString::to_string).collect();
    let untold = found.troubles_in_all.saturating_sub(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    if untold > 0 {
        lines.push(format!("and {untold} more"));
    }
    lines.extend(found.torn.iter().map(|place| {
        format!(
            "{}:{}: torn when the server or the machine stopped, as the line behind it says",
            place.file.display(),
            place.line
        )
    }));
    let lines_read = format!("{} line{}", found.lines, if found.lines == 1 { "" } else { "s" });
    let times = match (&found.first_time, &found.last_time) {
        (Some(first), Some(last)) => format!(", {} to {}", shown(first), shown(last)),
        _ => String::new(),
    };
    lines.push(match found.troubles_in_all {
        0 => format!("whole: {lines_read}{times}"),
        1 => format!("not whole, by 1 trouble: {lines_read}{times}"),
        troubles => format!("not whole, by {troubles} troubles: {lines_read}{times}"),
    });
    if let (Some(number), Some(previous)) =
        (found.first_number.filter(|number| *number != 1), &found.first_previous)
    {
        lines.push(format!("begins with line {number}: those before it end with hash {}", shown(previous)));
    }
    if let (Some(number), Some(hash)) = (found.last_number, &found.last_hash) {
        lines.push(format!("ends with line {number}, hash {hash}"));
    }
    lines
}
