//! In: an [`Outcome`] and the [`Book`] it speaks of. Out: bytes. Never: decides
//! anything, or leaves half a file where a reader could find it.
//!
//! To add a format: add a file with a [`Writing`](discrepancies::Writing), and a line in [`Format`].

mod aside;
mod back;
mod csv;
mod discrepancies;
mod documents;
mod explained;
mod export;
mod idle;
mod json;
mod line;
mod listed;
mod rates;
mod rejects;
mod rows;
mod screen;
mod summary;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::Serializer;
use tempfile::NamedTempFile;

use self::aside::Aside;
use self::discrepancies::Writing;
use crate::fault::{Fault, Kind, Result};
use crate::judge::{Discrepancy, Outcome, Tolerance};
use crate::matching::{Book, Pass};
use crate::money::{self, Decimal};
use crate::normalise::{Rates, Reject, Side};

pub use self::back::{Back, Taking};
pub use self::explained::{Cell, Compared, Explained, Part, Source, Tried, inputs_of};
pub use self::export::{Form, Sheet};
pub use self::json::{escaped_json, to_json};
pub use self::line::COLUMNS;
pub use self::listed::{Line, Listed, Place, first, with_line};
pub use self::rates::{RateUsed, rates_used};
pub use self::rejects::Rejected;
pub use self::rows::Rows;
pub use self::screen::screen;
pub use self::summary::{
    Direction, Documents, Groups, Immaterial, PassSummary, PatternSummary, Summary, Total, summary,
};
pub use self::table::{records_table, table};

/// An input, with what proves that it is the one that was read.
#[derive(Clone, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Input {
    /// Whose input it is.
    pub side: &'static str,
    /// The file or the operation, as reports name it.
    pub source: String,
    /// Bytes read.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// All that a report may speak of.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The name of the reconciliation.
    pub name: &'a str,
    /// The period, as dates; blank where none is set.
    pub period: &'a str,
    /// SHA-256 over the settings that decide the outcome.
    pub settings_digest: &'a str,
    /// What was read.
    pub inputs: &'a [Input],
    /// Both sides.
    pub book: &'a Book<'a>,
    /// The passes, for their names.
    pub passes: &'a [Pass],
    /// The tolerances, for their words.
    pub tolerances: &'a [Tolerance],
    /// Below this a variance is immaterial, in whatever currency it is.
    pub minimum: Option<Decimal>,
    /// What converts currencies, if anything does.
    pub rates: Option<&'a Rates>,
    /// What was found.
    pub outcome: &'a Outcome,
}

impl<'a> Report<'a> {
    /// The discrepancies that are listed: all but the immaterial ones.
    pub fn listed(&self) -> impl Iterator<Item = &'a Discrepancy> + use<'a> {
        let minimum = self.minimum;
        self.outcome.discrepancies().filter(move |discrepancy| discrepancy.is_material(minimum))
    }

    /// The rows of either side that were rejected.
    pub fn rejects(&self) -> impl Iterator<Item = &'a Reject> + use<'a> {
        let book = self.book;
        [Side::Invoice, Side::Settlement].into_iter().flat_map(|side| &book.ledger(side).rejects)
    }

    /// How many rows of either side were rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        [Side::Invoice, Side::Settlement]
            .into_iter()
            .map(|side| self.book.ledger(side).rejects.len() as u64)
            .sum()
    }
}

/// A form of the discrepancies.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Deserialize,
    serde::Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `discrepancies.csv`
    Csv,
    /// `discrepancies.json`
    Json,
}

/// Decimals are texts in JSON, so that no reader makes doubles of them.
fn as_text<S: Serializer>(value: &Option<Decimal>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.map(money::shown).unwrap_or_default())
}

/// Asked now and then whether to go on.
pub type Check<'c> = &'c (dyn Fn() -> Result<()> + Sync);

impl Format {
    const ALL: [Self; 2] = [Self::Csv, Self::Json];

    const fn writing(self) -> Writing {
        match self {
            Self::Csv => csv::WRITING,
            Self::Json => json::WRITING,
        }
    }
}

/// Writes the discrepancies in `formats`, the summary and the rejects into `directory`, which is made if need be.
/// Every file is written under a temporary name beside its own and renamed when it is whole; the
/// summary comes last, so that whoever finds a new summary finds all files new. `check` is asked now and then whether to go on.
///
/// # Errors
/// [`Kind::Output`] where a file cannot be written, and what `check` returns; what stood there before stays as it was.
pub fn write(
    report: &Report<'_>,
    directory: &Path,
    formats: &[Format],
    check: Check<'_>,
) -> Result<Vec<PathBuf>> {
    type Writer = fn(&Report<'_>, &mut dyn Write) -> anyhow::Result<()>;
    const OTHERS: [(&str, Writer); 3] = [
        ("documents.csv", documents::write),
        ("rejects.csv", rejects::write),
        ("summary.json", summary::write),
    ];
    std::fs::create_dir_all(directory).map_err(|error| {
        Fault::new(Kind::Output, "the output directory cannot be made")
            .at(directory.display())
            .because(error)
            .next("choose another with --output or [report] directory")
    })?;
    // All are whole, and on the disk, before the first gets its name.
    let (written, synced) = aside::beside(|disk| {
        rayon::join(
            || {
                let forms = formats.iter().map(|format| format.writing());
                let mut files = forms
                    .map(|form| Ok((form, Aside::open(directory, form.file, check, disk.clone())?)))
                    .collect::<Result<Vec<_>>>()?;
                discrepancies::write(report, &mut files)?;
                files.into_iter().map(|(_, file)| file.close()).collect::<Result<Vec<_>>>()
            },
            || {
                let write = |(name, writer): (&str, Writer)| {
                    let mut file = Aside::open(directory, name, check, disk.clone())?;
                    file.add(|out| writer(report, out))?;
                    file.close()
                };
                OTHERS.into_par_iter().map(write).collect::<Result<Vec<_>>>()
            },
        )
    })?;
    // Whatever the writers make of it: they ended since nobody wants it any more.
    check()?;
    let (discrepancies, others) = written;
    let ready = [discrepancies?, others?].into_iter().flatten();
    synced?;
    // What an earlier run wrote and this one does not would contradict it.
    for stale in Format::ALL.iter().filter(|format| !formats.contains(format)) {
        let path = directory.join(stale.writing().file);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Fault::new(Kind::Output, "the report of an earlier run cannot be removed")
                    .at(path.display())
                    .because(error)
                    .next("remove it by hand: this run does not write it anew"));
            }
            _ => {}
        }
    }
    ready
        .map(|(path, file)| match file.persist(&path) {
            Ok(_) => Ok(path),
            Err(error) => Err(Fault::new(Kind::Output, "the report cannot be put in its place")
                .at(path.display())
                .because(error.error)
                .next("see whether another program holds the file, and run again")),
        })
        .collect()
}

/// Writes one file by `fill`, under a temporary name beside its own, and renames it when it is whole. A link is
/// followed; what is no file (a device, a pipe) is written to as it is, and never replaced.
///
/// # Errors
/// What `fill` returns, and [`Kind::Output`] where the file cannot be written; what stood there before stays as it was.
pub fn write_file(path: &Path, fill: &mut dyn FnMut(&mut dyn Write) -> Result<()>) -> Result<()> {
    let failed = |error| unwritable(path, error);
    let existing = std::fs::metadata(path).ok();
    if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
        let mut through = || -> anyhow::Result<()> {
            let mut out = BufWriter::new(std::fs::OpenOptions::new().write(true).open(path)?);
            fill(&mut out)?;
            Ok(out.flush()?)
        };
        return through().map_err(failed);
    }
    let target = if existing.is_some() {
        path.canonicalize().map_err(|error| failed(error.into()))?
    } else {
        path.into()
    };
    let file = write_aside(folder(&target), &|| Ok(()), |out| Ok(fill(out)?)).map_err(failed)?;
    file.persist(&target).map(drop).map_err(|error| failed(error.error.into()))
}

/// Writes a file that is not there yet; otherwise as [`write_file`].
///
/// # Errors
/// As [`write_file`], and [`Kind::Output`] where something stands there already.
pub fn write_new_file(
    path: &Path,
    fill: &mut dyn FnMut(&mut (dyn Write + Send)) -> anyhow::Result<()>,
    force: bool,
) -> Result<()> {
    let occupied = || {
        Fault::new(Kind::Output, "the file is there already")
            .at(path.display())
            .next("name another file, or say that it may be overwritten with --force")
    };
    if !force && path.symlink_metadata().is_ok() {
        return Err(occupied());
    }
    let failed = |error| unwritable(path, error);
    let file = write_aside(folder(path), &|| Ok(()), fill).map_err(failed)?;
    let persisted = if force { file.persist(path) } else { file.persist_noclobber(path) };
    match persisted {
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(occupied()),
        other => other.map(drop).map_err(|error| failed(error.error.into())),
    }
}

/// Whether [`write_file`] could write there, as far as that can be told before there is anything to write.
///
/// # Errors
/// [`Kind::Output`] where it could not.
pub fn check_file(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        // What is no file is not touched before its time: to open a pipe waits for its reader.
        Ok(existing) if !existing.is_file() && !existing.is_dir() => Ok(()),
        Ok(existing) if existing.is_dir() => {
            Err(unwritable(path, io::Error::from(io::ErrorKind::IsADirectory).into()))
        }
        _ => {
            let target = path.canonicalize().unwrap_or_else(|_| path.into());
            tempfile::tempfile_in(folder(&target)).map(drop).map_err(|error| unwritable(path, error.into()))
        }
    }
}

/// Whether [`write`] could write into `directory`, which need not be there yet, as far as that can be told.
///
/// # Errors
/// [`Kind::Output`] where it could not.
pub fn check_directory(directory: &Path) -> Result<()> {
    let existing = directory.ancestors().find(|ancestor| ancestor.exists());
    let existing = existing.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(existing).map(drop).map_err(|error| {
        Fault::new(Kind::Output, "the reports cannot be written there")
            .at(directory.display())
            .because(error)
            .next("choose another place with --output or [report] directory")
    })
}

/// The folder that a file is in. A bare name lies in the working directory.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn unwritable(path: &Path, error: anyhow::Error) -> Fault {
    match error.downcast::<Fault>() {
        Ok(fault) => fault,
        Err(error) => Fault::new(Kind::Output, "the file cannot be written")
            .at(path.display())
            .because(error)
            .next("see whether the folder is there, may be written to and has room, or choose another place with --output"),
    }
}

fn write_aside(
    directory: &Path,
    check: Check<'_>,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> anyhow::Result<()>,
) -> anyhow::Result<NamedTempFile> {
    let mut out = aside::open(directory, check)?;
    fill(&mut out)?;
    let file = aside::flush(out)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn unwritten(path: &Path, error: impl Into<anyhow::Error>) -> Fault {
    Fault::new(Kind::Output, "the report cannot be written")
        .at(path.display())
        .because(error)
        .next("make room, or choose another place with --output; earlier reports were left as they are")
}

#[cfg(all(test, unix))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn links_are_followed_and_what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let put = |path: &Path| {
            write_file(path, &mut |out| out.write_all(b"new").map_err(|_| Fault::new(Kind::Bug, "?")))
        };
        std::fs::write(at("target"), "old").unwrap();
        std::os::unix::fs::symlink("target", at("link")).unwrap();
        put(&at("link")).unwrap();
        assert!(at("link").is_symlink());
        assert_eq!(std::fs::read_to_string(at("target")).unwrap(), "new");
        // Neither a file nor to be written to: it must still be there afterwards.
        let _socket = UnixListener::bind(at("socket")).unwrap();
        assert!(put(&at("socket")).is_err());
        assert!(!at("socket").is_file());
        assert!(put(folder.path()).is_err(), "a folder is no file");
    }
}
