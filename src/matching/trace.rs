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
    /// The other side has entries of the same key.
    Shared(Vec<u32>),
    /// It has none. The entry that shares the most parts, and the parts that differ, by their place in the key.
    Apart(Option<(u32, Vec<usize>)>),
}

/// What `pass` could do with `entry` of `side`, whatever other passes took.
#[must_use]
pub fn fate(book: &Book<'_>, pass: &Pass, side: Side, entry: u32) -> Fate {
    let parts = |side, entry| pass.key.iter().map(move |&part| book.known(side, part, entry));
    let own: Vec<Option<i64>> = parts(side, entry).collect();
    if own.iter().all(Option::is_none) {
        return Fate::Blank;
    }
    let (ours, theirs) = (book.ledger(side), book.ledger(side.other()));
    let (mut shared, mut nearest) = (Vec::new(), None);
    for other in 0..theirs.len() {
        let differing = parts(side.other(), other).zip(&own).filter(|(a, b)| a != *b).count();
        if differing == 0 {
            shared.push(other);
            continue;
        }
        let apart = match (ours.start(entry), theirs.start(other)) {
            (Some(a), Some(b)) => a.0.abs_diff(b.0),
            _ => u64::MAX,
        };
        let says_another = ours.amount(entry) != theirs.amount(other);
        let rank = (differing, says_another, apart, other);
        if differing < own.len() && nearest.is_none_or(|known| rank < known) {
            nearest = Some(rank);
        }
    }
    if !shared.is_empty() {
        return Fate::Shared(shared);
    }
    Fate::Apart(nearest.map(|(.., other)| {
        let places = parts(side.other(), other).zip(&own).zip(0..).filter(|((a, b), _)| a != *b);
        (other, places.map(|(_, place)| place).collect())
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
