//! The reports of the last run, as they lie in its directory, to be read part by part.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::{self, Overrides};
use crate::fault::{Fault, Kind, Result, shown_lines};
use crate::report::escaped_json;

/// What reports are called, what they are written in, and what they hold.
const KNOWN: [(&str, &str, &str); 5] = [
    (
        "summary.json",
        "application/json",
        "what the last run came to: control totals, counts, patterns, digests of the inputs",
    ),
    ("discrepancies.csv", "text/csv", "the discrepancies of the last run, one to a row"),
    ("discrepancies.json", "application/json", "the discrepancies of the last run, in full"),
    ("documents.csv", "text/csv", "the control totals of the last run by document"),
    ("rejects.csv", "text/csv", "the rows of the last run that could not be read, with place and reason"),
];

/// So many rows are one page of a table.
const ROWS: usize = 200;

/// So many bytes of a file that has no pages are given out.
const BYTES: u64 = 256 * 1024;

/// The reports of the last run.
#[derive(Clone, Debug)]
pub struct Reports {
    directory: PathBuf,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportFile {
    /// The name of the file.
    pub name: &'static str,
    /// Its media type.
    pub media: &'static str,
    /// What it holds.
    pub about: &'static str,
    /// Its size.
    pub bytes: u64,
}

/// A part of one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPage {
    /// What is read, with the heading of the table on each page; what nobody sees in it is escaped.
    pub text: String,
    /// Its media type.
    pub media: &'static str,
    /// The next page, if there is one.
    pub next: Option<usize>,
}

impl Reports {
    /// Those that `config` says where they are.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration.
    pub fn of(config: &Path, now: SystemTime) -> Result<Self> {
        let settings = config::load(config, &Overrides::default(), now)?;
        Ok(Self { directory: settings.directory })
    }

    /// Those that are there.
    #[must_use]
    pub fn list(&self) -> Vec<ReportFile> {
        let file = |(name, media, about): (&'static str, &'static str, &'static str)| {
            let metadata =
                std::fs::metadata(self.directory.join(name)).ok().filter(std::fs::Metadata::is_file);
            metadata.map(|metadata| ReportFile { name, media, about, bytes: metadata.len() })
        };
        KNOWN.into_iter().filter_map(file).collect()
    }

    /// Page `page`, from 1, of the report called `name`.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is no such report or page, [`Kind::Input`] where it cannot be read.
    pub fn read(&self, name: &str, page: usize) -> Result<ReportPage> {
        let known = KNOWN.into_iter().find(|(known, ..)| *known == name);
        let Some((name, media, _)) = known else {
            let names: Vec<&str> = KNOWN.into_iter().map(|(name, ..)| name).collect();
            return Err(Fault::new(Kind::Usage, "there is no report of this name")
                .value(name)
                .expected(format!("one of {}", names.join(", "))));
        };
        let path = self.directory.join(name);
        let file = File::open(&path).map_err(|error| {
            Fault::new(Kind::Usage, "this report is not there")
                .value(name)
                .because(error)
                .next("reconcile first: each run writes its reports anew")
        })?;
        let broken = |error: anyhow::Error| {
            Fault::new(Kind::Input, "the report cannot be read")
                .value(name)
                .because(error)
                .next("reconcile again")
        };
        let no_page = || {
            Fault::new(Kind::Usage, "there is no such page")
                .at(name)
                .value(page)
                .expected("pages begin with 1")
        };
        if media == "text/csv" {
            let (text, next) =
                rows(file, page.checked_sub(1).ok_or_else(no_page)?).map_err(broken)?.ok_or_else(no_page)?;
            return Ok(ReportPage { text: shown_lines(&text), media, next: next.then_some(page + 1) });
        }
        let mut text = String::new();
        file.take(BYTES + 1).read_to_string(&mut text).map_err(|error| broken(error.into()))?;
        if text.len() as u64 > BYTES {
            return Err(Fault::new(Kind::Usage, "this report is too large to be read in one piece")
                .value(name)
                .expected(format!("at most {BYTES} bytes"))
                .next("read discrepancies.csv page by page, or list the discrepancies with filters"));
        }
        if page != 1 {
            return Err(no_page());
        }
        // JSON stays JSON.
        Ok(ReportPage { text: escaped_json(text), media, next: None })
    }
}

/// The rows of one page, from 0, below their heading, and whether more follow; nothing where the table ends before it.
fn rows(file: File, page: usize) -> anyhow::Result<Option<(String, bool)>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut record = csv::ByteRecord::new();
    let from = 1 + page.saturating_mul(ROWS);
    let (mut number, mut written, mut has_more) = (0, 0, false);
    while reader.read_byte_record(&mut record)? {
        if number == 0 || number >= from {
            if written > ROWS {
                has_more = true;
                break;
            }
            writer.write_byte_record(&record)?;
            written += 1;
        }
        number += 1;
    }
    // An empty table has one page with its heading.
    if written < 2 && page > 0 {
        return Ok(None);
    }
    Ok(Some((String::from_utf8(writer.into_inner()?)?, has_more)))
}
