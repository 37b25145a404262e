//! Whether a group that does not tie to the version that counts ties to an earlier one.

use std::collections::BTreeSet;

use super::{Comparison, Judge, figures};
use crate::matching::{Book, Group};
use crate::normalise::{Field, Role, Side, Versions};

/// Whether the two sides speak of different versions, where later versions add to earlier ones: the last one of each
/// line is the one that its records are at, and a side that states none agrees with anything.
pub(super) fn last_versions_differ(book: &Book<'_>, versions: &Versions, group: &Group<'_>) -> bool {
    let Some(field) = Field::of(Role::Version) else { return false };
    let billed: BTreeSet<u32> = group
        .invoices
        .iter()
        .map(|&entry| book.key(Side::Invoice, field, entry))
        .filter(|&key| key != 0)
        .collect();
    let last = group.settlements.iter().filter(|&&entry| {
        versions.line_of(entry).is_none_or(|line| {
            let line = versions.line(line);
            let number =
                |wanted: u32| line.iter().find(|(_, entry)| *entry == wanted).map(|(number, _)| *number);
            number(entry) == line.last().map(|(number, _)| *number)
        })
    });
    let mut keys = last.map(|&entry| book.key(Side::Settlement, field, entry)).filter(|&key| key != 0);
    !billed.is_empty() && keys.any(|key| !billed.contains(&key))
}

/// An entry of the earlier version that the invoices of `group` tie to, the latest such version first; `None` where they
/// tie to none.
pub(super) fn earlier(judge: &Judge<'_>, group: &Group<'_>) -> Option<u32> {
    let versions = judge.book.versions()?;
    if group.invoices.is_empty() {
        return None;
    }
    let lines: BTreeSet<usize> =
        group.settlements.iter().filter_map(|&entry| versions.line_of(entry)).collect();
    let last = |line: &usize| versions.line(*line).last().map(|(number, _)| *number);
    let most = lines.iter().filter_map(last).max()?;
    let alone: Vec<u32> =
        group.settlements.iter().copied().filter(|&entry| versions.line_of(entry).is_none()).collect();
    let version = |entry| judge.book.ledger(Side::Settlement).role(Role::Version, entry);
    // How many versions each line is taken back; a line that has no more stays at its first.
    (1..=most).find_map(|back| {
        let mut entries = alone.clone();
        // Of several lines, what the last version that any of them is taken back to is called.
        let mut named = None;
        for line in &lines {
            let wanted = last(line)?.saturating_sub(back);
            let counts = |number: usize| {
                if versions.is_delta() { number <= wanted } else { number == wanted }
            };
            for &(number, entry) in versions.line(*line) {
                if counts(number) {
                    entries.push(entry);
                    if number == wanted && last(line).is_some_and(|last| last >= back) {
                        named = named.max(Some((versions.place_of(entry), version(entry), entry)));
                    }
                }
            }
        }
        let figures = figures::both(judge.book, &judge.rules, group.invoices, &entries);
        let (invoiced, settled) = (&figures.invoiced, &figures.settled);
        let group = Group { settlements: &entries, ..*group };
        let compare = |role, values| judge.compare(role, &group, values, settled.quantity);
        let compared = [
            compare(Role::Amount, [invoiced.amount, settled.amount]),
            compare(Role::Quantity, [invoiced.quantity, settled.quantity]),
            compare(Role::Price, [invoiced.price, settled.price]),
        ];
        let ties = compared.iter().all(|compared| !compared.is_beyond())
            && compared.iter().any(|compared| *compared != Comparison::Absent)
            && !figures.units_clash
            && !figures.overflow;
        named.filter(|_| ties).map(|(.., entry)| entry)
    })
}
