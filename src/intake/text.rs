//! A text file as chunks of UTF-8, hashed as it is read.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE};
use sha2::{Digest as _, Sha256};

use super::Digest;
use super::files::{Encoding, Input};
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result};
use crate::progress::Task;

/// Bytes per chunk: large enough that refilling costs nothing, small enough for the second-level cache, beside what the rows are
/// looked up in.
const CHUNK: usize = 64 * 1024;

/// Bytes per chunk where records are read again, one here and one there: the next one is often near.
const REVISIT: usize = 4 * 1024;

/// Bytes that most records have at the most.
const RECORD: u64 = 256;

/// Counts and hashes whatever is read.
pub(super) struct Hashed {
    hasher: Sha256,
    bytes: u64,
}

impl Hashed {
    pub(super) fn new() -> Self {
        Self { hasher: Sha256::new(), bytes: 0 }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn finish(&self) -> Digest {
        Digest { bytes: self.bytes, sha256: hexadecimal(&self.hasher.clone().finalize()) }
    }
}

/// The file itself: every byte that passes is hashed and reported.
struct Bytes {
    file: File,
    label: Arc<str>,
    hashed: Hashed,
    task: Arc<dyn Task>,
    /// The file has been read through: what is read now is known already.
    again: bool,
}

impl Bytes {
    fn seek(&mut self, place: u64) -> Result<()> {
        self.again = true;
        self.file.seek(SeekFrom::Start(place)).map(|_| ()).map_err(|error| {
            Fault::new(Kind::Input, "the file cannot be read again").at(&self.label).because(error)
        })
    }

    /// Fills as much of `into` as the file still has.
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(space) = into.get_mut(filled..).filter(|space| !space.is_empty()) {
            self.task.check()?;
            match self.file.read(space) {
                Ok(0) => break,
                Ok(count) => {
                    if !self.again {
                        self.hashed.add(space.get(..count).unwrap_or_default());
                        self.task.advance(count as u64);
                    }
                    filled += count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Fault::new(Kind::Input, "the file cannot be read")
                        .at(&self.label)
                        .because(error));
                }
            }
        }
        Ok(filled)
    }
}

/// Bytes in another encoding, waiting to become UTF-8.
struct Foreign {
    decoder: Decoder,
    raw: Vec<u8>,
    start: usize,
    end: usize,
    /// The file has no more bytes than stand in `raw`.
    last: bool,
}

/// A text file, as UTF-8.
pub(super) struct Text {
    bytes: Bytes,
    foreign: Option<Foreign>,
    chunk: Vec<u8>,
    start: usize,
    end: usize,
    /// Where in the file the chunk starts, where the file is UTF-8.
    base: u64,
    /// How often the chunk has been filled.
    fillings: u64,
    done: bool,
    malformed: bool,
}

impl Text {
    /// Opens `input` in the encoding that its first bytes give away, else in `encoding`, else in UTF-8.
    /// A byte order mark is certain evidence, so it goes before the setting.
    pub(super) fn open(input: Input, encoding: Option<Encoding>) -> Result<Self> {
        let mut bytes = Bytes {
            file: input.file,
            label: input.label,
            hashed: Hashed::new(),
            task: input.task,
            again: false,
        };
        let mut raw = vec![0; CHUNK];
        let end = bytes.read(&mut raw)?;
        let head = raw.get(..end).unwrap_or_default();
        let (encoding, mut start) = match encoding_rs::Encoding::for_bom(head) {
            Some(found) => found,
            None => (encoding.map(|e| e.0).or_else(|| utf_16(head)).unwrap_or(UTF_8), 0),
        };
        if encoding != UTF_8 {
            let decoder = encoding.new_decoder_without_bom_handling();
            let foreign = Foreign { decoder, raw, start, end, last: end < CHUNK };
            let chunk = vec![0; CHUNK];
            return Ok(Self {
                bytes,
                foreign: Some(foreign),
                chunk,
                start: 0,
                end: 0,
                base: 0,
                fillings: 0,
                done: false,
                malformed: false,
            });
        }
        if head.contains(&0) {
            return Err(Fault::new(Kind::Input, "this is neither a text file nor a workbook")
                .at(&bytes.label)
                .expected("CSV text, or a workbook (.xlsx, .xlsb, .xls, .ods)")
                .next("look at what the file is, and keep it out of files = [...] if it is no table"));
        }
        // Some tools write the mark twice.
        while let Some(b"\xef\xbb\xbf") = head.get(start..start + 3) {
            start += 3;
        }
        Ok(Self {
            bytes,
            foreign: None,
            chunk: raw,
            start,
            end,
            base: 0,
            fillings: 0,
            done: end < CHUNK,
            malformed: false,
        })
    }

    /// What is read and not yet consumed; empty only at the end, or where the bytes are not text in
    /// their encoding.
    pub(super) fn chunk(&mut self) -> Result<&[u8]> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok(self.chunk.get(self.start..self.end).unwrap_or_default())
    }

    /// The whole buffer, where in it the next byte stands, and which filling of it that is.
    pub(super) fn buffer(&mut self) -> Result<(&[u8], usize, u64)> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok((self.chunk.get(..self.end).unwrap_or_default(), self.start, self.fillings))
    }

    /// Where in the file the next byte stands; `None` where the file is not UTF-8.
    pub(super) fn place(&self) -> Option<u64> {
        self.foreign.is_none().then_some(self.base + self.start as u64)
    }

    /// Goes to a [`Text::place`], which is read in small chunks from now on, and neither hashed nor reported.
    pub(super) fn go_to(&mut self, place: u64) -> Result<()> {
        // What ends behind the chunk takes longer than another chunk.
        let least = if self.done { 0 } else { RECORD };
        let here = self.base + self.start as u64..(self.base + self.end as u64).saturating_sub(least);
        if self.bytes.again && here.contains(&place) {
            self.consume(usize::try_from(place - here.start).unwrap_or_default());
            return Ok(());
        }
        self.chunk.resize(REVISIT, 0);
        self.chunk.shrink_to_fit();
        self.bytes.seek(place)?;
        (self.base, self.start, self.end, self.done) = (place, 0, 0, false);
        Ok(())
    }

    /// As much of what comes next as a chunk can hold.
    pub(super) fn ahead(&mut self) -> Result<&[u8]> {
        self.fill()?;
        Ok(self.chunk.get(self.start..self.end).unwrap_or_default())
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// Whether the text ended because its bytes mean nothing in their encoding.
    pub(super) fn malformed(&self) -> Option<&'static str> {
        self.foreign.as_ref().filter(|_| self.malformed).map(|foreign| foreign.decoder.encoding().name())
    }

    /// The encoding of the file.
    pub(super) fn encoding(&self) -> &'static str {
        self.foreign.as_ref().map_or(UTF_8, |foreign| foreign.decoder.encoding()).name()
    }

    /// What has been read so far.
    pub(super) fn digest(&self) -> Digest {
        self.bytes.hashed.finish()
    }

    fn fill(&mut self) -> Result<()> {
        self.chunk.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.fillings += 1;
        self.end -= self.start;
        self.start = 0;
        while !self.done && self.end < self.chunk.len() {
            let space = self.chunk.get_mut(self.end..).unwrap_or_default();
            let Some(foreign) = &mut self.foreign else {
                let wanted = space.len();
                let count = self.bytes.read(space)?;
                self.end += count;
                self.done = count < wanted;
                break;
            };
            if foreign.start == foreign.end && !foreign.last {
                foreign.start = 0;
                foreign.end = self.bytes.read(&mut foreign.raw)?;
                foreign.last = foreign.end < foreign.raw.len();
            }
            let waiting = foreign.raw.get(foreign.start..foreign.end).unwrap_or_default();
            let (result, read, written) =
                foreign.decoder.decode_to_utf8_without_replacement(waiting, space, foreign.last);
            foreign.start += read;
            self.end += written;
            match result {
                DecoderResult::InputEmpty => self.done = foreign.last,
                DecoderResult::OutputFull => break,
                DecoderResult::Malformed(..) => {
                    self.malformed = true;
                    self.done = true;
                }
            }
        }
        Ok(())
    }
}

/// UTF-16 without a byte order mark: more than half of the characters are ASCII, so their other byte is
/// nought, and hardly ever the byte on the other side.
fn utf_16(head: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let pairs = head.get(..head.len().min(1024)).unwrap_or_default().chunks_exact(2);
    let count = pairs.len();
    let (mut first, mut second) = (0, 0);
    for pair in pairs {
        first += usize::from(pair.first() == Some(&0));
        second += usize::from(pair.last() == Some(&0));
    }
    if second * 2 > count && first * 10 < count {
        Some(UTF_16LE)
    } else if first * 2 > count && second * 10 < count {
        Some(UTF_16BE)
    } else {
        None
    }
}
