//! `price of another day`, `price of another location`: the price that was billed is settled elsewhere among what does not
//! tie, on just one other day of the same key, or at just one other location at the same time.

use super::leftovers::{Left, Leftovers};
use super::{Cause, Kind};
use crate::money::{self, Decimal};
use crate::normalise::{Field, Role, Side};

/// A settled price under its key: hash, what tells the places apart, location as stated, entry.
type Quote<'a> = (u64, i64, &'a str, u32);

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
        let of_day = sole(&days, left.hash(Side::Invoice, entry, None, price), own_day)
            .filter(|&other| is_quoted(left, entry, other, None, price));
        if let Some(other) = of_day {
            let on = left.start(Side::Settlement, other).map(|at| left.book.zone().show(at, false));
            let arithmetic = format!("{} is settled on {}", money::plain(price), on.unwrap_or_default());
            return Some(Cause { name: "price of another day".to_owned(), arithmetic });
        }
        let own_place = i64::from(left.book.key(Side::Invoice, location?, entry));
        let other = sole(&places, left.hash(Side::Invoice, entry, location, (start, price)), own_place)
            .filter(|&other| is_quoted(left, entry, other, location, price))?;
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
            Some((hash, place, ledger.role(Role::Location, entry), entry))
        })
        .collect();
    quotes.sort_unstable();
    quotes.dedup_by_key(|quote| (quote.0, quote.1));
    quotes
}

/// The entry under `hash`, where there is but one place, and not our own.
fn sole(quotes: &[Quote<'_>], hash: u64, own: i64) -> Option<u32> {
    let mut run = quotes.iter().skip(quotes.partition_point(|quote| quote.0 < hash));
    let &(_, place, _, entry) = run.next().filter(|quote| quote.0 == hash)?;
    let alone = run.next().is_none_or(|quote| quote.0 != hash);
    (alone && place != own).then_some(entry)
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
