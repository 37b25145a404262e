//! `billed twice`, `recorded twice`: a line that its own side has already.

use super::{Case, Cause, Kind};
use crate::money;

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    if case.discrepancy.kind != Kind::Duplicate {
        return None;
    }
    let figures = &case.discrepancy.figures;
    let (name, side) = match case.discrepancy.settlements.is_empty() {
        true => ("billed twice", &figures.invoiced),
        false => ("recorded twice", &figures.settled),
    };
    let together = side.amount.and_then(|amount| Some((money::shown(amount), money::add(amount, amount)?)));
    let arithmetic = together.map_or_else(
        || "two lines agree in all but their document".to_owned(),
        |(amount, both)| format!("{amount} + {amount} = {} for what is one line", money::shown(both)),
    );
    Some(Cause { name: name.to_owned(), arithmetic })
}
