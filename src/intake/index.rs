//! Where the bytes stand that mean something in a chunk of delimited text.

use std::ops::Range;

use wide::u8x16;

/// Blocks of 64 bytes that are looked at together: enough for some records, and not too many where one record is read here
/// and one there.
const SPAN: usize = 16;

/// Marks every delimiter, quote and line end of a chunk, a bit for each byte: found 16 bytes at a time and without
/// branches. A span of blocks is looked at when a record reaches it.
#[derive(Default)]
pub(super) struct Index {
    /// Which filling of the buffer was looked at.
    filling: u64,
    /// The blocks that were looked at, by their numbers in the buffer.
    looked: Range<usize>,
    delimiters: [u64; SPAN],
    /// Quotes and line ends.
    others: [u64; SPAN],
}

impl Index {
    /// The marks of `bytes` from `start` on, which are this filling of the buffer.
    pub(super) fn marks<'a>(
        &'a mut self,
        bytes: &'a [u8],
        start: usize,
        delimiter: u8,
        filling: u64,
    ) -> Marks<'a> {
        if self.filling != filling {
            (self.filling, self.looked) = (filling, 0..0);
        }
        Marks { index: self, bytes, delimiter, next: start }
    }

    /// The delimiters and the other marks of a block; `None` behind the last one.
    #[inline]
    fn block(&mut self, block: usize, bytes: &[u8], delimiter: u8) -> Option<(u64, u64)> {
        if !self.looked.contains(&block) {
            self.look(block, bytes, delimiter)?;
        }
        let at = block - self.looked.start;
        Some((*self.delimiters.get(at)?, *self.others.get(at)?))
    }

    /// Looks at a block, and at those behind it.
    #[cold]
    fn look(&mut self, first: usize, bytes: &[u8], delimiter: u8) -> Option<()> {
        let rest = bytes.get(first * 64..).filter(|rest| !rest.is_empty())?;
        let (whole, short) = rest.as_chunks::<64>();
        let mut last = [0; 64];
        for (to, from) in last.iter_mut().zip(short) {
            *to = *from;
        }
        let blocks = whole.iter().chain((!short.is_empty()).then_some(&last));
        self.looked = first..first;
        for ((delimiters, others), block) in self.delimiters.iter_mut().zip(&mut self.others).zip(blocks) {
            (*delimiters, *others) = bits(block, delimiter);
            self.looked.end += 1;
        }
        Some(())
    }
}

/// See [`Index::marks`]. As an iterator: the places of all marks that are left.
pub(super) struct Marks<'a> {
    index: &'a mut Index,
    bytes: &'a [u8],
    delimiter: u8,
    /// The first byte that is left.
    next: usize,
}

impl Marks<'_> {
    /// Puts down what stands one behind each delimiter before the first other mark, and returns that; `None` where there is none, or
    /// no room.
    #[inline]
    pub(super) fn until_other(&mut self, starts: &mut Starts<'_>) -> Option<usize> {
        let mut block = self.next / 64;
        let mut left = u64::MAX << (self.next % 64);
        let mut filled = starts.filled;
        loop {
            let (delimiters, others) = self.index.block(block, self.bytes, self.delimiter)?;
            let others = others & left;
            // Without any, all of the block.
            let before = (others & others.wrapping_neg()).wrapping_sub(1);
            let mut bits = delimiters & left & before;
            while bits != 0 {
                *starts.room.get_mut(filled)? = starts.of(block * 64 + bits.trailing_zeros() as usize + 1);
                filled += 1;
                bits &= bits - 1;
            }
            if others != 0 {
                let place = block * 64 + others.trailing_zeros() as usize;
                self.next = place + 1;
                starts.filled = filled;
                return Some(place);
            }
            (block, left) = (block + 1, u64::MAX);
        }
    }
}

/// Where the cells of one record start, as they are found, relative to a place of the buffer.
pub(super) struct Starts<'a> {
    base: usize,
    room: &'a mut [u32],
    filled: usize,
}

impl<'a> Starts<'a> {
    /// No more than `room` has room for.
    pub(super) const fn new(base: usize, room: &'a mut [u32]) -> Self {
        Self { base, room, filled: 0 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a buffer is far below 4 GiB")]
    const fn of(&self, place: usize) -> u32 {
        place.wrapping_sub(self.base) as u32
    }

    /// Puts down one; `None` where there is no room.
    #[inline]
    pub(super) fn put(&mut self, place: usize) -> Option<()> {
        let start = self.of(place);
        *self.room.get_mut(self.filled)? = start;
        self.filled += 1;
        Some(())
    }

    /// Whether the last one is this.
    #[inline]
    pub(super) fn ends_with(&self, place: usize) -> bool {
        self.filled.checked_sub(1).and_then(|last| self.room.get(last)) == Some(&self.of(place))
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.filled
    }
}

impl Iterator for Marks<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let mut block = self.next / 64;
        let mut left = u64::MAX << (self.next % 64);
        loop {
            let (delimiters, others) = self.index.block(block, self.bytes, self.delimiter)?;
            let bits = (delimiters | others) & left;
            if bits != 0 {
                let place = block * 64 + bits.trailing_zeros() as usize;
                self.next = place + 1;
                return Some(place);
            }
            (block, left) = (block + 1, u64::MAX);
        }
    }
}

/// The delimiters, and the other marks, of 64 bytes: a bit for each.
#[inline]
fn bits(block: &[u8; 64], delimiter: u8) -> (u64, u64) {
    let (sixteens, _) = block.as_chunks::<16>();
    sixteens.iter().rev().fold((0, 0), |(delimiters, others), sixteen| {
        let bytes = u8x16::new(*sixteen);
        let is = |byte| bytes.simd_eq(u8x16::splat(byte));
        let other = is(b'\n') | is(b'\r') | is(b'"');
        (
            delimiters << 16 | u64::from(is(delimiter).to_bitmask()),
            others << 16 | u64::from(other.to_bitmask()),
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mark_is_found(
            texts in prop::collection::vec("[ab,\r\n\";x]{0,300}", 1..4),
            mut starts in prop::collection::vec(0_usize..300, 1..6),
        ) {
            starts.sort_unstable();
            let mut index = Index::default();
            for (filling, text) in (0..).zip(&texts) {
                for &start in &starts {
                    let expected: Vec<usize> = text
                        .bytes()
                        .enumerate()
                        .skip(start)
                        .filter(|(_, b)| b";\r\n\"".contains(b))
                        .map(|(at, _)| at)
                        .collect();
                    let found: Vec<usize> = index.marks(text.as_bytes(), start, b';', filling).collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
