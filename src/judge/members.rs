//! The entries of one side of a discrepancy, or what there is for each of them.

use std::ops::Deref;

/// The entries of one side, or what there is for each: as a slice. Nearly always it is one, which stands here and not behind a pointer: there may be
/// many discrepancies, and all of them are gone through many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members<T = u32> {
    /// The only one.
    One(T),
    /// None, or several.
    Others(Box<[T]>),
}

impl<T> Members<T> {
    /// What `of` makes of each of `entries`.
    pub(super) fn of(entries: &[u32], of: impl Fn(u32) -> T) -> Self {
        match entries {
            &[entry] => Self::One(of(entry)),
            others => Self::Others(others.iter().map(|&entry| of(entry)).collect()),
        }
    }
}

impl From<&[u32]> for Members {
    fn from(entries: &[u32]) -> Self {
        Self::of(entries, |entry| entry)
    }
}

impl<T> Deref for Members<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(member) => std::slice::from_ref(member),
            Self::Others(members) => members,
        }
    }
}
