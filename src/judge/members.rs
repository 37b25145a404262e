//! The entries of one side of a discrepancy.

use std::ops::Deref;

/// The entries of one side: as a slice. Nearly always it is one, which stands here and not behind a pointer: there may be
/// many discrepancies, and all of them are gone through many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// The only one.
    One(u32),
    /// None, or several.
    Others(Box<[u32]>),
}

impl From<&[u32]> for Members {
    fn from(entries: &[u32]) -> Self {
        match entries {
            &[entry] => Self::One(entry),
            others => Self::Others(others.into()),
        }
    }
}

impl Deref for Members {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Others(entries) => entries,
        }
    }
}
