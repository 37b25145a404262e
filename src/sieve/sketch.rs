//! An entry becomes a slot: its key and its figures hashed, its amount as it is.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

use super::Plan;
use super::prices::{self, Named};
use super::slot::{Class, Key, Place, SIZE, Slot};
use crate::fault::{Fault, Kind, Result};
use crate::intake::Origin;
use crate::judge::miscalculated;
use crate::matching::KeyPart;
use crate::money::{Number, Ways};
use crate::normalise::{Accounts, Entry, Field, Memo, Role, Side, Stand, Taker};
use crate::period::{Clocks, Instant};
use crate::spill::{Spill, Spilled};

/// Keys that a field's rule makes, remembered by what they are made of; past so many the memory is started anew.
const REMEMBERED: usize = 1 << 16;

/// How texts become numbers. The seeds differ from run to run, so that nobody can write invoices whose keys
/// collide; nothing that is reported depends on them. With 96 bits, the chance that any two of 20,000,000 keys
/// collide is below 10⁻¹⁴.
pub(super) struct Hashes {
    shared: SharedSeed,
    seeds: [u64; 4],
}

impl Hashes {
    pub(super) fn new() -> Self {
        let random = |n: u64| RandomState::new().hash_one(n);
        Self { shared: SharedSeed::from_u64(random(4)), seeds: [0, 1, 2, 3].map(random) }
    }

    /// Four hashes of texts: two for a key, one for figures, one for whose price it is.
    pub(super) fn texts(&self) -> [FoldHasher<'_>; 4] {
        self.more(self.seeds)
    }

    /// Goes on where hashes came to.
    fn more<const N: usize>(&self, hashes: [u64; N]) -> [FoldHasher<'_>; N] {
        hashes.map(|hash| FoldHasher::with_seed(hash, &self.shared))
    }
}

/// The slots of one side, which any number of [`Sketcher`]s make.
pub struct Sketch<'p> {
    plan: &'p Plan<'p>,
    side: Side,
    spills: Mutex<Spills>,
    /// Whether this is the side on which prices are looked for.
    has_prices: bool,
    pub(super) classes: Mutex<Classes>,
    /// The places of entries that have no key.
    keyless: Mutex<Vec<Place>>,
}

/// What goes by partitions: slots, and on the side on which prices are looked for, the prints of each one's price.
pub(super) struct Spills {
    pub(super) slots: Spill<SIZE>,
    pub(super) prints: Option<Spill<{ prices::SIZE }>>,
}

/// What a side has put aside.
pub(super) struct Sketched {
    pub(super) slots: Spilled<SIZE>,
    pub(super) classes: Classes,
    /// The places of entries that have no key.
    pub(super) keyless: Vec<Place>,
    pub(super) prints: Option<Spilled<{ prices::SIZE }>>,
}

impl<'p> Sketch<'p> {
    pub(super) fn new(plan: &'p Plan<'p>, side: Side, spills: Spills) -> Self {
        Self {
            plan,
            side,
            has_prices: spills.prints.is_some(),
            spills: Mutex::new(spills),
            classes: Mutex::default(),
            keyless: Mutex::default(),
        }
    }

    /// One that takes entries, once it is told of which file.
    #[must_use]
    pub fn sketcher(&self) -> Sketcher<'_> {
        Sketcher {
            plan: self.plan,
            sketch: self,
            file: 0,
            gathered: Vec::with_capacity(GATHERED),
            prints: Vec::new(),
            numbers: HashMap::default(),
            last: None,
            keyless: Vec::new(),
            wordings: Memo::default(),
            keys: HashMap::new(),
            moments: HashMap::default(),
            clocks: Clocks::new(self.plan.zone),
            failed: None,
        }
    }

    /// All that was put aside.
    pub(super) fn finish(self) -> Sketched {
        let Self { spills, classes, keyless, .. } = self;
        let Spills { slots, prints } = own(spills);
        Sketched {
            slots: slots.finish(),
            classes: own(classes),
            keyless: own(keyless),
            prints: prints.map(Spill::finish),
        }
    }
}

fn own<T>(shared: Mutex<T>) -> T {
    shared.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Slots that are gathered before they go to their partitions: so few that they stay in a processor's own caches.
const GATHERED: usize = 1024;

/// Makes slots of entries of one side.
pub struct Sketcher<'s> {
    plan: &'s Plan<'s>,
    sketch: &'s Sketch<'s>,
    file: u32,
    /// The last slots, and their partitions.
    gathered: Vec<(usize, [u8; SIZE])>,
    /// The prints of their prices.
    prints: Vec<[u8; prices::SIZE]>,
    /// The numbers of classes, as far as they are known here, and the last one.
    numbers: HashMap<Class, u32, foldhash::fast::RandomState>,
    last: Option<(Class, u32)>,
    keyless: Vec<Place>,
    wordings: Memo<Worded>,
    /// By field, what texts are compared as.
    keys: HashMap<Field, hashbrown::HashMap<String, String>>,
    moments: HashMap<(KeyPart, i64), i64, foldhash::fast::FixedState>,
    clocks: Clocks<'s>,
    /// What went wrong first; no entry is taken after it.
    failed: Option<Fault>,
}

/// What the texts of an entry come to.
#[derive(Clone, Copy)]
struct Worded {
    /// Hashes of the texts of its key.
    key: [u64; 2],
    /// The hash of those of them that say whose price it is.
    own: u64,
    /// Whether these are blank.
    is_blank: bool,
    /// The hash of what must be the same beside the key.
    figures: u64,
    account: u32,
    /// See [`Class`].
    tolerances: u64,
}

/// What is the same for many entries, numbered.
#[derive(Default)]
pub(super) struct Classes {
    pub(super) all: Vec<Class>,
    /// The numbers of those of one file. Files are read one after another: none of a file before comes any more.
    numbers: HashMap<Class, u32, foldhash::fast::RandomState>,
    file: u32,
    pub(super) accounts: Accounts,
}

impl Classes {
    fn number(&mut self, class: Class) -> u32 {
        if class.file != self.file {
            (self.numbers, self.file) = (HashMap::default(), class.file);
        }
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(class).or_insert(next);
        if number == next {
            self.all.push(class);
        }
        number
    }
}

impl Sketcher<'_> {
    /// The entries that follow are of this file; of one before, none comes any more.
    pub fn open(&mut self, file: u32) {
        self.file = file;
        (self.numbers, self.last) = (HashMap::default(), None);
    }

    /// Hands on all that was taken so far.
    ///
    /// # Errors
    /// Where a temporary file could not be written.
    pub fn close(&mut self) -> Result<()> {
        if let Some(fault) = self.failed.take() {
            return Err(fault);
        }
        lock(&self.sketch.keyless).append(&mut self.keyless);
        self.hand_on()
    }

    fn hand_on(&mut self) -> Result<()> {
        let Spills { slots, prints } = &mut *lock(&self.sketch.spills);
        if let Some(prints) = prints {
            let partitions = self.gathered.iter().map(|(partition, _)| *partition);
            prints.add(partitions.zip(self.prints.drain(..)))?;
        }
        slots.add(self.gathered.drain(..))
    }

    /// The number of a class.
    fn number(&mut self, class: Class) -> u32 {
        if let Some((last, number)) = self.last
            && last == class
        {
            return number;
        }
        let number = *self.numbers.entry(class).or_insert_with(|| lock(&self.sketch.classes).number(class));
        self.last = Some((class, number));
        number
    }

    #[expect(clippy::cast_possible_truncation, reason = "so many bits of the key are kept")]
    fn slot(&mut self, origin: &Origin, entry: &Entry<'_>) -> Result<()> {
        let Stand { number, place } = entry.stand;
        let place = Place { file: self.file, place, number };
        let plan = self.plan;
        let worded = match self.wordings.get(entry.wording) {
            Some(&worded) => worded,
            None => {
                let worded = self.worded(entry);
                self.wordings.keep(entry.wording, worded);
                worded
            }
        };
        let mut key = plan.hashes.more(worded.key);
        let mut blank = worded.is_blank;
        for &part in &plan.times {
            blank &= self.time(part, entry, &mut key);
        }
        if blank {
            self.keyless.push(place);
            return Ok(());
        }
        let [first, second] = key.map(|hasher| hasher.finish());
        let key = Key(first, second as u32);
        let [mut figures] = plan.hashes.more([worded.figures]);
        let [quantity, price] = [entry.values.quantity, entry.values.price].map(|number| number.map(word));
        for number in [quantity, price] {
            figures.write_u128(number.unwrap_or(u128::MAX));
        }
        let (amount, class) = self.class(entry, worded);
        let number = self.number(class);
        let Some(slot) = Slot::new(key, figures.finish(), amount, number, place) else {
            return Err(Fault::new(Kind::Input, "there is more than can be kept apart")
                .at(origin)
                .expected("files below 256 GiB and 4 billion lines, and below 64 million documents by file")
                .next("split the run into periods"));
        };
        if self.sketch.has_prices {
            let [all, _] = worded.key;
            let priced = entry.values.start.zip(price);
            let prints = priced.map(|(start, price)| {
                let named = Named { all, own: worded.own };
                prices::prints(named, start, self.clocks.day_and_time(start), price)
            });
            self.prints.push(prints.map_or(prices::NONE, prices::bytes));
        }
        self.gathered.push((partition(key), slot.bytes()));
        if self.gathered.len() < GATHERED { Ok(()) } else { self.hand_on() }
    }

    /// What the texts of an entry come to.
    fn worded(&mut self, entry: &Entry<'_>) -> Worded {
        let plan = self.plan;
        let [mut first, mut second, mut figures, mut own] = plan.hashes.texts();
        let mut is_blank = true;
        for &field in &plan.texts {
            let key = self.key(field, entry.text(field));
            is_blank &= key.is_empty();
            second.write(key.as_bytes());
            prices::write(field, key, &mut first, &mut own);
        }
        for &field in &plan.same {
            figures.write(self.key(field, entry.text(field)).as_bytes());
        }
        let mut tolerances = 0;
        for (bit, rule) in plan.amounts.iter().enumerate() {
            let holds = rule
                .when
                .iter()
                .all(|(field, values)| values.contains(&plan.keys.key(*field, entry.text(*field))));
            tolerances |= u64::from(holds) << bit;
        }
        let document = entry.text(field(Role::Document));
        Worded {
            key: [first.finish(), second.finish()],
            own: own.finish(),
            is_blank,
            figures: figures.finish(),
            account: lock(&self.sketch.classes).accounts.number(document, entry.text(plan.currency)),
            tolerances,
        }
    }

    fn class(&self, entry: &Entry<'_>, worded: Worded) -> (i64, Class) {
        let values = entry.values;
        let amount = values.amount.map(Number::canonical);
        let fits = amount.and_then(|(mantissa, scale)| Some((i64::try_from(mantissa).ok()?, scale)));
        let wrong = (self.plan.rules.checks_arithmetic(self.sketch.side)
            && !entry.ways.is_some_and(Ways::is_to_the_cent)
            && miscalculated(values.quantity, values.price, values.before_tax()))
            || values.taxes.is_some_and(|taxes| !taxes.add_up());
        let file = self.file;
        let (Some((mantissa, scale)), false) = (fits, wrong) else {
            return (0, Class { file, ..Class::default() });
        };
        let Worded { account, tolerances, .. } = worded;
        (mantissa, Class { file, account, scale, tolerances, simple: true })
    }

    /// What a text is compared as.
    fn key<'t>(&'t mut self, field: Field, text: &'t str) -> &'t str {
        let rules = self.plan.keys;
        if rules.is_key(field, text) {
            return text;
        }
        let known = self.keys.entry(field).or_default();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.entry_ref(text).or_insert_with(|| rules.key(field, text))
    }

    fn time(&mut self, part: KeyPart, entry: &Entry<'_>, hashers: &mut [FoldHasher<'_>; 2]) -> bool {
        let Some(Instant(at)) = part.edge(entry.values.start, entry.values.end) else {
            hashers.iter_mut().for_each(|hasher| hasher.write_u128(u128::MAX));
            return true;
        };
        let moment = match part {
            KeyPart::Start | KeyPart::End => at,
            part => {
                let zone = self.plan.zone;
                *self.moments.entry((part, at)).or_insert_with(|| part.moment(zone, Instant(at)).0)
            }
        };
        hashers.iter_mut().for_each(|hasher| hasher.write_u128(moment.cast_unsigned().into()));
        false
    }
}

impl Taker for Sketcher<'_> {
    fn take(&mut self, origin: &Origin, entry: &Entry<'_>) {
        if self.failed.is_none() {
            self.failed = self.slot(origin, entry).err();
        }
    }
}

/// A number as a word of its own: equal ones have equal words. A mantissa takes 97 bits with its sign.
#[inline]
pub(super) fn word(number: Number) -> u128 {
    let (mantissa, scale) = number.canonical();
    mantissa.cast_unsigned() << 8 | u128::from(scale)
}

/// Entries of one key are in one partition.
#[expect(clippy::cast_possible_truncation, reason = "eight bits")]
const fn partition(Key(first, _): Key) -> usize {
    (first >> (64 - super::PARTITIONS.trailing_zeros())) as usize
}

/// The role's field.
pub(super) fn field(role: Role) -> Field {
    Field::of(role).unwrap_or_default()
}
