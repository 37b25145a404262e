//! Totals that are not the sum of their lines: each is a discrepancy of its own.

use super::{Both, Discrepancy, Figures, Kind, Members};
use crate::matching::{Book, How};
use crate::money;
use crate::normalise::{Side, WrongTotal};

/// A discrepancy for each total of either side that does not tie to its lines. It has no variance: what it states is not set
/// against a settlement, its lines are.
pub(super) fn wrong<'b>(book: &'b Book<'_>) -> impl Iterator<Item = Discrepancy> + use<'b> {
    [Side::Invoice, Side::Settlement].into_iter().flat_map(move |side| {
        book.ledger(side).wrong_totals().map(move |(row, total)| discrepancy(side, row, total))
    })
}

fn discrepancy(side: Side, row: u32, total: &WrongTotal) -> Discrepancy {
    let stated = Figures { amount: Some(total.amount), ..Figures::default() };
    let (own, none) = (Members::One(row), Members::from(&[][..]));
    let (invoices, settlements, figures) = match side {
        Side::Invoice => (own, none, Both { invoiced: stated, ..Both::default() }),
        Side::Settlement => (none, own, Both { settled: stated, ..Both::default() }),
    };
    let rounded = total.rounded.map(|(exact, way)| {
        format!(
            "quantity × price of {} lines is {} together, which {} makes {}",
            total.lines,
            money::plain(exact),
            way.name(),
            money::shown(total.amount)
        )
    });
    Discrepancy {
        id: String::new(),
        kind: Kind::Arithmetic,
        cause: rounded.as_ref().map(|_| "rounded on the total".to_owned()),
        is_last_resort: false,
        arithmetic: rounded,
        pass: None,
        how: How::Alone,
        invoices,
        settlements,
        figures,
        variance: None,
        tolerance: None,
        earlier: None,
        pattern: None,
    }
}

impl Discrepancy {
    /// Whether it is a total that is not the sum of its lines.
    #[must_use]
    pub fn is_of_total(&self, book: &Book<'_>) -> bool {
        self.total(book).is_some()
    }

    /// The total that is not the sum of its lines, where it is one.
    pub(super) fn total<'b>(&self, book: &'b Book<'_>) -> Option<&'b WrongTotal> {
        let of = |side| self.entries(side).first().and_then(|&row| book.ledger(side).wrong_total(row));
        if self.kind == Kind::Arithmetic { of(Side::Invoice).or_else(|| of(Side::Settlement)) } else { None }
    }
}
