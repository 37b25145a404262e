//! Keys: what makes two entries candidates for each other.
//!
//! A key is hashed to 64 bits, entries are sorted by that, and every run of
//! equal hashes is checked against the keys themselves: a collision costs a
//! moment, never a wrong match.

use std::collections::HashMap;

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSliceMut as _;

use super::Candidate;
use crate::money::Decimal;
use crate::normalise::{Field, Fields, KeyRules, Ledger, Role, Saying, Side, Taxes, TextId, Versions};
use crate::period::{Calendar, Instant, Zone};

/// One part of a pass's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// A text field, made comparable by its rule.
    Text(Field),
    /// The start of the delivery interval.
    Start,
    /// Its end.
    End,
    /// What the calendar makes of one of the two.
    Calendar(Calendar),
}

impl KeyPart {
    /// What the part makes of a time.
    #[must_use]
    pub fn moment(self, zone: &Zone, at: Instant) -> Instant {
        match self {
            Self::Calendar(calendar) => calendar.of(zone, at),
            Self::Text(_) | Self::Start | Self::End => at,
        }
    }

    /// Of the start and the end of an interval, the one that the part speaks of.
    #[must_use]
    pub fn edge<T>(self, start: T, end: T) -> T {
        match self {
            Self::End | Self::Calendar(Calendar::HourEndingOfEnd) => end,
            Self::Text(_) | Self::Start | Self::Calendar(_) => start,
        }
    }
}

/// Both sides, with their texts made comparable.
#[derive(Debug)]
pub struct Book<'a> {
    invoice: &'a Ledger,
    settlement: &'a Ledger,
    zone: &'a Zone,
    fields: &'a Fields,
    /// By field: what each side's texts are compared as. Equal numbers mean equal keys, and are in their order; 0 is blank.
    keys: Vec<[Vec<u32>; 2]>,
    versions: Option<&'a Versions>,
}

const UNSEEN: u32 = u32::MAX;

impl<'a> Book<'a> {
    /// Makes all texts comparable across the two ledgers.
    #[must_use]
    pub fn new(
        invoice: &'a Ledger,
        settlement: &'a Ledger,
        zone: &'a Zone,
        rules: &KeyRules,
        fields: &'a Fields,
    ) -> Self {
        // Numbers are in the order of the keys, so that whatever is sorted by them does not depend on the order of the rows.
        let of_field = |field| {
            let mut seen: HashMap<String, u32> = HashMap::from([(String::new(), 0)]);
            let keys = [invoice, settlement].map(|ledger| {
                let mut keys = vec![UNSEEN; ledger.pool().count()];
                for id in ledger.text_ids(field) {
                    if let Some(key) = keys.get_mut(id.index()).filter(|key| **key == UNSEEN) {
                        let next = u32::try_from(seen.len()).unwrap_or(UNSEEN - 1);
                        *key = *seen.entry(rules.key(field, ledger.pool().text(id))).or_insert(next);
                    }
                }
                keys
            });
            let mut order: Vec<(String, u32)> = seen.into_iter().collect();
            order.par_sort_unstable();
            let mut numbers = vec![0; order.len()];
            for (number, (_, seen)) in (0..).zip(order) {
                numbers.get_mut(seen as usize).into_iter().for_each(|slot| *slot = number);
            }
            keys.map(|keys| {
                keys.into_iter().map(|seen| numbers.get(seen as usize).copied().unwrap_or(UNSEEN)).collect()
            })
        };
        let keys = fields.all().collect::<Vec<_>>().into_par_iter().map(of_field).collect();
        Self { invoice, settlement, zone, fields, keys, versions: None }
    }

    /// The same, with a choice among the versions of the settlements: what is superseded is in no group.
    #[must_use]
    pub fn with_versions(self, versions: Option<&'a Versions>) -> Self {
        Self { versions, ..self }
    }

    /// The choice among the versions of the settlements, if there is one.
    #[must_use]
    pub const fn versions(&self) -> Option<&'a Versions> {
        self.versions
    }

    /// Whether a later version or the day keeps an entry out of the run.
    #[must_use]
    pub fn is_superseded(&self, side: Side, entry: u32) -> bool {
        side == Side::Settlement && self.versions.is_some_and(|versions| versions.is_superseded(entry))
    }

    /// Whether some of these settlement entries add up to one line.
    pub(super) fn adds_up(&self, settlements: &[u32]) -> bool {
        self.versions.is_some_and(|versions| {
            versions.is_delta() && settlements.iter().any(|&entry| versions.line_of(entry).is_some())
        })
    }

    /// The entries of one side.
    #[must_use]
    pub const fn ledger(&self, side: Side) -> &'a Ledger {
        match side {
            Side::Invoice => self.invoice,
            Side::Settlement => self.settlement,
        }
    }

    /// The text fields of the run.
    #[must_use]
    pub const fn fields(&self) -> &'a Fields {
        self.fields
    }

    /// The zone of the run.
    #[must_use]
    pub const fn zone(&self) -> &'a Zone {
        self.zone
    }

    /// What an entry's text is compared as: equal numbers mean equal keys across both sides.
    #[must_use]
    pub fn key(&self, side: Side, field: Field, entry: u32) -> u32 {
        self.key_said(side, field, self.ledger(side).saying(entry))
    }

    /// The same of whatever entry says so.
    #[must_use]
    pub fn key_said(&self, side: Side, field: Field, saying: Saying) -> u32 {
        let id: TextId = self.ledger(side).said(field, saying);
        self.keys
            .get(field.index())
            .map(|[invoice, settlement]| if side == Side::Invoice { invoice } else { settlement })
            .and_then(|keys| keys.get(id.index()))
            .copied()
            .unwrap_or(0)
    }

    /// The parts of an entry's key as numbers; a blank part is [`BLANK`].
    fn part(&self, side: Side, part: KeyPart, entry: u32) -> i64 {
        let ledger = self.ledger(side);
        let time = |at: Option<Instant>| at.map_or(BLANK, |at| at.0);
        match part {
            KeyPart::Text(field) => match self.key(side, field, entry) {
                0 => BLANK,
                key => i64::from(key),
            },
            KeyPart::Start => time(ledger.start(entry)),
            KeyPart::End => time(ledger.end(entry)),
            part => {
                let at = part.edge(ledger.start(entry), ledger.end(entry));
                time(at.map(|at| part.moment(self.zone, at)))
            }
        }
    }

    /// A part of an entry's key: equal numbers mean equal parts across both sides, and a time is its instant; `None`
    /// where it is blank.
    #[must_use]
    pub fn known(&self, side: Side, part: KeyPart, entry: u32) -> Option<i64> {
        Some(self.part(side, part, entry)).filter(|&part| part != BLANK)
    }

    /// A part of an entry's key as its source says it.
    pub(super) fn shown(&self, side: Side, part: KeyPart, entry: u32) -> String {
        let text = match part {
            KeyPart::Text(field) => self.ledger(side).text(field, entry).to_owned(),
            part => self
                .known(side, part, entry)
                .map_or_else(String::new, |at| self.zone.show(Instant(at), !self.zone.is_date(Instant(at)))),
        };
        if text.is_empty() { "blank".to_owned() } else { text }
    }

    /// The name of a part of a key, as `tieout.toml` writes it.
    pub(super) fn name(&self, part: KeyPart) -> String {
        part.spelt(|field| self.fields.name(field).to_owned())
    }

    /// Hashes the keys of one side.
    pub(super) fn hasher<'b>(&'b self, side: Side, key: &'b [KeyPart]) -> KeyHasher<'a, 'b> {
        KeyHasher { book: self, side, key, calendar: HashMap::new() }
    }

    /// Hands on the invoice and settlement entries of a run of equal hashes, by key; keys that one side lacks are left out.
    pub(super) fn split_by_key(
        &self,
        key: &[KeyPart],
        run: &[Candidate],
        then: &mut dyn FnMut(&[Candidate], &[Candidate]),
    ) {
        let parts = |&(_, side, entry): &Candidate| -> Vec<i64> {
            key.iter().map(|&part| self.part(side, part, entry)).collect()
        };
        let same = |a: &Candidate, b: &Candidate| {
            key.iter().all(|&part| self.part(a.1, part, a.2) == self.part(b.1, part, b.2))
        };
        let mut both = |run: &[Candidate]| {
            let (invoices, settlements) =
                run.split_at(run.partition_point(|candidate| candidate.1 == Side::Invoice));
            if !invoices.is_empty() && !settlements.is_empty() {
                then(invoices, settlements);
            }
        };
        let Some((first, rest)) = run.split_first() else { return };
        if rest.iter().all(|other| same(first, other)) {
            return both(run);
        }
        // Two keys share a hash.
        let mut sorted = run.to_vec();
        sorted.sort_by_cached_key(|candidate| (parts(candidate), candidate.1, candidate.2));
        sorted.chunk_by(same).for_each(both);
    }

    /// All that an entry says but its document: entries of one side that agree in this are copies of one line.
    pub(super) fn line(&self, side: Side, entry: u32) -> (Vec<u32>, Values) {
        let document = Field::of(Role::Document);
        let fields = self.fields.all().filter(|field| Some(*field) != document);
        (fields.map(|field| self.key(side, field, entry)).collect(), self.values(side, entry))
    }

    /// All that an entry's source says, in every field and to the last digit: an order of entries that does not depend on that of their rows.
    pub fn facts(&self, side: Side, entry: u32) -> impl Ord + use<'a> {
        let ledger = self.ledger(side);
        let texts: Vec<&str> = self.fields.all().map(|field| ledger.text(field, entry)).collect();
        let Taxes { net, tax, gross } = ledger.taxes(entry);
        let figures = [ledger.price(entry), ledger.quantity(entry), ledger.amount(entry), net, tax, gross];
        // 3.7 and 3.70 are equal, but some causes go by the digits that are stated.
        let figures = figures.map(|figure| figure.map(|figure| (figure, figure.scale())));
        (texts, figures, ledger.start(entry), ledger.end(entry))
    }

    /// The order of equals. The place of a row decides only where all that it says is the same.
    pub(super) fn rank(&self, side: Side, entry: u32) -> impl Ord + use<'a> {
        (self.facts(side, entry), entry)
    }

    /// What an entry says, beside its key: two entries with equal values are interchangeable under one key.
    pub(super) fn values(&self, side: Side, entry: u32) -> Values {
        let ledger = self.ledger(side);
        let key = |role| Field::of(role).map_or(0, |field| self.key(side, field, entry));
        let number = |value: Option<Decimal>| value.map(|value| value.normalize());
        Values {
            currency: key(Role::Currency),
            unit: key(Role::Unit),
            version: key(Role::Version),
            start: ledger.start(entry),
            end: ledger.end(entry),
            amount: number(ledger.amount(entry)),
            quantity: number(ledger.quantity(entry)),
            price: number(ledger.price(entry)),
        }
    }

    /// For each entry of `left`, in order, the entry of its own side that it repeats, if
    /// there is one: preferably one that is matched, else the first of the equals that are left.
    pub(super) fn originals(&self, side: Side, left: &[u32]) -> Vec<Option<u32>> {
        if left.is_empty() {
            return Vec::new();
        }
        // Most entries have no copy: the prints of all bring the few together that may have one.
        let mut prints: Vec<(u64, u32)> = (0..self.ledger(side).len())
            .into_par_iter()
            .map(|entry| (self.print(side, entry), entry))
            .collect();
        prints.par_sort_unstable();
        let is_left = |entry: u32| left.binary_search(&entry).is_ok();
        let mut originals: HashMap<u32, u32> = HashMap::new();
        for run in prints.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            let left_here: Vec<u32> =
                run.iter().map(|&(_, entry)| entry).filter(|&entry| is_left(entry)).collect();
            if left_here.is_empty() {
                continue;
            }
            let rank = |entry: u32| (is_left(entry), self.rank(side, entry));
            let mut first: HashMap<_, u32> = HashMap::new();
            for &(_, entry) in run {
                let known = first.entry(self.line(side, entry)).or_insert(entry);
                if rank(entry) < rank(*known) {
                    *known = entry;
                }
            }
            originals.extend(left_here.into_iter().filter_map(|entry| {
                let original = *first.get(&self.line(side, entry))?;
                (original != entry).then_some((entry, original))
            }));
        }
        left.iter().map(|entry| originals.get(entry).copied()).collect()
    }

    /// A hash of what is cheap to look up: most entries have no copy, and are done with after this.
    fn print(&self, side: Side, entry: u32) -> u64 {
        let mut hash = Mixer::default();
        for role in [Role::Deal, Role::Charge, Role::Location] {
            hash.mix(Field::of(role).map_or(BLANK, |field| i64::from(self.key(side, field, entry))));
        }
        hash.mix(self.part(side, KeyPart::Start, entry));
        hash.finish()
    }
}

/// A blank part of a key.
const BLANK: i64 = i64::MIN;

/// What an entry says beside its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Values {
    pub(super) currency: u32,
    pub(super) unit: u32,
    pub(super) version: u32,
    pub(super) start: Option<Instant>,
    pub(super) end: Option<Instant>,
    pub(super) amount: Option<Decimal>,
    pub(super) quantity: Option<Decimal>,
    pub(super) price: Option<Decimal>,
}

/// Hashes keys, remembering calendar look-ups.
pub(super) struct KeyHasher<'a, 'b> {
    book: &'b Book<'a>,
    side: Side,
    key: &'b [KeyPart],
    calendar: HashMap<(u8, i64), i64>,
}

impl KeyHasher<'_, '_> {
    /// The hash of an entry's key; `None` where every part is blank, which matches nothing.
    pub(super) fn hash(&mut self, entry: u32) -> Option<u64> {
        let mut hash = Mixer::default();
        let mut blank = true;
        for (number, &part) in (0_u8..).zip(self.key) {
            let value = match part {
                KeyPart::Calendar(_) => {
                    let at = self.book.part(self.side, part.edge(KeyPart::Start, KeyPart::End), entry);
                    let (book, side) = (self.book, self.side);
                    *self.calendar.entry((number, at)).or_insert_with(|| book.part(side, part, entry))
                }
                part => self.book.part(self.side, part, entry),
            };
            blank &= value == BLANK;
            hash.mix(value);
        }
        (!blank).then(|| hash.finish())
    }
}

/// A fixed multiplicative hash: the same in every run, on every machine.
#[derive(Default)]
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, value: i64) {
        self.0 = (self.0.rotate_left(26) ^ value.cast_unsigned()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    const fn finish(&self) -> u64 {
        let x = self.0 ^ (self.0 >> 32);
        x.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ (x >> 29)
    }
}
