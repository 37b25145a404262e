//! One entry against some of the other side's that add up to it.
//!
//! Of all ways to give entries their sums, each part to one of them, the one counts in which the most entries have
//! theirs. Where a second way is as good, nothing is guessed. Copies of a line are interchangeable: which of them is taken
//! is no second way.
//!
//! All sums that some of the parts can have are found by halves: of 30 parts there are a thousand million choices, but
//! 32 thousand for either half. Work is counted in steps, not in time, so that the same entries are always given up on.

use std::collections::BTreeMap;

use super::keys::{Book, Values};
use super::sets::Sets;
use super::{Group, How, Pass, pairing, totals, without};
use crate::money::{self, Decimal};
use crate::normalise::Side;

/// Steps for one key: sums that are formed, pairs of halves that are looked at, and ways that are tried.
const STEPS: u64 = 1 << 21;

/// Beyond so many choices of parts for one entry, they are not weighed against the other entries' choices.
const MOST_CHOICES: usize = 64;

/// Beyond so many entries that want the same parts, their choices are not weighed against each other.
const MOST_WHOLES: usize = 256;

/// Beyond so many different parts that could be in a sum, none is formed.
const MOST_PARTS: usize = 1024;

/// Groups what adds up; entries that no sum takes up are not handed to `claim`.
pub(super) fn choose(
    book: &Book<'_>,
    pass: &Pass,
    invoices: &[u32],
    settlements: &[u32],
    claim: &mut dyn FnMut(Group<'_>),
) {
    let side = pass.of.other();
    totals::by_currency(book, invoices, settlements, &mut |invoices, settlements| {
        let (mut wholes, mut parts) = match side {
            Side::Invoice => (invoices.to_vec(), settlements.to_vec()),
            Side::Settlement => (settlements.to_vec(), invoices.to_vec()),
        };
        let (mut all_wholes, mut all_parts) = (wholes.clone(), parts.clone());
        let (mut taken_wholes, mut taken_parts) = (Vec::new(), Vec::new());
        let mut steps = STEPS;
        // Sums that are exact come before those that are near.
        let tiers = [money::ZERO, pass.sum_within];
        for apart in tiers.into_iter().take(if pass.sum_within.is_zero() { 1 } else { 2 }) {
            let ways = Ways::find(book, side, &wholes, &parts, apart, &mut steps);
            let Some(ways) = ways.and_then(|ways| ways.weigh(&mut steps)) else {
                claim(Group::of(How::Unweighed, side, &wholes, &parts));
                break;
            };
            let (mut unsure_wholes, mut unsure_parts) = (Vec::new(), Vec::new());
            for group in ways {
                let how = match group.parts.as_slice() {
                    _ if group.is_ambiguous => How::Choices,
                    [_] => How::Lines,
                    _ => How::Totals,
                };
                claim(Group::of(how, side, &group.wholes, &group.parts));
                let (of_wholes, of_parts) = match group.is_ambiguous {
                    true => (&mut unsure_wholes, &mut unsure_parts),
                    false => (&mut taken_wholes, &mut taken_parts),
                };
                of_wholes.extend(group.wholes);
                of_parts.extend(group.parts);
            }
            (all_wholes, all_parts) =
                (without(&all_wholes, &unsure_wholes), without(&all_parts, &unsure_parts));
            (wholes, parts) = (without(&all_wholes, &taken_wholes), without(&all_parts, &taken_parts));
        }
        pairing::copies_of_paired(book, side, &all_wholes, &taken_wholes, claim);
        pairing::copies_of_paired(book, pass.of, &all_parts, &taken_parts, claim);
    });
}

/// What adds up to `entry` among the entries of a group that a pass of subsets made: for whoever asks about one of them.
/// Blank where the entry is one of those that are added, and where weighing takes too long.
#[must_use]
pub fn choices(
    book: &Book<'_>,
    pass: &Pass,
    invoices: &[u32],
    settlements: &[u32],
    entry: u32,
) -> Vec<Vec<u32>> {
    let side = pass.of.other();
    let parts = if side == Side::Invoice { settlements } else { invoices };
    let of_tier = |apart| -> Option<Vec<Vec<u32>>> {
        let ways = Ways::find(book, side, &[entry], parts, apart, &mut { STEPS })?;
        let entries = |&(part, count): &(usize, usize)| -> Vec<u32> {
            let class = ways.parts.get(part).map(|class| class.entries.as_slice()).unwrap_or_default();
            class.iter().take(count).copied().collect()
        };
        let mut choices = ways.choices.first()?.clone();
        choices.sort_unstable();
        Some(choices.iter().map(|choice| choice.iter().flat_map(entries).collect()).collect())
    };
    let found = [money::ZERO, pass.sum_within].into_iter().filter_map(of_tier);
    found.into_iter().find(|choices| !choices.is_empty()).unwrap_or_default()
}

/// Entries that go together, or of which it is unknown how they do.
struct Found {
    wholes: Vec<u32>,
    parts: Vec<u32>,
    is_ambiguous: bool,
}

/// Entries that are copies of each other, in the order in which they are taken.
struct Class {
    amount: i128,
    entries: Vec<u32>,
}

/// Parts that add up: of each class so many, by the number of the class.
type Choice = Vec<(usize, usize)>;

struct Ways {
    wholes: Vec<Class>,
    parts: Vec<Class>,
    /// By class of wholes: what adds up to one of them.
    choices: Vec<Vec<Choice>>,
}

impl Ways {
    /// All that adds up; `None` where `steps` do not suffice, or amounts do not fit.
    fn find(
        book: &Book<'_>,
        side: Side,
        wholes: &[u32],
        parts: &[u32],
        apart: Decimal,
        steps: &mut u64,
    ) -> Option<Self> {
        let amount = |side, entry| book.ledger(side).amount(entry);
        let scale = [(side, wholes), (side.other(), parts)]
            .into_iter()
            .flat_map(|(side, entries)| entries.iter().filter_map(move |&entry| amount(side, entry)))
            .chain([apart])
            .map(|amount| money::canonical(amount).1)
            .max()
            .unwrap_or_default();
        let wholes = classes(book, side, wholes, scale)?;
        let parts = classes(book, side.other(), parts, scale)?;
        if wholes.is_empty() || parts.is_empty() {
            return Some(Self { wholes, parts, choices: Vec::new() });
        }
        let apart = scaled(apart, scale)?;
        let targets = wholes.iter().map(|class| class.amount);
        let reach = [targets.clone().min()?.checked_sub(apart)?, targets.max()?.checked_add(apart)?];
        let sums = Sums::form(&parts, reach, steps)?;
        let choices = wholes
            .iter()
            .map(|class| sums.choices(&parts, class.amount, apart, steps))
            .collect::<Option<Vec<_>>>()?;
        Some(Self { wholes, parts, choices })
    }

    /// Weighs the choices against each other, by what shares parts.
    fn weigh(&self, steps: &mut u64) -> Option<Vec<Found>> {
        let mut clusters = Sets::new(self.wholes.len() + self.parts.len());
        for (whole, choices) in self.choices.iter().enumerate() {
            for &(part, _) in choices.iter().flatten() {
                clusters.join(whole, self.wholes.len() + part);
            }
        }
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (whole, _) in self.choices.iter().enumerate().filter(|(_, choices)| !choices.is_empty()) {
            members.entry(clusters.root(whole)).or_default().push(whole);
        }
        let mut found = Vec::new();
        for (root, wholes) in members {
            let entries = wholes.iter().filter_map(|&whole| self.wholes.get(whole));
            if entries.map(|class| class.entries.len()).sum::<usize>() > MOST_WHOLES {
                return None;
            }
            let mut best = Best::default();
            let left = self.parts.iter().map(|class| class.entries.len()).collect();
            let mut search = Search { ways: self, wholes: &wholes, left, chosen: Vec::new(), steps };
            search.go(0, 0, 0, &mut best)?;
            if best.ways == 1 {
                found.extend(self.groups(&best.chosen));
                continue;
            }
            let of = |classes: &[Class], offset: usize, clusters: &mut Sets| {
                let inside = |number: &usize| clusters.root(offset + number) == root;
                let numbers: Vec<usize> = (0..classes.len()).filter(inside).collect();
                let classes = numbers.into_iter().filter_map(|number| classes.get(number));
                classes.flat_map(|class| class.entries.clone()).collect::<Vec<_>>()
            };
            found.push(Found {
                wholes: of(&self.wholes, 0, &mut clusters),
                parts: of(&self.parts, self.wholes.len(), &mut clusters),
                is_ambiguous: true,
            });
        }
        Some(found)
    }

    /// The entries of chosen ways, of equals the first ones first.
    fn groups(&self, chosen: &[(usize, usize)]) -> Vec<Found> {
        let entries = |classes: &[Class]| -> Vec<_> {
            classes.iter().map(|class| class.entries.clone().into_iter()).collect()
        };
        let (mut wholes, mut parts) = (entries(&self.wholes), entries(&self.parts));
        let group = |&(whole, choice): &(usize, usize)| {
            let choice = self.choices.get(whole)?.get(choice)?;
            let mut own = Vec::new();
            for &(part, count) in choice {
                own.extend(parts.get_mut(part)?.by_ref().take(count));
            }
            let whole = wholes.get_mut(whole)?.next()?;
            Some(Found { wholes: vec![whole], parts: own, is_ambiguous: false })
        };
        chosen.iter().filter_map(group).collect()
    }
}

/// What copies have in common.
type Line = (Vec<u32>, Values);

/// The entries of one side that state an amount, copies of each other together. What amounts to nothing could be part of
/// any sum, and is left out.
fn classes(book: &Book<'_>, side: Side, entries: &[u32], scale: u32) -> Option<Vec<Class>> {
    let mut classes: BTreeMap<(i128, Line), Vec<u32>> = BTreeMap::new();
    for &entry in entries {
        if let Some(amount) = book.ledger(side).amount(entry).filter(|amount| !amount.is_zero()) {
            let key = (scaled(amount, scale)?, book.line(side, entry));
            classes.entry(key).or_default().push(entry);
        }
    }
    let class = |((amount, _), mut entries): (_, Vec<u32>)| {
        entries.sort_by_cached_key(|&entry| book.rank(side, entry));
        Class { amount, entries }
    };
    let mut classes: Vec<Class> = classes.into_iter().map(class).collect();
    // By what the sources say, so that the same steps are taken whatever the order of the entries.
    classes.sort_by_cached_key(|class| {
        (class.amount, class.entries.len(), class.entries.first().map(|&entry| book.rank(side, entry)))
    });
    Some(classes)
}

/// An amount as a whole number of its last digit's place; `None` where sums of such numbers might not fit.
fn scaled(amount: Decimal, scale: u32) -> Option<i128> {
    let (mantissa, own) = money::canonical(amount);
    let number = mantissa.checked_mul(10_i128.checked_pow(scale.checked_sub(own)?)?)?;
    (number.unsigned_abs() < 1 << 90).then_some(number)
}

/// All sums that some of the parts can have, by halves.
struct Sums {
    halves: [Half; 2],
}

/// The sums of some of the classes.
#[derive(Default)]
struct Half {
    /// The numbers of the classes.
    classes: Vec<usize>,
    /// The sums that can be had of the first n classes, in order, for each n.
    layers: Vec<Vec<i128>>,
}

impl Half {
    fn all(&self) -> &[i128] {
        self.layers.last().map(Vec::as_slice).unwrap_or_default()
    }

    /// Hands on every choice that has this sum, until `then` has enough.
    fn choices(
        &self,
        parts: &[Class],
        depth: usize,
        sum: i128,
        chosen: &mut Choice,
        then: &mut dyn FnMut(&Choice) -> Option<()>,
    ) -> Option<()> {
        let Some(before) = depth.checked_sub(1) else { return then(chosen) };
        let (Some(&number), Some(layer)) = (self.classes.get(before), self.layers.get(before)) else {
            return Some(());
        };
        let Some(class) = parts.get(number) else { return Some(()) };
        for count in 0..=class.entries.len() {
            let rest = sum - class.amount * count as i128;
            if layer.binary_search(&rest).is_ok() {
                if count > 0 {
                    chosen.push((number, count));
                }
                self.choices(parts, before, rest, chosen, then)?;
                if count > 0 {
                    chosen.pop();
                }
            }
        }
        Some(())
    }
}

impl Sums {
    /// Forms all sums from which `reach` can still be reached.
    fn form(parts: &[Class], [least, most]: [i128; 2], steps: &mut u64) -> Option<Self> {
        let all = |class: &Class| class.amount * class.entries.len() as i128;
        // What the classes that are not in a sum yet can add to it and take from it.
        let (mut add, mut take) = (0, 0);
        for total in parts.iter().map(all) {
            if total > 0 { add += total } else { take += total }
        }
        let mut halves = [Half::default(), Half::default()];
        for half in &mut halves {
            half.layers.push(vec![0]);
        }
        let whole = (add, take);
        let mut rest = [whole, whole];
        let mut depth = 0;
        // The large ones first: of them the fewest can be taken. The half that has fewer sums gets the next.
        let mut order: Vec<(usize, &Class)> = parts.iter().enumerate().collect();
        order.sort_by_key(|(number, class)| (std::cmp::Reverse(class.amount.abs()), *number));
        for (number, class) in order {
            let [a, b] = &halves;
            let which = usize::from(a.all().len() > b.all().len());
            let (Some(half), Some((add, take))) = (halves.get_mut(which), rest.get_mut(which)) else {
                continue;
            };
            if class.amount > 0 {
                *add -= all(class)
            } else {
                *take -= all(class)
            }
            let formed = half.all().len() as u64 * (class.entries.len() as u64 + 1);
            *steps = steps.checked_sub(formed)?;
            let mut is_part = false;
            let mut layer = Vec::new();
            for count in 0..=class.entries.len() as i128 {
                let sums = half.all().iter().map(|sum| sum + class.amount * count);
                let before = layer.len();
                layer.extend(sums.filter(|sum| sum + *add >= least && sum + *take <= most));
                is_part |= count > 0 && layer.len() > before;
            }
            // Stable, since that merges what is in order by stretches.
            layer.sort();
            layer.dedup();
            if !is_part {
                // No sum with it leads anywhere.
                continue;
            }
            half.layers.push(layer);
            half.classes.push(number);
            depth += 1;
            if depth > MOST_PARTS {
                return None;
            }
        }
        Some(Self { halves })
    }

    /// The choices of parts whose sum is at most `apart` from `target`.
    fn choices(&self, parts: &[Class], target: i128, apart: i128, steps: &mut u64) -> Option<Vec<Choice>> {
        let [a, b] = &self.halves;
        let mut found: Vec<Choice> = Vec::new();
        *steps = steps.checked_sub((a.all().len() + b.all().len()) as u64)?;
        // As the one rises, what it lacks falls: the other is walked from its end.
        let mut end = b.all().len();
        for &first in a.all() {
            while end > 0 && b.all().get(end - 1).is_some_and(|second| first + second > target + apart) {
                end -= 1;
            }
            let near = b.all().get(..end).unwrap_or_default();
            for &second in near.iter().rev().take_while(|second| first + **second >= target - apart) {
                *steps = steps.checked_sub(1)?;
                a.choices(parts, a.classes.len(), first, &mut Vec::new(), &mut |of_a| {
                    b.choices(parts, b.classes.len(), second, &mut Vec::new(), &mut |of_b| {
                        let mut choice = [&of_a[..], of_b].concat();
                        if choice.is_empty() {
                            return Some(());
                        }
                        choice.sort_unstable();
                        found.push(choice);
                        (found.len() <= MOST_CHOICES).then_some(())
                    })
                })?;
            }
        }
        Some(found)
    }
}

/// Tries all ways to give wholes their parts.
struct Search<'a> {
    ways: &'a Ways,
    /// The classes of wholes that are concerned.
    wholes: &'a [usize],
    /// By class of parts: how many are left.
    left: Vec<usize>,
    /// By whole: its class, and the number of its choice.
    chosen: Vec<(usize, usize)>,
    steps: &'a mut u64,
}

/// The best ways so far.
#[derive(Default)]
struct Best {
    /// How many there are, up to two.
    ways: u32,
    chosen: Vec<(usize, usize)>,
}

impl Search<'_> {
    /// Goes on with the class at `place`, of which `copies` have been dealt with and choices from `from` on can be taken.
    fn go(&mut self, place: usize, copies: usize, from: usize, best: &mut Best) -> Option<()> {
        *self.steps = self.steps.checked_sub(1)?;
        let count = |place: usize| {
            let class = self.wholes.get(place).and_then(|&class| self.ways.wholes.get(class));
            class.map_or(0, |class| class.entries.len())
        };
        let rest: usize = (place..self.wholes.len()).map(count).sum::<usize>() - copies;
        let most = self.chosen.len() + rest;
        if most < best.chosen.len() || (most == best.chosen.len() && best.ways > 1) {
            return Some(());
        }
        let Some(&class) = self.wholes.get(place) else {
            if self.chosen.len() > best.chosen.len() || best.ways == 0 {
                *best = Best { ways: 1, chosen: self.chosen.clone() };
            } else {
                best.ways = 2;
            }
            return Some(());
        };
        let choices = self.ways.choices.get(class).map(Vec::as_slice).unwrap_or_default();
        if copies < count(place) {
            // Copies take choices in order, so that no way is met twice.
            for (number, choice) in choices.iter().enumerate().skip(from) {
                let fits =
                    |&(part, count): &(usize, usize)| self.left.get(part).is_some_and(|left| *left >= count);
                if !choice.iter().all(fits) {
                    continue;
                }
                self.take(choice, |left, count| left - count);
                self.chosen.push((class, number));
                self.go(place, copies + 1, number, best)?;
                self.chosen.pop();
                self.take(choice, |left, count| left + count);
            }
        }
        // No more copies of this class.
        self.go(place + 1, 0, 0, best)
    }

    fn take(&mut self, choice: &Choice, change: fn(usize, usize) -> usize) {
        for &(part, count) in choice {
            if let Some(left) = self.left.get_mut(part) {
                *left = change(*left, count);
            }
        }
    }
}
