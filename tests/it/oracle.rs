//! The engine, held against a matcher that is too simple to be wrong: it writes down every way to bring the lines and
//! records under a key together, and sees which is the best, and whether it is the only one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tieout::matching::{Compare, How, KeyPart, Pass, Within};
use tieout::money::Decimal;
use tieout::normalise::{Role, Side};

use super::laws::{Line, Setup, cells, field, pass, run};

/// What became of lines, by what they say: how, and who is concerned.
type Group = (&'static str, Vec<String>, Vec<String>);

/// What a line says, but for what makes it a candidate.
fn says(line: &Line) -> String {
    format!(
        "{} {} {} {:?} {:?} {} {}",
        line.currency, line.unit, line.version, line.quantity, line.price, line.amount, line.days.1
    )
}

/// A line as a whole: copies are equal.
fn whole(line: &Line) -> String {
    line.cells().join("|")
}

fn day(line: &Line) -> i64 {
    line.days.0[8..].parse().unwrap()
}

fn wholes(lines: &[&Line]) -> Vec<String> {
    let mut all: Vec<String> = lines.iter().map(|line| whole(line)).collect();
    all.sort();
    all
}

/// Lines of both sides, each with whether it is still open.
struct Table<'a> {
    sides: [Vec<(&'a Line, bool)>; 2],
    groups: Vec<Group>,
}

impl<'a> Table<'a> {
    fn open(&self, side: usize) -> Vec<&'a Line> {
        self.sides[side].iter().filter(|(_, open)| *open).map(|(line, _)| *line).collect()
    }

    /// Closes lines that say what these do, and notes the group.
    fn close(&mut self, how: &'static str, lines: [Vec<&Line>; 2]) {
        for (side, lines) in lines.iter().enumerate() {
            for line in lines {
                let found =
                    self.sides[side].iter_mut().find(|(other, open)| *open && std::ptr::eq(*other, *line));
                found.expect("a line is taken once").1 = false;
            }
        }
        self.groups.push((how, wholes(&lines[0]), wholes(&lines[1])));
    }
}

/// The cost of bringing two lines together: less is better, the first part first. `None` where they cannot be.
type Price<'p> = &'p dyn Fn(&Line, &Line) -> Option<Vec<i64>>;

/// Who is paired with whom.
type Pairs<'a> = Vec<(&'a Line, &'a Line)>;

/// Every way to pair some of the one with some of the other, with what it costs.
fn ways<'a>(
    invoices: &[&'a Line],
    settlements: &[&'a Line],
    price: Price<'_>,
    alone: &[i64],
) -> Vec<(Vec<i64>, Pairs<'a>)> {
    let add = |a: &[i64], b: &[i64]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<i64>>();
    let Some((first, rest)) = invoices.split_first() else { return vec![(vec![0; alone.len()], Vec::new())] };
    let mut all: Vec<_> = ways(rest, settlements, price, alone)
        .into_iter()
        .map(|(cost, pairs)| (add(&cost, alone), pairs))
        .collect();
    for (number, other) in settlements.iter().enumerate() {
        let Some(own) = price(first, other) else { continue };
        let mut others = settlements.to_vec();
        others.remove(number);
        for (cost, mut pairs) in ways(rest, &others, price, alone) {
            pairs.push((first, other));
            all.push((add(&cost, &own), pairs));
        }
    }
    all
}

/// Takes out lines that say the same on both sides.
fn twins<'a>(
    invoices: &mut Vec<&'a Line>,
    settlements: &mut Vec<&'a Line>,
    same: &dyn Fn(&Line, &Line) -> bool,
) -> Pairs<'a> {
    let mut pairs = Vec::new();
    invoices.retain(|invoice| {
        let at = settlements.iter().position(|settlement| same(invoice, settlement));
        pairs.extend(at.map(|at| (*invoice, settlements.remove(at))));
        at.is_none()
    });
    pairs
}

/// Lines of both sides that the best ways pair in more than one manner.
type Tangle<'a> = [Vec<&'a Line>; 2];

/// What all best ways agree about, and what they do not. Lines hang together where two of the ways treat them differently; if
/// all that differs is which of equals is meant, it is no difference.
fn best<'a>(
    invoices: &[&'a Line],
    settlements: &[&'a Line],
    price: Price<'_>,
    alone: &[i64],
) -> (Pairs<'a>, Vec<Tangle<'a>>) {
    let all = ways(invoices, settlements, price, alone);
    let least = all.iter().map(|(cost, _)| cost.clone()).min().unwrap();
    let best: Vec<_> = all.into_iter().filter(|(cost, _)| *cost == least).map(|(_, pairs)| pairs).collect();
    let lines: Vec<&Line> = invoices.iter().chain(settlements).copied().collect();
    let place = |line: &Line| lines.iter().position(|other| std::ptr::eq(*other, line)).unwrap();
    let places = |pairs: &Pairs<'_>| pairs.iter().map(|(a, b)| (place(a), place(b))).collect::<BTreeSet<_>>();
    let mut parts: Vec<usize> = (0..lines.len()).collect();
    let first = places(&best[0]);
    for way in &best {
        for (a, b) in places(way).symmetric_difference(&first) {
            let (from, to) = (parts[*a], parts[*b]);
            parts.iter_mut().filter(|part| **part == from).for_each(|part| *part = to);
        }
    }
    let (mut decided, mut tangles) = (Vec::new(), Vec::new());
    for part in parts.iter().collect::<BTreeSet<_>>() {
        let inside = |line: &Line| parts[place(line)] == *part;
        let of = |way: &Pairs<'a>| -> Pairs<'a> { way.iter().copied().filter(|(a, _)| inside(a)).collect() };
        let told = |way: &Pairs<'a>| {
            let mut told: Vec<_> = of(way).iter().map(|(a, b)| (day(a), says(a), day(b), says(b))).collect();
            told.sort();
            told
        };
        if best.iter().map(told).collect::<BTreeSet<_>>().len() == 1 {
            decided.extend(of(&best[0]));
        } else {
            tangles.push(
                [invoices, settlements]
                    .map(|lines| lines.iter().copied().filter(|line| inside(line)).collect()),
            );
        }
    }
    (decided, tangles)
}

/// How many of the fields differ, and by what square the amounts.
fn apart(a: &Line, b: &Line) -> (i64, i64) {
    let fields = i64::from(a.currency != b.currency)
        + i64::from(a.unit != b.unit)
        + i64::from(a.version != b.version)
        + i64::from(a.quantity != b.quantity)
        + i64::from(a.price != b.price)
        + i64::from(a.amount != b.amount);
    (fields, (a.amount - b.amount).pow(2))
}

/// Copies of a paired line of the same side that have no partner.
fn close_copies(table: &mut Table<'_>, all: &[Vec<&Line>; 2], paired: &[(&Line, &Line)], unsure: &[&Line]) {
    for side in [0, 1] {
        let own: BTreeSet<String> =
            paired.iter().map(|(a, b)| whole(if side == 0 { a } else { b })).collect();
        let is_paired =
            |line: &Line| paired.iter().any(|(a, b)| std::ptr::eq(if side == 0 { *a } else { *b }, line));
        let is_unsure = |line: &Line| unsure.iter().any(|other| std::ptr::eq(*other, line));
        for line in &all[side] {
            if own.contains(&whole(line)) && !is_paired(line) && !is_unsure(line) {
                let mut lines = [Vec::new(), Vec::new()];
                lines[side].push(*line);
                table.close("duplicate", lines);
            }
        }
    }
}

fn pair_lines(table: &mut Table<'_>, all: [Vec<&Line>; 2]) {
    let [mut invoices, mut settlements] = all.clone();
    let same = |a: &Line, b: &Line| says(a) == says(b) && day(a) == day(b);
    let mut pairs = if let ([a], [b]) = (&invoices[..], &settlements[..]) {
        let pair = (*a, *b);
        (invoices, settlements) = (Vec::new(), Vec::new());
        vec![pair]
    } else {
        twins(&mut invoices, &mut settlements, &same)
    };
    let price = |a: &Line, b: &Line| {
        let (fields, square) = apart(a, b);
        let times = i64::from(day(a) != day(b)) + i64::from(a.days.1 != b.days.1);
        Some(vec![0, fields + times, square])
    };
    // Nobody stays alone who could have a partner.
    let (decided, tangles) = best(&invoices, &settlements, &price, &[1, 0, 0]);
    pairs.extend(decided);
    close_copies(table, &all, &pairs, &tangles.iter().flatten().flatten().copied().collect::<Vec<_>>());
    tangles.into_iter().for_each(|tangle| table.close("ambiguous", tangle));
    for (a, b) in pairs {
        table.close("together", [vec![a], vec![b]]);
    }
}

fn pair_within(table: &mut Table<'_>, days: i64, all: [Vec<&Line>; 2]) {
    let [mut invoices, mut settlements] = all.clone();
    let same = |a: &Line, b: &Line| says(a) == says(b) && day(a) == day(b);
    let mut pairs = twins(&mut invoices, &mut settlements, &same);
    let near = |a: &Line, b: &Line| (day(a) - day(b)).abs() <= days;
    let price = |a: &Line, b: &Line| {
        let (fields, square) = apart(a, b);
        let cost = vec![i64::from(fields > 0), 0, fields, (day(a) - day(b)).abs(), square];
        near(a, b).then_some(cost)
    };
    let mut unsure = Vec::new();
    for [invoices, settlements] in clusters(&invoices, &settlements, &near) {
        let (decided, tangles) = best(&invoices, &settlements, &price, &[1, 1, 0, 0, 0]);
        pairs.extend(decided);
        unsure.extend(tangles.iter().flatten().flatten().copied());
        tangles.into_iter().for_each(|tangle| table.close("ambiguous", tangle));
    }
    close_copies(table, &all, &pairs, &unsure);
    for (a, b) in pairs {
        table.close("together", [vec![a], vec![b]]);
    }
}

/// What hangs together.
fn clusters<'a>(
    invoices: &[&'a Line],
    settlements: &[&'a Line],
    linked: &dyn Fn(&Line, &Line) -> bool,
) -> Vec<[Vec<&'a Line>; 2]> {
    let mut clusters: Vec<[Vec<&'a Line>; 2]> = Vec::new();
    for (side, line) in
        invoices.iter().map(|line| (0, *line)).chain(settlements.iter().map(|line| (1, *line)))
    {
        let mut own = [Vec::new(), Vec::new()];
        own[side].push(line);
        for cluster in std::mem::take(&mut clusters) {
            let touches = match side {
                0 => cluster[1].iter().any(|other| linked(line, other)),
                _ => cluster[0].iter().any(|other| linked(other, line)),
            };
            if touches {
                own[0].extend(&cluster[0]);
                own[1].extend(&cluster[1]);
            } else {
                clusters.push(cluster);
            }
        }
        clusters.push(own);
    }
    clusters.retain(|[invoices, settlements]| !invoices.is_empty() && !settlements.is_empty());
    clusters
}

/// All non-empty choices among `lines` whose sum is at most `apart` from `target`.
fn choices<'a>(lines: &[&'a Line], target: i64, apart: i64) -> Vec<Vec<&'a Line>> {
    (1_u32..1 << lines.len())
        .map(|bits| lines.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, l)| *l).collect())
        .filter(|choice: &Vec<&Line>| {
            (choice.iter().map(|line| line.amount).sum::<i64>() - target).abs() <= apart
        })
        .collect()
}

/// Every way to give wholes their parts.
fn givings<'a>(wholes: &[&'a Line], parts: &[&'a Line], apart: i64) -> Vec<Vec<(&'a Line, Vec<&'a Line>)>> {
    let Some((first, rest)) = wholes.split_first() else { return vec![Vec::new()] };
    let mut all = givings(rest, parts, apart);
    for choice in choices(parts, first.amount, apart) {
        let left: Vec<&Line> = parts
            .iter()
            .copied()
            .filter(|part| !choice.iter().any(|own| std::ptr::eq(*own, *part)))
            .collect();
        for mut giving in givings(rest, &left, apart) {
            giving.push((first, choice.clone()));
            all.push(giving);
        }
    }
    all
}

fn find_subsets(table: &mut Table<'_>, of: Side, sum_within: i64, all: [Vec<&Line>; 2]) {
    let whole_side = usize::from(of == Side::Invoice);
    let arranged = |wholes, parts| if whole_side == 0 { [wholes, parts] } else { [parts, wholes] };
    let (mut unsure, mut paired): (Vec<&Line>, Vec<(&Line, &Line)>) = (Vec::new(), Vec::new());
    for apart in if sum_within == 0 { vec![0] } else { vec![0, sum_within] } {
        let open = |side: usize| -> Vec<&Line> {
            let is_open = |line: &&Line| table.open(side).iter().any(|open| std::ptr::eq(*open, *line));
            all[side].iter().copied().filter(|line| line.amount != 0).filter(is_open).collect()
        };
        let (wholes, parts) = (open(whole_side), open(1 - whole_side));
        let linked = |whole: &Line, part: &Line| {
            choices(&parts, whole.amount, apart)
                .iter()
                .flatten()
                .any(|own| self::whole(own) == self::whole(part))
        };
        for [wholes, parts] in clusters(&wholes, &parts, &linked) {
            let all = givings(&wholes, &parts, apart);
            let most = all.iter().map(Vec::len).max().unwrap();
            let best: Vec<_> = all.into_iter().filter(|giving| giving.len() == most).collect();
            let told = |giving: &[(&Line, Vec<&Line>)]| {
                let mut told: Vec<_> =
                    giving.iter().map(|(line, parts)| (self::whole(line), self::wholes(parts))).collect();
                told.sort();
                told
            };
            if best.iter().map(|giving| told(giving)).collect::<BTreeSet<_>>().len() > 1 {
                unsure.extend(wholes.iter().chain(&parts).copied());
                table.close("ambiguous", arranged(wholes, parts));
                continue;
            }
            for (line, parts) in best.into_iter().next().unwrap() {
                paired.extend(
                    parts.iter().map(|part| if whole_side == 0 { (line, *part) } else { (*part, line) }),
                );
                table.close("together", arranged(vec![line], parts));
            }
        }
    }
    close_copies(table, &all, &paired, &unsure);
}

/// Parts what stands under a key by currency; a blank one is the other, where there is but one.
fn by_currency<'a>(all: &[Vec<&'a Line>; 2]) -> Vec<[Vec<&'a Line>; 2]> {
    let currencies = |side: usize| all[side].iter().map(|line| line.currency).collect::<BTreeSet<_>>();
    let (billed, settled) = (currencies(0), currencies(1));
    let stated: BTreeSet<_> = billed.union(&settled).filter(|currency| !currency.is_empty()).collect();
    if stated.len() < 2 || (billed.len() == 1 && settled.len() == 1) {
        return vec![all.clone()];
    }
    let of = |currency: &str| {
        [0, 1].map(|side| {
            all[side].iter().copied().filter(|line| line.currency == currency).collect::<Vec<_>>()
        })
    };
    let parts = billed.intersection(&settled).map(|currency| of(currency));
    parts.collect()
}

/// What should become of everything.
fn expected(invoices: &[Line], settlements: &[Line], passes: &[Pass]) -> Vec<Group> {
    let mut table = Table {
        sides: [invoices, settlements].map(|lines| lines.iter().map(|line| (line, true)).collect()),
        groups: Vec::new(),
    };
    for pass in passes {
        let exact = pass.within.is_none() && pass.key.contains(&KeyPart::Start);
        let ends = pass.key.contains(&KeyPart::End);
        let key = |line: &Line| {
            let start = if exact { line.days.0 } else { "" };
            let end = if ends { line.days.1 } else { "" };
            let blank = line.deal.is_empty() && start.is_empty() && end.is_empty();
            (!blank).then(|| (line.deal.to_owned(), start.to_owned(), end.to_owned()))
        };
        let mut keys: BTreeMap<_, [Vec<&Line>; 2]> = BTreeMap::new();
        for side in [0, 1] {
            for line in table.open(side) {
                if let Some(key) = key(line) {
                    keys.entry(key).or_default()[side].push(line);
                }
            }
        }
        for all in keys.into_values().filter(|[a, b]| !a.is_empty() && !b.is_empty()) {
            match (pass.compare, pass.within) {
                (Compare::Lines, None) => pair_lines(&mut table, all),
                (Compare::Lines, Some(Within::Days(days))) => pair_within(&mut table, days.into(), all),
                (Compare::Lines, Some(Within::Seconds(seconds))) => {
                    pair_within(&mut table, seconds / 86_400, all);
                }
                (Compare::Totals, _) => {
                    by_currency(&all).into_iter().for_each(|part| table.close("together", part));
                }
                (Compare::Subset, _) => {
                    let within = i64::try_from(pass.sum_within.mantissa()).unwrap();
                    by_currency(&all)
                        .into_iter()
                        .for_each(|part| find_subsets(&mut table, pass.of, within, part));
                }
            }
        }
    }
    for side in [0, 1] {
        let left = table.open(side);
        let mut seen: BTreeSet<String> =
            table.sides[side].iter().filter(|(_, open)| !open).map(|(line, _)| whole(line)).collect();
        for line in left {
            let how = if seen.insert(whole(line)) { "alone" } else { "duplicate" };
            let mut lines = [Vec::new(), Vec::new()];
            lines[side].push(line);
            table.close(how, lines);
        }
    }
    let mut groups = table.groups;
    groups.sort();
    groups
}

/// What became of it.
fn found(invoices: &[Line], settlements: &[Line], passes: &[Pass]) -> Vec<Group> {
    let setup = Setup { passes: passes.to_vec(), ..Setup::default() };
    let run = run(&cells(invoices), &cells(settlements), &setup);
    let mut groups: Vec<Group> = run
        .groups
        .into_iter()
        .map(|(how, [of_invoices, of_settlements])| {
            let of = |lines: &[Line], entries: Vec<u32>| {
                wholes(&entries.into_iter().map(|entry| &lines[entry as usize]).collect::<Vec<_>>())
            };
            let how = match how {
                How::Lines | How::Totals => "together",
                How::Alone | How::Unfit | How::Outnumbered => "alone",
                How::Duplicate(_) => "duplicate",
                How::Ambiguous | How::Choices => "ambiguous",
                How::TooMany | How::Unweighed => panic!("nothing is too much here"),
            };
            (how, of(invoices, of_invoices), of(settlements, of_settlements))
        })
        .collect();
    groups.sort();
    groups
}

prop_compose! {
    /// Both sides state all that lines are compared by, or neither does.
    fn line()(
        deal in select(&["G-1", "G-1", "G-1", "G-2", ""][..]),
        start in select(&["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-05"][..]),
        quantity in select(&[100, 100, 200][..]),
        amount in select(&[0, 100, 100, 200, 300, 300, 500, -100, 101][..]),
        currency in select(&["USD", "USD", "USD", "EUR"][..]),
    ) -> Line {
        Line { days: (start, "2026-10-31"), quantity: Some(quantity), currency, ..Line::plain(deal, amount) }
    }
}

/// Lines of one deal on days side by side, so that they get into each other's way.
fn crowd() -> impl Strategy<Value = Vec<Line>> {
    const STARTS: [&str; 4] = ["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-04"];
    let line = (select(&STARTS[..]), select(&[100, 200, 300, 400][..]))
        .prop_map(|(start, amount)| Line { days: (start, "2026-10-31"), ..Line::plain("G-1", amount) });
    vec(line, 1..6)
}

/// No line twice: what copies do to totals is for the cases to show.
fn without_copies(lines: &[Line]) -> Vec<Line> {
    let mut seen = BTreeSet::new();
    lines.iter().filter(|line| seen.insert(whole(line))).cloned().collect()
}

fn window(within: Within) -> Pass {
    Pass { within: Some(within), ..pass(&[field(Role::Deal), KeyPart::Start], Compare::Lines) }
}

fn subset(of: Side, sum_within: i64) -> Pass {
    Pass { of, sum_within: Decimal::new(sum_within, 2), ..pass(&[field(Role::Deal)], Compare::Subset) }
}

fn exact() -> Pass {
    pass(&[field(Role::Deal), KeyPart::Start], Compare::Lines)
}

proptest! {
    #[test]
    fn lines_are_paired_as_if_every_way_had_been_tried(
        invoices in vec(line(), 0..5),
        settlements in vec(line(), 0..5),
        passes in select(vec![
            vec![exact()],
            vec![pass(&[field(Role::Deal)], Compare::Lines)],
            vec![exact(), pass(&[field(Role::Deal)], Compare::Lines)],
        ]),
    ) {
        prop_assert_eq!(found(&invoices, &settlements, &passes), expected(&invoices, &settlements, &passes));
    }

    #[test]
    fn lines_are_paired_within_a_window_as_if_every_way_had_been_tried(
        (invoices, settlements) in prop_oneof![(vec(line(), 0..6), vec(line(), 0..6)), (crowd(), crowd())],
        within in select(&[Within::Days(1), Within::Days(2), Within::Days(4), Within::Seconds(86_400), Within::Seconds(40 * 3600)][..]),
        after_exact: bool,
    ) {
        let mut passes = vec![window(within)];
        if after_exact {
            passes.insert(0, exact());
        }
        prop_assert_eq!(found(&invoices, &settlements, &passes), expected(&invoices, &settlements, &passes));
    }

    #[test]
    fn what_adds_up_is_found_as_if_every_choice_had_been_tried(
        invoices in vec(line(), 0..4),
        settlements in vec(line(), 0..6),
        of in select(&[Side::Settlement, Side::Invoice][..]),
        sum_within in select(&[0_i64, 1, 100][..]),
        after_exact: bool,
    ) {
        let mut passes = vec![subset(of, sum_within)];
        if after_exact {
            passes.insert(0, exact());
        }
        let (invoices, settlements) =
            if of == Side::Settlement { (invoices, settlements) } else { (settlements, invoices) };
        prop_assert_eq!(found(&invoices, &settlements, &passes), expected(&invoices, &settlements, &passes));
    }

    /// Each over what the earlier ones left.
    #[test]
    fn passes_follow_each_other_as_if_every_way_had_been_tried(
        (invoices, settlements) in prop_oneof![(vec(line(), 0..5), vec(line(), 0..5)), (crowd(), crowd())],
        passes in vec(select(vec![
            exact(),
            window(Within::Days(1)),
            window(Within::Days(3)),
            subset(Side::Settlement, 0),
            subset(Side::Invoice, 0),
            pass(&[field(Role::Deal)], Compare::Lines),
        ]), 2..5),
    ) {
        prop_assert_eq!(found(&invoices, &settlements, &passes), expected(&invoices, &settlements, &passes));
    }

    #[test]
    fn totals_take_all_that_shares_a_key_and_a_currency(
        invoices in vec(line(), 0..6),
        settlements in vec(line(), 0..6),
        after_window: bool,
    ) {
        let (invoices, settlements) = (without_copies(&invoices), without_copies(&settlements));
        let mut passes = vec![pass(&[field(Role::Deal)], Compare::Totals)];
        if after_window {
            passes.insert(0, window(Within::Days(1)));
        }
        prop_assert_eq!(found(&invoices, &settlements, &passes), expected(&invoices, &settlements, &passes));
    }
}
