//! All that does not tie, to look for one entry's figures at another.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::OnceLock;

use foldhash::quality::FixedState;
use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};

use super::super::{Discrepancy, Kind, Rules, figures};
use super::CommonPrices;
use crate::matching::{Book, KeyPart};
use crate::money::Ratio;
use crate::normalise::{Field, Role, Side};
use crate::period::Instant;

/// The discrepancies of a run, and what makes their entries comparable.
pub(super) struct Leftovers<'a> {
    pub(super) book: &'a Book<'a>,
    pub(super) discrepancies: &'a [Box<Discrepancy>],
    /// The lines that are known to bear a price that very many records have.
    pub(super) common: &'a CommonPrices,
    pub(super) unpaired: &'a Unpaired,
}

/// What of all that stays as it is when causes are named.
pub(super) struct Unpaired {
    /// By side: the entries that stand alone on it in a discrepancy, and are neither copies nor ambiguous.
    entries: [Vec<Left>; 2],
    /// The texts that the first pass has in its key, but for document and version.
    key: Vec<Field>,
    /// Whether any entry starts at another time than midnight.
    has_times: OnceLock<bool>,
}

/// All fields of a key.
pub(super) const fn all(_: Field) -> bool {
    true
}

/// An entry, and the number and the kind of its discrepancy.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) entry: u32,
    pub(super) number: usize,
    pub(super) kind: Kind,
}

impl Unpaired {
    pub(super) fn of(book: &Book<'_>, rules: &Rules<'_>, discrepancies: &[Box<Discrepancy>]) -> Self {
        let apart = [Role::Document, Role::Version].map(Field::of);
        let parts = rules.passes.first().map_or(&[][..], |pass| pass.key.as_slice());
        let key = parts.iter().filter_map(|part| match part {
            KeyPart::Text(field) if !apart.contains(&Some(*field)) => Some(*field),
            _ => None,
        });
        let entries = [Side::Invoice, Side::Settlement].map(|side| {
            let left = |(number, of): (usize, &Discrepancy)| match (of.kind, of.entries(side)) {
                (Kind::Ambiguous | Kind::Duplicate, _) => None,
                // A total is no line, and stands beside none.
                _ if of.is_of_total(book) => None,
                (kind, &[entry]) => Some(Left { entry, number, kind }),
                _ => None,
            };
            discrepancies.par_iter().map(AsRef::as_ref).enumerate().filter_map(left).collect()
        });
        Self { entries, key: key.collect(), has_times: OnceLock::new() }
    }
}

impl<'a> Leftovers<'a> {
    /// The entries of a side that stand alone on it in a discrepancy, and are neither copies nor ambiguous.
    pub(super) fn entries(&self, side: Side) -> &[Left] {
        let [invoices, settlements] = &self.unpaired.entries;
        if side == Side::Invoice { invoices } else { settlements }
    }

    pub(super) fn start(&self, side: Side, entry: u32) -> Option<Instant> {
        self.book.ledger(side).start(entry)
    }

    /// Whether any entry starts at another time than midnight: then midnight is a time as well.
    pub(super) fn has_times(&self) -> bool {
        *self.unpaired.has_times.get_or_init(|| {
            [Side::Invoice, Side::Settlement].into_iter().any(|side| {
                let mut starts = self.entries(side).iter().filter_map(|left| self.start(side, left.entry));
                starts.any(|start| !self.book.zone().is_date(start))
            })
        })
    }

    /// The texts of the key.
    pub(super) fn keyed(&self) -> impl Iterator<Item = Field> + '_ {
        self.unpaired.key.iter().copied()
    }

    /// The order of settlements that say the same of what is looked for: by what their sources say, whatever the order of the rows.
    pub(super) fn order(&self, settlement: u32) -> impl Ord + use<'a> {
        (self.book.facts(Side::Settlement, settlement), settlement)
    }

    /// The key of an entry, as far as its fields are `kept`, as a hash with whatever else is given.
    pub(super) fn hash(
        &self,
        side: Side,
        entry: u32,
        kept: impl Fn(Field) -> bool,
        rest: impl std::hash::Hash,
    ) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        for field in self.keyed().filter(|field| kept(*field)) {
            self.book.key(side, field, entry).hash(&mut hasher);
        }
        rest.hash(&mut hasher);
        hasher.finish()
    }

    /// Whether two entries have one key, as far as its fields are `kept`; hashes are not proof.
    pub(super) fn is_same_key(&self, a: (Side, u32), b: (Side, u32), kept: impl Fn(Field) -> bool) -> bool {
        let key = |(side, entry): (Side, u32), field| self.book.key(side, field, entry);
        self.keyed().filter(|field| kept(*field)).all(|field| key(a, field) == key(b, field))
    }

    /// Whether two entries state prices and quantities in one unit and one currency, as far as they state any.
    pub(super) fn is_same_measure(&self, a: (Side, u32), b: (Side, u32)) -> bool {
        let key = |role, (side, entry)| Field::of(role).map_or(0, |field| self.book.key(side, field, entry));
        let is_blank = |role| key(role, a) == 0 || key(role, b) == 0;
        (is_blank(Role::Unit) || figures::ratio(self.book, a, b) == Some(Ratio::ONE))
            && (is_blank(Role::Currency) || key(Role::Currency, a) == key(Role::Currency, b))
    }
}
