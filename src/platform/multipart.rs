//! An envelope with attachments (MTOM: SOAP Message Transmission Optimization; XOP §4; RFC 2387).
//!
//! The envelope is the first part, as all senders have it; the attachments behind it are passed over. No
//! library for mail reads a stream from a network, and this is the little that SOAP uses of it.

use std::io::{self, Read};

use memchr::memmem;

use super::answer::Limit;
use super::media::{essence, parameter};
use crate::fault::{Fault, Kind};

/// Bytes in front of the envelope: nothing, and a few headers.
const HEAD_BYTES: usize = 64 << 10;
const PIECE_BYTES: usize = 64 << 10;

/// The envelope among its attachments.
pub(super) struct Envelope<R> {
    inner: R,
    /// The `Content-Type` of the part.
    pub(super) content_type: String,
    buffer: Vec<u8>,
    /// What stands in front of each part: `CRLF--boundary`.
    delimiter: Vec<u8>,
    stage: Stage,
    /// Bytes that may come behind the envelope.
    left: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Envelope,
    Attachments,
    Done,
}

fn refused(what: &str) -> io::Error {
    io::Error::other(
        Fault::new(Kind::Platform, format!("the answer has attachments (MTOM), and {what}"))
            .next("have the service send plain SOAP, without MTOM"),
    )
}

impl<R: Read> Envelope<R> {
    /// Reads up to the envelope. At most `limit_bytes` may come behind it.
    pub(super) fn open(inner: R, content_type: &str, limit_bytes: u64) -> io::Result<Self> {
        let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty());
        let boundary = boundary.ok_or_else(|| refused("does not say what separates its parts"))?;
        let mut envelope = Self {
            inner,
            content_type: String::new(),
            // The first delimiter need not have a line end in front.
            buffer: b"\r\n".to_vec(),
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            stage: Stage::Envelope,
            left: limit_bytes,
        };
        let delimiter = envelope.delimiter.clone();
        let start = envelope.find(&delimiter)?;
        envelope.buffer.drain(..start + delimiter.len());
        let end = envelope.find(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(envelope.buffer.get(..end).unwrap_or_default()).into_owned();
        envelope.buffer.drain(..end + 4);
        envelope.take_head(&head, parameter(content_type, "start"))?;
        Ok(envelope)
    }

    fn find(&mut self, what: &[u8]) -> io::Result<usize> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, what) {
                return Ok(at);
            }
            if self.buffer.len() > HEAD_BYTES {
                return Err(refused("the envelope is not where it should be"));
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let start = self.buffer.len();
        self.buffer.resize(start + PIECE_BYTES, 0);
        let count = self.inner.read(self.buffer.get_mut(start..).unwrap_or_default());
        self.buffer.truncate(start + count.as_ref().copied().unwrap_or_default());
        match count? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The headers of the part; a line that starts with white space goes on with the one before.
    fn take_head(&mut self, head: &str, start: Option<String>) -> io::Result<()> {
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let header = |wanted: &str| {
            unfolded.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
            })
        };
        let bare = |id: &str| id.trim_matches(['<', '>', ' ']).to_owned();
        if let (Some(start), Some(id)) = (start, header("Content-ID"))
            && bare(&start) != bare(&id)
        {
            return Err(refused("its envelope is not the first part"));
        }
        let coding = header("Content-Transfer-Encoding").unwrap_or_default();
        if !["", "binary", "8bit", "7bit"].iter().any(|known| coding.eq_ignore_ascii_case(known)) {
            return Err(refused("its envelope is encoded once more"));
        }
        self.content_type = header("Content-Type").unwrap_or_default();
        let is_xml = ["", "application/xop+xml", "text/xml", "application/soap+xml", "application/xml"]
            .contains(&essence(&self.content_type).as_str());
        if is_xml { Ok(()) } else { Err(refused("its first part is no envelope")) }
    }

    /// Passes over the attachments: without the last delimiter, the answer is cut off.
    fn pass_over(&mut self) -> io::Result<()> {
        // The buffer starts behind a delimiter.
        loop {
            while self.buffer.len() < 2 {
                self.more()?;
            }
            if self.buffer.starts_with(b"--") {
                break;
            }
            let passed = loop {
                match memmem::find(&self.buffer, &self.delimiter) {
                    Some(at) => break at + self.delimiter.len(),
                    None => {
                        let passed = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                        self.forget(passed)?;
                        self.more()?;
                    }
                }
            };
            self.forget(passed)?;
        }
        // What follows is nothing, but the connection is only free when it is read.
        loop {
            self.forget(self.buffer.len())?;
            match self.more() {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                outcome => outcome?,
            }
        }
    }

    fn forget(&mut self, count: usize) -> io::Result<()> {
        let bytes = u64::try_from(count).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(bytes).ok_or(Limit::Answer)?;
        self.buffer.drain(..count);
        Ok(())
    }
}

impl<R: Read> Read for Envelope<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stage {
                Stage::Done => return Ok(0),
                Stage::Attachments => {
                    self.pass_over()?;
                    self.stage = Stage::Done;
                }
                Stage::Envelope => {
                    let end = memmem::find(&self.buffer, &self.delimiter);
                    // A delimiter may have begun at the end of what is there.
                    let safe = end.unwrap_or(self.buffer.len().saturating_sub(self.delimiter.len() - 1));
                    let count = safe.min(into.len());
                    if count > 0 {
                        let from = self.buffer.drain(..count);
                        into.iter_mut().zip(from).for_each(|(to, byte)| *to = byte);
                        return Ok(count);
                    }
                    if end.is_some() {
                        self.buffer.drain(..self.delimiter.len());
                        self.stage = Stage::Attachments;
                    } else {
                        self.more()?;
                    }
                }
            }
        }
    }
}
