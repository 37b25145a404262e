//! The search for records: how far the open elements follow the paths of the request, and what is there instead
//! where no records are.

use super::Parser;
use super::limits::fault;
use super::within::Within;
use crate::fault::{Fault, Result, nearest, shown};
use crate::platform::request::Trail;

/// Names that a message about a missing element lists.
const NAMES_SHOWN: usize = 12;
/// Bytes of a text that a message shows instead.
const TEXT_SHOWN_BYTES: usize = 500;

/// How far the open elements follow a path.
pub(super) struct Walk<'r> {
    pub(super) names: &'r [Box<str>],
    pub(super) matched: usize,
}

impl<'r> Walk<'r> {
    pub(super) fn new(trail: &'r Trail) -> Self {
        Self { names: trail.names(), matched: 0 }
    }

    /// An element opened `depth` levels below the response element: is the path now one longer?
    pub(super) fn open(&mut self, depth: usize, name: &str) -> bool {
        let follows =
            self.matched + 1 == depth && self.names.get(self.matched).is_some_and(|next| **next == *name);
        if follows {
            self.matched = depth;
        }
        follows
    }

    pub(super) fn close(&mut self, depth: usize) {
        self.matched = self.matched.min(depth - 1);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.matched == self.names.len()
    }

    /// Whether the path goes on below the element on this depth.
    pub(super) fn continues_below(&self, depth: usize) -> bool {
        self.matched == depth && !self.is_complete()
    }
}

/// What is known about a search for records that found none.
#[derive(Default)]
pub(super) struct Lost {
    /// How far the path was followed, at best.
    pub(super) reached: usize,
    /// The elements that stood there instead of the next one.
    pub(super) names: Vec<String>,
    /// The text that stood there instead of elements.
    pub(super) text: String,
    pub(super) is_nil: bool,
    /// What was reached is a diffgram, which is empty where a `DataSet` is.
    pub(super) is_diffgram: bool,
}

impl Lost {
    pub(super) fn text(&mut self, text: &str) {
        if self.text.len() < TEXT_SHOWN_BYTES {
            self.text.push_str(text);
        }
    }

    pub(super) fn name(&mut self, name: &str) {
        if self.names.len() < NAMES_SHOWN && !self.names.iter().any(|known| known == name) {
            self.names.push(shown(name));
        }
    }
}

impl Parser<'_> {
    /// No record was found. That is an answer where the place for records is there and
    /// empty; where something else is in their place, the path is wrong, and zero would be a lie.
    pub(super) fn check_absence(&self) -> Result<()> {
        let lost = &self.lost;
        let names = self.request.records.names();
        let is_bare = lost.names.is_empty() && lost.text.is_empty();
        let is_place = lost.reached + 1 >= names.len();
        // A `DataSet` has other tables in the same place, and may say by its schema alone that it knows this one.
        let is_empty = (is_bare && (is_place || lost.is_diffgram)) || (is_place && self.schema.is_known);
        if self.page.total == Some(0) || lost.is_nil || is_empty {
            return Ok(());
        }
        let there = names.get(..lost.reached).unwrap_or_default().join("/");
        let there = if there.is_empty() { "the response".to_owned() } else { there };
        let missing = names.get(lost.reached).map(AsRef::as_ref).unwrap_or_default();
        let fault = fault(format!("there are no records: {there} holds no {missing}"))
            .expected(&self.request.records);
        Err(if !lost.names.is_empty() {
            fault.value(lost.names.join(", "))
        } else if lost.text.is_empty() {
            fault.value("nothing")
        } else {
            fault.value(format!("the text {}", lost.text.trim()))
        }
        .next(match nearest(missing, lost.names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near} in [platform.request] records?"),
            None => "correct [platform.request] records; where an empty answer leaves its elements out, name the announced count in total".to_owned(),
        }))
    }

    /// One record was found. Where it is made of nothing but elements of one name, or where what is said of all
    /// pages stands in it, the path ends too early, at what holds the records.
    pub(super) fn check_level(&self) -> Result<()> {
        let Some(within) = &self.within else { return Ok(()) };
        let request = &self.request;
        let lacks = |trail: &Option<Trail>, is_there: bool| {
            trail
                .as_ref()
                .is_some_and(|trail| !is_there && trail.names().starts_with(request.records.names()))
        };
        let is_above = within.is_all
            || lacks(&request.total, self.page.total.is_some())
            || lacks(&request.more, self.page.more.is_some());
        if !is_above {
            return Ok(());
        }
        let (records, Within { path, count, .. }) = (&request.records, within);
        Err(fault(format!("{records} is no record, but holds them: {path} stands in it {count} times"))
            .at("[platform.request] records")
            .value(records)
            .next(format!("set records = \"{records}/{path}\"")))
    }

    pub(super) fn missing(&self, key: &str, trail: Option<&Trail>) -> Fault {
        let trail = trail.map(ToString::to_string).unwrap_or_default();
        fault(format!("there is no {trail} in the answer"))
            .next(format!("correct [platform.request] {key}, or leave it out"))
    }
}
