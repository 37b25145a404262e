//! The slots of one partition, both sides: one line against one record, or left to others.

use super::slot::{Key, Slot, Slots};
use super::{Plan, Sifted, sketch::Classes};
use crate::judge::{Class, Control, Terms, Weighed};
use crate::money;
use crate::normalise::{Side, Tally};

/// No slot.
const NONE: u32 = u32::MAX;
/// More than one slot.
const SEVERAL: u32 = u32::MAX - 1;

/// Not the first slot under its key.
const LATER: u32 = u32::MAX - 2;

/// What a pair comes to.
enum Verdict {
    Matched,
    /// By the tolerance of that number among those for amounts.
    Within(usize, Weighed),
    Left,
}

/// Settles what ties at first sight; the rest is left.
#[expect(
    clippy::indexing_slicing,
    reason = "places in the table are taken modulo its length, and what stands there are places of slots"
)]
pub(super) fn join(
    plan: &Plan<'_>,
    [invoices, settlements]: [Slots<'_>; 2],
    classes: [&Classes; 2],
    sifted: &mut Sifted,
) {
    // An open table of the first settlement of each key, at most half full.
    let length = (settlements.len() * 2).next_power_of_two();
    let mut table = vec![NONE; length];
    let home = |key: Key| key.1 as usize & (length - 1);
    let find = |table: &[u32], key: Key| {
        let mut at = home(key);
        while table[at] != NONE && settlements.get(table[at]).is_some_and(|slot| slot.key() != key) {
            at = (at + 1) & (length - 1);
        }
        at
    };
    // By settlement: the invoice under its key, if it is the only one on either side.
    let mut partners = vec![NONE; settlements.len()];
    let [of_invoices, of_settlements] = classes.map(|classes| classes.all.as_slice());
    let [left_invoices, left_settlements] = &mut sifted.left;
    for (number, slot) in (0_u32..).zip(settlements.iter()) {
        let at = find(&table, slot.key());
        match table[at] {
            NONE => table[at] = number,
            first => {
                partners[first as usize] = SEVERAL;
                partners[number as usize] = LATER;
                left_settlements.push(slot.place(of_settlements));
            }
        }
    }
    for (number, slot) in (0_u32..).zip(invoices.iter()) {
        let first = table[find(&table, slot.key())];
        if first == NONE {
            left_invoices.push(slot.place(of_invoices));
            continue;
        }
        let partner = &mut partners[first as usize];
        match *partner {
            NONE => *partner = number,
            SEVERAL => left_invoices.push(slot.place(of_invoices)),
            other => {
                *partner = SEVERAL;
                left_invoices.extend(invoices.get(other).map(|slot| slot.place(of_invoices)));
                left_invoices.push(slot.place(of_invoices));
            }
        }
    }
    drop(table);
    for (settlement, &partner) in settlements.iter().zip(&partners) {
        let Some(invoice) = invoices.get(partner) else {
            if partner != LATER {
                sifted.left[1].push(settlement.place(of_settlements));
            }
            continue;
        };
        let pair = [&invoice, &settlement];
        match verdict(plan, pair, classes) {
            Verdict::Matched => {
                sifted.outcome.matched += 1;
                sifted.totals.count(pair, classes, 0);
            }
            Verdict::Within(rule, weighed) => {
                sifted.outcome.count_within(plan.numbers[rule], &weighed);
                sifted.totals.count(pair, classes, 1);
            }
            Verdict::Left => {
                sifted.left[0].push(invoice.place(of_invoices));
                sifted.left[1].push(settlement.place(of_settlements));
            }
        }
    }
}

fn verdict(plan: &Plan<'_>, [invoice, settlement]: [&Slot; 2], classes: [&Classes; 2]) -> Verdict {
    let [Some(billed), Some(settled)] =
        [classes[0].all.get(invoice.class()), classes[1].all.get(settlement.class())]
    else {
        return Verdict::Left;
    };
    if !billed.simple || !settled.simple || invoice.figures() != settlement.figures() {
        return Verdict::Left;
    }
    if invoice.mantissa() == settlement.mantissa() && billed.scale == settled.scale {
        return Verdict::Matched;
    }
    let rule = (billed.tolerances & settled.tolerances).trailing_zeros() as usize;
    let terms = Terms {
        invoiced: invoice.amount(billed).decimal(),
        settled: settlement.amount(settled).decimal(),
        lines: 2,
        quantity: None,
    };
    let weighed = plan.amounts.get(rule).zip(money::subtract(terms.invoiced, terms.settled));
    match weighed.and_then(|(tolerance, difference)| tolerance.weigh(difference, &terms)) {
        Some(weighed) if weighed.allows => Verdict::Within(rule, weighed),
        _ => Verdict::Left,
    }
}

/// Tallies by verdict and side, and by the number of the account.
#[derive(Debug, Default)]
pub(super) struct Totals([[Vec<Tally>; 2]; 2]);

impl Totals {
    fn count(&mut self, pair: [&Slot; 2], classes: [&Classes; 2], verdict: usize) {
        let Some(tallies) = self.0.get_mut(verdict) else { return };
        for ((slot, classes), tallies) in pair.into_iter().zip(classes).zip(tallies) {
            let class = classes.all.get(slot.class()).copied().unwrap_or_default();
            if let Some(lines) = make_place(tallies, class.account as usize) {
                lines.add(Some(slot.amount(&class)));
            }
        }
    }

    /// Counts what another has counted.
    pub(super) fn join(&mut self, other: Self) {
        for (all, part) in self.0.iter_mut().flatten().zip(other.0.into_iter().flatten()) {
            if let Some(last) = part.len().checked_sub(1) {
                make_place(all, last);
            }
            all.iter_mut().zip(part).for_each(|(all, lines)| all.join(&lines));
        }
    }

    /// Hands on what was counted.
    pub(super) fn into(self, control: &mut Control, classes: [&Classes; 2]) {
        for (class, tallies) in [Class::Matched, Class::WithinTolerance].into_iter().zip(&self.0) {
            for ((side, tallies), classes) in
                [Side::Invoice, Side::Settlement].into_iter().zip(tallies).zip(classes)
            {
                for (number, lines) in (0..).zip(tallies).filter(|(_, lines)| lines.lines > 0) {
                    if let Some(account) = classes.accounts.get(number) {
                        control.count_all(side, class, account, lines);
                    }
                }
            }
        }
    }
}

/// The tally of an account.
fn make_place(tallies: &mut Vec<Tally>, account: usize) -> Option<&mut Tally> {
    if tallies.len() <= account {
        tallies.resize(account + 1, Tally::default());
    }
    tallies.get_mut(account)
}
