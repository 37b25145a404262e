//! Laws that hold for any input, tried on random ones: few deals, days and amounts, so that copies,
//! ties and sums that agree by chance are common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tieout::fault::Result;
use tieout::intake::{Mark, Origin, Row, Rows, Shared};
use tieout::judge::{Class, Combine, Discrepancy, Judge, Kind, Of, Outcome, Rules, Tolerance, explain};
use tieout::matching::{self, Book, Compare, How, KeyPart, Pass, Within};
use tieout::money::{self, Decimal, Sum};
use tieout::normalise::{
    Case, Field, Fields, Headers, KeyRules, KeySettings, LeadingZeros, Ledger, MissingRate, Normaliser,
    Rates, Reading, Replacement, Role, Share, Side, TotalRule, TotalRules,
};
use tieout::period::{Calendar, Dates, TimeOfDay, Zone};
use tieout::progress::Silent;
use tieout::sieve::{Place, Plan, Sketch};

// What is reconciled.

pub(super) const COLUMNS: [Role; 10] = [
    Role::Deal,
    Role::Version,
    Role::Start,
    Role::End,
    Role::Quantity,
    Role::Unit,
    Role::Price,
    Role::Amount,
    Role::Currency,
    Role::Location,
];

/// The cells of a row, under [`COLUMNS`].
pub(super) type Cells = [String; COLUMNS.len()];

/// A row that can be read; numbers are in hundredths.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) deal: &'static str,
    pub(super) version: &'static str,
    pub(super) days: (&'static str, &'static str),
    pub(super) quantity: Option<i64>,
    pub(super) unit: &'static str,
    pub(super) price: Option<i64>,
    pub(super) amount: i64,
    pub(super) currency: &'static str,
    pub(super) location: &'static str,
}

impl Line {
    /// A line of which only these matter.
    pub(super) const fn plain(deal: &'static str, amount: i64) -> Self {
        Self {
            deal,
            version: "",
            days: ("2026-10-01", "2026-10-31"),
            quantity: None,
            unit: "",
            price: None,
            amount,
            currency: "USD",
            location: "",
        }
    }

    pub(super) fn cells(&self) -> Cells {
        let number = |hundredths: i64| Decimal::new(hundredths, 2).to_string();
        let optional = |hundredths: Option<i64>| hundredths.map(number).unwrap_or_default();
        [
            self.deal.to_owned(),
            self.version.to_owned(),
            self.days.0.to_owned(),
            self.days.1.to_owned(),
            optional(self.quantity),
            self.unit.to_owned(),
            optional(self.price),
            number(self.amount),
            self.currency.to_owned(),
            self.location.to_owned(),
        ]
    }
}

pub(super) fn cells(lines: &[Line]) -> Vec<Cells> {
    lines.iter().map(Line::cells).collect()
}

prop_compose! {
    fn line()(
        deal in select(&["G-1", "G-1", "G-2", ""][..]),
        days in select(&[("2026-10-01", "2026-10-01"), ("2026-10-02", "2026-10-02"), ("2026-10-01", "2026-10-31")][..]),
        quantity in select(&[None, Some(0), Some(100), Some(100), Some(1000), Some(-100)][..]),
        unit in select(&["", "MMBtu", "MMBtu", "therm", "Mcf"][..]),
        price in select(&[None, None, Some(100), Some(101), Some(1000)][..]),
        amount in select(&[0, 100, 100, 101, 200, 300, 1000, -100][..]),
        currency in select(&["", "USD", "USD", "USD", "EUR"][..]),
        version in select(&["", "", "Initial", "Final"][..]),
        location in select(&["", "N", "S"][..]),
    ) -> Line {
        Line { deal, version, days, quantity, unit, price, amount, currency, location }
    }
}

pub(super) fn lines() -> impl Strategy<Value = Vec<Line>> {
    vec(line(), 0..8)
}

/// Lines in two orders. Nearly all are of one deal, which some write in another way.
fn shuffled() -> impl Strategy<Value = (Vec<Line>, Vec<Line>)> {
    (lines(), vec(any::<bool>(), 8)).prop_flat_map(|(mut lines, is_low)| {
        for (line, is_low) in lines.iter_mut().zip(is_low) {
            line.deal = match (line.deal, is_low) {
                ("", _) => "",
                ("G-2", true) => "G-2",
                (_, false) => "G-1",
                (_, true) => "g-1",
            };
        }
        (Just(lines.clone()), Just(lines).prop_shuffle())
    })
}

/// Rows as nobody should send them, among some that can be read.
fn wild_rows() -> impl Strategy<Value = Vec<Cells>> {
    let number = || {
        prop_oneof![
            Just(String::new()),
            select(&["1", "-1", "(0.00)", "€5", "EUR -5", "$5", "1.234,5", "1e3", "NaN", "-"][..])
                .prop_map(str::to_owned),
            // Sums that leave what can be held, and come back.
            select(
                &[
                    "9999999999999999999999999999",
                    "-9999999999999999999999999999",
                    "0.0000000000000000000000000001"
                ][..]
            )
            .prop_map(str::to_owned),
            "-?[0-9]{1,20}\\.[0-9]{1,28}",
            ".{0,6}",
        ]
    };
    let text = || {
        prop_oneof![select(&["", "G-1", "g-1", "USD", "eur", "MWh"][..]).prop_map(str::to_owned), ".{0,4}"]
    };
    let date = || {
        prop_oneof![
            select(&["", "2026-10-01", "2026-10-02T01:00Z", "Oct-26", "2026-02-30"][..])
                .prop_map(str::to_owned),
            ".{0,10}",
        ]
    };
    let texts = [text(), text(), text(), text(), text()];
    let wild = (texts, [date(), date()], [number(), number(), number()]).prop_map(
        |([deal, version, unit, currency, location], [start, end], [quantity, price, amount])| {
            [deal, version, start, end, quantity, unit, price, amount, currency, location]
        },
    );
    let tame = (line(), [number(), number(), number()]).prop_map(|(line, numbers)| {
        let mut cells = line.cells();
        for (column, number) in [4, 6, 7].into_iter().zip(numbers) {
            cells[column] = number;
        }
        cells
    });
    vec(prop_oneof![wild, tame], 0..8)
}

/// Rows in memory.
pub(super) struct Memory<'a> {
    origin: Origin,
    columns: Vec<String>,
    rows: std::slice::Iter<'a, Cells>,
    number: u64,
}

impl Rows for Memory<'_> {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn read(&mut self, row: &mut Row) -> Result<bool> {
        row.clear();
        self.number += 1;
        (row.number, row.place) = (self.number, self.number);
        let Some(cells) = self.rows.next() else { return Ok(false) };
        cells.iter().for_each(|cell| row.push(cell, Mark::Text));
        Ok(true)
    }
}

pub(super) fn reading() -> Reading {
    let header = |role: Role| Headers::One(role.name().to_owned());
    let mut columns: BTreeMap<String, Headers> =
        COLUMNS.into_iter().map(|role| (role.name().to_owned(), header(role))).collect();
    // Each deal has a document of its own.
    columns.insert(Role::Document.name().to_owned(), header(Role::Deal));
    Reading { columns, ..Reading::default() }
}

pub(super) fn memory(side: Side, rows: &[Cells]) -> Memory<'_> {
    let origin = Origin { name: Arc::from(side.name()), part: None };
    Memory {
        origin,
        columns: COLUMNS.map(|role| role.name().to_owned()).to_vec(),
        rows: rows.iter(),
        number: 0,
    }
}

/// So many of the rows that are left.
struct First<'r>(&'r Shared<'r>, usize);

impl Rows for First<'_> {
    fn origin(&self) -> &Origin {
        self.0.origin()
    }

    fn columns(&self) -> &[String] {
        self.0.columns()
    }

    fn read(&mut self, row: &mut Row) -> Result<bool> {
        let Some(left) = self.1.checked_sub(1) else { return Ok(false) };
        self.1 = left;
        self.0.read(row)
    }
}

pub(super) fn ledger(side: Side, rows: &[Cells]) -> Ledger {
    let (reading, fields) = (reading(), Fields::default());
    let mut normaliser = Normaliser::new(side, &reading, &fields, &Zone::utc(), None).unwrap();
    normaliser.take(&mut memory(side, rows)).unwrap();
    normaliser.finish()
}

// How it is reconciled.

pub(super) fn field(role: Role) -> KeyPart {
    KeyPart::Text(Field::of(role).unwrap())
}

pub(super) fn pass(key: &[KeyPart], compare: Compare) -> Pass {
    Pass::exact("any".to_owned(), key.to_vec(), compare)
}

/// Passes as people set them up.
pub(super) fn passes() -> impl Strategy<Value = Vec<Pass>> {
    let fine = || pass(&[field(Role::Deal), KeyPart::Start, KeyPart::End], Compare::Lines);
    let here = || pass(&[field(Role::Deal), field(Role::Location), KeyPart::Start], Compare::Lines);
    let coarse = || pass(&[field(Role::Deal)], Compare::Lines);
    let totals = || pass(&[field(Role::Deal), KeyPart::Calendar(Calendar::Month)], Compare::Totals);
    let gas_day = Calendar::GasDay(TimeOfDay::parse("09:00").unwrap());
    let by_hour = || {
        pass(
            &[field(Role::Deal), KeyPart::Calendar(gas_day), KeyPart::Calendar(Calendar::HourEndingOfEnd)],
            Compare::Lines,
        )
    };
    let window =
        |within| Pass { within: Some(within), ..pass(&[field(Role::Deal), KeyPart::Start], Compare::Lines) };
    let day = || window(Within::Days(1));
    let hours = || window(Within::Seconds(30 * 3600));
    let subset = |of| Pass { of, ..pass(&[field(Role::Deal)], Compare::Subset) };
    let near = || Pass { sum_within: Decimal::new(1, 2), ..subset(Side::Settlement) };
    select(vec![
        vec![fine()],
        vec![here()],
        vec![coarse()],
        vec![totals()],
        vec![by_hour()],
        vec![fine(), totals()],
        vec![fine(), coarse()],
        vec![day()],
        vec![fine(), hours(), totals()],
        vec![subset(Side::Settlement)],
        vec![subset(Side::Invoice), near()],
        vec![fine(), near(), day(), subset(Side::Invoice), coarse()],
    ])
}

/// The same passes for the sides in each other's place.
fn turned(passes: &[Pass]) -> Vec<Pass> {
    passes.iter().map(|pass| Pass { of: pass.of.other(), ..pass.clone() }).collect()
}

fn tolerance(role: Role, absolute: Decimal) -> Tolerance {
    Tolerance { absolute: Some(absolute), ..Tolerance::of(role) }
}

/// What a run is told beside its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Setup {
    pub(super) passes: Vec<Pass>,
    pub(super) tolerances: Vec<Tolerance>,
    pub(super) check_arithmetic: bool,
    pub(super) tax_rates: Vec<Decimal>,
    pub(super) keys: KeyRules,
    pub(super) rates: Option<Rates>,
}

impl Setup {
    pub(super) fn rules<'a>(&'a self, keys: &'a KeyRules) -> Rules<'a> {
        Rules {
            tolerances: &self.tolerances,
            keys,
            check_arithmetic: [self.check_arithmetic; 2],
            passes: &self.passes,
            rates: self.rates.as_ref(),
            tax_rates: &self.tax_rates,
        }
    }
}

/// Rates between the currencies of [`line`], on the days of its lines: not all days, and different ones.
fn rates(missing: MissingRate) -> Rates {
    table("2026-10-01,EUR,USD,1.1\n2026-10-02,EUR,USD,1.25\n2026-10-01,USD,EUR,0.9\n", missing)
}

fn table(lines: &str, missing: MissingRate) -> Rates {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rates.csv");
    std::fs::write(&path, format!("date,from,to,rate\n{lines}")).unwrap();
    let dates = || Dates::new(Zone::utc(), &[]).unwrap();
    let mut rates = Rates::load(&path, "rates.csv".as_ref(), [dates(), dates()]).unwrap();
    rates.missing = missing;
    rates
}

/// With rates and without.
fn maybe_rates() -> impl Strategy<Value = Option<Rates>> {
    option::of(select(&[MissingRate::Discrepancy, MissingRate::Previous][..]).prop_map(rates))
}

/// The entries of a group: those of the invoice, and those of the settlement.
pub(super) type Members = [Vec<u32>; 2];

pub(super) struct Run {
    entries: [u32; 2],
    pub(super) groups: Vec<(How, Members)>,
    pub(super) outcome: Outcome,
    /// What explains each of the discrepancies, in their order.
    told: Vec<String>,
}

pub(super) fn run(invoices: &[Cells], settlements: &[Cells], setup: &Setup) -> Run {
    let (invoice, settlement) = (ledger(Side::Invoice, invoices), ledger(Side::Settlement, settlements));
    let (zone, keys, fields) = (Zone::utc(), setup.keys.clone(), Fields::default());
    let book = Book::new(&invoice, &settlement, &zone, &keys, &fields);
    let rules = setup.rules(&keys);
    let judge = Judge::new(&book, rules);
    type Part = (Vec<(How, Members)>, Outcome);
    let (counts, parts) =
        matching::run(&book, &setup.passes, 0, &Silent, &|group, (groups, outcome): &mut Part| {
            groups.push((group.how, [group.invoices.to_vec(), group.settlements.to_vec()]));
            judge.judge(group, outcome);
        });
    let (groups, parts): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let outcome = judge.finish(counts, parts).expect("the control totals balance");
    let told = outcome.discrepancies().map(|discrepancy| {
        let mut told = String::new();
        explain(&book, &setup.tolerances, discrepancy, &mut told);
        told
    });
    let told = told.collect();
    Run { entries: [invoice.len(), settlement.len()], groups: groups.concat(), outcome, told }
}

/// As [`run`], but what ties at first sight never comes to a ledger.
pub(super) fn run_sifted(
    invoices: &[Cells],
    settlements: &[Cells],
    setup: &Setup,
    memory_limit: usize,
    shared: usize,
) -> Outcome {
    let (zone, keys, fields, reading) = (Zone::utc(), setup.keys.clone(), Fields::default(), reading());
    let rules = setup.rules(&keys);
    let Some(plan) = Plan::of(rules, &zone) else { return run(invoices, settlements, setup).outcome };
    let [invoice, settlement] =
        [Side::Invoice, Side::Settlement].map(|side| plan.sketch(side, &std::env::temp_dir(), memory_limit));
    let first = |side, rows: &[Cells], sketch: &Sketch<'_>| {
        let normaliser =
            || Normaliser::into(sketch.sketcher(), side, &reading, &fields, &zone, None).unwrap();
        let mut rows = memory(side, rows);
        let rows = Shared::new(&mut rows);
        let (mut one, mut another) = (normaliser(), normaliser());
        // Another thread takes some, and the one that joins it takes what comes behind.
        another.take(&mut First(&rows, shared)).unwrap();
        one.take(&mut &rows).unwrap();
        another.taker().close().unwrap();
        one.taker().close().unwrap();
        one.join(another);
        let (_, counts, rejects) = one.part();
        (counts, rejects)
    };
    let (invoice_counts, invoice_rejects) = first(Side::Invoice, invoices, &invoice);
    let (settlement_counts, settlement_rejects) = first(Side::Settlement, settlements, &settlement);
    let (sifted, prices) = plan.sift(invoice, settlement).unwrap();
    let again = |ledger: Ledger, rows: &[Cells], places: &[Place]| {
        let left: Vec<Cells> =
            places.iter().map(|place| rows[usize::try_from(place.place).unwrap() - 1].clone()).collect();
        let side = ledger.side();
        let mut normaliser = Normaliser::into(ledger, side, &reading, &fields, &zone, None).unwrap().again();
        normaliser.take(&mut memory(side, &left)).unwrap();
        normaliser.part().0
    };
    let [left_invoices, left_settlements] = &sifted.left;
    let empty = |side| Ledger::new(side, fields.count());
    let mut invoice = again(empty(Side::Invoice), invoices, left_invoices);
    invoice.close(invoice_counts, invoice_rejects);
    let mut settlement = again(empty(Side::Settlement), settlements, left_settlements);
    settlement.close(settlement_counts, settlement_rejects);
    let book = Book::new(&invoice, &settlement, &zone, &keys, &fields);
    let mut judge = Judge::new(&book, rules);
    judge.take_over(&sifted.outcome);
    let (counts, parts) = matching::run(&book, &setup.passes, sifted.pairs(), &Silent, &|group, outcome| {
        judge.judge(group, outcome);
    });
    let verdicts = judge.verdicts(counts, parts).expect("the control totals balance");
    let prices = prices.unwrap();
    let found = plan.look_for(&prices, left_settlements, &invoice, verdicts.prices_looked_for()).unwrap();
    let settlement = again(settlement, settlements, &found.places);
    verdicts.conclude(&Book::new(&invoice, &settlement, &zone, &keys, &fields), &rules, &found.common)
}

/// What was found, each as `of` sees it, in an order of its own.
pub(super) fn found<T: Ord>(outcome: &Outcome, of: impl Fn(&Discrepancy) -> T) -> Vec<T> {
    let mut found: Vec<T> = outcome.discrepancies().map(of).collect();
    found.sort();
    found
}

pub(super) fn total(discrepancy: &Discrepancy) -> Option<Decimal> {
    discrepancy.variance.map(|variance| variance.total)
}

const DEALS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// What one side says of each of [`DEALS`], if it says anything.
type Amounts = [Option<i64>; DEALS.len()];

fn amounts() -> impl Strategy<Value = Amounts> {
    proptest::array::uniform8(proptest::option::of(-3_i64..3))
}

// The laws.

proptest! {
    /// Whether a pair is settled by its slots or by the engine makes no difference to anything.
    #[test]
    fn the_sieve_settles_nothing_otherwise_than_the_judge(
        invoices in lines(),
        settlements in lines(),
        wild in wild_rows(),
        passes in passes(),
        limits in proptest::array::uniform2(0_i64..3),
        check_arithmetic: bool,
        memory_limit in select(&[1_usize, 100, 1 << 20][..]),
        shared in 0_usize..8,
        rates in maybe_rates(),
        with_rules: bool,
    ) {
        // G-1 and g-01 are 1, which nothing is called, and G-2 is blank.
        let replace = |pattern: &str, with: &str| Replacement { pattern: pattern.into(), with: with.into() };
        let settings = KeySettings {
            replace: vec![replace("^G-0*(1)$", "$1"), replace("^G-2$", "")],
            case: Case::Fold,
            ..KeySettings::default()
        };
        let deal = with_rules.then(|| (Field::of(Role::Deal).unwrap(), &settings));
        let keys = KeyRules::load(deal, &Fields::default(), std::path::Path::new("")).unwrap();
        let limit = |hundredths| Decimal::new(hundredths, 2);
        let usd = vec![(Field::of(Role::Currency).unwrap(), vec!["USD".to_owned()])];
        let setup = Setup {
            passes,
            tolerances: vec![
                Tolerance { when: usd, ..tolerance(Role::Amount, limit(limits[0])) },
                tolerance(Role::Quantity, limit(1)),
                tolerance(Role::Amount, limit(limits[1])),
            ],
            check_arithmetic,
            rates,
            keys,
            ..Setup::default()
        };
        let (mut invoices, settlements) = (cells(&invoices), cells(&settlements));
        invoices.extend(wild);
        let whole = run(&invoices, &settlements, &setup).outcome;
        let sifted = run_sifted(&invoices, &settlements, &setup, memory_limit, shared);
        let facts = |d: &Discrepancy| {
            (d.id.clone(), d.kind, d.cause.clone(), d.arithmetic.clone(), d.pass, d.tolerance, total(d))
        };
        prop_assert_eq!(found(&sifted, facts), found(&whole, facts));
        prop_assert_eq!(&sifted.patterns, &whole.patterns);
        prop_assert_eq!(sifted.control.balances(), whole.control.balances());
        prop_assert_eq!(sifted.control.documents(), whole.control.documents());
        prop_assert_eq!((sifted.converted, sifted.by_previous), (whole.converted, whole.by_previous));
        prop_assert_eq!((sifted.matched, sifted.within, sifted.passes), (whole.matched, whole.within, whole.passes));
    }

    /// `run` fails where the control totals do not balance; and they must speak of every row.
    #[test]
    fn control_totals_hold_for_any_input(
        invoices in wild_rows(),
        settlements in wild_rows(),
        passes in passes(),
        check_arithmetic: bool,
    ) {
        let run = run(&invoices, &settlements, &Setup { passes, check_arithmetic, ..Setup::default() });
        for (side, rows) in [(Side::Invoice, &invoices), (Side::Settlement, &settlements)] {
            prop_assert_eq!(run.outcome.control.lines(side, Class::Read), rows.len() as u64);
        }
    }

    #[test]
    fn every_entry_is_in_exactly_one_group(
        invoices in lines(),
        settlements in lines(),
        passes in passes(),
    ) {
        let run = run(&cells(&invoices), &cells(&settlements), &Setup { passes, ..Setup::default() });
        for (side, entries) in run.entries.into_iter().enumerate() {
            let mut grouped: Vec<u32> = run.groups.iter().flat_map(|(_, group)| group[side].clone()).collect();
            grouped.sort_unstable();
            prop_assert_eq!(grouped, (0..entries).collect::<Vec<_>>());
        }
        let verdicts = run.outcome.matched + run.outcome.within_tolerance() + run.outcome.discrepancies.len() as u64;
        prop_assert_eq!(verdicts, run.groups.len() as u64);
    }

    #[test]
    fn the_order_of_the_rows_means_nothing(
        (invoices, shuffled_invoices) in shuffled(),
        (settlements, shuffled_settlements) in shuffled(),
        passes in passes(),
        limit in 0_i64..3,
        rates in maybe_rates(),
    ) {
        let fold = KeySettings { case: Case::Fold, ..KeySettings::default() };
        let deal = Some((Field::of(Role::Deal).unwrap(), &fold));
        let setup = Setup {
            passes,
            tolerances: vec![tolerance(Role::Amount, Decimal::new(limit, 2)), tolerance(Role::Quantity, Decimal::new(limit, 2))],
            check_arithmetic: true,
            rates,
            keys: KeyRules::load(deal, &Fields::default(), std::path::Path::new("")).unwrap(),
            ..Setup::default()
        };
        let one = run(&cells(&invoices), &cells(&settlements), &setup);
        let other = run(&cells(&shuffled_invoices), &cells(&shuffled_settlements), &setup);
        let facts = |run: &Run| -> Vec<_> {
            let facts = |(d, told): (&Discrepancy, &String)| {
                let parts = d.variance.map(|v| v.parts());
                // It says at which row a rate is missing.
                let told = (d.kind != Kind::Currency).then(|| told.clone());
                (d.id.clone(), d.kind, d.cause.clone(), d.arithmetic.clone(), d.pass, d.tolerance, parts, told)
            };
            run.outcome.discrepancies().zip(&run.told).map(facts).collect()
        };
        prop_assert_eq!(facts(&one), facts(&other));
        let (one, other) = (one.outcome, other.outcome);
        // What was counted as it was found is what is there.
        let mut kinds = BTreeMap::new();
        one.discrepancies().for_each(|d| *kinds.entry(d.kind).or_default() += 1);
        let net: Sum = one.discrepancies().filter_map(total).collect();
        let counted: Sum = one.variances.by_currency().filter_map(|(_, signed)| signed.net.value()).collect();
        prop_assert_eq!((&one.kinds, counted.value()), (&kinds, net.value()));
        prop_assert_eq!(&one.patterns, &other.patterns);
        prop_assert_eq!((one.matched, one.within, one.passes), (other.matched, other.within, other.passes));
    }

    #[test]
    fn a_wider_tolerance_never_makes_a_discrepancy(
        invoices in lines(),
        settlements in lines(),
        passes in passes(),
        role in select(&[Role::Amount, Role::Quantity, Role::Price][..]),
        limbs in [option::of((0_i64..200, 0_i64..200)), option::of((0_i64..50, 0_i64..50)), option::of((0_i64..50, 0_i64..50)), option::of((0_i64..20, 0_i64..20))],
        bounds in [option::of((0_i64..50, 0_i64..50)), option::of((50_i64..300, 0_i64..200))],
        of in select(&[Of::Settled, Of::Invoiced, Of::Larger][..]),
        combine in select(&[Combine::Greater, Combine::Lesser][..]),
        check_arithmetic: bool,
    ) {
        let outcome = |widened: bool| {
            let value = |limb: Option<(i64, i64)>, scale| {
                limb.map(|(narrow, more)| Decimal::new(if widened { narrow + more } else { narrow }, scale))
            };
            let [absolute, percent, per_unit, per_line] = limbs;
            let tolerance = Tolerance {
                absolute: value(absolute, 2),
                percent: value(percent, 0),
                of,
                per_unit: value(per_unit, 2),
                per_line: value(per_line, 2),
                floor: value(bounds[0], 2),
                cap: value(bounds[1], 2),
                combine: Some(combine),
                ..Tolerance::of(role)
            };
            let setup = Setup { passes: passes.clone(), tolerances: vec![tolerance], check_arithmetic, ..Setup::default() };
            run(&cells(&invoices), &cells(&settlements), &setup).outcome
        };
        let (narrow, wide) = (outcome(false), outcome(true));
        let ids = |outcome: &Outcome| found(outcome, |d| d.id.clone()).into_iter().collect::<BTreeSet<_>>();
        prop_assert!(ids(&wide).is_subset(&ids(&narrow)), "{:?} {:?}", ids(&wide), ids(&narrow));
    }

    /// The invoice's arithmetic, percentages and units have a side of their own, and are left out.
    #[test]
    fn swapping_the_sides_negates_every_variance(
        invoices in lines(),
        settlements in lines(),
        passes in passes(),
        limit in 0_i64..3,
        limb in 0..3,
    ) {
        let amount = match limb {
            0 => tolerance(Role::Amount, Decimal::new(limit, 2)),
            1 => Tolerance { percent: Some(limit.into()), of: Of::Larger, ..Tolerance::of(Role::Amount) },
            _ => Tolerance { per_line: Some(Decimal::new(limit, 2)), ..Tolerance::of(Role::Amount) },
        };
        let setup = Setup { passes, tolerances: vec![amount], check_arithmetic: false, ..Setup::default() };
        let one = run(&cells(&invoices), &cells(&settlements), &setup).outcome;
        let setup = Setup { passes: turned(&setup.passes), ..setup };
        let other = run(&cells(&settlements), &cells(&invoices), &setup).outcome;
        let swapped = |d: &Discrepancy| {
            let kind = match d.kind {
                Kind::Unsettled => Kind::Unbilled,
                Kind::Unbilled => Kind::Unsettled,
                kind => kind,
            };
            (kind, total(d).map(|total| -total))
        };
        prop_assert_eq!(found(&one, |d| (d.kind, total(d))), found(&other, swapped));
        prop_assert_eq!((one.matched, one.within_tolerance()), (other.matched, other.within_tolerance()));
    }

    #[test]
    fn parts_that_add_up_tie_by_totals(
        parts in vec((-500_i64..500, 0_i64..500), 1..12),
        on_invoice: bool,
    ) {
        let part = |&(amount, quantity): &(i64, i64)| Line {
            days: ("2026-10-07", "2026-10-07"),
            quantity: Some(quantity),
            price: Some(100),
            ..Line::plain("G-1", amount)
        };
        let split: Vec<Line> = parts.iter().map(part).collect();
        let whole = Line {
            days: ("2026-10-01", "2026-10-31"),
            ..part(&parts.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1)))
        };
        let (invoices, settlements) = if on_invoice { (split, vec![whole]) } else { (vec![whole], split) };
        let passes = vec![pass(&[field(Role::Deal), KeyPart::Calendar(Calendar::Month)], Compare::Totals)];
        let outcome = run(&cells(&invoices), &cells(&settlements), &Setup { passes, ..Setup::default() }).outcome;
        prop_assert_eq!((outcome.matched, outcome.discrepancies.len()), (1, 0));
    }

    #[test]
    fn the_parts_of_a_variance_sum_to_it_exactly(
        invoices in wild_rows(),
        settlements in wild_rows(),
        passes in passes(),
        rates in maybe_rates(),
    ) {
        let run = run(&invoices, &settlements, &Setup { passes, rates, ..Setup::default() });
        for variance in run.outcome.discrepancies.iter().filter_map(|d| d.variance) {
            let parts: Sum = variance.parts().into_iter().map(|(_, part)| part).collect();
            prop_assert_eq!(parts.value(), Some(variance.total), "{:?}", variance);
        }
    }

    /// A thousand times the delivery is a thousand times the variance. (What counts as rounding does not grow, so that the
    /// kinds of what both sides have may change.)
    #[test]
    fn a_power_of_ten_times_everything_is_as_many_times_the_variance(
        invoices in lines(),
        settlements in lines(),
        passes in passes(),
        power in select(&[10_i64, 100, 1000][..]),
        rates in maybe_rates(),
    ) {
        let setup = Setup { passes, rates, ..Setup::default() };
        let grown = |lines: &[Line]| -> Vec<Cells> {
            let grow = |line: &Line| Line { quantity: line.quantity.map(|q| q * power), amount: line.amount * power, ..line.clone() };
            lines.iter().map(|line| grow(line).cells()).collect()
        };
        let one = run(&cells(&invoices), &cells(&settlements), &setup).outcome;
        let grow = |pass: &Pass| Pass { sum_within: pass.sum_within * Decimal::from(power), ..pass.clone() };
        let setup = Setup { passes: setup.passes.iter().map(grow).collect(), ..setup };
        let ten = run(&grown(&invoices), &grown(&settlements), &setup).outcome;
        let times = |factor: i64| move |d: &Discrepancy| {
            ([d.invoices.len(), d.settlements.len()], total(d).map(|total| money::multiply(total, factor.into()).unwrap()))
        };
        prop_assert_eq!(found(&one, times(power)), found(&ten, times(1)));
        prop_assert_eq!(one.matched, ten.matched);
    }

    /// A total that is the sum of its lines agrees with them wherever it stands, one that is a cent off does not, and neither is a line.
    #[test]
    fn totals_are_held_against_their_lines(
        lines in vec(line(), 1..12),
        off in select(&[0_i64, 1, -1][..]),
        seed: u64,
    ) {
        let usd = |line: &Line| Line { currency: "USD", version: "", ..line.clone() };
        let lines: Vec<Line> = lines.iter().map(usd).filter(|line| !line.deal.is_empty()).collect();
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        lines.iter().for_each(|line| *sums.entry(line.deal).or_default() += line.amount);
        let total = |(&deal, &amount): (&&'static str, &i64)| Line { version: "TOTAL", ..Line::plain(deal, amount) };
        let mut rows: Vec<Line> = sums.iter().map(total).collect();
        let count = rows.len() as u64;
        if let Some(first) = rows.first_mut() {
            first.amount += off;
        }
        let wrong = u64::from(off != 0 && count > 0);
        rows.extend(lines.clone());
        let at = usize::try_from(seed % 97).unwrap() % rows.len().max(1);
        rows.rotate_left(at);
        let version = Field::of(Role::Version).unwrap();
        let rule = TotalRule {
            when: vec![(version, vec!["TOTAL".to_owned()])],
            of: vec![Share::Text(Field::of(Role::Deal).unwrap())],
            absolute: money::ZERO,
        };
        let rules = TotalRules { rules: vec![rule], keys: KeyRules::default() };
        let reading = Reading { totals: Some(rules), ..reading() };
        let fields = Fields::default();
        let rows = cells(&rows);
        let mut normaliser = Normaliser::new(Side::Invoice, &reading, &fields, &Zone::utc(), None).unwrap();
        normaliser.take(&mut memory(Side::Invoice, &rows)).unwrap();
        let ledger = normaliser.finish();
        let totals = &ledger.counts.totals;
        prop_assert_eq!((totals.agree, totals.wrong.len() as u64), (count - wrong, wrong));
        prop_assert_eq!(u64::from(ledger.len()), lines.len() as u64);
        prop_assert!(ledger.wrong_totals().all(|(row, total)| ledger.amount(row) == Some(total.amount)));
    }

    /// To convert here is what it is to convert beforehand, by whoever writes the records.
    #[test]
    fn what_is_converted_here_could_have_been_converted_before(
        invoices in vec((-3_i64..3, option::of(1_i64..3), option::of(1_i64..3)), DEALS.len()),
        settlements in vec((-3_i64..3, option::of(1_i64..3), option::of(1_i64..3)), DEALS.len()),
        totals: bool,
    ) {
        let side = |lines: &[(i64, Option<i64>, Option<i64>)], currency| -> Vec<Line> {
            let line = |(&(amount, quantity, price), deal): (&(i64, Option<i64>, Option<i64>), _)| {
                Line { quantity, price, currency, ..Line::plain(deal, amount) }
            };
            lines.iter().zip(DEALS).map(line).collect()
        };
        let compare = if totals { Compare::Totals } else { Compare::Lines };
        let passes = vec![pass(&[field(Role::Deal)], compare)];
        // A euro is five dollars here, so that hundredths stay hundredths.
        let rates = table("2026-10-01,EUR,USD,5\n", MissingRate::Discrepancy);
        let here = Setup { passes: passes.clone(), rates: Some(rates), ..Setup::default() };
        let before = Setup { passes, ..Setup::default() };
        let converted: Vec<Line> = side(&settlements, "USD")
            .into_iter()
            .map(|line| Line { amount: line.amount * 5, price: line.price.map(|price| price * 5), ..line })
            .collect();
        let invoices = cells(&side(&invoices, "USD"));
        let one = run(&invoices, &cells(&side(&settlements, "EUR")), &here).outcome;
        let other = run(&invoices, &cells(&converted), &before).outcome;
        let facts = |d: &Discrepancy| (d.kind, d.variance.map(|v| v.parts()), total(d));
        prop_assert_eq!(found(&one, facts), found(&other, facts));
        prop_assert_eq!((one.matched, one.converted), (other.matched, DEALS.len() as u64));
    }

    /// Looking for causes changes no verdict, and each that is named has its arithmetic.
    #[test]
    fn causes_change_nothing_but_the_cause(
        invoices in lines(),
        settlements in lines(),
        passes in passes(),
    ) {
        let outcome = |tax_rates: &[i64]| {
            let tax_rates = tax_rates.iter().map(|&rate| rate.into()).collect();
            let setup = Setup { passes: passes.clone(), tax_rates, ..Setup::default() };
            run(&cells(&invoices), &cells(&settlements), &setup).outcome
        };
        let (without, with) = (outcome(&[]), outcome(&[1, 100, 200]));
        let verdict = |d: &Discrepancy| (d.id.clone(), d.kind, total(d), d.pass, d.tolerance);
        prop_assert_eq!(found(&without, verdict), found(&with, verdict));
        prop_assert_eq!((without.matched, without.within), (with.matched, with.within));
        for discrepancy in &with.discrepancies {
            prop_assert_eq!(discrepancy.cause.is_some(), discrepancy.arithmetic.is_some());
        }
    }

    /// Patterns can say anything; the law is theirs as long as none of them matches what they make.
    #[test]
    fn a_key_made_comparable_twice_is_made_comparable_once(
        text in "[0 aZ\\-]{0,6}|[\u{a0}0 ßİΣς\t]{0,6}|.{0,8}|(TX-|tx-|)[01 ]{0,3}(/[a-]?)?",
        patterns: bool,
        trim: bool,
        fold: bool,
        strip: bool,
        with_aliases: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("aliases.csv"), "alias,name\nA,Zone 1\n0 b,007\nz-z,z\n").unwrap();
        let replace = |pattern: &str, with: &str| Replacement { pattern: pattern.into(), with: with.into() };
        let replacements = vec![replace("^TX-0*([0-9]+)/.*$", "$1"), replace("-", "")];
        let settings = KeySettings {
            trim,
            replace: if patterns { replacements } else { Vec::new() },
            case: if fold { Case::Fold } else { Case::Keep },
            leading_zeros: if strip { LeadingZeros::Strip } else { LeadingZeros::Keep },
            aliases: with_aliases.then(|| "aliases.csv".into()),
        };
        let location = Field::of(Role::Location).unwrap();
        let rules = KeyRules::load([(location, &settings)], &Fields::default(), folder.path()).unwrap();
        let once = rules.key(location, &text);
        prop_assert_eq!(rules.key(location, &once), once);
    }

    /// Where keys are unique, a run is what a person would do with two lists and a ruler.
    #[test]
    fn unique_keys_are_judged_as_a_person_would(
        billed in amounts(),
        settled in amounts(),
        limit in 0_i64..4,
    ) {
        let side = |amounts: &Amounts| -> Vec<Cells> {
            let line = |(&amount, deal): (&Option<i64>, _)| Some(Line::plain(deal, amount?).cells());
            amounts.iter().zip(DEALS).filter_map(line).collect()
        };
        let setup = Setup {
            passes: vec![pass(&[field(Role::Deal)], Compare::Lines)],
            tolerances: vec![tolerance(Role::Amount, Decimal::new(limit, 2))],
            check_arithmetic: true,
            ..Setup::default()
        };
        let outcome = run(&side(&billed), &side(&settled), &setup).outcome;

        let (mut matched, mut within) = (0, 0);
        let mut expected = Vec::new();
        for (billed, settled) in billed.into_iter().zip(settled) {
            let kind = match (billed, settled) {
                (None, None) => continue,
                (Some(_), None) => Kind::Unsettled,
                (None, Some(_)) => Kind::Unbilled,
                (Some(billed), Some(settled)) if billed == settled => { matched += 1; continue }
                (Some(billed), Some(settled)) if (billed - settled).abs() <= limit => { within += 1; continue }
                (Some(billed), Some(settled)) if (billed + settled).abs() <= limit => Kind::Sign,
                (Some(_), Some(_)) => Kind::Amount,
            };
            expected.push((kind, Some(Decimal::new(billed.unwrap_or(0) - settled.unwrap_or(0), 2))));
        }
        expected.sort();
        prop_assert_eq!(found(&outcome, |d| (d.kind, total(d))), expected);
        prop_assert_eq!((outcome.matched, outcome.within_tolerance()), (matched, within));
    }
}
