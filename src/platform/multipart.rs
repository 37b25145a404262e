//! The parts of an answer with attachments (MTOM: SOAP Message Transmission Optimization; XOP §4; RFC 2387).
//!
//! The envelope is the first part, as all senders have it. No library for mail reads a stream from a network, and
//! this is the little that SOAP uses of it.

use std::io::{self, Read};

use memchr::memmem;

use super::answer::Limit;
use super::media::{essence, parameter};
use crate::fault::{Fault, Kind};

/// Bytes in front of a part's body: nothing, and a few headers.
const HEAD_BYTES: usize = 64 << 10;
const PIECE_BYTES: usize = 64 << 10;

/// The parts, one after the other. What is read is the body of the one at hand.
pub(super) struct Parts<R> {
    inner: R,
    buffer: Vec<u8>,
    /// What stands in front of each part: `CRLF--boundary`.
    delimiter: Vec<u8>,
    /// The delimiter behind the part at hand was reached.
    is_over: bool,
    /// Bytes that may still come.
    left: u64,
}

/// What the headers of a part say.
pub(super) struct Head {
    pub(super) content_type: String,
    /// Without the brackets; blank where there is none.
    pub(super) id: String,
    /// Its bytes are what they are, and not encoded once more.
    pub(super) is_bare: bool,
}

pub(super) fn refused(what: &str) -> io::Error {
    io::Error::other(
        Fault::new(Kind::Platform, format!("the answer has attachments (MTOM), and {what}"))
            .next("have the service send plain SOAP, without MTOM"),
    )
}

impl<R: Read> Parts<R> {
    /// Reads up to the body of the envelope. All parts together have at most `limit_bytes`.
    pub(super) fn open(inner: R, content_type: &str, limit_bytes: u64) -> io::Result<(Self, Head)> {
        let boundary = parameter(content_type, "boundary").filter(|boundary| !boundary.is_empty());
        let boundary = boundary.ok_or_else(|| refused("does not say what separates its parts"))?;
        let mut parts = Self {
            inner,
            // The first delimiter need not have a line end in front.
            buffer: b"\r\n".to_vec(),
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            is_over: false,
            left: limit_bytes,
        };
        let delimiter = parts.delimiter.clone();
        let start = parts.find(&delimiter)?;
        parts.buffer.drain(..start + delimiter.len());
        let head = parts.head()?;
        if let Some(start) = parameter(content_type, "start")
            && !head.id.is_empty()
            && bare(&start) != head.id
        {
            return Err(refused("its envelope is not the first part"));
        }
        if !head.is_bare {
            return Err(refused("its envelope is encoded once more"));
        }
        let is_xml = ["", "application/xop+xml", "text/xml", "application/soap+xml", "application/xml"]
            .contains(&essence(&head.content_type).as_str());
        if is_xml { Ok((parts, head)) } else { Err(refused("its first part is no envelope")) }
    }

    /// Goes on to the next part, when the one at hand was read to its end; `None` behind the last: without
    /// the last delimiter, the answer is cut off.
    pub(super) fn next(&mut self) -> io::Result<Option<Head>> {
        while self.buffer.len() < 2 {
            self.more()?;
        }
        if !self.buffer.starts_with(b"--") {
            self.is_over = false;
            return self.head().map(Some);
        }
        // What follows is nothing, but the connection is only free when it is read.
        loop {
            self.buffer.clear();
            match self.more() {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                outcome => outcome?,
            }
        }
    }

    fn find(&mut self, what: &[u8]) -> io::Result<usize> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, what) {
                return Ok(at);
            }
            if self.buffer.len() > HEAD_BYTES {
                return Err(refused("a part of it is not where it should be"));
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let start = self.buffer.len();
        self.buffer.resize(start + PIECE_BYTES, 0);
        let count = self.inner.read(self.buffer.get_mut(start..).unwrap_or_default());
        self.buffer.truncate(start + count.as_ref().copied().unwrap_or_default());
        let bytes = u64::try_from(count?).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(bytes).ok_or(Limit::Answer)?;
        if bytes == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The headers of the part; a line that starts with white space goes on with the one before.
    fn head(&mut self) -> io::Result<Head> {
        let end = self.find(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).into_owned();
        // The second line end may be that of a delimiter: a part may be empty.
        self.buffer.drain(..end + 2);
        if !self.buffer.starts_with(&self.delimiter) {
            self.buffer.drain(..2);
        }
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let header = |wanted: &str| {
            let mut lines = unfolded.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let coding = header("Content-Transfer-Encoding");
        Ok(Head {
            content_type: header("Content-Type"),
            id: bare(&header("Content-ID")),
            is_bare: ["", "binary", "8bit", "7bit"].iter().any(|known| coding.eq_ignore_ascii_case(known)),
        })
    }
}

fn bare(id: &str) -> String {
    id.trim_matches(['<', '>', ' ']).to_owned()
}

impl<R: Read> Read for Parts<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.is_over {
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
                self.is_over = true;
            } else {
                self.more()?;
            }
        }
        Ok(0)
    }
}
