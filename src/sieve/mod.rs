//! In: the entries of both sides, as they are read. Out: a count of those that tie at first sight, and the places of all
//! others; when verdicts are known, the places of records whose prices may explain them. Never: decides anything that
//! matching and the judge would decide otherwise.
//!
//! Nearly all lines of a large run tie, each with one record. To see that takes no more of an entry than a [`slot`]:
//! its key and its figures as hashes, and its amount. Slots are parted by key, each partition is joined by itself, and
//! what is settled there, settled as matching and judging would, never becomes an entry of a ledger: the rest is read again by
//! its places. So memory and time go by what differs, not by what ties.
//!
//! A line that does not tie may still bear the price of a record that does. Where each price is settled is noted beside the slots, so that
//! such records are found when all verdicts are known, and read again as well.
//!
//! Keys are those of the first pass, but without document and version: entries that are copies of each
//! other, or versions of one line, then have one key, and a key with more than one entry on a side is left to those who can judge it.

mod join;
mod prices;
mod sketch;
mod slot;

use std::hash::Hasher as _;
use std::path::Path;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator};

use self::prices::Named;
pub use self::prices::{Found, Prices};
use self::sketch::Spills;
pub use self::sketch::{Sketch, Sketcher};
pub use self::slot::Place;
use crate::fault::Result;
use crate::judge::{Outcome, Rules, Tolerance};
use crate::matching::KeyPart;
use crate::money::Decimal;
use crate::normalise::{Field, KeyRules, Ledger, Role, Side};
use crate::period::{Clocks, Zone};
use crate::spill::Spill;

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
    looks_for_prices: bool,
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
            looks_for_prices: true,
        })
    }

    /// The same, where not both sides state prices, so that none has to be found again.
    #[must_use]
    pub fn without_prices(self) -> Self {
        Self { looks_for_prices: false, ..self }
    }

    /// Takes the entries of one side. Slots beyond `memory` bytes, and prints of their prices beyond half of that, go to temporary files in `folder`.
    #[must_use]
    pub fn sketch(&self, side: Side, folder: &Path, memory: usize) -> Sketch<'_> {
        let slots = |memory| Spill::new(folder, PARTITIONS, memory);
        let spills = match side {
            Side::Settlement if self.looks_for_prices => {
                Spills { slots: slots(memory), prints: Some(Spill::new(folder, PARTITIONS, memory / 2)) }
            }
            _ => Spills { slots: slots(memory), prints: None },
        };
        Sketch::new(self, side, spills)
    }

    /// Settles what ties at first sight; with it, where each price is settled, if that is of interest.
    ///
    /// # Errors
    /// Where a temporary file cannot be read.
    pub fn sift(&self, invoice: Sketch<'_>, settlement: Sketch<'_>) -> Result<(Sifted, Option<Prices>)> {
        let (invoice, settlement) = (invoice.finish(), settlement.finish());
        let classes = [&invoice.classes, &settlement.classes];
        let mut sifted = (0..PARTITIONS)
            .into_par_iter()
            // Each share has totals of its own.
            .with_min_len(PARTITIONS / SHARES)
            .try_fold(Sifted::default, |mut sifted, partition| {
                let bytes = [invoice.slots.read(partition)?, settlement.slots.read(partition)?];
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
        let close = |left: &mut Vec<Place>, keyless| {
            left.extend(keyless);
            left.sort_unstable();
        };
        rayon::join(
            || {
                // What was put aside takes about as long to be let go of as what is left to be sorted.
                drop(invoice.slots);
                close(left_invoices, invoice.keyless);
            },
            || close(left_settlements, settlement.keyless),
        );
        let classes = settlement.classes.all;
        let prices = settlement.prints.map(|prints| Prices { prints, slots: settlement.slots, classes });
        Ok((sifted, prices))
    }

    /// Where the records stand that may have the price of one of these lines of the invoices, at another time or somewhere else, and that are not
    /// among those that are `left` anyway.
    ///
    /// # Errors
    /// Where a temporary file cannot be read.
    pub fn look_for(
        &self,
        prices: &Prices,
        left: &[Place],
        invoices: &Ledger,
        lines: impl ParallelIterator<Item = (u32, Decimal)>,
    ) -> Result<Found> {
        let prints = |clocks: &mut Clocks<'_>, (line, price): (u32, Decimal)| {
            let start = invoices.start(line)?;
            let [mut all, _, _, mut own] = self.hashes.texts();
            for &field in &self.texts {
                let key = self.keys.key(field, invoices.text(field, line));
                prices::write(field, &key, &mut all, &mut own);
            }
            let named = Named { all: all.finish(), own: own.finish() };
            let price = sketch::word(price.into());
            Some((line, prices::prints(named, start, clocks.day_and_time(start), price)))
        };
        let lines: Vec<_> = lines.map_init(|| Clocks::new(self.zone), prints).flatten_iter().collect();
        let mut found = prices.find(&lines)?;
        found.places.retain(|place| left.binary_search(place).is_err());
        Ok(found)
    }
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
