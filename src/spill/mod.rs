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

/// Takes records of so many bytes to their partitions.
pub struct Spill<const SIZE: usize> {
    folder: PathBuf,
    partitions: Partitions<SIZE>,
    file: Option<File>,
    /// The length of the file.
    end: u64,
}

/// What stands in memory.
struct Partitions<const SIZE: usize> {
    /// Room for as many records of each partition, one partition behind the other. It takes memory only as it fills.
    room: Vec<u8>,
    /// How many that are.
    most: usize,
    all: Vec<Partition>,
}

#[derive(Default)]
struct Partition {
    /// How many records stand in its room.
    filled: usize,
    /// What went to the file: where it starts, and how many bytes it has.
    segments: Vec<(u64, usize)>,
}

impl<const SIZE: usize> Partitions<SIZE> {
    /// The bytes of a partition that stand in memory.
    fn bytes(&self, partition: usize) -> &[u8] {
        let filled = self.all.get(partition).map_or(0, |partition| partition.filled);
        let start = partition * self.most * SIZE;
        self.room.get(start..start + filled * SIZE).unwrap_or_default()
    }
}

impl<const SIZE: usize> Spill<SIZE> {
    /// Of so many bytes in memory; what is more goes to a [`file`] in `folder`.
    #[must_use]
    pub fn new(folder: &Path, partitions: usize, limit: usize) -> Self {
        let most = (limit / SIZE / partitions).max(1);
        let all = (0..partitions).map(|_| Partition::default()).collect();
        Self {
            folder: folder.to_owned(),
            partitions: Partitions { room: vec![0; most * partitions * SIZE], most, all },
            file: None,
            end: 0,
        }
    }

    /// Adds records, each to its partition. What takes one there waits for memory; many at once wait together.
    ///
    /// # Errors
    /// [`Kind::Output`] where the temporary file cannot be written.
    pub fn add(&mut self, records: impl Iterator<Item = (usize, [u8; SIZE])>) -> Result<()> {
        for (partition, record) in records {
            let is_full = |of: &Partition| of.filled == self.partitions.most;
            if self.partitions.all.get(partition).is_some_and(is_full) {
                self.write_out(partition)?;
            }
            let Partitions { room, most, all } = &mut self.partitions;
            let (room, _) = room.as_chunks_mut();
            let place = all.get_mut(partition).and_then(|Partition { filled, .. }| {
                *filled += 1;
                room.get_mut(partition * *most + *filled - 1)
            });
            let Some(place) = place else {
                return Err(Fault::new(Kind::Bug, "there is no such partition").value(partition));
            };
            *place = record;
        }
        Ok(())
    }

    fn write_out(&mut self, partition: usize) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(file(&self.folder)?),
        };
        let bytes = self.partitions.bytes(partition);
        file.write_all(bytes).map_err(unwritable)?;
        let segment = (self.end, bytes.len());
        self.end += bytes.len() as u64;
        if let Some(partition) = self.partitions.all.get_mut(partition) {
            partition.segments.push(segment);
            partition.filled = 0;
        }
        Ok(())
    }

    /// Nothing more comes.
    #[must_use]
    pub fn finish(self) -> Spilled<SIZE> {
        Spilled { file: Mutex::new(self.file), partitions: self.partitions }
    }
}

/// Records in their partitions.
pub struct Spilled<const SIZE: usize> {
    file: Mutex<Option<File>>,
    partitions: Partitions<SIZE>,
}

impl<const SIZE: usize> Spilled<SIZE> {
    /// The bytes of all records of a partition, in the order in which they came.
    ///
    /// # Errors
    /// [`Kind::Output`] where the temporary file cannot be read.
    pub fn read(&self, partition: usize) -> Result<Cow<'_, [u8]>> {
        let in_memory = self.partitions.bytes(partition);
        let segments = self.partitions.all.get(partition).map_or(&[][..], |partition| &partition.segments);
        if segments.is_empty() {
            return Ok(in_memory.into());
        }
        let length = segments.iter().map(|(_, length)| length).sum::<usize>();
        let mut bytes = Vec::with_capacity(length + in_memory.len());
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
        bytes.extend_from_slice(in_memory);
        Ok(bytes.into())
    }

    /// The record of a partition that came there behind so many others, if there is one.
    ///
    /// # Errors
    /// As [`Spilled::read`].
    pub fn get(&self, partition: usize, number: usize) -> Result<Option<[u8; SIZE]>> {
        let Some(Partition { segments, .. }) = self.partitions.all.get(partition) else { return Ok(None) };
        // What went to the file had filled its room.
        let (segment, within) = (number / self.partitions.most, number % self.partitions.most);
        let within = within * SIZE;
        let Some((start, _)) = segments.get(segment) else {
            let bytes = self.partitions.bytes(partition);
            let bytes = if segment == segments.len() { bytes.get(within..) } else { None };
            return Ok(bytes.and_then(|bytes| bytes.first_chunk().copied()));
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let no_file = || Fault::new(Kind::Bug, "there is no temporary file").value(partition);
        let file = file.as_mut().ok_or_else(no_file)?;
        let mut record = [0; SIZE];
        let place = SeekFrom::Start(start + within as u64);
        file.seek(place).and_then(|_| file.read_exact(&mut record)).map_err(unreadable)?;
        Ok(Some(record))
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
            for hundred in 0_u32..10 {
                let numbers = hundred * 100..(hundred + 1) * 100;
                spill.add(numbers.map(|n| (n as usize % 3, n.to_le_bytes()))).unwrap();
            }
            assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
            let spilled = spill.finish();
            for partition in 0..3_u32 {
                let expected: Vec<u8> =
                    (0..1000).filter(|n| n % 3 == partition).flat_map(u32::to_le_bytes).collect();
                assert_eq!(spilled.read(partition as usize).unwrap(), expected);
                let singly = (0..).map_while(|number| spilled.get(partition as usize, number).unwrap());
                assert_eq!(singly.flatten().collect::<Vec<u8>>(), expected);
            }
        }
    }
}
