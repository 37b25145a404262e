//! In: [`Row`]s, text with their place. Out: a [`Ledger`] of entries (typed
//! values, exact decimals, instants) and rejects. Never: drops a row, guesses a
//! value, or knows what the other side says.

mod accounts;
mod figures;
mod interval;
mod keys;
mod lane;
mod layout;
mod ledger;
mod order;
mod pool;
mod rates;
mod replace;
mod role;
mod roundings;
mod sample;
mod taxes;
mod totals;
mod units;
mod versions;
mod wide;
mod wordings;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;
use serde::Deserialize;

pub use self::accounts::{Account, Accounts, Tallies, Tally};
use self::interval::Moments;
pub use self::keys::{Case, KeyRules, KeySettings, LeadingZeros};
use self::layout::{AMOUNT, Layout, NUMBERS};
pub use self::ledger::{Counts, Draft, Ledger, Reject, Saying, Side};
use self::order::Queue;
pub use self::pool::{Pool, TextId};
pub use self::rates::{MissingRate, RateDay, Rates};
pub use self::replace::Replacement;
pub use self::role::{Field, Fields, Holds, Role};
pub use self::roundings::{Inferred, Roundings};
pub use self::sample::{Drawn, Sample};
pub use self::taxes::{TaxCounts, TaxSettings, Taxes};
pub use self::totals::{Share, TotalCounts, TotalRule, TotalRules, WrongTotal};
use self::totals::{Standing, Totals};
pub use self::units::{Dimension, Unit};
pub use self::versions::{Restatement, VersionSettings, Versions};
use self::wide::Slice;
pub use self::wide::Template;
pub use self::wordings::{Memo, Wording};
use self::wordings::{Texts, Wordings};
use crate::fault::{self, Fault, Kind, Result};
use crate::intake::{Batch, Mark, Origin, Row, Rows};
use crate::money::{Decimal, DecimalMark, Number, Sum, Ways};
use crate::period::{Dates, Instant, Intervals, Period, Repeated, Trouble, Turn, Zone};

/// A header, or several of which the first that is not blank counts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Headers {
    /// One header.
    One(String),
    /// Several, in the order in which they are tried.
    Several(Vec<String>),
}

impl Headers {
    /// The headers in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

/// How the rows of one side are read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Role or attribute → header.
    pub columns: BTreeMap<String, Headers>,
    /// Role or attribute → the value where the column is absent or blank.
    pub defaults: BTreeMap<String, String>,
    /// See [`Dates::new`].
    pub dates: Vec<String>,
    /// The zone of local times, where it is not that of the run.
    pub zone: Option<Zone>,
    /// How delivery intervals are stated.
    pub intervals: Intervals,
    /// What separates whole part and fraction.
    pub decimal: DecimalMark,
    /// Quantity, price or amount → digits behind the point; longer values are rounded half-even.
    pub scale: BTreeMap<String, u32>,
    /// Attributes that only the other side has.
    pub absent: Vec<String>,
    /// Which rows are totals of others.
    pub totals: Option<TotalRules>,
    /// How taxes are stated, where they are.
    pub taxes: Option<TaxSettings>,
    /// Whether numbers come from an XML document, where a double may have an exponent.
    pub xml_numbers: bool,
}

impl Reading {
    /// Whether a column holds that role; the amount may stand in one of the columns of taxes.
    #[must_use]
    pub fn states(&self, role: Role) -> bool {
        self.columns.contains_key(role.name()) || (role == Role::Amount && self.taxes.is_some())
    }

    /// How dates and times are read; `zone` is that of the run.
    ///
    /// # Errors
    /// As [`Dates::new`].
    pub fn dates(&self, zone: &Zone) -> Result<Dates> {
        Ok(Dates::new(self.zone.as_ref().unwrap_or(zone).clone(), &self.dates)?.with(self.intervals))
    }

    /// Whether the columns, or what is concluded from them, say anything for `role`.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        let is_stated = |name: &str| self.columns.contains_key(name) || self.defaults.contains_key(name);
        let follows_from = |edge: Role| self.intervals.length.is_some() && is_stated(edge.name());
        is_stated(role.name())
            || match role {
                Role::Start => follows_from(Role::End),
                Role::End => follows_from(Role::Start),
                _ => false,
            }
    }

    /// Whether a row is read by itself: it is one line, and none has to wait for another one.
    #[must_use]
    pub fn is_row_by_row(&self) -> bool {
        self.intervals.repeated != Repeated::Order && self.template().is_none()
    }

    /// Whether it does not matter who reads which rows of a file: none has to do with another one. See [`Normaliser::join`].
    #[must_use]
    pub fn is_shareable(&self) -> bool {
        self.is_row_by_row() && self.totals.is_none()
    }

    /// What the headers of quantity, price or amount call the hour, where each hour has a column.
    #[must_use]
    pub fn template(&self) -> Option<Template<'_>> {
        NUMBERS.into_iter().find_map(|role| Template::of(self.header(role)?))
    }

    fn header(&self, role: Role) -> Option<&str> {
        self.columns.get(role.name()).and_then(|headers| headers.names().first()).map(String::as_str)
    }

    /// Attributes that this side need not have: those of `names` that it does not map to a column.
    pub fn leave_to_the_other_side<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        let absent = names.into_iter().filter(|name| !self.columns.contains_key(*name)).map(str::to_owned);
        self.absent.extend(absent);
    }
}

/// Takes the entries of one side, as they come.
pub trait Taker {
    /// Takes an entry that counts.
    fn take(&mut self, origin: &Origin, entry: &Entry<'_>);
}

/// Where a row stands in what it comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stand {
    /// See [`Row::number`].
    pub number: u64,
    /// See [`Row::place`].
    pub place: u64,
}

impl From<&Row> for Stand {
    fn from(row: &Row) -> Self {
        Self { number: row.number, place: row.place }
    }
}

/// An entry as its row says it: texts are still the row's, or those of the rows that say the same.
pub struct Entry<'a> {
    /// Where its row stands.
    pub stand: Stand,
    texts: Texts<'a>,
    /// What its texts are remembered as, where they are.
    pub wording: Option<Wording>,
    /// The currency that its numbers name, where no text does.
    code: Option<[u8; 3]>,
    /// The header of the column, where a row has one for each hour; else blank.
    pub column: &'a str,
    /// How its amount follows from its quantity and price, where it states all of them, and is not read for the second time.
    pub ways: Option<Ways>,
    /// The values.
    pub values: &'a Draft,
}

impl Entry<'_> {
    /// The text of a field, trimmed.
    #[must_use]
    pub fn text(&self, field: Field) -> &str {
        if field.index() == Role::Currency as usize { self.currency() } else { self.texts.get(field) }
    }

    /// The currency as a code; blank where none is stated.
    fn currency(&self) -> &str {
        match &self.code {
            Some(code) => str::from_utf8(code).unwrap_or_default(),
            None => self.texts.currency(),
        }
    }
}

/// Turns the rows of one side into entries, and hands them to a [`Taker`]: by default to its ledger.
pub struct Normaliser<'a, T = Ledger> {
    reading: &'a Reading,
    fields: &'a Fields,
    table: &'static str,
    dates: Dates,
    side: Side,
    period: Option<(Instant, Instant)>,
    taker: T,
    counts: Counts,
    /// Each with the [`Row::place`] of its row.
    rejects: Vec<(u64, Reject)>,
    /// How many of them are of the files before.
    before: usize,
    totals: Option<Totals<'a>>,
    /// Whether all was counted when it was read before.
    again: bool,
    draft: Draft,
    header: Option<Box<Header<'a>>>,
    /// Starts and ends that say all by themselves.
    moments: Moments,
    /// Intervals by all that their rows say of them.
    intervals: HashMap<String, (Option<Instant>, Option<Instant>), FixedState>,
    /// What the row at hand says of its interval.
    said: String,
    /// Of two rows that bear the same local time, the one at hand.
    turn: Option<Turn>,
    queue: Queue,
}

/// The header of the rows at hand.
struct Header<'a> {
    /// How many columns it has.
    width: usize,
    layout: Layout<'a>,
    wordings: Wordings,
}

/// Why a row is no entry.
struct Refusal {
    column: Option<usize>,
    value: String,
    reason: String,
    /// What is wrong with its interval.
    trouble: Option<Trouble>,
}

impl<'a> Normaliser<'a> {
    /// Entries go into a ledger. `period` limits the ledger to entries that start in it; entries without a start always count.
    ///
    /// # Errors
    /// [`Kind::Configuration`] for a date format that is none.
    pub fn new(
        side: Side,
        reading: &'a Reading,
        fields: &'a Fields,
        zone: &Zone,
        period: Option<&Period>,
    ) -> Result<Self> {
        Self::into(Ledger::new(side, fields.count()), side, reading, fields, zone, period)
    }

    /// The ledger, when all is read.
    #[must_use]
    pub fn finish(self) -> Ledger {
        let (mut ledger, counts, rejects) = self.part();
        ledger.close(counts, rejects);
        ledger
    }
}

impl<'a, T: Taker> Normaliser<'a, T> {
    /// Entries go to `taker`; otherwise as [`Normaliser::new`].
    ///
    /// # Errors
    /// As [`Normaliser::new`].
    pub fn into(
        taker: T,
        side: Side,
        reading: &'a Reading,
        fields: &'a Fields,
        zone: &Zone,
        period: Option<&Period>,
    ) -> Result<Self> {
        Ok(Self {
            reading,
            fields,
            table: if side == Side::Invoice { "invoices" } else { "settlements" },
            dates: reading.dates(zone)?,
            period: period.map(|period| (period.start(), period.end())),
            side,
            taker,
            counts: Counts {
                taxes: TaxCounts {
                    rates: reading.taxes.as_ref().map(|taxes| taxes.rates.clone()).unwrap_or_default(),
                    ..TaxCounts::default()
                },
                ..Counts::default()
            },
            rejects: Vec::new(),
            before: 0,
            totals: reading.totals.as_ref().map(|rules| Totals::new(rules, side, fields.count())),
            again: false,
            draft: Draft::default(),
            header: None,
            moments: Moments::default(),
            intervals: HashMap::default(),
            said: String::new(),
            turn: None,
            queue: Queue::default(),
        })
    }

    /// For entries that were counted, and held against their totals, when they were read before.
    #[must_use]
    pub fn again(self) -> Self {
        Self { totals: None, again: true, ..self }
    }

    /// Reads all that `rows` has.
    ///
    /// # Errors
    /// What reading returns, and [`Kind::Input`] where a column that is needed is not there.
    pub fn take(&mut self, rows: &mut dyn Rows) -> Result<()> {
        self.check(rows.origin(), rows.columns())?;
        let (mut row, mut batch) = (Row::default(), Batch::default());
        loop {
            if self.has_lane() {
                rows.batch(&mut batch)?;
                if !batch.is_empty() {
                    self.records(rows.origin(), rows.columns(), &batch, &mut row);
                    continue;
                }
            }
            // One that is not plain, or the end.
            if !rows.read(&mut row)? {
                break;
            }
            self.accept(rows.origin(), rows.columns(), &row);
        }
        self.close_queue();
        Ok(())
    }

    /// Takes one row. The header of a stream may grow (answers name their
    /// fields record by record); a column that is needed need not be there yet. Before rows of another file, [`Normaliser::check`] its header.
    pub fn accept(&mut self, origin: &Origin, columns: &[String], row: &Row) {
        let mut header = self.take_header(columns);
        self.row(origin, columns, &mut header, row);
        self.header = Some(header);
    }

    /// The header at hand, to be put back.
    fn take_header(&mut self, columns: &[String]) -> Box<Header<'a>> {
        match self.header.take() {
            Some(header) if header.width == columns.len() => header,
            other => self.lay_out(columns, other),
        }
    }

    /// Where all of it stands under these headers.
    fn lay_out(&self, columns: &[String], before: Option<Box<Header<'a>>>) -> Box<Header<'a>> {
        let mut wordings = before.map(|header| header.wordings).unwrap_or_default();
        let layout = Layout::of(columns, self.reading, self.fields);
        wordings.start(&layout);
        Box::new(Header { width: columns.len(), layout, wordings })
    }

    /// Whether every column that is needed is there.
    ///
    /// # Errors
    /// [`Kind::Input`] naming the column that is not, and the nearest that is.
    pub fn check(&mut self, origin: &Origin, columns: &[String]) -> Result<()> {
        let before = self.header.take();
        let header = self.lay_out(columns, before);
        if let Some(missing) = header.layout.sources().find(|source| source.is_missing()) {
            return Err(self.no_column(missing.name, origin, columns));
        }
        self.header = Some(header);
        self.before = self.rejects.len();
        Ok(())
    }

    /// Takes over what another one has counted, which read other rows of the same file; hands on who took its entries.
    pub fn join(&mut self, other: Self) -> T {
        let (taker, counts, rejects) = (other.taker, other.counts, other.rejects);
        self.counts.join(counts);
        self.rejects.extend(rejects);
        // As if one had read them all.
        if let Some(of_file) = self.rejects.get_mut(self.before..) {
            of_file.sort_by_key(|(place, _)| *place);
        }
        taker
    }

    /// How many rows have been rejected so far.
    #[must_use]
    pub fn rejected(&self) -> usize {
        self.rejects.len()
    }

    /// Who takes the entries.
    pub fn taker(&mut self) -> &mut T {
        &mut self.taker
    }

    /// Who took the entries, what was counted, and what was rejected; totals are held against their lines now.
    #[must_use]
    pub fn part(mut self) -> (T, Counts, Vec<Reject>) {
        self.close_queue();
        if let Some(totals) = self.totals.take() {
            self.counts.totals = totals.check(&mut self.counts.outside);
        }
        self.counts.roundings.close();
        self.counts.sample.close();
        (self.taker, self.counts, self.rejects.into_iter().map(|(_, reject)| reject).collect())
    }

    fn no_column(&self, name: &str, origin: &Origin, columns: &[String]) -> Fault {
        let wanted = self.reading.columns.get(name).map(Headers::names).unwrap_or_default();
        let wanted = match wanted {
            [] => name.to_owned(),
            names => names.join("\" or \""),
        };
        let fault = Fault::new(Kind::Input, format!("there is no column \"{wanted}\" for {name}"))
            .at(origin)
            .expected(format!("one of: {}", columns.join(", ")));
        if !self.reading.columns.contains_key(name) {
            // Nobody mapped it: a key or a `when` names what is neither a role nor a header.
            let known = Role::ALL
                .into_iter()
                .map(|role| -> &str { role.name() })
                .chain(columns.iter().map(String::as_str));
            let near = fault::nearest(name, known);
            let near = near.map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
            return fault.next(format!(
                "{near}correct it where tieout.toml compares it, or name its column in [{}.columns]",
                self.table
            ));
        }
        match fault::nearest(&wanted, columns.iter().map(String::as_str)) {
            Some(near) => fault.next(format!(
                "did you mean \"{near}\"? correct [{}.columns] {name} in tieout.toml",
                self.table
            )),
            None => fault.next(format!("correct [{}.columns] {name} in tieout.toml", self.table)),
        }
    }

    fn row(&mut self, origin: &Origin, columns: &[String], header: &mut Header<'_>, row: &Row) {
        let Header { layout, wordings, .. } = header;
        let is_total = |totals: &Totals<'_>| totals.find(|field| layout.text(field, row));
        if let Some(rule) = self.totals.as_ref().filter(|_| row.defect.is_none()).and_then(is_total) {
            let wording = wordings.of(layout, row);
            return self.total(rule, origin, columns, layout, row, wordings.texts(wording, layout, row));
        }
        let Some(wide) = layout.wide.as_ref().filter(|_| row.defect.is_none()) else {
            return self.line(origin, columns, (layout, wordings), row, None);
        };
        let mut is_blank = true;
        for slice in &wide.slices {
            if slice.numbers.iter().flatten().any(|&column| row.trimmed(column).is_some()) {
                is_blank = false;
                self.line(origin, columns, (layout, wordings), row, Some(slice));
            }
        }
        if is_blank {
            let refusal = refuse(None, "", "the row states nothing for any hour".to_owned());
            self.reject(origin, columns, layout, (row, None), refusal);
        }
    }

    /// One line: a row, or one hour of a wide row.
    fn line(
        &mut self,
        origin: &Origin,
        columns: &[String],
        (layout, wordings): (&Layout<'_>, &mut Wordings),
        row: &Row,
        slice: Option<&Slice>,
    ) {
        let wording = wordings.of(layout, row);
        let texts = wordings.texts(wording, layout, row);
        let drafted = match &row.defect {
            Some(defect) => {
                self.draft.start = None;
                Err(refuse(None, "", defect.to_string()))
            }
            None => self.draft(layout, row, slice, texts),
        };
        match drafted {
            // What lies outside the period does not concern the run, whatever is wrong with it.
            Err(_) if self.is_outside(self.draft.start) => {
                let (Account { document, currency }, amount) = self.money_of(layout, row, slice);
                self.counts.outside.add(&document, &currency, amount);
                if let Some(totals) = &mut self.totals {
                    totals.add(
                        Standing::Outside,
                        origin,
                        |field| layout.text(field, row),
                        &currency,
                        amount,
                        None,
                    );
                }
            }
            Err(refusal) if slice.is_some_and(|slice| self.is_no_hour(slice, row, &refusal)) => {}
            Err(refusal)
                if refusal.trouble == Some(Trouble::Repeated)
                    && self.turn.is_none()
                    && self.reading.intervals.repeated == Repeated::Order =>
            {
                self.queue(origin, columns, (layout, wordings), (row, slice), refusal);
            }
            Err(refusal) => {
                self.leave_out(origin, layout, row);
                self.reject(origin, columns, layout, (row, slice), refusal);
            }
            Ok(code) => {
                let column = slice.map_or("", |slice| header_of(slice, columns));
                self.enter(origin, row.into(), texts, wording, code, column);
            }
        }
    }

    /// Hands on what was read into the draft, and counts it.
    fn enter(
        &mut self,
        origin: &Origin,
        stand: Stand,
        texts: Texts<'_>,
        wording: Option<Wording>,
        code: Option<[u8; 3]>,
        column: &str,
    ) {
        let wording = wording.filter(|_| code.is_none());
        let mut entry = Entry { stand, texts, wording, code, column, ways: None, values: &self.draft };
        let outside = self.is_outside(self.draft.start);
        if let Some(totals) = &mut self.totals {
            let part = if outside { Standing::Outside } else { Standing::Line };
            // What prices make is before tax.
            let is_net = self.reading.taxes.as_ref().is_none_or(|taxes| taxes.compare == Role::Net);
            let priced = self.draft.quantity.zip(self.draft.price).filter(|_| is_net);
            let text = |field| texts.get(field);
            totals.add(
                part,
                origin,
                text,
                entry.currency(),
                self.draft.amount.map(Number::decimal),
                priced.map(|(quantity, price)| (quantity.decimal(), price.decimal())),
            );
        }
        if outside {
            let document = texts.role(Role::Document);
            return self.counts.outside.add(document, entry.currency(), self.draft.amount);
        }
        if !self.again {
            entry.ways = self.draft.ways();
            self.counts.count(&entry, self.reading.taxes.as_ref(), self.fields.count());
        }
        self.taker.take(origin, &entry);
    }

    /// Takes a row that is a total: of its cells, only the texts and the amount matter.
    fn total(
        &mut self,
        rule: usize,
        origin: &Origin,
        columns: &[String],
        layout: &Layout<'_>,
        row: &Row,
        texts: Texts<'_>,
    ) {
        // Most totals state no hour where lines do; the day that they state says enough.
        let _ = self.interval(layout, None, row);
        let start = self.draft.start;
        let [.., source] = &layout.numbers;
        // A total of wide rows has an amount for each hour as they have, and is the sum of them.
        let hours = layout.wide.iter().flat_map(|wide| &wide.slices);
        let hours = hours.filter_map(|slice| slice.numbers.get(AMOUNT).copied().flatten());
        let mut cells: Vec<_> =
            hours.map(|column| (Some(column), row.trimmed(column).unwrap_or_default())).collect();
        if cells.is_empty() {
            cells.push(source.pick(row));
        }
        let (mut sum, mut code) = (None::<Sum>, None);
        for (column, text) in cells {
            let read = match (text, column.map(|column| row.mark(column))) {
                ("", _) => continue,
                (_, Some(mark @ (Mark::Error | Mark::Date))) => Err(format!(
                    "is {} of the workbook",
                    if mark == Mark::Error { "an error cell" } else { "a date" }
                )),
                _ => self.reading.number(text).map_err(|why| {
                    format!(
                        "cannot be read as a number: {why}; expected one such as {}",
                        self.reading.sample()
                    )
                }),
            };
            match read {
                Ok(parsed) => {
                    sum.get_or_insert_default().add(source.quantised(parsed.value));
                    code = code.or(parsed.currency);
                }
                Err(why) => {
                    let refusal = refuse(column, text, format!("{} of a total {why}", source.name));
                    return self.reject(origin, columns, layout, (row, None), refusal);
                }
            }
        }
        let amount = sum.and_then(|sum| sum.value());
        if sum.is_some() && amount.is_none() {
            let reason = format!("{} of a total has more than 28 digits over all hours", source.name);
            return self.reject(origin, columns, layout, (row, None), refuse(None, "", reason));
        }
        let code = code.filter(|_| texts.currency().is_empty());
        let values = Draft { start, amount: amount.map(Into::into), ..Draft::default() };
        let stand = row.into();
        let entry = Entry { stand, texts, wording: None, code, column: "", ways: None, values: &values };
        if self.is_outside(start) {
            return self.counts.outside.add(texts.role(Role::Document), entry.currency(), amount);
        }
        let waits = self.totals.as_mut().map(|totals| totals.wait(rule, origin, &entry));
        if let Some(Err(blank)) = waits {
            let name = self.fields.name(blank).to_owned();
            let column = layout.texts.get(blank.index()).and_then(|source| source.column);
            let reason =
                format!("a total, but it states no {name}, so that nobody knows which lines it is of");
            self.reject(origin, columns, layout, (row, None), refuse(column, "", reason));
        }
    }

    fn is_outside(&self, start: Option<Instant>) -> bool {
        match (self.period, start) {
            (Some((first, end)), Some(start)) => start < first || start >= end,
            _ => false,
        }
    }

    /// Whether a wide row has but noughts for an hour that the day does not have: the column is there on all days.
    fn is_no_hour(&self, slice: &Slice, row: &Row, refusal: &Refusal) -> bool {
        matches!(refusal.trouble, Some(Trouble::Beyond(_) | Trouble::Skipped))
            && slice.numbers.iter().flatten().all(|&column| {
                let text = row.trimmed(column).unwrap_or("0");
                self.reading.number(text).is_ok_and(|parsed| parsed.value.is_zero())
            })
    }

    /// The document, the currency and the amount of a row that is no entry, as far as they can be read.
    fn money_of(&self, layout: &Layout<'_>, row: &Row, slice: Option<&Slice>) -> (Account, Option<Decimal>) {
        let amount = self.reading.number(layout.number(AMOUNT, row, slice).1).ok().map(|parsed| parsed.value);
        let currency = layout.currency(row).into_owned();
        (Account { document: layout.document(row).to_owned(), currency }, amount)
    }

    fn reject(
        &mut self,
        origin: &Origin,
        columns: &[String],
        layout: &Layout<'_>,
        line: (&Row, Option<&Slice>),
        refusal: Refusal,
    ) {
        let (reject, money) = self.refused(origin, columns, layout, line, refusal);
        self.count_reject(line.0, reject, &money);
    }

    /// Tells the totals that one of their lines is a reject.
    fn leave_out(&mut self, origin: &Origin, layout: &Layout<'_>, row: &Row) {
        if let Some(totals) = &mut self.totals {
            totals.add(Standing::Rejected, origin, |field| layout.text(field, row), "", None, None);
        }
    }

    /// A reject, and its money.
    fn refused(
        &self,
        origin: &Origin,
        columns: &[String],
        layout: &Layout<'_>,
        (row, slice): (&Row, Option<&Slice>),
        refusal: Refusal,
    ) -> (Reject, (Account, Option<Decimal>)) {
        let mut source = format!("{origin}:{}", row.number);
        if let Some(slice) = slice {
            source = format!("{source}:{}", header_of(slice, columns));
        }
        let reject = Reject {
            side: self.side,
            source,
            column: refusal.column.and_then(|column| columns.get(column)).cloned().unwrap_or_default(),
            value: refusal.value,
            reason: refusal.reason,
        };
        (reject, self.money_of(layout, row, slice))
    }
}

fn header_of<'c>(slice: &Slice, columns: &'c [String]) -> &'c str {
    slice.column().and_then(|column| columns.get(column)).map_or("", String::as_str)
}

fn refuse(column: Option<usize>, value: &str, reason: String) -> Refusal {
    Refusal { column, value: value.to_owned(), reason, trouble: None }
}

fn currency_code(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii_uppercase()) { text.into() } else { text.trim().to_uppercase().into() }
}
