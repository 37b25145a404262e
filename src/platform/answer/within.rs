//! Elements that repeat within what the request calls a record: perhaps they are the records.

use std::collections::HashMap;

use crate::platform::record::Fields;

/// What stands several times in a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Within {
    /// The element's path, from the record down.
    pub(super) path: String,
    pub(super) count: usize,
    /// Whether the record holds nothing else.
    pub(super) is_all: bool,
}

impl Within {
    /// What repeats most in `record`; `None` where nothing does.
    pub(super) fn of(record: Fields<'_>) -> Option<Self> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        record.iter().for_each(|(name, _)| *counts.entry(name).or_default() += 1);
        // Of fields that stand there equally often, the first: the answer shall not depend on the order of a map.
        let (name, count) = record
            .iter()
            .map(|(name, _)| (name, counts.get(name).copied().unwrap_or_default()))
            .reduce(|most, next| if next.1 > most.1 { next } else { most })
            .filter(|(_, count)| *count > 1)?;
        // The element around a value; or the value itself, as in an array of strings.
        let path = name.rsplit_once('/').map_or(name, |(path, _)| path);
        let top = path.split('/').next().unwrap_or_default();
        let below =
            |name: &str| name.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        // Attributes of what holds the records are of no record.
        let is_all = record.iter().all(|(name, _)| name.starts_with('@') || below(name));
        Some(Self { path: path.to_owned(), count, is_all })
    }
}
