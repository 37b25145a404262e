//! XML in pieces: whatever is whole in the piece at hand goes on to the parser, the rest waits for more.
//!
//! The piece is scanned where it lies. quick-xml takes tags and references; text, which needs no more than
//! finding its end, is taken here, so that none of it is copied, and no text is too long.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

use quick_xml::errors::{Error as XmlError, IllFormedError, SyntaxError};
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::Parser;
use super::limits::{LONGEST_TOKEN_BYTES, broken, cut_off, fault, malformed};
use crate::fault::{Fault, Result};

/// Bytes that are read, or gathered, before they are looked at.
const PIECE_BYTES: usize = 64 << 10;
const CDATA: &str = "<![CDATA[";
const CDATA_END: &str = "]]>";

/// A document that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// The start tags of all open elements once more, bare, so that a fresh reader knows what to
    /// expect; then what has not been scanned yet.
    buffer: Vec<u8>,
    /// The names of the open elements, as places of the buffer.
    open: Vec<Range<usize>>,
    repeated: usize,
    /// Bytes of the document that were scanned and forgotten.
    passed: u64,
    in_cdata: bool,
    /// With less in the buffer, nothing new would be found.
    worthwhile: usize,
    /// What messages call the document.
    name: String,
}

impl Scanner {
    pub(super) const fn new(name: String) -> Self {
        Self {
            buffer: Vec::new(),
            open: Vec::new(),
            repeated: 0,
            passed: 0,
            in_cdata: false,
            worthwhile: 0,
            name,
        }
    }

    /// What messages call the document.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes in more from `source`; `false` at its end.
    pub(super) fn fill(&mut self, source: &mut impl Read) -> Result<bool> {
        let start = self.buffer.len();
        self.buffer.resize(start + PIECE_BYTES, 0);
        let outcome = loop {
            match source.read(self.buffer.get_mut(start..).unwrap_or_default()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => break outcome,
            }
        };
        let count: io::Result<usize> = outcome;
        self.buffer.truncate(start + count.as_ref().copied().unwrap_or_default());
        count.map(|count| count > 0).map_err(broken)
    }

    /// Takes in more; says whether it is enough for a look at it.
    pub(super) fn push(&mut self, text: &str) -> bool {
        self.buffer.extend_from_slice(text.as_bytes());
        self.buffer.len() >= PIECE_BYTES
    }

    /// Hands on what is whole; at the end of the document, all there is.
    pub(super) fn scan(&mut self, is_end: bool, parser: &mut Parser<'_>) -> Result<()> {
        if !is_end && self.buffer.len() < self.worthwhile {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let outcome = self.scan_text(&buffer, is_end, parser);
        self.buffer = buffer;
        self.keep_from(outcome?)
    }

    /// Scans and says from where on it was too little.
    fn scan_text(&mut self, buffer: &[u8], is_end: bool, parser: &mut Parser<'_>) -> Result<usize> {
        let text = match std::str::from_utf8(buffer) {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => {
                return Err(fault(format!("{} is not UTF-8", self.place(error.valid_up_to()))).next(
                    "have the service declare the encoding that it sends (the charset of Content-Type)",
                ));
            }
            Err(_) if is_end => return Err(cut_off()),
            Err(error) => buffer
                .get(..error.valid_up_to())
                .and_then(|whole| std::str::from_utf8(whole).ok())
                .unwrap_or_default(),
        };
        let mut reader = Reader::from_str(text);
        for _ in &self.open {
            // It was read before, and well-formed.
            reader.read_event().map_err(|error| malformed(error, &self.name))?;
        }
        let mut at = self.repeated;
        loop {
            // Between two tags or references the reader has no state but the names of the open elements,
            // and can be set to any place. What is skipped here is no business of it.
            if !self.in_cdata {
                at += parser.express(text.get(at..).unwrap_or_default())?;
            }
            let rest = text.get(at..).unwrap_or_default();
            if self.in_cdata {
                let (length, ends) = match rest.find(CDATA_END) {
                    Some(length) => (length, true),
                    None if is_end => return Err(cut_off()),
                    None => (without_tail(rest, &[']', '\r']), false),
                };
                parser.text(rest.get(..length).unwrap_or_default())?;
                if !ends {
                    return Ok(at + length);
                }
                self.in_cdata = false;
                at += length + CDATA_END.len();
                continue;
            }
            match rest.as_bytes().first() {
                None => return Ok(at),
                Some(b'<') if rest.starts_with(CDATA) => {
                    self.in_cdata = true;
                    at += CDATA.len();
                    continue;
                }
                Some(b'<' | b'&') => {}
                Some(_) => {
                    let end = memchr::memchr2(b'<', b'&', rest.as_bytes());
                    let length = match end {
                        Some(end) => end,
                        None if is_end => rest.len(),
                        // Nothing but space belongs here; what else it is, is better seen whole.
                        None if self.open.is_empty() => return Ok(at),
                        // A line end may be one character or two (XML 1.0 §2.11).
                        None => without_tail(rest, &['\r']),
                    };
                    parser.text(rest.get(..length).unwrap_or_default())?;
                    at += length;
                    if end.is_none() {
                        return Ok(at);
                    }
                }
            }
            let rest = text.get(at..).unwrap_or_default();
            if rest.starts_with(CDATA) {
                continue;
            }
            *reader.get_mut() = rest.as_bytes();
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(error) if !is_unfinished(&error, rest, reader.get_ref()) => {
                    return Err(malformed(error, &self.place(at)));
                }
                Err(_) if is_end => return Err(cut_off()),
                Err(_) => return Ok(at),
            };
            let start = at;
            at = text.len() - reader.get_ref().len();
            match &event {
                Event::Start(tag) => {
                    self.open.push(start + 1..start + 1 + tag.name().as_ref().len());
                    parser.open(tag)?;
                }
                Event::Empty(tag) => {
                    parser.open(tag)?;
                    parser.close()?;
                }
                Event::End(_) => {
                    self.open.pop();
                    parser.close()?;
                }
                Event::GeneralRef(reference) => parser.reference(reference)?,
                Event::DocType(_) => return Err(document_type(&self.name)),
                // What the declaration says of the encoding was heeded where the bytes became text.
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Text(text) => parser.text(text)?,
                Event::CData(text) => parser.text(text)?,
                Event::Eof => return Ok(at),
            }
        }
    }

    /// Forgets what was scanned, except for the names of the elements that are still open.
    fn keep_from(&mut self, at: usize) -> Result<()> {
        if self.buffer.len() - at > LONGEST_TOKEN_BYTES {
            return Err(fault(format!(
                "a single tag of {} has more than {LONGEST_TOKEN_BYTES} bytes",
                self.name
            )));
        }
        if at == self.repeated {
            // Looking again costs as much as before; it pays when there is twice as much.
            self.worthwhile = self.buffer.len() + (self.buffer.len() - at);
            return Ok(());
        }
        self.worthwhile = 0;
        self.passed += u64::try_from(at - self.repeated).unwrap_or_default();
        let mut tags = Vec::new();
        for name in &mut self.open {
            let start = tags.len() + 1;
            tags.push(b'<');
            tags.extend_from_slice(self.buffer.get(name.clone()).unwrap_or_default());
            *name = start..tags.len();
            tags.push(b'>');
        }
        self.repeated = tags.len();
        self.buffer.splice(..at, tags);
        Ok(())
    }

    fn place(&self, at: usize) -> String {
        let bytes = u64::try_from(at.saturating_sub(self.repeated)).unwrap_or_default();
        format!("{}, at byte {},", self.name, self.passed + bytes)
    }
}

/// The length of `text` without such characters at its end.
fn without_tail(text: &str, tail: &[char]) -> usize {
    text.trim_end_matches(tail).len()
}

/// Whether more input could make it well-formed.
fn is_unfinished(error: &XmlError, token: &str, left: &[u8]) -> bool {
    match error {
        // `<!` alone may become anything, `<!x` nothing.
        XmlError::Syntax(SyntaxError::InvalidBangMarkup) => token.len() < "<!x".len(),
        XmlError::Syntax(_) => true,
        XmlError::IllFormed(IllFormedError::UnclosedReference) => left.is_empty(),
        _ => false,
    }
}

fn document_type(name: &str) -> Fault {
    fault(format!("{name} has a DOCTYPE, which SOAP forbids (SOAP 1.1 §3, 1.2 Part 1 §5)"))
        .next("check that the endpoint is the service itself and not a page about it")
}
