//! The fast way through a record: records of one answer have the same fields in the same order.
//!
//! Where the next field stands as `<Name>plain text</Name>`, or as the null that this answer writes, it is
//! taken by comparing bytes. Whatever looks different takes the ordinary way, which knows all of XML.

/// The fields that records had so far, in their order.
#[derive(Debug, Default)]
pub(super) struct Express {
    fields: Vec<Tags>,
    /// Which field probably comes next.
    next: usize,
    /// How this answer ends the tag of a null, as in ` xsi:nil="true" />`.
    null: String,
}

#[derive(Debug)]
struct Tags {
    /// `<Name>`
    open: Box<str>,
    /// `</Name>`
    close: Box<str>,
}

/// A field as it was found.
pub(super) struct Found<'t> {
    /// Which of the fields.
    pub(super) field: usize,
    pub(super) value: Option<&'t str>,
    /// Bytes that it takes up, with the white space in front.
    pub(super) length: usize,
}

/// Fields beyond this are not worth looking for.
const MOST_FIELDS: usize = 256;

impl Express {
    /// A record begins.
    pub(super) fn restart(&mut self) {
        self.next = 0;
    }

    /// A field takes the ordinary way (by its name with prefix): the next time it is expected here.
    pub(super) fn learn(&mut self, name: &str) {
        let is_it = |tags: &Tags| tags.start().get(1..) == Some(name);
        match self.fields.iter().skip(self.next).position(is_it) {
            Some(ahead) => self.next += ahead + 1,
            None if self.fields.len() < MOST_FIELDS && !self.fields.iter().any(is_it) => {
                let tags = Tags { open: format!("<{name}>").into(), close: format!("</{name}>").into() };
                self.fields.insert(self.next, tags);
                self.next += 1;
            }
            None => {}
        }
    }

    /// How nulls are written, from behind the name to the end of the tag.
    pub(super) fn learn_null(&mut self, attributes: &str) {
        if self.null.is_empty() {
            self.null = format!("{attributes}/>");
        }
    }

    /// Prefixes have changed, so that the same tag may mean something else.
    pub(super) fn forget_null(&mut self) {
        self.null.clear();
    }

    pub(super) fn name(&self, field: usize) -> &str {
        self.fields.get(field).map_or("", Tags::name)
    }

    /// The field at the start of `text`, if it is one of those expected and there as a whole.
    #[inline]
    pub(super) fn find<'t>(&mut self, text: &'t str) -> Option<Found<'t>> {
        let tagged = match text.as_bytes().first() {
            Some(b'<') => text,
            Some(b' ' | b'\t' | b'\r' | b'\n') => text.trim_start_matches([' ', '\t', '\r', '\n']),
            _ => return None,
        };
        if tagged.as_bytes().get(1).is_none_or(|byte| *byte == b'/') {
            return None;
        }
        for (field, tags) in self.fields.iter().enumerate().skip(self.next) {
            let (value, rest) = if let Some(inner) = tagged.strip_prefix(&*tags.open) {
                let end = inner.bytes().position(|byte| matches!(byte, b'<' | b'&' | b'\r'))?;
                let (value, rest) = inner.split_at_checked(end)?;
                (Some(value), rest.strip_prefix(&*tags.close)?)
            } else if !self.null.is_empty()
                && let Some(inner) = tagged.strip_prefix(tags.start())
                && let Some(rest) = inner.strip_prefix(&self.null)
            {
                (None, rest)
            } else {
                continue;
            };
            self.next = field + 1;
            return Some(Found { field, value, length: text.len() - rest.len() });
        }
        None
    }
}

impl Tags {
    /// The name without a prefix.
    fn name(&self) -> &str {
        let name = self.start().get(1..).unwrap_or_default();
        name.split_once(':').map_or(name, |(_, name)| name)
    }

    /// `<Name`
    fn start(&self) -> &str {
        self.open.get(..self.open.len() - 1).unwrap_or_default()
    }
}
