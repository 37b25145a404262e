//! Lines and their money, by document and currency.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::Entry;
use super::role::Role;
use super::wordings::Memo;
use crate::money::{Number, Sum};

/// Documents that are told apart on one side. Where there are more, they are counted by currency alone: nobody reads so many, and a
/// run of any size must fit into memory.
const MOST: usize = 1 << 16;

/// A number of lines and their money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many rows or entries.
    pub lines: u64,
    /// The sum of their amounts; blank and unreadable amounts add nothing.
    pub amount: Sum,
}

impl Tally {
    /// Counts one line.
    pub fn add(&mut self, amount: Option<impl Into<Number>>) {
        self.lines += 1;
        if let Some(amount) = amount {
            self.amount.add(amount);
        }
    }

    /// Counts the lines of another tally.
    pub fn join(&mut self, other: &Self) {
        self.lines += other.lines;
        self.amount.join(other.amount);
    }
}

/// What lines are counted by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// The document, as its source says it; blank where none is stated, and where there are too many.
    pub document: String,
    /// The currency code; blank where none is stated.
    pub currency: String,
}

/// Accounts, each with a number of its own.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    all: Vec<Account>,
    table: HashTable<u32>,
    hasher: RandomState,
    last: u32,
    /// Accounts of a document; what has none is always told apart.
    documents: usize,
    has_merged: bool,
}

impl Accounts {
    /// The number of an account; that of its currency alone, where there are too many documents.
    pub fn number(&mut self, document: &str, currency: &str) -> u32 {
        let is_asked_for = |account: &Account| account.document == document && account.currency == currency;
        // Lines of a document stand together, as a rule.
        if self.all.get(self.last as usize).is_some_and(is_asked_for) {
            return self.last;
        }
        let hash = self.hasher.hash_one((document, currency));
        let Self { all, table, hasher, .. } = self;
        let known = table.find(hash, |&number| all.get(number as usize).is_some_and(is_asked_for)).copied();
        let number =
            match known {
                Some(number) => number,
                None if self.documents >= MOST && !document.is_empty() => {
                    self.has_merged = true;
                    return self.number("", currency);
                }
                None => {
                    let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
                    all.push(Account { document: document.to_owned(), currency: currency.to_owned() });
                    self.documents += usize::from(!document.is_empty());
                    table.insert_unique(hash, number, |&number| {
                        hasher.hash_one(all.get(number as usize).map_or(("", ""), |account| {
                            (account.document.as_str(), account.currency.as_str())
                        }))
                    });
                    number
                }
            };
        self.last = number;
        number
    }

    /// The account of a number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Account> {
        self.all.get(number as usize)
    }

    /// Whether there were too many documents to tell apart.
    #[must_use]
    pub const fn has_merged(&self) -> bool {
        self.has_merged
    }
}

/// The lines of one side that something became of, by account.
#[derive(Clone, Debug, Default)]
pub struct Tallies {
    accounts: Accounts,
    tallies: Vec<Tally>,
    /// The numbers of their accounts.
    wordings: Memo<u32>,
}

impl Tallies {
    fn of(&mut self, document: &str, currency: &str) -> &mut Tally {
        let number = self.accounts.number(document, currency);
        self.tally(number)
    }

    fn tally(&mut self, number: u32) -> &mut Tally {
        let number = number as usize;
        if self.tallies.len() <= number {
            self.tallies.resize(number + 1, Tally::default());
        }
        #[expect(clippy::indexing_slicing, reason = "there is a tally for every account by now")]
        &mut self.tallies[number]
    }

    /// Counts one line.
    pub fn add(&mut self, document: &str, currency: &str, amount: Option<impl Into<Number>>) {
        self.of(document, currency).add(amount);
    }

    /// Counts an entry.
    pub(super) fn count(&mut self, entry: &Entry<'_>) {
        let number = self
            .wordings
            .of(entry.wording, || self.accounts.number(entry.texts.role(Role::Document), entry.currency()));
        self.tally(number).add(entry.values.amount);
    }

    /// Counts lines that were counted elsewhere.
    pub fn join(&mut self, document: &str, currency: &str, lines: &Tally) {
        self.of(document, currency).join(lines);
    }

    /// Counts all that was counted elsewhere.
    pub fn join_all(&mut self, other: &Self) {
        for (Account { document, currency }, lines) in other.iter() {
            self.join(document, currency, lines);
        }
        self.accounts.has_merged |= other.has_merged();
    }

    /// Whether there were too many documents to tell apart.
    #[must_use]
    pub const fn has_merged(&self) -> bool {
        self.accounts.has_merged()
    }

    /// What was counted, in no order of its own.
    pub fn iter(&self) -> impl Iterator<Item = (&Account, &Tally)> {
        self.accounts.all.iter().zip(&self.tallies)
    }

    /// How many lines there are in all.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.lines).sum()
    }

    /// What was counted, by currency.
    #[must_use]
    pub fn by_currency(&self) -> BTreeMap<&str, Tally> {
        let mut all: BTreeMap<&str, Tally> = BTreeMap::new();
        for (account, tally) in self.iter() {
            all.entry(&account.currency).or_default().join(tally);
        }
        all
    }
}

/// Equal tallies count the same, in whatever order it came.
impl PartialEq for Tallies {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |tallies: &Self| -> BTreeMap<Account, Tally> {
            tallies.iter().map(|(account, tally)| (account.clone(), *tally)).collect()
        };
        sorted(self) == sorted(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_documents_are_counted_by_currency() {
        let mut tallies = Tallies::default();
        for number in 0..MOST as u64 + 10 {
            tallies.add(&format!("INV-{number}"), "USD", Some(Number::new(1, 0)));
        }
        tallies.add("INV-7", "USD", Some(Number::new(1, 0)));
        assert!(tallies.has_merged());
        assert_eq!(tallies.lines(), MOST as u64 + 11);
        let all: Vec<(&str, u64)> =
            tallies.by_currency().into_iter().map(|(currency, tally)| (currency, tally.lines)).collect();
        assert_eq!(all, [("USD", MOST as u64 + 11)]);
        let seven = tallies.iter().find(|(account, _)| account.document == "INV-7");
        assert_eq!(seven.map(|(_, tally)| tally.lines), Some(2));
    }
}
