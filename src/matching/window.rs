//! Pairs entries whose starts lie at most so far apart, one to one.
//!
//! Lines that say the same at the same time go together first. What remains is assigned so that the most lines meet one
//! that says the same, then so that the most find a partner at all, then so that the fewest fields differ, then so that the
//! starts are nearest, and then the amounts. If another assignment is exactly as good, nothing is guessed.
//!
//! Entries are swept in the order of their starts, and fall into clusters that no pair can connect: each is decided by
//! itself, looking only at pairs that are near enough.

use std::ops::Range;

use super::assign::{Cost, Edge, only_cheapest, tag};
use super::keys::{Book, Values};
use super::pairing::{self, Pairs, Valued};
use super::pass::Within;
use super::{Group, How};
use crate::normalise::Side;
use crate::period::Instant;

/// Beyond this many pairs that are near enough, a cluster is not weighed.
const MOST_PAIRS: usize = 1 << 17;

/// So many looks at a pair does a cluster get.
const STEPS: u64 = 1 << 22;

/// The class of no partner at all: a column of the invoice's own, behind those of the settlements.
const ALONE: u64 = u32::MAX as u64;

/// Groups `invoices` and `settlements`; entries that get no partner are not handed to `claim`.
pub(super) fn pair(
    book: &Book<'_>,
    within: Within,
    invoices: &[u32],
    settlements: &[u32],
    claim: &mut dyn FnMut(Group<'_>),
) {
    // What starts at no time is near to nothing.
    let timed = |side, entries: &[u32]| -> Vec<u32> {
        entries.iter().copied().filter(|&entry| book.ledger(side).start(entry).is_some()).collect()
    };
    let (invoices, settlements) = (timed(Side::Invoice, invoices), timed(Side::Settlement, settlements));
    let [of_invoices, of_settlements] = pairing::valued(book, &invoices, &settlements);
    let (mut paired, mut left_invoices, mut left_settlements) = pairing::twins(of_invoices, of_settlements);
    for left in [&mut left_invoices, &mut left_settlements] {
        // The sort is stable: equals stay side by side.
        left.sort_by_key(|(values, _)| values.start);
    }
    let mut undecided = Vec::new();
    for cluster in clusters(book, within, &left_invoices, &left_settlements) {
        let (Some(of_invoices), Some(of_settlements)) =
            (left_invoices.get(cluster.invoices), left_settlements.get(cluster.settlements))
        else {
            continue;
        };
        let pairs = nearest(of_invoices, of_settlements, &cluster.partners);
        pairs.part([of_invoices, of_settlements], How::Unweighed, &mut paired, &mut undecided);
    }
    pairing::hand_on(book, [&invoices, &settlements], paired, undecided, claim);
}

/// Entries that pairs connect.
struct Cluster {
    invoices: Range<usize>,
    settlements: Range<usize>,
    /// By invoice: the settlements that are near enough, counted from the cluster's first.
    partners: Vec<Range<usize>>,
}

/// Both sides are sorted by their starts, so that the partners of each invoice stand side by side, and those of a later
/// one never before those of an earlier one.
fn clusters(book: &Book<'_>, within: Within, invoices: &Valued, settlements: &Valued) -> Vec<Cluster> {
    let start = |entry: &(Values, u32)| entry.0.start.unwrap_or(Instant(i64::MIN));
    let reach = |at: Instant| within.reach(book.zone(), at);
    let mut clusters: Vec<Cluster> = Vec::new();
    let (mut first, mut end) = (0, 0);
    for (number, invoice) in invoices.iter().map(start).enumerate() {
        while settlements
            .get(first)
            .is_some_and(|other| start(other) < invoice && reach(start(other)) < invoice)
        {
            first += 1;
        }
        let last = reach(invoice);
        while settlements.get(end).is_some_and(|other| start(other) <= last) {
            end += 1;
        }
        if first >= end {
            continue;
        }
        match clusters.last_mut() {
            Some(cluster) if first < cluster.settlements.end => {
                let from = cluster.settlements.start;
                cluster.partners.push(first - from..end - from);
                cluster.invoices.end = number + 1;
                cluster.settlements.end = end;
            }
            _ => clusters.push(Cluster {
                invoices: number..number + 1,
                settlements: first..end,
                partners: std::iter::once(0..end - first).collect(),
            }),
        }
    }
    clusters
}

/// The best assignment of one cluster.
fn nearest(invoices: &[(Values, u32)], settlements: &[(Values, u32)], partners: &[Range<usize>]) -> Pairs {
    if let ([(_, invoice)], [(_, settlement)]) = (invoices, settlements) {
        return Pairs::Closest(vec![(*invoice, *settlement)], Vec::new());
    }
    if partners.iter().map(Range::len).sum::<usize>() > MOST_PAIRS {
        return Pairs::TooMany;
    }
    let (of_invoices, of_settlements) = (pairing::classes(invoices), pairing::classes(settlements));
    let edges = invoices.iter().zip(&of_invoices).zip(partners).enumerate().map(
        |(number, (((billed, _), &class), partners))| {
            let near = settlements.iter().zip(&of_settlements).enumerate();
            let near = near.skip(partners.start).take(partners.len());
            let alone = (settlements.len() + number, Cost([1, 1, 0, 0, 0, tag(class, ALONE)]));
            let pair = near.map(|(place, ((settled, _), &other))| -> Edge<6> {
                let fields = pairing::fields_apart(billed, settled);
                let apart = billed.start.zip(settled.start).map_or(0, |(a, b)| a.0.abs_diff(b.0).into());
                let amounts = pairing::amounts_apart(billed, settled);
                (place, Cost([i128::from(fields > 0), 0, fields, apart, amounts, tag(class, other)]))
            });
            pair.chain([alone]).collect::<Vec<_>>()
        },
    );
    Pairs::of(
        only_cheapest(edges.collect(), settlements.len() + invoices.len(), STEPS),
        invoices,
        settlements,
    )
}
