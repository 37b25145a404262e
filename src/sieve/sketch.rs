//! An entry becomes a slot: its key and its figures hashed, its amount as it is.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher, RandomState};

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

use super::Plan;
use super::slot::{Class, Place, Slot};
use crate::fault::{Fault, Kind, Result};
use crate::intake::{Origin, Row};
use crate::judge::miscalculated;
use crate::matching::KeyPart;
use crate::money;
use crate::normalise::{Accounts, Entry, Field, Role, Side, Taker};
use crate::period::Instant;
use crate::spill::Spill;

/// Keys that a field's rule makes, remembered by what they are made of; past so many the memory is started anew.
const REMEMBERED: usize = 1 << 16;

/// How texts become numbers. The seeds differ from run to run, so that nobody can write invoices whose keys
/// collide; nothing that is reported depends on them. With 128 bits, the chance that any two of 20,000,000 keys
/// collide is below 10⁻²³.
pub(super) struct Hashes {
    shared: SharedSeed,
    seeds: [u64; 3],
}

impl Hashes {
    pub(super) fn new() -> Self {
        let random = |n: u64| RandomState::new().hash_one(n);
        Self { shared: SharedSeed::from_u64(random(3)), seeds: [0, 1, 2].map(random) }
    }

    fn key(&self) -> Twice<'_> {
        let [first, second, _] = self.seeds;
        Twice([first, second].map(|seed| FoldHasher::with_seed(seed, &self.shared)))
    }

    fn figures(&self) -> FoldHasher<'_> {
        let [.., third] = self.seeds;
        FoldHasher::with_seed(third, &self.shared)
    }
}

/// Hashes the same twice, with different seeds.
struct Twice<'h>([FoldHasher<'h>; 2]);

impl Twice<'_> {
    fn both(&self) -> [u64; 2] {
        self.0.each_ref().map(Hasher::finish)
    }
}

impl Hasher for Twice<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|one| one.write(bytes));
    }

    fn finish(&self) -> u64 {
        let [first, _] = self.both();
        first
    }
}

/// Makes slots of the entries of one side.
pub struct Sketcher<'p> {
    plan: &'p Plan<'p>,
    side: Side,
    file: u32,
    spill: Spill,
    pub(super) classes: Classes,
    /// The places of entries that have no key.
    pub(super) keyless: Vec<Place>,
    /// By field, what texts are compared as.
    keys: HashMap<Field, hashbrown::HashMap<String, String>>,
    moments: HashMap<(KeyPart, i64), i64, foldhash::fast::FixedState>,
    /// What went wrong first; no entry is taken after it.
    failed: Option<Fault>,
}

/// What is the same for many entries, numbered.
#[derive(Default)]
pub(super) struct Classes {
    pub(super) all: Vec<Class>,
    numbers: HashMap<Class, u32, foldhash::fast::RandomState>,
    last: Option<(Class, u32)>,
    pub(super) accounts: Accounts,
}

impl Classes {
    fn number(&mut self, class: Class) -> u32 {
        if let Some((last, number)) = self.last
            && last == class
        {
            return number;
        }
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(class).or_insert(next);
        if number == next {
            self.all.push(class);
        }
        self.last = Some((class, number));
        number
    }
}

impl<'p> Sketcher<'p> {
    pub(super) fn new(plan: &'p Plan<'p>, side: Side, spill: Spill) -> Self {
        Self {
            plan,
            side,
            file: 0,
            spill,
            classes: Classes::default(),
            keyless: Vec::new(),
            keys: HashMap::new(),
            moments: HashMap::default(),
            failed: None,
        }
    }

    /// The entries that follow are of this file.
    pub fn open(&mut self, file: u32) {
        self.file = file;
    }

    /// Whether all was taken.
    ///
    /// # Errors
    /// Where a temporary file could not be written.
    pub fn check(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    pub(super) fn finish(mut self) -> Result<(crate::spill::Spilled, Classes, Vec<Place>)> {
        self.check()?;
        Ok((self.spill.finish(), self.classes, self.keyless))
    }

    fn slot(&mut self, row: &Row, entry: &Entry<'_>) -> Result<()> {
        let place = Place { file: self.file, place: row.place, number: row.number };
        let mut blank = true;
        let plan = self.plan;
        let mut key = plan.hashes.key();
        for &part in &plan.key {
            blank &= match part {
                KeyPart::Text(field) => self.text(field, entry.text(field), &mut key),
                part => self.time(part, entry, &mut key),
            };
        }
        if blank {
            self.keyless.push(place);
            return Ok(());
        }
        let key = key.both();
        let mut figures = plan.hashes.figures();
        for &field in &plan.same {
            self.text(field, entry.text(field), &mut figures);
        }
        for number in [entry.values.quantity, entry.values.price] {
            match number.map(money::canonical) {
                None => figures.write_u8(u8::MAX),
                Some((mantissa, scale)) => {
                    figures.write_u8(u8::try_from(scale).unwrap_or(u8::MAX));
                    figures.write(&mantissa.to_le_bytes());
                }
            }
        }
        let (amount, class) = self.class(entry);
        let number = self.classes.number(class);
        let Some(slot) = Slot::new(key, figures.finish(), amount, number, place) else {
            return Err(Fault::new(Kind::Input, "there is more in this file than can be kept apart")
                .value(format!("record {}", row.number))
                .expected("files below 1 TiB, and fewer than 16 million kinds of entries")
                .next("split the run into periods"));
        };
        self.spill.put(partition(key), &slot.bytes())
    }

    fn class(&mut self, entry: &Entry<'_>) -> (i64, Class) {
        let values = entry.values;
        let amount = values.amount.map(money::canonical);
        let fits = amount.and_then(|(mantissa, scale)| Some((i64::try_from(mantissa).ok()?, scale)));
        let wrong = (self.plan.rules.checks_arithmetic(self.side)
            && miscalculated(values.quantity, values.price, values.before_tax()))
            || values.taxes.is_some_and(|taxes| !taxes.add_up());
        let (Some((mantissa, scale)), false) = (fits, wrong) else { return (0, Class::default()) };
        let document = entry.text(field(Role::Document));
        let account = self.classes.accounts.number(document, entry.text(self.plan.currency));
        let mut tolerances = 0;
        for (bit, rule) in self.plan.amounts.iter().enumerate() {
            let holds = rule.when.iter().all(|(field, values)| {
                let key = self.plan.keys.key(*field, entry.text(*field));
                values.contains(&key)
            });
            tolerances |= u64::from(holds) << bit;
        }
        (mantissa, Class { account, scale, tolerances, simple: true })
    }

    /// Hashes what a text is compared as; whether that is blank. How long it is goes into the hash as well.
    #[inline]
    fn text(&mut self, field: Field, text: &str, hasher: &mut impl Hasher) -> bool {
        if self.plan.keys.is_key(field, text) {
            hasher.write(text.as_bytes());
            return text.is_empty();
        }
        let key = self.key(field, text);
        hasher.write(key.as_bytes());
        key.is_empty()
    }

    /// What a rule makes of a text.
    fn key(&mut self, field: Field, text: &str) -> &str {
        let rules = self.plan.keys;
        let known = self.keys.entry(field).or_default();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.entry_ref(text).or_insert_with(|| rules.key(field, text))
    }

    fn time(&mut self, part: KeyPart, entry: &Entry<'_>, hasher: &mut impl Hasher) -> bool {
        let Some(Instant(at)) = part.edge(entry.values.start, entry.values.end) else {
            hasher.write(&[]);
            return true;
        };
        let moment = match part {
            KeyPart::Start | KeyPart::End => at,
            part => {
                let zone = self.plan.zone;
                *self.moments.entry((part, at)).or_insert_with(|| part.moment(zone, Instant(at)).0)
            }
        };
        hasher.write(&moment.to_le_bytes());
        false
    }
}

impl Taker for Sketcher<'_> {
    fn take(&mut self, _origin: &Origin, row: &Row, entry: &Entry<'_>) {
        if self.failed.is_none() {
            self.failed = self.slot(row, entry).err();
        }
    }
}

/// Entries of one key are in one partition.
#[expect(clippy::cast_possible_truncation, reason = "eight bits")]
const fn partition([first, _]: [u64; 2]) -> usize {
    (first >> (64 - super::PARTITIONS.trailing_zeros())) as usize
}

/// The role's field.
pub(super) fn field(role: Role) -> Field {
    Field::of(role).unwrap_or_default()
}
