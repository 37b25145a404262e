//! Which files are read, how, and by whom.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};
use serde::Deserialize;

use super::{Rows, csv, excel};
use crate::fault::{Fault, Kind, Result};
use crate::progress::{Progress, Task, Unit};

/// How a side's files are found and read. What does not concern a file (a sheet for CSV, a
/// delimiter for a workbook) is passed over, so that one side may have both.
///
/// It does not deny unknown keys, so that it can be flattened into a table that has more of them and
/// denies the rest.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FileSettings {
    /// Globs, relative to the folder of `tieout.toml`: `invoices/*.csv`.
    pub files: Vec<String>,
    /// The sheet of a workbook, by name or by number; by default the first that is visible and not empty.
    pub sheet: Option<Sheet>,
    /// The line of a CSV file, or the row of a sheet, that holds the headers, counted from 1; by default
    /// the first that is not blank.
    pub header_row: Option<NonZeroU32>,
    /// What separates the cells of a CSV file: one character, or `tab`; by default the one of `,` `;`
    /// tab `|` that stands most often in the header line.
    pub delimiter: Option<Delimiter>,
    /// The encoding of a CSV file without a byte order mark, such as `windows-1252`; by default UTF-8, or
    /// UTF-16 where every other byte is nought.
    pub encoding: Option<Encoding>,
}

/// A sheet of a workbook.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged, expecting = "the name of a sheet, or its number counted from 1")]
pub enum Sheet {
    /// Its place among all sheets, hidden ones too, counted from 1.
    Number(NonZeroU32),
    /// Its name on the tab.
    Name(String),
}

/// What separates the cells of a line: one ASCII character.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Delimiter(pub(super) u8);

impl TryFrom<String> for Delimiter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_bytes() {
            b"tab" => Ok(Self(b'\t')),
            &[byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(Self(byte)),
            _ => Err(format!(
                "the delimiter {text:?} is neither one character, such as \",\" or \";\", nor \"tab\""
            )),
        }
    }
}

/// A text encoding, by any of the labels of the WHATWG Encoding Standard.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Encoding(pub(super) &'static encoding_rs::Encoding);

impl TryFrom<String> for Encoding {
    type Error = String;

    fn try_from(label: String) -> Result<Self, String> {
        encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).map(Self).ok_or_else(|| {
            format!("the encoding {label:?} is unknown; try \"utf-8\", \"windows-1252\" or \"utf-16le\"")
        })
    }
}

/// A file that is to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// As reports name it: relative to the base folder where it lies in it, with `/` on every system.
    pub label: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The files that the globs of `settings` match below `base`: each once, sorted by label.
/// Lock files that a running Excel leaves (`~$…`) and hidden files are not among them.
///
/// # Errors
/// [`Kind::Configuration`] where there is no glob or one makes no sense; [`Kind::Input`] where one matches no file, or a folder
/// cannot be read.
pub fn find(base: &Path, settings: &FileSettings) -> Result<Vec<Found>> {
    if settings.files.is_empty() {
        return Err(Fault::new(Kind::Configuration, "no files are named")
            .at("files")
            .expected("at least one glob, such as files = [\"invoices/*.csv\"]"));
    }
    let mut found = Vec::new();
    for pattern in &settings.files {
        let before = found.len();
        // The folder's own name may hold characters that mean something in a glob.
        let whole = match base.to_string_lossy() {
            here if matches!(&*here, "" | ".") => pattern.clone(),
            _ if Path::new(pattern).is_absolute() => pattern.clone(),
            folder => format!("{}/{pattern}", Pattern::escape(folder.trim_end_matches(['/', '\\']))),
        };
        // `*` passes over hidden files, as a shell does.
        let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
        let paths = glob::glob_with(&whole, options).map_err(|error| {
            Fault::new(Kind::Configuration, "this is not a glob").at("files").value(pattern).because(error)
        })?;
        for path in paths {
            let path = path.map_err(|error| {
                Fault::new(Kind::Input, "a folder cannot be read").at(error.path().display()).because(error)
            })?;
            let locked = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("~$"));
            if !locked && path.is_file() {
                found.push(Found { label: label(base, &path), path });
            }
        }
        if found.len() == before {
            return Err(Fault::new(Kind::Input, format!("no file matches {pattern:?}"))
                .at(if base.as_os_str().is_empty() { Path::new(".") } else { base }.display())
                .expected("at least one file")
                .next("check that the files have arrived, and that the pattern is right (case matters)"));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn label(base: &Path, path: &Path) -> String {
    let parts: Vec<_> =
        path.strip_prefix(base).unwrap_or(path).iter().map(|part| part.to_string_lossy()).collect();
    // An absolute path starts with a part that is itself a slash.
    parts.join("/").replacen("//", "/", 1)
}

/// A file on its way to a reader: opened, at its start.
pub(super) struct Input {
    pub(super) file: File,
    pub(super) label: Arc<str>,
    /// In bytes.
    pub(super) length: u64,
    pub(super) task: Arc<dyn Task>,
}

/// One way to read a file.
struct Reader {
    /// Whether a file that starts like this is for this reader.
    claims: fn(&[u8]) -> bool,
    open: fn(Input, &FileSettings) -> Result<Box<dyn Rows + Send>>,
}

/// Every reader; the first that claims a file gets it.
const READERS: [Reader; 4] = [
    Reader { claims: |head| head.starts_with(b"PK"), open: excel::open },
    Reader { claims: |head| head.starts_with(b"\xd0\xcf\x11\xe0"), open: excel::open },
    Reader { claims: |head| foreign(head).is_some(), open: refuse },
    Reader { claims: |_| true, open: csv::open },
];

/// Opens a file and reads its headers. What the file *is* decides who reads it, not what it is called.
///
/// `label` is how the rows' origin names it.
///
/// # Errors
/// [`Kind::Input`] where the file cannot be read as a table: the fault says why and what to do.
pub fn open(
    path: &Path,
    label: &str,
    settings: &FileSettings,
    progress: &dyn Progress,
) -> Result<Box<dyn Rows + Send>> {
    let unreadable =
        |error: std::io::Error| Fault::new(Kind::Input, "the file cannot be read").at(label).because(error);
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut head = Vec::new();
    (&file).take(512).read_to_end(&mut head).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let task = progress.task(label, Unit::Bytes, Some(length)).into();
    let input = Input { file, label: label.into(), length, task };
    match READERS.iter().find(|reader| (reader.claims)(&head)) {
        Some(reader) => (reader.open)(input, settings),
        None => Err(Fault::new(Kind::Bug, "no reader claims this file").at(label)),
    }
}

/// What a file is that people send for a table although it is none.
fn foreign(head: &[u8]) -> Option<&'static str> {
    let mark = head.trim_ascii_start().to_ascii_lowercase();
    [
        (&b"%pdf"[..], "a PDF document"),
        (b"\x1f\x8b", "compressed with gzip"),
        (b"7z\xbc\xaf", "a 7-Zip archive"),
        (b"rar!", "a RAR archive"),
        (b"{\\rtf", "a rich-text document"),
        (b"<!doctype", "a web page"),
        (b"<html", "a web page"),
        (b"<table", "a web page"),
        (b"<?xml", "an XML document"),
    ]
    .into_iter()
    .find_map(|(start, what)| mark.starts_with(start).then_some(what))
}

fn refuse(mut input: Input, _settings: &FileSettings) -> Result<Box<dyn Rows + Send>> {
    let mut head = [0; 512];
    let count = input.file.read(&mut head).unwrap_or_default();
    let what = head.get(..count).and_then(foreign).unwrap_or("no table");
    Err(Fault::new(Kind::Input, format!("the file is {what}, whatever it is called"))
        .at(&input.label)
        .expected("CSV text, or a workbook (.xlsx, .xlsb, .xls, .ods)")
        .next("unpack it, or open it in Excel and save it as .xlsx"))
}
