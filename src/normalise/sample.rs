//! A sample of one side's entries, to say how common a value is among all lines of a run.
//!
//! Entries are drawn by a hash of their figures, the smallest hashes first: the same ones whatever the order of the
//! rows, the number of the files or the way the entries go afterwards. So a run of any size needs room for a few thousand.

use std::sync::Arc;

use super::Entry;
use super::ledger::Draft;
use super::pool::{Pool, TextId};
use super::role::Field;
use super::wordings::Memo;
use crate::period::Instant;

/// Entries in a full sample: a share of one half is then known to about one part in a hundred.
const FULL: usize = 4096;

/// Some of the entries of one side.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Entries whose hash is below this are drawn.
    below: u64,
    offered: Vec<Offered>,
    wordings: Memo<Arc<Said>>,
    drawn: Vec<Drawn>,
    pool: Pool,
}

/// An entry that is drawn unless enough with smaller hashes come.
#[derive(Clone, Debug)]
struct Offered {
    hash: u64,
    start: Option<Instant>,
    /// Most of these never come to be numbered.
    said: Arc<Said>,
}

/// The texts of an entry, one behind the other, and where each ends.
#[derive(Debug, Default)]
struct Said {
    texts: String,
    ends: Vec<u32>,
}

/// An entry of a [`Sample`].
#[derive(Clone, Debug)]
pub struct Drawn {
    /// When it starts.
    pub start: Option<Instant>,
    texts: Vec<TextId>,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            below: u64::MAX,
            offered: Vec::new(),
            wordings: Memo::default(),
            drawn: Vec::new(),
            pool: Pool::default(),
        }
    }
}

impl Sample {
    /// Draws the entry, which has so many fields, or does not.
    #[inline]
    pub(super) fn offer(&mut self, entry: &Entry<'_>, fields: usize) {
        let hash = hash(entry.values);
        if hash < self.below {
            self.take(hash, entry, fields);
        }
    }

    #[cold]
    fn take(&mut self, hash: u64, entry: &Entry<'_>, fields: usize) {
        let said = self.wordings.of(entry.wording, || Arc::new(Said::of(entry, fields)));
        self.offered.push(Offered { hash, start: entry.values.start, said });
        if self.offered.len() >= 2 * FULL {
            self.thin();
        }
    }

    /// Keeps the entries with the smallest hashes. Equal hashes go together, so that no order decides.
    fn thin(&mut self) {
        if self.offered.len() <= FULL {
            return;
        }
        let (_, first, _) = self.offered.select_nth_unstable_by_key(FULL, |offered| offered.hash);
        let below = first.hash;
        self.below = below;
        self.offered.retain(|offered| offered.hash < below);
    }

    /// Draws of what was offered to another one as well.
    pub(super) fn join(&mut self, other: Self) {
        self.below = self.below.min(other.below);
        self.offered.extend(other.offered);
        self.offered.retain(|offered| offered.hash < self.below);
        self.thin();
    }

    /// Draws, when all have been offered.
    pub(super) fn close(&mut self) {
        self.thin();
        // In an order that does not come from that of the rows.
        self.offered
            .sort_unstable_by(|a, b| (a.hash, &a.said.texts, a.start).cmp(&(b.hash, &b.said.texts, b.start)));
        self.wordings = Memo::default();
        for Offered { start, said, .. } in std::mem::take(&mut self.offered) {
            let mut from = 0;
            let texts = said.ends.iter().map(|&end| {
                let end = end as usize;
                let text = said.texts.get(from..end).unwrap_or_default();
                from = end;
                self.pool.intern(text)
            });
            self.drawn.push(Drawn { start, texts: texts.collect() });
        }
    }

    /// The entries that were drawn.
    #[must_use]
    pub fn drawn(&self) -> &[Drawn] {
        &self.drawn
    }

    /// The number of a text of a drawn entry, for [`Sample::text`].
    #[must_use]
    pub fn text_id(&self, drawn: &Drawn, field: Field) -> TextId {
        drawn.texts.get(field.index()).copied().unwrap_or_default()
    }

    /// A text of the sample.
    #[must_use]
    pub fn text(&self, id: TextId) -> &str {
        self.pool.text(id)
    }
}

impl Said {
    fn of(entry: &Entry<'_>, fields: usize) -> Self {
        let mut said = Self { texts: String::new(), ends: Vec::with_capacity(fields) };
        for field in Field::all().take(fields) {
            said.texts.push_str(entry.text(field));
            // Readers refuse a record long before it is near 4 GiB.
            said.ends.push(u32::try_from(said.texts.len()).unwrap_or(u32::MAX));
        }
        said
    }
}

/// The hash of what an entry states in figures and time; nobody need be kept from choosing it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any bits will do")]
fn hash(values: &Draft) -> u64 {
    let number = |value: Option<crate::money::Number>| value.map_or(0, |value| value.mantissa() as u64);
    let start = values.start.map_or(0, |at| at.0 as u64);
    [start, number(values.quantity), number(values.price), number(values.amount)].into_iter().fold(
        0x9e37_79b9_7f4a_7c15,
        |hash: u64, word| {
            let mixed = (hash ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
            mixed ^ mixed >> 32
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Stand, wordings::Texts};
    use super::*;
    use crate::money::Number;

    /// The hashes that are drawn of entries with these amounts.
    fn drawn(amounts: &[i64]) -> Vec<u64> {
        let mut sample = Sample::default();
        for &amount in amounts {
            let values = Draft { amount: Some(Number::new(amount, 2)), ..Draft::default() };
            let texts = Texts::default();
            sample.offer(
                &Entry {
                    stand: Stand::default(),
                    texts,
                    wording: None,
                    code: None,
                    column: "",
                    ways: None,
                    values: &values,
                },
                0,
            );
        }
        sample.thin();
        let mut hashes: Vec<u64> = sample.offered.iter().map(|offered| offered.hash).collect();
        hashes.sort_unstable();
        hashes
    }

    #[test]
    fn a_sample_is_full_and_no_larger_and_equals_are_in_it_together() {
        let amounts: Vec<i64> = (0..100_000).collect();
        assert_eq!(drawn(&amounts).len(), FULL);
        assert_eq!(drawn(&[7, 8, 9]).len(), 3);
        assert_eq!(drawn(&[7; 100]).len(), 100);
        assert!(drawn(&[7; 10_000]).is_empty(), "nobody says which of them would do");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn the_order_does_not_decide(
            mut amounts in prop::collection::vec(0_i64..40_000, 8_000..14_000),
            seed in any::<u64>(),
        ) {
            let one = drawn(&amounts);
            amounts.sort_unstable_by_key(|amount| (amount.cast_unsigned() ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            prop_assert_eq!(drawn(&amounts), one);
        }
    }
}
