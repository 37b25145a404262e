//! Lines and money by document and currency.
//!
//! Every entry is counted when it is read and when it is judged, so that counting must cost next to nothing: an account is
//! found by two numbers, and mostly it is the one of the entry before.

use std::collections::HashMap;

use hashbrown::DefaultHashBuilder;

use super::ledger::{Tally, TextId};
use crate::money::Decimal;

/// What an account is kept for: a document and a currency, as texts of one side's pool.
pub type Account = (TextId, TextId);

/// Tallies by account.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    places: HashMap<Account, usize, DefaultHashBuilder>,
    tallies: Vec<(Account, Tally)>,
    last: usize,
}

impl Accounts {
    /// Counts one line.
    pub fn add(&mut self, account: Account, amount: Option<Decimal>) {
        if let Some((_, tally)) = self.tallies.get_mut(self.last).filter(|(last, _)| *last == account) {
            return tally.add(amount);
        }
        let next = self.tallies.len();
        self.last = *self.places.entry(account).or_insert(next);
        if self.last == next {
            self.tallies.push((account, Tally::default()));
        }
        if let Some((_, tally)) = self.tallies.get_mut(self.last) {
            tally.add(amount);
        }
    }

    /// What was counted for one account.
    #[must_use]
    pub fn get(&self, account: Account) -> Tally {
        let place = self.places.get(&account);
        place.and_then(|&place| self.tallies.get(place)).map(|(_, tally)| *tally).unwrap_or_default()
    }

    /// All accounts, in the order in which they were opened.
    pub fn all(&self) -> impl Iterator<Item = &(Account, Tally)> {
        self.tallies.iter()
    }
}
