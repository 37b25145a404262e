//! An answer, read as it arrives: never more of it in memory than one batch of records.

use std::hash::Hasher;
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;

use quick_xml::XmlVersion;
use quick_xml::errors::Error as XmlError;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::record::{Batch, Open};
use super::refusal::Refusal;
use super::settings::{Request, Trail};
use crate::fault::{Fault, Kind, Result, shown};

/// Bytes of an answer that are held between the network and the parser.
const BUFFER_BYTES: usize = 64 << 10;
/// Elements within elements.
const DEEPEST: usize = 100;
/// Bytes of one tag, comment or run of text.
const LONGEST_TOKEN_BYTES: u64 = 16 << 20;
/// Bytes of one record, names and values together.
const LONGEST_RECORD_BYTES: usize = 16 << 20;
/// A batch is handed on when it has grown to this.
const BATCH_BYTES: usize = 64 << 10;
/// Names that a message about a missing element lists.
const NAMES_SHOWN: usize = 12;

/// What one answer said beside its records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Records that were handed on.
    pub records: u64,
    /// How many there are in all pages together, where the request says where that stands.
    pub total: Option<u64>,
    /// Whether there are more pages, where the request says where that stands.
    pub more: Option<bool>,
    /// What tells the records of this page from those of another, where the request names pages.
    pub digest: u64,
}

/// Reads a SOAP answer of at most `limit_bytes` and hands its records to `sink` in batches, in order.
///
/// Records that were handed on before a fault belong to no complete answer;
/// the caller must not use them. `batch` is memory to work with; `sink` may swap it for another.
///
/// # Errors
/// [`Kind::Platform`] where the answer is a SOAP fault, is cut off, is not the
/// XML that it should be, or has nothing where the request looks for records; and whatever `sink` returns.
pub fn read(
    source: impl Read,
    request: &Request,
    limit_bytes: u64,
    batch: &mut Batch,
    sink: &mut dyn FnMut(&mut Batch) -> Result<()>,
) -> Result<Page> {
    let guarded =
        Guarded { inner: source, token_left: LONGEST_TOKEN_BYTES, answer_left: limit_bytes, ended: false };
    let mut reader = Reader::from_reader(BufReader::with_capacity(BUFFER_BYTES, guarded));
    let mut parser = Parser::new(request, batch, sink);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        reader.get_mut().get_mut().token_left = LONGEST_TOKEN_BYTES;
        // Looked at where it lies: moving an event costs as much as parsing it.
        let progress = match &reader.read_event_into(&mut buffer) {
            Ok(event) => parser.take(event),
            Err(error) => {
                Err(broken(error.clone(), reader.error_position(), reader.get_ref().get_ref().ended))
            }
        };
        if progress?.is_break() {
            return parser.finish();
        }
    }
}

/// UTF-8 is what SOAP services send; another encoding is refused rather than misread.
pub(super) fn check_encoding(name: &str) -> Result<()> {
    if ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(fault("the answer is in an encoding that tieout does not read")
        .value(name)
        .expected("utf-8")
        .next("have the service send UTF-8; that is what SOAP services do unless told otherwise"))
}

fn fault(what: impl Into<String>) -> Fault {
    Fault::new(Kind::Platform, what)
}

fn cut_off() -> Fault {
    fault("the answer is cut off in the middle")
        .passing()
        .next("run again; if it happens again, ask for less at once (page_size) or see the platform's log")
}

fn malformed(error: XmlError, place: u64) -> Fault {
    fault(format!("the answer is not well-formed XML, at byte {place}"))
        .because(error)
        .next("check that the endpoint is the SOAP service; its operators can find the call by the correlation id in the log")
}

/// What an error of the XML reader means to the user.
fn broken(error: XmlError, place: u64, ended: bool) -> Fault {
    if let XmlError::Io(io) = &error {
        if let Some(limit) = io.get_ref().and_then(|inner| inner.downcast_ref::<Limit>()) {
            return match limit {
                Limit::Token => fault(format!("a single tag or text of the answer has more than {LONGEST_TOKEN_BYTES} bytes")),
                Limit::Answer => fault("the answer is larger than allowed")
                    .next("ask for less at once (page_size, a shorter window), or raise [platform] answer_limit_mib"),
                Limit::Deadline => fault("the call takes longer than allowed")
                    .passing()
                    .next("ask for less at once (page_size, a shorter window), or raise [platform] deadline_seconds"),
                Limit::Stopped => fault("the call was given up"),
            };
        }
        let timed_out = io.kind() == io::ErrorKind::TimedOut
            || io
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<reqwest::Error>())
                .is_some_and(reqwest::Error::is_timeout);
        if timed_out {
            return fault("the platform stopped sending in the middle of the answer")
                .passing()
                .next("run again, or raise [platform] timeout_seconds");
        }
        return cut_off().because(io::Error::new(io.kind(), io.to_string()));
    }
    // At the end of the input every complaint of the parser comes to this.
    if ended { cut_off() } else { malformed(error, place) }
}

/// Why a read was stopped by us.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Token,
    Answer,
    Deadline,
    Stopped,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "limit: {self:?}")
    }
}

impl std::error::Error for Limit {}

impl From<Limit> for io::Error {
    fn from(limit: Limit) -> Self {
        Self::other(limit)
    }
}

/// A source that ends with an error where a token or the whole grows too large. It sees
/// only the reads that fill a buffer, so a token may be longer by that much.
struct Guarded<R> {
    inner: R,
    token_left: u64,
    answer_left: u64,
    ended: bool,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.token_left == 0 {
            return Err(Limit::Token.into());
        }
        let count = self.inner.read(into)?;
        self.ended = count == 0;
        let bytes = u64::try_from(count).unwrap_or(u64::MAX);
        self.token_left = self.token_left.saturating_sub(bytes);
        self.answer_left = self.answer_left.checked_sub(bytes).ok_or(Limit::Answer)?;
        Ok(count)
    }
}

/// How far the open elements follow a path.
struct Walk<'r> {
    names: &'r [Box<str>],
    matched: usize,
}

impl<'r> Walk<'r> {
    fn new(trail: &'r Trail) -> Self {
        Self { names: trail.names(), matched: 0 }
    }

    /// An element opened `depth` levels below the response element: is the path now one longer?
    fn open(&mut self, depth: usize, name: &str) -> bool {
        let follows =
            self.matched + 1 == depth && self.names.get(self.matched).is_some_and(|next| **next == *name);
        if follows {
            self.matched = depth;
        }
        follows
    }

    fn close(&mut self, depth: usize) {
        self.matched = self.matched.min(depth - 1);
    }

    fn is_complete(&self) -> bool {
        self.matched == self.names.len()
    }
}

/// The levels of an envelope; the response element is on the third.
const RESPONSE: usize = 3;

/// What the text that comes now belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scalar {
    Total,
    More,
}

struct Parser<'r> {
    request: &'r Request,
    batch: &'r mut Batch,
    sink: &'r mut dyn FnMut(&mut Batch) -> Result<()>,
    page: Page,
    digest: std::hash::DefaultHasher,
    is_paged: bool,

    /// Open elements.
    level: usize,
    has_root: bool,
    in_body: bool,
    has_response: bool,
    refusal: Option<Refusal>,
    /// Prefixes that stand for the schema instance namespace, where `nil` is at home.
    instance_prefixes: Vec<Box<str>>,

    records: Walk<'r>,
    total: Option<Walk<'r>>,
    more: Option<Walk<'r>>,
    /// The scalar that is being read, the level of its element, and its text so far.
    scalar: Option<(Scalar, usize)>,
    scalar_text: String,

    /// The level of the record that is being read.
    record: Option<usize>,
    record_start: usize,
    /// The names of the open elements between the record and its innermost open element, each with
    /// a slash, and how long this was before each.
    path: String,
    path_ends: Vec<usize>,
    /// The innermost open element of a record, as long as it has no elements in it.
    leaf: Option<(Open, bool)>,
    /// How this answer writes null: an answer has one form of it, many times.
    nil_attribute: String,

    lost: Lost,
}

/// What is known about a search for records that found none.
#[derive(Default)]
struct Lost {
    /// How far the path was followed, at best.
    reached: usize,
    /// The elements that stood there instead of the next one.
    names: Vec<String>,
    has_text: bool,
    is_nil: bool,
    /// An inline schema knows a table by the records' name (a .NET `DataSet` without rows).
    declared: bool,
}

impl<'r> Parser<'r> {
    fn new(
        request: &'r Request,
        batch: &'r mut Batch,
        sink: &'r mut dyn FnMut(&mut Batch) -> Result<()>,
    ) -> Self {
        Self {
            request,
            batch,
            sink,
            page: Page::default(),
            digest: std::hash::DefaultHasher::new(),
            is_paged: request.is_paged(),
            level: 0,
            has_root: false,
            in_body: false,
            has_response: false,
            refusal: None,
            instance_prefixes: Vec::new(),
            records: Walk::new(&request.records),
            total: request.total.as_ref().map(Walk::new),
            more: request.more.as_ref().map(Walk::new),
            scalar: None,
            scalar_text: String::new(),
            record: None,
            record_start: 0,
            path: String::new(),
            path_ends: Vec::new(),
            leaf: None,
            nil_attribute: String::new(),
            lost: Lost::default(),
        }
    }

    /// Takes in what comes next; breaks at the end.
    #[inline]
    fn take(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        match event {
            Event::Start(start) => self.open(start)?,
            Event::Empty(start) => {
                self.open(start)?;
                self.close()?;
            }
            Event::End(_) => self.close()?,
            // Line ends are normalised (XML 1.0 §2.11); that of most texts is to do nothing.
            Event::Text(text) if text.as_bytes().contains(&b'\r') => self.text(&text.xml10_content())?,
            Event::Text(text) => self.text(text)?,
            Event::CData(text) => self.text(&text.xml10_content())?,
            Event::GeneralRef(reference) => self.reference(reference)?,
            Event::Decl(declaration) => {
                if let Some(encoding) = declaration.encoding() {
                    check_encoding(&encoding.map_err(|error| malformed(error.into(), 0))?)?;
                }
            }
            Event::DocType(_) => {
                return Err(fault(
                    "the answer has a DOCTYPE, which SOAP forbids (SOAP 1.1 §3, 1.2 Part 1 §5)",
                )
                .next("check that the endpoint is the service itself and not a page about it"));
            }
            Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<()> {
        self.level += 1;
        if self.level > DEEPEST {
            return Err(fault(format!("the answer nests elements more than {DEEPEST} deep")));
        }
        if self.record.is_some() {
            return self.open_in_record(start);
        }
        let name = start.local_name().into_inner();
        match self.level {
            1 => {
                if self.has_root {
                    return Err(fault("something follows the end of the answer").value(name));
                }
                self.has_root = true;
                if name != "Envelope" {
                    return Err(fault("the answer is XML, but no SOAP envelope")
                        .value(format!("<{name}>"))
                        .next("check [platform] endpoint; a WSDL or an error page may be there instead"));
                }
            }
            2 => self.in_body = name == "Body",
            RESPONSE if self.in_body => {
                self.has_response = true;
                if name == "Fault" {
                    self.refusal = Some(Refusal::default());
                } else if self.lost.reached == 0 {
                    self.lost.is_nil |= self.is_nil(start)?;
                }
            }
            _ if !self.in_body => {}
            _ if self.refusal.is_some() => {
                if let Some(refusal) = &mut self.refusal {
                    refusal.open(name);
                }
            }
            _ => self.open_in_response(start, name)?,
        }
        self.note_instance_prefixes(start)
    }

    fn open_in_response(&mut self, start: &BytesStart<'_>, name: &str) -> Result<()> {
        let depth = self.level - RESPONSE;
        let is_after_deepest = self.records.matched + 1 == depth && self.records.matched == self.lost.reached;
        if self.records.open(depth, name) {
            // A declaration of the prefix may stand on the very element.
            self.note_instance_prefixes(start)?;
            if self.records.is_complete() {
                return self.open_record(start, name);
            }
            if depth > self.lost.reached {
                self.lost = Lost { reached: depth, declared: self.lost.declared, ..Lost::default() };
            }
            self.lost.is_nil |= self.is_nil(start)?;
        } else if is_after_deepest {
            self.lost.name(name);
        }
        for (scalar, walk) in [(Scalar::Total, &mut self.total), (Scalar::More, &mut self.more)] {
            if let Some(walk) = walk
                && walk.open(depth, name)
                && walk.is_complete()
            {
                self.scalar = Some((scalar, self.level));
                self.scalar_text.clear();
            }
        }
        if name == "element" && !self.lost.declared {
            let table = self.request.records.names().last();
            for attribute in start.attributes() {
                let attribute = attribute.map_err(|error| malformed(error.into(), 0))?;
                self.lost.declared |=
                    attribute.key.0 == "name" && table.is_some_and(|table| **table == *attribute.value);
            }
        }
        Ok(())
    }

    fn open_record(&mut self, start: &BytesStart<'_>, name: &str) -> Result<()> {
        self.record = Some(self.level);
        self.record_start = self.batch.bytes();
        self.path.clear();
        self.path_ends.clear();
        let nil = self.attributes(start, "")?;
        // A record that has no elements is a value by itself, as in an array of strings.
        self.leaf = Some((self.batch.start_field(&[name]), nil));
        Ok(())
    }

    fn open_in_record(&mut self, start: &BytesStart<'_>) -> Result<()> {
        if let Some((parent, _)) = self.leaf.take() {
            if !is_blank(self.batch.value(parent)) {
                return Err(self.mixed());
            }
            self.path_ends.push(self.path.len());
            // The record's own name is in front of all fields, and so of none.
            if self.record != Some(self.level - 1) {
                self.path.clear();
                self.path.push_str(self.batch.name(parent));
                self.path.push('/');
            }
            self.batch.drop_field(parent);
        }
        let name = start.local_name().into_inner();
        let nil = !start.attributes_raw().is_empty() && self.attributes(start, name)?;
        self.leaf = Some((self.batch.start_field(&[&self.path, name]), nil));
        self.check_record_size()
    }

    /// Takes the attributes of an element of a record as fields; says whether it is null.
    fn attributes(&mut self, start: &BytesStart<'_>, owner: &str) -> Result<bool> {
        let raw = start.attributes_raw();
        if raw.is_empty() {
            return Ok(false);
        }
        if raw == self.nil_attribute {
            return Ok(true);
        }
        self.note_instance_prefixes(start)?;
        let (mut nil, mut is_alone) = (false, true);
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| malformed(error.into(), 0))?;
            if attribute.key.as_namespace_binding().is_some() {
                is_alone = false;
                continue;
            }
            let (local, prefix) = attribute.key.decompose();
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| malformed(error, 0))?;
            if prefix.is_some_and(|prefix| self.is_instance_prefix(prefix.as_ref())) {
                nil |= local.as_ref() == "nil" && is_true(&value);
                continue;
            }
            is_alone = false;
            let separator = if owner.is_empty() { "@" } else { "/@" };
            let field = self.batch.start_field(&[&self.path, owner, separator, local.as_ref()]);
            self.batch.push(&value);
            self.batch.end_field(field, false);
        }
        if nil && is_alone {
            raw.clone_into(&mut self.nil_attribute);
        }
        self.check_record_size()?;
        Ok(nil)
    }

    fn close(&mut self) -> Result<()> {
        let level = self.level;
        self.level -= 1;
        if let Some(record) = self.record {
            return if level == record { self.close_record() } else { self.close_in_record() };
        }
        if level <= RESPONSE || !self.in_body {
            return Ok(());
        }
        if let Some(refusal) = &mut self.refusal {
            refusal.close();
            return Ok(());
        }
        if let Some((scalar, at)) = self.scalar
            && at == level
        {
            self.scalar = None;
            self.close_scalar(scalar)?;
        }
        self.walks_close(level - RESPONSE);
        Ok(())
    }

    fn walks_close(&mut self, depth: usize) {
        self.records.close(depth);
        for walk in [&mut self.total, &mut self.more].into_iter().flatten() {
            walk.close(depth);
        }
    }

    fn close_in_record(&mut self) -> Result<()> {
        match self.leaf.take() {
            Some((field, nil)) => self.batch.end_field(field, nil),
            None => self.path.truncate(self.path_ends.pop().unwrap_or_default()),
        }
        Ok(())
    }

    fn close_record(&mut self) -> Result<()> {
        if let Some((field, nil)) = self.leaf.take() {
            let has_attributes = self.batch.has_open_record();
            if nil || (has_attributes && is_blank(self.batch.value(field))) {
                self.batch.drop_field(field);
            } else {
                self.batch.end_field(field, false);
            }
        }
        self.batch.end_record();
        if self.is_paged {
            self.digest.write(self.batch.text_from(self.record_start));
        }
        self.page.records += 1;
        self.record = None;
        self.walks_close(self.level + 1 - RESPONSE);
        if self.batch.bytes() >= BATCH_BYTES {
            (self.sink)(self.batch)?;
            self.batch.clear();
        }
        Ok(())
    }

    fn close_scalar(&mut self, scalar: Scalar) -> Result<()> {
        let text = self.scalar_text.trim();
        let (place, contradicts) = match scalar {
            Scalar::Total => {
                let total = text.parse().map_err(|_| {
                    fault("the announced number of records is not a number")
                        .value(text)
                        .next("check [platform.request] total")
                })?;
                (&self.request.total, self.page.total.replace(total).is_some_and(|before| before != total))
            }
            Scalar::More => {
                let more = match text {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => {
                        return Err(fault("whether there are more pages is not said by true or false")
                            .value(text)
                            .next("check [platform.request] more"));
                    }
                };
                (&self.request.more, self.page.more.replace(more).is_some_and(|before| before != more))
            }
        };
        if contradicts {
            let place = place.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(fault(format!("{place} stands twice in the answer, with different values")));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        if self.record.is_some() {
            if self.leaf.is_some() {
                self.batch.push(text);
                return self.check_record_size();
            }
            return if is_blank(text) { Ok(()) } else { Err(self.mixed()) };
        }
        if self.scalar.is_some() {
            self.scalar_text.push_str(text);
        } else if let Some(refusal) = &mut self.refusal {
            refusal.text(text);
        } else if !is_blank(text) {
            if self.level == 0 {
                return Err(if self.has_root {
                    fault("something follows the end of the answer").value(text.trim())
                } else {
                    fault("the answer is not XML").value(text.trim()).next("check [platform] endpoint")
                });
            }
            let reached = self.lost.reached;
            if self.in_body && self.records.matched == reached && self.level == RESPONSE + reached {
                self.lost.has_text = true;
            }
        }
        Ok(())
    }

    /// Only what XML itself defines is resolved (XML 1.0 §4.6); there is no DTD to define more.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<()> {
        let character = reference.resolve_char_ref().map_err(|error| malformed(error, 0))?;
        match character {
            Some(c) if self.record.is_some() && self.leaf.is_some() => {
                self.batch.push_char(c);
                self.check_record_size()
            }
            Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
            None => match resolve_predefined_entity(reference) {
                Some(text) => self.text(text),
                None => Err(fault(format!(
                    "the answer uses an entity that XML does not define: &{};",
                    shown(reference)
                ))),
            },
        }
    }

    fn check_record_size(&self) -> Result<()> {
        if self.batch.bytes() - self.record_start > LONGEST_RECORD_BYTES {
            return Err(fault(format!("a single record has more than {LONGEST_RECORD_BYTES} bytes"))
                .value(&self.request.records)
                .next("check that [platform.request] records names a record, not all of them"));
        }
        Ok(())
    }

    fn mixed(&self) -> Fault {
        let place = if self.path.is_empty() {
            self.request.records.to_string()
        } else {
            self.path.trim_end_matches('/').to_owned()
        };
        fault(format!(
            "record {} has text beside elements in one element, which no column can hold",
            self.page.records + 1
        ))
        .value(place)
    }

    fn is_nil(&self, start: &BytesStart<'_>) -> Result<bool> {
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| malformed(error.into(), 0))?;
            let (local, prefix) = attribute.key.decompose();
            if local.as_ref() == "nil"
                && prefix.is_some_and(|prefix| self.is_instance_prefix(prefix.as_ref()))
                && is_true(&attribute.value)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_instance_prefix(&self, prefix: &str) -> bool {
        self.instance_prefixes.iter().any(|known| **known == *prefix)
    }

    /// Remembers `xmlns:xsi="…/XMLSchema-instance"`, by whatever prefix. Nobody takes such a prefix back.
    fn note_instance_prefixes(&mut self, start: &BytesStart<'_>) -> Result<()> {
        const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
        if start.attributes_raw().is_empty() {
            return Ok(());
        }
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| malformed(error.into(), 0))?;
            if attribute.value == INSTANCE
                && let Some(prefix) = attribute.key.0.strip_prefix("xmlns:")
                && !self.is_instance_prefix(prefix)
            {
                self.instance_prefixes.push(prefix.into());
            }
        }
        Ok(())
    }

    /// The document has ended: is it whole, and are the records where they should be?
    fn finish(mut self) -> Result<Page> {
        if !self.has_root {
            return Err(
                fault("the answer is empty").next("check [platform] endpoint, and the platform's log")
            );
        }
        if self.level > 0 {
            return Err(cut_off());
        }
        if let Some(refusal) = &self.refusal {
            return Err(refusal.fault(&self.request.operation));
        }
        if !self.has_response {
            return Err(fault("the SOAP body of the answer is empty"));
        }
        if self.page.records == 0 {
            self.check_absence()?;
        }
        // What is null, or announced to be nothing, has no more to say.
        let is_nothing = self.page.records == 0 && (self.lost.is_nil || self.page.total == Some(0));
        if self.page.total.is_none() && self.request.total.is_some() {
            if !is_nothing {
                return Err(self.missing("total", self.request.total.as_ref()));
            }
            self.page.total = Some(0);
        }
        if self.page.more.is_none() && self.request.more.is_some() {
            if !is_nothing {
                return Err(self.missing("more", self.request.more.as_ref()));
            }
            self.page.more = Some(false);
        }
        self.page.digest = self.digest.finish();
        if !self.batch.is_empty() {
            (self.sink)(self.batch)?;
            self.batch.clear();
        }
        Ok(self.page)
    }

    /// No record was found. That is an answer where the place for records is there and
    /// empty; where something else is in their place, the path is wrong, and zero would be a lie.
    fn check_absence(&self) -> Result<()> {
        let lost = &self.lost;
        let names = self.request.records.names();
        let is_empty = lost.reached + 1 >= names.len() && lost.names.is_empty() && !lost.has_text;
        if self.page.total == Some(0) || lost.is_nil || lost.declared || is_empty {
            return Ok(());
        }
        let there = names.get(..lost.reached).unwrap_or_default().join("/");
        let there = if there.is_empty() { "the response".to_owned() } else { there };
        let missing = names.get(lost.reached).map(AsRef::as_ref).unwrap_or_default();
        let fault = fault(format!("there are no records: {there} holds no {missing}"))
            .expected(&self.request.records);
        Err(if lost.names.is_empty() {
            fault.value(if lost.has_text { format!("text in {there}") } else { "nothing".to_owned() })
        } else {
            fault.value(lost.names.join(", "))
        }
        .next("correct [platform.request] records; where an empty answer leaves its elements out, name the announced count in total"))
    }

    fn missing(&self, key: &str, trail: Option<&Trail>) -> Fault {
        let trail = trail.map(ToString::to_string).unwrap_or_default();
        fault(format!("there is no {trail} in the answer"))
            .next(format!("correct [platform.request] {key}, or leave it out"))
    }
}

impl Lost {
    fn name(&mut self, name: &str) {
        if self.names.len() < NAMES_SHOWN && !self.names.iter().any(|known| known == name) {
            self.names.push(shown(name));
        }
    }
}

fn is_true(value: &str) -> bool {
    matches!(value.trim(), "true" | "1")
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}
