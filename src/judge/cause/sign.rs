//! `opposite sign`: payer and payee write opposite signs.

use super::{Case, Cause};

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let pair = case.figure()?;
    (pair.invoiced == -pair.settled).then(|| Cause {
        name: "opposite sign".to_owned(),
        arithmetic: format!("{} = -1 × {}", pair.show(pair.invoiced), pair.show(pair.settled)),
    })
}
