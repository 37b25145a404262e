//! List discrepancies: those of the last run, chosen, sorted, page by page.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::tool::{Effect, FileArgument, Tool};
use super::view::{Facts, Keyed, View};
use super::{Context, reconcile};
use crate::config::{self, Overrides, Settings};
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result, nearest, shown_lines};
use crate::judge;
use crate::money::{self, Decimal, DecimalMark, Sum};
use crate::period::{Period, Zone};
use crate::progress::Unit;
use crate::report::{Back, COLUMNS, Direction, Line, Listed};

/// List the discrepancies of the last run
///
/// Reads the reports that the last reconciliation left, and shows the discrepancies that all filters let pass, a page at a
/// time: with how many there are on all pages, and what they come to in each currency. Nothing is reconciled again.
///
/// A filter that is given several times lets pass what any of them does. Texts are compared without regard to case.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discrepancies {
    #[command(flatten)]
    #[serde(flatten)]
    #[expect(missing_docs, reason = "a sentence here would stand in the help of the command")]
    pub which: Which,

    /// How many to show, at most 1000
    #[arg(short, long, value_name = "N", default_value_t = reconcile::DEFAULT_LIMIT)]
    #[serde(default = "reconcile::default_limit")]
    pub limit: usize,

    /// Go on where a page ended, with the next_cursor that stands there; all else must be as it was
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "a sentence here would stand in the help of the command")]
pub struct Which {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    #[serde(default = "super::default_config")]
    pub config: PathBuf,

    /// Where the reports of the run are, in place of [report] directory
    #[arg(long, value_name = "DIRECTORY")]
    pub from: Option<PathBuf>,

    /// Only of this kind, such as amount or unsettled
    #[arg(long, value_name = "KIND")]
    #[serde(default)]
    pub kind: Vec<String>,

    /// Only those whose cause has this in it
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub cause: Vec<String>,

    /// Only of this vendor
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub vendor: Vec<String>,

    /// Only of this document
    #[arg(long, value_name = "NUMBER")]
    #[serde(default)]
    pub document: Vec<String>,

    /// Only of this deal
    #[arg(long, value_name = "DEAL")]
    #[serde(default)]
    pub deal: Vec<String>,

    /// Only of this charge
    #[arg(long, value_name = "CHARGE")]
    #[serde(default)]
    pub charge: Vec<String>,

    /// Only of this location
    #[arg(long, value_name = "LOCATION")]
    #[serde(default)]
    pub location: Vec<String>,

    /// Only in this currency
    #[arg(long, value_name = "CODE")]
    #[serde(default)]
    pub currency: Vec<String>,

    /// Only those whose pattern has this in it
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub pattern: Vec<String>,

    /// Only those whose variance, without its sign, is at least this
    #[arg(long, value_name = "AMOUNT")]
    pub min_variance: Option<String>,

    /// Only those whose variance, without its sign, is at most this
    #[arg(long, value_name = "AMOUNT")]
    pub max_variance: Option<String>,

    /// Only those that start on this day or later, as 2026-10-01
    #[arg(long, value_name = "DAY")]
    pub from_date: Option<String>,

    /// Only those that start on this day or earlier
    #[arg(long, value_name = "DAY")]
    pub to_date: Option<String>,

    /// Only those of which any column has this in it
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub contains: Vec<String>,

    /// Sort by this column of discrepancies.csv, such as vendor, or with a minus in front the other way round, such as
    /// -variance; by default the largest variance, without its sign, comes first
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    pub sort: Option<String>,
}

/// A page of discrepancies, and what all pages come to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Listing {
    /// The discrepancies of this page.
    pub discrepancies: Vec<Listed>,
    /// How many there are on all pages.
    pub count: u64,
    /// Currency → their variances: positive, negative, and both together.
    pub totals: BTreeMap<String, Direction>,
    /// What to give as cursor for the next page; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// The most on a page.
const MOST: usize = 1000;

impl Tool for Discrepancies {
    const NAME: &'static str = "list_discrepancies";
    const TITLE: &'static str = "List discrepancies";
    const EFFECT: Effect = Effect::Reads;
    type Output = Listing;

    fn perform(&self, context: &Context<'_>) -> Result<Listing> {
        if self.limit > MOST {
            return Err(Fault::new(Kind::Usage, "a page has no room for so many")
                .at("limit")
                .value(self.limit)
                .expected(format!("at most {MOST}"))
                .next("go on with the cursor, or export them all"));
        }
        let Opened { mut back, mark, settings } = self.which.open(context)?;
        let choice = Choice::of(&self.which, context.view, settings.as_ref())?;
        let mark = self.mark(&mark, back.length(), context.view);
        let last = self.cursor.as_ref().map(|cursor| place_of(cursor, &mark)).transpose()?;
        let task = context.progress.task("discrepancies", Unit::Entries, None);
        let last = match last {
            None => None,
            Some(number) => Some((choice.key_of(number, &mut back, &*task)?, number)),
        };
        let mut tally = Tally::default();
        // The best so far, the last of them on top.
        let mut page: BinaryHeap<Held> = BinaryHeap::new();
        let mut is_more = false;
        back.each(&mut |_, line| {
            task.check()?;
            task.advance(1);
            if !choice.takes(line) {
                return Ok(true);
            }
            let number = tally.add(line);
            let rank = Rank { key: choice.key(line), is_reverse: choice.is_reverse(), number };
            if last.as_ref().is_some_and(|(key, number)| {
                rank.cmp(&Rank { key: key.clone(), is_reverse: choice.is_reverse(), number: *number })
                    != Ordering::Greater
            }) {
                return Ok(true);
            }
            if page.len() == self.limit {
                is_more = true;
                if page.peek().is_none_or(|worst| worst.rank <= rank) {
                    return Ok(true);
                }
                page.pop();
            }
            page.push(Held { rank, listed: Listed::from(line) });
            Ok(true)
        })?;
        let page = page.into_sorted_vec();
        let end = page.last().map(|held| held.rank.number).filter(|_| is_more);
        Ok(Listing {
            count: tally.count,
            totals: tally.totals(),
            next_cursor: end.map(|number| format!("{number:x}-{mark}")),
            discrepancies: page.into_iter().map(|held| held.listed).collect(),
        })
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        self.which.files()
    }

    fn needs_full_view(&self) -> bool {
        false
    }
}

impl Discrepancies {
    /// What a cursor is good for: this report, these filters, this order, and what this caller sees.
    fn mark(&self, run: &str, length: u64, view: &View) -> String {
        let mut sha = Sha256::new();
        let which = Which { config: PathBuf::new(), from: None, ..self.which.clone() };
        for part in [run, &length.to_string(), &format!("{which:?}"), &format!("{view:?}")] {
            sha.update((part.len() as u64).to_le_bytes());
            sha.update(part);
        }
        hexadecimal(sha.finalize().get(..8).unwrap_or_default())
    }
}

/// The number of the discrepancy that a page ended with.
fn place_of(cursor: &str, mark: &str) -> Result<u64> {
    let parts =
        cursor.split_once('-').and_then(|(number, mark)| Some((u64::from_str_radix(number, 16).ok()?, mark)));
    match parts {
        Some((number, known)) if known == mark => Ok(number),
        _ => Err(Fault::new(Kind::Usage, "this cursor leads nowhere")
            .at("cursor")
            .value(cursor)
            .expected("the next_cursor of a page of the same reports, filters, order and caller")
            .next("start again without a cursor: there may have been another run since")),
    }
}

/// What is compared to bring discrepancies into an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// As the report has them.
    None,
    Number(Decimal),
    Text(String),
    /// In whatever direction, blank comes last.
    Blank,
}

/// Where a discrepancy stands among the others.
#[derive(PartialEq, Eq)]
pub(super) struct Rank {
    pub(super) key: Key,
    pub(super) is_reverse: bool,
    /// Its number among those that are taken, in the order of the report, which decides between equals.
    pub(super) number: u64,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = match (&self.key, &other.key) {
            (a, b) if matches!(a, Key::Blank) || matches!(b, Key::Blank) || !self.is_reverse => a.cmp(b),
            (a, b) => b.cmp(a),
        };
        by_key.then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Held {
    rank: Rank,
    listed: Listed,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// How many discrepancies there are, and their money.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) count: u64,
    money: BTreeMap<String, [Sum; 3]>,
}

impl Tally {
    /// Counts one, and says which number it is.
    pub(super) fn add(&mut self, line: &Line<'_>) -> u64 {
        self.count += 1;
        if let Some(variance) = line.number("variance") {
            let currency = line.cell("currency");
            if !self.money.contains_key(currency) {
                self.money.insert(currency.to_owned(), <[Sum; 3]>::default());
            }
            if let Some([over, under, net]) = self.money.get_mut(currency) {
                if variance.is_sign_negative() { under } else { over }.add(variance);
                net.add(variance);
            }
        }
        self.count
    }

    pub(super) fn totals(&self) -> BTreeMap<String, Direction> {
        let direction = |[over, under, net]: &[Sum; 3]| Direction {
            overbilled: over.value(),
            underbilled: under.value(),
            net: net.value(),
        };
        self.money.iter().map(|(currency, sums)| (currency.clone(), direction(sums))).collect()
    }
}

/// What a discrepancy is known by to a view.
pub(super) fn facts<'l>(line: &'l Line<'_>) -> Facts<'l> {
    let amounts = ["amount_invoiced", "amount_settled"].into_iter().filter_map(|name| line.number(name));
    Facts {
        vendor: line.cell("vendor"),
        account: line.cell("deal"),
        start: line.cell("period_start"),
        end: line.cell("period_end"),
        amount: amounts.map(|amount| amount.abs()).max(),
    }
}

/// The filters, read.
pub(super) struct Choice<'a> {
    /// Column → the whole of it, or a part that was joined, is one of these.
    equal: Vec<(&'static str, Vec<String>)>,
    /// Column → it has one of these in it.
    within: Vec<(&'static str, Vec<String>)>,
    /// Any column has one of these in it.
    anywhere: Vec<String>,
    least: Option<Decimal>,
    most: Option<Decimal>,
    from: Option<String>,
    to: Option<String>,
    /// The column, and whether the other way round.
    sort: Option<(&'static str, bool)>,
    /// What whoever asks may see, where that is not everything.
    view: Option<Keyed<'a>>,
}

impl<'a> Choice<'a> {
    /// `settings` are there where the view is limited.
    pub(super) fn of(which: &Which, view: &View, settings: Option<&'a Settings>) -> Result<Self> {
        for kind in &which.kind {
            let known = || judge::Kind::ALL.into_iter().map(judge::Kind::name);
            if !known().any(|name| name.eq_ignore_ascii_case(kind)) {
                return Err(unknown("there is no such kind", "kind", kind, known()));
            }
        }
        let folded = |texts: &[String]| texts.iter().map(|text| fold(text.trim())).collect::<Vec<_>>();
        let list = |all: &[(&'static str, &Vec<String>)]| {
            let given = all.iter().filter(|(_, texts)| !texts.is_empty());
            given.map(|(column, texts)| (*column, folded(texts))).collect()
        };
        let sort = which.sort.as_ref().map(|sort| {
            let (name, is_reverse) =
                sort.strip_prefix('-').map_or((sort.as_str(), false), |name| (name, true));
            let column = COLUMNS.into_iter().find(|column| *column == name);
            column.map(|column| (column, is_reverse)).ok_or_else(|| {
                unknown("there is no such column to sort by", "sort", sort, COLUMNS.into_iter())
            })
        });
        let from = which.from_date.as_deref().map(|text| day("from_date", text)).transpose()?;
        let to = which.to_date.as_deref().map(|text| day("to_date", text)).transpose()?;
        Ok(Self {
            equal: list(&[
                ("kind", &which.kind),
                ("vendor", &which.vendor),
                ("document", &which.document),
                ("deal", &which.deal),
                ("charge", &which.charge),
                ("location", &which.location),
                ("currency", &which.currency),
            ]),
            within: list(&[("cause", &which.cause), ("pattern", &which.pattern)]),
            anywhere: folded(&which.contains),
            least: amount("min_variance", which.min_variance.as_deref())?,
            most: amount("max_variance", which.max_variance.as_deref())?,
            from,
            to,
            sort: sort.transpose()?,
            view: settings.filter(|_| !view.is_unlimited()).map(|settings| view.keyed(&settings.keys)),
        })
    }

    /// Whether all filters let a discrepancy pass that is seen.
    pub(super) fn takes(&self, line: &Line<'_>) -> bool {
        let size = || line.number("variance").map(|variance| variance.abs());
        let start = || line.cell("period_start").get(..10).unwrap_or_default();
        let has = |cell: &str, texts: &[String]| {
            let cell = fold(cell);
            texts.iter().any(|text| cell.contains(text))
        };
        self.equal.iter().all(|(column, texts)| {
            let cell = fold(line.cell(column));
            texts.iter().any(|text| *text == cell || cell.split("; ").any(|part| part == text))
        }) && self.within.iter().all(|(column, texts)| has(line.cell(column), texts))
            && self.least.is_none_or(|least| size().is_some_and(|size| size >= least))
            && self.most.is_none_or(|most| size().is_some_and(|size| size <= most))
            && self.from.as_ref().is_none_or(|from| start() >= from.as_str())
            && self.to.as_ref().is_none_or(|to| !start().is_empty() && start() <= to.as_str())
            && (self.anywhere.is_empty() || line.cells().any(|cell| has(cell, &self.anywhere)))
            && self.view.as_ref().is_none_or(|view| view.sees(&facts(line)))
    }

    pub(super) fn is_sorted(&self) -> bool {
        self.sort.is_some()
    }

    pub(super) fn is_reverse(&self) -> bool {
        self.sort.is_some_and(|(_, is_reverse)| is_reverse)
    }

    pub(super) fn key(&self, line: &Line<'_>) -> Key {
        let Some((column, _)) = self.sort else { return Key::None };
        let cell = line.cell(column);
        let is_number =
            ["quantity_", "price_", "amount_", "variance"].iter().any(|start| column.starts_with(start));
        match line.number(column).filter(|_| is_number) {
            Some(number) => Key::Number(number),
            None if cell.is_empty() => Key::Blank,
            None => Key::Text(cell.to_owned()),
        }
    }

    /// The key of the discrepancy of that number.
    fn key_of(&self, number: u64, back: &mut Back, task: &dyn crate::progress::Task) -> Result<Key> {
        if !self.is_sorted() {
            return Ok(Key::None);
        }
        let mut left = number;
        let mut key = Key::Blank;
        back.each(&mut |_, line| {
            task.check()?;
            if self.takes(line) {
                left -= 1;
                key = self.key(line);
            }
            Ok(left > 0)
        })?;
        Ok(key)
    }
}

/// What texts are compared as: what nobody sees counts as it is shown, so that what was shown can be asked for.
fn fold(text: &str) -> String {
    shown_lines(text).to_lowercase()
}

fn unknown<'k>(what: &str, place: &str, value: &str, known: impl Iterator<Item = &'k str> + Clone) -> Fault {
    let fault = Fault::new(Kind::Usage, what)
        .at(place)
        .value(value)
        .expected(known.clone().collect::<Vec<_>>().join(", "));
    match nearest(value, known) {
        Some(near) => fault.next(format!("did you mean {near}?")),
        None => fault,
    }
}

fn amount(place: &str, text: Option<&str>) -> Result<Option<Decimal>> {
    let read = |text: &str| {
        money::parse(text, DecimalMark::Point).map(|parsed| parsed.value).map_err(|why| {
            Fault::new(Kind::Usage, format!("this is no amount: {why}"))
                .at(place)
                .value(text)
                .expected("a number, such as 1000.00")
        })
    };
    text.map(read).transpose()
}

/// A day in ISO 8601, so that days are compared as texts.
fn day(place: &str, text: &str) -> Result<String> {
    let zone = Zone::utc();
    // A month is a period too, but no day.
    let period = Period::parse(text, &zone, std::time::UNIX_EPOCH).ok().filter(|_| text.len() == 10);
    let day = period.map(|period| zone.show(period.start(), false)).filter(|day| day == text);
    day.ok_or_else(|| Fault::new(Kind::Usage, "this is no day").at(place).value(text).expected("2026-10-01"))
}

/// The reports of a run.
pub(super) struct Opened {
    pub(super) back: Back,
    /// What tells the run from others.
    mark: String,
    /// Where they were needed.
    pub(super) settings: Option<Settings>,
}

impl Which {
    /// Opens the reports.
    pub(super) fn open(&self, context: &Context<'_>) -> Result<Opened> {
        // What names stand for says the configuration.
        let is_needed = self.from.is_none() || !context.view.is_unlimited();
        let load = || config::load(&self.config, &Overrides::default(), context.now);
        let settings = is_needed.then(load).transpose()?;
        let own = settings.as_ref().map(|settings| &settings.directory);
        let directory = self.from.as_ref().or(own).cloned().unwrap_or_default();
        let back = Back::open(&directory)?;
        // It has the digests of all inputs and settings; where it is gone, the length of the report must do.
        let summary = std::fs::read(directory.join("summary.json")).unwrap_or_default();
        Ok(Opened { back, mark: hexadecimal(&Sha256::digest(summary)), settings })
    }

    pub(super) fn files(&mut self) -> Vec<FileArgument<'_>> {
        let from = self.from.as_mut().map(FileArgument::read);
        std::iter::once(FileArgument::config(&mut self.config)).chain(from).collect()
    }
}
