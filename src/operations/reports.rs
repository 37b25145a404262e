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

/// So many rows are one page of a table, or fewer, where they have more bytes than a page may have.
const ROWS: usize = 200;

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

    /// Page `page`, from 1, of the report called `name`, of at most `most` bytes.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is no such report or page, or where it holds more than `most` bytes in one piece;
    /// [`Kind::Input`] where it cannot be read.
    pub fn read(&self, name: &str, page: usize, most: usize) -> Result<ReportPage> {
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
            let at = page.checked_sub(1).ok_or_else(no_page)?;
            let read = rows(file, at, most).map_err(broken)?.ok_or_else(no_page)?;
            let next = read.has_more.then_some(page + 1);
            let Some((line, bytes)) = read.too_large else {
                return Ok(ReportPage { text: read.text, media, next });
            };
            let fault = Fault::new(Kind::Usage, "this row alone is larger than a page may be")
                .at(format!("{name}:{line}"))
                .value(format!("{bytes} bytes"))
                .expected(format!("at most {most} with the heading"));
            return Err(match next {
                Some(next) => {
                    fault.next(format!("the table goes on at page {next}; the file itself has the row"))
                }
                None => fault.next("it is the last one; the file itself has the row"),
            });
        }
        let mut text = String::new();
        file.take(most as u64 + 1).read_to_string(&mut text).map_err(|error| broken(error.into()))?;
        // JSON stays JSON.
        let text = escaped_json(text);
        if text.len() > most {
            return Err(Fault::new(Kind::Usage, "this report is too large to be read in one piece")
                .value(name)
                .expected(format!("at most {most} bytes"))
                .next("read discrepancies.csv page by page, or list the discrepancies with filters"));
        }
        if page != 1 {
            return Err(no_page());
        }
        Ok(ReportPage { text, media, next: None })
    }
}

/// A page of a table.
struct Page {
    /// Its rows, below the heading.
    text: String,
    /// Whether more follow.
    has_more: bool,
    /// The line and the bytes of a row that is a page by itself, and too large for one.
    too_large: Option<(u64, usize)>,
}

/// Page `page`, from 0; nothing where the table ends before it. A page ends before the row that would be one too many, or with
/// which it would have more than `most` bytes: the next one begins there, so that each row is on one page.
fn rows(file: File, page: usize, most: usize) -> anyhow::Result<Option<Page>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(file);
    let mut record = csv::ByteRecord::new();
    // An empty table has one page with its heading.
    let heading = if reader.read_byte_record(&mut record)? { line(&record)? } else { String::new() };
    let room = most.saturating_sub(heading.len());
    let mut read = Page { text: heading, has_more: false, too_large: None };
    let (mut at, mut count, mut bytes) = (0, 0, 0);
    while reader.read_byte_record(&mut record)? {
        let row = line(&record)?;
        if count == ROWS || count > 0 && bytes + row.len() > room {
            (at, count, bytes) = (at + 1, 0, 0);
        }
        if at > page {
            read.has_more = true;
            break;
        }
        count += 1;
        bytes += row.len();
        if at < page {
            continue;
        }
        if row.len() > room {
            read.too_large = Some((record.position().map_or(0, csv::Position::line), row.len()));
        }
        read.text.push_str(&row);
    }
    Ok((at >= page).then_some(read))
}

/// A row as it is shown: what nobody sees in it is escaped.
fn line(record: &csv::ByteRecord) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_byte_record(record)?;
    Ok(shown_lines(&String::from_utf8(writer.into_inner()?)?))
}
