//! What of an explanation whoever asks may see.

use super::Desk;
use crate::judge::{Discrepancy, Outcome};
use crate::normalise::{Role, Side};
use crate::operations::discrepancies::facts;
use crate::operations::view::Facts;
use crate::period::Instant;
use crate::report::{self, Report};

impl Desk<'_> {
    /// Whether whoever asks may see a discrepancy, by what the reports say of it and by each of its rows.
    pub(super) fn shows(&self, discrepancy: &Discrepancy, outcome: &Outcome) -> bool {
        let Some(view) = &self.view else { return true };
        let report = Report {
            name: "",
            period: "",
            settings_digest: "",
            inputs: &[],
            book: self.book,
            passes: &self.settings.passes,
            tolerances: &self.settings.tolerances,
            minimum: self.settings.minimum,
            rates: self.settings.rates.as_ref(),
            outcome,
        };
        report::with_line(&report, discrepancy, |line| {
            let facts = facts(line);
            view.sees(&facts)
                && [Side::Invoice, Side::Settlement].into_iter().all(|side| {
                    let mut entries = discrepancy.entries(side).iter();
                    entries.all(|&entry| {
                        // A row that does not say it is the discrepancy's.
                        let name = |role, said| match self.book.ledger(side).role(role, entry) {
                            "" => said,
                            own => own,
                        };
                        let vendor = name(Role::Vendor, facts.vendor);
                        let account = name(Role::Deal, facts.account);
                        view.sees(&Facts { vendor, account, ..facts })
                    })
                })
        })
    }

    /// Whether whoever asks may see a row that is none of the discrepancy's.
    pub(super) fn shows_row(&self, side: Side, entry: u32) -> bool {
        let Some(view) = &self.view else { return true };
        let ledger = self.book.ledger(side);
        let time = |at: Option<Instant>| at.map(|at| self.settings.zone.show(at, true)).unwrap_or_default();
        view.sees(&Facts {
            vendor: ledger.role(Role::Vendor, entry),
            account: ledger.role(Role::Deal, entry),
            start: &time(ledger.start(entry)),
            end: &time(ledger.end(entry)),
            amount: ledger.amount(entry),
        })
    }
}
