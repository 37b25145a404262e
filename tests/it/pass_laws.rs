//! Laws of windows, subsets, versions and files; those of every run are in `laws.rs`, and `oracle.rs` has the matcher that
//! tries every way.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tieout::judge::{Discrepancy, Judge, Kind, Outcome};
use tieout::matching::{self, Book, Compare, KeyPart, Pass, Within};
use tieout::money::{Decimal, Sum};
use tieout::normalise::{Fields, KeyRules, Normaliser, Restatement, Role, Side, VersionSettings, Versions};
use tieout::period::{Dates, Zone};
use tieout::progress::Silent;

use super::laws::{
    Cells, Line, Setup, cells, field, found, ledger, lines, memory, pass, passes, reading, run, total,
};

const DAYS: [&str; 9] = [
    "2026-10-01",
    "2026-10-02",
    "2026-10-03",
    "2026-10-04",
    "2026-10-05",
    "2026-10-06",
    "2026-10-07",
    "2026-10-08",
    "2026-10-09",
];

fn on(day: usize, line: Line) -> Line {
    Line { days: (DAYS[day], "2026-10-31"), ..line }
}

/// A run with a choice among the versions of the settlements.
fn run_with_versions(
    invoices: &[Cells],
    settlements: &[Cells],
    setup: &Setup,
    kind: Restatement,
) -> (Outcome, usize) {
    let (invoice, settlement) = (ledger(Side::Invoice, invoices), ledger(Side::Settlement, settlements));
    let (zone, keys, fields) = (Zone::utc(), KeyRules::default(), Fields::default());
    let dates = Dates::new(Zone::utc(), &[]).unwrap();
    let settings = VersionSettings { kind, order: Vec::new(), published: None, before: None };
    let versions = Versions::choose(&settlement, &fields, &keys, &dates, &settings).unwrap();
    let superseded = versions.all_superseded().count();
    let book = Book::new(&invoice, &settlement, &zone, &keys, &fields).with_versions(Some(&versions));
    let judge = Judge::new(&book, setup.rules(&keys));
    let (counts, parts) =
        matching::run(&book, &setup.passes, 0, &Silent, &|group, outcome| judge.judge(group, outcome));
    (judge.finish(counts, parts).expect("the control totals balance"), superseded)
}

/// Records of few lines, each with a version.
fn restated() -> impl Strategy<Value = Vec<Line>> {
    vec((lines_of_versions(), select(&["1", "2", "10"][..])), 0..8)
        .prop_map(|lines| lines.into_iter().map(|(line, version)| Line { version, ..line }).collect())
}

fn lines_of_versions() -> impl Strategy<Value = Line> {
    (select(&["G-1", "G-2"][..]), 0_usize..2, select(&[100_i64, 200, 300, 400][..]))
        .prop_map(|(deal, day, amount)| on(day, Line::plain(deal, amount)))
}

proptest! {
    /// What is superseded might as well not be there. (An invoice that ties to it has another name, and the same money.)
    #[test]
    fn choosing_the_latest_versions_is_keeping_only_them(
        invoices in vec(lines_of_versions(), 0..5),
        records in restated(),
        passes in passes(),
    ) {
        let setup = Setup { passes, ..Setup::default() };
        let number = |line: &Line| line.version.parse::<u32>().unwrap();
        let line = |line: &Line| (line.deal, line.days);
        let mut last: BTreeMap<_, u32> = BTreeMap::new();
        for record in &records {
            let last = last.entry(line(record)).or_default();
            *last = number(record).max(*last);
        }
        let kept: Vec<Line> = records.iter().filter(|record| number(record) == last[&line(record)]).cloned().collect();
        let alone = run(&cells(&invoices), &cells(&kept), &setup).outcome;
        let (chosen, superseded) =
            run_with_versions(&cells(&invoices), &cells(&records), &setup, Restatement::Replacement);
        prop_assert_eq!(superseded, records.len() - kept.len());
        let facts = |d: &Discrepancy| (d.id.clone(), total(d), d.pass);
        prop_assert_eq!(found(&chosen, facts), found(&alone, facts));
        prop_assert_eq!((chosen.matched, chosen.passes), (alone.matched, alone.passes));
    }

    /// Whatever the versions of a line are, what counts is their sum.
    #[test]
    fn deltas_count_by_their_sum(
        billed in proptest::array::uniform4(proptest::option::of(-3_i64..4)),
        deltas in proptest::array::uniform4(vec(-3_i64..4, 0..4)),
    ) {
        const DEALS: [&str; 4] = ["A", "B", "C", "D"];
        const VERSIONS: [&str; 4] = ["1", "2", "3", "4"];
        let invoices: Vec<Line> = DEALS
            .into_iter()
            .zip(billed)
            .filter_map(|(deal, billed)| Some(Line::plain(deal, billed?)))
            .collect();
        let record = |(deal, (version, amount))| Line { version, ..Line::plain(deal, amount) };
        let records: Vec<Line> = DEALS
            .into_iter()
            .zip(&deltas)
            .flat_map(|(deal, deltas)| VERSIONS.into_iter().zip(deltas.iter().copied()).map(move |delta| (deal, delta)))
            .map(record)
            .collect();
        let passes = vec![pass(&[field(Role::Deal), KeyPart::Start], Compare::Lines)];
        let setup = Setup { passes, ..Setup::default() };
        let (outcome, superseded) = run_with_versions(&cells(&invoices), &cells(&records), &setup, Restatement::Delta);
        prop_assert_eq!(superseded, 0);
        let (mut matched, mut net) = (0, 0);
        for (billed, deltas) in billed.iter().zip(&deltas) {
            let settled: i64 = deltas.iter().sum();
            net += billed.unwrap_or(0) - settled;
            matched += u64::from(*billed == Some(settled) && !deltas.is_empty());
        }
        prop_assert_eq!(outcome.matched, matched);
        let variance: Sum = outcome.discrepancies().filter_map(total).collect();
        prop_assert_eq!(variance.value(), Some(Decimal::new(net, 2)));
    }

    /// In how many files rows come, and in which order, means as little as their order.
    #[test]
    fn files_mean_nothing(
        invoices in lines(),
        settlements in lines(),
        passes in passes(),
        cut in 0_usize..8,
        last_first: bool,
    ) {
        let setup = Setup { passes, check_arithmetic: true, ..Setup::default() };
        let (invoices, settlements) = (cells(&invoices), cells(&settlements));
        let whole = run(&invoices, &settlements, &setup).outcome;
        let (zone, keys, fields, reading) = (Zone::utc(), KeyRules::default(), Fields::default(), reading());
        let in_files = |side, rows: &[Cells]| {
            let (first, second) = rows.split_at(cut.min(rows.len()));
            let mut normaliser = Normaliser::new(side, &reading, &fields, &zone, None).unwrap();
            for file in if last_first { [second, first] } else { [first, second] } {
                normaliser.take(&mut memory(side, file)).unwrap();
            }
            normaliser.finish()
        };
        let (invoice, settlement) = (in_files(Side::Invoice, &invoices), in_files(Side::Settlement, &settlements));
        let book = Book::new(&invoice, &settlement, &zone, &keys, &fields);
        let judge = Judge::new(&book, setup.rules(&keys));
        let (counts, parts) = matching::run(&book, &setup.passes, 0, &Silent, &|group, outcome| judge.judge(group, outcome));
        let parted = judge.finish(counts, parts).expect("the control totals balance");
        let facts = |d: &Discrepancy| (d.id.clone(), d.kind, d.cause.clone(), d.pass, total(d));
        prop_assert_eq!(found(&parted, facts), found(&whole, facts));
        prop_assert_eq!((parted.matched, parted.passes), (whole.matched, whole.passes));
    }

    /// A line that is split into records ties to them again, unless other records would do as well.
    #[test]
    fn parts_that_add_up_tie_by_subsets(
        parts in vec(1_i64..500, 1..9),
        others in vec(1_i64..500, 0..4),
        on_invoice: bool,
    ) {
        let line = |(day, amount): (usize, &i64)| on(day % DAYS.len(), Line::plain("G-1", *amount));
        let whole = vec![on(0, Line::plain("G-1", parts.iter().sum()))];
        let records: Vec<Line> = parts.iter().chain(&others).enumerate().map(line).collect();
        let (invoices, settlements) = if on_invoice { (records, whole) } else { (whole, records) };
        let of = if on_invoice { Side::Invoice } else { Side::Settlement };
        let passes = vec![Pass { of, ..pass(&[field(Role::Deal)], Compare::Subset) }];
        let outcome = run(&cells(&invoices), &cells(&settlements), &Setup { passes, ..Setup::default() }).outcome;
        let ambiguous = outcome.discrepancies.iter().filter(|d| d.kind == Kind::Ambiguous).count();
        prop_assert_eq!((outcome.matched, ambiguous == 0), if ambiguous == 0 { (1, true) } else { (0, false) });
        let lost = if on_invoice { Kind::Unbilled } else { Kind::Unsettled };
        prop_assert!(outcome.discrepancies.iter().all(|d| d.kind != lost));
    }

    /// A window is inclusive on both of its sides, and takes nothing beyond.
    #[test]
    fn a_window_reaches_as_far_as_it_says(
        shifts in vec((0_usize..9, 0_usize..9), 1..8),
        days in 1_u32..5,
        in_hours: bool,
    ) {
        const DEALS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];
        let within = if in_hours { Within::Seconds(i64::from(days) * 86_400) } else { Within::Days(days) };
        let side = |of: fn(&(usize, usize)) -> usize| -> Vec<Line> {
            shifts.iter().zip(DEALS).map(|(shift, deal)| on(of(shift), Line::plain(deal, 100))).collect()
        };
        let passes = vec![Pass {
            within: Some(within),
            ..pass(&[field(Role::Deal), KeyPart::Start], Compare::Lines)
        }];
        let setup = Setup { passes, ..Setup::default() };
        let outcome = run(&cells(&side(|shift| shift.0)), &cells(&side(|shift| shift.1)), &setup).outcome;
        let near = shifts.iter().filter(|(a, b)| a.abs_diff(*b) <= days as usize).count();
        prop_assert_eq!(outcome.matched, near as u64);
        prop_assert_eq!(outcome.discrepancies.len(), 2 * (shifts.len() - near));
    }
}

/// A text that lives as long as the tests.
fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Lines of one deal, one for each minute, with these amounts.
fn minutes(amounts: impl Iterator<Item = i64>) -> Vec<Line> {
    let minute = |(minute, amount): (i64, i64)| {
        let start =
            kept(format!("2026-10-{:02}T{:02}:{:02}Z", 1 + minute / 1440, minute / 60 % 24, minute % 60));
        Line { days: (start, "2026-10-31"), ..Line::plain("G-1", amount) }
    };
    (0..).zip(amounts).map(minute).collect()
}

#[test]
fn what_takes_too_long_is_left_to_later_passes_and_ambiguous_in_the_end() {
    let totals = || pass(&[field(Role::Deal)], Compare::Totals);
    let window =
        Pass { within: Some(Within::Days(1)), ..pass(&[field(Role::Deal), KeyPart::Start], Compare::Lines) };
    let subset = pass(&[field(Role::Deal)], Compare::Subset);
    // 400 times 400 pairs that are near, in other minutes; 3,000 records of which any seven add up.
    let crowds = [
        (window, minutes(500..900), minutes((500..900).rev().map(|amount| amount * 10))),
        (subset.clone(), minutes(std::iter::once(700)), minutes(std::iter::repeat_n(100, 3000))),
    ];
    for (pass, invoices, settlements) in crowds {
        for later in [None, Some(totals())] {
            let passes: Vec<Pass> = [Some(pass.clone()), later].into_iter().flatten().collect();
            let count = passes.len();
            let outcome =
                run(&cells(&invoices), &cells(&settlements), &Setup { passes, ..Setup::default() }).outcome;
            let kinds: Vec<Kind> = outcome.discrepancies().map(|d| d.kind).collect();
            assert_eq!(kinds, [if count == 1 { Kind::Ambiguous } else { Kind::Amount }]);
            assert_eq!(outcome.passes[0].unweighed, 1);
            assert_eq!(outcome.passes[count - 1].groups, 1);
        }
    }
    // However many there are of which none could be in the sum.
    let (invoices, settlements) = (minutes(std::iter::once(700)), minutes(800..10_800));
    let setup = Setup { passes: vec![subset.clone()], ..Setup::default() };
    let outcome = run(&cells(&invoices), &cells(&settlements), &setup).outcome;
    assert_eq!((outcome.passes[0].groups, outcome.passes[0].unweighed), (0, 0));
    assert_eq!(outcome.discrepancies().count(), 10_001);
    // And however many copies of a line there are.
    let copies = |count| vec![Line::plain("G-1", 100); count];
    let outcome = run(&cells(&copies(3000)), &cells(&copies(3000)), &setup).outcome;
    assert_eq!((outcome.passes[0].unweighed, outcome.discrepancies().count()), (1, 1));
}
