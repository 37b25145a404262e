//! Where lines are written: appended, chained, and on the disk before the call is answered.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::chain::{GENESIS, opened, sealed};
use super::line::Line;
use crate::config;
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result, shown};
use crate::period::moment;

/// `[serve.audit]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// The file, relative to the folder of `tieout.toml`.
    pub file: PathBuf,
    /// Bytes after which a new file is begun, such as `64MiB`; each day begins one, too.
    pub rotate_bytes: String,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { file: ".tieout/audit/audit.jsonl".into(), rotate_bytes: "64MiB".to_owned() }
    }
}

/// The log of one server.
pub struct Sink {
    path: PathBuf,
    rotate_bytes: u64,
    open: Mutex<Open>,
    /// How many lines are surely on the disk; held by whoever waits for the disk, so that one wait serves all.
    on_disk: Mutex<u64>,
    is_well: AtomicBool,
    /// Held as long as the server lives: two servers would write two chains into one file.
    _lock: File,
}

/// The file that is written to.
struct Open {
    file: Arc<File>,
    bytes: u64,
    /// `2026-11-26`, the day of its first line.
    day: String,
    last_hash: String,
    number: u64,
    /// Something went wrong in the middle of a line: the file is looked at again before anything is written.
    is_doubtful: bool,
}

/// A line as it is chained.
#[derive(Serialize)]
struct Chained<'a> {
    number: u64,
    #[serde(flatten)]
    line: &'a Line,
    previous: &'a str,
}

impl Sink {
    /// Opens the log, goes on with its chain, and writes that the server starts.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where another server writes it, [`Kind::Output`] where it cannot be written or its end is not as it was left.
    pub fn open(base: &Path, settings: &AuditSettings) -> Result<Self> {
        let path = base.join(&settings.file);
        let rotate_bytes = config::bytes(&settings.rotate_bytes)
            .map_err(|fault| fault.at("[serve.audit] rotate_bytes"))?
            .max(64 * 1024) as u64;
        let directory = path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(directory).map_err(|error| unwritable(&path, error.into()))?;
        let lock_path = path.with_extension("lock");
        let lock = options().open(&lock_path).map_err(|error| unwritable(&lock_path, error.into()))?;
        lock.try_lock().map_err(|error| {
            Fault::new(Kind::Configuration, "another server writes this audit log")
                .at(path.display())
                .because(error)
                .next("stop it, or give this one a log of its own by [serve.audit] file")
        })?;
        let (open, torn) = Open::of(&path)?;
        let sink = Self {
            path,
            rotate_bytes,
            open: Mutex::new(open),
            on_disk: Mutex::new(0),
            is_well: AtomicBool::new(true),
            _lock: lock,
        };
        if let Some(torn) = torn {
            sink.record(&torn)?;
        }
        sink.record(&Line::event("start", format!("tieout {}", env!("CARGO_PKG_VERSION"))))?;
        Ok(sink)
    }

    /// Writes a line from where nothing may wait for a disk.
    ///
    /// # Errors
    /// As [`Sink::record`].
    pub async fn write(sink: &Arc<Self>, line: Line) -> Result<()> {
        let writer = Arc::clone(sink);
        let written = tokio::task::spawn_blocking(move || writer.record(&line)).await;
        written.unwrap_or_else(|error| Err(unwritable(&sink.path, error.into())))
    }

    /// Writes a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Kind::Output`] where it cannot be written: then nothing is to be answered.
    pub fn record(&self, line: &Line) -> Result<()> {
        let written = self.append(line).and_then(|number| self.sync(number));
        self.is_well.store(written.is_ok(), Ordering::Relaxed);
        written.map_err(|error| unwritable(&self.path, error))
    }

    /// Whether the last line could be written; where not, whether one can be now.
    pub fn is_well(&self) -> bool {
        self.is_well.load(Ordering::Relaxed)
            || self
                .record(&Line::event("recovered", "lines could not be written before this one".to_owned()))
                .is_ok()
    }

    fn append(&self, line: &Line) -> anyhow::Result<u64> {
        let mut open = lock(&self.open);
        let now = moment(SystemTime::now());
        let day = now.get(..10).unwrap_or_default();
        if open.is_doubtful {
            open.mend()?;
        }
        if open.bytes > 0 && (open.bytes >= self.rotate_bytes || open.day != day) {
            open.rotate(&self.path, &now)?;
        }
        let number = open.number + 1;
        let body = serde_json::to_string(&Chained { number, line, previous: &open.last_hash })?;
        let (text, hash) = sealed(&body);
        open.is_doubtful = true;
        (&*open.file).write_all(text.as_bytes())?;
        open.is_doubtful = false;
        open.bytes += text.len() as u64;
        if open.day.is_empty() {
            day.clone_into(&mut open.day);
        }
        (open.last_hash, open.number) = (hash, number);
        Ok(number)
    }

    /// Waits until line `number` is on the disk; whoever comes while somebody waits finds his own line there as well.
    fn sync(&self, number: u64) -> anyhow::Result<()> {
        let mut on_disk = lock(&self.on_disk);
        if *on_disk >= number {
            return Ok(());
        }
        // What is not in this file is on the disk: a file that is put aside is synced before it goes.
        let (file, written) = {
            let open = lock(&self.open);
            (Arc::clone(&open.file), open.number)
        };
        file.sync_data()?;
        *on_disk = written;
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // The server stops either way.
        let _ = self.record(&Line::event("stop", String::new()));
    }
}

impl Open {
    /// The file at `path`, and what to say about a line that was cut off when a server before this one ended.
    fn of(path: &Path) -> Result<(Self, Option<Line>)> {
        let broken = |error: std::io::Error| unwritable(path, error.into());
        let mut file = options().read(true).append(true).open(path).map_err(broken)?;
        let bytes = file.metadata().map_err(broken)?.len();
        let (mut first, mut last, mut tail) = (String::new(), String::new(), Vec::new());
        // From its beginning: a file is small enough, and a server starts seldom.
        let mut reader = BufReader::new(&mut file);
        loop {
            tail.clear();
            let count = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut tail).map_err(broken)?;
            if count == 0 || tail.last() != Some(&b'\n') {
                break;
            }
            last = String::from_utf8_lossy(tail.get(..count - 1).unwrap_or_default()).into_owned();
            if first.is_empty() {
                first.clone_from(&last);
            }
        }
        let torn = (!tail.is_empty()).then(|| {
            Line::event(
                "torn",
                format!(
                    "the line before this one was cut off when the server ended: {} bytes, SHA-256 {}: {}",
                    tail.len(),
                    hexadecimal(&Sha256::digest(&tail)),
                    shown(&String::from_utf8_lossy(&tail))
                ),
            )
        });
        let whole = bytes - tail.len() as u64;
        if torn.is_some() {
            file.set_len(whole).map_err(broken)?;
        }
        let (number, last_hash) = match last.is_empty() {
            false => end_of(&last).ok_or_else(|| altered(path))?,
            // A new file goes on with the chain of the youngest one that was rotated out.
            true => youngest(path).map_or(Ok((0, GENESIS.to_owned())), |rotated| last_of(&rotated))?,
        };
        let day = day_of(&first).unwrap_or_default();
        let open = Self { file: Arc::new(file), bytes: whole, day, last_hash, number, is_doubtful: false };
        Ok((open, torn))
    }

    /// Takes back what was written of a line that failed.
    fn mend(&mut self) -> anyhow::Result<()> {
        self.file.set_len(self.bytes)?;
        (&*self.file).seek(SeekFrom::End(0))?;
        self.is_doubtful = false;
        Ok(())
    }

    /// Puts the file aside under a name that says when, and begins a new one, which goes on with the chain.
    fn rotate(&mut self, path: &Path, now: &str) -> anyhow::Result<()> {
        self.file.sync_data()?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let when: String = now.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let aside = path.with_file_name(format!("{stem}-{when}-{:012}.jsonl", self.number));
        anyhow::ensure!(!aside.exists(), "{} is there already", aside.display());
        fs::rename(path, &aside)?;
        let file = options().read(true).append(true).open(path)?;
        (self.file, self.bytes) = (Arc::new(file), 0);
        self.day.clear();
        // So that the name is on the disk, too.
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

/// Bytes of a line that are read; none that this program writes comes near.
const LONGEST_LINE: u64 = 1024 * 1024;

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    // Whoever else reads it reads whom everybody is and what he does.
    options.create(true).write(true).truncate(false).mode(0o600);
    options
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number and the hash of a line.
fn end_of(line: &str) -> Option<(u64, String)> {
    let (body, hash) = opened(line)?;
    let value: serde_json::Value = serde_json::from_str(&body).ok()?;
    Some((value.get("number")?.as_u64()?, hash.to_owned()))
}

fn day_of(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    value.get("time")?.as_str()?.get(..10).map(ToOwned::to_owned)
}

/// The file that was put aside last: its name ends with the number of its last line.
fn youngest(path: &Path) -> Option<PathBuf> {
    let stem = format!("{}-", path.file_stem()?.to_str()?);
    let directory =
        path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let number = |path: &PathBuf| -> Option<u64> {
        let name = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
        name.strip_prefix(&stem)?.rsplit_once('-')?.1.parse().ok()
    };
    let files = fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| number(path).is_some()).max_by_key(number)
}

fn last_of(path: &Path) -> Result<(u64, String)> {
    let file = File::open(path).map_err(|error| unwritable(path, error.into()))?;
    let mut last = String::new();
    for line in BufReader::new(file).lines() {
        last = line.map_err(|error| unwritable(path, error.into()))?;
    }
    end_of(&last).ok_or_else(|| altered(path))
}

fn altered(path: &Path) -> Fault {
    Fault::new(Kind::Output, "the audit log does not end as it was left: its last line has no hash")
        .at(path.display())
        .next("look at it with `tieout audit verify`, put it aside, and find out who wrote into it")
}

fn unwritable(path: &Path, error: anyhow::Error) -> Fault {
    Fault::new(Kind::Output, "the audit log cannot be written")
        .at(path.display())
        .because(error)
        .next("make room, or correct [serve.audit] file and its rights: nothing is served without it")
}
