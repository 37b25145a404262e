//! Where the bytes stand that mean something in a chunk of delimited text.

/// Marks every delimiter, quote and line end of a chunk, a bit for each byte: found 64 bytes at a time, and without
/// branches, so that the compiler makes vector instructions of it.
#[derive(Default)]
pub(super) struct Index {
    bits: Vec<u64>,
    /// The filling of the buffer that the bits are about.
    filling: Option<u64>,
}

impl Index {
    /// Whether the bits are about this filling of the buffer.
    pub(super) fn is_of(&self, filling: u64) -> bool {
        self.filling == Some(filling)
    }

    /// Marks `bytes`.
    pub(super) fn mark(&mut self, bytes: &[u8], delimiter: u8, filling: u64) {
        self.bits.clear();
        let (blocks, rest) = bytes.as_chunks::<64>();
        self.bits.extend(blocks.iter().map(|block| bits(block, delimiter)));
        if !rest.is_empty() {
            let mut block = [0; 64];
            for (to, from) in block.iter_mut().zip(rest) {
                *to = *from;
            }
            self.bits.push(bits(&block, delimiter));
        }
        self.filling = Some(filling);
    }

    /// The places of the marks from `start` on.
    pub(super) fn from(&self, start: usize) -> Marks<'_> {
        let block = start / 64;
        let current = self.bits.get(block).map_or(0, |bits| bits & (u64::MAX << (start % 64)));
        Marks { bits: &self.bits, block, current }
    }
}

/// See [`Index::from`].
pub(super) struct Marks<'a> {
    bits: &'a [u64],
    block: usize,
    current: u64,
}

impl Iterator for Marks<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.current == 0 {
            self.block += 1;
            self.current = *self.bits.get(self.block)?;
        }
        let place = self.block * 64 + self.current.trailing_zeros() as usize;
        self.current &= self.current - 1;
        Some(place)
    }
}

#[inline]
fn bits(block: &[u8; 64], delimiter: u8) -> u64 {
    let flags: [u8; 64] = block.map(|byte| {
        u8::from(byte == delimiter)
            | u8::from(byte == b'\n')
            | u8::from(byte == b'\r')
            | u8::from(byte == b'"')
    });
    let (eights, _) = flags.as_chunks::<8>();
    // Eight bytes of nought or one become eight bits: the multiplication moves the n-th to the n-th place of the top byte.
    eights.iter().rev().fold(0, |bits, eight| {
        bits << 8 | u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_mark_is_found(text in "[ab,\r\n\";x]{0,300}", start in 0_usize..300) {
            let mut index = Index::default();
            index.mark(text.as_bytes(), b';', 7);
            prop_assert!(index.is_of(7) && !index.is_of(8));
            let expected: Vec<usize> =
                text.bytes().enumerate().skip(start).filter(|(_, b)| b";\r\n\"".contains(b)).map(|(at, _)| at).collect();
            prop_assert_eq!(index.from(start).collect::<Vec<_>>(), expected);
        }
    }
}
