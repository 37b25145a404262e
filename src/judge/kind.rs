//! Which name a difference bears: the first of the kinds, in their order, that holds.

use std::fmt;

use super::conversion::Conversion;
use super::figures::{Both, Figures, Variance, rounding_of, split};
use super::{Comparison, Judge, Terms, Weighed, figures};
use crate::matching::{Book, Group, How};
use crate::money::{self, Decimal};
use crate::normalise::{Role, Side};

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// More than one assignment of the entries is equally close.
    Ambiguous,
    /// A line that its own side has already.
    Duplicate,
    /// Billed, but not on record.
    Unsettled,
    /// On record, but never billed.
    Unbilled,
    /// The currencies differ, and no rate converts one into the other.
    Currency,
    /// The units do not convert, or one of them is wrong.
    Unit,
    /// The two sides speak of different versions of the settlement.
    Version,
    /// The amounts have opposite signs.
    Sign,
    /// The quantity differs, and that explains the amount.
    Quantity,
    /// The price differs, and that explains the amount.
    Price,
    /// The amount differs, beyond what quantity or price alone explain.
    Amount,
    /// The sides tie, but quantity × price of a line or of a record is not its own amount.
    Arithmetic,
}

impl Kind {
    /// All kinds, in the order in which they are tried.
    pub const ALL: [Self; 12] = [
        Self::Ambiguous,
        Self::Duplicate,
        Self::Unsettled,
        Self::Unbilled,
        Self::Currency,
        Self::Unit,
        Self::Version,
        Self::Sign,
        Self::Quantity,
        Self::Price,
        Self::Amount,
        Self::Arithmetic,
    ];

    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ambiguous => "ambiguous",
            Self::Duplicate => "duplicate",
            Self::Unsettled => "unsettled",
            Self::Unbilled => "unbilled",
            Self::Currency => "currency",
            Self::Unit => "unit",
            Self::Version => "version",
            Self::Sign => "sign",
            Self::Quantity => "quantity",
            Self::Price => "price",
            Self::Amount => "amount",
            Self::Arithmetic => "arithmetic",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What comparing a group came to.
pub(super) enum Found {
    /// It ties, exactly or by the tolerance of that number, which says so much.
    Ties(Option<(usize, Weighed)>),
    /// It does not; the tolerance that was exceeded, if there is one.
    Differs(Kind, Option<usize>),
}

/// Names what differs in `group`.
pub(super) fn find(judge: &Judge<'_>, group: &Group<'_>, figures: &Both) -> Found {
    match group.how {
        How::Ambiguous | How::TooMany | How::Choices | How::Unweighed => {
            return Found::Differs(Kind::Ambiguous, None);
        }
        How::Duplicate(_) => return Found::Differs(Kind::Duplicate, None),
        How::Alone | How::Unfit | How::Outnumbered if group.settlements.is_empty() => {
            return Found::Differs(Kind::Unsettled, None);
        }
        How::Alone | How::Unfit | How::Outnumbered => return Found::Differs(Kind::Unbilled, None),
        How::Lines | How::Totals => {}
    }
    if stays_apart(judge.book, group, figures) {
        return Found::Differs(Kind::Currency, None);
    }
    if figures.units_clash {
        return Found::Differs(Kind::Unit, None);
    }
    let (invoiced, settled) = (&figures.invoiced, &figures.settled);
    let compare = |role, pick: fn(&Figures) -> Option<Decimal>| {
        judge.compare(role, group, [pick(invoiced), pick(settled)], settled.quantity)
    };
    let amount = compare(Role::Amount, |figures| figures.amount);
    let quantity = compare(Role::Quantity, |figures| figures.quantity);
    let price = compare(Role::Price, |figures| figures.price);
    let all = [amount, quantity, price];
    let versions_differ = match judge.book.versions().filter(|versions| versions.is_delta()) {
        Some(versions) => super::versions::last_versions_differ(judge.book, versions, group),
        None => texts_differ(judge.book, group, Role::Version),
    };
    if versions_differ
        || (all.into_iter().any(Comparison::is_beyond) && super::versions::earlier(judge, group).is_some())
    {
        // Versions are never compared silently, not even where the figures happen to agree.
        return Found::Differs(Kind::Version, None);
    }
    if figures.overflow {
        return Found::Differs(Kind::Amount, None);
    }
    if !all.into_iter().any(Comparison::is_beyond) {
        if let Some(kind) = incomparable(all, invoiced, settled) {
            return Found::Differs(kind, None);
        }
        let miscalculated =
            |side, entries: &[u32]| entries.iter().any(|&entry| judge.miscalculated(side, entry));
        if miscalculated(Side::Invoice, group.invoices) || miscalculated(Side::Settlement, group.settlements)
        {
            return Found::Differs(
                Kind::Arithmetic,
                judge.tolerance(Role::Amount, group).map(|(number, _)| number),
            );
        }
        return Found::Ties(all.into_iter().find_map(|comparison| match comparison {
            Comparison::Within(tolerance, weighed) => Some((tolerance, weighed)),
            _ => None,
        }));
    }
    let exceeded = all.into_iter().find_map(|comparison| match comparison {
        Comparison::Beyond(tolerance) => Some(tolerance),
        _ => None,
    });
    Found::Differs(differing(judge, group, figures, [amount, quantity, price]), exceeded.flatten())
}

/// What differs where no figure stands on both sides, so that nothing was compared; `None` where
/// something was, or where no figure stands on either side.
fn incomparable(compared: [Comparison; 3], invoiced: &Figures, settled: &Figures) -> Option<Kind> {
    if compared.into_iter().any(|comparison| comparison != Comparison::Absent) {
        return None;
    }
    let either = |pick: fn(&Figures) -> Option<Decimal>| pick(invoiced).or(pick(settled)).is_some();
    [
        (Kind::Quantity, either(|figures| figures.quantity)),
        (Kind::Price, either(|figures| figures.price)),
        (Kind::Amount, either(|figures| figures.amount)),
    ]
    .into_iter()
    .find_map(|(kind, stated)| stated.then_some(kind))
}

fn differing(judge: &Judge<'_>, group: &Group<'_>, figures: &Both, compared: [Comparison; 3]) -> Kind {
    let [amount, quantity, price] = compared;
    let (invoiced, settled) = (&figures.invoiced, &figures.settled);
    let stated = figures.as_stated().quantity;
    let as_stated = judge.compare(Role::Quantity, group, [invoiced.quantity, stated], stated);
    if figures.converted && quantity.is_beyond() && !as_stated.is_beyond() && as_stated != Comparison::Absent
    {
        return Kind::Unit;
    }
    let opposed = settled.amount.map(|amount| -amount);
    let opposite = judge.compare(Role::Amount, group, [invoiced.amount, opposed], settled.quantity);
    if amount.is_beyond() && !opposite.is_beyond() {
        return Kind::Sign;
    }
    // What is left of the variance must be no more than rounding, or what the amount may differ by.
    let explains = |part: fn(&Variance) -> Decimal| {
        let lines = group.invoices.len() + group.settlements.len();
        let rest = split(invoiced, settled, lines).and_then(|v| money::subtract(v.total, part(&v)));
        let tolerated = |rest| {
            let (invoiced, quantity) = (invoiced.amount?, settled.quantity);
            let terms = Terms { invoiced, settled: settled.amount?, lines: group.lines(), quantity };
            judge.tolerance(Role::Amount, group)?.1.weigh(rest, &terms)
        };
        !amount.is_beyond()
            || rest.is_some_and(|rest| {
                rest.abs() <= rounding_of(lines) || tolerated(rest).is_some_and(|weighed| weighed.allows)
            })
    };
    match (quantity.is_beyond(), price.is_beyond()) {
        (true, false) if explains(|variance| variance.volume) => Kind::Quantity,
        (false, true) if explains(|variance| variance.price) => Kind::Price,
        _ => Kind::Amount,
    }
}

/// Whether the entries of a group state more than one currency, and no rates bring them together.
pub(super) fn stays_apart(book: &Book<'_>, group: &Group<'_>, figures: &Both) -> bool {
    let converted = figures.conversion.as_deref().is_some_and(Conversion::is_complete);
    !converted && texts_differ(book, group, Role::Currency)
}

/// Whether the entries of a group state more than one text in `role`; blanks agree with anything.
fn texts_differ(book: &Book<'_>, group: &Group<'_>, role: Role) -> bool {
    let sides = [(Side::Invoice, group.invoices), (Side::Settlement, group.settlements)].into_iter();
    figures::differ(
        book,
        role,
        sides.flat_map(|(side, entries)| entries.iter().map(move |&entry| (side, entry))),
    )
}
