//! The fast way through records that are attributes alone, `<z:row ows_ID="1" ows_Amount="2.50" />`: like
//! [`express`](super::express), it compares bytes, and leaves to the ordinary way whatever looks different.

use quick_xml::escape::unescape;

use crate::platform::record::{Batch, Worth};

/// Attributes beyond this are not worth looking for.
const MOST_ATTRIBUTES: usize = 256;

/// How the records of this answer begin, and the attributes that they had so far, in their order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// `<z:row`; blank as long as there was none.
    open: String,
    attributes: Vec<Attribute>,
    /// Where the next attribute that is learnt probably stands.
    next: usize,
}

#[derive(Debug)]
struct Attribute {
    /// ` ows_ID="`
    open: Box<str>,
    /// `@ows_ID`
    field: Box<str>,
}

impl Attribute {
    /// With its prefix.
    fn name(&self) -> &str {
        self.open.get(1..self.open.len() - 2).unwrap_or_default()
    }
}

impl Rows {
    /// A record called `name`, with its prefix, takes the ordinary way.
    pub(super) fn restart(&mut self, name: &str) {
        if self.open.strip_prefix('<') != Some(name) {
            *self = Self { open: format!("<{name}"), ..Self::default() };
        }
        self.next = 0;
    }

    /// It has an attribute of this name, which becomes a field.
    pub(super) fn learn(&mut self, name: &str, local: &str) {
        let is_it = |known: &Attribute| known.name() == name;
        match self.attributes.iter().skip(self.next).position(is_it) {
            Some(ahead) => self.next += ahead + 1,
            None if self.attributes.len() < MOST_ATTRIBUTES && !self.attributes.iter().any(is_it) => {
                let open = format!(" {name}=\"").into();
                self.attributes.insert(self.next, Attribute { open, field: format!("@{local}").into() });
                self.next += 1;
            }
            None => {}
        }
    }

    /// Prefixes have changed, or a record has what is no field: the same bytes may mean something else.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes the record at the start of `text` into `batch`, where it is there as a whole and as those before; gives
    /// the bytes that it takes up, with the white space in front.
    pub(super) fn take(&self, text: &str, batch: &mut Batch) -> Option<usize> {
        if self.attributes.is_empty() {
            return None;
        }
        let start = text.trim_start_matches([' ', '\t', '\r', '\n']).strip_prefix(&*self.open)?;
        let mark = batch.mark();
        let rest = self.fields(start, batch);
        if rest.is_none() || batch.mark() == mark {
            batch.rewind(mark);
            return None;
        }
        Some(text.len() - rest?.len())
    }

    /// Takes the attributes in front of the end of the tag; gives what is behind.
    #[inline]
    fn fields<'t>(&self, mut text: &'t str, batch: &mut Batch) -> Option<&'t str> {
        for attribute in &self.attributes {
            let Some(inner) = text.strip_prefix(&*attribute.open) else { continue };
            let is_plain = |byte: u8| !matches!(byte, b'"' | b'&' | b'<' | ..b' ');
            let end = inner.bytes().position(|byte| !is_plain(byte))?;
            let (value, rest) = inner.split_at_checked(end)?;
            let field = batch.start_field(&[&attribute.field]);
            if let Some(rest) = rest.strip_prefix('"') {
                batch.push(value);
                text = rest;
            } else {
                let (value, rest) = inner.split_once('"')?;
                if !value.bytes().all(|byte| is_plain(byte) || byte == b'&') {
                    return None;
                }
                batch.push(&unescape(value).ok()?);
                text = rest;
            }
            batch.end_field(field, Worth::Text);
        }
        text.strip_prefix(" />").or_else(|| text.strip_prefix("/>"))
    }
}
