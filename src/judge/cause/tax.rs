//! `tax included`: one side has a tax in its figure that the other has not, at a rate of `[judge] tax_rates`.

use super::{Case, Cause, follows, rounding};
use crate::money::{self, Decimal, Ratio};
use crate::normalise::Role;

/// Of so many steps of the last digit, half a step is a tenth.
const STEPS: i64 = 5;

pub(super) fn find(case: &Case<'_>) -> Option<Cause> {
    let pair = case.figure().filter(|pair| pair.role != Role::Quantity)?;
    let mut fitting = case.rules.tax_rates.iter().filter_map(|&rate| {
        let with = money::add(Decimal::ONE_HUNDRED, rate)?;
        let ratio = Ratio::of(with, Decimal::ONE_HUNDRED)?;
        let factor = money::multiply(with, Decimal::new(1, 2)).map(money::plain)?;
        let told = |name: &str, from: Decimal, to: Decimal, how| Cause {
            name: format!("{name} {} %", money::plain(rate)),
            arithmetic: format!("{} × {factor} = {}{}", pair.show(from), pair.show(to), rounding(how)),
        };
        let included = follows(pair.invoiced, pair.settled, ratio, STEPS)
            .map(|how| told("tax included", pair.settled, pair.invoiced, how));
        included.or_else(|| {
            let how = follows(pair.settled, pair.invoiced, ratio, STEPS)?;
            Some(told("tax left out", pair.invoiced, pair.settled, how))
        })
    });
    // Where two rates give the same cents, nobody can say which it was.
    fitting.next().filter(|_| fitting.next().is_none())
}
