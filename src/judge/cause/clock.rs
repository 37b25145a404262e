//! `hour of the clock change`: what one side lacks is just the hour that a clock change repeats, or the one behind
//! the hour that it skips, or the last one of a day of 25 hours.
//!
//! It is named where the side that has it holds nothing else of that key and day that the other side lacks: a whole day
//! that is missing has another cause. Of sums it is named where they differ by just what one side has for that hour.

use std::collections::HashMap;

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelExtend as _, ParallelIterator as _,
};

use super::leftovers::{Left, Leftovers, all};
use super::{Cause, Kind};
use crate::judge::{Both, Discrepancy};
use crate::money::{self, Decimal, Sum};
use crate::normalise::Side;
use crate::period::{Clocks, Instant, Zone};

const HOUR: i64 = 3600;
const NAME: &str = "hour of the clock change";

/// What the clock change makes of an interval.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Second,
    Last,
    BehindTheGap,
}

/// The number of a discrepancy, and its start where the clock change has to do with it.
type Missing = (usize, Option<(Place, Instant)>);

pub(super) fn find(left: &Leftovers<'_>) -> Vec<(usize, Cause)> {
    let zone = left.book.zone();
    let mut clocks = Clocks::new(zone);
    let mut lengths: HashMap<i64, i64> = HashMap::new();
    let mut found = Vec::new();
    for (side, kind) in [(Side::Invoice, Kind::Unsettled), (Side::Settlement, Kind::Unbilled)] {
        let mut of_day: HashMap<(u64, i64), Vec<Missing>> = HashMap::new();
        for &Left { entry, number, .. } in left.entries(side).iter().filter(|left| left.kind == kind) {
            let Some(start) = left.start(side, entry) else { continue };
            let (day, _) = clocks.day_and_time(start);
            let hours = *lengths.entry(day.0).or_insert_with(|| hours(zone, day));
            if hours != 24 {
                let place = place(zone, day, start, hours).map(|place| (place, start));
                of_day.entry((left.hash(side, entry, all, ()), day.0)).or_default().push((number, place));
            }
        }
        for ((_, day), entries) in of_day {
            let hours = lengths.get(&day).copied().unwrap_or_default();
            if entries.iter().all(|(_, place)| place.is_some()) {
                found.extend(entries.into_iter().filter_map(|(number, place)| {
                    let (place, start) = place?;
                    let name = NAME.to_owned();
                    Some((number, Cause { name, arithmetic: told(zone, Instant(day), start, place, hours) }))
                }));
            }
        }
    }
    // The order of a map is nobody's.
    found.sort_by_key(|(number, _)| *number);
    found.par_extend(left.discrepancies.par_iter().enumerate().filter_map(|(number, discrepancy)| {
        let cause = of_sums(left, discrepancy).filter(|_| !discrepancy.is_blamed())?;
        Some((number, cause))
    }));
    found
}

/// How many hours a day has.
fn hours(zone: &Zone, day: Instant) -> i64 {
    (zone.day(Instant(day.0 + 26 * HOUR)).0 - day.0) / HOUR
}

/// Whether sums differ by what one side has for an hour of the clock change.
fn of_sums(left: &Leftovers<'_>, discrepancy: &Discrepancy) -> Option<Cause> {
    let are_sums = discrepancy.invoices.len() > 1 || discrepancy.settlements.len() > 1;
    if !are_sums || !matches!(discrepancy.kind, Kind::Amount | Kind::Quantity) {
        return None;
    }
    let Both { invoiced, settled, converted, .. } = &discrepancy.figures;
    let of_amounts = invoiced.amount.zip(settled.amount);
    let (billed, recorded) = match of_amounts {
        None if *converted => return None,
        None => invoiced.quantity.zip(settled.quantity)?,
        Some(amounts) => amounts,
    };
    let zone = left.book.zone();
    [Side::Settlement, Side::Invoice].into_iter().find_map(|side| {
        let entries = discrepancy.entries(side);
        let ledger = left.book.ledger(side);
        // What one side has for the hour, the other side's sum is short of.
        let (has, lacks) = if side == Side::Settlement { (recorded, billed) } else { (billed, recorded) };
        let short = money::subtract(has, lacks).filter(|short| !short.is_zero() && entries.len() > 1)?;
        [Place::Second, Place::First, Place::BehindTheGap].into_iter().find_map(|wanted| {
            let mut sum = Sum::default();
            let mut hour = None;
            for &entry in entries {
                let Some(start) = ledger.start(entry) else { continue };
                let day = zone.day(start);
                let hours = hours(zone, day);
                if hours != 24 && place(zone, day, start, hours) == Some(wanted) {
                    sum.add(if of_amounts.is_some() {
                        ledger.amount(entry)?
                    } else {
                        ledger.quantity(entry)?
                    });
                    hour = Some(hour.map_or((start, day, hours), |known: (Instant, Instant, i64)| {
                        known.min((start, day, hours))
                    }));
                }
            }
            let (start, day, hours) = hour.filter(|_| sum.value() == Some(short))?;
            let show =
                |value: Decimal| if of_amounts.is_some() { money::shown(value) } else { money::plain(value) };
            let who = if side == Side::Settlement { ["settled", "billed"] } else { ["billed", "settled"] };
            let arithmetic = format!(
                "{} {} - {} {} = {}, which is what is {} for {}; {}",
                show(has),
                who[0],
                show(lacks),
                who[1],
                show(short),
                who[0],
                zone.show(start, true),
                told(zone, day, start, wanted, hours)
            );
            Some(Cause { name: NAME.to_owned(), arithmetic })
        })
    })
}

fn place(zone: &Zone, day: Instant, start: Instant, hours: i64) -> Option<Place> {
    let offset = |at: i64| zone.show(Instant(at), true).get(19..).map(str::to_owned);
    if zone.is_date(start) {
        return None;
    }
    let own = offset(start.0);
    let (changed, changes) = (offset(start.0 - HOUR) != own, offset(start.0 + HOUR) != own);
    match hours {
        25 if changed => Some(Place::Second),
        25 if changes => Some(Place::First),
        25 if start.0 - day.0 >= 24 * HOUR => Some(Place::Last),
        23 if changed => Some(Place::BehindTheGap),
        _ => None,
    }
}

fn told(zone: &Zone, day: Instant, start: Instant, place: Place, hours: i64) -> String {
    let what = match place {
        Place::First => "comes again an hour later",
        Place::Second => "is there for the second time",
        Place::Last => "is in its 25th hour",
        Place::BehindTheGap => "follows the hour that the clock skips",
    };
    format!("{} has {hours} hours, and {} {what}", zone.show(day, false), zone.show(start, true))
}
