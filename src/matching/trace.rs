//! Why a pass did not bring an entry together with another: for whoever asks about one of them. Looks at every entry of
//! the other side, which is slow, and fine for one.

use super::Pass;
use super::keys::{Book, KeyPart};
use crate::normalise::Side;

/// What a pass could do with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Every part of its key is blank: that matches nothing.
    Blank,
    /// The pass asks for starts that are near, and it has none.
    Timeless,
    /// The other side has entries of the same key, near enough where the pass asks for that.
    Shared(Vec<u32>),
    /// The other side has entries of the same key, but none that starts near enough; the nearest of them, if one starts
    /// at any time.
    Far(Option<u32>),
    /// It has none. The entry that shares the most parts, and the parts that differ.
    Apart(Option<(u32, Vec<KeyPart>)>),
}

/// What `pass` could do with `entry` of `side`, whatever other passes took.
#[must_use]
pub fn fate(book: &Book<'_>, pass: &Pass, side: Side, entry: u32) -> Fate {
    let key = pass.equal_parts();
    let parts = |side, entry| key.iter().map(move |&part| book.known(side, part, entry));
    let own: Vec<Option<i64>> = parts(side, entry).collect();
    if own.iter().all(Option::is_none) {
        return Fate::Blank;
    }
    let (ours, theirs) = (book.ledger(side), book.ledger(side.other()));
    let start = ours.start(entry);
    if pass.within.is_some() && start.is_none() {
        return Fate::Timeless;
    }
    let apart = |other: u32| match (start, theirs.start(other)) {
        (Some(a), Some(b)) => a.0.abs_diff(b.0),
        _ => u64::MAX,
    };
    let (mut shared, mut nearest) = (Vec::new(), None);
    for other in 0..theirs.len() {
        let differing = parts(side.other(), other).zip(&own).filter(|(a, b)| a != *b).count();
        if differing == 0 {
            shared.push(other);
            continue;
        }
        let says_another = ours.amount(entry) != theirs.amount(other);
        let rank = (differing, says_another, apart(other), other);
        if differing < own.len() && nearest.is_none_or(|known| rank < known) {
            nearest = Some(rank);
        }
    }
    if let (Some(within), Some(start), false) = (pass.within, start, shared.is_empty()) {
        let is_near = |other: &u32| {
            theirs
                .start(*other)
                .is_some_and(|other| within.reach(book.zone(), start.min(other)) >= start.max(other))
        };
        let near: Vec<u32> = shared.iter().copied().filter(is_near).collect();
        if !near.is_empty() {
            return Fate::Shared(near);
        }
        let timed = shared.into_iter().filter(|&other| theirs.start(other).is_some());
        return Fate::Far(timed.min_by_key(|&other| (apart(other), other)));
    }
    if !shared.is_empty() {
        return Fate::Shared(shared);
    }
    Fate::Apart(nearest.map(|(.., other)| {
        let differing = parts(side.other(), other).zip(&own).zip(&key).filter(|((a, b), _)| a != *b);
        (other, differing.map(|(_, &part)| part).collect())
    }))
}

impl KeyPart {
    /// The part as `tieout.toml` writes it, by the name of its field.
    #[must_use]
    pub fn spelt(self, name: impl FnOnce(crate::normalise::Field) -> String) -> String {
        match self {
            Self::Text(field) => name(field),
            Self::Start => "start".to_owned(),
            Self::End => "end".to_owned(),
            Self::Calendar(calendar) => calendar.to_string(),
        }
    }
}
