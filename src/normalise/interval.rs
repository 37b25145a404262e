//! When a row's delivery is: from its cells to the interval, remembered for the rows that say the same.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::layout::{Layout, Source};
use super::wide::Slice;
use super::{Normaliser, Refusal, Taker, refuse};
use crate::intake::Row;
use crate::period::{Instant, Interval, Misread, Part, Texts};

/// Enough for a year of five-minute intervals; past that the memory is started anew.
const REMEMBERED: usize = 1 << 17;

/// Where a row states its interval.
pub(super) struct Stated<'a> {
    /// By [`Part`]; `None` for what the side does not have.
    parts: [Option<Source<'a>>; Part::ALL.len()],
    /// Whether there are but starts and ends, each a date or a time by itself.
    pub(super) is_plain: bool,
}

impl<'a> Stated<'a> {
    pub(super) fn new(
        mut source: impl FnMut(&'a str) -> Source<'a>,
        is_mapped: impl Fn(Part) -> bool,
        is_plain: bool,
    ) -> Self {
        let parts = Part::ALL.map(|part| is_mapped(part).then(|| source(part.name())));
        let is_plain = is_plain && parts.iter().skip(2).all(Option::is_none);
        Self { parts, is_plain }
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Source<'a>> {
        self.parts.iter().flatten()
    }

    pub(super) fn source(&self, part: Part) -> Option<&Source<'a>> {
        self.parts.get(part as usize).and_then(Option::as_ref)
    }

    fn text<'r>(&'r self, part: Part, row: &'r Row) -> Option<&'r str> {
        self.source(part).map(|source| source.text(row))
    }

    /// What a row, or one hour of it, says of its interval.
    pub(super) fn texts<'r>(&'r self, slice: Option<(Part, &'r Slice)>, row: &'r Row) -> Texts<'r> {
        Texts::of(|part| match slice {
            Some((of, slice)) if of == part => Some(&slice.label),
            _ => self.text(part, row),
        })
    }
}

/// Texts that say by themselves when they are, remembered.
#[derive(Default)]
pub(super) struct Moments(HashMap<Brief, Instant, FixedState>);

/// A text of 8 to 32 bytes, as its length, its first bytes and its last: compared without a look at the text itself.
type Brief = (usize, u128, u128);

fn brief(bytes: &[u8]) -> Option<Brief> {
    let (first, last) = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => (u128::from_le_bytes(*first), u128::from_le_bytes(*last)),
        _ => {
            let (first, last) = (bytes.first_chunk()?, bytes.last_chunk()?);
            (u64::from_le_bytes(*first).into(), u64::from_le_bytes(*last).into())
        }
    };
    (bytes.len() <= 32).then_some((bytes.len(), first, last))
}

impl Moments {
    #[inline]
    pub(super) fn get(&self, text: &[u8]) -> Option<Instant> {
        self.0.get(&brief(text)?).copied()
    }

    fn keep(&mut self, text: &str, at: Instant) {
        let Some(brief) = brief(text.as_bytes()) else { return };
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(brief, at);
    }
}

/// Whether start and end are those that their texts say by themselves; which of two equal midnights an end is may also follow from the
/// start, behind which it lies.
#[inline]
pub(super) fn is_told(start: Option<Instant>, end: Option<Instant>, are_same: impl FnOnce() -> bool) -> bool {
    match (start, end) {
        (Some(start), Some(end)) => start < end || are_same(),
        _ => true,
    }
}

impl<T: Taker> Normaliser<'_, T> {
    /// When it is that a text says by itself: because it is stated in full, or was read before.
    #[inline]
    pub(super) fn moment(&self, text: &[u8]) -> Option<Instant> {
        self.dates.stamp(text).or_else(|| self.moments.get(text))
    }

    /// Reads the interval into the draft.
    pub(super) fn interval(
        &mut self,
        layout: &Layout<'_>,
        slice: Option<&Slice>,
        row: &Row,
    ) -> Result<(), Refusal> {
        (self.draft.start, self.draft.end) = (None, None);
        let stated = &layout.stated;
        // Nearly all rows of nearly all files end here: two texts, both seen before.
        if stated.is_plain && slice.is_none() {
            let known = |part| {
                let Some(source) = stated.source(part) else { return Some(None) };
                // What stands in its column, if that is all of it; else what counts in its place.
                match self.moment(source.cell(row)) {
                    None => match source.text(row) {
                        "" => Some(None),
                        text => self.moment(text.as_bytes()).map(Some),
                    },
                    known => Some(known),
                }
            };
            if let Some(start) = known(Part::Start)
                && let Some(end) = known(Part::End)
                && is_told(start, end, || stated.text(Part::Start, row) == stated.text(Part::End, row))
            {
                (self.draft.start, self.draft.end) = (start, end);
                return Ok(());
            }
        }
        let slice = layout.wide.as_ref().map(|wide| wide.part).zip(slice);
        let texts = stated.texts(slice, row);
        if !stated.is_plain && self.turn.is_none() {
            self.said.clear();
            for part in Part::ALL {
                self.said.push_str(texts.get(part).unwrap_or_default());
                self.said.push('\u{1f}');
            }
            if let Some(&(start, end)) = self.intervals.get(&self.said) {
                (self.draft.start, self.draft.end) = (start, end);
                return Ok(());
            }
        }
        let read = self.dates.interval(&texts, self.turn);
        let Interval { start, end, at_change } = read.map_err(|misread| {
            self.draft.start = misread.start;
            self.misread(stated, slice, row, &misread)
        })?;
        (self.draft.start, self.draft.end) = (start, end);
        // What a clock change has to do with depends on more than the text of one cell.
        if stated.is_plain && !at_change {
            for (part, at) in [Part::Start, Part::End].into_iter().zip([start, end]) {
                let Some(at) = at else { continue };
                self.remember(stated.text(part, row).unwrap_or_default(), at);
            }
        } else if !stated.is_plain && self.turn.is_none() {
            if self.intervals.len() >= REMEMBERED {
                self.intervals.clear();
            }
            self.intervals.insert(self.said.clone(), (start, end));
        }
        Ok(())
    }

    fn remember(&mut self, text: &str, at: Instant) {
        let whole = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'T' | b':' | b'Z' | b'+'));
        // A text such as "Aug-00" starts and ends on different days and is not remembered.
        if whole && text.len() > 7 {
            self.moments.keep(text, at);
        }
    }

    fn misread(
        &self,
        stated: &Stated<'_>,
        slice: Option<(Part, &Slice)>,
        row: &Row,
        misread: &Misread,
    ) -> Refusal {
        let name = misread.part.name();
        let own = slice.filter(|(part, _)| *part == misread.part).and_then(|(_, slice)| slice.column());
        let (column, value) = match (own, stated.source(misread.part)) {
            (Some(column), _) => (Some(column), row.trimmed(column).unwrap_or_default()),
            (None, Some(source)) => {
                let (column, value) = source.pick(row);
                (column.or(source.column), value)
            }
            (None, None) => (None, ""),
        };
        let what = match misread.part {
            Part::Start | Part::End => format!("{name} cannot be read as a date"),
            _ if own.is_some() => format!("{name}, in the header, says nothing on this day"),
            _ => format!("{name} cannot be read"),
        };
        let mut reason = format!("{what}: {}", misread.trouble.phrase());
        if let Some(setting) = misread.trouble.setting() {
            reason = format!("{reason}; or set [{}] {setting}", self.table);
        }
        Refusal { trouble: Some(misread.trouble.clone()), ..refuse(column, value, reason) }
    }
}
