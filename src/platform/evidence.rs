//! Proof of execution: one line of JSON for each call, written when it is over.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Map, Value};

use super::envelope::Filling;
use super::fetch::Values;
use super::request::{Parameter, Request};
use crate::fault::{Fault, Kind, Result};

/// The file that calls are written to, if anybody wants it.
pub(super) struct Evidence(Option<(PathBuf, Mutex<File>)>);

/// One call.
#[derive(Debug, Serialize)]
pub(super) struct Execution<'a> {
    /// When it was over: RFC 3339, UTC, milliseconds.
    pub(super) time: String,
    pub(super) endpoint: &'a str,
    pub(super) operation: &'a str,
    pub(super) parameters: Value,
    pub(super) window: &'a str,
    pub(super) page: u64,
    /// Counted from 1; each has a correlation id of its own.
    pub(super) attempt: u32,
    /// Of HTTP; null where no answer came.
    pub(super) status: Option<u16>,
    /// Records that were taken from it: none where it failed.
    pub(super) records: u64,
    /// Of the answer's body, as far as it was read as SOAP.
    pub(super) bytes: u64,
    pub(super) sha256: Option<String>,
    pub(super) millis: u64,
    pub(super) correlation_id: &'a str,
    /// `ok`, or what went wrong.
    pub(super) outcome: &'a str,
}

impl Evidence {
    /// Opens the file; one that exists is continued.
    pub(super) fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self(None)) };
        let file = continued(path).map_err(|error| fault(path, error))?;
        Ok(Self(Some((path.to_owned(), Mutex::new(file)))))
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a call down, at once: what is proven shall survive whatever comes next.
    pub(super) fn add(&self, execution: &Execution<'_>) -> Result<()> {
        let Some((path, file)) = &self.0 else { return Ok(()) };
        let mut line = serde_json::to_vec(execution)
            .map_err(|error| Fault::new(Kind::Bug, "a call cannot be written as JSON").because(error))?;
        line.push(b'\n');
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line).map_err(|error| fault(path, error))
    }
}

/// Opens a file to add lines to. Where the last one was cut off (a full disk, a loss of power), no other is joined to it.
fn continued(path: &Path) -> io::Result<File> {
    let mut file = File::options().append(true).create(true).open(path)?;
    // What is no regular file, such as a pipe, has nothing to look back at.
    if file.metadata()?.is_file() && file.metadata()?.len() > 0 {
        let mut last = [0];
        let mut reader = File::open(path)?;
        reader.seek(SeekFrom::End(-1))?;
        reader.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

fn fault(path: &Path, error: std::io::Error) -> Fault {
    Fault::new(Kind::Output, "the evidence of the calls cannot be written")
        .at(path.display())
        .because(error)
        .next("choose another file with --evidence")
}

/// The parameters of one call as they are sent.
pub(super) fn parameters(request: &Request, values: &Values, page: u64) -> Value {
    fn table(parameters: &[(String, Parameter)], filling: &Filling<'_>) -> Value {
        let value = |parameter: &Parameter| match parameter {
            Parameter::Nested(nested) => table(nested, filling),
            Parameter::Text(template) => {
                template.fill(|name| filling.value(name)).map_or(Value::Null, Value::String)
            }
        };
        Value::Object(Map::from_iter(
            parameters.iter().map(|(name, parameter)| (name.clone(), value(parameter))),
        ))
    }
    table(&request.parameters, &Filling::new(request, values, page))
}
