//! An entry in 40 bytes: enough to see whether it ties, and where to find it again.

use crate::money::Number;

/// How many bytes a slot has.
pub(super) const SIZE: usize = WORDS * 8;

const WORDS: usize = 5;

/// Bits of the number of a class, which stands beside a place in a word.
const CLASS: u32 = 26;

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

/// The hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) u64, pub(super) u32);

/// What is the same for many entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Class {
    /// The number of its file.
    pub(super) file: u32,
    /// The number of its document and currency.
    pub(super) account: u32,
    /// The scale of its amount, which has no zeros at its end.
    pub(super) scale: u32,
    /// Which tolerances for amounts it lets apply: a bit for each.
    pub(super) tolerances: u64,
    /// Whether it may be settled by its slot at all.
    pub(super) simple: bool,
}

/// See the module. The key, 64 bits and 32; the figures; the amount; its class and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot([u64; WORDS]);

impl Slot {
    /// `None` where the class, the place or the number has no room.
    pub(super) fn new(key: Key, figures: u64, amount: i64, class: u32, place: Place) -> Option<Self> {
        let Key(first, second) = key;
        let number = u32::try_from(place.number).ok()?;
        let fits = place.place < 1 << (u64::BITS - CLASS) && class < 1 << CLASS;
        fits.then_some(Self([
            first,
            u64::from(second) << u32::BITS | u64::from(number),
            figures,
            amount.cast_unsigned(),
            place.place << CLASS | u64::from(class),
        ]))
    }

    /// The hash of the key.
    pub(super) const fn key(&self) -> Key {
        let [first, second, ..] = self.0;
        Key(first, (second >> u32::BITS) as u32)
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
        let [.., class] = self.0;
        (class & ((1 << CLASS) - 1)) as usize
    }

    /// Where the entry stands, in the file that its class names.
    pub(super) fn place(&self, classes: &[Class]) -> Place {
        let [_, number, _, _, place] = self.0;
        let file = classes.get(self.class()).map_or(u32::MAX, |class| class.file);
        Place { file, place: place >> CLASS, number: number & u64::from(u32::MAX) }
    }

    pub(super) fn bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    pub(super) fn read(bytes: &[u8; SIZE]) -> Self {
        let mut words = [0; WORDS];
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
