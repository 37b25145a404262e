//! Reports under temporary names beside their own, until all of them are whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use tempfile::NamedTempFile;

use super::{Check, unwritten};
use crate::fault::{Fault, Kind, Result};

/// Bytes of a file that are brought to the disk while the next ones are put into words, so that little is left at its end.
const STEP: u64 = 1 << 20;

/// Files that wait for the disk, at the most. What has no place waits for its next step.
const WAITING: usize = 4;

/// A way to the disk for whatever is written.
pub(super) type Disk = SyncSender<(PathBuf, File)>;

/// Does `work`, and beside it brings to the disk what is sent there: to wait for a disk takes no processor.
///
/// # Errors
/// [`Kind::Output`] where there can be no thread for that.
pub(super) fn beside<T>(work: impl FnOnce(&Disk) -> T) -> Result<(T, Result<()>)> {
    let (disk, files) = mpsc::sync_channel(WAITING);
    thread::scope(|scope| {
        let bringing = thread::Builder::new().spawn_scoped(scope, || bring(files)).map_err(|error| {
            Fault::new(Kind::Output, "the system gives no thread that brings reports to the disk")
                .because(error)
        })?;
        let done = work(&disk);
        drop(disk);
        let broken = |_| Err(Fault::new(Kind::Bug, "the thread that brings reports to the disk ended early"));
        Ok((done, bringing.join().unwrap_or_else(broken)))
    })
}

fn bring(files: Receiver<(PathBuf, File)>) -> Result<()> {
    files.into_iter().try_for_each(|(path, file)| file.sync_all().map_err(|error| unwritten(&path, error)))
}

/// Asks whether to go on, as often as a buffer is written out.
pub(super) struct Watched<'c> {
    file: NamedTempFile,
    /// Bytes that were written.
    written: u64,
    check: Check<'c>,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.check)().map_err(io::Error::other)?;
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a file under a temporary name.
pub(super) fn open<'c>(directory: &Path, check: Check<'c>) -> io::Result<BufWriter<Watched<'c>>> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tieout-").suffix(".partial");
    // Reports are for others to read; the default of temporary files is to hide them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let file = builder.tempfile_in(directory)?;
    Ok(BufWriter::new(Watched { file, written: 0, check }))
}

/// The file, with all that was written.
pub(super) fn flush(out: BufWriter<Watched<'_>>) -> io::Result<NamedTempFile> {
    out.into_inner().map(|watched| watched.file).map_err(io::IntoInnerError::into_error)
}

/// A report under a temporary name.
pub(super) struct Aside<'c> {
    path: PathBuf,
    out: BufWriter<Watched<'c>>,
    disk: Disk,
    /// Bytes that had been written at the last step.
    sent: u64,
}

impl<'c> Aside<'c> {
    pub(super) fn open(directory: &Path, name: &str, check: Check<'c>, disk: Disk) -> Result<Self> {
        let path = directory.join(name);
        let out = open(directory, check).map_err(|error| unwritten(&path, error))?;
        Ok(Self { path, out, disk, sent: 0 })
    }

    pub(super) fn add(&mut self, fill: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> Result<()> {
        fill(&mut self.out).map_err(|error| unwritten(&self.path, error))?;
        let Watched { file, written, .. } = self.out.get_ref();
        if *written - self.sent >= STEP {
            // Where too many wait, the next step takes this one along.
            let _ = self.disk.try_send(step(&self.path, file)?);
            self.sent = *written;
        }
        Ok(())
    }

    /// The file, whole and on its way to the disk, and where it belongs.
    pub(super) fn close(self) -> Result<(PathBuf, NamedTempFile)> {
        let file = flush(self.out).map_err(|error| unwritten(&self.path, error))?;
        // If nobody takes it, something could not be brought to the disk, and whoever waits for all of it is told what.
        let _ = self.disk.send(step(&self.path, &file)?);
        Ok((self.path, file))
    }
}

/// What has been written so far, for the disk.
fn step(path: &Path, file: &NamedTempFile) -> Result<(PathBuf, File)> {
    let file = file.as_file().try_clone().map_err(|error| unwritten(path, error))?;
    Ok((path.to_owned(), file))
}
