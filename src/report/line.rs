//! A discrepancy as one line of text cells: the contract of `discrepancies.csv`.

use crate::judge::{Discrepancy, Figures, Variance, explain};
use crate::matching::{Book, How};
use crate::money::{self, Decimal};
use crate::normalise::{Role, Side};
use crate::period::Instant;

use super::Report;

/// The columns, in order. Columns are only ever added, at the end.
pub const COLUMNS: [&str; 29] = [
    "discrepancy_id",
    "kind",
    "cause",
    "vendor",
    "document",
    "deal",
    "charge",
    "location",
    "period_start",
    "period_end",
    "quantity_invoiced",
    "quantity_settled",
    "unit",
    "price_invoiced",
    "price_settled",
    "amount_invoiced",
    "amount_settled",
    "currency",
    "variance",
    "variance_volume",
    "variance_price",
    "variance_rounding",
    "variance_other",
    "pass",
    "tolerance",
    "invoice_source",
    "settlement_source",
    "explanation",
    "variance_currency",
];

/// The cells of one discrepancy, as many as there are [`COLUMNS`].
#[must_use]
pub(super) fn cells(report: &Report<'_>, discrepancy: &Discrepancy) -> [String; COLUMNS.len()] {
    let view = View { book: report.book, discrepancy };
    let Figures { amount: amount_invoiced, quantity: quantity_invoiced, price: price_invoiced } =
        discrepancy.figures.invoiced;
    let Figures { amount: amount_settled, quantity: quantity_settled, price: price_settled } =
        discrepancy.figures.settled;
    let variance = |part: fn(&Variance) -> Decimal| {
        discrepancy.variance.map(|variance| money::shown(part(&variance))).unwrap_or_default()
    };
    let with_time = view.has_time();
    let time = |pick: fn(Option<Instant>, Option<Instant>) -> Option<Instant>,
                of: &dyn Fn(Side, u32) -> Option<Instant>| {
        let at = view.entries().map(|(side, entry)| of(side, entry)).reduce(pick).flatten();
        at.map(|at| report.book.zone().show(at, with_time)).unwrap_or_default()
    };
    let earliest = |a: Option<Instant>, b: Option<Instant>| [a, b].into_iter().flatten().min();
    let latest = |a: Option<Instant>, b: Option<Instant>| a.max(b);
    let amount = |value: Option<Decimal>| value.map(money::shown).unwrap_or_default();
    let plain = |value: Option<Decimal>| value.map(money::plain).unwrap_or_default();
    [
        discrepancy.id.clone(),
        discrepancy.kind.to_string(),
        discrepancy.cause.clone().unwrap_or_default(),
        view.text(Role::Vendor),
        view.text(Role::Document),
        view.text(Role::Deal),
        view.text(Role::Charge),
        view.text(Role::Location),
        time(earliest, &|side, entry| report.book.ledger(side).start(entry)),
        time(latest, &|side, entry| report.book.ledger(side).end(entry)),
        plain(quantity_invoiced),
        plain(quantity_settled),
        view.unit(),
        plain(price_invoiced),
        plain(price_settled),
        amount(amount_invoiced),
        amount(amount_settled),
        view.text(Role::Currency),
        variance(|variance| variance.total),
        variance(|variance| variance.volume),
        variance(|variance| variance.price),
        variance(|variance| variance.rounding),
        variance(|variance| variance.other),
        discrepancy
            .pass
            .and_then(|pass| report.passes.get(pass))
            .map(|pass| pass.name.clone())
            .unwrap_or_default(),
        discrepancy
            .tolerance
            .and_then(|number| report.tolerances.get(number))
            .map(ToString::to_string)
            .unwrap_or_default(),
        view.sources(Side::Invoice),
        view.sources(Side::Settlement),
        explain(report.book, report.tolerances, discrepancy),
        variance(|variance| variance.currency),
    ]
}

/// The currency of a discrepancy.
#[must_use]
pub(super) fn currency(report: &Report<'_>, discrepancy: &Discrepancy) -> String {
    View { book: report.book, discrepancy }.text(Role::Currency)
}

/// The entries that a discrepancy points to on one side: its own, then the one that it repeats.
pub(super) fn sources(discrepancy: &Discrepancy, side: Side) -> impl Iterator<Item = u32> + '_ {
    let own = discrepancy.entries(side);
    let original = match discrepancy.how {
        How::Duplicate(original) if !own.is_empty() => Some(original),
        _ => None,
    };
    own.iter().copied().chain(original)
}

struct View<'a> {
    book: &'a Book<'a>,
    discrepancy: &'a Discrepancy,
}

impl View<'_> {
    /// All entries, the invoice's first.
    fn entries(&self) -> impl Iterator<Item = (Side, u32)> + Clone + '_ {
        let of =
            |side, entries: &'_ [u32]| entries.iter().map(move |&entry| (side, entry)).collect::<Vec<_>>();
        let all = [
            of(Side::Invoice, &self.discrepancy.invoices),
            of(Side::Settlement, &self.discrepancy.settlements),
        ];
        all.concat().into_iter()
    }

    /// Whether any entry starts or ends at another time than midnight: then times are shown, else dates.
    fn has_time(&self) -> bool {
        self.entries().any(|(side, entry)| {
            let ledger = self.book.ledger(side);
            [ledger.start(entry), ledger.end(entry)]
                .into_iter()
                .flatten()
                .any(|at| !self.book.zone().is_date(at))
        })
    }

    /// What the sources say: the invoice where it says anything, else the settlement; distinct texts joined by `; `.
    fn text(&self, role: Role) -> String {
        for wanted in [Side::Invoice, Side::Settlement] {
            let mut texts: Vec<&str> = self
                .entries()
                .filter(|&(side, _)| side == wanted)
                .map(|(side, entry)| self.book.ledger(side).role(role, entry))
                .filter(|text| !text.is_empty())
                .collect();
            texts.sort_unstable();
            texts.dedup();
            if !texts.is_empty() {
                return texts.join("; ");
            }
        }
        String::new()
    }

    /// The unit of the quantities and prices; where none is stated, what the sources say.
    fn unit(&self) -> String {
        match self.discrepancy.figures.unit {
            Some((side, entry)) => self.book.ledger(side).role(Role::Unit, entry).to_owned(),
            None => self.text(Role::Unit),
        }
    }

    /// All sources of a side, as far as they fit the cell of a spreadsheet; `discrepancies.json` has them all.
    fn sources(&self, side: Side) -> String {
        /// A cell of Excel holds 32,767 characters.
        const MOST: usize = 32_000;
        let mut text = String::new();
        for (number, entry) in sources(self.discrepancy, side).enumerate() {
            let source = self.book.ledger(side).source(entry);
            if text.len() + source.len() > MOST {
                let rest = sources(self.discrepancy, side).count() - number;
                return format!("{text}; … and {rest} more");
            }
            if number > 0 {
                text.push_str("; ");
            }
            text.push_str(&source);
        }
        text
    }
}
