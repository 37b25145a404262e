//! In: records of a fixed size, each for a partition. Out: the records of a partition, all together. Never: takes more
//! memory than it is allowed, knows what a record means, or leaves a file behind.
//!
//! What does not fit into memory goes to a file that has no name: the system removes it when the process ends,
//! however it ends.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::fault::{Fault, Kind, Result};

/// A temporary file in `folder`, or where that is not there yet, in the nearest folder above it. It has no name, so that it
/// is gone when the process is.
///
/// # Errors
/// [`Kind::Output`] where there can be none.
pub fn file(folder: &Path) -> Result<File> {
    let folder = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(folder).map_err(|error| unwritable(error).at(folder.display()))
}

/// What it means that a temporary file cannot be written.
pub fn unwritable(error: std::io::Error) -> Fault {
    Fault::new(Kind::Output, "the temporary file for what does not fit into memory cannot be written")
        .because(error)
        .next("make room there, write the reports to another folder (--output), or allow more memory (--memory)")
}

/// What it means that a temporary file cannot be read.
pub fn unreadable(error: std::io::Error) -> Fault {
    Fault::new(Kind::Output, "the temporary file for what does not fit into memory cannot be read back")
        .because(error)
}

/// Records on their way to their partitions.
pub struct Spill {
    folder: PathBuf,
    /// Bytes that may stand in memory.
    limit: usize,
    buffered: usize,
    partitions: Vec<Partition>,
    file: Option<File>,
    /// The length of the file.
    end: u64,
}

#[derive(Default)]
struct Partition {
    buffer: Vec<u8>,
    /// What went to the file: where it starts, and how many bytes it has.
    segments: Vec<(u64, usize)>,
}

impl Spill {
    /// Of so many bytes in memory; what is more goes to a [`file`] in `folder`.
    #[must_use]
    pub fn new(folder: &Path, partitions: usize, limit: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            limit,
            buffered: 0,
            // Room for what a partition gets before it is written out, so that it need not grow: it takes memory only as it fills.
            partitions: (0..partitions)
                .map(|_| Partition { buffer: Vec::with_capacity(limit / partitions), segments: Vec::new() })
                .collect(),
            file: None,
            end: 0,
        }
    }

    /// Adds a record to a partition.
    ///
    /// # Errors
    /// [`Kind::Output`] where the temporary file cannot be written.
    pub fn put(&mut self, partition: usize, record: &[u8]) -> Result<()> {
        let Some(Partition { buffer, .. }) = self.partitions.get_mut(partition) else {
            return Err(Fault::new(Kind::Bug, "there is no such partition").value(partition));
        };
        buffer.extend_from_slice(record);
        self.buffered += record.len();
        if self.buffered >= self.limit { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(file(&self.folder)?),
        };
        for Partition { buffer, segments } in &mut self.partitions {
            file.write_all(buffer).map_err(unwritable)?;
            segments.push((self.end, buffer.len()));
            self.end += buffer.len() as u64;
            buffer.clear();
        }
        self.buffered = 0;
        Ok(())
    }

    /// Nothing more comes.
    #[must_use]
    pub fn finish(self) -> Spilled {
        Spilled { file: Mutex::new(self.file), partitions: self.partitions }
    }
}

/// Records in their partitions.
pub struct Spilled {
    file: Mutex<Option<File>>,
    partitions: Vec<Partition>,
}

impl Spilled {
    /// The bytes of all records of a partition, in the order in which they came.
    ///
    /// # Errors
    /// [`Kind::Output`] where the temporary file cannot be read.
    pub fn read(&self, partition: usize) -> Result<Cow<'_, [u8]>> {
        let Some(Partition { buffer, segments }) = self.partitions.get(partition) else {
            return Ok(Cow::default());
        };
        if segments.is_empty() {
            return Ok(buffer.into());
        }
        let length = segments.iter().map(|(_, length)| length).sum::<usize>();
        let mut bytes = Vec::with_capacity(length + buffer.len());
        bytes.resize(length, 0);
        let mut rest = bytes.as_mut_slice();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        for &(start, length) in segments {
            let (Some(file), Some((segment, behind))) = (file.as_mut(), rest.split_at_mut_checked(length))
            else {
                break;
            };
            file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(segment)).map_err(unreadable)?;
            rest = behind;
        }
        bytes.extend_from_slice(buffer);
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_and_no_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        for limit in [8, 40, 1 << 20] {
            let mut spill = Spill::new(&folder.path().join("not/yet"), 3, limit);
            for n in 0_u32..1000 {
                spill.put(n as usize % 3, &n.to_le_bytes()).unwrap();
            }
            assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
            let spilled = spill.finish();
            for partition in 0..3_u32 {
                let expected: Vec<u8> =
                    (0..1000).filter(|n| n % 3 == partition).flat_map(u32::to_le_bytes).collect();
                assert_eq!(spilled.read(partition as usize).unwrap(), expected);
            }
        }
    }
}
