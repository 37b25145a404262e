//! Control totals: what was read is what was judged, to the cent.

use std::collections::BTreeMap;

use crate::fault::{Fault, Kind, Result};
use crate::normalise::{Account, Ledger, Role, Side, Tallies, Tally};

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// All rows of the period: the sum of the five classes that follow.
    Read,
    /// Entries that tie exactly.
    Matched,
    /// Entries that tie within a tolerance.
    WithinTolerance,
    /// Entries in a discrepancy.
    Discrepant,
    /// Settlement entries that a later version stands in the place of, or that were published too late to count.
    Superseded,
    /// Rows that could not become entries.
    Rejected,
    /// Rows that start outside the period; not part of what was read.
    OutsidePeriod,
    /// Rows that are totals of others; not part of what was read, since their money stands in their lines.
    Totals,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Matched,
        Self::WithinTolerance,
        Self::Discrepant,
        Self::Superseded,
        Self::Rejected,
        Self::OutsidePeriod,
        Self::Totals,
    ];

    /// The classes that what was read falls into.
    const JUDGED: [Self; 5] =
        [Self::Matched, Self::WithinTolerance, Self::Discrepant, Self::Superseded, Self::Rejected];

    /// The name used in `summary.json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Matched => "matched",
            Self::WithinTolerance => "within_tolerance",
            Self::Discrepant => "discrepant",
            Self::Superseded => "superseded",
            Self::Rejected => "rejected",
            Self::OutsidePeriod => "outside_period",
            Self::Totals => "totals",
        }
    }

    /// The name as people read it.
    #[must_use]
    pub fn label(self) -> String {
        self.name().replace('_', " ")
    }
}

/// The control totals of one side in one currency, by class.
pub type Balance = BTreeMap<Class, Tally>;

/// The control totals of a run.
#[derive(Clone, Debug, Default)]
pub struct Control {
    books: BTreeMap<(Side, Class), Tallies>,
}

impl Control {
    /// Takes over what intake and normalisation counted.
    pub(super) fn open(&mut self, ledger: &Ledger) {
        let counts = &ledger.counts;
        for (class, tallies) in [
            (Class::Read, &counts.read),
            (Class::Rejected, &counts.rejected),
            (Class::OutsidePeriod, &counts.outside),
            (Class::Totals, &counts.totals.rows),
        ] {
            self.books.insert((ledger.side(), class), tallies.clone());
        }
    }

    /// Counts entries that were judged.
    pub(super) fn count(&mut self, ledger: &Ledger, entries: &[u32], class: Class) {
        let tallies = self.books.entry((ledger.side(), class)).or_default();
        for &entry in entries {
            let [document, currency] = [Role::Document, Role::Currency].map(|role| ledger.role(role, entry));
            tallies.add(document, currency, ledger.amount(entry));
        }
    }

    /// Counts entries of one document and currency that were judged elsewhere.
    pub fn count_all(&mut self, side: Side, class: Class, account: &Account, lines: &Tally) {
        let tallies = self.books.entry((side, class)).or_default();
        tallies.join(&account.document, &account.currency, lines);
    }

    /// Counts what others have counted.
    pub(super) fn join(&mut self, other: &Self) {
        for (&book, tallies) in &other.books {
            self.books.entry(book).or_default().join_all(tallies);
        }
    }

    /// The totals by side and currency; every class is there, empty ones too.
    #[must_use]
    pub fn balances(&self) -> BTreeMap<(Side, &str), Balance> {
        let mut balances = BTreeMap::new();
        for (&(side, class), tallies) in &self.books {
            for (currency, tally) in tallies.by_currency() {
                put(balances.entry((side, currency)).or_default(), class, &tally);
            }
        }
        balances
    }

    /// The totals by side, document and currency, where there are documents, and not too many of them to tell apart; every class is there.
    #[must_use]
    pub fn documents(&self) -> BTreeMap<(Side, &str, &str), Balance> {
        let mut balances = BTreeMap::new();
        for (&(side, class), tallies) in self.books.iter().filter(|((side, _), _)| !self.has_merged(*side)) {
            for (Account { document, currency }, tally) in tallies.iter() {
                put(balances.entry((side, document.as_str(), currency.as_str())).or_default(), class, tally);
            }
        }
        balances
    }

    /// Whether a side has more documents than are told apart.
    #[must_use]
    pub fn has_merged(&self, side: Side) -> bool {
        self.books.iter().any(|((of, _), tallies)| *of == side && tallies.has_merged())
    }

    /// The lines of one class, over all currencies.
    #[must_use]
    pub fn lines(&self, side: Side, class: Class) -> u64 {
        self.books.get(&(side, class)).map_or(0, Tallies::lines)
    }

    /// Read = matched + within tolerance + discrepant + superseded + rejected, in lines and money: by side and currency, and by document.
    pub(super) fn check(&self) -> Result<()> {
        let of_currency =
            |(side, currency): (Side, &str)| format!("of the {} side in {currency}", side.name());
        let of_document = |(side, document, currency): (Side, &str, &str)| {
            format!("of document {document} of the {} side in {currency}", side.name())
        };
        let by_currency = self.balances().into_iter().map(|(key, balance)| (of_currency(key), balance));
        let by_document = self.documents().into_iter().map(|(key, balance)| (of_document(key), balance));
        by_currency.chain(by_document).try_for_each(|(whose, balance)| check(&whose, &balance))
    }
}

/// Puts what was counted into a balance that has every class.
fn put(balance: &mut Balance, class: Class, tally: &Tally) {
    for class in Class::ALL {
        balance.entry(class).or_default();
    }
    balance.entry(class).or_default().join(tally);
}

fn check(whose: &str, balance: &Balance) -> Result<()> {
    let of = |class| balance.get(&class).copied().unwrap_or_default();
    let mut judged = Tally::default();
    for class in Class::JUDGED {
        judged.join(&of(class));
    }
    let read = of(Class::Read);
    if judged == read {
        return Ok(());
    }
    let show = |tally: &Tally| match tally.amount.value() {
        Some(amount) => format!("{} lines, {amount}", tally.lines),
        None => format!("{} lines, more money than 28 digits hold", tally.lines),
    };
    Err(Fault::new(Kind::Bug, format!("the control totals {whose} do not balance"))
        .value(format!("judged {}", show(&judged)))
        .expected(format!("read {}", show(&read)))
        .next("no report was written; please report this with the inputs"))
}
