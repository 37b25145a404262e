//! Where each settled price stands. A line that does not tie may bear the price of a record that ties elsewhere: such records are found
//! here, to be read again. For every slot of a settlement two prints of its price are kept, in the same order.

use std::collections::{HashMap, HashSet};
use std::hash::Hasher;

use foldhash::fast::FixedState;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::PARTITIONS;
use super::slot::{self, Class, Place, Slot};
use crate::fault::Result;
use crate::judge::{COMMON, is_elsewhere};
use crate::normalise::Field;
use crate::period::Instant;
use crate::spill::Spilled;

/// How many bytes the prints of a price have.
pub(super) const SIZE: usize = 8;

/// Of one print, more records than this need not be read: those that are make the price [`COMMON`], even if some of them have that
/// print by chance.
const MOST: usize = 2 * COMMON;

/// What the texts of a key come to: all of them, and those that say whose price it is, not where it is settled.
#[derive(Clone, Copy)]
pub(super) struct Named {
    pub(super) all: u64,
    pub(super) own: u64,
}

/// Takes a text of a key into the hashes of [`Named`].
pub(super) fn write(field: Field, key: &str, all: &mut impl Hasher, own: &mut impl Hasher) {
    all.write(key.as_bytes());
    if !is_elsewhere(field) {
        own.write(key.as_bytes());
    }
}

/// What a price is looked for under: its key, at any time; and whose it is and when, wherever.
type Prints = [u32; 2];

/// The prints of a price, which is given as its [`word`](super::sketch::word). Where two of them are the same by chance, a record is
/// looked at in vain, no more: it suffices that they are quick to make.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what is lost of a mantissa is above 64 bits")]
pub(super) fn prints(Named { all, own }: Named, start: Instant, price: u128) -> Prints {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let price = price as u64;
    let of_key = (all ^ price).wrapping_mul(MIX);
    let at_once = ((own ^ price).wrapping_mul(MIX) ^ start.0.cast_unsigned()).wrapping_mul(MIX);
    // Nought stands for none.
    [of_key, at_once].map(|mixed| upper(mixed).max(1))
}

const fn upper(word: u64) -> u32 {
    (word >> u32::BITS) as u32
}

/// What stands for a record without a price, or without a time: nobody looks for it.
pub(super) const NONE: [u8; SIZE] = [0; SIZE];

pub(super) fn bytes([of_key, at_once]: Prints) -> [u8; SIZE] {
    (u64::from(of_key) << u32::BITS | u64::from(at_once)).to_le_bytes()
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
const fn read(bytes: [u8; SIZE]) -> Prints {
    let both = u64::from_le_bytes(bytes);
    [upper(both), both as u32]
}

/// All settled prices at their places.
pub(super) struct Prices {
    pub(super) prints: Spilled<SIZE>,
    /// The slot of each.
    pub(super) slots: Spilled<{ slot::SIZE }>,
    pub(super) classes: Vec<Class>,
}

/// Records, by their partition and how many stand there before them, under the print that leads to them, and which of the two it is.
type Found = HashMap<(usize, u32), Vec<(usize, usize)>, FixedState>;

impl Prices {
    /// The places of the records that have one of these prints, in order; of one that more than [`MOST`] have, only some.
    pub(super) fn find(&self, wanted: &[Prints]) -> Result<Vec<Place>> {
        let of_key = Wanted::new(wanted.iter().map(|[of_key, _]| *of_key));
        let at_once = Wanted::new(wanted.iter().map(|[_, at_once]| *at_once));
        let found = (0..PARTITIONS)
            .into_par_iter()
            .try_fold(Found::default, |mut found, partition| {
                for (number, bytes) in self.prints.read(partition)?.as_chunks().0.iter().enumerate() {
                    let prints = read(*bytes);
                    for (which, (print, wanted)) in prints.into_iter().zip([&of_key, &at_once]).enumerate() {
                        if wanted.has(print) {
                            add(&mut found, (which, print), &[(partition, number)]);
                        }
                    }
                }
                Ok(found)
            })
            .try_reduce(Found::default, |mut all, found| {
                found.into_iter().for_each(|(print, records)| add(&mut all, print, &records));
                Ok(all)
            })?;
        let mut slots: Vec<(usize, usize)> = found.into_values().flatten().collect();
        slots.sort_unstable();
        slots.dedup();
        let place = |(partition, number)| {
            let slot = self.slots.get(partition, number).transpose()?;
            Some(slot.map(|slot| Slot::read(&slot).place(&self.classes)))
        };
        let mut places = slots.into_iter().filter_map(place).collect::<Result<Vec<Place>>>()?;
        places.sort_unstable();
        Ok(places)
    }
}

/// Prints that are looked for.
struct Wanted {
    all: HashSet<u32, FixedState>,
    /// A bit for what some of them end with: nearly all others are none of them, and end here.
    ends: Vec<u64>,
}

impl Wanted {
    fn new(prints: impl Iterator<Item = u32>) -> Self {
        let all: HashSet<u32, FixedState> = prints.collect();
        // One bit in sixteen is set, and what there is of bits stays in a processor's own caches.
        let mut ends = vec![0; (all.len() / 4).next_power_of_two().min(1 << 15)];
        for &print in &all {
            let (word, bit) = Self::end(&ends, print);
            if let Some(word) = ends.get_mut(word) {
                *word |= bit;
            }
        }
        Self { all, ends }
    }

    /// The word and the bit of it that a print ends with.
    const fn end(ends: &[u64], print: u32) -> (usize, u64) {
        ((print / u64::BITS) as usize & (ends.len() - 1), 1 << (print % u64::BITS))
    }

    #[inline]
    fn has(&self, print: u32) -> bool {
        let (word, bit) = Self::end(&self.ends, print);
        self.ends.get(word).is_some_and(|word| word & bit != 0) && self.all.contains(&print)
    }
}

fn add(found: &mut Found, print: (usize, u32), records: &[(usize, usize)]) {
    let known = found.entry(print).or_default();
    known.extend(records.iter().take(MOST.saturating_sub(known.len())));
}
