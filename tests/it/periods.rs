//! Delivery intervals: every hour of a year reads back as itself in whatever way it is written, and a wide row is what its
//! hours are one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::support::Setup;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};
use proptest::prelude::*;
use tieout::fault::Result;
use tieout::intake::{Mark, Origin, Row, Rows};
use tieout::normalise::{Fields, Headers, Ledger, Normaliser, Reading, Side};
use tieout::period::{
    Calendar, Dates, Instant, Interval, Intervals, Length, Part, Repeated, Skipped, Texts, TimeOfDay,
    Trouble, Turn, Zone,
};

/// An hour as files write it: the parts that they state.
type Written = Vec<(Part, String)>;

/// One way to write an hour.
struct Way {
    name: &'static str,
    /// The zone of the side, where it is not the market's.
    zone: Option<&'static str>,
    intervals: Intervals,
    write: fn(&Hour) -> Written,
}

/// An hour of a market's day.
struct Hour {
    start: Zoned,
    /// From 1.
    number: usize,
    /// Whether its local time comes twice, and which one it is.
    turn: Option<Turn>,
}

impl Hour {
    fn date(&self) -> String {
        self.start.date().to_string()
    }

    fn clock(&self) -> String {
        self.start.strftime("%Y-%m-%d %H:%M").to_string()
    }

    fn is_second(&self) -> bool {
        self.turn == Some(Turn::Second)
    }

    fn ending(&self, first: &str, second: &str) -> String {
        let mark = match self.turn {
            None => "",
            Some(Turn::First) => first,
            Some(Turn::Second) => second,
        };
        format!("{:02}{mark}", self.start.hour() + 1)
    }
}

const HOURS: Intervals = Intervals {
    length: Some(Length::Minutes(60)),
    gas_day: None,
    end_date: None,
    repeated: Repeated::Reject,
    skipped: Skipped::Reject,
};
const MARKED: Intervals = Intervals { repeated: Repeated::First, ..HOURS };

fn yes(yes: bool) -> String {
    if yes { "Y" } else { "N" }.to_owned()
}

const WAYS: [Way; 14] = [
    Way {
        name: "start and end with their offsets",
        zone: None,
        intervals: Intervals { length: None, ..HOURS },
        write: |hour| {
            let text = |at: &Zoned| at.strftime("%Y-%m-%dT%H:%M%:z").to_string();
            vec![(Part::Start, text(&hour.start)), (Part::End, text(&(&hour.start + 1.hour())))]
        },
    },
    Way {
        name: "UTC beside the local time",
        zone: Some("UTC"),
        intervals: HOURS,
        write: |hour| {
            vec![(
                Part::Start,
                hour.start.with_time_zone(TimeZone::UTC).strftime("%m/%d/%Y %H:%M").to_string(),
            )]
        },
    },
    Way {
        name: "2A and 2B",
        zone: None,
        intervals: HOURS,
        write: |hour| vec![(Part::Start, hour.date()), (Part::HourEnding, hour.ending("A", "B"))],
    },
    Way {
        name: "2 and 2*",
        zone: None,
        intervals: MARKED,
        write: |hour| vec![(Part::Start, hour.date()), (Part::HourEnding, hour.ending("", "*"))],
    },
    Way {
        name: "02 and 02X, called by the start",
        zone: None,
        intervals: MARKED,
        write: |hour| {
            let mark = if hour.is_second() { "X" } else { "" };
            vec![(Part::Start, hour.date()), (Part::HourBeginning, format!("{}{mark}", hour.start.hour()))]
        },
    },
    Way {
        name: "AD and AS",
        zone: None,
        intervals: HOURS,
        write: |hour| vec![(Part::Start, hour.date()), (Part::HourEnding, hour.ending("AD", "AS"))],
    },
    Way {
        name: "hour 25",
        zone: None,
        intervals: Intervals { repeated: Repeated::Hour25, ..HOURS },
        write: |hour| {
            let hour_ending = if hour.is_second() { "25".to_owned() } else { hour.ending("", "") };
            vec![(Part::Start, hour.date()), (Part::HourEnding, hour_ending)]
        },
    },
    Way {
        name: "hours counted from midnight",
        zone: None,
        intervals: HOURS,
        write: |hour| vec![(Part::Start, hour.date()), (Part::IntervalNumber, hour.number.to_string())],
    },
    Way {
        name: "a column for the repeated hour",
        zone: None,
        intervals: HOURS,
        write: |hour| vec![(Part::Start, hour.clock()), (Part::Repeated, yes(hour.is_second()))],
    },
    Way {
        name: "a column with the offset",
        zone: None,
        intervals: HOURS,
        write: |hour| {
            vec![(Part::Start, hour.clock()), (Part::UtcOffset, hour.start.strftime("%:z").to_string())]
        },
    },
    Way {
        name: "a column for daylight time",
        zone: None,
        intervals: HOURS,
        write: |hour| {
            let year = hour.start.year();
            let offset = |date: Date| date.to_zoned(hour.start.time_zone().clone()).unwrap().offset();
            let standard = offset(date(year, 1, 1)).min(offset(date(year, 7, 1)));
            vec![(Part::Start, hour.clock()), (Part::Daylight, yes(hour.start.offset() > standard))]
        },
    },
    Way {
        name: "a mark behind the local time",
        zone: None,
        intervals: MARKED,
        write: |hour| {
            vec![(Part::Start, format!("{}{}", hour.clock(), if hour.is_second() { "*" } else { "" }))]
        },
    },
    Way {
        name: "the order of the rows",
        zone: None,
        intervals: Intervals { repeated: Repeated::Order, ..HOURS },
        write: |hour| vec![(Part::Start, hour.clock())],
    },
    Way {
        name: "where the hour ends, with its offset",
        zone: None,
        intervals: HOURS,
        write: |hour| vec![(Part::End, (&hour.start + 1.hour()).strftime("%Y-%m-%dT%H:%M%:z").to_string())],
    },
];

/// Zones that change by whole hours: at night, at midnight (Havana), in the other half of the year, never.
const ZONES: [&str; 7] = [
    "America/Chicago",
    "Europe/Berlin",
    "Europe/Dublin",
    "America/Havana",
    "Australia/Sydney",
    "Asia/Kolkata",
    "America/Phoenix",
];

fn read(dates: &Dates, written: &Written, turn: Option<Turn>) -> std::result::Result<Interval, Trouble> {
    let texts = Texts::of(|part| written.iter().find(|(of, _)| *of == part).map(|(_, text)| text.as_str()));
    dates.interval(&texts, turn).map_err(|misread| misread.trouble)
}

/// The days of a year in which Havana still had its clock changes.
fn days() -> impl Iterator<Item = Date> {
    date(2025, 1, 1).series(1.day()).take_while(|day| day.year() == 2025)
}

/// Whether to try a day of this zone: all of one, of the others those about a clock change.
fn is_tried(name: &str, zone: &TimeZone, day: Date) -> bool {
    let length = |day: Date| hours(zone, day).len();
    let near = [day.yesterday().unwrap(), day, day.tomorrow().unwrap()];
    name == "America/Chicago" || day.day() == 1 || near.into_iter().any(|day| length(day) != 24)
}

/// The hours of a local day.
fn hours(zone: &TimeZone, date: Date) -> Vec<Hour> {
    let midnight = |date: Date| date.to_zoned(zone.clone()).unwrap();
    let end = midnight(date.tomorrow().unwrap());
    let starts =
        std::iter::successors(Some(midnight(date)), |at| Some(at + 1.hour())).take_while(|at| *at < end);
    starts
        .zip(1..)
        .map(|(start, number)| {
            let local = start.datetime();
            let ambiguous = zone.to_ambiguous_timestamp(local);
            let turn = ambiguous.is_ambiguous().then(|| {
                let is_first = ambiguous.compatible().unwrap() == start.timestamp();
                if is_first { Turn::First } else { Turn::Second }
            });
            Hour { start, number, turn }
        })
        .collect()
}

fn dates(way: &Way, zone: &str) -> Dates {
    let formats = ["month first".to_owned()];
    Dates::new(Zone::named(way.zone.unwrap_or(zone)).unwrap(), &formats).unwrap().with(way.intervals)
}

#[test]
fn every_hour_of_a_year_reads_back_in_each_way() {
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
        let ways = WAYS.map(|way| (dates(&way, name), way));
        for day in days() {
            let hours = hours(&zone, day);
            *lengths.entry(hours.len()).or_default() += 1;
            if !is_tried(name, &zone, day) {
                continue;
            }
            for hour in &hours {
                for (dates, way) in &ways {
                    let turn = hour.turn.filter(|_| way.intervals.repeated == Repeated::Order);
                    let written = (way.write)(hour);
                    let interval = read(dates, &written, turn).unwrap_or_else(|trouble| {
                        panic!("{name}, {}: {written:?}: {}", way.name, trouble.phrase())
                    });
                    let start = hour.start.timestamp().as_second();
                    let edges = [interval.start, interval.end].map(|edge| edge.unwrap().0 - start);
                    assert_eq!(edges, [0, 3600], "{name}, {}: {written:?}", way.name);
                }
            }
            // No day has one hour more than it has.
            let beyond =
                vec![(Part::Start, day.to_string()), (Part::IntervalNumber, (hours.len() + 1).to_string())];
            assert!(matches!(read(&ways[7].0, &beyond, None), Err(Trouble::Beyond(_))), "{day}");
        }
        let changes = [(23, 1), (24, 363), (25, 1)];
        let expected =
            if matches!(name, "Asia/Kolkata" | "America/Phoenix") { &[(24, 365)][..] } else { &changes };
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

/// Where nothing says which hour it is, the repeated one is refused, and the skipped one always.
#[test]
fn what_nothing_tells_is_refused() {
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        let plain = dates(&Way { name: "", zone: None, intervals: HOURS, write: |_| Vec::new() }, name);
        for day in days().filter(|&day| is_tried(name, &zone, day)) {
            let hours = hours(&zone, day);
            for hour in &hours {
                let stated = [
                    vec![(Part::Start, hour.clock())],
                    vec![(Part::Start, hour.date()), (Part::HourEnding, hour.ending("", ""))],
                ];
                for written in stated {
                    match read(&plain, &written, None) {
                        Ok(interval) => {
                            assert_eq!(hour.turn, None, "{written:?}");
                            assert_eq!(interval.start, Some(Instant(hour.start.timestamp().as_second())));
                        }
                        Err(trouble) => assert_eq!((trouble, hour.turn.is_some()), (Trouble::Repeated, true)),
                    }
                }
            }
            let there: Vec<i8> = hours.iter().map(|hour| hour.start.hour()).collect();
            for missing in (0..24).filter(|hour| !there.contains(hour)) {
                let written =
                    vec![(Part::Start, day.to_string()), (Part::HourBeginning, missing.to_string())];
                assert_eq!(read(&plain, &written, None), Err(Trouble::Skipped), "{name} {day} {missing}");
            }
        }
    }
}

/// A local start and end, as clocks show them or as hours are called: an hour lasts an hour, over each change.
#[test]
fn the_end_of_an_hour_follows_its_start() {
    for name in ZONES {
        let zone = TimeZone::get(name).unwrap();
        for repeated in [Repeated::Reject, Repeated::Order, Repeated::First, Repeated::Second] {
            let intervals = Intervals { length: None, repeated, ..HOURS };
            let dates = Dates::new(Zone::named(name).unwrap(), &[]).unwrap().with(intervals);
            for day in days().filter(|&day| is_tried(name, &zone, day)) {
                for hour in hours(&zone, day) {
                    let called = (hour.start.datetime() + 1.hour()).strftime("%Y-%m-%d %H:%M").to_string();
                    let shown = (&hour.start + 1.hour()).strftime("%Y-%m-%d %H:%M").to_string();
                    for end in [called, shown] {
                        let written = vec![(Part::Start, hour.clock()), (Part::End, end)];
                        let turn = hour.turn.filter(|_| repeated == Repeated::Order);
                        let expected = match (hour.turn, repeated) {
                            (Some(_), Repeated::Reject) => continue,
                            (Some(Turn::First), Repeated::Second) | (Some(Turn::Second), Repeated::First) => {
                                continue;
                            }
                            _ => hour.start.timestamp().as_second(),
                        };
                        let interval = read(&dates, &written, turn)
                            .unwrap_or_else(|trouble| panic!("{name} {written:?}: {}", trouble.phrase()));
                        let edges = [interval.start, interval.end].map(|edge| edge.unwrap().0 - expected);
                        // What the clock shows at both ends of the first of two hours is what it shows at the second's
                        // start and end: nothing less than a mark would tell.
                        assert_eq!(edges, [0, 3600], "{name} {repeated:?} {written:?}");
                    }
                }
            }
        }
    }
}

/// Rows in memory.
struct Memory {
    origin: Origin,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    next: usize,
}

impl Rows for Memory {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn read(&mut self, row: &mut Row) -> Result<bool> {
        row.clear();
        let Some(cells) = self.rows.get(self.next) else { return Ok(false) };
        self.next += 1;
        row.number = self.next as u64;
        cells.iter().for_each(|cell| row.push(cell, Mark::Text));
        Ok(true)
    }
}

fn ledger(columns: &[&str], rows: Vec<Vec<String>>, reading: &Reading) -> Ledger {
    let fields = Fields::default();
    let zone = Zone::named("America/Chicago").unwrap();
    let mut normaliser = Normaliser::new(Side::Invoice, reading, &fields, &zone, None).unwrap();
    let columns = columns.iter().map(|&column| column.to_owned()).collect();
    let origin = Origin { name: Arc::from("memory"), part: None };
    normaliser.take(&mut Memory { origin, columns, rows, next: 0 }).unwrap();
    normaliser.finish()
}

fn reading(columns: &[(&str, &str)], intervals: Intervals) -> Reading {
    let columns = columns.iter().map(|&(role, header)| (role.to_owned(), Headers::One(header.to_owned())));
    Reading { columns: columns.collect(), intervals, ..Reading::default() }
}

proptest! {
    /// A wide row is what its hours are one by one: the same lines, the same sums, the same rejects.
    #[test]
    fn a_wide_row_is_its_hours(
        day in prop::sample::select(&["2026-03-08", "2026-10-15", "2026-11-01"][..]),
        cells in prop::collection::vec(prop_oneof![4 => (-50..5000_i64).prop_map(|n| format!("{n}.00")), 1 => Just(String::new()), 1 => Just("n/a".to_owned())], 25),
    ) {
        // A nought says nothing for an hour that is not there; here it stays out.
        let cells: Vec<String> = cells.into_iter().map(|cell| if cell == "0.00" { "1.00".to_owned() } else { cell }).collect();
        let headers: Vec<String> = (1..=25).map(|hour| format!("HE{hour:02}")).collect();
        let columns: Vec<&str> = std::iter::once("Day").chain(headers.iter().map(String::as_str)).collect();
        let row = std::iter::once(day.to_owned()).chain(cells.iter().cloned()).collect();
        let wide = ledger(&columns, vec![row], &reading(&[("start", "Day"), ("amount", "HE{interval_number}")], HOURS));

        let long: Vec<Vec<String>> = cells
            .iter()
            .zip(1..)
            .filter(|(cell, _)| !cell.is_empty())
            .map(|(cell, hour)| vec![day.to_owned(), hour.to_string(), cell.clone()])
            .collect();
        if long.is_empty() {
            return Ok(());
        }
        let columns = [("start", "Day"), ("interval_number", "Hour"), ("amount", "Amount")];
        let long = ledger(&["Day", "Hour", "Amount"], long, &reading(&columns, HOURS));

        prop_assert_eq!(&wide.counts.read, &long.counts.read);
        prop_assert_eq!(&wide.counts.rejected, &long.counts.rejected);
        prop_assert_eq!(wide.len(), long.len());
        for entry in 0..wide.len() {
            prop_assert_eq!(
                (wide.start(entry), wide.end(entry), wide.amount(entry)),
                (long.start(entry), long.end(entry), long.amount(entry))
            );
            prop_assert!(wide.source(entry).starts_with("memory:1:HE"), "{}", wide.source(entry));
        }
        prop_assert_eq!(wide.rejects.len(), long.rejects.len());
    }

    /// What a row says depends on no other row, unless the order is asked: so what the sieve leaves is read again as it was.
    #[test]
    fn a_row_is_read_by_itself(
        rows in prop::collection::vec((
            prop::sample::select(&["2026-11-01", "2026-03-08", "2026-10-15"][..]),
            0..25_u8,
            prop::sample::select(&["", "-05:00", "-06:00", "Z", " CST", "*"][..]),
            0..25_u8,
            prop::sample::select(&["", "Y", "N"][..]),
        ), 1..12),
        repeated in prop::sample::select(&[Repeated::Reject, Repeated::First, Repeated::Second][..]),
        skipped in prop::sample::select(&[Skipped::Reject, Skipped::Forward][..]),
        has_flag: bool,
    ) {
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|(day, from, mark, to, flag)| {
                vec![format!("{day}T{from:02}:00{mark}"), format!("{day}T{to:02}:00{mark}"), flag.to_owned(), "1.00".to_owned()]
            })
            .collect();
        let mut columns = vec![("start", "From"), ("end", "To"), ("amount", "Amount")];
        if has_flag {
            columns.push(("repeated", "Flag"));
        }
        let reading = reading(&columns, Intervals { length: None, repeated, skipped, ..HOURS });
        prop_assert!(reading.is_row_by_row());
        let read = |rows: Vec<Vec<String>>| {
            let ledger = ledger(&["From", "To", "Flag", "Amount"], rows, &reading);
            let entries: Vec<_> = (0..ledger.len()).map(|entry| (ledger.start(entry), ledger.end(entry))).collect();
            (entries, ledger.rejects.into_iter().map(|reject| reject.reason).collect::<Vec<_>>())
        };
        let together = read(rows.clone());
        let mut apart = (Vec::new(), Vec::new());
        for row in rows {
            let (entries, rejects) = read(vec![row]);
            apart.0.extend(entries);
            apart.1.extend(rejects);
        }
        prop_assert_eq!(together, apart);
    }

    /// Two rows of a repeated hour are told apart by their order, whatever stands between them; one alone never is.
    #[test]
    fn the_order_tells_two_rows_apart(deals in prop::collection::vec(0..4_u8, 0..12)) {
        let rows: Vec<Vec<String>> = deals
            .iter()
            .map(|deal| vec![format!("D-{deal}"), "2026-11-01 01:00".to_owned(), "1.00".to_owned()])
            .collect();
        let columns = [("start", "At"), ("deal", "Deal"), ("amount", "Amount")];
        let intervals = Intervals { repeated: Repeated::Order, ..HOURS };
        let read = ledger(&["Deal", "At", "Amount"], rows, &reading(&columns, intervals));
        let mut expected = (0, 0);
        for deal in 0..4 {
            match deals.iter().filter(|&&other| other == deal).count() {
                count @ 2.. => expected = (expected.0 + 2, expected.1 + count - 2),
                count => expected.1 += count,
            }
        }
        prop_assert_eq!((read.len() as usize, read.rejects.len()), expected);
        for pair in (0..read.len()).collect::<Vec<_>>().chunks(2) {
            let [first, second] = [pair[0], pair[1]].map(|entry| read.start(entry).unwrap().0);
            prop_assert_eq!(second - first, 3600);
        }
        let lines: u64 = read.counts.read.lines();
        prop_assert_eq!(lines, deals.len() as u64);
    }

    /// What belongs to an hour, a day or a gas day goes on belonging to it, and begins no later than what belongs to it.
    #[test]
    fn calendar_functions_hold_what_they_are_given(
        at in 1_700_000_000_i64..1_900_000_000,
        zone in prop::sample::select(&["America/Chicago", "Europe/Berlin", "Australia/Sydney", "Asia/Kolkata", "UTC-05:00"][..]),
    ) {
        let zone = Zone::named(zone).unwrap();
        let gas_day = Calendar::GasDay(TimeOfDay::parse("09:00").unwrap());
        for calendar in [Calendar::QuarterHour, Calendar::Hour, Calendar::Day, Calendar::Month, gas_day] {
            let first = calendar.of(&zone, Instant(at));
            prop_assert!(first.0 <= at, "{}", calendar);
            prop_assert_eq!(calendar.of(&zone, first), first, "{}", calendar);
        }
        let hour = Calendar::Hour.of(&zone, Instant(at));
        let ends = hour.0 + 3600;
        prop_assert_eq!(Calendar::HourEndingOfStart.of(&zone, Instant(at)).0, ends);
        prop_assert_eq!(Calendar::HourEndingOfEnd.of(&zone, Instant(at + 1)).0, ends);
        prop_assert_eq!(Calendar::HourEndingOfEnd.of(&zone, Instant(ends)).0, ends);
        let gas = gas_day.of(&zone, Instant(at));
        prop_assert!((23..=25).contains(&((gas_day.of(&zone, Instant(gas.0 + 26 * 3600)).0 - gas.0) / 3600)));
        prop_assert_eq!(zone.show(gas, true).get(11..16).map(str::to_owned), Some("09:00".to_owned()));
    }
}

#[test]
fn a_moment_of_each_zone_has_its_timestamp() {
    // The oracle's own footing: jiff and tieout speak of the same second.
    let zone = Zone::named("UTC+05:30").unwrap();
    let dates = Dates::new(zone, &[]).unwrap().with(HOURS);
    let interval = read(&dates, &vec![(Part::Start, "1970-01-01 05:30".to_owned())], None).unwrap();
    assert_eq!(interval.start.unwrap().0, Timestamp::UNIX_EPOCH.as_second());
}

/// A total states no hour; it is of the day that it states.
#[test]
fn totals_among_hours_need_none() {
    let setup = Setup::small();
    setup.edit("tieout.toml", "start = \"From\"", "start = \"From\"\nhour_ending = \"HE\"");
    setup.edit(
        "tieout.toml",
        "quantity = \"Volume\"\nprice = \"Rate\"\namount = \"Total\"\ncurrency = \"Ccy\"\n",
        "amount = \"Total\"\ncurrency = \"Ccy\"\n[invoices.totals]\nwhen = { deal = \"TOTAL\" }\n",
    );
    setup.write(
        "invoices/alfa.csv",
        "Invoice,Seller,Contract,From,HE,Total,Ccy\n\
         INV-0,ALFA GAS,G-1,2026-09-30,24,10.00,USD\n\
         INV-0,ALFA GAS,TOTAL,2026-09-30,,11.00,USD\n\
         INV-1,ALFA GAS,G-1,2026-10-01,1,325.00,USD\n\
         INV-1,ALFA GAS,G-2,2026-10-02,2,620.00,USD\n\
         INV-1,ALFA GAS,TOTAL,2026-10-01,,945.00,USD\n",
    );
    setup.edit("records.csv", "G-2,ALFA GAS,2026-10-02,", "G-2,ALFA GAS,2026-10-02 01:00,");
    let outcome = setup.reconcile(&[]);
    assert_eq!(outcome.code, Some(0), "{}{}", outcome.stdout, outcome.stderr);
    setup.edit("invoices/alfa.csv", "945.00", "945.01");
    assert_eq!(setup.reconcile(&[]).code, Some(1), "and the one of the period is held against its lines");
}
