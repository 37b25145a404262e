//! `price of another day`, `price of another interval`, `price of another location`, or of another charge or attribute of the key:
//! the price that was billed is settled elsewhere. Elsewhere is just one other day of the same key at the same time of day, or just one
//! other interval of the same day, or just one other location, charge or index at the same time.
//!
//! All records of the run are looked at, whether they tie or not: most often it is yesterday's price that was billed, and
//! yesterday ties.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;
use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator,
};
use rayon::slice::ParallelSliceMut as _;

use super::leftovers::{Leftovers, all};
use super::{Cause, Kind};
use crate::judge::Discrepancy;
use crate::matching::Book;
use crate::money::{self, Decimal};
use crate::normalise::{Field, Role, Side};
use crate::period::{Instant, Zone};

/// A price that more records than these have, of one key or at one time, says nothing of where it was taken from: no cause is
/// looked for among them. A day of five minutes has 288.
pub const COMMON: usize = 300;

/// Whether a price may be settled for something else in this field of a key: a location, a charge, an index. The others say whose price
/// it is, and in what.
#[must_use]
pub fn is_elsewhere(field: Field) -> bool {
    ![Role::Deal, Role::Vendor, Role::Unit, Role::Currency].map(Field::of).contains(&Some(field))
}

/// The line of a discrepancy whose price is looked for elsewhere, and that price.
pub(in crate::judge) fn looked_for(discrepancy: &Discrepancy) -> Option<(u32, Decimal)> {
    match (discrepancy.kind, discrepancy.entries(Side::Invoice)) {
        (Kind::Price, &[entry]) if !discrepancy.is_blamed() => {
            let price = discrepancy.figures.invoiced.price.filter(|price| !price.is_zero())?;
            Some((entry, price))
        }
        _ => None,
    }
}

/// A price as [`money::canonical`] has it: equal ones are the same, and it takes no decimals to see that.
type Price = (i128, u32);

/// A line with a price and a time: of the invoice, or a record.
struct Quote {
    side: Side,
    entry: u32,
    price: Price,
    start: Instant,
    /// The local day of its start, and what the clock shows then.
    day: Instant,
    clock: i64,
}

/// Where else a price may be settled.
#[derive(Clone, Copy)]
enum Elsewhere {
    Day,
    Interval,
    At(Field),
}

impl Elsewhere {
    /// What is the same there, as a hash, and what is not.
    fn place(self, left: &Leftovers<'_>, quote: &Quote) -> (u64, i64) {
        let &Quote { side, entry, price, start, day, clock } = quote;
        match self {
            Self::Day => (left.hash(side, entry, all, (price, clock)), day.0),
            Self::Interval => (left.hash(side, entry, all, (price, day)), start.0),
            Self::At(field) => {
                let hash = left.hash(side, entry, |other| other != field, (price, start));
                (hash, i64::from(left.book.key(side, field, entry)))
            }
        }
    }

    /// Whether `other` is what the hash says of it, in the unit and the currency of the line.
    fn counts(self, left: &Leftovers<'_>, line: &Quote, other: &Quote) -> bool {
        let (a, b) = ((line.side, line.entry), (other.side, other.entry));
        let is_there = match self {
            Self::Day => line.clock == other.clock && left.is_same_key(a, b, all),
            Self::Interval => line.day == other.day && left.is_same_key(a, b, all),
            Self::At(field) => line.start == other.start && left.is_same_key(a, b, |other| other != field),
        };
        is_there
            && line.price == other.price
            && left.agrees(Role::Unit, a, b)
            && left.agrees(Role::Currency, a, b)
    }

    fn cause(self, left: &Leftovers<'_>, price: Decimal, other: &Quote) -> Cause {
        let (price, zone) = (money::plain(price), left.book.zone());
        let (what, place) = match self {
            Self::Day if other.clock == 0 => ("day", format!("on {}", zone.show(other.start, false))),
            Self::Day => ("day", format!("for {}", zone.show(other.start, true))),
            Self::Interval => ("interval", format!("for {}", zone.show(other.start, true))),
            Self::At(field) => {
                let name = left.book.fields().name(field);
                let word = if Role::named(name) == Some(Role::Location) { "at" } else { "for" };
                let text = left.book.ledger(Side::Settlement).text(field, other.entry);
                (name, format!("{word} {text}"))
            }
        };
        Cause { name: format!("price of another {what}"), arithmetic: format!("{price} is settled {place}") }
    }
}

pub(super) fn find(left: &Leftovers<'_>) -> Vec<(usize, Cause)> {
    let looked_for: Vec<(usize, u32, Decimal)> = left
        .discrepancies
        .par_iter()
        .enumerate()
        .filter_map(|(number, discrepancy)| {
            looked_for(discrepancy).map(|(entry, price)| (number, entry, price))
        })
        .collect();
    if looked_for.is_empty() {
        return Vec::new();
    }
    let mut clocks = Clocks { zone: left.book.zone(), known: HashMap::default() };
    let lines: Vec<(usize, Decimal, Quote)> = looked_for
        .into_iter()
        .filter_map(|(number, line, price)| {
            Some((number, price, clocks.quote(left, (Side::Invoice, line), money::canonical(price))?))
        })
        .collect();
    let hashes = |hash: fn(&Leftovers<'_>, (Side, u32), Price) -> u64| -> HashSet<u64, FixedState> {
        lines.iter().map(|(_, _, line)| hash(left, (line.side, line.entry), line.price)).collect()
    };
    let (keys, moments) = (hashes(of_key), hashes(at_once));
    // Nearly no record has to do with any of the lines.
    let offers: Vec<(u32, Price)> = records(left.book)
        .map(|(entry, price)| ((Side::Settlement, entry), money::canonical(price)))
        .filter(|&(record, price)| {
            keys.contains(&of_key(left, record, price)) || moments.contains(&at_once(left, record, price))
        })
        .map(|((_, entry), price)| (entry, price))
        .collect();
    let offers: Vec<Quote> = offers
        .into_iter()
        .filter_map(|(entry, price)| clocks.quote(left, (Side::Settlement, entry), price))
        .collect();
    let (of_key, at_once) = (few(left, &offers, of_key), few(left, &offers, at_once));
    let fields = left.keyed().filter(|field| is_elsewhere(*field));
    let shelves: Vec<Shelf<'_>> = [(Elsewhere::Day, &of_key), (Elsewhere::Interval, &of_key)]
        .into_iter()
        .chain(fields.map(|field| (Elsewhere::At(field), &at_once)))
        .map(|(elsewhere, offers)| Shelf::new(left, elsewhere, offers))
        .collect();
    let cause = |price: Decimal, line: &Quote| {
        shelves.iter().find_map(|shelf| Some(shelf.elsewhere.cause(left, price, shelf.sole(left, line)?)))
    };
    lines.par_iter().filter_map(|(number, price, line)| Some((*number, cause(*price, line)?))).collect()
}

/// The prices of all records that count.
fn records(book: &Book<'_>) -> impl ParallelIterator<Item = (u32, Decimal)> {
    let settled = book.ledger(Side::Settlement);
    (0..settled.len())
        .into_par_iter()
        .filter(|&entry| !book.is_superseded(Side::Settlement, entry))
        .chain(settled.looked_up().into_par_iter())
        .filter_map(|entry| Some((entry, settled.price(entry)?)))
}

/// The local day of a time and what the clock shows then, remembered: there are few times.
struct Clocks<'z> {
    zone: &'z Zone,
    known: HashMap<Instant, (Instant, i64), FixedState>,
}

impl Clocks<'_> {
    /// A line with that price; none without a time.
    fn quote(&mut self, left: &Leftovers<'_>, (side, entry): (Side, u32), price: Price) -> Option<Quote> {
        let start = left.start(side, entry)?;
        let known = self.known.entry(start);
        let &mut (day, clock) = known.or_insert_with(|| (self.zone.day(start), self.zone.clock(start)));
        Some(Quote { side, entry, price, start, day, clock })
    }
}

/// What lines have in common that have one price under one key.
fn of_key(left: &Leftovers<'_>, (side, entry): (Side, u32), price: Price) -> u64 {
    left.hash(side, entry, all, price)
}

/// What those have in common whose price it is at one time, wherever.
fn at_once(left: &Leftovers<'_>, (side, entry): (Side, u32), price: Price) -> u64 {
    left.hash(side, entry, |field| !is_elsewhere(field), (price, left.start(side, entry)))
}

/// Those of the records that are not too many with one hash.
fn few<'q>(
    left: &Leftovers<'_>,
    records: &'q [Quote],
    hash: fn(&Leftovers<'_>, (Side, u32), Price) -> u64,
) -> Vec<&'q Quote> {
    let hashed = |record: &'q Quote| (hash(left, (record.side, record.entry), record.price), record);
    let mut hashed: Vec<(u64, &Quote)> = records.par_iter().map(hashed).collect();
    hashed.par_sort_unstable_by_key(|(hash, _)| *hash);
    let few = hashed.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() <= COMMON);
    few.flatten().map(|(_, record)| *record).collect()
}

/// Records, brought together where they differ in nothing but the place.
struct Shelf<'a> {
    elsewhere: Elsewhere,
    /// By hash, place, and the keys of unit and currency.
    records: Vec<(u64, i64, [u32; 2], &'a Quote)>,
}

impl<'a> Shelf<'a> {
    fn new(left: &Leftovers<'_>, elsewhere: Elsewhere, records: &[&'a Quote]) -> Self {
        let measures = |record: &Quote| {
            let key =
                |role| Field::of(role).map_or(0, |field| left.book.key(record.side, field, record.entry));
            [Role::Unit, Role::Currency].map(key)
        };
        let shelved = |&record: &&'a Quote| {
            let (hash, place) = elsewhere.place(left, record);
            (hash, place, measures(record), record)
        };
        let mut records: Vec<_> = records.par_iter().map(shelved).collect();
        // Of records that say the same of the place, the first by what their sources say: the order of the rows means nothing.
        let order = |record: &Quote| left.order(record.entry);
        records.par_sort_unstable_by(|a, b| {
            (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)).then_with(|| order(a.3).cmp(&order(b.3)))
        });
        records.dedup_by_key(|record| (record.0, record.1, record.2));
        Self { elsewhere, records }
    }

    /// The record that has a line's price, where there is but one place with such records, and not the line's own.
    fn sole(&self, left: &Leftovers<'_>, line: &Quote) -> Option<&'a Quote> {
        let (hash, own) = self.elsewhere.place(left, line);
        let run = self.records.iter().skip(self.records.partition_point(|record| record.0 < hash));
        let same = run.take_while(|record| record.0 == hash);
        let mut run = same.filter(|record| self.elsewhere.counts(left, line, record.3));
        let &(_, place, _, mut first) = run.next()?;
        for &(_, other, _, record) in run {
            if other != place {
                return None;
            }
            // Measures come in no order of their own.
            if left.order(record.entry) < left.order(first.entry) {
                first = record;
            }
        }
        (place != own).then_some(first)
    }
}
