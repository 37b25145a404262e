//! The discrepancies of a run, read back from the reports that it left, one by one.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use ::csv::{Position, Reader, StringRecord};

use super::csv::neutral;
use super::{COLUMNS, Format, Line};
use crate::fault::{Fault, Kind, Result};

/// A report that a run left. `discrepancies.json` goes before `discrepancies.csv`: it says what the sources say, and has all of them.
pub struct Back {
    path: PathBuf,
    length: u64,
    form: Form,
}

enum Form {
    Json(BufReader<File>, Vec<u8>),
    /// The columns of the file, by their places in [`COLUMNS`].
    Csv(Reader<File>, StringRecord, Vec<Option<usize>>),
}

/// Takes a discrepancy and the place where [`Back::again`] finds it; says whether to go on.
pub type Taking<'t> = dyn FnMut(u64, &Line<'_>) -> Result<bool> + 't;

impl Back {
    /// Opens the report in `directory`.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is none, [`Kind::Input`] where it is not as tieout writes it.
    pub fn open(directory: &Path) -> Result<Self> {
        for format in [Format::Json, Format::Csv] {
            let path = directory.join(format.writing().file);
            let file = match File::open(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                file => file.map_err(|error| unreadable(&path, error))?,
            };
            let length = file.metadata().map_err(|error| unreadable(&path, error))?.len();
            let form = match format {
                Format::Json => Form::Json(BufReader::new(file), Vec::new()),
                Format::Csv => {
                    let mut reader = Reader::from_reader(file);
                    let header = reader.headers().map_err(|error| unreadable(&path, error))?;
                    let place = |name: &str| COLUMNS.iter().position(|column| *column == name);
                    let places: Vec<Option<usize>> = header.iter().map(place).collect();
                    if places.first() != Some(&Some(0)) {
                        return Err(foreign(&path));
                    }
                    Form::Csv(reader, StringRecord::new(), places)
                }
            };
            return Ok(Self { path, length, form });
        }
        Err(Fault::new(Kind::Usage, "there is no report of a run")
            .at(directory.display())
            .expected("discrepancies.json or discrepancies.csv, as tieout reconcile writes them")
            .next("reconcile first, or name the directory of the reports"))
    }

    /// The length of the file, in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Gives every discrepancy to `take`, in the order of the report, until it has enough.
    ///
    /// # Errors
    /// [`Kind::Input`] where the file is not as tieout writes it, and whatever `take` returns.
    pub fn each(&mut self, take: &mut Taking<'_>) -> Result<()> {
        self.go_to(0)?;
        while self.next(take)? {}
        Ok(())
    }

    /// Gives the discrepancy at a place to `take` again.
    ///
    /// # Errors
    /// As [`Self::each`].
    pub fn again(&mut self, place: u64, take: &mut Taking<'_>) -> Result<()> {
        self.go_to(place)?;
        self.next(take).map(drop)
    }

    fn go_to(&mut self, place: u64) -> Result<()> {
        match &mut self.form {
            Form::Json(file, _) => {
                file.seek(SeekFrom::Start(place)).map(drop).map_err(|error| unreadable(&self.path, error))
            }
            Form::Csv(reader, ..) => {
                let mut position = Position::new();
                position.set_byte(place);
                reader.seek(position).map_err(|error| unreadable(&self.path, error))?;
                // The header is at the start, and no discrepancy.
                if place == 0 {
                    let mut header = StringRecord::new();
                    reader.read_record(&mut header).map_err(|error| unreadable(&self.path, error))?;
                }
                Ok(())
            }
        }
    }

    /// Whether there was one, and `take` wants more.
    fn next(&mut self, take: &mut Taking<'_>) -> Result<bool> {
        let path = &self.path;
        match &mut self.form {
            // One to a line, as `json::write` has them, between two lines with a bracket.
            Form::Json(file, line) => loop {
                let place = file.stream_position().map_err(|error| unreadable(path, error))?;
                line.clear();
                if file.read_until(b'\n', line).map_err(|error| unreadable(path, error))? == 0 {
                    return Ok(false);
                }
                let object = line.trim_ascii_end();
                let object = object.strip_suffix(b",").unwrap_or(object);
                if matches!(object, b"" | b"[" | b"]") {
                    continue;
                }
                let line: Line<'_> =
                    serde_json::from_slice(object).map_err(|error| foreign(path).because(error))?;
                return take(place, &line);
            },
            Form::Csv(reader, record, places) => {
                let place = reader.position().byte();
                if !reader.read_record(record).map_err(|error| unreadable(path, error))? {
                    return Ok(false);
                }
                let cells = places.iter().zip(record.iter());
                let cells = cells.filter_map(|(at, cell)| at.map(|at| (at, Cow::Borrowed(spoken(cell)))));
                take(place, &Line::of_cells(cells))
            }
        }
    }
}

/// A cell without the apostrophe that keeps spreadsheets from running it.
fn spoken(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| matches!(neutral(rest), Cow::Owned(_))).unwrap_or(cell)
}

fn unreadable(path: &Path, error: impl Into<anyhow::Error>) -> Fault {
    Fault::new(Kind::Input, "the report cannot be read").at(path.display()).because(error)
}

fn foreign(path: &Path) -> Fault {
    Fault::new(Kind::Input, "the report is not as tieout writes it")
        .at(path.display())
        .next("reconcile again, and leave the reports as they are")
}
