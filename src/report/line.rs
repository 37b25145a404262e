//! A discrepancy as one line of text cells: the contract of `discrepancies.csv`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::FixedState;

use crate::judge::{Discrepancy, Figures, Pattern, Variance, explain};
use crate::matching::{Book, How};
use crate::money::{self, Decimal};
use crate::normalise::{Role, Side};
use crate::period::Instant;

use super::Report;

/// So much of the sources stands in a cell: one of Excel holds 32,767 characters.
pub(super) const MOST_SOURCES: usize = 32_000;

/// Bytes that the cells of most discrepancies have room in.
const USUAL: usize = 512;

/// The columns, in order. Columns are only ever added, at the end.
pub const COLUMNS: [&str; 30] = [
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
    "pattern",
];

/// The cells of discrepancies, as many of each as there are [`COLUMNS`].
pub(super) struct Cells {
    text: String,
    /// By cell, where its text ends.
    ends: Vec<usize>,
}

impl Cells {
    /// How many bytes they have, with one behind each.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.ends.len()
    }

    /// The cells of the discrepancy that was added as that number, in order.
    pub(super) fn line(&self, number: usize) -> impl Iterator<Item = &str> {
        let first = number * COLUMNS.len();
        let mut start = first.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.iter().skip(first).take(COLUMNS.len()).map(move |&end| {
            let cell = self.text.get(start..end).unwrap_or_default();
            start = end;
            cell
        })
    }

    /// Appends a cell: what `fill` appends to the text.
    fn cell(&mut self, fill: impl FnOnce(&mut String)) {
        fill(&mut self.text);
        self.ends.push(self.text.len());
    }
}

/// Puts discrepancies into words.
pub(super) struct Lines<'a> {
    report: &'a Report<'a>,
    /// The tolerances in words: many discrepancies have the same.
    tolerances: Vec<String>,
    /// And patterns.
    patterns: Vec<String>,
    /// And times, as far as they were asked for.
    times: Mutex<Times>,
}

type Times = HashMap<Instant, Arc<Time>, FixedState>;

/// A time in words.
struct Time {
    is_midnight: bool,
    date: String,
    with_time: String,
}

impl<'a> Lines<'a> {
    /// For the discrepancies of `report`.
    pub(super) fn of(report: &'a Report<'a>) -> Self {
        Self {
            report,
            tolerances: report.tolerances.iter().map(ToString::to_string).collect(),
            patterns: report.outcome.patterns.iter().map(Pattern::words).collect(),
            times: Mutex::default(),
        }
    }

    /// The cells of `discrepancies`.
    pub(super) fn cells(&self, discrepancies: &[&Discrepancy]) -> Cells {
        let times = self.times(discrepancies);
        let ends = Vec::with_capacity(discrepancies.len() * COLUMNS.len());
        let mut cells = Cells { text: String::with_capacity(discrepancies.len() * USUAL), ends };
        discrepancies.iter().for_each(|discrepancy| self.add(&mut cells, &times, discrepancy));
        cells
    }

    /// When the entries of `discrepancies` start and end, in words. These are few, and take long.
    fn times(&self, discrepancies: &[&Discrepancy]) -> Times {
        let zone = self.report.book.zone();
        let in_words = |at: Instant| Time {
            is_midnight: zone.is_date(at),
            date: zone.show(at, false),
            with_time: zone.show(at, true),
        };
        let view = |discrepancy| View { book: self.report.book, discrepancy };
        let mut asked: Vec<Instant> = Vec::with_capacity(discrepancies.len() * 4);
        discrepancies.iter().for_each(|&discrepancy| asked.extend(view(discrepancy).times()));
        asked.sort_unstable();
        asked.dedup();
        // Nobody waits while they are put into words; where two do it at once, either is right.
        let known = || self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = Times::with_capacity_and_hasher(asked.len(), FixedState::default());
        {
            let known = known();
            asked.retain(|at| known.get(at).map(|time| times.insert(*at, Arc::clone(time))).is_none());
        }
        let new: Vec<_> = asked.into_iter().map(|at| (at, Arc::new(in_words(at)))).collect();
        known().extend(new.iter().cloned());
        times.extend(new);
        times
    }

    /// Appends the cells of `discrepancy`.
    fn add(&self, cells: &mut Cells, times: &Times, discrepancy: &Discrepancy) {
        let report = self.report;
        let view = View { book: report.book, discrepancy };
        let Figures { amount: amount_invoiced, quantity: quantity_invoiced, price: price_invoiced } =
            discrepancy.figures.invoiced;
        let Figures { amount: amount_settled, quantity: quantity_settled, price: price_settled } =
            discrepancy.figures.settled;
        // Where any entry starts or ends at another time than midnight, times are shown, else dates.
        let time = |at: Instant| times.get(&at);
        let has_time = view.times().filter_map(time).any(|time| !time.is_midnight);
        let time = |at: Instant| time(at).map_or("", |at| if has_time { &at.with_time } else { &at.date });
        cells.cell(|text| text.push_str(&discrepancy.id));
        cells.cell(|text| text.push_str(discrepancy.kind.name()));
        cells.cell(|text| text.push_str(discrepancy.cause.as_deref().unwrap_or_default()));
        for role in [Role::Vendor, Role::Document, Role::Deal, Role::Charge, Role::Location] {
            cells.cell(|text| view.text(role, text));
        }
        for at in [view.start(), view.end()] {
            cells.cell(|text| text.push_str(at.map_or("", time)));
        }
        cells.cell(|text| plain(quantity_invoiced, text));
        cells.cell(|text| plain(quantity_settled, text));
        cells.cell(|text| view.unit(text));
        cells.cell(|text| plain(price_invoiced, text));
        cells.cell(|text| plain(price_settled, text));
        cells.cell(|text| amount(amount_invoiced, text));
        cells.cell(|text| amount(amount_settled, text));
        cells.cell(|text| view.text(Role::Currency, text));
        let variance = |part: fn(&Variance) -> Decimal| discrepancy.variance.map(|variance| part(&variance));
        cells.cell(|text| amount(variance(|variance| variance.total), text));
        cells.cell(|text| amount(variance(|variance| variance.volume), text));
        cells.cell(|text| amount(variance(|variance| variance.price), text));
        cells.cell(|text| amount(variance(|variance| variance.rounding), text));
        cells.cell(|text| amount(variance(|variance| variance.other), text));
        let pass = discrepancy.pass.and_then(|pass| report.passes.get(pass));
        cells.cell(|text| text.push_str(pass.map_or("", |pass| &pass.name)));
        let tolerance = discrepancy.tolerance.and_then(|number| self.tolerances.get(number));
        cells.cell(|text| text.push_str(tolerance.map_or("", String::as_str)));
        cells.cell(|text| view.sources(Side::Invoice, text));
        cells.cell(|text| view.sources(Side::Settlement, text));
        cells.cell(|text| explain(report.book, report.tolerances, discrepancy, text));
        cells.cell(|text| amount(variance(|variance| variance.currency), text));
        let pattern = discrepancy.pattern.and_then(|number| self.patterns.get(number));
        cells.cell(|text| text.push_str(pattern.map_or("", String::as_str)));
    }
}

fn amount(value: Option<Decimal>, text: &mut String) {
    if let Some(value) = value {
        money::show(value, text);
    }
}

fn plain(value: Option<Decimal>, text: &mut String) {
    if let Some(value) = value {
        money::show_plain(value, text);
    }
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
    fn entries(&self) -> impl Iterator<Item = (Side, u32)> + '_ {
        [Side::Invoice, Side::Settlement]
            .into_iter()
            .flat_map(|side| self.discrepancy.entries(side).iter().map(move |&entry| (side, entry)))
    }

    /// When the entries start and end, as far as they say so.
    fn times(&self) -> impl Iterator<Item = Instant> + '_ {
        self.entries().flat_map(|(side, entry)| {
            let ledger = self.book.ledger(side);
            [ledger.start(entry), ledger.end(entry)].into_iter().flatten()
        })
    }

    /// When the first of the entries starts.
    fn start(&self) -> Option<Instant> {
        self.entries().filter_map(|(side, entry)| self.book.ledger(side).start(entry)).min()
    }

    /// When the last of them ends.
    fn end(&self) -> Option<Instant> {
        self.entries().filter_map(|(side, entry)| self.book.ledger(side).end(entry)).max()
    }

    fn text(&self, role: Role, out: &mut String) {
        out.push_str(&self.discrepancy.said(self.book, role));
    }

    /// The unit of the quantities and prices; where none is stated, what the sources say.
    fn unit(&self, out: &mut String) {
        match self.discrepancy.figures.unit {
            Some((side, entry)) => out.push_str(self.book.ledger(side).role(Role::Unit, entry)),
            None => self.text(Role::Unit, out),
        }
    }

    /// All sources of a side, as far as they fit the cell of a spreadsheet; `discrepancies.json` has them all.
    fn sources(&self, side: Side, out: &mut String) {
        let first = out.len();
        for (number, entry) in sources(self.discrepancy, side).enumerate() {
            let before = out.len();
            out.push_str(if number > 0 { "; " } else { "" });
            self.book.ledger(side).show_source(entry, out);
            if out.len() - first > MOST_SOURCES {
                let rest = sources(self.discrepancy, side).count() - number;
                out.truncate(before);
                let _ = write!(out, "; … and {rest} more");
                return;
            }
        }
    }
}
