//! Texts by number, each of them once.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A text of a [`Pool`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(u32);

impl TextId {
    /// The blank text, in every pool.
    pub const BLANK: Self = Self(0);

    /// Its position: texts are numbered from 0 in the order in which they came.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Every text once.
#[derive(Clone, Debug)]
pub struct Pool {
    bytes: String,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Default for Pool {
    fn default() -> Self {
        let mut pool = Self {
            bytes: String::new(),
            ends: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        };
        pool.intern("");
        pool
    }
}

fn slice<'a>(bytes: &'a str, ends: &[usize], id: u32) -> &'a str {
    let at = id as usize;
    let start = at.checked_sub(1).and_then(|before| ends.get(before).copied()).unwrap_or(0);
    ends.get(at).and_then(|&end| bytes.get(start..end)).unwrap_or_default()
}

impl Pool {
    /// The id of `text`, which is stored if it is new.
    pub fn intern(&mut self, text: &str) -> TextId {
        let hash = self.hasher.hash_one(text);
        let Self { bytes, ends, table, hasher } = self;
        if let Some(&id) = table.find(hash, |&id| slice(bytes, ends, id) == text) {
            return TextId(id);
        }
        let id = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        bytes.push_str(text);
        ends.push(bytes.len());
        table.insert_unique(hash, id, |&id| hasher.hash_one(slice(bytes, ends, id)));
        TextId(id)
    }

    /// The text of `id`.
    #[must_use]
    pub fn text(&self, id: TextId) -> &str {
        slice(&self.bytes, &self.ends, id.0)
    }

    /// How many distinct texts there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }
}
