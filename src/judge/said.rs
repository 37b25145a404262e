//! What the sources of a discrepancy say of it, as reports show it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Discrepancy;
use crate::matching::Book;
use crate::normalise::{Role, Side};

impl Discrepancy {
    /// The text that stands for all that a side says in a role: of several the first in order, whatever the order of its rows.
    #[must_use]
    pub fn said_first<'b>(&self, book: &Book<'b>, side: Side, role: Role) -> &'b str {
        let ledger = book.ledger(side);
        let texts = self.entries(side).iter().map(|&entry| ledger.role(role, entry));
        texts.filter(|text| !text.is_empty()).min().unwrap_or_default()
    }

    /// The texts in a role: those of the invoice where it says anything, else those of the settlement; where they differ, joined by `; `.
    #[must_use]
    pub fn said<'b>(&self, book: &Book<'b>, role: Role) -> Cow<'b, str> {
        let said = |side| {
            let ledger = book.ledger(side);
            if let &[entry] = self.entries(side) {
                return Some(Cow::Borrowed(ledger.role(role, entry))).filter(|text| !text.is_empty());
            }
            let texts = self.entries(side).iter().map(|&entry| ledger.role(role, entry));
            let mut texts = texts.filter(|text| !text.is_empty());
            let first = texts.next()?;
            let mut others: BTreeSet<&str> = texts.filter(|&text| text != first).collect();
            if others.is_empty() {
                return Some(Cow::Borrowed(first));
            }
            others.insert(first);
            Some(Cow::Owned(others.into_iter().collect::<Vec<_>>().join("; ")))
        };
        said(Side::Invoice).or_else(|| said(Side::Settlement)).unwrap_or_default()
    }
}
