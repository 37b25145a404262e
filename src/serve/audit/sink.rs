//! Writes the log: appended, on the disk before anybody hears of it, in a new file each day and whenever one is large.
//!
//! Whoever has a line puts it with those that wait. Where nobody writes, he sees to it that all that wait are written, again and
//! again until none does, each time waiting for the disk once; the others are told when theirs are.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use super::chain::{self, Link, MOST_BYTES, Seen};
use super::line::{Decision, Line};
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result};
use crate::period::moment;

/// Bytes at the end of a file that are looked at first for its last line.
const TAIL: u64 = 1 << 16;

/// How each line begins.
const BEGINS: &[u8] = br#"{"number":"#;

/// The audit log of a server.
pub struct Sink {
    path: PathBuf,
    queue: Mutex<Queue>,
    book: Mutex<Book>,
    /// What the last attempt to write came to.
    is_well: AtomicBool,
}

/// Lines that nobody writes yet.
#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether somebody writes now, and will go on until none waits.
    is_written: bool,
}

/// The turn of one who writes. Where he stops at a fault of ours, those who wait are told by the end of their channels.
struct Turn<'s>(&'s Sink);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.queue() = Queue::default();
        }
    }
}

/// What becomes of a line: nothing, or what went wrong.
type Outcome = Option<String>;

/// A line that somebody waits for.
struct Waiting {
    line: Line,
    told: oneshot::Sender<Outcome>,
}

/// The file that is written, and where in the chain it is.
struct Book {
    path: PathBuf,
    rotate_bytes: u64,
    /// The file; `None` where there is none yet, or nobody knows what state it is in.
    file: Option<File>,
    /// Bytes of it that are on the disk.
    length: u64,
    /// When its first line was written, and which that was, for the name that it gets.
    first: Option<(String, u64)>,
    end: Link,
    /// Whether a piece of a line stands at its end: the line that owns up to it belongs into the same file.
    ends_torn: bool,
    /// What has kept lines from being written, since when, and how many of them.
    trouble: Option<Trouble>,
    /// Held for as long as the server runs.
    _lock: File,
}

struct Trouble {
    since: SystemTime,
    what: String,
    lost: u64,
}

impl Sink {
    /// Opens the log at `path`, or begins one, and says so in it. What a crash left of a last line stays where it is, and
    /// a line says what it was.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where another server writes it, where it is no audit log, and where it cannot be written.
    pub fn open(path: &Path, rotate_bytes: u64) -> Result<Self> {
        let fault = |error: io::Error| {
            Fault::new(Kind::Configuration, "the audit log cannot be opened")
                .at(path.display())
                .because(error)
                .next("check [serve.audit] file, its folder, and who may write there: without the log nothing is served")
        };
        create_folder(folder(path)).map_err(fault)?;
        let lock =
            options().create(true).write(true).truncate(false).open(with(path, ".lock")).map_err(fault)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Fault::new(Kind::Configuration, "another server writes this audit log")
                    .at(path.display())
                    .next("stop it, or give each server a file of its own in [serve.audit] file")
            }
            TryLockError::Error(error) => fault(error),
        })?;
        let mut book = Book {
            path: path.to_owned(),
            rotate_bytes,
            file: None,
            length: 0,
            first: None,
            end: Link::none(),
            ends_torn: false,
            trouble: None,
            _lock: lock,
        };
        let lines = book.take_up().map_err(fault)??;
        book.commit(&lines).map_err(fault)?;
        Ok(Self {
            path: path.to_owned(),
            queue: Mutex::default(),
            book: Mutex::new(book),
            is_well: AtomicBool::new(true),
        })
    }

    /// Writes a line from where nothing may block.
    ///
    /// # Errors
    /// As [`Sink::record`].
    pub async fn write_down(sink: &Arc<Self>, line: Line) -> Result<()> {
        let (outcome, is_turn) = sink.put(line);
        if is_turn {
            let writer = Arc::clone(sink);
            tokio::task::spawn_blocking(move || writer.write_all());
        }
        sink.answer(outcome.await.ok())
    }

    /// Writes a line. It is on the disk when this returns. Blocks.
    ///
    /// # Errors
    /// [`Kind::Output`] where it cannot be written: then what it is about must not be answered. The next line is tried
    /// anew, and says how many are missing.
    pub fn record(&self, line: Line) -> Result<()> {
        let (outcome, is_turn) = self.put(line);
        if is_turn {
            self.write_all();
        }
        self.answer(outcome.blocking_recv().ok())
    }

    /// Puts a line with those that wait: who will tell what becomes of it, and whether it is the caller's turn to write.
    fn put(&self, line: Line) -> (oneshot::Receiver<Outcome>, bool) {
        let (told, outcome) = oneshot::channel();
        let mut queue = self.queue();
        queue.waiting.push(Waiting { line, told });
        (outcome, !std::mem::replace(&mut queue.is_written, true))
    }

    /// Writes all that wait, until none does.
    fn write_all(&self) {
        let _turn = Turn(self);
        loop {
            let mut queue = self.queue();
            let batch = std::mem::take(&mut queue.waiting);
            if batch.is_empty() {
                queue.is_written = false;
                return;
            }
            drop(queue);
            let lines: Vec<&Line> = batch.iter().map(|waiting| &waiting.line).collect();
            let trouble = self.write(&mut self.book(), &lines).err();
            for one in batch {
                // Whoever has gone does not want to know.
                let _ = one.told.send(trouble.clone());
            }
        }
    }

    fn answer(&self, outcome: Option<Outcome>) -> Result<()> {
        match outcome {
            Some(None) => Ok(()),
            Some(Some(trouble)) => Err(self.fault(&trouble)),
            None => Err(Fault::new(Kind::Bug, "nobody wrote the audit line")),
        }
    }

    /// Whether lines can be written: where the last could not, tries anew. For whoever must know before he begins.
    ///
    /// # Errors
    /// [`Kind::Output`], as for [`Sink::record`].
    pub fn check(&self) -> Result<()> {
        if self.is_well() {
            return Ok(());
        }
        self.write(&mut self.book(), &[]).map_err(|trouble| self.fault(&trouble))
    }

    /// Whether the last line could be written. Never blocks.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.is_well.load(Ordering::Acquire)
    }

    /// Where it writes.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    // Neither lock leaves anything half done: what panics while it is held has not changed what it guards.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, book: &mut Book, lines: &[&Line]) -> Result<(), String> {
        let lost = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let resumed = book.trouble.as_ref().map(Trouble::told);
        let all = resumed.iter().chain(lines.iter().copied());
        let outcome = book.commit(all).map_err(|error| error.to_string());
        match &outcome {
            Ok(()) => book.trouble = None,
            Err(what) => {
                let trouble = book.trouble.get_or_insert_with(|| Trouble {
                    since: SystemTime::now(),
                    what: what.clone(),
                    lost: 0,
                });
                trouble.lost = trouble.lost.saturating_add(lost);
            }
        }
        if self.is_well.swap(outcome.is_ok(), Ordering::AcqRel) != outcome.is_ok() {
            let path = self.path.display();
            match &outcome {
                Ok(()) => tracing::warn!(%path, "the audit log can be written again"),
                Err(what) => {
                    tracing::error!(%path, what, "the audit log cannot be written: nothing is served")
                }
            }
        }
        outcome
    }

    fn fault(&self, trouble: &str) -> Fault {
        Fault::new(Kind::Output, "the audit log cannot be written, so nothing is answered")
            .at(self.path.display())
            .because(anyhow::Error::msg(trouble.to_owned()))
            .next("make room, or see to the folder; the server goes on by itself when it can")
    }
}

impl Trouble {
    /// What is said of it once it is over.
    fn told(&self) -> Line {
        Line {
            arguments: json!({ "since": moment(self.since), "lines_not_written": self.lost }),
            reason: self.what.clone(),
            ..own("resumed")
        }
    }
}

/// A line of the log's own.
fn own(event: &'static str) -> Line {
    Line {
        event,
        subject: concat!("tieout ", env!("CARGO_PKG_VERSION")).to_owned(),
        decision: Decision::Allowed,
        outcome: "ok".to_owned(),
        ..Line::default()
    }
}

impl Book {
    /// Finds the end of the chain, and gives the lines to begin with.
    fn take_up(&mut self) -> io::Result<Result<Vec<Line>>> {
        let mut lines = Vec::new();
        match tail(&self.path)? {
            Tail::Missing => {
                // Where a file was put aside, and the server ended before it began another.
                if let Some(last) = aside(&self.path)?.pop()
                    && let Tail::Ends { link, .. } = tail(&last)?
                {
                    self.end = link;
                }
            }
            Tail::Ends { link, length, torn, first } => {
                let mut file = options().append(true).open(&self.path)?;
                (self.end, self.length, self.first) = (link, length, first);
                if let Some(Torn { bytes, sha256, needs_line_feed }) = torn {
                    if needs_line_feed {
                        file.write_all(b"\n")?;
                        self.length += 1;
                    }
                    // What is whole but for its line feed is no loss.
                    if bytes > 0 {
                        self.ends_torn = true;
                        lines.push(Line {
                            arguments: json!({ "bytes": bytes, "sha256": sha256 }),
                            reason: "the line before this one was not written to its end: the server or the machine stopped"
                                .to_owned(),
                            ..own("torn")
                        });
                    }
                }
                self.file = Some(file);
            }
            Tail::Foreign => {
                return Ok(Err(Fault::new(Kind::Configuration, "this is no audit log of tieout")
                    .at(self.path.display())
                    .next("nothing was written to it; name another file in [serve.audit] file")));
            }
        }
        lines.push(own(if self.end.number == 0 { "begun" } else { "started" }));
        Ok(Ok(lines))
    }

    /// Writes lines to the disk, all or none.
    fn commit<'l>(&mut self, lines: impl IntoIterator<Item = &'l Line>) -> io::Result<()> {
        let mut end = self.end.clone();
        let mut bytes = Vec::new();
        for line in lines {
            chain::append(line, &mut end, &mut bytes).map_err(io::Error::other)?;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let outcome = self.put(&bytes, &end.day);
        match outcome {
            Ok(()) => self.end = end,
            // After an error nobody knows which bytes there are, nor which are on the disk: the next attempt opens it anew.
            Err(_) => self.file = None,
        }
        outcome
    }

    fn put(&mut self, bytes: &[u8], today: &str) -> io::Result<()> {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_full = self.length.saturating_add(count) > self.rotate_bytes;
        // Clocks go back, too; a file is for a day and all before it.
        let is_old = today > self.end.day.as_str();
        if self.length > 0 && !self.ends_torn && (is_full || is_old) {
            self.put_aside()?;
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.reopen()?,
        };
        file.write_all(bytes)?;
        file.sync_data()?;
        if self.length == 0 {
            sync_folder(&self.path)?;
        }
        if self.first.is_none() {
            self.first = first_of(bytes);
        }
        self.length += count;
        self.ends_torn = false;
        self.file = Some(file);
        Ok(())
    }

    /// Opens the file without what an attempt that failed may have left behind: nobody was told that it was written.
    fn reopen(&self) -> io::Result<File> {
        let file = options().append(true).create(self.length == 0).open(&self.path)?;
        if file.metadata()?.len() < self.length {
            return Err(io::Error::other("the audit log is shorter than what was written to it"));
        }
        file.set_len(self.length)?;
        file.sync_all()?;
        Ok(file)
    }

    /// Gives the file a name by its first line; a new one is begun.
    fn put_aside(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.reopen()?;
        }
        let (time, number) = self.first.clone().unwrap_or_default();
        let aside = with_stem(&self.path, &format!("-{}-{number:012}", compact(&time)));
        // No other server writes here, and no two files begin with the same line.
        if fs::symlink_metadata(&aside).is_ok() {
            return Err(io::Error::other(format!("{} is in the way", aside.display())));
        }
        fs::rename(&self.path, &aside)?;
        (self.file, self.length, self.first) = (None, 0, None);
        sync_folder(&self.path)
    }
}

/// `2026-11-26T101530Z`: no colon, which some file systems do not take.
fn compact(time: &str) -> String {
    format!("{}Z", time.get(..19).unwrap_or_default().replace(':', ""))
}

/// How a file ends.
enum Tail {
    /// There is none, or nothing in it.
    Missing,
    /// With this line, and perhaps a part of another.
    Ends { link: Link, length: u64, torn: Option<Torn>, first: Option<(String, u64)> },
    /// It is something else.
    Foreign,
}

/// What stands behind the last whole line.
struct Torn {
    /// Without a last line feed; 0 where the last line lacks that alone.
    bytes: u64,
    sha256: String,
    needs_line_feed: bool,
}

/// Looks at the end of a file, and at no more of it than it must.
fn tail(path: &Path) -> io::Result<Tail> {
    let length = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tail::Missing),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("this is no regular file")),
        Ok(metadata) => metadata.len(),
    };
    if length == 0 {
        return Ok(Tail::Missing);
    }
    let mut file = File::open(path)?;
    let mut many = TAIL.min(length);
    loop {
        file.seek(SeekFrom::Start(length - many))?;
        let mut bytes = Vec::new();
        (&file).take(many).read_to_end(&mut bytes)?;
        if let Some((seen, rest, whole)) = last_line(&bytes) {
            let torn = (!whole || !rest.is_empty()).then(|| torn(rest));
            return Ok(Tail::Ends { link: seen.link(), length, torn, first: first_line(&mut file)? });
        }
        if many == length {
            // The very first line may have been torn, in its beginning too; a crash may leave zeros behind it.
            let written =
                bytes.iter().position(|byte| *byte == 0).and_then(|end| bytes.get(..end)).unwrap_or(&bytes);
            let is_ours = written.starts_with(BEGINS) || BEGINS.starts_with(written);
            let before = || -> io::Result<Link> {
                let last = aside(path)?.pop().map(|last| tail(&last)).transpose()?;
                Ok(match last {
                    Some(Tail::Ends { link, .. }) => link,
                    _ => Link::none(),
                })
            };
            return Ok(if is_ours {
                Tail::Ends { link: before()?, length, torn: Some(torn(&bytes)), first: None }
            } else {
                Tail::Foreign
            });
        }
        many = many.saturating_mul(8).min(length);
    }
}

fn torn(rest: &[u8]) -> Torn {
    let text = rest.strip_suffix(b"\n").unwrap_or(rest);
    Torn {
        bytes: u64::try_from(text.len()).unwrap_or(u64::MAX),
        sha256: hexadecimal(&Sha256::digest(text)),
        needs_line_feed: !rest.ends_with(b"\n"),
    }
}

/// The last line that is whole, what stands behind it, and whether it has its line feed.
fn last_line(bytes: &[u8]) -> Option<(Seen, &[u8], bool)> {
    let mut end = bytes.len();
    loop {
        let head = bytes.get(..end)?;
        let text = head.strip_suffix(b"\n").unwrap_or(head);
        let start = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if let Ok(seen) = chain::read(text.get(start..)?) {
            return Some((seen, bytes.get(end..)?, text.len() < head.len()));
        }
        if start == 0 {
            return None;
        }
        end = start;
    }
}

/// When the first line of a file was written, and its number.
fn first_line(file: &mut File) -> io::Result<Option<(String, u64)>> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    io::BufReader::new(file.take(MOST_BYTES)).read_until(b'\n', &mut bytes)?;
    Ok(first_of(&bytes))
}

fn first_of(bytes: &[u8]) -> Option<(String, u64)> {
    let seen = chain::read(bytes.split(|byte| *byte == b'\n').next()?).ok()?;
    Some((seen.time, seen.number))
}

/// The files that were put aside, in their order.
fn aside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned() + "-";
    let number = |path: &Path| -> Option<(u64, PathBuf)> {
        let name = path.file_stem()?.to_str()?.strip_prefix(&stem)?;
        Some((name.rsplit_once("Z-")?.1.parse().ok()?, path.to_owned()))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let entry = entry?.path();
        if entry.extension() == path.extension() {
            found.extend(number(&entry));
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn with_stem(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(suffix);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// For files that only their owner reads.
fn options() -> fs::OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// A name is on the disk when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}
