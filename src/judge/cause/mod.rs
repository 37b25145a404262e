//! Why two figures differ, where exact arithmetic shows it; never a guess.
//!
//! A cause has a file here and a line in [`AT_ONCE`], [`ACROSS`] or [`LAST`]. It is named where it holds exactly, or to the last digit with
//! the rounding named. Where several hold, the first in that order is named: what says more about the data stands
//! before what chance could do. A cause never changes a kind, and one that is named already stays: `earlier version`
//! is known before anybody looks here.

mod clock;
mod digits;
mod leftovers;
mod mislabelled;
mod other_price;
mod other_rate;
mod rounded;
mod scale;
mod shifted;
mod sign;
mod split_line;
mod tax;
mod twice;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use self::leftovers::{Leftovers, Unpaired};
pub(super) use self::other_price::looked_for;
pub use self::other_price::{COMMON_PRICE, CommonPrices, is_priced_by};
use super::{Both, Discrepancy, Figures, Kind, Rules};
use crate::matching::Book;
use crate::money::{self, Decimal, Ratio, Rounding};
use crate::normalise::Role;

/// A cause, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cause {
    /// As the reports name it.
    name: String,
    /// Arithmetic that a reader can check, as a sentence without its point.
    arithmetic: String,
}

/// One discrepancy by itself.
struct Case<'a> {
    book: &'a Book<'a>,
    rules: &'a Rules<'a>,
    discrepancy: &'a Discrepancy,
}

/// Looks for a cause in the figures of one discrepancy.
type Alone = fn(&Case<'_>) -> Option<Cause>;

/// Looks for causes among all that does not tie: the numbers of discrepancies, with their cause.
type AcrossAll = fn(&Leftovers<'_>) -> Vec<(usize, Cause)>;

/// The causes that are tried first, as soon as a discrepancy is found.
const AT_ONCE: &[Alone] =
    &[sign::find, other_rate::find, mislabelled::find, twice::find, scale::find, tax::find, rounded::find];

/// Those that are tried when all are found. Those that stand together do not see which causes the others of them name, and are
/// looked for at once.
const ACROSS: [&[AcrossAll]; 2] = [&[clock::find, shifted::find, other_price::find], &[split_line::find]];

/// Those that chance makes most easily: they stand where none of the others is named.
const LAST: &[Alone] = &[digits::find];

/// Names the cause of a discrepancy where its own figures show one.
pub(super) fn name_at_once(book: &Book<'_>, rules: &Rules<'_>, discrepancy: &mut Discrepancy) {
    if discrepancy.cause.is_some() {
        return;
    }
    let case = Case { book, rules, discrepancy };
    let found = |finders: &[Alone]| finders.iter().find_map(|find| find(&case));
    if let Some(cause) = found(AT_ONCE) {
        discrepancy.blame(cause);
    } else if let Some(cause) = found(LAST) {
        discrepancy.blame(cause);
        discrepancy.is_last_resort = true;
    }
}

/// Names the other causes of `discrepancies`, in time that grows as sorting them does.
pub(super) fn name(
    book: &Book<'_>,
    rules: &Rules<'_>,
    discrepancies: &mut [Box<Discrepancy>],
    common: &CommonPrices,
) {
    let unpaired = &Unpaired::of(book, rules, discrepancies);
    for finders in ACROSS {
        let left = Leftovers { book, discrepancies, common, unpaired };
        let found: Vec<_> = finders.par_iter().map(|find| find(&left)).collect();
        for (number, cause) in found.into_iter().flatten() {
            if let Some(discrepancy) = discrepancies.get_mut(number) {
                discrepancy.blame(cause);
            }
        }
    }
}

impl Discrepancy {
    /// Whether a cause is named that no other takes the place of.
    const fn is_blamed(&self) -> bool {
        self.cause.is_some() && !self.is_last_resort
    }

    /// Names a cause where none is named that stands.
    fn blame(&mut self, cause: Cause) {
        if !self.is_blamed() {
            (self.cause, self.arithmetic) = (Some(cause.name), Some(cause.arithmetic));
            self.is_last_resort = false;
        }
    }
}

impl Case<'_> {
    /// The figure that the kind speaks of, as billed and as settled.
    fn figure(&self) -> Option<Pair> {
        let role = match self.discrepancy.kind {
            Kind::Quantity => Role::Quantity,
            Kind::Price => Role::Price,
            Kind::Amount | Kind::Sign => Role::Amount,
            _ => return None,
        };
        let Both { invoiced, settled, .. } = &self.discrepancy.figures;
        let pick = |figures: &Figures| match role {
            Role::Quantity => figures.quantity,
            Role::Price => figures.price,
            _ => figures.amount,
        };
        let pair = Pair { role, invoiced: pick(invoiced)?, settled: pick(settled)? };
        (pair.invoiced != pair.settled && !pair.invoiced.is_zero() && !pair.settled.is_zero()).then_some(pair)
    }
}

/// Two figures that differ, neither of them nought.
#[derive(Clone, Copy)]
struct Pair {
    role: Role,
    invoiced: Decimal,
    settled: Decimal,
}

impl Pair {
    fn show(&self, value: Decimal) -> String {
        if self.role == Role::Amount { money::shown(value) } else { money::plain(value) }
    }
}

/// How `a = b × ratio` holds: exactly (`Some(None)`), or rounded to the digits of `a` in the way that is given. What rounding
/// can hide must be small beside the difference: at least `steps` of the last digit lie between `a` and `b`.
fn follows(a: Decimal, b: Decimal, ratio: Ratio, steps: i64) -> Option<Option<Rounding>> {
    if ratio.holds(a, b) {
        return Some(None);
    }
    if !ratio.is_near(a, b) {
        return None;
    }
    let apart = money::subtract(a, b)?.abs();
    if apart < Decimal::new(steps, a.scale()) {
        return None;
    }
    [Rounding::HalfUp, Rounding::HalfEven]
        .into_iter()
        .find(|&rounding| ratio.rounded(b, a.scale(), rounding) == Some(a))
        .map(Some)
}

/// `, rounded half-up`, where it was.
fn rounding(rounding: Option<Rounding>) -> String {
    rounding.map_or_else(String::new, |rounding| format!(", rounded {}", rounding.name()))
}
