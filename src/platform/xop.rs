//! An envelope whose values travel beside it, put together again (XOP §3.2): where `xop:Include` stands, the
//! attachment that it names comes, in base64, as the service would have written it without MTOM.
//!
//! All parts must be there before the envelope can be read, so they go to files that nobody else sees.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom, Write};
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;
use quick_xml::writer::Writer;

use super::multipart::{Parts, refused};
use crate::fault::{Fault, Kind, shown};

const INCLUDE: &str = "http://www.w3.org/2004/08/xop/include";
const MARK: &[u8] = "\u{feff}".as_bytes();
/// Attachments of one answer, and bytes of a tag or a text in its envelope.
const MOST_ATTACHMENTS: usize = 100_000;
const LONGEST_TOKEN_BYTES: u64 = 16 << 20;
/// Bytes of an attachment that are encoded at once; three make four characters.
const PIECE_BYTES: usize = 48 << 10;

/// An attachment: where it starts, how long it is, and whether it can be taken as it is.
struct Attachment {
    start: u64,
    length: u64,
    is_bare: bool,
}

/// The envelope, put together as it is read.
pub(super) struct Whole {
    reader: NsReader<BufReader<Guarded>>,
    /// Bytes that the tag or text at hand may still have.
    left: Rc<Cell<u64>>,
    attachments: HashMap<String, Attachment>,
    bodies: Aside,
    /// Bytes that are left of the attachment that is being written.
    pending: u64,
    event: Vec<u8>,
    out: Vec<u8>,
    at: usize,
}

/// A file that parts of the answer are put aside in. Its errors are this machine's, never the platform's: they say so, and
/// nobody tries again because of them.
struct Aside(File);

impl Aside {
    fn new() -> io::Result<Self> {
        tempfile::tempfile().map(Self).map_err(ours)
    }

    fn go_to(&mut self, place: u64) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(place)).map(drop).map_err(ours)
    }
}

impl Read for Aside {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into).map_err(ours)
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(ours)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(ours)
    }
}

fn ours(error: io::Error) -> io::Error {
    // Whoever copies goes on after an interruption, and knows it by its kind.
    if error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    io::Error::other(
        Fault::new(Kind::Output, "the attachments of an answer cannot be put aside")
            .at(std::env::temp_dir().display())
            .because(error)
            .next("make room there, or let TMPDIR name a folder that has it"),
    )
}

/// A file that is not read on for the sake of a single tag or text.
struct Guarded {
    file: Aside,
    left: Rc<Cell<u64>>,
}

impl Read for Guarded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        let left = self.left.get().checked_sub(u64::try_from(count).unwrap_or(u64::MAX));
        self.left.set(left.ok_or_else(|| refused("a single tag or text of its envelope is too long"))?);
        Ok(count)
    }
}

/// Reads all `parts`. `in_utf8` makes UTF-8 of the first, the envelope.
pub(super) fn whole<R: Read>(
    mut parts: Parts<R>,
    in_utf8: impl FnOnce(&mut Parts<R>) -> io::Result<Box<dyn Read + '_>>,
) -> io::Result<Whole> {
    let mut envelope = Aside::new()?;
    io::copy(&mut in_utf8(&mut parts)?, &mut envelope)?;
    let mut bodies = Aside::new()?;
    let (mut attachments, mut start) = (HashMap::new(), 0);
    let mut count = 0;
    while let Some(head) = parts.next()? {
        count += 1;
        if count > MOST_ATTACHMENTS {
            return Err(refused("there are too many of them"));
        }
        let length = io::copy(&mut parts, &mut bodies)?;
        // Of several with one name the first counts.
        attachments.entry(head.id).or_insert(Attachment { start, length, is_bare: head.is_bare });
        start += length;
    }
    envelope.go_to(0)?;
    let left = Rc::new(Cell::new(LONGEST_TOKEN_BYTES));
    let mut file = BufReader::new(Guarded { file: envelope, left: Rc::clone(&left) });
    // The mark says that the declaration is not true any more; the reader would swallow it.
    let out = if file.fill_buf()?.starts_with(MARK) { MARK.to_vec() } else { Vec::new() };
    file.consume(out.len());
    let reader = NsReader::from_reader(file);
    Ok(Whole { reader, left, attachments, bodies, pending: 0, event: Vec::new(), out, at: 0 })
}

impl Whole {
    /// Writes what comes next; `false` at the end.
    fn go_on(&mut self) -> io::Result<bool> {
        self.out.clear();
        self.at = 0;
        if self.pending > 0 {
            let mut piece = Vec::new();
            (&mut self.bodies).take(self.pending.min(PIECE_BYTES as u64)).read_to_end(&mut piece)?;
            self.pending -= piece.len() as u64;
            self.out.extend_from_slice(BASE64.encode(piece).as_bytes());
            return Ok(true);
        }
        self.event.clear();
        self.left.set(LONGEST_TOKEN_BYTES);
        let (space, event) = self.reader.read_resolved_event_into(&mut self.event).map_err(broken)?;
        let is_include = |start: &BytesStart<'_>| {
            matches!(space, ResolveResult::Bound(Namespace(INCLUDE)))
                && start.local_name().as_ref() == "Include"
        };
        match event {
            Event::Eof => return Ok(false),
            Event::Start(start) | Event::Empty(start) if is_include(&start) => {
                let href = start.try_get_attribute("href").ok().flatten();
                let href = href.map(|href| href.value.into_owned()).unwrap_or_default();
                let id = decoded(href.strip_prefix("cid:").unwrap_or(&href));
                let Some(found) = self.attachments.get(&id) else {
                    return Err(refused(&format!(
                        "one that its envelope names is not there: {}",
                        shown(&id)
                    )));
                };
                if !found.is_bare {
                    return Err(refused(&format!("one of them is encoded once more: {}", shown(&id))));
                }
                self.pending = found.length;
                self.bodies.go_to(found.start)?;
            }
            Event::End(end)
                if matches!(space, ResolveResult::Bound(Namespace(INCLUDE)))
                    && end.local_name().as_ref() == "Include" => {}
            event => Writer::new(&mut self.out).write_event(event)?,
        }
        Ok(true)
    }
}

impl Read for Whole {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        // Many events are small: the caller's space is filled as far as it goes.
        let mut into_left = into;
        let mut count = 0;
        while !into_left.is_empty() {
            let rest = self.out.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                if !self.go_on()? {
                    break;
                }
                continue;
            }
            let taken = into_left.write(rest)?;
            self.at += taken;
            count += taken;
        }
        Ok(count)
    }
}

/// What went wrong in reading; an error of ours is handed on.
fn broken(error: quick_xml::Error) -> io::Error {
    match error {
        quick_xml::Error::Io(error) => {
            std::sync::Arc::try_unwrap(error).unwrap_or_else(|shared| io::Error::other(shared.to_string()))
        }
        error => io::Error::other(
            Fault::new(Kind::Platform, "the answer is not well-formed XML")
                .because(error)
                .next("have the service send plain SOAP, without MTOM"),
        ),
    }
}

/// A `cid:` URL names an id with what a URL cannot hold as `%` and two digits (RFC 2392).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::platform::answer::broken;

    #[test]
    fn a_full_disk_here_is_not_an_answer_that_was_cut_off_there() {
        let mut full = Aside(File::options().write(true).open("/dev/full").unwrap());
        let fault = broken(io::copy(&mut &b"attachment"[..], &mut full).unwrap_err());
        assert_eq!((fault.kind(), fault.may_pass()), (Kind::Output, false));
        let text = fault.to_string();
        assert!(text.contains("cannot be put aside: No space left") && text.contains("TMPDIR"), "{text}");
        assert!(!text.contains("cut off"), "{text}");
    }
}
