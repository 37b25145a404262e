//! `price of another day`, `price of another location`: the price that was billed is settled elsewhere among what does not
//! tie, on just one other day of the same key, or at just one other location at the same time.

use super::leftovers::{Left, Leftovers};
use super::{Cause, Kind};
use crate::money::{self, Decimal};
use crate::normalise::{Field, Role, Side};

/// A settled price under its key: hash, what tells the places apart, the keys of unit and currency, location as stated, entry.
type Quote<'a> = (u64, i64, [u32; 2], &'a str, u32);

pub(super) fn find(left: &Leftovers<'_>) -> Vec<(usize, Cause)> {
    let wanted: Vec<(Left, Decimal)> = left
        .entries(Side::Invoice)
        .filter_map(|wanted| {
            let discrepancy = left.discrepancies.get(wanted.number)?;
            let price = discrepancy.figures.invoiced.price.filter(|price| !price.is_zero())?;
            (discrepancy.kind == Kind::Price && discrepancy.cause.is_none())
                .then_some((wanted, price.normalize()))
        })
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let location = Field::of(Role::Location).filter(|&field| left.is_keyed(field));
    let days = quotes(left, |entry, price| {
        let start = left.start(Side::Settlement, entry)?;
        Some((left.hash(Side::Settlement, entry, None, price), left.book.zone().day(start).0))
    });
    let places = quotes(left, |entry, price| {
        let start = left.start(Side::Settlement, entry)?;
        let place = left.book.key(Side::Settlement, location?, entry);
        Some((left.hash(Side::Settlement, entry, location, (start, price)), i64::from(place)))
    });
    let cause = |&(Left { entry, .. }, price): &(Left, Decimal)| {
        let start = left.start(Side::Invoice, entry)?;
        let own_day = left.book.zone().day(start).0;
        let is_of_day = |other| is_quoted(left, entry, other, None, price);
        let of_day = sole(&days, left.hash(Side::Invoice, entry, None, price), own_day, is_of_day);
        if let Some(other) = of_day {
            let on = left.start(Side::Settlement, other).map(|at| left.book.zone().show(at, false));
            let arithmetic = format!("{} is settled on {}", money::plain(price), on.unwrap_or_default());
            return Some(Cause { name: "price of another day".to_owned(), arithmetic });
        }
        let own_place = i64::from(left.book.key(Side::Invoice, location?, entry));
        let is_of_place = |other| is_quoted(left, entry, other, location, price);
        let hash = left.hash(Side::Invoice, entry, location, (start, price));
        let other = sole(&places, hash, own_place, is_of_place)?;
        let at = left.book.ledger(Side::Settlement).role(Role::Location, other);
        let arithmetic = format!("{} is settled at {at}", money::plain(price));
        Some(Cause { name: "price of another location".to_owned(), arithmetic })
    };
    wanted.iter().filter_map(|wanted| Some((wanted.0.number, cause(wanted)?))).collect()
}

fn quotes<'a>(left: &Leftovers<'a>, under: impl Fn(u32, Decimal) -> Option<(u64, i64)>) -> Vec<Quote<'a>> {
    let ledger = left.book.ledger(Side::Settlement);
    let mut quotes: Vec<Quote<'a>> = left
        .entries(Side::Settlement)
        .filter_map(|Left { entry, .. }| {
            let (hash, place) = under(entry, ledger.price(entry)?.normalize())?;
            let key = |role| Field::of(role).map_or(0, |field| left.book.key(Side::Settlement, field, entry));
            let measures = [Role::Unit, Role::Currency].map(key);
            Some((hash, place, measures, ledger.role(Role::Location, entry), entry))
        })
        .collect();
    quotes.sort_unstable();
    quotes.dedup_by_key(|quote| (quote.0, quote.1, quote.2));
    quotes
}

/// The entry under `hash` that `counts`, where there is but one place with such entries, and not our own.
fn sole(quotes: &[Quote<'_>], hash: u64, own: i64, counts: impl Fn(u32) -> bool) -> Option<u32> {
    let run = quotes.iter().skip(quotes.partition_point(|quote| quote.0 < hash));
    let mut run = run.take_while(|quote| quote.0 == hash).filter(|quote| counts(quote.4));
    let mut first = run.next()?;
    for quote in run {
        if quote.1 != first.1 {
            return None;
        }
        // Of several measures at one place, which come in no order of their own, the location that is first.
        if quote.3 < first.3 {
            first = quote;
        }
    }
    (first.1 != own).then_some(first.4)
}

/// Whether the record has the invoice line's key and price, in one unit and currency.
fn is_quoted(
    left: &Leftovers<'_>,
    invoice: u32,
    settlement: u32,
    without: Option<Field>,
    price: Decimal,
) -> bool {
    let (a, b) = ((Side::Invoice, invoice), (Side::Settlement, settlement));
    left.book.ledger(Side::Settlement).price(settlement) == Some(price)
        && left.is_same_key(a, b, without)
        && left.agrees(Role::Unit, a, b)
        && left.agrees(Role::Currency, a, b)
}
