//! `one hour late`, `one day early` and the like: what is settled for an interval is billed for its neighbour.
//!
//! Both entries are among what does not tie, share the key and all figures that both state, and are each other's only
//! such neighbour. The hour is tried before the day.

use std::collections::HashMap;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSliceMut as _;

use super::leftovers::{Left, Leftovers, all};
use super::{Cause, Kind};
use crate::money;
use crate::normalise::Side;
use crate::period::{Instant, Zone};

const HOUR: i64 = 3600;

/// An entry under what it says and when; sorting brings equals together.
type Line = (u64, i64, u32, usize);

pub(super) fn find(left: &Leftovers<'_>) -> Vec<(usize, Cause)> {
    let (mut invoices, mut settlements) =
        rayon::join(|| lines(left, Side::Invoice), || lines(left, Side::Settlement));
    // Few lines say what any record says.
    keep_shared(&mut settlements, &invoices);
    keep_shared(&mut invoices, &settlements);
    let mut found = Vec::new();
    let mut named = vec![false; left.discrepancies.len()];
    let mut neighbours =
        Neighbours { zone: left.book.zone(), has_times: left.has_times(), days: HashMap::new() };
    for unit in ["hour", "day"] {
        // Settled here, billed there.
        let mut edges: Vec<(usize, usize, &'static str)> = Vec::new();
        for (number, &(hash, start, entry, _)) in invoices.iter().enumerate() {
            for (when, settled_at) in ["late", "early"].into_iter().zip(neighbours.of(unit, Instant(start))) {
                let Some(settled_at) = settled_at else { continue };
                let at = settlements.partition_point(|line| (line.0, line.1) < (hash, settled_at.0));
                let Some(&(other_hash, other_start, other, _)) = settlements.get(at) else { continue };
                if (other_hash, other_start) == (hash, settled_at.0) && says_the_same(left, entry, other) {
                    edges.push((number, at, when));
                }
            }
        }
        let mut degrees = [vec![0_u8; invoices.len()], vec![0_u8; settlements.len()]];
        let [of_invoices, of_settlements] = &mut degrees;
        for &(invoice, settlement, _) in &edges {
            for (degrees, at) in [(&mut *of_invoices, invoice), (&mut *of_settlements, settlement)] {
                if let Some(degree) = degrees.get_mut(at) {
                    *degree = degree.saturating_add(1);
                }
            }
        }
        for (invoice, settlement, when) in edges {
            let sole = of_invoices.get(invoice) == Some(&1) && of_settlements.get(settlement) == Some(&1);
            let (Some(&billed), Some(&settled), true) =
                (invoices.get(invoice), settlements.get(settlement), sole)
            else {
                continue;
            };
            let mut name = |number: usize| {
                let Some(named) = named.get_mut(number).filter(|named| !**named) else { return };
                *named = true;
                let name = format!("one {unit} {when}");
                found.push((number, Cause { name, arithmetic: told(left, billed, settled) }));
            };
            name(billed.3);
            // A record that is not billed was billed for the other interval; where it is billed, something else was.
            if left.discrepancies.get(settled.3).is_some_and(|other| other.kind == Kind::Unbilled) {
                name(settled.3);
            }
        }
    }
    found
}

/// The intervals beside one of the invoice: the one before, which is billed late, and the one behind, which is billed early.
struct Neighbours<'a> {
    zone: &'a Zone,
    has_times: bool,
    /// By midnight: the midnights before and behind, and whether a clock changes in between.
    days: HashMap<i64, (i64, i64, bool)>,
}

impl Neighbours<'_> {
    fn of(&mut self, unit: &str, at: Instant) -> [Option<Instant>; 2] {
        match unit {
            // Days have no hour beside them.
            "hour" => [-HOUR, HOUR].map(|apart| self.has_times.then_some(Instant(at.0 + apart))),
            _ => self.days(at),
        }
    }

    /// The same local time on the day before and the day behind.
    fn days(&mut self, at: Instant) -> [Option<Instant>; 2] {
        let zone = self.zone;
        let midnight = zone.day(at).0;
        let &mut (before, behind, changes) = self.days.entry(midnight).or_insert_with(|| {
            // A day has 23 to 25 hours.
            let behind = |day: i64| zone.day(Instant(day + 26 * HOUR)).0;
            let (before, next) = (zone.day(Instant(midnight - HOUR)).0, behind(midnight));
            let lengths = [midnight - before, next - midnight, behind(next) - next];
            (before, next, lengths.into_iter().any(|length| length != 24 * HOUR))
        });
        // A date is a date also where the clock skips midnight.
        let time = |at: Instant| if self.has_times { zone.clock(at) } else { zone.day_and_time(at).1 };
        [before, behind].map(|day| {
            let there = day + at.0 - midnight;
            if !changes {
                return Some(Instant(there));
            }
            [0, HOUR, -HOUR]
                .map(|apart| Instant(there + apart))
                .into_iter()
                .find(|&there| time(there) == time(at))
        })
    }
}

/// The entries of one side that something is said of, by what that is; those that another one equals are left out.
fn lines(left: &Leftovers<'_>, side: Side) -> Vec<Line> {
    let ledger = left.book.ledger(side);
    let mut lines: Vec<Line> = left
        .entries(side)
        .par_iter()
        .filter_map(|&Left { entry, number, .. }| {
            let (amount, quantity) = (ledger.amount(entry), ledger.quantity(entry));
            let said = money::canonical(amount.or(quantity).filter(|said| !said.is_zero())?);
            let hash = left.hash(side, entry, all, (amount.is_some(), said));
            Some((hash, ledger.start(entry)?.0, entry, number))
        })
        .collect();
    lines.par_sort_unstable();
    let alone = |run: &[Line]| match run {
        [line] => Some(*line),
        _ => None,
    };
    lines.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter_map(alone).collect()
}

/// Keeps the lines that say what any of the others says; both lists are sorted.
fn keep_shared(lines: &mut Vec<Line>, others: &[Line]) {
    let mut others = others.iter().peekable();
    lines.retain(|line| {
        while others.next_if(|other| other.0 < line.0).is_some() {}
        others.peek().is_some_and(|other| other.0 == line.0)
    });
}

/// Whether all figures that both entries state are equal, in one unit and currency.
fn says_the_same(left: &Leftovers<'_>, invoice: u32, settlement: u32) -> bool {
    let (billed, settled) = (left.book.ledger(Side::Invoice), left.book.ledger(Side::Settlement));
    let (a, b) = ((Side::Invoice, invoice), (Side::Settlement, settlement));
    let pairs = [
        (billed.amount(invoice), settled.amount(settlement)),
        (billed.quantity(invoice), settled.quantity(settlement)),
        (billed.price(invoice), settled.price(settlement)),
    ];
    pairs.into_iter().all(|(a, b)| a.zip(b).is_none_or(|(a, b)| a == b))
        && pairs.into_iter().any(|(a, b)| a.zip(b).is_some())
        && left.is_same_key(a, b, all)
        && left.is_same_measure(a, b)
}

fn told(left: &Leftovers<'_>, billed: Line, settled: Line) -> String {
    let (zone, ledger) = (left.book.zone(), left.book.ledger(Side::Settlement));
    let (on_record, on_invoice) = (Instant(settled.1), Instant(billed.1));
    let with_time = !(zone.is_date(on_record) && zone.is_date(on_invoice)) || left.has_times();
    let what = match (ledger.amount(settled.2), ledger.quantity(settled.2)) {
        (Some(amount), _) => money::shown(amount),
        (None, quantity) => quantity.map(money::plain).unwrap_or_default(),
    };
    format!(
        "{what} is settled for {} and billed for {}",
        zone.show(on_record, with_time),
        zone.show(on_invoice, with_time)
    )
}
