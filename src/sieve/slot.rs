//! An entry in 48 bytes: enough to see whether it ties, and where to find it again.

use crate::money::Number;

/// How many bytes a slot has.
pub(super) const SIZE: usize = 48;

/// Bits of a number that stands beside another one in a word.
const SMALL: u32 = 24;
const LOW: u64 = (1 << SMALL) - 1;

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of its file.
    pub file: u32,
    /// [`crate::intake::Row::place`].
    pub place: u64,
    /// [`crate::intake::Row::number`].
    pub number: u64,
}

/// What is the same for many entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Class {
    /// The number of its document and currency.
    pub(super) account: u32,
    /// The scale of its amount, which has no zeros at its end.
    pub(super) scale: u32,
    /// Which tolerances for amounts it lets apply: a bit for each.
    pub(super) tolerances: u64,
    /// Whether it may be settled by its slot at all.
    pub(super) simple: bool,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot([u64; 6]);

impl Slot {
    pub(super) fn new(key: [u64; 2], figures: u64, amount: i64, class: u32, place: Place) -> Option<Self> {
        let pair = |wide: u64, small: u32| {
            (wide < 1 << (64 - SMALL) && u64::from(small) <= LOW).then_some(wide << SMALL | u64::from(small))
        };
        let [first, second] = key;
        let (class, file) = (pair(place.place, class)?, pair(place.number, place.file)?);
        Some(Self([first, second, figures, amount.cast_unsigned(), class, file]))
    }

    /// The hash of the key.
    pub(super) const fn key(&self) -> [u64; 2] {
        let [first, second, ..] = self.0;
        [first, second]
    }

    /// The hash of all that must be the same on both sides but the amount.
    pub(super) const fn figures(&self) -> u64 {
        let [_, _, figures, ..] = self.0;
        figures
    }

    /// The mantissa of the amount; its class has the scale.
    pub(super) const fn mantissa(&self) -> i64 {
        let [_, _, _, amount, ..] = self.0;
        amount.cast_signed()
    }

    pub(super) const fn amount(&self, class: &Class) -> Number {
        Number::new(self.mantissa(), class.scale)
    }

    /// The number of its class.
    pub(super) const fn class(&self) -> usize {
        let [.., class, _] = self.0;
        (class & LOW) as usize
    }

    pub(super) const fn place(&self) -> Place {
        let [.., class, file] = self.0;
        Place { file: (file & LOW) as u32, place: class >> SMALL, number: file >> SMALL }
    }

    pub(super) fn bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    fn read(bytes: &[u8; SIZE]) -> Self {
        let mut words = [0; 6];
        for (word, from) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*from);
        }
        Self(words)
    }
}

/// Slots where they lie as bytes: of one that is asked for, only what is looked at is read.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a>(&'a [[u8; SIZE]]);

impl<'a> Slots<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes.as_chunks().0)
    }

    pub(super) const fn len(self) -> usize {
        self.0.len()
    }

    pub(super) fn get(self, number: u32) -> Option<Slot> {
        self.0.get(number as usize).map(Slot::read)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Slot> + use<'a> {
        self.0.iter().map(Slot::read)
    }
}
