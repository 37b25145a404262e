//! `price of another day`, `price of another interval`, `price of another location`, or of another charge or attribute of the key:
//! the price that was billed is settled elsewhere. Elsewhere is just one other day of the same key at the same time of day, or just one
//! other interval of the same day, or just one other location, charge or index at the same time.
//!
//! All records of the run are looked at, whether they tie or not: most often it is yesterday's price that was billed, and
//! yesterday ties.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::fast::FixedState;
use rayon::iter::{IntoParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator};
use rayon::slice::ParallelSliceMut as _;

use super::leftovers::{Leftovers, all};
use super::{Cause, Kind};
use crate::judge::Discrepancy;
use crate::matching::Book;
use crate::money::{self, Decimal};
use crate::normalise::{Field, Role, Side};
use crate::period::{Clocks, Instant};

/// A price that more records than these have in common says nothing of where it was taken from: no cause is looked for among them.
pub const COMMON_PRICE: u32 = 16;

/// Lines of the invoices that bear a [`COMMON_PRICE`], by their entries, where that is known although not all of those records came to a ledger. First
/// among records of their key at their time of day, then among those of their key on their day, then among those of one deal, vendor, unit and
/// currency at their time.
pub type CommonPrices = [HashSet<u32>; 3];

/// Whether a price may depend on this field of a key: on the location, the charge, the index. The others say whose price it is, and in what.
#[must_use]
pub fn is_priced_by(field: Field) -> bool {
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
    /// See [`crate::period::Zone::day_and_time`].
    day: Instant,
    time: i64,
}

impl Quote {
    /// None without a time.
    fn new(
        left: &Leftovers<'_>,
        clocks: &mut Clocks<'_>,
        (side, entry): (Side, u32),
        price: Price,
    ) -> Option<Self> {
        let start = left.start(side, entry)?;
        let (day, time) = clocks.day_and_time(start);
        Some(Self { side, entry, price, start, day, time })
    }
}

/// What records have in common among which a price is looked for, beside the price; in the order of [`CommonPrices`].
#[derive(Clone, Copy)]
enum Group {
    TimeOfDay,
    Day,
    Time,
}

impl Group {
    const ALL: [Self; 3] = [Self::TimeOfDay, Self::Day, Self::Time];

    fn hash(self, left: &Leftovers<'_>, quote: &Quote) -> u64 {
        let &Quote { side, entry, price, start, day, time } = quote;
        match self {
            Self::TimeOfDay => left.hash(side, entry, all, (price, time)),
            Self::Day => left.hash(side, entry, all, (price, day)),
            Self::Time => left.hash(side, entry, |field| !is_priced_by(field), (price, start)),
        }
    }
}

/// How many records there are in each group of one of the lines.
struct Census([HashMap<u64, AtomicU32, FixedState>; 3]);

impl Census {
    fn new(left: &Leftovers<'_>, lines: &[Line]) -> Self {
        Self(Group::ALL.map(|group| {
            let known = left.common.get(group as usize);
            let mut counts: HashMap<u64, AtomicU32, FixedState> = HashMap::default();
            for Line { quote, .. } in lines {
                let count = counts.entry(group.hash(left, quote)).or_default();
                if known.is_some_and(|known| known.contains(&quote.entry)) {
                    *count.get_mut() = COMMON_PRICE + 1;
                }
            }
            counts
        }))
    }

    fn of(&self, left: &Leftovers<'_>, group: Group, quote: &Quote) -> Option<&AtomicU32> {
        self.0.get(group as usize)?.get(&group.hash(left, quote))
    }

    fn count(&self, left: &Leftovers<'_>, record: &Quote) {
        for count in Group::ALL.into_iter().filter_map(|group| self.of(left, group, record)) {
            // There are no more entries than it can count.
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a record is in a group of one of the lines, and with few others.
    fn has_few(&self, left: &Leftovers<'_>, group: Group, record: &Quote) -> bool {
        self.of(left, group, record).is_some_and(|count| count.load(Ordering::Relaxed) <= COMMON_PRICE)
    }
}

/// Where else a price may be settled.
#[derive(Clone, Copy)]
enum Elsewhere {
    Day,
    Interval,
    At(Field),
}

impl Elsewhere {
    const fn group(self) -> Group {
        match self {
            Self::Day => Group::TimeOfDay,
            Self::Interval => Group::Day,
            Self::At(_) => Group::Time,
        }
    }

    /// What is the same there, as a hash, and what is not; none where it is blank.
    fn place(self, left: &Leftovers<'_>, quote: &Quote) -> Option<(u64, i64)> {
        let hash = || self.group().hash(left, quote);
        Some(match self {
            Self::Day => (hash(), quote.day.0),
            Self::Interval => (hash(), quote.start.0),
            Self::At(field) => {
                let &Quote { side, entry, price, start, .. } = quote;
                let hash = left.hash(side, entry, |other| other != field, (price, start));
                (hash, Some(left.book.key(side, field, entry)).filter(|key| *key != 0)?.into())
            }
        })
    }

    /// Whether `other` is what the hash says of it, in the unit and the currency of the line.
    fn counts(self, left: &Leftovers<'_>, line: &Quote, other: &Quote) -> bool {
        let (a, b) = ((line.side, line.entry), (other.side, other.entry));
        let is_there = match self {
            Self::Day => line.time == other.time && left.is_same_key(a, b, all),
            Self::Interval => line.day == other.day && left.is_same_key(a, b, all),
            Self::At(field) => line.start == other.start && left.is_same_key(a, b, |other| other != field),
        };
        is_there && line.price == other.price && left.is_same_measure(a, b)
    }

    fn cause(self, left: &Leftovers<'_>, price: Decimal, other: &Quote) -> Cause {
        let (price, zone) = (money::plain(price), left.book.zone());
        let (what, place) = match self {
            Self::Day if other.time == 0 && !left.has_times() => {
                ("day", format!("on {}", zone.show(other.start, false)))
            }
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

/// A line whose price is looked for.
struct Line {
    /// The number of its discrepancy.
    number: usize,
    price: Decimal,
    quote: Quote,
}

pub(super) fn find(left: &Leftovers<'_>) -> Vec<(usize, Cause)> {
    let zone = left.book.zone();
    let mut clocks = Clocks::new(zone);
    let looked_for = left.discrepancies.iter().map(|discrepancy| looked_for(discrepancy)).enumerate();
    let lines: Vec<Line> = looked_for
        .filter_map(|(number, line)| {
            let (entry, price) = line?;
            let quote = Quote::new(left, &mut clocks, (Side::Invoice, entry), money::canonical(price))?;
            Some(Line { number, price, quote })
        })
        .collect();
    if lines.is_empty() {
        return Vec::new();
    }
    let census = Census::new(left, &lines);
    let prices: HashSet<Price, FixedState> = lines.iter().map(|line| line.quote.price).collect();
    let quotes = || {
        let quote = |clocks: &mut Clocks<'_>, (entry, price)| {
            Quote::new(left, clocks, (Side::Settlement, entry), price)
        };
        records(left.book)
            .filter(|(_, price)| prices.contains(price))
            .map_init(|| Clocks::new(zone), quote)
            .flatten_iter()
    };
    // Nearly no record has to do with any of the lines, and those of a common price may be as many as there are records.
    quotes().for_each(|record| census.count(left, &record));
    let has_few = |record: &Quote| Group::ALL.into_iter().any(|group| census.has_few(left, group, record));
    let offers: Vec<Quote> = quotes().filter(has_few).collect();
    let fields = left.keyed().filter(|field| is_priced_by(*field)).map(Elsewhere::At);
    let shelves: Vec<Shelf<'_>> = [Elsewhere::Day, Elsewhere::Interval]
        .into_iter()
        .chain(fields)
        .map(|elsewhere| Shelf::new(left, elsewhere, &census, &offers))
        .collect();
    let cause = |line: &Line| {
        let mut found = shelves.iter().map(|shelf| Some((shelf.elsewhere, shelf.sole(left, line)?)));
        found.find_map(|found| found.map(|(elsewhere, other)| elsewhere.cause(left, line.price, other)))
    };
    lines.par_iter().filter_map(|line| Some((line.number, cause(line)?))).collect()
}

/// The prices of all records that count.
fn records(book: &Book<'_>) -> impl ParallelIterator<Item = (u32, Price)> {
    let settled = book.ledger(Side::Settlement);
    (0..settled.len())
        .into_par_iter()
        .filter(|&entry| !book.is_superseded(Side::Settlement, entry))
        .chain(settled.looked_up().into_par_iter())
        .filter_map(|entry| Some((entry, money::canonical(settled.price(entry)?))))
}

/// Records by the hash of what is the same elsewhere, with what is not.
struct Shelf<'a> {
    elsewhere: Elsewhere,
    records: Vec<(u64, i64, &'a Quote)>,
}

impl<'a> Shelf<'a> {
    fn new(left: &Leftovers<'_>, elsewhere: Elsewhere, census: &Census, records: &'a [Quote]) -> Self {
        let shelved = |record: &'a Quote| {
            let (hash, place) = elsewhere.place(left, record)?;
            census.has_few(left, elsewhere.group(), record).then_some((hash, place, record))
        };
        let mut records: Vec<_> = records.par_iter().filter_map(shelved).collect();
        records.par_sort_unstable_by_key(|(hash, ..)| *hash);
        Self { elsewhere, records }
    }

    /// The record that has a line's price, where there is but one place with such records, and not the line's own. Those that the line is
    /// judged by are nowhere else.
    fn sole(&self, left: &Leftovers<'_>, line: &Line) -> Option<&'a Quote> {
        let (hash, own) = self.elsewhere.place(left, &line.quote)?;
        let own_records = left.discrepancies.get(line.number)?.entries(Side::Settlement);
        let run = self.records.iter().skip(self.records.partition_point(|record| record.0 < hash));
        let found = run.take_while(|record| record.0 == hash).filter(|(_, _, record)| {
            self.elsewhere.counts(left, &line.quote, record) && !own_records.contains(&record.entry)
        });
        let mut sole: Option<(i64, &Quote)> = None;
        for &(_, place, record) in found {
            match sole {
                Some((other, _)) if other != place => return None,
                // Of records that say the same of the place, the first by what their sources say: the order of the rows means nothing.
                Some((_, first)) if left.order(first.entry) < left.order(record.entry) => {}
                _ => sole = Some((place, record)),
            }
        }
        sole.filter(|(place, _)| *place != own).map(|(_, record)| record)
    }
}
