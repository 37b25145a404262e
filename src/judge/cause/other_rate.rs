//! `rate of another day`: what was billed is what was settled, converted at the rate of another day.

use super::{Case, Cause, Kind};
use crate::money;

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let discrepancy = case.discrepancy;
    if !matches!(discrepancy.kind, Kind::Amount | Kind::Price) {
        return None;
    }
    let conversion = discrepancy.figures.conversion.as_ref()?;
    let (billed_at, record) = (conversion.billed_at.as_ref()?, conversion.records.first()?);
    Some(Cause {
        name: "rate of another day".to_owned(),
        arithmetic: format!(
            "{} {} × {} ({}) = {} {}",
            money::shown(billed_at.stated),
            record.from,
            money::plain(billed_at.rate),
            billed_at.day,
            money::shown(discrepancy.figures.invoiced.amount?),
            conversion.to
        ),
    })
}
