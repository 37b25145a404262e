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
use crate::period::{Instant, Zone};

/// A price that more records than these have in common, of one key or at one time, says nothing of where it was taken from: no cause is
/// looked for among them. A day of five minutes has 288.
pub const COMMON_PRICE: u32 = 300;

/// Lines of the invoices that bear a [`COMMON_PRICE`], where that is known although not all of those records came to a ledger.
#[derive(Clone, Debug, Default)]
pub struct CommonPrices {
    /// Of their key, at any time.
    pub of_key: HashSet<u32>,
    /// At their time, wherever.
    pub at_once: HashSet<u32>,
}

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
    /// The local day of its start, and what the clock shows then; a day that has no midnight starts at nought all the same.
    day: Instant,
    clock: i64,
}

/// What records have in common among which a price is looked for.
#[derive(Clone, Copy)]
enum Group {
    /// The key, at any time.
    OfKey,
    /// The time and whose price it is, wherever.
    AtOnce,
}

impl Group {
    const ALL: [Self; 2] = [Self::OfKey, Self::AtOnce];

    fn hash(self, left: &Leftovers<'_>, side: Side, entry: u32, price: Price) -> u64 {
        match self {
            Self::OfKey => left.hash(side, entry, all, price),
            Self::AtOnce => {
                let start = left.start(side, entry);
                left.hash(side, entry, |field| !is_priced_by(field), (price, start))
            }
        }
    }
}

/// How many records there are in each group of one of the lines.
struct Census {
    group: Group,
    records: HashMap<u64, AtomicU32, FixedState>,
}

impl Census {
    fn new(left: &Leftovers<'_>, group: Group, lines: &[Line]) -> Self {
        let known = match group {
            Group::OfKey => &left.common.of_key,
            Group::AtOnce => &left.common.at_once,
        };
        let mut records: HashMap<u64, AtomicU32, FixedState> = HashMap::default();
        for Line { quote: Quote { side, entry, price, .. }, .. } in lines {
            let records = records.entry(group.hash(left, *side, *entry, *price)).or_default();
            if known.contains(entry) {
                *records.get_mut() = COMMON_PRICE + 1;
            }
        }
        Self { group, records }
    }

    fn of(&self, left: &Leftovers<'_>, record: u32, price: Price) -> Option<&AtomicU32> {
        self.records.get(&self.group.hash(left, Side::Settlement, record, price))
    }

    fn count(&self, left: &Leftovers<'_>, record: u32, price: Price) {
        if let Some(records) = self.of(left, record, price) {
            // There are no more entries than it can count.
            records.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the record is in a group that is looked at.
    fn has_few(&self, left: &Leftovers<'_>, record: u32, price: Price) -> bool {
        self.of(left, record, price).is_some_and(|records| records.load(Ordering::Relaxed) <= COMMON_PRICE)
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
            Self::Day | Self::Interval => Group::OfKey,
            Self::At(_) => Group::AtOnce,
        }
    }

    /// What is the same there, as a hash, and what is not; none where it is blank.
    fn place(self, left: &Leftovers<'_>, quote: &Quote) -> Option<(u64, i64)> {
        let &Quote { side, entry, price, start, day, clock } = quote;
        Some(match self {
            Self::Day => (left.hash(side, entry, all, (price, clock)), day.0),
            Self::Interval => (left.hash(side, entry, all, (price, day)), start.0),
            Self::At(field) => {
                let hash = left.hash(side, entry, |other| other != field, (price, start));
                (hash, Some(left.book.key(side, field, entry)).filter(|key| *key != 0)?.into())
            }
        })
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
            Self::Day if other.clock == 0 && !left.has_times() => {
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
    let mut clocks = Clocks { zone: left.book.zone(), known: HashMap::default() };
    let looked_for = left.discrepancies.iter().map(|discrepancy| looked_for(discrepancy)).enumerate();
    let lines: Vec<Line> = looked_for
        .filter_map(|(number, line)| {
            let (entry, price) = line?;
            let quote = clocks.quote(left, Side::Invoice, entry, money::canonical(price))?;
            Some(Line { number, price, quote })
        })
        .collect();
    if lines.is_empty() {
        return Vec::new();
    }
    // Nearly no record has to do with any of the lines, and of the groups of some there may be as many as there are records.
    let groups = Group::ALL.map(|group| Census::new(left, group, &lines));
    records(left.book)
        .for_each(|(entry, price)| groups.iter().for_each(|group| group.count(left, entry, price)));
    let offers: Vec<(u32, Price)> = records(left.book)
        .filter(|&(entry, price)| groups.iter().any(|group| group.has_few(left, entry, price)))
        .collect();
    let offers: Vec<Quote> = offers
        .into_iter()
        .filter_map(|(entry, price)| clocks.quote(left, Side::Settlement, entry, price))
        .collect();
    let fields = left.keyed().filter(|field| is_priced_by(*field)).map(Elsewhere::At);
    let shelves: Vec<Shelf<'_>> = [Elsewhere::Day, Elsewhere::Interval]
        .into_iter()
        .chain(fields)
        .map(|elsewhere| Shelf::new(left, elsewhere, &groups, &offers))
        .collect();
    let cause = |line: &Line| {
        let mut found = shelves.iter().map(|shelf| Some((shelf.elsewhere, shelf.sole(left, line)?)));
        found.find_map(|found| found.map(|(elsewhere, other)| elsewhere.cause(left, line.price, other)))
    };
    lines.par_iter().filter_map(|line| Some((line.number, cause(line)?))).collect()
}

/// The prices of all records that count, and have a time.
fn records(book: &Book<'_>) -> impl ParallelIterator<Item = (u32, Price)> {
    let settled = book.ledger(Side::Settlement);
    (0..settled.len())
        .into_par_iter()
        .filter(|&entry| !book.is_superseded(Side::Settlement, entry))
        .chain(settled.looked_up().into_par_iter())
        .filter(|&entry| settled.start(entry).is_some())
        .filter_map(|entry| Some((entry, money::canonical(settled.price(entry)?))))
}

/// The local day of a time and what the clock shows then, remembered: there are few times.
struct Clocks<'z> {
    zone: &'z Zone,
    known: HashMap<Instant, (Instant, i64), FixedState>,
}

impl Clocks<'_> {
    /// A line with that price; none without a time.
    fn quote(&mut self, left: &Leftovers<'_>, side: Side, entry: u32, price: Price) -> Option<Quote> {
        let start = left.start(side, entry)?;
        let &mut (day, clock) = self.known.entry(start).or_insert_with(|| {
            let day = self.zone.day(start);
            (day, if day == start { 0 } else { self.zone.clock(start) })
        });
        Some(Quote { side, entry, price, start, day, clock })
    }
}

/// Records by the hash of what is the same elsewhere, with what is not.
struct Shelf<'a> {
    elsewhere: Elsewhere,
    records: Vec<(u64, i64, &'a Quote)>,
}

impl<'a> Shelf<'a> {
    /// Of the records, those in groups that are looked at.
    fn new(left: &Leftovers<'_>, elsewhere: Elsewhere, groups: &[Census; 2], records: &'a [Quote]) -> Self {
        let [of_key, at_once] = groups;
        let group = match elsewhere.group() {
            Group::OfKey => of_key,
            Group::AtOnce => at_once,
        };
        let shelved = |record: &'a Quote| {
            let (hash, place) = elsewhere.place(left, record)?;
            group.has_few(left, record.entry, record.price).then_some((hash, place, record))
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
