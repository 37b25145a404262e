//! `unit mislabelled`: the figure is the same before it is converted.

use super::{Case, Cause, Kind};
use crate::money;

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let figures = &case.discrepancy.figures;
    let (invoiced, settled) = (figures.invoiced.quantity?, figures.as_stated().quantity?);
    (case.discrepancy.kind == Kind::Unit && figures.converted && invoiced == settled).then(|| Cause {
        name: "unit mislabelled".to_owned(),
        arithmetic: format!(
            "{} = {} before units are converted",
            money::plain(invoiced),
            money::plain(settled)
        ),
    })
}
