//! Where each settled price stands. A line that does not tie may bear the price of a record that ties elsewhere: such records are found
//! here, to be read again. For every slot of a settlement three prints of its price are kept, in the same order.

use std::collections::HashMap;
use std::hash::Hasher;
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::fast::FixedState;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::PARTITIONS;
use super::slot::{self, Class, Place, Slot};
use crate::fault::Result;
use crate::judge::{COMMON_PRICE, CommonPrices, is_priced_by};
use crate::normalise::Field;
use crate::period::Instant;
use crate::spill::Spilled;

/// How many bytes the prints of a price have.
pub(super) const SIZE: usize = WAYS * 4;

/// In how many ways a price is looked for, see [`CommonPrices`].
const WAYS: usize = 3;

/// So many records may have a print that is another price's: of 10,000,000, it is one in 400 prints that any has. What more than
/// [`COMMON_PRICE`] and these have is a common price for certain.
const BY_CHANCE: u32 = 5;

/// What the texts of a key come to: all of them, and those that say whose price it is, not where it is settled.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) all: u64,
    pub(super) own: u64,
}

/// Takes a text of a key into the hashes of [`Named`].
pub(super) fn write(field: Field, key: &str, all: &mut impl Hasher, own: &mut impl Hasher) {
    all.write(key.as_bytes());
    if !is_priced_by(field) {
        own.write(key.as_bytes());
    }
}

/// What a price is looked for under: its key and the time of day, its key and the day, whose it is and the time.
type Prints = [u32; WAYS];

/// The prints of a price, which is given as its [`word`](super::sketch::word). Where two of them are the same by chance, a record is
/// looked at in vain, no more: it suffices that they are quick to make.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what is lost of a mantissa is above 64 bits")]
pub(super) fn prints(
    Named { all, own }: Named,
    start: Instant,
    (day, time): (Instant, i64),
    price: u128,
) -> Prints {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let price = price as u64;
    let [all, own] = [all, own].map(|named| (named ^ price).wrapping_mul(MIX));
    // The key comes in twice: its day and its time of day could be the same number.
    let mixed = [
        all ^ time.cast_unsigned(),
        all.rotate_left(32) ^ day.0.cast_unsigned(),
        own ^ start.0.cast_unsigned(),
    ];
    // Nought stands for none.
    mixed.map(|mixed| ((mixed.wrapping_mul(MIX) >> u32::BITS) as u32).max(1))
}

/// What stands for a record without a price, or without a time: nobody looks for it.
pub(super) const NONE: [u8; SIZE] = [0; SIZE];

pub(super) fn bytes(prints: Prints) -> [u8; SIZE] {
    let mut bytes = NONE;
    for (to, print) in bytes.as_chunks_mut().0.iter_mut().zip(prints) {
        *to = print.to_le_bytes();
    }
    bytes
}

fn read(bytes: &[u8; SIZE]) -> Prints {
    let mut prints = [0; WAYS];
    for (print, from) in prints.iter_mut().zip(bytes.as_chunks().0) {
        *print = u32::from_le_bytes(*from);
    }
    prints
}

/// All settled prices at their places.
pub struct Prices {
    pub(super) prints: Spilled<SIZE>,
    /// The slot of each.
    pub(super) slots: Spilled<{ slot::SIZE }>,
    pub(super) classes: Vec<Class>,
}

/// What came of looking for prices.
#[derive(Debug, Default)]
pub struct Found {
    /// Where records stand that may have one of them, in order.
    pub places: Vec<Place>,
    /// The lines whose price so many records have that none of them is among those.
    pub common: CommonPrices,
}

impl Prices {
    /// Looks for the price of each of these lines.
    pub(super) fn find(&self, lines: &[(u32, Prints)]) -> Result<Found> {
        let mut found = Found::default();
        if lines.is_empty() {
            return Ok(found);
        }
        let wanted =
            [0, 1, 2].map(|which| Wanted::new(lines.iter().filter_map(|(_, prints)| prints.get(which))));
        (0..PARTITIONS).into_par_iter().try_for_each(|partition| -> Result<()> {
            for bytes in self.prints.read(partition)?.as_chunks().0 {
                for (print, wanted) in read(bytes).into_iter().zip(&wanted) {
                    if let Some(records) = wanted.records(print) {
                        records.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            Ok(())
        })?;
        for &(line, prints) in lines {
            for ((print, wanted), common) in prints.into_iter().zip(&wanted).zip(&mut found.common) {
                if wanted.records(print).is_some_and(|records| !is_few(records)) {
                    common.insert(line);
                }
            }
        }
        let places: Vec<Vec<Place>> = (0..PARTITIONS)
            .into_par_iter()
            .map(|partition| self.places(partition, &wanted))
            .collect::<Result<_>>()?;
        found.places = places.concat();
        found.places.sort_unstable();
        Ok(found)
    }

    /// The places of the records of a partition that have one of the prints, if few have it.
    fn places(&self, partition: usize, wanted: &[Wanted; WAYS]) -> Result<Vec<Place>> {
        let prints = self.prints.read(partition)?;
        let is_found = |bytes: &[u8; SIZE]| {
            let mut prints = read(bytes).into_iter().zip(wanted);
            prints.any(|(print, wanted)| wanted.records(print).is_some_and(is_few))
        };
        let found = prints.as_chunks().0.iter().enumerate().filter(|(_, bytes)| is_found(bytes));
        let place = |(number, _)| {
            let slot = self.slots.get(partition, number).transpose()?;
            Some(slot.map(|slot| Slot::read(&slot).place(&self.classes)))
        };
        found.filter_map(place).collect()
    }
}

fn is_few(records: &AtomicU32) -> bool {
    records.load(Ordering::Relaxed) <= COMMON_PRICE + BY_CHANCE
}

/// Prints that are looked for, and how many records have them.
struct Wanted {
    records: HashMap<u32, AtomicU32, FixedState>,
    /// A bit for what some of them end with: nearly all others are none of them, and end here.
    ends: Vec<u64>,
}

impl Wanted {
    fn new<'a>(prints: impl Iterator<Item = &'a u32>) -> Self {
        let records: HashMap<u32, AtomicU32, FixedState> =
            prints.map(|print| (*print, AtomicU32::new(0))).collect();
        // One bit in thirty-two is set, and what there is of bits stays in a processor's own caches.
        let mut ends = vec![0; (records.len() / 2).next_power_of_two().min(1 << 15)];
        for &print in records.keys() {
            let (word, bit) = Self::end(&ends, print);
            if let Some(word) = ends.get_mut(word) {
                *word |= bit;
            }
        }
        Self { records, ends }
    }

    /// The word and the bit of it that a print ends with.
    const fn end(ends: &[u64], print: u32) -> (usize, u64) {
        ((print / u64::BITS) as usize & (ends.len() - 1), 1 << (print % u64::BITS))
    }

    #[inline]
    fn records(&self, print: u32) -> Option<&AtomicU32> {
        let (word, bit) = Self::end(&self.ends, print);
        self.ends.get(word).filter(|word| **word & bit != 0)?;
        self.records.get(&print)
    }
}
