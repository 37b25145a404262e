//! In: the entries of both sides, as they are read. Out: a count of those that tie at first sight, and the places of all
//! others. Never: decides anything that matching and the judge would decide otherwise.
//!
//! Nearly all lines of a large run tie, each with one record. To see that takes no more of an entry than a [`slot`]:
//! its key and its figures as hashes, and its amount. Slots are parted by key, each partition is joined by itself, and
//! what is settled there, settled as matching and judging would, never becomes an entry of a ledger: the rest is read again by
//! its places. So memory and time go by what differs, not by what ties.
//!
//! Keys are those of the first pass, but without document and version: entries that are copies of each
//! other, or versions of one line, then have one key, and a key with more than one entry on a side is left to those who can judge it.

mod join;
mod sketch;
mod slot;

use std::path::Path;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};

pub use self::sketch::{Sketch, Sketcher};
pub use self::slot::Place;
use crate::fault::Result;
use crate::judge::{Outcome, Rules, Tolerance};
use crate::matching::KeyPart;
use crate::normalise::{Field, KeyRules, Role, Side};
use crate::period::Zone;
use crate::spill::{Spill, Spilled};

const PARTITIONS: usize = 256;

/// Into how many shares they are divided among threads, at the most.
const SHARES: usize = 16;

/// What the sieve of a run looks at.
pub struct Plan<'a> {
    /// What the key is made of: texts, and times.
    texts: Vec<Field>,
    times: Vec<KeyPart>,
    /// What must be the same beside the key.
    same: Vec<Field>,
    currency: Field,
    amounts: Vec<&'a Tolerance>,
    /// The number of each tolerance for amounts among all of them.
    numbers: Vec<usize>,
    rules: Rules<'a>,
    keys: &'a KeyRules,
    zone: &'a Zone,
    hashes: sketch::Hashes,
}

impl<'a> Plan<'a> {
    /// The plan for these settings; `None` where nothing can be told at first sight.
    #[must_use]
    pub fn of(rules: Rules<'a>, zone: &'a Zone) -> Option<Self> {
        // A pass of windows or subsets weighs lines against each other that have other slots: a line that ties with its
        // one record at first sight may have to leave it to another. Its groups are small; the ledgers see them all.
        let first = rules.passes.first().filter(|pass| pass.is_exact())?;
        let apart = [Role::Document, Role::Version].map(sketch::field);
        let mut same = [Role::Unit, Role::Currency, Role::Version].map(sketch::field).to_vec();
        let (mut texts, mut times) = (Vec::new(), Vec::new());
        for &part in &first.key {
            match part {
                KeyPart::Text(field) if apart.contains(&field) => same.push(field),
                KeyPart::Text(field) => texts.push(field),
                time => times.push(time),
            }
        }
        let (numbers, amounts): (Vec<usize>, Vec<&Tolerance>) =
            rules.tolerances.iter().enumerate().filter(|(_, rule)| rule.role == Role::Amount).unzip();
        // What is allowed for each unit takes a quantity to know, which a slot does not have.
        let told = amounts.len() <= 64 && amounts.iter().all(|rule| rule.per_unit.is_none());
        (!(texts.is_empty() && times.is_empty()) && told).then(|| Self {
            texts,
            times,
            same,
            currency: sketch::field(Role::Currency),
            amounts,
            numbers,
            rules,
            keys: rules.keys,
            zone,
            hashes: sketch::Hashes::new(),
        })
    }

    /// Takes the entries of one side; what is more than `memory` bytes goes to a temporary file in `folder`.
    #[must_use]
    pub fn sketch(&self, side: Side, folder: &Path, memory: usize) -> Sketch<'_> {
        Sketch::new(self, side, Spill::new(folder, PARTITIONS, memory))
    }

    /// Settles what ties at first sight.
    ///
    /// # Errors
    /// Where a temporary file cannot be read.
    pub fn sift(&self, invoice: Sketch<'_>, settlement: Sketch<'_>) -> Result<Sifted> {
        let (invoices, invoice_classes, invoice_keyless) = invoice.finish();
        let (settlements, settlement_classes, settlement_keyless) = settlement.finish();
        let classes = [&invoice_classes, &settlement_classes];
        let mut sifted = (0..PARTITIONS)
            .into_par_iter()
            // Each share has totals of its own.
            .with_min_len(PARTITIONS / SHARES)
            .try_fold(Sifted::default, |mut sifted, partition| {
                let bytes = [invoices.read(partition)?, settlements.read(partition)?];
                let slots = bytes.each_ref().map(|bytes| slot::Slots::of(bytes));
                join::join(self, slots, classes, &mut sifted);
                Ok(sifted)
            })
            .try_reduce(Sifted::default, |mut all, part: Sifted| {
                all.add(part);
                Ok(all)
            })?;
        std::mem::take(&mut sifted.totals).into(&mut sifted.outcome.control, classes);
        let [left_invoices, left_settlements] = &mut sifted.left;
        // What was put aside takes about as long to be let go of as what is left to be sorted.
        rayon::join(
            || close(left_invoices, invoice_keyless, invoices),
            || close(left_settlements, settlement_keyless, settlements),
        );
        Ok(sifted)
    }
}

/// Puts what is left of a side in order, and lets go of its slots.
fn close(left: &mut Vec<Place>, keyless: Vec<Place>, slots: Spilled<{ slot::SIZE }>) {
    drop(slots);
    left.extend(keyless);
    left.sort_unstable();
}

/// What tied at first sight, and what is left.
#[derive(Debug, Default)]
pub struct Sifted {
    /// The pairs that tie, counted.
    pub outcome: Outcome,
    /// By side, in order, where the other entries stand.
    pub left: [Vec<Place>; 2],
    /// The lines of the pairs, until they are handed on to the outcome.
    totals: join::Totals,
}

impl Sifted {
    fn add(&mut self, other: Self) {
        self.outcome.join(&other.outcome);
        self.totals.join(other.totals);
        for (all, part) in self.left.iter_mut().zip(other.left) {
            all.extend(part);
        }
    }

    /// How many pairs tie.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.outcome.matched + self.outcome.within_tolerance()
    }
}
