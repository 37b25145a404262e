//! In: [`Group`]s. Out: an [`Outcome`]: a verdict for each group, kept in full
//! where it is a discrepancy, counted where it is not, and control totals that
//! balance. Never: reads, writes, asks the clock, or changes a value.

mod arithmetic;
mod cause;
mod control;
mod conversion;
mod explanation;
mod figures;
mod identity;
mod kind;
mod members;
mod patterns;
mod said;
mod tolerance;
mod totals;
mod variances;
mod versions;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator};
use rayon::slice::ParallelSliceMut as _;

pub use self::arithmetic::{Held, weigh};
pub use self::cause::{COMMON_PRICE, CommonPrices, is_priced_by};
pub use self::control::{Balance, Class, Control};
pub use self::conversion::{BilledAt, Conversion, Converted};
pub use self::explanation::explain;
pub use self::figures::{Both, Figures, Variance, miscalculated, split};
use self::kind::Found;
pub use self::kind::Kind;
pub use self::members::Members;
pub use self::patterns::{Pattern, Share};
pub use self::tolerance::{Combine, Limb, Of, Terms, Tolerance, Weighed};
pub use self::variances::{Signed, Variances};
use crate::fault::Result;
use crate::matching::{Book, Group, How, Pass, PassCount};
use crate::money::{self, Decimal};
use crate::normalise::{Field, KeyRules, Rates, Role, Side};

/// What judging needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// In the order in which they are tried.
    pub tolerances: &'a [Tolerance],
    /// Makes the values of `when` comparable.
    pub keys: &'a KeyRules,
    /// Whether quantity × price is checked against the amount of a line: of the invoices, and of the settlements.
    pub check_arithmetic: [bool; 2],
    /// The passes; the key of the first says which entries may stand for each other's neighbours.
    pub passes: &'a [Pass],
    /// What converts settlements into the invoice's currency; without it, currencies never meet.
    pub rates: Option<&'a Rates>,
    /// In percent: what a tax may add to an amount or a price.
    pub tax_rates: &'a [Decimal],
}

/// A group that does not tie.
#[derive(Clone, Debug)]
pub struct Discrepancy {
    /// The same in every run over the same facts.
    pub id: String,
    /// What differs.
    pub kind: Kind,
    /// Why, where exact arithmetic shows it.
    pub cause: Option<String>,
    /// Whether any other cause would take the place of this one.
    is_last_resort: bool,
    /// That arithmetic, for a reader to check.
    pub arithmetic: Option<String>,
    /// The pass that made the group.
    pub pass: Option<usize>,
    /// How the group came about.
    pub how: How,
    /// Invoice entries.
    pub invoices: Members,
    /// Settlement entries.
    pub settlements: Members,
    /// Their figures.
    pub figures: Both,
    /// The variance, where both sides are in one currency and state amounts; a side without entries states nought.
    pub variance: Option<Variance>,
    /// The tolerance that was exceeded.
    pub tolerance: Option<usize>,
    /// A settlement entry of the earlier version that the invoice ties to, where it ties to one.
    pub earlier: Option<u32>,
    /// The first of the run's patterns that it is one of.
    pub pattern: Option<usize>,
}

impl Discrepancy {
    /// Whether its variance is at least `minimum`; what has no variance is always material.
    #[must_use]
    pub fn is_material(&self, minimum: Option<Decimal>) -> bool {
        self.variance.zip(minimum).is_none_or(|(variance, minimum)| variance.total.abs() >= minimum)
    }

    /// The entries of one side.
    #[must_use]
    pub fn entries(&self, side: Side) -> &[u32] {
        match side {
            Side::Invoice => &self.invoices,
            Side::Settlement => &self.settlements,
        }
    }
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The largest variance first, once all causes are named.
    // There may be many, they are large, and they come in another order: it is not they that are moved.
    pub discrepancies: Vec<Box<Discrepancy>>,
    /// How many of each kind there are.
    pub kinds: BTreeMap<Kind, u64>,
    /// Their variances, added up.
    pub variances: Variances,
    /// Groups that tie exactly.
    pub matched: u64,
    /// Groups that tie within each tolerance, by its number.
    pub within: BTreeMap<usize, u64>,
    /// The same by the limb that decided, with the room that was left.
    pub rooms: BTreeMap<(usize, Limb), Room>,
    /// Groups whose sides are in two currencies and that rates brought together.
    pub converted: u64,
    /// Those of them for which an earlier day's rate stands in.
    pub by_previous: u64,
    /// What each pass took.
    pub passes: Vec<PassCount>,
    /// Read = matched + within tolerance + discrepant + superseded + rejected.
    pub control: Control,
    /// What many discrepancies have in common, the one that explains most money first.
    pub patterns: Vec<Pattern>,
}

/// What a limb of a tolerance let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// How many groups.
    pub groups: u64,
    /// How much more would have been allowed where that was least.
    pub least: Option<Decimal>,
}

impl Outcome {
    /// Counts a group that ties within the tolerance of that number.
    pub fn count_within(&mut self, tolerance: usize, weighed: &Weighed) {
        *self.within.entry(tolerance).or_default() += 1;
        let room = self.rooms.entry((tolerance, weighed.limb)).or_default();
        room.groups += 1;
        room.least = [room.least, weighed.room].into_iter().flatten().min();
    }

    /// Takes a discrepancy, and counts it.
    fn take(&mut self, book: &Book<'_>, discrepancy: Box<Discrepancy>) {
        *self.kinds.entry(discrepancy.kind).or_default() += 1;
        self.variances.add(book, &discrepancy);
        self.discrepancies.push(discrepancy);
    }

    /// Counts what another outcome has counted; its discrepancies stay where they are.
    pub fn join(&mut self, other: &Self) {
        for (&kind, count) in &other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.variances.join(&other.variances);
        self.matched += other.matched;
        self.converted += other.converted;
        self.by_previous += other.by_previous;
        for (&tolerance, count) in &other.within {
            *self.within.entry(tolerance).or_default() += count;
        }
        for (&limb, other) in &other.rooms {
            let room = self.rooms.entry(limb).or_default();
            room.groups += other.groups;
            room.least = [room.least, other.least].into_iter().flatten().min();
        }
        self.control.join(&other.control);
    }

    /// The discrepancies, the largest variance first.
    pub fn discrepancies(&self) -> impl Iterator<Item = &Discrepancy> + Clone {
        self.discrepancies.iter().map(AsRef::as_ref)
    }

    /// Groups within any tolerance.
    #[must_use]
    pub fn within_tolerance(&self) -> u64 {
        self.within.values().sum()
    }
}

/// All verdicts of a run, without what takes more than one discrepancy to see: some causes, and the patterns. They are in the order in which
/// they were found, which is how they lie in memory: there may be many.
pub struct Verdicts(Outcome);

impl Verdicts {
    /// Lines of the invoices, and their prices. Causes are looked for at whatever records have these prices: the ledger of the settlements
    /// should have those records, too, where they tied before any verdict.
    pub fn prices_looked_for(&self) -> impl ParallelIterator<Item = (u32, Decimal)> {
        self.0.discrepancies.par_iter().filter_map(|discrepancy| cause::looked_for(discrepancy))
    }

    /// The outcome. The book is that of the verdicts, with whatever records were looked up since, but for those of prices that are `common`.
    #[must_use]
    pub fn conclude(self, book: &Book<'_>, rules: &Rules<'_>, common: &CommonPrices) -> Outcome {
        let Self(mut outcome) = self;
        cause::name(book, rules, &mut outcome.discrepancies, common);
        sort(&mut outcome.discrepancies);
        outcome.patterns = patterns::mine(book, rules.keys, &outcome.discrepancies);
        for (number, pattern) in outcome.patterns.iter().enumerate() {
            for &member in &pattern.discrepancies {
                if let Some(discrepancy) = outcome.discrepancies.get_mut(member) {
                    discrepancy.pattern.get_or_insert(number);
                }
            }
        }
        outcome
    }
}

/// How one field of a group compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// One side does not state it.
    Absent,
    Equal,
    /// Allowed by the tolerance of that number, which says so much.
    Within(usize, Weighed),
    /// Not allowed by that tolerance; by none, where there is none.
    Beyond(Option<usize>),
}

impl Comparison {
    const fn is_beyond(self) -> bool {
        matches!(self, Self::Beyond(_))
    }
}

/// Judges groups as they come.
pub struct Judge<'a> {
    book: &'a Book<'a>,
    rules: Rules<'a>,
    outcome: Outcome,
}

impl<'a> Judge<'a> {
    /// Nothing judged yet.
    #[must_use]
    pub fn new(book: &'a Book<'a>, rules: Rules<'a>) -> Self {
        let mut outcome = Outcome::default();
        for side in [Side::Invoice, Side::Settlement] {
            outcome.control.open(book.ledger(side));
        }
        for entry in book.versions().into_iter().flat_map(|versions| versions.all_superseded()) {
            outcome.control.count(book.ledger(Side::Settlement), &[entry], Class::Superseded);
        }
        Self { book, rules, outcome }
    }

    /// Takes over what was settled before: pairs that tie, and their entries.
    pub fn take_over(&mut self, settled: &Outcome) {
        self.outcome.join(settled);
    }

    /// Gives `group` its verdict, which goes to `outcome`.
    pub fn judge(&self, group: &Group<'_>, outcome: &mut Outcome) {
        let figures = (!self.ties_at_first_sight(group))
            .then(|| figures::both(self.book, &self.rules, group.invoices, group.settlements));
        let conversion = figures.as_ref().and_then(|figures| figures.conversion.as_deref());
        if let Some(conversion) = conversion.filter(|conversion| conversion.is_complete()) {
            outcome.converted += 1;
            outcome.by_previous += u64::from(conversion.is_by_previous());
        }
        let found = figures.map(|figures| (kind::find(self, group, &figures), figures));
        let class = match found {
            None | Some((Found::Ties(None), _)) => {
                outcome.matched += 1;
                Class::Matched
            }
            Some((Found::Ties(Some((tolerance, weighed))), _)) => {
                outcome.count_within(tolerance, &weighed);
                Class::WithinTolerance
            }
            Some((Found::Differs(kind, tolerance), figures)) => {
                let discrepancy = self.discrepancy(group, figures, kind, tolerance);
                outcome.take(self.book, concluded(self.book, &self.rules, discrepancy));
                Class::Discrepant
            }
        };
        for (side, entries) in [(Side::Invoice, group.invoices), (Side::Settlement, group.settlements)] {
            outcome.control.count(self.book.ledger(side), entries, class);
        }
    }

    /// The verdicts, when every entry has been judged: what each of `parts` has counted, and their discrepancies, named.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Bug`] where the control totals do not balance.
    pub fn verdicts(self, passes: Vec<PassCount>, parts: Vec<Outcome>) -> Result<Verdicts> {
        let Self { book, rules, mut outcome } = self;
        let mut of_totals = Outcome::default();
        for discrepancy in totals::wrong(book) {
            of_totals.take(book, concluded(book, &rules, discrepancy));
        }
        let parts = parts.into_iter().chain([of_totals]);
        let lists = parts.map(|mut part| (std::mem::take(&mut part.discrepancies), part));
        let (lists, parts): (Vec<_>, Vec<_>) = lists.unzip();
        let mut discrepancies: Vec<_> = lists.into_iter().flatten().collect();
        // Beside what is counted: both are work for one thread.
        let (checked, ()) = rayon::join(
            || {
                parts.iter().for_each(|part| outcome.join(part));
                outcome.control.check()
            },
            || identity::tell_apart(book, &mut discrepancies),
        );
        checked?;
        (outcome.passes, outcome.discrepancies) = (passes, discrepancies);
        Ok(Verdicts(outcome))
    }

    /// The outcome, where the ledgers hold every record of the run.
    ///
    /// # Errors
    /// As [`Judge::verdicts`].
    pub fn finish(self, passes: Vec<PassCount>, parts: Vec<Outcome>) -> Result<Outcome> {
        let (book, rules) = (self.book, self.rules);
        Ok(self.verdicts(passes, parts)?.conclude(book, &rules, &CommonPrices::default()))
    }

    fn discrepancy(
        &self,
        group: &Group<'_>,
        figures: Both,
        kind: Kind,
        tolerance: Option<usize>,
    ) -> Discrepancy {
        let lines = group.invoices.len() + group.settlements.len();
        let variance = match kind {
            _ if kind::stays_apart(self.book, group, &figures)
                || one_sided(group, &figures)
                || figures.overflow =>
            {
                None
            }
            Kind::Unit => {
                split(&without_quantity(&figures.invoiced), &without_quantity(&figures.settled), lines)
            }
            _ => figures::split_by_rate(&figures, lines)
                .or_else(|| split(&figures.invoiced, &figures.settled, lines)),
        };
        let earlier = if kind == Kind::Version { versions::earlier(self, group) } else { None };
        Discrepancy {
            id: String::new(),
            kind,
            cause: earlier.map(|_| "earlier version".to_owned()),
            is_last_resort: false,
            arithmetic: None,
            pass: group.pass,
            how: group.how,
            invoices: group.invoices.into(),
            settlements: group.settlements.into(),
            figures,
            variance,
            tolerance,
            earlier,
            pattern: None,
        }
    }

    /// The common case without detours: one entry of each side, saying the same in the same unit.
    fn ties_at_first_sight(&self, group: &Group<'_>) -> bool {
        let (How::Lines, [invoice], [settlement]) = (group.how, group.invoices, group.settlements) else {
            return false;
        };
        let (invoice, settlement) = (*invoice, *settlement);
        let (billed, settled) = (self.book.ledger(Side::Invoice), self.book.ledger(Side::Settlement));
        billed.amount(invoice).is_some()
            && billed.amount(invoice) == settled.amount(settlement)
            && billed.quantity(invoice) == settled.quantity(settlement)
            && billed.price(invoice) == settled.price(settlement)
            && [Role::Unit, Role::Currency, Role::Version].into_iter().filter_map(Field::of).all(|field| {
                self.book.key(Side::Invoice, field, invoice)
                    == self.book.key(Side::Settlement, field, settlement)
            })
            && !self.miscalculated(Side::Invoice, invoice)
            && !self.miscalculated(Side::Settlement, settlement)
    }

    /// The first tolerance for `role` whose `when` holds for every entry of the group.
    fn tolerance(&self, role: Role, group: &Group<'_>) -> Option<(usize, &'a Tolerance)> {
        let entries = |side: Side| {
            let entries = if side == Side::Invoice { group.invoices } else { group.settlements };
            entries.iter().map(move |&entry| (side, entry))
        };
        let holds = |field: Field, values: &[String]| {
            entries(Side::Invoice).chain(entries(Side::Settlement)).all(|(side, entry)| {
                values.contains(&self.rules.keys.key(field, self.book.ledger(side).text(field, entry)))
            })
        };
        self.rules
            .tolerances
            .iter()
            .enumerate()
            .find(|(_, tolerance)| tolerance.role == role && tolerance.concerns(holds))
    }

    /// How two values of a group compare, where its settled quantity is `quantity`.
    fn compare(
        &self,
        role: Role,
        group: &Group<'_>,
        values: [Option<Decimal>; 2],
        quantity: Option<Decimal>,
    ) -> Comparison {
        let [Some(invoiced), Some(settled)] = values else { return Comparison::Absent };
        if invoiced == settled {
            return Comparison::Equal;
        }
        let Some((number, tolerance)) = self.tolerance(role, group) else { return Comparison::Beyond(None) };
        let terms = Terms { invoiced, settled, lines: group.lines(), quantity };
        match money::subtract(invoiced, settled).and_then(|apart| tolerance.weigh(apart, &terms)) {
            Some(weighed) if weighed.allows => Comparison::Within(number, weighed),
            _ => Comparison::Beyond(Some(number)),
        }
    }

    /// Whether an entry's own quantity × price is not its amount before tax: by more
    /// than a cent, which is what rounding a line can do, and more than the tolerance for its amount. Or whether its
    /// net and its tax are not its gross, by more than that tolerance.
    fn miscalculated(&self, side: Side, entry: u32) -> bool {
        let ledger = self.book.ledger(side);
        let (quantity, price, amount) =
            (ledger.quantity(entry), ledger.price(entry), ledger.before_tax(entry));
        let multiplies = !self.rules.checks_arithmetic(side) || !miscalculated(quantity, price, amount);
        let gap = if multiplies { None } else { figures::gap(ledger, entry) };
        let taxes = ledger.taxes(entry);
        let tax_gap = if taxes.add_up() { None } else { taxes.gap() };
        [gap, tax_gap].into_iter().flatten().any(|gap| !self.is_tolerated(side, entry, gap))
    }

    /// Whether the tolerance for an entry's amount would allow it to be so far off.
    fn is_tolerated(&self, side: Side, entry: u32, gap: Decimal) -> bool {
        let ledger = self.book.ledger(side);
        let own = [entry];
        let (invoices, settlements) =
            if side == Side::Invoice { (&own[..], &[][..]) } else { (&[][..], &own[..]) };
        let group = Group { pass: None, how: How::Alone, invoices, settlements };
        let tolerated = || {
            let (amount, quantity) = (ledger.amount(entry)?, ledger.quantity(entry));
            let terms = Terms { invoiced: amount, settled: amount, lines: group.lines(), quantity };
            self.tolerance(Role::Amount, &group)?.1.weigh(gap, &terms)
        };
        tolerated().is_some_and(|weighed| weighed.allows)
    }
}

/// With its name, and its cause where its own figures show one.
fn concluded(book: &Book<'_>, rules: &Rules<'_>, discrepancy: Discrepancy) -> Box<Discrepancy> {
    let mut discrepancy = Box::new(discrepancy);
    discrepancy.id = identity::name(book, &discrepancy);
    cause::name_at_once(book, rules, &mut discrepancy);
    discrepancy
}

/// Puts discrepancies in order: the largest variance first, then by identity.
#[expect(clippy::vec_box, reason = "see Outcome::discrepancies")]
fn sort(discrepancies: &mut Vec<Box<Discrepancy>>) {
    let size = |of: &Discrepancy| of.variance.map(|variance| variance.total.abs());
    // Whole cents tell most apart, and take neither a look at the discrepancy nor decimals to compare.
    let cents = |of: &Discrepancy| Reverse(size(of).map(money::whole_cents));
    let ranks = discrepancies.par_iter().enumerate().map(|(number, of)| (cents(of), number));
    let mut order: Vec<_> = ranks.collect();
    order.par_sort_unstable();
    let of = |number: usize| discrepancies.get(number).map(|of| (Reverse(size(of)), of.id.as_str()));
    order
        .par_chunk_by_mut(|a, b| a.0 == b.0)
        .filter(|run| run.len() > 1)
        .for_each(|run| run.sort_unstable_by(|a, b| of(a.1).cmp(&of(b.1))));
    let mut all: Vec<_> = std::mem::take(discrepancies).into_iter().map(Some).collect();
    discrepancies.extend(order.into_iter().filter_map(|(_, number)| all.get_mut(number)?.take()));
}

impl Rules<'_> {
    /// Whether quantity × price is checked on that side.
    #[must_use]
    pub const fn checks_arithmetic(&self, side: Side) -> bool {
        let [invoices, settlements] = self.check_arithmetic;
        match side {
            Side::Invoice => invoices,
            Side::Settlement => settlements,
        }
    }
}

/// Whether both sides have entries, but only one of them states money: what is not stated is not nought.
const fn one_sided(group: &Group<'_>, figures: &Both) -> bool {
    !group.invoices.is_empty()
        && !group.settlements.is_empty()
        && figures.invoiced.amount.is_some() != figures.settled.amount.is_some()
}

fn without_quantity(figures: &Figures) -> Figures {
    Figures { quantity: None, ..figures.clone() }
}
