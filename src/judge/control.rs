//! Control totals: what was read is what was judged, to the cent.

use std::collections::BTreeMap;

use crate::fault::{Fault, Kind, Result};
use crate::normalise::{Ledger, Role, Side, Tallies, Tally, tally};

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
            tally(tallies, ledger.role(Role::Currency, entry), ledger.amount(entry));
        }
    }

    /// Counts entries of one currency that were judged elsewhere.
    pub fn count_all(&mut self, side: Side, class: Class, currency: &str, lines: &Tally) {
        let tallies = self.books.entry((side, class)).or_default();
        tallies.entry(currency.to_owned()).or_default().join(lines);
    }

    /// Counts what others have counted.
    pub(super) fn join(&mut self, other: &Self) {
        for (&(side, class), tallies) in &other.books {
            for (currency, lines) in tallies {
                self.count_all(side, class, currency, lines);
            }
        }
    }

    /// The totals by side and currency; every class is there, empty ones too.
    #[must_use]
    pub fn balances(&self) -> BTreeMap<(Side, &str), Balance> {
        let mut balances: BTreeMap<(Side, &str), Balance> = BTreeMap::new();
        for (&(side, class), tallies) in &self.books {
            for (currency, tally) in tallies {
                let balance = balances.entry((side, currency)).or_insert_with(|| {
                    Class::ALL.into_iter().map(|class| (class, Tally::default())).collect()
                });
                balance.insert(class, *tally);
            }
        }
        balances
    }

    /// The lines of one class, over all currencies.
    #[must_use]
    pub fn lines(&self, side: Side, class: Class) -> u64 {
        self.books.get(&(side, class)).map_or(0, |tallies| tallies.values().map(|tally| tally.lines).sum())
    }

    /// Read = matched + within tolerance + discrepant + superseded + rejected, in lines and money.
    pub(super) fn check(&self) -> Result<()> {
        for ((side, currency), balance) in self.balances() {
            let of = |class| balance.get(&class).copied().unwrap_or_default();
            let mut judged = Tally::default();
            for class in Class::JUDGED {
                judged.join(&of(class));
            }
            let read = of(Class::Read);
            if judged != read {
                let show = |tally: &Tally| match tally.amount.value() {
                    Some(amount) => format!("{} lines, {amount} {currency}", tally.lines),
                    None => format!("{} lines, more money than 28 digits hold", tally.lines),
                };
                let what = format!("the control totals of the {} side do not balance", side.name());
                return Err(Fault::new(Kind::Bug, what)
                    .value(format!("judged {}", show(&judged)))
                    .expected(format!("read {}", show(&read)))
                    .next("no report was written; please report this with the inputs"));
            }
        }
        Ok(())
    }
}
