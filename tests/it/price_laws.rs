//! The law of prices that were taken from elsewhere: a search that tries every record finds the same, whether a record ties or not, and
//! whether it came to a ledger or not.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;
use tieout::judge::{COMMON_PRICE, Discrepancy, Kind};
use tieout::matching::{Compare, KeyPart};
use tieout::normalise::Role;

use super::laws::{Line, Setup, cells, field, found, pass, run, run_sifted};

const TIMES: [&str; 7] = [
    "2026-10-01",
    "2026-10-01T05:00",
    "2026-10-01T06:00",
    "2026-10-02",
    "2026-10-02T05:00",
    "2026-10-03",
    "2026-10-09T05:00",
];

/// None of them is another one times ten, or with its digits swapped.
const PRICES: [i64; 4] = [317, 429, 568, 731];

/// Deal, location, and the number of the time.
type Key = (&'static str, &'static str, usize);

fn line((deal, location, time): Key, price: i64) -> Line {
    // A quantity of one: the amount is the price.
    let (quantity, price) = (Some(100), Some(price));
    Line { location, days: (TIMES[time], ""), quantity, price, ..Line::plain(deal, price.unwrap()) }
}

/// What is settled, and what is billed for it.
type Prices = BTreeMap<Key, (i64, i64)>;

fn prices() -> impl Strategy<Value = Prices> {
    let key = (select(&["D-1", "D-2"][..]), select(&["N", "S", "W", ""][..]), 0..TIMES.len());
    let price = || select(&PRICES[..]);
    let pair = (price(), prop_oneof![4 => Just(None), 1 => price().prop_map(Some)])
        .prop_map(|(settled, billed)| (settled, billed.unwrap_or(settled)));
    btree_map(key, pair, 0..30)
}

fn setup() -> Setup {
    let key = [field(Role::Deal), field(Role::Location), KeyPart::Start];
    Setup { passes: vec![pass(&key, Compare::Lines)], ..Setup::default() }
}

/// The day of a time, and the time of day.
fn apart(time: usize) -> (&'static str, &'static str) {
    (&TIMES[time][..10], &TIMES[time][10..])
}

/// Where else the price that was billed is settled, by a look at every record.
fn elsewhere(all: &Prices, key: Key) -> Option<String> {
    let ((deal, location, time), price) = (key, all[&key].1);
    let with_price = || all.iter().filter(|(_, (settled, _))| *settled == price).map(|(key, _)| *key);
    let of_key = || with_price().filter(|other| (other.0, other.1) == (deal, location));
    let (day, clock) = apart(time);
    let sole = |places: BTreeSet<&'static str>| {
        let mut places = places.into_iter();
        places.next().filter(|_| places.next().is_none())
    };
    let days = of_key().map(|other| apart(other.2)).filter(|other| other.1 == clock).map(|other| other.0);
    let clocks = of_key().map(|other| apart(other.2)).filter(|other| other.0 == day).map(|other| other.1);
    let places = with_price().filter(|other| (other.0, other.2) == (deal, time)).map(|other| other.1);
    // Nowhere is no place.
    let places = places.filter(|place| !place.is_empty() && !location.is_empty());
    let has_times =
        all.iter().any(|(key, (settled, billed))| settled != billed && !apart(key.2).1.is_empty());
    let shown = money(price);
    let at = |day: &str, clock: &str| {
        if clock.is_empty() { format!("{day}T00:00:00+00:00") } else { format!("{day}{clock}:00+00:00") }
    };
    sole(days.collect())
        .map(|other| match clock {
            "" if !has_times => format!("price of another day: {shown} is settled on {other}"),
            clock => format!("price of another day: {shown} is settled for {}", at(other, clock)),
        })
        .or_else(|| {
            let other = sole(clocks.collect())?;
            Some(format!("price of another interval: {shown} is settled for {}", at(day, other)))
        })
        .or_else(|| {
            let other = sole(places.collect())?;
            Some(format!("price of another location: {shown} is settled at {other}"))
        })
}

fn money(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn told(discrepancy: &Discrepancy) -> (String, Option<String>) {
    let (cause, arithmetic) = (&discrepancy.cause, &discrepancy.arithmetic);
    let told =
        cause.as_ref().zip(arithmetic.as_ref()).map(|(cause, arithmetic)| format!("{cause}: {arithmetic}"));
    (discrepancy.id.clone(), told)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn a_price_of_elsewhere_is_found_wherever_it_is_settled(
        (all, order) in prices().prop_flat_map(|all| {
            let order: Vec<Key> = all.keys().copied().collect();
            (Just(all), Just(order).prop_shuffle())
        }),
        memory_limit in select(&[1_usize, 200, 1 << 20][..]),
        shared in 0_usize..20,
    ) {
        let side = |of: fn(&(i64, i64)) -> i64, order: &[Key]| {
            cells(&order.iter().map(|key| line(*key, of(&all[key]))).collect::<Vec<_>>())
        };
        let sorted: Vec<Key> = all.keys().copied().collect();
        let (invoices, settlements) = (side(|pair| pair.1, &sorted), side(|pair| pair.0, &order));
        let whole = run(&invoices, &settlements, &setup());
        let sifted = run_sifted(&invoices, &settlements, &setup(), memory_limit, shared);
        prop_assert_eq!(found(&sifted, told), found(&whole.outcome, told));
        for discrepancy in whole.outcome.discrepancies() {
            prop_assert_eq!(discrepancy.kind, Kind::Price);
            // A delivery that was billed for the interval beside it says more.
            let told = told(discrepancy).1.filter(|told| !told.starts_with("one "));
            if discrepancy.cause.as_ref().is_none_or(|cause| !cause.starts_with("one ")) {
                let key = sorted[discrepancy.invoices[0] as usize];
                prop_assert_eq!(told, elsewhere(&all, key), "{:?}", key);
            }
        }
    }
}

/// A price that very many records of the key have says nothing of where it was taken from, whether these came to a ledger or not.
#[test]
fn a_common_price_of_a_key_is_no_price_of_elsewhere() {
    let start =
        |minute: u32| -> &'static str { format!("2026-10-01T{:02}:{:02}", minute / 60, minute % 60).leak() };
    let most = COMMON_PRICE;
    // How many of them tie: a record that does not is in the ledger already, and is not counted twice.
    let cases =
        [(most, most), (most, most / 3), (most, 0), (most + 1, most), (most + 1, 1), (3 * most, 3 * most)];
    for (records, tying) in cases {
        let at = |minute| Line { days: (start(minute), ""), ..line(("D-1", "N", 0), 317) };
        let settled: Vec<Line> = (0..records)
            .map(|minute| if minute < tying { at(minute) } else { Line { amount: 318, ..at(minute) } })
            .chain([Line { days: ("2026-10-02", ""), ..line(("D-1", "N", 0), 429) }])
            .collect();
        let billed: Vec<Line> =
            settled.iter().map(|line| Line { price: Some(317), amount: 317, ..line.clone() }).collect();
        let has_times = tying < records;
        let place = if has_times { "for 2026-10-01T00:00:00+00:00" } else { "on 2026-10-01" };
        let named = format!("price of another day: 3.17 is settled {place}");
        expect_of_prices(
            &billed,
            &settled,
            (records <= most).then_some(named),
            &format!("{records} {tying}"),
        );
    }
}

/// The same of a price that very many records have at one time.
#[test]
fn a_common_price_of_a_time_is_no_price_of_elsewhere() {
    let location = |number: u32| -> &'static str { format!("N-{number}").leak() };
    for others in [1, COMMON_PRICE, COMMON_PRICE + 1, 3 * COMMON_PRICE] {
        // All but the first are of another charge, as it were: of another day.
        let settled: Vec<Line> = (0..others)
            .map(|number| line(("D-1", location(number), 0), 317))
            .chain([line(("D-1", "S", 0), 429)])
            .collect();
        let billed: Vec<Line> =
            settled.iter().map(|line| Line { price: Some(317), amount: 317, ..line.clone() }).collect();
        let named = (others == 1).then(|| "price of another location: 3.17 is settled at N-0".to_owned());
        expect_of_prices(&billed, &settled, named, &others.to_string());
    }
}

/// What is said of the one line whose price is not what was settled, with the sieve and without.
fn expect_of_prices(billed: &[Line], settled: &[Line], expected: Option<String>, why: &str) {
    let (invoices, settlements) = (cells(billed), cells(settled));
    for outcome in [
        run(&invoices, &settlements, &setup()).outcome,
        run_sifted(&invoices, &settlements, &setup(), 1 << 20, 7),
    ] {
        let of_price = outcome.discrepancies().filter(|discrepancy| discrepancy.kind == Kind::Price);
        let causes: Vec<Option<String>> = of_price.map(|discrepancy| told(discrepancy).1).collect();
        assert_eq!(causes, vec![expected.clone()], "{why}");
    }
}
