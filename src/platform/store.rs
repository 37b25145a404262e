//! What a fetch has so far, on disk: one file for each piece, whole or not there.
//!
//! A folder belongs to one fetch, by a digest of what is asked; its manifest says that the fetch is not over.
//! A piece is written under a temporary name, page by page, with a SHA-256 over all of it
//! at its end, and gets its name when it is complete and on disk. When the fetch
//! is complete, the folder goes: the next one asks afresh, since settlements are restated.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::record::Batch;
use crate::fault::{Fault, Kind, Result};
use crate::period::moment;

/// What a piece's file begins with, and a manifest. Another version of tieout does not read it.
const MARK: &str = concat!("tieout fetched ", env!("CARGO_PKG_VERSION"));
const MANIFEST: &str = "manifest";
const LOCK: &str = "lock";
const PIECE: &str = "records";
const PARTIAL: &str = "partial";
const BUFFER_BYTES: usize = 64 << 10;
const DIGEST_BYTES: usize = 32;

/// What follows in a file.
const BATCH: u8 = b'B';
const PAGE: u8 = b'P';
const END: u8 = b'E';

/// Which fetch a store is opened for.
pub(super) struct Opening<'a> {
    /// The folder of all stores.
    pub(super) base: &'a Path,
    /// The digest of what is asked.
    pub(super) key: &'a str,
    pub(super) now: SystemTime,
    /// How old an interrupted fetch may be.
    pub(super) resume: Duration,
    /// Ignore what is there.
    pub(super) refetch: bool,
}

/// The folder of one fetch.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    hold: Hold,
}

/// What keeps others out.
#[derive(Debug)]
enum Hold {
    Lock(#[expect(dead_code, reason = "it is held, not read")] File),
    /// A folder that nobody else knows. It goes when it is dropped.
    Own(#[expect(dead_code, reason = "it is held, not read")] TempDir),
}

impl Store {
    /// A store for one time, in the folder for temporary files.
    pub(super) fn temporary() -> Result<Self> {
        Self::own(&std::env::temp_dir())
    }

    fn own(base: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tieout-fetch-").tempdir_in(base);
        let folder = folder.map_err(|error| unwritable(base, error))?;
        Ok(Self { folder: folder.path().to_owned(), hold: Hold::Own(folder) })
    }

    /// Opens the store of a fetch: with what an earlier one left, if that was interrupted and is young enough, else empty.
    pub(super) fn open(opening: &Opening<'_>, note: &dyn Fn(String)) -> Result<Self> {
        let base = opening.base;
        let folder = base.join(opening.key);
        let failed = |error| unwritable(&folder, error);
        let mut patience = 10;
        let lock = loop {
            private_folder(&folder).map_err(failed)?;
            let lock = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK));
            let lock = lock.map_err(failed)?;
            match lock.try_lock() {
                // Another run may have completed, and removed the folder, between the two.
                Ok(()) if folder.join(LOCK).exists() => break lock,
                Ok(()) => {}
                // A child process that has not become its program yet holds what its parent held: for a moment.
                Err(TryLockError::WouldBlock) if patience > 0 => {
                    patience -= 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    note(format!(
                        "the same is being fetched by another run ({}); this one keeps nothing for a next attempt",
                        folder.display()
                    ));
                    return Self::own(base);
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        };
        let store = Self { folder, hold: Hold::Lock(lock) };
        store.sweep(base, opening);
        if store.is_to_be_resumed(opening, note) {
            return Ok(store);
        }
        let failed = |error| unwritable(&store.folder, error);
        store.empty().map_err(failed)?;
        let seconds = since_epoch(opening.now);
        let manifest = format!("{MARK}\n{seconds}\nstarted {}\n", moment(opening.now));
        let manifest_path = store.folder.join(MANIFEST);
        let write = || -> io::Result<()> {
            let path = manifest_path.with_extension(PARTIAL);
            let mut file = File::create(&path)?;
            file.write_all(manifest.as_bytes())?;
            file.sync_all()?;
            fs::rename(path, &manifest_path)?;
            sync_folder(&store.folder);
            Ok(())
        };
        write().map_err(failed)?;
        Ok(store)
    }

    fn is_to_be_resumed(&self, opening: &Opening<'_>, note: &dyn Fn(String)) -> bool {
        // Without a manifest there was no fetch, or it was completed.
        let Ok(manifest) = fs::read_to_string(self.folder.join(MANIFEST)) else { return false };
        let mut lines = manifest.lines();
        let is_ours = lines.next() == Some(MARK);
        let started = lines.next().and_then(|seconds| seconds.parse::<u64>().ok()).filter(|_| is_ours);
        let Some(started) = started else {
            note(format!("{} is not a store of this tieout; all is fetched afresh", self.folder.display()));
            return false;
        };
        let at = moment(UNIX_EPOCH + Duration::from_secs(started));
        if opening.refetch {
            note(format!("what an interrupted fetch of {at} left is ignored"));
            return false;
        }
        // A fetch that starts in the future is as little to be trusted as an old one.
        let age = since_epoch(opening.now).checked_sub(started);
        if age.is_none_or(|age| age > opening.resume.as_secs()) {
            note(format!("what an interrupted fetch of {at} left is too old; all is fetched afresh"));
            return false;
        }
        let kept = self.files(PIECE).count();
        note(format!("resuming the fetch of {at} that was interrupted: {kept} finished windows are kept"));
        // What was not finished is not used.
        for partial in self.files(PARTIAL) {
            let _ = fs::remove_file(partial);
        }
        true
    }

    fn files(&self, extension: &'static str) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(move |path| path.extension().is_some_and(|found| found == extension))
    }

    /// Removes what is no manifest of an open fetch any more; the manifest first: without it, nothing else counts.
    fn empty(&self) -> io::Result<()> {
        let gone = |removed: io::Result<()>| match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        gone(fs::remove_file(self.folder.join(MANIFEST)))?;
        self.files(PIECE).chain(self.files(PARTIAL)).try_for_each(|path| gone(fs::remove_file(path)))
    }

    /// Removes what other fetches left that nobody will resume. Whatever cannot be removed stays.
    fn sweep(&self, base: &Path, opening: &Opening<'_>) {
        for folder in fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let is_store = folder.join(LOCK).is_file() && folder != self.folder;
            let is_old = fs::metadata(&folder)
                .and_then(|found| found.modified())
                .is_ok_and(|at| opening.now.duration_since(at).is_ok_and(|age| age > opening.resume));
            let Some(lock) = (is_store && is_old).then(|| File::open(folder.join(LOCK)).ok()).flatten()
            else {
                continue;
            };
            if lock.try_lock().is_ok() {
                let other = Self { folder, hold: Hold::Lock(lock) };
                let _ = other.close();
            }
        }
    }

    /// The piece that an earlier fetch finished, if it is there, and whole.
    pub(super) fn finished(&self, key: &str, note: &dyn Fn(String)) -> bool {
        let path = self.path(key, PIECE);
        match verify(&path, key) {
            Ok(true) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Ok(false) | Err(_) => {
                note(format!("{} is damaged; its window is fetched anew", path.display()));
                // Written over in any case; a file that cannot be removed is renamed over.
                let _ = fs::remove_file(path);
                false
            }
        }
    }

    /// Begins to write a piece.
    pub(super) fn write(&self, key: &str) -> Result<Writer> {
        // What is thrown away at the end need not survive a loss of power.
        let is_lasting = matches!(self.hold, Hold::Lock(_));
        Writer::new(self.path(key, PARTIAL), self.path(key, PIECE), key, is_lasting)
    }

    /// Begins to read a piece that was finished, or is being written; of the latter not more than
    /// [`Reader::allow`] says.
    pub(super) fn read(&self, key: &str) -> Result<Reader> {
        // It may get its name between the two looks; it never loses it.
        let opened = File::open(self.path(key, PARTIAL)).or_else(|_| File::open(self.path(key, PIECE)));
        Reader::new(opened, self.path(key, PIECE), key)
    }

    /// The fetch is complete: there is nothing to resume any more.
    pub(super) fn close(self) -> Result<()> {
        self.empty().map_err(|error| unwritable(&self.folder, error))
    }

    fn path(&self, key: &str, extension: &str) -> PathBuf {
        self.folder.join(key).with_extension(extension)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let Hold::Lock(_) = &self.hold else { return };
        for partial in self.files(PARTIAL) {
            let _ = fs::remove_file(partial);
        }
        if self.files(PIECE).next().is_none() {
            // There is nothing to resume. What cannot be removed is looked at by the next fetch.
            let _ = self.empty();
            let _ = fs::remove_file(self.folder.join(LOCK));
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

fn since_epoch(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Records are nobody else's business.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A name is on disk when its folder is. Where folders cannot be synced, the system does it by itself.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

fn unwritable(path: &Path, error: io::Error) -> Fault {
    Fault::new(Kind::Output, "what is fetched cannot be kept")
        .at(path.display())
        .because(error)
        .next("make room, or name another folder by [platform] store")
}

/// Whether a file is the piece `key`, whole and as it was written.
fn verify(path: &Path, key: &str) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(body) = length.checked_sub(DIGEST_BYTES as u64) else { return Ok(false) };
    let mut header = vec![0; header(key).len()];
    file.read_exact(&mut header)?;
    if header != self::header(key).as_bytes() {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut sha = Sha256::new();
    let mut rest = BufReader::with_capacity(BUFFER_BYTES, file);
    io::copy(&mut rest.by_ref().take(body), &mut Hashing { inner: io::sink(), sha: &mut sha })?;
    let mut digest = [0; DIGEST_BYTES];
    rest.read_exact(&mut digest)?;
    Ok(sha.finalize().as_slice() == digest)
}

fn header(key: &str) -> String {
    format!("{MARK}\n{key}\n")
}

/// Writes, and takes into the digest what was written.
struct Hashing<'s, W> {
    inner: W,
    sha: &'s mut Sha256,
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.sha.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A piece that is being written.
pub(super) struct Writer {
    file: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
    is_lasting: bool,
    sha: Sha256,
    at: u64,
    /// The digest and the length up to the last page that was complete.
    complete: (Sha256, u64),
    scratch: Vec<u8>,
}

impl Writer {
    fn new(partial: PathBuf, path: PathBuf, key: &str, is_lasting: bool) -> Result<Self> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&partial).map_err(|error| unwritable(&partial, error))?;
        let mut writer = Self {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            partial,
            path,
            is_lasting,
            sha: Sha256::new(),
            at: 0,
            complete: (Sha256::new(), 0),
            scratch: header(key).into_bytes(),
        };
        writer.put()?;
        writer.mark()?;
        Ok(writer)
    }

    /// Adds records of the page under way.
    pub(super) fn batch(&mut self, batch: &Batch) -> Result<()> {
        self.scratch.push(BATCH);
        batch.encode(&mut self.scratch).map_err(|error| unwritable(&self.partial, error))?;
        self.put()
    }

    /// The page under way is complete; gives the length of the file with it, up to which it may be read now.
    pub(super) fn page(&mut self) -> Result<u64> {
        self.scratch.push(PAGE);
        self.put()?;
        self.mark()?;
        Ok(self.at)
    }

    /// Forgets the page under way.
    pub(super) fn back(&mut self) -> Result<()> {
        let (sha, at) = self.complete.clone();
        let failed = |error| unwritable(&self.partial, error);
        self.file.flush().map_err(failed)?;
        self.file.get_ref().set_len(at).map_err(failed)?;
        self.file.seek(SeekFrom::Start(at)).map_err(failed)?;
        (self.sha, self.at) = (sha, at);
        self.scratch.clear();
        Ok(())
    }

    /// All pages are there: the piece is put on disk and gets its name.
    pub(super) fn finish(mut self) -> Result<()> {
        self.scratch.push(END);
        self.put()?;
        let failed = |error| unwritable(&self.partial, error);
        let digest = self.sha.finalize();
        self.file.write_all(digest.as_slice()).map_err(failed)?;
        self.file.flush().map_err(failed)?;
        if self.is_lasting {
            self.file.get_ref().sync_all().map_err(failed)?;
        }
        drop(self.file);
        fs::rename(&self.partial, &self.path).map_err(failed)?;
        if let Some(folder) = self.path.parent().filter(|_| self.is_lasting) {
            sync_folder(folder);
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<()> {
        self.file.flush().map_err(|error| unwritable(&self.partial, error))?;
        self.complete = (self.sha.clone(), self.at);
        Ok(())
    }

    fn put(&mut self) -> Result<()> {
        let mut out = Hashing { inner: &mut self.file, sha: &mut self.sha };
        out.write_all(&self.scratch).map_err(|error| unwritable(&self.partial, error))?;
        self.at += self.scratch.len() as u64;
        self.scratch.clear();
        Ok(())
    }
}

/// What comes next in a piece.
pub(super) enum Next {
    /// The batch was filled.
    Batch,
    /// A page ends.
    Page,
    /// The piece ends.
    End,
}

/// A piece that is being read.
pub(super) struct Reader {
    file: BufReader<Allowed>,
    path: PathBuf,
}

/// A file up to where it may be read: what comes behind may still change.
struct Allowed {
    file: File,
    at: u64,
    end: u64,
}

impl Read for Allowed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(into.len());
        let count = self.file.read(into.get_mut(..left).unwrap_or_default())?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Reader {
    fn new(opened: io::Result<File>, path: PathBuf, key: &str) -> Result<Self> {
        let failed = |error| unreadable(&path, error);
        let mut file = opened.map_err(failed)?;
        let at = header(key).len() as u64;
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        let file = BufReader::with_capacity(BUFFER_BYTES, Allowed { file, at, end: at });
        Ok(Self { file, path })
    }

    /// The file may be read up to `end`.
    pub(super) fn allow(&mut self, end: u64) {
        self.file.get_mut().end = end;
    }

    pub(super) fn next(&mut self, batch: &mut Batch) -> Result<Next> {
        let mut read = || {
            let mut tag = [0];
            self.file.read_exact(&mut tag)?;
            match tag {
                [BATCH] => batch.decode(&mut self.file).map(|()| Next::Batch),
                [PAGE] => Ok(Next::Page),
                [END] => Ok(Next::End),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        };
        read().map_err(|error| unreadable(&self.path, error))
    }
}

fn unreadable(path: &Path, error: io::Error) -> Fault {
    Fault::new(Kind::Output, "what was fetched cannot be read back")
        .at(path.display())
        .because(error)
        .next("run again; give --refetch if it happens again")
}
