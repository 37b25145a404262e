//! The execution log: every call that the simulator met, in SQLite.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, Row};

use crate::fault::{Fault, Kind, Result};

/// One call, as the platform saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Counted from 1.
    pub id: i64,
    /// When: RFC 3339, UTC, milliseconds.
    pub time: String,
    /// Who signed in, as `DOMAIN\user`; of a refused sign-in, the name that was claimed.
    pub user: String,
    /// The operation, or `sign-in` for a sign-in that was refused.
    pub method: String,
    /// The arguments as a JSON object.
    pub arguments: String,
    /// `ok`, `refused`, or `fault: ` and the reason.
    pub outcome: String,
    /// How many records were answered.
    pub rows: i64,
    /// What the caller sent as `X-Correlation-Id`, or a number of the simulator's own.
    pub correlation_id: String,
}

impl Execution {
    /// The arguments for people, a line each: `page = 1`.
    #[must_use]
    pub fn arguments_by_line(&self) -> String {
        let Ok(serde_json::Value::Object(arguments)) = serde_json::from_str(&self.arguments) else {
            return self.arguments.clone();
        };
        let lines =
            arguments.iter().map(|(name, value)| format!("{name} = {}", value.as_str().unwrap_or_default()));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// What the service knows of a call when it is over; see [`Execution`].
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) method: String,
    pub(super) arguments: String,
    pub(super) outcome: String,
    pub(super) rows: usize,
}

/// A handle on the log; clones write to and read from the same one.
#[derive(Clone, Debug)]
pub struct Log(Arc<Mutex<Connection>>);

const SCHEMA: &str = "
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS execution_log (
        id INTEGER PRIMARY KEY, time TEXT NOT NULL, user TEXT NOT NULL, method TEXT NOT NULL,
        arguments TEXT NOT NULL, outcome TEXT NOT NULL, rows INTEGER NOT NULL, correlation_id TEXT NOT NULL
    )";

impl Log {
    /// Opens the log in `path`, or in memory. A file that has entries already is continued.
    pub(super) fn open(path: Option<&Path>) -> Result<Self> {
        let connection = path.map_or_else(Connection::open_in_memory, Connection::open);
        connection
            .and_then(|connection| {
                connection.busy_timeout(Duration::from_secs(5))?;
                // Synchronous is off: the log outlives the process, which is all that a demo needs of it.
                connection.execute_batch(SCHEMA)?;
                Ok(Self(Arc::new(Mutex::new(connection))))
            })
            .map_err(|error| unusable(path, error))
    }

    /// Writes one entry, now.
    pub(super) fn write(&self, user: &str, correlation_id: &str, entry: &Entry) -> rusqlite::Result<()> {
        let Entry { method, arguments, outcome, rows } = entry;
        let time = format!("{:.3}", Timestamp::now());
        self.lock()
            .prepare_cached(
                "INSERT INTO execution_log (time, user, method, arguments, outcome, rows, correlation_id)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute((
                time,
                user,
                method,
                arguments,
                outcome,
                i64::try_from(*rows).unwrap_or(i64::MAX),
                correlation_id,
            ))
            .map(drop)
    }

    /// All entries, oldest first.
    ///
    /// # Errors
    /// [`Kind::Input`] where the log cannot be read.
    pub fn entries(&self) -> Result<Vec<Execution>> {
        entries(&self.lock()).map_err(|error| unusable(None, error))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        // SQLite's own state is sound after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the execution log in `path`, of a simulator that runs or has run.
///
/// # Errors
/// [`Kind::Input`] where there is no such file, or it is no execution log.
pub fn read_log(path: &Path) -> Result<Vec<Execution>> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|connection| {
            connection.busy_timeout(Duration::from_secs(5))?;
            entries(&connection)
        })
        .map_err(|error| unusable(Some(path), error))
}

fn entries(connection: &Connection) -> rusqlite::Result<Vec<Execution>> {
    let execution = |row: &Row<'_>| {
        Ok(Execution {
            id: row.get("id")?,
            time: row.get("time")?,
            user: row.get("user")?,
            method: row.get("method")?,
            arguments: row.get("arguments")?,
            outcome: row.get("outcome")?,
            rows: row.get("rows")?,
            correlation_id: row.get("correlation_id")?,
        })
    };
    connection.prepare("SELECT * FROM execution_log ORDER BY id")?.query_map((), execution)?.collect()
}

fn unusable(path: Option<&Path>, error: rusqlite::Error) -> Fault {
    let fault = Fault::new(Kind::Input, "the simulator's execution log cannot be used").because(error);
    match path {
        Some(path) => fault.at(path.display()),
        None => fault,
    }
}
