//! XML inside of a text: escaped or in CDATA, often declaring an encoding that was true before it became text.
//!
//! Where a path of the request goes on below an element and its text begins with `<`, the text is
//! scanned as a document of its own, whose elements stand below that element. Several roots are fine, as
//! databases write them (`FOR XML`).

use super::limits::fault;
use super::scan::Scanner;
use super::{Parser, RESPONSE};
use crate::fault::Result;

/// An element whose text is XML.
#[derive(Debug)]
pub(super) struct Host {
    level: usize,
    scanner: Scanner,
    has_begun: bool,
}

impl Parser<'_> {
    /// Whether the innermost element, as the document at hand sees it, is one whose text is XML.
    #[inline]
    pub(super) fn is_in_host(&self) -> bool {
        self.hosts.len() > self.active_hosts
    }

    /// Whether the parser stands between the outermost elements of XML in a text.
    pub(super) fn is_between_roots(&self) -> bool {
        let around = self.active_hosts.checked_sub(1).and_then(|index| self.hosts.get(index));
        around.is_some_and(|host| host.level == self.level)
    }

    /// The text of the innermost element turns out to be XML.
    pub(super) fn open_host(&mut self) {
        let names = self.request.records.names();
        let path = names.get(..self.level - RESPONSE).unwrap_or_default().join("/");
        let place = if path.is_empty() { "the response" } else { &path };
        let scanner = Scanner::new(format!("the XML in the text of {place}"));
        self.hosts.push(Host { level: self.level, scanner, has_begun: false });
    }

    /// More of the text of the innermost element, which is XML.
    pub(super) fn feed_host(&mut self, text: &str) -> Result<()> {
        let Some(host) = self.hosts.get_mut(self.active_hosts) else { return Ok(()) };
        // XML has nothing in front of a declaration; those who wrap it are less strict.
        let text = match host.has_begun {
            true => text,
            false => text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']),
        };
        host.has_begun |= !text.is_empty();
        if host.scanner.push(text) { self.scan_host(false) } else { Ok(()) }
    }

    /// Takes the escaped XML that `text` begins with, as far as it is plainly escaped; says how many bytes that is.
    /// A reference for each `<` and `>` is what such a text is made of.
    pub(super) fn express_host(&mut self, text: &str) -> Result<usize> {
        const ESCAPED: [(&str, &str); 5] =
            [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&"), ("&apos;", "'")];
        let Some(host) = self.hosts.get_mut(self.active_hosts).filter(|host| host.has_begun) else {
            return Ok(0);
        };
        let (mut rest, mut is_enough) = (text, false);
        loop {
            let plain = memchr::memchr3(b'<', b'&', b'\r', rest.as_bytes()).unwrap_or(rest.len());
            let Some((text, from)) = rest.split_at_checked(plain) else { break };
            is_enough = host.scanner.push(text);
            rest = from;
            let found =
                ESCAPED.iter().find_map(|(escaped, meant)| Some((rest.strip_prefix(escaped)?, meant)));
            let Some((behind, meant)) = found else { break };
            is_enough = host.scanner.push(meant);
            rest = behind;
        }
        if is_enough {
            self.scan_host(false)?;
        }
        Ok(text.len() - rest.len())
    }

    /// The element whose text is XML closes.
    pub(super) fn close_host(&mut self) -> Result<()> {
        self.scan_host(true)?;
        match self.hosts.pop() {
            Some(host) if host.level != self.level => {
                Err(fault(format!("{} is cut off in the middle", host.scanner.name()))
                    .next("have the service send all of it; perhaps a field that it stands in is too short"))
            }
            _ => Ok(()),
        }
    }

    fn scan_host(&mut self, is_end: bool) -> Result<()> {
        let index = self.active_hosts;
        let Some(host) = self.hosts.get_mut(index) else { return Ok(()) };
        let mut scanner = std::mem::take(&mut host.scanner);
        self.active_hosts += 1;
        let outcome = scanner.scan(is_end, self);
        self.active_hosts = index;
        if let Some(host) = self.hosts.get_mut(index) {
            host.scanner = scanner;
        }
        outcome
    }
}
