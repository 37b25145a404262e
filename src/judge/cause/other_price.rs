//! `price of another day`, `price of another interval`, `price of another location`, or of another charge or attribute of the key:
//! the price that was billed is settled elsewhere among what does not tie, on just one other day of the same key, in just one
//! other interval of the day, or for just one other location, charge or index at the same time.

use std::collections::HashSet;

use foldhash::fast::FixedState;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSliceMut as _;

use super::leftovers::{Left, Leftovers};
use super::{Cause, Kind};
use crate::money::{self, Decimal};
use crate::normalise::{Field, Role, Side};
use crate::period::{Instant, LocalDays};

/// A settled price under its key: hash, what tells the places apart, the keys of unit and currency, entry.
type Quote = (u64, i64, [u32; 2], u32);

/// A price as [`money::canonical`] has it: equal ones are the same, and it takes no decimals to see that.
type Price = (i128, u32);

pub(super) fn find(left: &Leftovers<'_>) -> Vec<(usize, Cause)> {
    let wanted: Vec<(Left, Decimal)> = left
        .entries(Side::Invoice)
        .par_iter()
        .filter(|wanted| wanted.kind == Kind::Price)
        .filter_map(|&wanted| {
            let discrepancy = left.discrepancies.get(wanted.number)?;
            let price = discrepancy.figures.invoiced.price.filter(|price| !price.is_zero())?;
            (!discrepancy.is_blamed()).then_some((wanted, price))
        })
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let prices: HashSet<Price, FixedState> =
        wanted.iter().map(|&(_, price)| money::canonical(price)).collect();
    let settled = left.book.ledger(Side::Settlement);
    let offers: Vec<(u32, Price)> = left
        .entries(Side::Settlement)
        .par_iter()
        .filter_map(|&Left { entry, .. }| Some((entry, money::canonical(settled.price(entry)?))))
        .filter(|(_, price)| prices.contains(price))
        .collect();
    // What a price is quoted for, beside its time: where, for which charge, by which index.
    let apart = [Role::Deal, Role::Vendor, Role::Unit, Role::Currency].map(Field::of);
    let kinds: Vec<(Field, Vec<Quote>)> = left
        .keyed()
        .filter(|field| !apart.contains(&Some(*field)))
        .map(|field| {
            let quotes = quotes(left, &offers, |entry, price| {
                let start = left.start(Side::Settlement, entry)?;
                let kind = left.book.key(Side::Settlement, field, entry);
                Some((left.hash(Side::Settlement, entry, Some(field), (start, price)), i64::from(kind)))
            });
            (field, quotes)
        })
        .collect();
    let zone = left.book.zone();
    let mut days = LocalDays::new(zone);
    let settled_at = offers.iter().filter_map(|&(entry, _)| left.start(Side::Settlement, entry));
    let billed_for = wanted.iter().filter_map(|(wanted, _)| left.start(Side::Invoice, wanted.entry));
    settled_at.chain(billed_for).for_each(|start| {
        days.learn(start);
    });
    let times = |place: &(dyn Fn(Instant) -> Instant + Sync)| {
        quotes(left, &offers, |entry, price| {
            let start = left.start(Side::Settlement, entry)?;
            Some((left.hash(Side::Settlement, entry, None, price), place(start).0))
        })
    };
    let (by_day, by_start) = (times(&|start| days.of(start)), times(&|start| start));
    let cause = |&(Left { entry, .. }, stated): &(Left, Decimal)| {
        let start = left.start(Side::Invoice, entry)?;
        let price = money::canonical(stated);
        let at_another = |quotes: &[Quote], own: Instant| {
            let counts = |other| is_quoted(left, entry, other, None, price);
            sole(left, quotes, left.hash(Side::Invoice, entry, None, price), own.0, counts)
                .and_then(|other| left.start(Side::Settlement, other))
        };
        let own_day = days.of(start);
        if let Some(other) = at_another(&by_day, own_day) {
            let arithmetic = format!("{} is settled on {}", money::plain(stated), zone.show(other, false));
            return Some(Cause { name: "price of another day".to_owned(), arithmetic });
        }
        if let Some(other) = at_another(&by_start, start).filter(|&other| days.of(other) == own_day) {
            let arithmetic = format!("{} is settled for {}", money::plain(stated), zone.show(other, true));
            return Some(Cause { name: "price of another interval".to_owned(), arithmetic });
        }
        kinds.iter().find_map(|&(field, ref quotes)| {
            let own = i64::from(left.book.key(Side::Invoice, field, entry));
            let counts = |other| is_quoted(left, entry, other, Some(field), price);
            let hash = left.hash(Side::Invoice, entry, Some(field), (start, price));
            let other = sole(left, quotes, hash, own, counts)?;
            let name = left.book.fields().name(field);
            let word = if Role::named(name) == Some(Role::Location) { "at" } else { "for" };
            let text = left.book.ledger(Side::Settlement).text(field, other);
            let arithmetic = format!("{} is settled {word} {text}", money::plain(stated));
            Some(Cause { name: format!("price of another {name}"), arithmetic })
        })
    };
    wanted.par_iter().filter_map(|wanted| Some((wanted.0.number, cause(wanted)?))).collect()
}

/// The records that are settled at a price that is looked for, under what `under` makes of them.
fn quotes(
    left: &Leftovers<'_>,
    offers: &[(u32, Price)],
    under: impl Fn(u32, Price) -> Option<(u64, i64)> + Sync,
) -> Vec<Quote> {
    let mut quotes: Vec<Quote> = offers
        .par_iter()
        .filter_map(|&(entry, price)| {
            let (hash, place) = under(entry, price)?;
            let key = |role| Field::of(role).map_or(0, |field| left.book.key(Side::Settlement, field, entry));
            Some((hash, place, [Role::Unit, Role::Currency].map(key), entry))
        })
        .collect();
    // Of records that say the same of the place, the first by what their sources say: the order of the rows means nothing.
    let at = |quote: &Quote| (quote.0, quote.1, quote.2);
    quotes.par_sort_unstable_by(|a, b| at(a).cmp(&at(b)).then_with(|| left.order(a.3).cmp(&left.order(b.3))));
    quotes.dedup_by_key(|quote| at(quote));
    quotes
}

/// The entry under `hash` that `counts`, where there is but one place with such entries, and not our own.
fn sole(
    left: &Leftovers<'_>,
    quotes: &[Quote],
    hash: u64,
    own: i64,
    counts: impl Fn(u32) -> bool,
) -> Option<u32> {
    let run = quotes.iter().skip(quotes.partition_point(|quote| quote.0 < hash));
    let mut run = run.take_while(|quote| quote.0 == hash).filter(|quote| counts(quote.3));
    let mut first = run.next()?;
    for quote in run {
        if quote.1 != first.1 {
            return None;
        }
        // Measures come in no order of their own.
        if left.order(quote.3) < left.order(first.3) {
            first = quote;
        }
    }
    (first.1 != own).then_some(first.3)
}

/// Whether the record has the invoice line's key and price, in one unit and currency.
fn is_quoted(
    left: &Leftovers<'_>,
    invoice: u32,
    settlement: u32,
    without: Option<Field>,
    price: Price,
) -> bool {
    let (a, b) = ((Side::Invoice, invoice), (Side::Settlement, settlement));
    left.book.ledger(Side::Settlement).price(settlement).map(money::canonical) == Some(price)
        && left.is_same_key(a, b, without)
        && left.agrees(Role::Unit, a, b)
        && left.agrees(Role::Currency, a, b)
}
