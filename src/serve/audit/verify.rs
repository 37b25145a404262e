//! Whether an audit log is whole: no line changed, missing, inserted or in another place.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::chain::{GENESIS, hash_of, opened};
use crate::fault::{Fault, Kind, Result};

/// Find out whether an audit log is whole
///
/// Follows the chain of hashes through the files, in the order in which they
/// are given (the oldest first), and names each line that was changed, is
/// missing, was inserted, or was cut off. Whoever can write the files can also
/// write a whole new chain: compare the last hash with the one that was taken
/// to another machine.
///
/// Exit codes: 0 whole, 2 usage, 3 not whole.
#[derive(Clone, Debug, clap::Args)]
pub struct Verify {
    /// The files, the oldest first
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Whether the chain is whole.
    pub is_whole: bool,
    /// How many lines there are.
    pub lines: u64,
    /// The time of the first line.
    pub first: Option<String>,
    /// The time of the last one.
    pub last: Option<String>,
    /// What the first line holds on to: zeros where it is the first of all.
    pub begins_after: Option<String>,
    /// The hash of the last line, to be compared with what was kept elsewhere.
    pub last_hash: Option<String>,
    /// What is wrong, at most so many as a person reads.
    pub faults: Vec<String>,
    /// How much more is wrong.
    pub more_faults: u64,
}

/// So many faults are named.
const MOST: usize = 50;

impl Verify {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Kind::Usage`] where a file cannot be read.
    pub fn run(&self) -> Result<Verified> {
        let mut walk = Walk {
            number: None,
            hash: None,
            found: Verified {
                is_whole: true,
                lines: 0,
                first: None,
                last: None,
                begins_after: None,
                last_hash: None,
                faults: Vec::new(),
                more_faults: 0,
            },
        };
        for file in &self.files {
            walk.file(file)?;
        }
        let mut found = walk.found;
        found.is_whole = found.faults.is_empty();
        found.last_hash = walk.hash;
        Ok(found)
    }
}

struct Walk {
    number: Option<u64>,
    hash: Option<String>,
    found: Verified,
}

impl Walk {
    fn file(&mut self, path: &Path) -> Result<()> {
        let unread = |error: std::io::Error| {
            Fault::new(Kind::Usage, "the audit log cannot be read").at(path.display()).because(error)
        };
        let mut reader = BufReader::new(File::open(path).map_err(unread)?);
        let (mut bytes, mut row) = (Vec::new(), 0_u64);
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes).map_err(unread)? == 0 {
                return Ok(());
            }
            row += 1;
            let place = format!("{}:{row}", path.display());
            let Some(line) = bytes.strip_suffix(b"\n") else {
                self.fault(format!("{place}: the line is cut off"));
                return Ok(());
            };
            match std::str::from_utf8(line) {
                Ok(line) => self.line(&place, line),
                Err(_) => self.fault(format!("{place}: this is no text")),
            }
        }
    }

    fn line(&mut self, place: &str, line: &str) {
        self.found.lines += 1;
        let read = opened(line).and_then(|(body, hash)| {
            let value: Value = serde_json::from_str(&body).ok()?;
            let text = |name: &str| value.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
            Some((
                text("previous")?,
                value.get("number")?.as_u64()?,
                text("time")?,
                hash_of(&body),
                hash.to_owned(),
            ))
        });
        let Some((previous, number, time, own, stated)) = read else {
            self.fault(format!("{place}: this is no line of an audit log"));
            // What comes next is compared with what came before.
            return;
        };
        if own != stated {
            self.fault(format!(
                "{place}: line {number} was changed: its text has the hash {own}, and it says {stated}"
            ));
        }
        match &self.hash {
            None => {
                if (previous == GENESIS) != (number == 1) {
                    self.fault(format!("{place}: line {number} is not where it was written"));
                }
                self.found.begins_after = Some(previous);
            }
            Some(before) if *before != previous => {
                let expected = self.number.map_or(1, |number| number + 1);
                let what = match number {
                    number if number == expected => "the line before it was changed or exchanged".to_owned(),
                    number if number > expected => {
                        format!("the lines {expected} to {} are missing", number - 1)
                    }
                    _ => format!("it is out of order: line {expected} belongs here"),
                };
                self.fault(format!("{place}: line {number} does not follow the line before it: {what}"));
            }
            Some(_) => {}
        }
        self.found.first.get_or_insert_with(|| time.clone());
        self.found.last = Some(time);
        self.number = Some(number);
        self.hash = Some(stated);
    }

    fn fault(&mut self, text: String) {
        match self.found.faults.len() < MOST {
            true => self.found.faults.push(text),
            false => self.found.more_faults += 1,
        }
    }
}
