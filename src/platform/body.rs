//! The body of an answer, freed of all that HTTP wraps around XML: compression, attachments, a charset.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::time::Instant;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::blocking::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

use super::Platform;
use super::answer::Limit;
use super::charset::{self, Utf8};
use super::connection::Call;
use super::media::{essence, parameter};
use super::multipart::Parts;
use super::pace::Halt;
use super::xop;
use crate::fault::{Fault, Kind};

/// What we say we read, in `Accept-Encoding`.
pub(super) const CODINGS: &str = "gzip, deflate";

/// The XML of an answer in UTF-8, given up when its time is over or nobody wants it any more.
pub(super) struct Body<'s> {
    coding: String,
    content_type: String,
    limit_bytes: u64,
    /// Until the first read: to open it takes time, and may fail.
    wire: Option<Wire<'s>>,
    xml: Option<Box<dyn Read + 's>>,
}

impl<'s> Body<'s> {
    pub(super) fn new(platform: &Platform, response: Response, call: &Call, halt: &'s Halt) -> Self {
        let ends = halt.ends().min(call.started + platform.call_deadline);
        Self {
            coding: header(&response, &CONTENT_ENCODING),
            content_type: header(&response, &CONTENT_TYPE),
            limit_bytes: platform.answer_limit_bytes,
            wire: Some(Wire { response, ends, halt }),
            xml: None,
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(wire) = self.wire.take() {
            // What is said to be too large is not waited for.
            if wire.response.content_length().is_some_and(|length| length > self.limit_bytes) {
                return Err(Limit::Answer.into());
            }
            self.xml = Some(open(wire, &self.coding, &self.content_type, self.limit_bytes)?);
        }
        match &mut self.xml {
            Some(xml) => xml.read(into),
            // It could not be opened.
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The XML in `wire`, which is packed as its headers say.
pub(super) fn open<'s>(
    wire: impl Read + 's,
    coding: &str,
    content_type: &str,
    limit_bytes: u64,
) -> io::Result<Box<dyn Read + 's>> {
    let unpacked = decompressed(wire, coding)?;
    if essence(content_type) == "multipart/related" {
        let (parts, head) = Parts::open(unpacked, content_type, limit_bytes)?;
        return Ok(Box::new(xop::whole(parts, |envelope| {
            in_charset(Box::new(envelope), &head.content_type)
        })?));
    }
    in_charset(unpacked, content_type)
}

/// Where the header names a charset, that counts more than what the XML says of itself.
fn in_charset<'s>(xml: Box<dyn Read + 's>, content_type: &str) -> io::Result<Box<dyn Read + 's>> {
    let label = parameter(content_type, "charset").filter(|label| !label.is_empty());
    let known = label.map(|label| charset::named(&label)).transpose().map_err(io::Error::other)?;
    Ok(Box::new(Utf8::marked(xml, known)))
}

/// A body without its content coding (RFC 9110 §8.4.1).
pub(super) fn decompressed<'s>(wire: impl Read + 's, coding: &str) -> io::Result<Box<dyn Read + 's>> {
    match coding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Box::new(wire)),
        "gzip" | "x-gzip" => Ok(Box::new(Unpacked(Packed::Gzip(MultiGzDecoder::new(BufReader::new(wire)))))),
        // By the RFC this is zlib's format. Some send what is inside of it alone.
        "deflate" => {
            let mut head = Vec::new();
            let mut wire = wire;
            (&mut wire).take(2).read_to_end(&mut head)?;
            let is_zlib = matches!(head.as_slice(), [first, second]
                if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0);
            let wire = BufReader::new(Cursor::new(head).chain(wire));
            Ok(match is_zlib {
                true => Box::new(Unpacked(Packed::Zlib(ZlibDecoder::new(wire)))),
                false => Box::new(Unpacked(Packed::Deflate(DeflateDecoder::new(wire)))),
            })
        }
        other => Err(io::Error::other(
            Fault::new(Kind::Platform, "the answer is compressed in a way that nobody asked for")
                .value(other)
                .expected(CODINGS)
                .next("set [platform] compression = false, or have the service keep to what it is asked for"),
        )),
    }
}

/// A compressed body. What is cut off or damaged is an error, never a short body.
struct Unpacked<R>(Packed<R>);

enum Packed<R> {
    Gzip(MultiGzDecoder<R>),
    Zlib(ZlibDecoder<R>),
    Deflate(DeflateDecoder<R>),
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.0 {
            Packed::Gzip(decoder) => decoder.read(into),
            Packed::Zlib(decoder) => decoder.read(into),
            Packed::Deflate(decoder) => decoder.read(into),
        }
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => damaged(error),
            _ => error,
        })?;
        if count == 0 && !into.is_empty() {
            // The body must end where its data end; and only when it is read is the connection free.
            let behind = match &mut self.0 {
                Packed::Gzip(decoder) => decoder.get_mut().fill_buf()?,
                Packed::Zlib(decoder) => decoder.get_mut().fill_buf()?,
                Packed::Deflate(decoder) => decoder.get_mut().fill_buf()?,
            };
            if !behind.is_empty() {
                return Err(damaged(io::Error::other("something follows the compressed data")));
            }
        }
        Ok(count)
    }
}

fn damaged(error: io::Error) -> io::Error {
    io::Error::other(
        Fault::new(Kind::Platform, "the compressed answer is damaged")
            .passing()
            .because(error)
            .next("run again; if it happens again, set [platform] compression = false"),
    )
}

/// The bytes as they come from the network.
struct Wire<'s> {
    response: Response,
    ends: Instant,
    halt: &'s Halt,
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.halt.is_stopped() {
            return Err(Limit::Stopped.into());
        }
        if Instant::now() >= self.ends {
            return Err(Limit::Deadline.into());
        }
        self.response.read(into)
    }
}

/// A header's text; empty where there is none.
pub(super) fn header(response: &Response, name: &HeaderName) -> String {
    response
        .headers()
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default()
}
