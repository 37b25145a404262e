//! An entry becomes a slot: its key and its figures hashed, its amount as it is.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use foldhash::quality::FixedState;

use super::Plan;
use super::slot::{Class, Place, Slot};
use crate::fault::{Fault, Kind, Result};
use crate::intake::{Origin, Row};
use crate::judge::miscalculated;
use crate::matching::KeyPart;
use crate::money;
use crate::normalise::{Entry, Field, Role, Side, Taker};
use crate::period::Instant;
use crate::spill::Spill;

/// Keys that a rule makes, remembered by what they are made of; past so many they are made anew.
const REMEMBERED: usize = 1 << 16;

/// How texts become numbers. The seeds differ from run to run, so that nobody can write invoices whose keys
/// collide; nothing that is reported depends on them. With 128 bits, the chance that any two of 20,000,000 keys
/// collide is below 10⁻²³.
#[derive(Clone)]
pub(super) struct Hashes([FixedState; 3]);

impl Hashes {
    pub(super) fn new() -> Self {
        Self([0, 1, 2].map(|n| FixedState::with_seed(RandomState::new().hash_one(n))))
    }

    fn key(&self, bytes: &[u8]) -> [u64; 2] {
        let Self([first, second, _]) = self;
        [first.hash_one(bytes), second.hash_one(bytes)]
    }

    fn figures(&self, bytes: &[u8]) -> u64 {
        let Self([.., third]) = self;
        third.hash_one(bytes)
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
    /// What the next hash is of.
    bytes: Vec<u8>,
    keys: HashMap<(Field, String), String>,
    moments: HashMap<(KeyPart, i64), i64, foldhash::fast::FixedState>,
    /// What went wrong first; no entry is taken after it.
    failed: Option<Fault>,
}

/// What is the same for many entries, numbered.
#[derive(Default)]
pub(super) struct Classes {
    pub(super) all: Vec<Class>,
    numbers: HashMap<Class, u32>,
    last: Option<(Class, u32)>,
    pub(super) currencies: Vec<String>,
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

    fn currency(&mut self, code: &str) -> u32 {
        let known = self.currencies.iter().position(|known| known == code);
        let number = known.unwrap_or_else(|| {
            self.currencies.push(code.to_owned());
            self.currencies.len() - 1
        });
        u32::try_from(number).unwrap_or(u32::MAX)
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
            bytes: Vec::new(),
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
        self.bytes.clear();
        let mut blank = true;
        let plan = self.plan;
        for &part in &plan.key {
            blank &= match part {
                KeyPart::Text(field) => self.text(field, entry.text(field)),
                part => self.time(part, entry),
            };
        }
        if blank {
            self.keyless.push(place);
            return Ok(());
        }
        let key = plan.hashes.key(&self.bytes);
        self.bytes.clear();
        for &field in &plan.same {
            self.text(field, entry.text(field));
        }
        for number in [entry.values.quantity, entry.values.price] {
            match number.map(money::canonical) {
                None => self.bytes.push(u8::MAX),
                Some((mantissa, scale)) => {
                    self.bytes.push(u8::try_from(scale).unwrap_or(u8::MAX));
                    self.bytes.extend_from_slice(&mantissa.to_le_bytes());
                }
            }
        }
        let figures = plan.hashes.figures(&self.bytes);
        let (amount, class) = self.class(entry);
        let number = self.classes.number(class);
        let Some(slot) = Slot::new(key, figures, amount, number, place) else {
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
        let currency = self.classes.currency(entry.text(self.plan.currency));
        let mut tolerances = 0;
        for (bit, rule) in self.plan.amounts.iter().enumerate() {
            let holds = rule.when.iter().all(|(field, values)| {
                let key = self.plan.keys.key(*field, entry.text(*field));
                values.contains(&key)
            });
            tolerances |= u64::from(holds) << bit;
        }
        (mantissa, Class { currency, scale, tolerances, simple: true })
    }

    /// Adds what a text is compared as; whether that is blank.
    fn text(&mut self, field: Field, text: &str) -> bool {
        let rules = self.plan.keys;
        if rules.is_key(field, text) {
            return self.add(text);
        }
        // The key is taken out and put back: `add` needs the whole of `self`.
        let known = (field, text.to_owned());
        let key = self.keys.remove(&known).unwrap_or_else(|| rules.key(field, text));
        let blank = self.add(&key);
        if self.keys.len() < REMEMBERED {
            self.keys.insert(known, key);
        }
        blank
    }

    fn add(&mut self, key: &str) -> bool {
        self.bytes.extend_from_slice(&key.len().to_le_bytes());
        self.bytes.extend_from_slice(key.as_bytes());
        key.is_empty()
    }

    fn time(&mut self, part: KeyPart, entry: &Entry<'_>) -> bool {
        let Some(Instant(at)) = part.edge(entry.values.start, entry.values.end) else {
            self.bytes.push(0);
            return true;
        };
        let moment = match part {
            KeyPart::Start | KeyPart::End => at,
            part => {
                let zone = self.plan.zone;
                *self.moments.entry((part, at)).or_insert_with(|| part.moment(zone, Instant(at)).0)
            }
        };
        self.bytes.push(1);
        self.bytes.extend_from_slice(&moment.to_le_bytes());
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
