//! Bytes in whatever encoding they come, as UTF-8.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::fault::{Fault, Kind};

/// Bytes in which an XML declaration must end.
const DECLARATION_BYTES: usize = 1024;
/// Bytes that are decoded at once.
const PIECE_BYTES: usize = 32 << 10;

/// XML as UTF-8, without a byte order mark.
///
/// What counts is the byte order mark, then what the caller knows (the charset of a `Content-Type`), then the
/// XML declaration, then UTF-8 (RFC 7303 §3). UTF-8 passes through unlooked at: whoever parses it checks it.
pub(super) struct Utf8<R> {
    inner: R,
    /// What was read to find the encoding, or to be decoded, and how much of it was used.
    raw: Vec<u8>,
    used: usize,
    known: Option<&'static Encoding>,
    is_marked: bool,
    /// What has to be handed on of a mark.
    mark: &'static [u8],
    stage: Stage,
}

enum Stage {
    Start,
    /// It is UTF-8.
    Plain,
    Decoding(Box<Decoder>),
    Done,
}

/// The encoding of a name in a header or a declaration.
///
/// # Errors
/// [`Kind::Platform`] for a name that is none, or is one of an encoding that is not safe to read.
pub(super) fn named(label: &str) -> Result<&'static Encoding, Fault> {
    if label.trim().eq_ignore_ascii_case("us-ascii") || label.trim().eq_ignore_ascii_case("ascii") {
        // All of ASCII, and what claims to be it and is not is at least checked.
        return Ok(UTF_8);
    }
    Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
        Fault::new(Kind::Platform, "the answer is in an encoding that tieout does not read")
            .value(label)
            .expected("utf-8, utf-16, windows-1252, iso-8859-1 or another one by its usual name")
            .next("have the service send UTF-8; that is what SOAP services do unless told otherwise")
    })
}

fn untrue(encoding: &str) -> Fault {
    Fault::new(Kind::Platform, format!("the answer says that it is {encoding}, but is not"))
        .next("have the service declare the encoding that it sends (the charset of Content-Type)")
}

impl<R: Read> Utf8<R> {
    pub(super) const fn new(inner: R, known: Option<&'static Encoding>) -> Self {
        Self { inner, raw: Vec::new(), used: 0, known, is_marked: false, mark: b"", stage: Stage::Start }
    }

    /// For whoever looks at the XML for its encoding once more: with a mark, where its declaration is not true of UTF-8.
    pub(super) const fn marked(inner: R, known: Option<&'static Encoding>) -> Self {
        let mut utf8 = Self::new(inner, known);
        utf8.is_marked = true;
        utf8
    }

    /// Reads as much as it takes to tell the encoding.
    fn start(&mut self) -> io::Result<Stage> {
        while !is_enough(&self.raw) {
            if self.read_raw(DECLARATION_BYTES)? == 0 {
                break;
            }
        }
        let (encoding, mark) = match (Encoding::for_bom(&self.raw), self.known) {
            (Some(found), _) => found,
            // Which of the two is not said by the name.
            (None, Some(known)) if known == UTF_16LE || known == UTF_16BE => {
                // A tag of single bytes would be two characters with which no XML begins.
                if let [b'<', second, ..] = self.raw.as_slice()
                    && second.is_ascii_graphic()
                {
                    return Err(io::Error::other(untrue("utf-16")));
                }
                (shape(&self.raw).unwrap_or(known), 0)
            }
            (None, Some(known)) => (known, 0),
            (None, None) => (alone(&self.raw).map_err(io::Error::other)?, 0),
        };
        self.used = mark;
        let head = self.raw.get(mark..).unwrap_or_default();
        if self.is_marked && (encoding != UTF_8 || !alone(head).is_ok_and(|alone| alone == UTF_8)) {
            self.mark = "\u{feff}".as_bytes();
        }
        Ok(if encoding == UTF_8 {
            Stage::Plain
        } else {
            Stage::Decoding(Box::new(encoding.new_decoder_without_bom_handling()))
        })
    }

    fn read_raw(&mut self, most: usize) -> io::Result<usize> {
        let start = self.raw.len();
        self.raw.resize(start + most, 0);
        let count = self.inner.read(self.raw.get_mut(start..).unwrap_or_default());
        self.raw.truncate(start + count.as_ref().copied().unwrap_or_default());
        count
    }

    fn decode(&mut self, decoder: &mut Decoder, into: &mut [u8]) -> io::Result<(usize, bool)> {
        loop {
            let mut is_last = false;
            if self.used == self.raw.len() {
                self.raw.clear();
                self.used = 0;
                is_last = self.read_raw(PIECE_BYTES)? == 0;
            }
            let raw = self.raw.get(self.used..).unwrap_or_default();
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(raw, into, is_last);
            self.used += read;
            match result {
                DecoderResult::Malformed(..) if is_last => return Err(io::ErrorKind::UnexpectedEof.into()),
                DecoderResult::Malformed(..) => {
                    return Err(io::Error::other(untrue(decoder.encoding().name())));
                }
                DecoderResult::InputEmpty if is_last => return Ok((written, true)),
                _ if written > 0 => return Ok((written, false)),
                DecoderResult::OutputFull => return Err(io::ErrorKind::InvalidInput.into()),
                DecoderResult::InputEmpty => {}
            }
        }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.mark.is_empty() {
                return self.mark.read(into);
            }
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Start => self.stage = self.start()?,
                Stage::Plain => {
                    self.stage = Stage::Plain;
                    if self.used == self.raw.len() {
                        return self.inner.read(into);
                    }
                    let mut rest = self.raw.get(self.used..).unwrap_or_default();
                    let count = rest.read(into)?;
                    self.used += count;
                    return Ok(count);
                }
                Stage::Decoding(mut decoder) => {
                    let (count, is_done) = self.decode(&mut decoder, into)?;
                    if !is_done {
                        self.stage = Stage::Decoding(decoder);
                    }
                    return Ok(count);
                }
                Stage::Done => return Ok(0),
            }
        }
    }
}

/// Whether these first bytes tell the encoding.
fn is_enough(head: &[u8]) -> bool {
    const START: &[u8] = b"<?xml";
    let is_declaration = head.get(..START.len()).unwrap_or(head) == START.get(..head.len()).unwrap_or(START);
    match is_declaration {
        true => head.contains(&b'>') || head.len() >= DECLARATION_BYTES,
        false => head.len() >= 4,
    }
}

/// What XML without a mark says of its own encoding.
fn alone(head: &[u8]) -> Result<&'static Encoding, Fault> {
    if let Some(shape) = shape(head) {
        return Ok(shape);
    }
    let declared = declared(head).map(named).transpose()?;
    // A declaration that can be read byte by byte is not true of UTF-16: it was written
    // before somebody made UTF-8 of the text.
    Ok(declared.filter(|declared| declared.is_ascii_compatible()).unwrap_or(UTF_8))
}

/// UTF-16 shows in the first two characters, as XML starts with ASCII (XML 1.0 §F.1).
fn shape(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [b'<', 0, second, 0, ..] if *second != 0 => Some(UTF_16LE),
        [0, b'<', 0, second, ..] if *second != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// What the XML declaration says of the encoding (XML 1.0 §4.3.3).
fn declared(head: &[u8]) -> Option<&str> {
    let head = head.strip_prefix(b"<?xml")?;
    let end = head.iter().position(|byte| *byte == b'>')?;
    let declaration = std::str::from_utf8(head.get(..end)?).ok()?;
    let (_, after) = declaration.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.get(1..)?.split(quote).next()
}
