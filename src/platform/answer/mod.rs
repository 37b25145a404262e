//! An answer, read as it arrives: never more of it in memory than one batch of records.
//!
//! `scan` finds tags and texts in the pieces of a document; [`Parser`] follows the paths of the request through
//! them (`search` knows how far), `fields` makes fields of what is in a record (`express` and `rows` do so for the plain ones), and `nested` goes on
//! where a text is itself XML. `space` knows prefixes, `schema` the description of a `DataSet`, `limits` what is too much;
//! `within` sees where a record holds the records.

mod express;
mod fields;
mod limits;
mod nested;
mod rows;
mod scan;
mod schema;
mod search;
mod space;
mod within;

use std::hash::{BuildHasher, Hasher};
use std::io::Read;

use foldhash::fast::{FixedState, FoldHasher};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart};

use self::express::Express;
use self::limits::{DEEPEST, Limited, fault, malformed};
use self::nested::Host;
use self::rows::Rows;
use self::scan::Scanner;
use self::schema::Schema;
use self::search::{Lost, Walk};
use self::space::{Space, Spaces};
use self::within::Within;
use super::charset::Utf8;
use super::record::{Batch, Open, Worth};
use super::refusal::Refusal;
use super::request::{Request, Trail};
use crate::fault::{Fault, Result, shown};

pub(super) use self::limits::{Limit, broken};

/// What messages call the document.
const ANSWER: &str = "the answer";

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
/// `source` is XML in the encoding that its byte order mark or its XML declaration names, UTF-8 without either.
/// Records that were handed on before a fault belong to no complete answer;
/// the caller must not use them. `batch` is memory to work with; `sink` may swap it for another.
///
/// # Errors
/// [`Kind::Platform`](crate::fault::Kind::Platform) where the answer is a SOAP fault, is cut off, is not the
/// XML that it should be, or has nothing where the request looks for records; and whatever `sink` returns.
pub fn read(
    source: impl Read,
    request: &Request,
    limit_bytes: u64,
    batch: &mut Batch,
    sink: &mut dyn FnMut(&mut Batch) -> Result<()>,
) -> Result<Page> {
    let mut source = Utf8::new(Limited::new(source, limit_bytes), None);
    let mut scanner = Scanner::new(ANSWER.to_owned());
    let mut parser = Parser::new(request, batch, sink);
    while scanner.fill(&mut source)? {
        scanner.scan(false, &mut parser)?;
    }
    scanner.scan(true, &mut parser)?;
    parser.finish()
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
    digest: FoldHasher<'static>,
    is_paged: bool,

    /// Open elements, those of XML inside a text included.
    level: usize,
    has_root: bool,
    in_body: bool,
    has_response: bool,
    refusal: Option<Refusal>,
    spaces: Spaces,
    /// Texts that are XML, the outermost first, and how many of them are being scanned right now.
    hosts: Vec<Host>,
    active_hosts: usize,

    records: Walk<'r>,
    total: Option<Walk<'r>>,
    more: Option<Walk<'r>>,
    /// The scalar that is being read, the level of its element, and its text so far.
    scalar: Option<(Scalar, usize)>,
    scalar_text: String,
    schema: Schema,

    /// The level of the record that is being read.
    record: Option<usize>,
    record_start: usize,
    /// The names of the open elements between the record and its innermost open element, each with
    /// a slash, and how long this was before each.
    path: String,
    path_ends: Vec<usize>,
    /// The innermost open element of a record, as long as it has no elements in it.
    leaf: Option<(Open, Worth)>,
    express: Express,
    rows: Rows,
    /// The columns of a `DataSet` that the record has had, or is known not to have.
    columns_met: usize,

    lost: Lost,
    /// What stands several times in the first record.
    within: Option<Within>,
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
            // Without a secret seed: digests of answers are compared.
            digest: FixedState::default().build_hasher(),
            is_paged: request.is_paged(),
            level: 0,
            has_root: false,
            in_body: false,
            has_response: false,
            refusal: None,
            spaces: Spaces::default(),
            hosts: Vec::new(),
            active_hosts: 0,
            records: Walk::new(&request.records),
            total: request.total.as_ref().map(Walk::new),
            more: request.more.as_ref().map(Walk::new),
            scalar: None,
            scalar_text: String::new(),
            schema: Schema::default(),
            record: None,
            record_start: 0,
            path: String::new(),
            path_ends: Vec::new(),
            leaf: None,
            express: Express::default(),
            rows: Rows::default(),
            columns_met: 0,
            lost: Lost::default(),
            within: None,
        }
    }

    /// An element opens.
    fn open(&mut self, start: &BytesStart<'_>) -> Result<()> {
        if self.is_in_host() {
            return Err(fault("an element stands beside XML that is a text")
                .value(format!("<{}>", start.name().as_ref())));
        }
        self.level += 1;
        if self.level > DEEPEST {
            return Err(fault(format!("the answer nests elements more than {DEEPEST} deep")));
        }
        if !start.attributes_raw().is_empty() && self.spaces.open(self.level, start)? {
            self.forget();
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
                Ok(())
            }
            2 => {
                self.in_body = name == "Body";
                Ok(())
            }
            _ if !self.in_body => Ok(()),
            RESPONSE => {
                self.has_response = true;
                if name == "Fault" {
                    self.refusal = Some(Refusal::default());
                } else if self.lost.reached == 0 {
                    self.lost.is_nil |= self.is_nil(start)?;
                }
                Ok(())
            }
            _ => match &mut self.refusal {
                Some(refusal) => {
                    refusal.open(name);
                    Ok(())
                }
                None => self.open_in_response(start, name),
            },
        }
    }

    fn open_in_response(&mut self, start: &BytesStart<'_>, name: &str) -> Result<()> {
        let depth = self.level - RESPONSE;
        let table = self.request.records.names().last().map(AsRef::as_ref);
        self.schema.open(self.level, start, &self.spaces, table);
        // What a diffgram says of rows as they were before, and of errors in them, is about no record.
        let is_aside = self.schema.is_open()
            || (matches!(name, "before" | "errors") && self.spaces.element(start) == Space::Diffgram);
        if is_aside {
            return Ok(());
        }
        let is_after_deepest = self.records.matched + 1 == depth && self.records.matched == self.lost.reached;
        if is_after_deepest && name == "Include" && self.spaces.element(start) == Space::Include {
            return Err(attachment("what the request looks for"));
        }
        if self.records.open(depth, name) {
            if self.records.is_complete() {
                return self.open_record(start, name);
            }
            if depth > self.lost.reached {
                let is_diffgram = self.spaces.element(start) == Space::Diffgram;
                self.lost = Lost { reached: depth, is_diffgram, ..Lost::default() };
            }
            self.lost.is_nil |= self.is_nil(start)?;
        } else if is_after_deepest {
            self.lost.name(name);
        }
        for scalar in [Scalar::Total, Scalar::More] {
            let walk = match scalar {
                Scalar::Total => &mut self.total,
                Scalar::More => &mut self.more,
            };
            if let Some(walk) = walk
                && walk.open(depth, name)
                && walk.is_complete()
            {
                match self.trail(scalar).and_then(Trail::attribute) {
                    None => {
                        self.scalar = Some((scalar, self.level));
                        self.scalar_text.clear();
                    }
                    Some(wanted) => {
                        for attribute in start.attributes() {
                            let attribute = attribute.map_err(|error| malformed(error, ANSWER))?;
                            if attribute.key.local_name().as_ref() == wanted {
                                self.take_scalar(scalar, &attribute.value)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The innermost element closes.
    fn close(&mut self) -> Result<()> {
        if self.is_in_host() {
            self.close_host()?;
        }
        let level = self.level;
        self.level -= 1;
        if self.spaces.close(level) {
            self.forget();
        }
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
        if self.schema.is_open() {
            self.schema.close(level);
            return Ok(());
        }
        if let Some((scalar, at)) = self.scalar
            && at == level
        {
            self.scalar = None;
            let text = std::mem::take(&mut self.scalar_text);
            self.take_scalar(scalar, &text)?;
        }
        self.walks_close(level - RESPONSE);
        Ok(())
    }

    /// Prefixes have changed: what was learnt of how fields are written may be wrong now.
    fn forget(&mut self) {
        self.express.forget_null();
        self.rows.forget();
    }

    fn walks_close(&mut self, depth: usize) {
        self.records.close(depth);
        for walk in [&mut self.total, &mut self.more].into_iter().flatten() {
            walk.close(depth);
        }
    }

    fn trail(&self, scalar: Scalar) -> Option<&'r Trail> {
        match scalar {
            Scalar::Total => self.request.total.as_ref(),
            Scalar::More => self.request.more.as_ref(),
        }
    }

    fn take_scalar(&mut self, scalar: Scalar, text: &str) -> Result<()> {
        let text = text.trim();
        let contradicts = match scalar {
            Scalar::Total => {
                let total = text.parse().map_err(|_| {
                    fault("the announced number of records is not a number")
                        .value(text)
                        .next("check [platform.request] total")
                })?;
                self.page.total.replace(total).is_some_and(|before| before != total)
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
                self.page.more.replace(more).is_some_and(|before| before != more)
            }
        };
        if contradicts {
            let place = self.trail(scalar).map(ToString::to_string).unwrap_or_default();
            return Err(fault(format!("{place} stands twice in the answer, with different values")));
        }
        Ok(())
    }

    /// Text, or a piece of it, with its line ends as they came (XML 1.0 §2.11).
    fn text(&mut self, text: &str) -> Result<()> {
        if text.contains('\r') {
            let mut unix = text.replace("\r\n", "\n");
            if unix.contains('\r') {
                unix = unix.replace('\r', "\n");
            }
            return self.characters(&unix);
        }
        self.characters(text)
    }

    /// Text as it is meant.
    fn characters(&mut self, text: &str) -> Result<()> {
        if self.is_in_host() {
            return self.feed_host(text);
        }
        if self.record.is_some() {
            return self.characters_in_record(text);
        }
        if self.scalar.is_some() {
            self.scalar_text.push_str(text);
            return Ok(());
        }
        if let Some(refusal) = &mut self.refusal {
            refusal.text(text);
            return Ok(());
        }
        if is_blank(text) {
            return Ok(());
        }
        if self.is_between_roots() {
            return Err(fault("text stands beside elements in XML that is a text").value(text.trim()));
        }
        if self.level == 0 {
            return Err(if self.has_root {
                fault("something follows the end of the answer").value(text.trim())
            } else {
                fault("the answer is not XML").value(text.trim()).next("check [platform] endpoint")
            });
        }
        if self.level < RESPONSE || !self.in_body || self.schema.is_open() {
            return Ok(());
        }
        let depth = self.level - RESPONSE;
        let is_end_of_path = self.records.matched == depth && depth == self.lost.reached;
        if text.trim_start().starts_with(['<', '\u{feff}']) && self.lost.text.is_empty() {
            let walks = [Some(&self.records), self.total.as_ref(), self.more.as_ref()];
            if walks.into_iter().flatten().any(|walk| walk.continues_below(depth)) {
                self.open_host();
                return self.feed_host(text);
            }
        }
        if is_end_of_path {
            self.lost.text(text);
        }
        Ok(())
    }

    /// Only what XML itself defines is resolved (XML 1.0 §4.6); there is no DTD to define more.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<()> {
        match reference.resolve_char_ref().map_err(|error| malformed(error, ANSWER))? {
            Some(c) => self.characters(c.encode_utf8(&mut [0; 4])),
            None => match resolve_predefined_entity(reference) {
                Some(text) => self.characters(text),
                None => Err(fault(format!(
                    "the answer uses an entity that XML does not define: &{};",
                    shown(reference)
                ))),
            },
        }
    }

    fn is_nil(&self, start: &BytesStart<'_>) -> Result<bool> {
        if start.attributes_raw().is_empty() {
            return Ok(false);
        }
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| malformed(error, ANSWER))?;
            let (local, prefix) = attribute.key.decompose();
            if local.as_ref() == "nil"
                && self.spaces.attribute(prefix.as_ref().map(AsRef::as_ref)) == Space::Instance
                && is_true(&attribute.value)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The document has ended: is it whole, and are the records where they should be?
    fn finish(mut self) -> Result<Page> {
        if !self.has_root {
            return Err(
                fault("the answer is empty").next("check [platform] endpoint, and the platform's log")
            );
        }
        if self.level > 0 {
            return Err(limits::cut_off());
        }
        if let Some(refusal) = &self.refusal {
            return Err(refusal.fault(&self.request.operation));
        }
        if !self.has_response {
            return Err(fault("the SOAP body of the answer is empty"));
        }
        match self.page.records {
            0 => self.check_absence()?,
            1 => self.check_level()?,
            _ => {}
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
}

/// MTOM: the bytes of a value travel beside the envelope. Where they came, the value is in its place by now.
fn attachment(what: &str) -> Fault {
    fault(format!("{what} is said to be in an attachment (MTOM), but the answer has none"))
        .next("have the service send it inline, or leave the field out of the answer")
}

fn is_true(value: &str) -> bool {
    matches!(value.trim(), "true" | "1")
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}
