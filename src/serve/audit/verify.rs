//! Holds a chain against itself, line by line, in whatever memory there is.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::chain::{self, Link, MOST_BYTES, NONE, Seen, Unlike};
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result};

/// Troubles that are told one by one; more of them are counted.
const MOST_TOLD: usize = 1000;

/// What a chain was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether nothing is wrong with it.
    pub whole: bool,
    /// Lines that were read.
    pub lines: u64,
    /// When the first of them was written.
    pub first_time: Option<String>,
    /// And the last.
    pub last_time: Option<String>,
    /// The number of the first line: 1 where the chain is there from its beginning.
    pub first_number: Option<u64>,
    /// The number of the last line.
    pub last_number: Option<u64>,
    /// The hash that the first line names as the one before.
    pub first_previous: Option<String>,
    /// The hash of the last line: what to keep elsewhere.
    pub last_hash: Option<String>,
    /// What a crash left behind, which a line behind it owns up to; no trouble.
    pub torn: Vec<Place>,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
    /// How much is wrong; `troubles` tells the first 1,000 of it.
    pub troubles_in_all: u64,
}

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line of it, from 1.
    pub line: u64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The number that the line has in the chain, where it can be read.
    pub number: Option<u64>,
    /// What.
    pub kind: TroubleKind,
    /// The same in a sentence.
    pub says: String,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TroubleKind {
    /// The line's hash is not that of its bytes.
    Changed,
    /// It is no audit line, and no crash that the log tells of left it behind.
    Unreadable,
    /// The last line of a file has no end.
    CutOff,
    /// Lines are missing before it.
    Missing,
    /// It, or the line before, was put in or written anew: the number is right, and the hash before is another.
    Replaced,
    /// It stands elsewhere in the chain, or is there twice.
    OutOfPlace,
    /// The hash before is right, and the number is not.
    Renumbered,
    /// A hash that was asked for is that of no line.
    AnchorMissing,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.file.display(), self.place.line, self.says)
    }
}

/// Holds the chain in `files`, in their order, against itself, and looks for the lines whose hashes are `anchors`.
///
/// # Errors
/// [`Kind::Input`] where a file cannot be read. What is wrong with the chain is no error: it is what was asked for.
pub fn verify(files: &[PathBuf], anchors: &[String]) -> Result<Verified> {
    let anchors = anchors.iter().map(|anchor| read_anchor(anchor)).collect::<Result<_>>()?;
    let mut walk = Walk { anchors, ..Walk::default() };
    for path in files {
        walk.file(path).map_err(|error| {
            Fault::new(Kind::Input, "the audit log cannot be read").at(path.display()).because(error)
        })?;
    }
    Ok(walk.finish())
}

fn read_anchor(text: &str) -> Result<String> {
    let anchor = text.trim().to_ascii_lowercase();
    if anchor.len() == NONE.len() && anchor.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(anchor);
    }
    Err(Fault::new(Kind::Usage, "this is no hash of a line")
        .at("--anchor")
        .value(text)
        .expected("64 hexadecimal digits, as the member `hash` of a line has them"))
}

/// How far the reading is.
#[derive(Default)]
struct Walk {
    found: Verified,
    anchors: BTreeSet<String>,
    place: Option<Place>,
    /// The last line that stood in its place.
    end: Option<Link>,
    /// Lines since then that are none, and may have been lines: as many may be missing after it.
    disturbed: u64,
    /// Whether the next line is the first of its file.
    begins: bool,
    run: Option<Run>,
}

/// Bytes one after the other that are no lines. A crash may have left them; then the next line says so.
struct Run {
    bytes: u64,
    /// Over all but a last line feed, which was put there so that the next line could begin.
    sha: Sha256,
    has_line_feed: bool,
    troubles: Vec<Trouble>,
    in_all: u64,
}

impl Walk {
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let mut reader = BufReader::with_capacity(1 << 16, File::open(path)?);
        self.begins = true;
        let mut line = Vec::new();
        for number in 1.. {
            self.place = Some(Place { file: path.to_owned(), line: number });
            line.clear();
            // What is longer than any line is looked at piece by piece.
            let count = io::Read::take(&mut reader, MOST_BYTES).read_until(b'\n', &mut line)?;
            if count == 0 {
                break;
            }
            self.line(&line);
        }
        // A file that is put aside ends with a whole line.
        self.settle();
        Ok(())
    }

    fn line(&mut self, bytes: &[u8]) {
        self.found.lines += 1;
        let Some(text) = bytes.strip_suffix(b"\n") else {
            let number = chain::read(bytes).ok().map(|seen| seen.number);
            let says = "the line is cut off: it has no end".to_owned();
            return self.unlike(bytes, TroubleKind::CutOff, number, says);
        };
        match chain::read(text) {
            Ok(seen) => self.seen(&seen),
            Err(Unlike::Unreadable) => {
                let says = "this is no line of an audit log".to_owned();
                self.unlike(bytes, TroubleKind::Unreadable, None, says);
            }
            Err(Unlike::Changed(seen)) => {
                let says = format!("line {} was changed: its hash is not that of its bytes", seen.number);
                self.unlike(bytes, TroubleKind::Changed, Some(seen.number), says);
            }
        }
    }

    /// A line that is none: kept back until the next one has been heard.
    fn unlike(&mut self, bytes: &[u8], kind: TroubleKind, number: Option<u64>, says: String) {
        let trouble = self.trouble(kind, number, says);
        let run = self.run.get_or_insert_with(|| Run {
            bytes: 0,
            sha: Sha256::new(),
            has_line_feed: false,
            troubles: Vec::new(),
            in_all: 0,
        });
        run.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if std::mem::take(&mut run.has_line_feed) {
            run.sha.update(b"\n");
        }
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        run.has_line_feed = text.len() < bytes.len();
        run.sha.update(text);
        run.in_all += 1;
        if run.troubles.len() < MOST_TOLD {
            run.troubles.extend(trouble);
        }
    }

    /// Nothing owns up to what was kept back.
    fn settle(&mut self) {
        if let Some(run) = self.run.take() {
            self.disturbed += run.in_all;
            self.found.troubles_in_all += run.in_all;
            let room = MOST_TOLD.saturating_sub(self.found.troubles.len());
            self.found.troubles.extend(run.troubles.into_iter().take(room));
        }
    }

    fn seen(&mut self, seen: &Seen) {
        match self.run.take() {
            Some(run) if owns_up(seen, &run) => {
                self.found.torn.extend(run.troubles.into_iter().next().map(|trouble| trouble.place));
            }
            run => {
                self.run = run;
                self.settle();
                if seen.event == "torn" {
                    let says = format!("what line {} says was torn is not before it", seen.number);
                    self.wrong(TroubleKind::Missing, seen.number, says);
                }
            }
        }
        self.anchors.remove(&seen.hash);
        let found = &mut self.found;
        found.first_time.get_or_insert_with(|| seen.time.clone());
        found.first_number.get_or_insert(seen.number);
        found.first_previous.get_or_insert_with(|| seen.previous.clone());
        let begins = std::mem::take(&mut self.begins);
        if self.fits(seen, begins) {
            self.end = Some(seen.link());
            self.disturbed = 0;
            self.found.last_time = Some(seen.time.clone());
            self.found.last_number = Some(seen.number);
            self.found.last_hash = Some(seen.hash.clone());
        }
    }

    /// Holds a line against the one before it. Whether it is where the next one goes on.
    fn fits(&mut self, seen: &Seen, begins: bool) -> bool {
        let number = seen.number;
        let Some(end) = self.end.clone() else {
            // Where a chain is not there from its beginning, nothing is known of what was before.
            if (number == 1) != (seen.previous == NONE) {
                let says = format!("line {number} names the hash {} as the one before", seen.previous);
                self.wrong(TroubleKind::Replaced, number, says);
            }
            return true;
        };
        let next = end.number.saturating_add(1);
        let follows = seen.previous == end.hash;
        if follows && number == next {
            return true;
        }
        if follows {
            let says = format!("line {number} follows line {}, and is not its next by number", end.number);
            self.wrong(TroubleKind::Renumbered, number, says);
            return true;
        }
        if number > next {
            // What stands in between and is no line was told already.
            if number - next > self.disturbed {
                let says = if number == next + 1 {
                    format!("line {next} is missing before line {number}")
                } else {
                    format!("lines {next} to {} are missing before line {number}", number - 1)
                };
                self.wrong(TroubleKind::Missing, number, says);
            }
            return true;
        }
        if number == next {
            if self.disturbed == 0 {
                let says = format!(
                    "line {number} does not follow line {}: one of the two was put in or written anew",
                    end.number
                );
                self.wrong(TroubleKind::Replaced, number, says);
            }
            return true;
        }
        let says = if begins {
            format!(
                "the file begins with line {number}, and line {next} was to come: are the files in order?"
            )
        } else {
            format!("line {number} stands where line {next} was to come: it was moved, or is there twice")
        };
        self.wrong(TroubleKind::OutOfPlace, number, says);
        // A line that was moved is left out; a file is gone on with.
        begins
    }

    fn wrong(&mut self, kind: TroubleKind, number: u64, says: String) {
        let trouble = self.trouble(kind, Some(number), says);
        self.found.troubles_in_all += 1;
        if self.found.troubles.len() < MOST_TOLD {
            self.found.troubles.extend(trouble);
        }
    }

    fn trouble(&self, kind: TroubleKind, number: Option<u64>, says: String) -> Option<Trouble> {
        self.place.clone().map(|place| Trouble { place, number, kind, says })
    }

    fn finish(mut self) -> Verified {
        for anchor in std::mem::take(&mut self.anchors) {
            let says = format!("no line has the hash {anchor}: the chain was cut off, or written anew");
            let trouble = self.trouble(TroubleKind::AnchorMissing, None, says);
            self.found.troubles_in_all += 1;
            self.found.troubles.extend(trouble);
        }
        self.found.whole = self.found.troubles_in_all == 0;
        self.found
    }
}

/// Whether a line says that a crash left `run` behind.
fn owns_up(seen: &Seen, run: &Run) -> bool {
    let told = |name: &str| seen.arguments.get(name);
    let (bytes, sha256) = (told("bytes").and_then(|bytes| bytes.as_u64()), told("sha256"));
    seen.event == "torn"
        && bytes.is_some_and(|bytes| bytes.checked_add(1) == Some(run.bytes))
        && sha256.and_then(|sha256| sha256.as_str()) == Some(&hexadecimal(&run.sha.clone().finalize()))
}
