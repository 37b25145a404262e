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
            if discrepancy.cause.as_ref().is_none_or(|cause| !cause.starts_with("one ")) {
                let key = sorted[discrepancy.invoices[0] as usize];
                prop_assert_eq!(told(discrepancy).1, elsewhere(&all, key), "{:?}", key);
            }
        }
    }
}

/// Many records at one price say nothing of where it was taken from, whether they came to a ledger, were found by the sieve, or are so many
/// that it does not even look.
#[test]
fn what_many_records_have_is_no_price_of_elsewhere() {
    let most = usize::try_from(COMMON_PRICE).unwrap();
    for records in [1, 2, most, most + 1, 3 * most] {
        for tying in [records, records / 3, 0] {
            let on_other_days = |n: usize| format!("2026-{:02}-{:02}", 1 + n / 28, 1 + n % 28);
            let at_other_times = |n: usize| format!("2026-10-02T05:{n:02}");
            let days = ("day", ("N", "2026-10-02", "on 2026-01-01"));
            let times = ("interval", ("N", "2026-10-02T09:00", "for 2026-10-02T05:00:00+00:00"));
            let places = ("location", ("S", "2026-10-02", "at N-0"));
            for (what, (location, start, place)) in [days, times, places] {
                let other = |n: usize| -> Line {
                    let (location, start) = match what {
                        "day" => (location.to_owned(), on_other_days(n)),
                        "interval" => (location.to_owned(), at_other_times(n)),
                        _ => (format!("N-{n}"), start.to_owned()),
                    };
                    let amount = if n < tying { 317 } else { 318 };
                    let (location, days): (&str, (&str, &str)) = (location.leak(), (start.leak(), ""));
                    Line { amount, location, days, ..line(("D-1", "", 0), 317) }
                };
                let own = Line { location, days: (start, ""), ..line(("D-1", "", 0), 429) };
                let settled: Vec<Line> = (0..records).map(other).chain([own]).collect();
                let billed: Vec<Line> = settled
                    .iter()
                    .map(|line| Line { price: Some(317), amount: 317, ..line.clone() })
                    .collect();
                let (invoices, settlements) = (cells(&billed), cells(&settled));
                let expected =
                    (records == 1).then(|| format!("price of another {what}: 3.17 is settled {place}"));
                for outcome in [
                    run(&invoices, &settlements, &setup()).outcome,
                    run_sifted(&invoices, &settlements, &setup(), 1 << 20, 7),
                ] {
                    let of_price = outcome.discrepancies().filter(|found| found.kind == Kind::Price);
                    let causes: Vec<Option<String>> = of_price.map(|found| told(found).1).collect();
                    assert_eq!(causes, vec![expected.clone()], "{what}: {records}, of which {tying} tie");
                }
            }
        }
    }
}
