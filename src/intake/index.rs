//! Where the bytes stand that mean something in a chunk of delimited text.

/// Marks every delimiter, quote and line end of a chunk, a bit for each byte: found 64 bytes at a time, and without
/// branches, so that the compiler makes vector instructions of it. A block is looked at when a record reaches it.
#[derive(Default)]
pub(super) struct Index {
    /// The block that was looked at last, and of which filling of the buffer it is.
    last: Option<(u64, usize)>,
    bits: u64,
}

impl Index {
    /// The places of the marks in `bytes` from `start` on, which are this filling of the buffer.
    pub(super) fn marks<'a>(
        &'a mut self,
        bytes: &'a [u8],
        start: usize,
        delimiter: u8,
        filling: u64,
    ) -> Marks<'a> {
        let block = start / 64;
        let mut marks = Marks { index: self, bytes, delimiter, filling, block, current: 0 };
        if marks.index.last != Some((filling, block)) {
            marks.look();
        }
        marks.current = marks.index.bits & (u64::MAX << (start % 64));
        marks
    }
}

/// See [`Index::marks`].
pub(super) struct Marks<'a> {
    index: &'a mut Index,
    bytes: &'a [u8],
    delimiter: u8,
    filling: u64,
    block: usize,
    current: u64,
}

impl Marks<'_> {
    /// Looks at the block.
    fn look(&mut self) {
        let rest = self.bytes.get(self.block * 64..).unwrap_or_default();
        self.index.bits = match rest.first_chunk::<64>() {
            Some(block) => bits(block, self.delimiter),
            None => {
                let mut block = [0; 64];
                for (to, from) in block.iter_mut().zip(rest) {
                    *to = *from;
                }
                bits(&block, self.delimiter)
            }
        };
        self.index.last = Some((self.filling, self.block));
    }
}

impl Iterator for Marks<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.current == 0 {
            if (self.block + 1) * 64 >= self.bytes.len() {
                return None;
            }
            self.block += 1;
            self.look();
            self.current = self.index.bits;
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
