//! A local time that comes twice, told apart by the order of the rows: the first of two rows that say the same but for
//! their figures waits for the second. A row that stays alone is a reject, since nothing says which of the two it is.

use std::collections::HashMap;

use super::wide::Slice;
use super::wordings::Wordings;
use super::{Account, Layout, Normaliser, Refusal, Reject, Taker};
use crate::intake::{Origin, Row};
use crate::money::Decimal;
use crate::period::{Part, Turn};

/// What rows say beside their figures, and what became of them.
#[derive(Default)]
pub(super) struct Queue {
    waiting: HashMap<String, Option<Waiting>>,
    /// How many have come.
    count: u64,
}

/// A row that waits for another one, and what it is if none comes.
struct Waiting {
    number: u64,
    origin: Origin,
    row: Row,
    reject: Reject,
    money: (Account, Option<Decimal>),
}

impl<T: Taker> Normaliser<'_, T> {
    /// Puts a row aside, or takes both where the other one has come before.
    pub(super) fn queue(
        &mut self,
        origin: &Origin,
        columns: &[String],
        (layout, wordings): (&Layout<'_>, &mut Wordings),
        (row, slice): (&Row, Option<&Slice>),
        refusal: Refusal,
    ) {
        let mut said = String::new();
        let texts = layout.stated.texts(layout.wide.as_ref().map(|wide| wide.part).zip(slice), row);
        let parts = Part::ALL.into_iter().map(|part| texts.get(part).unwrap_or_default());
        for text in layout.texts.iter().map(|source| source.pick(row).1).chain(parts) {
            said.push_str(text);
            said.push('\u{1f}');
        }
        match self.queue.waiting.get_mut(&said) {
            None => {
                let (reject, money) = self.refused(origin, columns, layout, (row, slice), refusal);
                let reason = "the clock change makes this local time ambiguous, and no other row of the file says the same: \
                     the order does not tell which of the two hours it is";
                let reject = Reject { reason: reason.to_owned(), ..reject };
                self.queue.count += 1;
                let waiting = Waiting {
                    number: self.queue.count,
                    origin: origin.clone(),
                    row: row.clone(),
                    reject,
                    money,
                };
                self.queue.waiting.insert(said, Some(waiting));
            }
            Some(waiting) => match waiting.take() {
                Some(first) => {
                    self.turn = Some(Turn::First);
                    self.line(&first.origin, columns, (layout, wordings), &first.row, slice);
                    self.turn = Some(Turn::Second);
                    self.line(origin, columns, (layout, wordings), row, slice);
                    self.turn = None;
                }
                None => {
                    let (reject, money) = self.refused(origin, columns, layout, (row, slice), refusal);
                    let reason = "two rows of the file say the same already, and no clock change repeats a time more often";
                    self.leave_out(origin, layout, row);
                    self.count_reject(row, Reject { reason: reason.to_owned(), ..reject }, &money);
                }
            },
        }
    }

    /// Rejects what waits in vain: nothing more comes.
    pub(super) fn close_queue(&mut self) {
        let mut left: Vec<Waiting> =
            std::mem::take(&mut self.queue.waiting).into_values().flatten().collect();
        left.sort_by_key(|waiting| waiting.number);
        let header = self.header.take();
        for Waiting { origin, row, reject, money, .. } in left {
            if let Some(header) = &header {
                self.leave_out(&origin, &header.layout, &row);
            }
            self.count_reject(&row, reject, &money);
        }
        self.header = header;
    }

    pub(super) fn count_reject(
        &mut self,
        row: &Row,
        reject: Reject,
        (account, amount): &(Account, Option<Decimal>),
    ) {
        for tallies in [&mut self.counts.read, &mut self.counts.rejected] {
            tallies.add(&account.document, &account.currency, *amount);
        }
        self.rejects.push((row.place, reject));
    }
}
