//! Entries, each in 64 bytes.
//!
//! A run holds millions of entries, so an entry is a number: that of a [`Line`], which is looked up in one place of memory. Texts are
//! stored once, and which texts an entry has once for all entries that say the same; decimals are
//! 64-bit mantissas with a scale, the rare wider ones stand aside.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use super::accounts::Tallies;
use super::layout::{AMOUNT, NUMBERS, PRICE, QUANTITY};
use super::pool::{Pool, TextId};
use super::role::{Field, Role};
use super::roundings::Roundings;
use super::sample::Sample;
use super::taxes::{TaxCounts, TaxSettings, Taxes};
use super::totals::{TotalCounts, WrongTotal};
use super::wordings::Memo;
use super::{Entry, Taker};
use crate::intake::Origin;
use crate::money::{self, Decimal, Number, Ways};
use crate::period::Instant;

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// What the vendor billed.
    Invoice,
    /// What the platform recorded.
    Settlement,
}

impl Side {
    /// The name used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::Settlement => "settlement",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Invoice => Self::Settlement,
            Self::Settlement => Self::Invoice,
        }
    }
}

const BLANK_NUMBER: u8 = u8::MAX;
const WIDE_NUMBER: u8 = u8::MAX - 1;

/// An exact decimal that may be blank, as mantissa and scale; one that is wider stands elsewhere.
#[derive(Clone, Copy, Debug)]
struct Packed(i64, u8);

impl Packed {
    /// Packs a value for the entry of a number. One that is too wide goes to `wide`.
    fn new(value: Option<Number>, entry: u32, wide: &mut HashMap<u32, Decimal>) -> Self {
        let Some(value) = value else { return Self(0, BLANK_NUMBER) };
        match (i64::try_from(value.mantissa()), u8::try_from(value.scale())) {
            (Ok(mantissa), Ok(scale)) => Self(mantissa, scale),
            _ => {
                wide.insert(entry, value.decimal());
                Self(0, WIDE_NUMBER)
            }
        }
    }

    #[inline]
    fn value(self, entry: u32, wide: &HashMap<u32, Decimal>) -> Option<Decimal> {
        match self {
            Self(_, BLANK_NUMBER) => None,
            Self(_, WIDE_NUMBER) => wide.get(&entry).copied(),
            Self(mantissa, scale) => Some(money::narrow(mantissa, u32::from(scale))),
        }
    }
}

/// What an entry says and where it stands.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: i64,
    end: i64,
    /// The [`NUMBERS`], as [`Packed`].
    mantissas: [i64; NUMBERS.len()],
    scales: [u8; NUMBERS.len()],
    doubles: u8,
    origin: u32,
    row: u32,
    saying: Saying,
    /// The column of a wide row, else blank.
    column: TextId,
}

/// What entries say in words: those that have one say the same in every text field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saying(u32);

/// The rows of one side, by document and currency.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// All rows that were read, but for those outside the period.
    pub read: Tallies,
    /// The rows that were rejected.
    pub rejected: Tallies,
    /// The rows outside the period.
    pub outside: Tallies,
    /// The rows that are totals of others.
    pub totals: TotalCounts,
    /// At which rates the entries are taxed, where that is read.
    pub taxes: TaxCounts,
    /// How the entries' amounts follow from their quantities and prices.
    pub roundings: Roundings,
    /// Some of the entries.
    pub sample: Sample,
}

impl Counts {
    /// Counts an entry, which has so many text fields.
    pub(super) fn count(&mut self, entry: &Entry<'_>, taxes: Option<&TaxSettings>, fields: usize) {
        let &Entry { texts, wording, values, ways, .. } = entry;
        self.read.count(entry);
        if let Some((stated, settings)) = values.taxes.as_ref().zip(taxes) {
            self.taxes.count(stated, &settings.rates);
        }
        if let Some((ways, amount)) = ways.zip(values.before_tax()) {
            self.roundings.count(wording, || texts.role(Role::Vendor), ways, amount.scale());
        }
        self.sample.offer(entry, fields);
    }

    /// Counts what another has counted, of rows that are no totals.
    pub(super) fn join(&mut self, other: Self) {
        let Self { read, rejected, outside, totals: _, taxes, roundings, sample } = other;
        for (all, part) in
            [(&mut self.read, read), (&mut self.rejected, rejected), (&mut self.outside, outside)]
        {
            all.join_all(&part);
        }
        self.taxes.join(taxes);
        self.roundings.join(roundings);
        self.sample.join(sample);
    }
}

/// A row that could not become an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Whose row it is.
    pub side: Side,
    /// `file:row`, `file:sheet:row` or `operation:call:index`.
    pub source: String,
    /// The header of the column; blank where the row as a whole is broken.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// What is wrong with it, and what was expected.
    pub reason: String,
}

/// The values of an entry, as one row hands them on.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Start of the delivery interval.
    pub start: Option<Instant>,
    /// Its end.
    pub end: Option<Instant>,
    /// Quantity, in the entry's unit.
    pub quantity: Option<Number>,
    /// Price per unit.
    pub price: Option<Number>,
    /// Money.
    pub amount: Option<Number>,
    /// Which of quantity, price and amount were a workbook's doubles (bits 0, 1, 2).
    pub doubles: u8,
    /// Net, tax and gross, where these are read.
    pub taxes: Option<Taxes>,
}

impl Draft {
    /// How the amount follows from the quantity and the price, where all are stated.
    #[must_use]
    pub fn ways(&self) -> Option<Ways> {
        Some(Ways::of(self.quantity?, self.price?, self.before_tax()?))
    }

    /// What quantity × price should be: the amount, without tax where the row states taxes.
    #[must_use]
    pub fn before_tax(&self) -> Option<Number> {
        match &self.taxes {
            Some(taxes) => taxes.net.map(Number::from),
            None => self.amount,
        }
    }
}

/// The entries of one side, and what became of its other rows.
#[derive(Clone, Debug)]
pub struct Ledger {
    side: Side,
    pool: Pool,
    origins: Vec<Origin>,
    lines: Vec<Line>,
    /// How many text fields there are.
    fields: usize,
    /// The ids of texts, by [`Saying`] and field.
    texts: Vec<TextId>,
    /// What the wordings of rows say, while entries come.
    wordings: Memo<Saying>,
    /// The [`NUMBERS`] that do not fit a [`Line`], by entry.
    wide: [HashMap<u32, Decimal>; NUMBERS.len()],
    /// Net, tax and gross by entry, and those that are too wide; without any where they are not read.
    taxes: Vec<[Packed; Role::TAXES.len()]>,
    wide_taxes: [HashMap<u32, Decimal>; Role::TAXES.len()],
    /// How many rows are entries, once rows of another kind stand behind them.
    entries: Option<u32>,
    /// What was read and what became no entry.
    pub counts: Counts,
    /// Why rows were rejected, in the order in which they were read.
    pub rejects: Vec<Reject>,
}

const BLANK_TIME: i64 = i64::MIN;

impl Ledger {
    /// An empty ledger for `fields` text fields.
    #[must_use]
    pub fn new(side: Side, fields: usize) -> Self {
        Self {
            side,
            pool: Pool::default(),
            origins: Vec::new(),
            lines: Vec::new(),
            fields,
            texts: Vec::new(),
            wordings: Memo::default(),
            wide: Default::default(),
            taxes: Vec::new(),
            wide_taxes: Default::default(),
            entries: None,
            counts: Counts::default(),
            rejects: Vec::new(),
        }
    }
}

impl Taker for Ledger {
    fn take(&mut self, origin: &Origin, entry: &Entry<'_>) {
        let column = self.pool.intern(entry.column);
        let saying = match self.wordings.get(entry.wording) {
            Some(&known) => known,
            None => {
                let saying = self.say(Field::all().map(|field| entry.text(field)));
                self.wordings.keep(entry.wording, saying);
                saying
            }
        };
        self.push(origin, entry.stand.number, saying, column, entry.values);
    }
}

impl Ledger {
    /// Takes texts by field; the last ones are not taken again, where these are the same.
    fn say<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> Saying {
        let last = self.texts.len();
        let Self { texts: ids, pool, fields, .. } = self;
        ids.extend(texts.map(|text| pool.intern(text)).take(*fields));
        ids.resize(last + *fields, TextId::BLANK);
        let (before, own) = ids.split_at(last);
        if last > 0 && before.ends_with(own) {
            ids.truncate(last);
        }
        let said = ids.len() / (*fields).max(1);
        Saying(u32::try_from(said.saturating_sub(1)).unwrap_or(u32::MAX))
    }

    /// Adds a row.
    fn push(&mut self, origin: &Origin, row: u64, saying: Saying, column: TextId, draft: &Draft) {
        if self.origins.last() != Some(origin) {
            self.origins.push(origin.clone());
        }
        let entry = self.rows();
        let [of_quantity, of_price, of_amount] = &mut self.wide;
        let [quantity, price, amount] = [
            Packed::new(draft.quantity, entry, of_quantity),
            Packed::new(draft.price, entry, of_price),
            Packed::new(draft.amount, entry, of_amount),
        ];
        self.lines.push(Line {
            start: draft.start.map_or(BLANK_TIME, |at| at.0),
            end: draft.end.map_or(BLANK_TIME, |at| at.0),
            mantissas: [quantity.0, price.0, amount.0],
            scales: [quantity.1, price.1, amount.1],
            doubles: draft.doubles,
            origin: u32::try_from(self.origins.len() - 1).unwrap_or(u32::MAX),
            row: u32::try_from(row).unwrap_or(u32::MAX),
            saying,
            column,
        });
        // Where they are read, every row has its place among them.
        if draft.taxes.is_some() || !self.taxes.is_empty() {
            let Taxes { net, tax, gross } = draft.taxes.unwrap_or_default();
            let [of_net, of_tax, of_gross] = &mut self.wide_taxes;
            let pack = |value: Option<Decimal>, wide| Packed::new(value.map(Number::from), entry, wide);
            self.taxes.push([pack(net, of_net), pack(tax, of_tax), pack(gross, of_gross)]);
        }
    }

    /// Takes over what was counted and rejected when all is read; behind the entries, it puts a row for each total that is not
    /// the sum of its lines, for the reports. No pass sees these.
    pub fn close(&mut self, counts: Counts, rejects: Vec<Reject>) {
        self.entries = Some(self.len());
        for total in &counts.totals.wrong {
            let WrongTotal { origin, row, texts, .. } = total;
            let saying = self.say(texts.iter().map(AsRef::as_ref));
            self.push(origin, *row, saying, TextId::BLANK, &total.draft());
        }
        (self.counts, self.rejects) = (counts, rejects);
        self.wordings = Memo::default();
    }

    /// The rows that were taken after all was read, behind everything else: records that tie, and were looked up for what they say.
    /// No pass sees these.
    #[must_use]
    pub fn looked_up(&self) -> Range<u32> {
        let before = self.len() as usize + self.counts.totals.wrong.len();
        u32::try_from(before).unwrap_or(u32::MAX)..self.rows()
    }

    /// The totals that are not the sum of their lines, with the number of the row that stands for each.
    pub fn wrong_totals(&self) -> impl Iterator<Item = (u32, &WrongTotal)> {
        (self.len()..).zip(&self.counts.totals.wrong)
    }

    /// The total that a row behind the entries stands for.
    #[must_use]
    pub fn wrong_total(&self, row: u32) -> Option<&WrongTotal> {
        self.counts.totals.wrong.get(row.checked_sub(self.len())? as usize)
    }

    /// How many text fields there are.
    pub(super) const fn fields(&self) -> usize {
        self.fields
    }

    /// Where an entry stands: its origin, and its row there.
    pub(super) fn place(&self, entry: u32) -> (Origin, u64) {
        let line = self.line(entry);
        let origin = line.and_then(|line| self.origins.get(line.origin as usize));
        let unknown = || Origin { name: "".into(), part: None };
        (origin.cloned().unwrap_or_else(unknown), line.map_or(0, |line| line.row.into()))
    }

    #[inline]
    fn line(&self, entry: u32) -> Option<&Line> {
        self.lines.get(entry as usize)
    }

    #[inline]
    fn packed<const WHICH: usize>(&self, entry: u32) -> Option<Decimal> {
        let line = self.line(entry)?;
        let packed = Packed(*line.mantissas.get(WHICH)?, *line.scales.get(WHICH)?);
        packed.value(entry, self.wide.get(WHICH)?)
    }

    /// Whose entries these are.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// The texts that entries refer to.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How many entries there are; they are numbered from 0.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.entries.unwrap_or_else(|| self.rows())
    }

    /// How many rows there are: the entries, and behind them the totals that are not the sum of their lines, and what was looked up.
    fn rows(&self) -> u32 {
        u32::try_from(self.lines.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of an entry's text.
    #[must_use]
    pub fn text_id(&self, field: Field, entry: u32) -> TextId {
        self.said(field, self.saying(entry))
    }

    /// What an entry says in words.
    #[must_use]
    #[inline]
    pub fn saying(&self, entry: u32) -> Saying {
        self.line(entry).map_or(Saying(u32::MAX), |line| line.saying)
    }

    /// The id of what is said in a field.
    #[must_use]
    #[inline]
    pub fn said(&self, field: Field, Saying(saying): Saying) -> TextId {
        if field.index() >= self.fields {
            return TextId::BLANK;
        }
        self.texts.get(saying as usize * self.fields + field.index()).copied().unwrap_or_default()
    }

    /// The ids of all texts that rows have in a field; one may come more than once.
    pub fn text_ids(&self, field: Field) -> impl Iterator<Item = TextId> {
        self.texts.chunks(self.fields.max(1)).filter_map(move |said| said.get(field.index()).copied())
    }

    /// An entry's text, as its source says it.
    #[must_use]
    pub fn text(&self, field: Field, entry: u32) -> &str {
        self.pool.text(self.text_id(field, entry))
    }

    /// The text of a role; blank for roles that hold no text.
    #[must_use]
    pub fn role(&self, role: Role, entry: u32) -> &str {
        Field::of(role).map_or("", |field| self.text(field, entry))
    }

    /// Where an entry's delivery interval starts.
    #[must_use]
    pub fn start(&self, entry: u32) -> Option<Instant> {
        self.line(entry).map(|line| line.start).filter(|&at| at != BLANK_TIME).map(Instant)
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self, entry: u32) -> Option<Instant> {
        self.line(entry).map(|line| line.end).filter(|&at| at != BLANK_TIME).map(Instant)
    }

    /// An entry's quantity, in its unit.
    #[must_use]
    pub fn quantity(&self, entry: u32) -> Option<Decimal> {
        self.packed::<QUANTITY>(entry)
    }

    /// An entry's price per unit.
    #[must_use]
    pub fn price(&self, entry: u32) -> Option<Decimal> {
        self.packed::<PRICE>(entry)
    }

    /// An entry's amount.
    #[must_use]
    pub fn amount(&self, entry: u32) -> Option<Decimal> {
        self.packed::<AMOUNT>(entry)
    }

    /// An entry's net, tax and gross; all blank where they are not read.
    #[must_use]
    pub fn taxes(&self, entry: u32) -> Taxes {
        let Some([net, tax, gross]) = self.taxes.get(entry as usize) else { return Taxes::default() };
        let [of_net, of_tax, of_gross] = &self.wide_taxes;
        Taxes {
            net: net.value(entry, of_net),
            tax: tax.value(entry, of_tax),
            gross: gross.value(entry, of_gross),
        }
    }

    /// What quantity × price should be: the amount, without tax where taxes are read.
    #[must_use]
    pub fn before_tax(&self, entry: u32) -> Option<Decimal> {
        if self.taxes.is_empty() { self.amount(entry) } else { self.taxes(entry).net }
    }

    /// A number by its role; `None` where it is blank, or the role holds none.
    #[must_use]
    pub fn number(&self, role: Role, entry: u32) -> Option<Decimal> {
        match role {
            Role::Quantity => self.quantity(entry),
            Role::Price => self.price(entry),
            Role::Amount => self.amount(entry),
            Role::Net => self.taxes(entry).net,
            Role::Tax => self.taxes(entry).tax,
            Role::Gross => self.taxes(entry).gross,
            _ => None,
        }
    }

    /// Which of an entry's numbers were a workbook's doubles.
    pub fn doubles(&self, entry: u32) -> impl Iterator<Item = Role> + use<> {
        let bits = self.line(entry).map_or(0, |line| line.doubles);
        NUMBERS.into_iter().enumerate().filter(move |(bit, _)| bits & (1 << bit) != 0).map(|(_, role)| role)
    }

    /// Where an entry stands: `file:row`, `file:sheet:row` or `operation:call:index`, with the column of a wide row behind it.
    #[must_use]
    pub fn source(&self, entry: u32) -> String {
        let mut text = String::new();
        self.show_source(entry, &mut text);
        text
    }

    /// Appends where an entry stands, see [`Ledger::source`].
    pub fn show_source(&self, entry: u32, text: &mut String) {
        self.show_row(entry, text);
        match self.column(entry) {
            "" => {}
            column => {
                let _ = write!(text, ":{column}");
            }
        }
    }

    /// Where the row of an entry stands.
    #[must_use]
    pub fn source_row(&self, entry: u32) -> String {
        let mut text = String::new();
        self.show_row(entry, &mut text);
        text
    }

    fn show_row(&self, entry: u32, text: &mut String) {
        let Some(line) = self.line(entry) else { return };
        if let Some(origin) = self.origins.get(line.origin as usize) {
            let _ = write!(text, "{origin}:");
        }
        let _ = write!(text, "{}", line.row);
    }

    /// The header of an entry's column, where its row has one for each hour; else blank.
    #[must_use]
    pub fn column(&self, entry: u32) -> &str {
        self.pool.text(self.line(entry).map_or(TextId::BLANK, |line| line.column))
    }
}
