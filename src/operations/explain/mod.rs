//! Explain: one discrepancy, from its rows to its variance.

mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::tool::{Effect, FileArgument, Tool};
use super::view::Keyed;
use super::{Context, reconcile, settlements};
use crate::config::{self, Overrides, Settings, SideSettings, Source};
use crate::fault::{self, Fault, Kind, Result};
use crate::intake::{self, Answer, Mark, Row};
use crate::judge::{self, Discrepancy, Held, Judge, Outcome};
use crate::matching::{self, Book, Compare, Fate, How, KeyPart, Pass};
use crate::money::{self, Decimal};
use crate::normalise::{Field, Holds, Role, Side, Template};
use crate::period::Part;
use crate::progress::Unit;
use crate::report::{self, Cell, Compared, Explained, Input, Tried};

/// Explain one of the discrepancies
///
/// Reconciles again, writes no report, and shows of one discrepancy: both
/// sides' rows as they stand in the file or in the platform's answer, how each
/// value was read and what it is compared as, which passes tried and why each
/// failed, the tolerances with what room they leave, and where the variance
/// comes from. Settlement records of a platform are asked for again. The
/// digests of all inputs are held against the summary.json of the last run:
/// what has changed since is said.
///
/// Exit codes: 0 explained, 2 usage, configuration or no such discrepancy,
/// 3 input rejected, 4 platform or sign-in failed, 70 a bug of tieout.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The discrepancy, by the discrepancy_id of the reports
    #[arg(value_name = "ID")]
    pub id: String,

    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    #[serde(default = "super::default_config")]
    pub config: PathBuf,

    /// The days that were reconciled, in place of those of the configuration
    #[arg(short, long, value_name = "PERIOD")]
    pub period: Option<String>,

    /// Where the reports of the run are, in place of [report] directory
    #[arg(long, value_name = "DIRECTORY")]
    pub from: Option<PathBuf>,

    /// Ask the platform for everything, even if a fetch was interrupted
    #[arg(long)]
    #[serde(default)]
    pub refetch: bool,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// So many rows of each side are shown; a month of totals has more than anyone reads.
const MOST: usize = 10;

/// So many ways to add up to a row are shown.
const WAYS: usize = 3;

/// What no pass took.
const NONE: u16 = u16::MAX;

/// What is at hand.
struct Desk<'a> {
    settings: &'a Settings,
    book: &'a Book<'a>,
    /// By side and entry, the pass that took it.
    takers: [Vec<u16>; 2],
    /// What whoever asks may see, where that is not everything.
    view: Option<Keyed<'a>>,
}

impl Tool for Explain {
    const NAME: &'static str = "explain_discrepancy";
    const TITLE: &'static str = "Explain a discrepancy";
    const EFFECT: Effect = Effect::AsksPlatform;
    type Output = Explained;

    fn perform(&self, context: &Context<'_>) -> Result<Explained> {
        self.run(context)
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        let from = self.from.as_mut().map(FileArgument::read);
        std::iter::once(FileArgument::config(&mut self.config)).chain(from).collect()
    }

    fn needs_full_view(&self) -> bool {
        false
    }
}

impl Explain {
    /// Reconciles again and explains the discrepancy.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is no such discrepancy, and whatever ends a run before there is a verdict.
    pub fn run(&self, context: &Context<'_>) -> Result<Explained> {
        let overrides = Overrides { period: self.period.clone(), ..Overrides::default() };
        let settings = config::load(&self.config, &overrides, context.now)?;
        let manner = settlements::manner(&settings, context, None, self.refetch)?;
        let (mut invoice, mut settlement) = reconcile::read_both(&settings, &manner, context)?;
        context.progress.check()?;
        let versions = reconcile::versions(&settings, &settlement.ledger)?;
        let book = reconcile::comparable(&settings, &invoice.ledger, &settlement.ledger, versions.as_ref());
        let entries = u64::from(invoice.ledger.len()) + u64::from(settlement.ledger.len());
        let task = context.progress.task("matching", Unit::Entries, Some(entries));
        let judge = Judge::new(&book, reconcile::rules(&settings));
        let mut takers =
            [&invoice.ledger, &settlement.ledger].map(|ledger| vec![NONE; ledger.len() as usize]);
        type Part = (Vec<(Side, u32, u16)>, Outcome);
        let (passes, parts) =
            matching::run(&book, &settings.passes, 0, &*task, &|group, (taken, outcome): &mut Part| {
                let taker = group.pass.and_then(|pass| u16::try_from(pass).ok()).unwrap_or(NONE);
                for (side, entries) in
                    [(Side::Invoice, group.invoices), (Side::Settlement, group.settlements)]
                {
                    taken.extend(entries.iter().map(|&entry| (side, entry, taker)));
                }
                judge.judge(group, outcome);
            });
        let (taken, parts): (Vec<_>, Vec<Outcome>) = parts.into_iter().unzip();
        for (side, entry, taker) in taken.into_iter().flatten() {
            let [of_invoices, of_settlements] = &mut takers;
            let takers = if side == Side::Invoice { of_invoices } else { of_settlements };
            if let Some(slot) = takers.get_mut(entry as usize) {
                *slot = taker;
            }
        }
        context.progress.check()?;
        let outcome = judge.finish(passes, parts)?;
        drop(task);

        let inputs = [std::mem::take(&mut invoice.inputs), std::mem::take(&mut settlement.inputs)].concat();
        let view = Some(context.view).filter(|view| !view.is_unlimited());
        let view = view.map(|view| view.keyed(&settings.keys));
        let desk = Desk { settings: &settings, book: &book, takers, view };
        let known = self.known_inputs(&settings);
        // The names of other files may be no concern of who sees a part.
        let mut notes = if desk.view.is_some() { Vec::new() } else { changes(&inputs, known.as_deref()) };
        let found = outcome.discrepancies.iter().find(|known| known.id == self.id);
        let Some(discrepancy) = found.filter(|found| desk.shows(found, &outcome)) else {
            let fault = self.unknown(&desk, &outcome, &notes);
            settlement.close()?;
            return Err(fault);
        };
        let mut explained = desk.explain(discrepancy, &outcome);
        let (mut sources, more) = desk.sources(discrepancy);
        notes.extend(more);
        desk.read_files(Side::Invoice, &mut sources, context)?;
        match &settlement.fetched {
            None => desk.read_files(Side::Settlement, &mut sources, context)?,
            Some(fetched) => {
                let Source::Platform(platform) = &settings.settlements.source else { return Ok(explained) };
                let mut answer = Answer::new(&platform.request.operation);
                fetched.again(&mut |record| {
                    context.progress.check()?;
                    answer.lay_out(record);
                    let place = format!("{}:{}", answer.origin(), answer.row().number);
                    desk.take(Side::Settlement, &place, answer.columns(), answer.row(), &mut sources);
                    Ok(())
                })?;
                for source in sources.iter_mut().filter(|source| source.side == Side::Settlement) {
                    let input = inputs.iter().find(|input| input.side == Side::Settlement.name());
                    source.shown.sha256 = input.map(|input| input.sha256.clone()).unwrap_or_default();
                }
            }
        }
        settlement.close()?;
        for source in &mut sources {
            source.shown.unchanged = known.as_ref().map(|known| {
                known
                    .iter()
                    .any(|[side, _, sha256]| *side == source.shown.side && *sha256 == source.shown.sha256)
            });
            if source.shown.cells.is_empty() {
                notes.push(format!(
                    "{} was not found when it was read again: it changed just now",
                    source.shown.place
                ));
            }
        }
        explained.sources = sources.into_iter().map(|source| source.shown).collect();
        explained.notes = notes;
        Ok(explained)
    }

    /// What the last run read, if it left a summary.
    fn known_inputs(&self, settings: &Settings) -> Option<Vec<[String; 3]>> {
        let directory = self.from.as_ref().unwrap_or(&settings.directory);
        report::inputs_of(&std::fs::read_to_string(directory.join("summary.json")).ok()?)
    }

    fn unknown(&self, desk: &Desk<'_>, outcome: &Outcome, notes: &[String]) -> Fault {
        let seen = outcome.discrepancies.iter().filter(|discrepancy| desk.shows(discrepancy, outcome));
        let seen: Vec<&str> = seen.map(|discrepancy| discrepancy.id.as_str()).collect();
        let ids = || seen.iter().copied();
        let fault = Fault::new(Kind::Usage, "there is no such discrepancy in this reconciliation")
            .at(self.config.display())
            .value(&self.id);
        let changed = notes.iter().map(|note| format!("; {note}")).collect::<String>();
        let list = "the column discrepancy_id of discrepancies.csv lists them";
        match (fault::nearest(&self.id, ids()), ids().next()) {
            (_, None) if desk.view.is_some() => fault.expected("none that you may see"),
            (_, None) => fault.expected("none: every line ties out").next(format!(
                "give the period of the run with --period, or see whether it is the right --config{changed}"
            )),
            (Some(near), _) => fault
                .expected(format!("one of {} discrepancies", ids().count()))
                .next(format!("did you mean {near}? {list}{changed}")),
            (None, Some(one)) => fault
                .expected(format!("one of {} discrepancies, such as {one}", ids().count()))
                .next(format!("{list}; a run of another period needs --period{changed}")),
        }
    }
}

/// What has changed since the last run.
fn changes(inputs: &[Input], known: Option<&[[String; 3]]>) -> Vec<String> {
    let Some(known) = known else {
        return vec![
            "no summary.json of a run was found, so that whether the inputs have changed since cannot be told (--from DIRECTORY)"
                .to_owned(),
        ];
    };
    inputs
        .iter()
        .filter(|input| !known.iter().any(|[side, _, sha]| side == input.side && *sha == input.sha256))
        .map(|input| format!("{} has changed since the last run", input.source))
        .collect()
}

/// A row to be shown.
struct Wanted {
    side: Side,
    entry: u32,
    /// Where it stands, without the column of a wide row.
    row: String,
    shown: report::Source,
}

impl Desk<'_> {
    fn side(&self, side: Side) -> &SideSettings {
        match side {
            Side::Invoice => &self.settings.invoices,
            Side::Settlement => &self.settings.settlements,
        }
    }

    /// The rows to show: the discrepancy's own, and the line that it repeats or the earlier version that it ties to.
    fn sources(&self, discrepancy: &Discrepancy) -> (Vec<Wanted>, Option<String>) {
        let (mut wanted, mut left_out) = (Vec::new(), 0);
        for side in [Side::Invoice, Side::Settlement] {
            let own = discrepancy.entries(side);
            let original = match discrepancy.how {
                How::Duplicate(original) if !own.is_empty() => Some(original),
                // With deltas it may be one of the rows that count as well.
                _ if side == Side::Settlement => discrepancy.earlier.filter(|entry| !own.contains(entry)),
                _ => None,
            };
            let original = original.filter(|&entry| self.shows_row(side, entry));
            left_out += own.len().saturating_sub(MOST);
            wanted.extend(own.iter().take(MOST).copied().chain(original).map(|entry| Wanted {
                side,
                entry,
                row: self.book.ledger(side).source_row(entry),
                shown: report::Source {
                    side: side.name(),
                    place: self.book.ledger(side).source(entry),
                    ..report::Source::default()
                },
            }));
        }
        let note = format!(
            "{left_out} more rows belong to it: the reports have the places of all of them, here are {MOST} of each side"
        );
        (wanted, (left_out > 0).then_some(note))
    }

    /// Reads the files of one side again as far as rows of them are wanted.
    fn read_files(&self, side: Side, wanted: &mut [Wanted], context: &Context<'_>) -> Result<()> {
        let Source::Files(files) = &self.side(side).source else { return Ok(()) };
        let places: BTreeSet<String> =
            wanted.iter().filter(|row| row.side == side).map(|row| row.shown.place.clone()).collect();
        for file in intake::find(&self.settings.base, files)? {
            let label = format!("{}:", file.label);
            if !places.iter().any(|place| place.starts_with(&label)) {
                continue;
            }
            let mut rows = intake::open(&file.path, &file.label, files, context.progress)?;
            let mut row = Row::default();
            while rows.read(&mut row)? {
                context.progress.check()?;
                let place = format!("{}:{}", rows.origin(), row.number);
                self.take(side, &place, rows.columns(), &row, wanted);
            }
            let sha256 = rows.digest().map(|digest| digest.sha256.clone()).unwrap_or_default();
            for row in wanted.iter_mut().filter(|row| row.side == side && row.shown.place.starts_with(&label))
            {
                row.shown.sha256.clone_from(&sha256);
            }
        }
        Ok(())
    }

    /// Takes `row` if it is wanted.
    fn take(&self, side: Side, place: &str, columns: &[String], row: &Row, wanted: &mut [Wanted]) {
        for wanted in wanted.iter_mut().filter(|wanted| wanted.side == side && wanted.row == place) {
            wanted.shown.cells = self.cells(side, wanted.entry, columns, row);
        }
    }

    /// All cells of a row, with what became of them.
    fn cells(&self, side: Side, entry: u32, columns: &[String], row: &Row) -> Vec<Cell> {
        let reading = &self.side(side).reading;
        let fields = &self.settings.fields;
        let mut names: Vec<&str> = Role::ALL.into_iter().map(Role::name).collect();
        for part in Part::ALL.into_iter().skip(2) {
            names.push(part.name());
        }
        names.extend(fields.all().map(|field| fields.name(field)).filter(|name| Role::named(name).is_none()));
        // The hour of a wide row that the entry is.
        let own_column = self.book.ledger(side).column(entry);
        let label = reading.template().filter(|_| !own_column.is_empty());
        let label = label.and_then(|template| template.label(own_column));
        let is_named = |header: &String, column: &String| match (Template::of(header), label) {
            (Some(template), Some(label)) => template.label(column) == Some(label),
            _ => column == header,
        };
        let mut read: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        let mut defaults = Vec::new();
        for name in names {
            let own = [name.to_owned()];
            let headers = match reading.columns.get(name) {
                Some(headers) => headers.names(),
                None if Role::named(name).is_none() && Part::beside(name).is_none() => &own[..],
                None => &[],
            };
            let column = headers
                .iter()
                .filter_map(|header| columns.iter().position(|column| is_named(header, column)))
                .find(|&column| !row.text(column).trim().is_empty());
            match (column, reading.defaults.get(name)) {
                (Some(column), _) => read.entry(column).or_default().push(name),
                (None, Some(default)) => defaults.push((name, default)),
                (None, None) => {}
            }
        }
        let joined = |names: &[&str], of: &dyn Fn(&str) -> String| {
            let texts: Vec<String> =
                names.iter().map(|name| of(name)).filter(|text| !text.is_empty()).collect();
            texts.join("; ")
        };
        let mut cells: Vec<Cell> = columns
            .iter()
            .enumerate()
            .map(|(place, column)| {
                let names = read.get(&place).map(Vec::as_slice).unwrap_or_default();
                let mark = match row.mark(place) {
                    Mark::Double => " (a double: the shortest decimal that reads back as it)",
                    _ => "",
                };
                let value = joined(names, &|name| self.value(side, entry, name));
                Cell {
                    column: column.clone(),
                    text: row.text(place).to_owned(),
                    role: names.join("; "),
                    value: if value.is_empty() { value } else { value + mark },
                    compared_as: joined(names, &|name| self.compared_as(side, entry, name)),
                }
            })
            .collect();
        cells.extend(defaults.into_iter().map(|(name, default)| Cell {
            column: String::new(),
            text: default.clone(),
            role: name.to_owned(),
            value: self.value(side, entry, name),
            compared_as: self.compared_as(side, entry, name),
        }));
        cells
    }

    /// The typed value of a role or an attribute.
    fn value(&self, side: Side, entry: u32, name: &str) -> String {
        let ledger = self.book.ledger(side);
        let number = |value: Option<Decimal>| value.map(|value| value.to_string()).unwrap_or_default();
        let time = |at: Option<crate::period::Instant>| {
            at.map(|at| self.settings.zone.show(at, true)).unwrap_or_default()
        };
        if Part::beside(name).is_some() {
            return time(ledger.start(entry));
        }
        match Role::named(name) {
            Some(Role::Start) => time(ledger.start(entry)),
            Some(Role::End) => time(ledger.end(entry)),
            Some(Role::Quantity) => number(ledger.quantity(entry)),
            Some(Role::Price) => number(ledger.price(entry)),
            Some(Role::Amount) => number(ledger.amount(entry)),
            Some(role @ (Role::Net | Role::Tax | Role::Gross)) => number(ledger.number(role, entry)),
            _ => self.settings.fields.find(name).map_or("", |field| ledger.text(field, entry)).to_owned(),
        }
    }

    fn compared_as(&self, side: Side, entry: u32, name: &str) -> String {
        match (Role::named(name).map(Role::holds), self.settings.fields.find(name)) {
            (None | Some(Holds::Text), Some(field)) => self.key(side, field, entry),
            (Some(Holds::Number), _) => {
                money::parse(&self.value(side, entry, name), money::DecimalMark::Point)
                    .map(|parsed| money::plain(parsed.value))
                    .unwrap_or_default()
            }
            _ => self.value(side, entry, name),
        }
    }

    fn key(&self, side: Side, field: Field, entry: u32) -> String {
        self.settings.keys.key(field, self.book.ledger(side).text(field, entry))
    }

    fn explain(&self, discrepancy: &Discrepancy, _outcome: &Outcome) -> Explained {
        let passes = &self.settings.passes;
        let name =
            |pass: Option<usize>| pass.and_then(|pass| passes.get(pass)).map(|pass| pass.name.as_str());
        let count = |side: Side| discrepancy.entries(side).len();
        let group = match (name(discrepancy.pass), discrepancy.how) {
            _ if discrepancy.is_of_total(self.book) => "It is a total, which no pass takes.".to_owned(),
            (None, How::Duplicate(_)) => "No pass took it; it repeats a line of its own side.".to_owned(),
            (None, _) => "No pass took it.".to_owned(),
            (Some(pass), How::Duplicate(_)) => {
                format!("The pass \"{pass}\" left it over; it repeats a line of its own side.")
            }
            (Some(pass), _) => format!(
                "The pass \"{pass}\" brought {} invoice and {} settlement rows together.",
                count(Side::Invoice),
                count(Side::Settlement)
            ),
        };
        let judge = Judge::new(self.book, reconcile::rules(self.settings));
        let weighed = judge::weigh(&judge, discrepancy);
        let mut explanation = String::new();
        judge::explain(self.book, &self.settings.tolerances, discrepancy, &mut explanation);
        Explained {
            id: discrepancy.id.clone(),
            kind: discrepancy.kind.to_string(),
            cause: discrepancy.cause.clone(),
            explanation,
            group,
            passes: if discrepancy.is_of_total(self.book) { Vec::new() } else { self.tried(discrepancy) },
            compared: weighed.iter().filter_map(|weighed| self.compared(weighed, discrepancy)).collect(),
            cause_arithmetic: discrepancy.arithmetic.clone().or_else(|| {
                let (earlier, ledger) = (discrepancy.earlier?, self.book.ledger(Side::Settlement));
                Some(format!(
                    "ties to version {}, to which {} belongs",
                    ledger.role(Role::Version, earlier),
                    ledger.source(earlier)
                ))
            }),
            variance: parts(discrepancy),
            rates: report::rates_used(self.book, discrepancy).into_iter().take(MOST).collect(),
            ..Explained::default()
        }
    }

    /// What each pass could do with each row, up to the one that made the group.
    fn tried(&self, discrepancy: &Discrepancy) -> Vec<Tried> {
        let fields = &self.settings.fields;
        let mut tried = Vec::new();
        for (number, pass) in self.settings.passes.iter().enumerate() {
            if discrepancy.pass.is_some_and(|last| number > last) {
                break;
            }
            let key: Vec<String> =
                pass.key.iter().map(|part| part.spelt(|field| fields.name(field).to_owned())).collect();
            let key = match pass.within {
                None => key,
                Some(within) => {
                    let spelt =
                        |part: String| if part == "start" { format!("start within {within}") } else { part };
                    key.into_iter().map(spelt).collect()
                }
            };
            for side in [Side::Invoice, Side::Settlement] {
                for &entry in discrepancy.entries(side).iter().take(MOST) {
                    tried.push(Tried {
                        pass: pass.name.clone(),
                        key: key.clone(),
                        place: self.book.ledger(side).source(entry),
                        outcome: self.outcome(discrepancy, number, pass, side, entry),
                    });
                }
            }
        }
        tried
    }

    fn outcome(
        &self,
        discrepancy: &Discrepancy,
        number: usize,
        pass: &Pass,
        side: Side,
        entry: u32,
    ) -> String {
        let other = side.other();
        let noun = if other == Side::Invoice { "invoice line" } else { "settlement record" };
        let theirs = self.book.ledger(other);
        let nearest_of = |nearest: u32| format!("{}{}", theirs.source(nearest), self.taken(other, nearest));
        let start = |side, entry| self.part(side, KeyPart::Start, entry);
        let within = pass.within.map(|within| within.to_string()).unwrap_or_default();
        let own = discrepancy.entries(other);
        let unseen = |others: &[u32]| {
            others.iter().any(|entry| !own.contains(entry) && !self.shows_row(other, *entry))
        };
        match matching::fate(self.book, pass, side, entry) {
            Fate::Far(Some(nearest)) | Fate::Apart(Some((nearest, _))) if unseen(&[nearest]) => {
                format!("no {noun} that you may see has its key, or is near to it")
            }
            Fate::Shared(others) if unseen(&others) => {
                format!("there are {noun}s of its key that you may not see")
            }
            Fate::Blank => "every part of its key is blank, which matches nothing".to_owned(),
            Fate::Timeless => "it has no start, which is near to nothing".to_owned(),
            Fate::Far(None) => format!("no {noun} of its key has a start, which is near to nothing"),
            Fate::Far(Some(nearest)) => format!(
                "no {noun} of its key starts within {within}; the nearest is {}: start is {} here and {} there",
                nearest_of(nearest),
                start(side, entry),
                start(other, nearest)
            ),
            Fate::Apart(None) => format!("no {noun} has any part of its key"),
            Fate::Apart(Some((nearest, parts))) => {
                let parts: Vec<String> = parts
                    .into_iter()
                    .map(|part| {
                        let name = part.spelt(|field| self.settings.fields.name(field).to_owned());
                        let own = self.part(side, part, entry);
                        format!("{name} is {own} here and {} there", self.part(other, part, nearest))
                    })
                    .collect();
                format!("no {noun} has its key; the nearest is {}: {}", nearest_of(nearest), parts.join(", "))
            }
            Fate::Shared(others)
                if discrepancy.pass == Some(number) && !discrepancy.entries(other).is_empty() =>
            {
                let shared =
                    if others.len() == 1 { String::new() } else { format!(" (of {})", others.len()) };
                let sums = self.sums(discrepancy, pass, side, entry);
                format!(
                    "shares its key with {}{shared}: the group was made here{sums}",
                    self.list(other, &others)
                )
            }
            Fate::Shared(others) => {
                let which: Vec<String> = others.iter().take(MOST).map(|&one| nearest_of(one)).collect();
                let more = if others.len() > MOST { ", …" } else { "" };
                let why = self.unfit(pass, side, entry);
                format!(
                    "{} {noun}{} of its key{}, but {why}: {}{more}",
                    others.len(),
                    if others.len() == 1 { "" } else { "s" },
                    if within.is_empty() { within } else { format!(" within {within}") },
                    which.join(", ")
                )
            }
        }
    }

    /// What adds up to an entry in more than one way.
    fn sums(&self, discrepancy: &Discrepancy, pass: &Pass, side: Side, entry: u32) -> String {
        if discrepancy.how != How::Choices || side == pass.of {
            return String::new();
        }
        let (invoices, settlements) = (&discrepancy.invoices, &discrepancy.settlements);
        let choices = matching::choices(self.book, pass, invoices, settlements, entry);
        let sum = |entries: &Vec<u32>| {
            let ledger = self.book.ledger(pass.of);
            let part = |&entry: &u32| {
                format!(
                    "{} ({})",
                    ledger.amount(entry).map(money::shown).unwrap_or_default(),
                    ledger.source(entry)
                )
            };
            entries.iter().map(part).collect::<Vec<_>>().join(" + ")
        };
        let shown: Vec<String> = choices.iter().take(WAYS).map(sum).collect();
        let more = if choices.len() > WAYS { ", or others" } else { "" };
        format!("; what adds up to it: {}{more}", shown.join(", or "))
    }

    /// Why a pass took an entry with none of those that share its key.
    fn unfit(&self, pass: &Pass, side: Side, entry: u32) -> String {
        if pass.compare != Compare::Subset {
            return "with others".to_owned();
        }
        let near = if pass.sum_within.is_zero() {
            String::new()
        } else {
            format!(" within {}", money::plain(pass.sum_within))
        };
        match self.book.ledger(side).amount(entry).filter(|amount| !amount.is_zero()) {
            None => "nothing adds up to no amount".to_owned(),
            Some(amount) if side != pass.of => {
                format!(
                    "no choice of those that were left, or more than can be weighed, adds up to its {}{near}",
                    money::shown(amount)
                )
            }
            Some(_) => "it is in no choice that adds up to one of them".to_owned() + &near,
        }
    }

    fn list(&self, side: Side, entries: &[u32]) -> String {
        let ledger = self.book.ledger(side);
        let shown: Vec<String> = entries.iter().take(MOST).map(|&entry| ledger.source(entry)).collect();
        let more = if entries.len() > MOST { ", …" } else { "" };
        shown.join(", ") + more
    }

    /// Who took an entry, in brackets.
    fn taken(&self, side: Side, entry: u32) -> String {
        if self.book.is_superseded(side, entry) {
            return " (superseded: another version counts)".to_owned();
        }
        let [invoice, settlement] = &self.takers;
        let takers = if side == Side::Invoice { invoice } else { settlement };
        let taker = takers.get(entry as usize).copied().unwrap_or(NONE);
        match self.settings.passes.get(usize::from(taker)) {
            Some(pass) => format!(" (taken by the pass \"{}\")", pass.name),
            None => " (taken by no pass)".to_owned(),
        }
    }

    fn part(&self, side: Side, part: KeyPart, entry: u32) -> String {
        let text = match part {
            KeyPart::Text(field) => self.key(side, field, entry),
            part => {
                let at = self.book.known(side, part, entry).map(crate::period::Instant);
                at.map(|at| self.settings.zone.show(at, !self.settings.zone.is_date(at))).unwrap_or_default()
            }
        };
        if text.is_empty() { "blank".to_owned() } else { text }
    }

    fn compared(&self, weighed: &Held, discrepancy: &Discrepancy) -> Option<Compared> {
        let figures = &discrepancy.figures;
        let ties = weighed.ties?;
        if discrepancy.kind == judge::Kind::Currency && weighed.role != Role::Quantity {
            let stated = |side: Side, value: Option<Decimal>| {
                let currency = discrepancy.said_first(self.book, side, Role::Currency);
                format!("{} {currency}", value.map(money::plain).unwrap_or_default())
            };
            return Some(Compared {
                field: weighed.role.name(),
                arithmetic: format!(
                    "billed {}, settled {}",
                    stated(Side::Invoice, weighed.invoiced),
                    stated(Side::Settlement, weighed.settled)
                ),
                tolerance: Vec::new(),
                verdict: "not subtracted",
            });
        }
        let plain = |value: Option<Decimal>| value.map(money::plain).unwrap_or_default();
        let difference = plain(weighed.difference);
        let mut tolerance: Vec<String> = Vec::new();
        if let Some((weighed, arithmetic)) = &weighed.decided {
            let limb = weighed.limb.name();
            tolerance.push(match weighed.room {
                Some(room) if weighed.allows => {
                    format!("{limb}: {arithmetic} allows it, {} left", money::plain(room))
                }
                Some(room) => format!("{limb}: {arithmetic} is exceeded by {}", money::plain(-room)),
                None => format!("{limb}: {arithmetic}"),
            });
        }
        if let Some(rule) = weighed.tolerance.and_then(|number| self.settings.tolerances.get(number)) {
            tolerance.insert(0, format!("[[tolerance]] {rule}"));
        } else if !ties {
            tolerance.push(format!("no [[tolerance]] for {} applies: they must be equal", weighed.role));
        }
        let converted = match weighed.role {
            Role::Quantity => figures.as_stated().quantity,
            Role::Price => figures.as_stated().price,
            _ => None,
        };
        let own_currency =
            figures.conversion.as_ref().filter(|_| weighed.role != Role::Quantity).and_then(|conversion| {
                Some(format!(
                    " (settled in {}, converted to {})",
                    conversion.records.iter().map(|record| &record.from).min()?,
                    conversion.to
                ))
            });
        let as_stated = match converted.filter(|_| figures.converted) {
            Some(stated) => {
                let unit = |measure: Option<(Side, u32)>| {
                    measure.map_or("", |(side, entry)| self.book.ledger(side).role(Role::Unit, entry))
                };
                format!(
                    " (settled {} in {}, converted to {})",
                    money::plain(stated),
                    unit(figures.unit_as_stated),
                    unit(figures.unit)
                )
            }
            None => own_currency.unwrap_or_default(),
        };
        Some(Compared {
            field: weighed.role.name(),
            arithmetic: format!(
                "billed {} - settled {} = {difference}{as_stated}",
                plain(weighed.invoiced),
                plain(weighed.settled)
            ),
            tolerance,
            verdict: match (ties, weighed.difference.is_some_and(|difference| difference.is_zero())) {
                (true, true) => "equal",
                (true, false) => "within tolerance",
                (false, _) => "differs",
            },
        })
    }
}

/// The variance and its parts.
fn parts(discrepancy: &Discrepancy) -> Vec<report::Part> {
    let Some(variance) = discrepancy.variance else { return Vec::new() };
    let (invoiced, settled) = (&discrepancy.figures.invoiced, &discrepancy.figures.settled);
    let shown = |value: Option<Decimal>| value.map_or_else(|| "0".to_owned(), money::plain);
    let product = |a: Option<Decimal>, b: Option<Decimal>, times: Option<Decimal>| {
        a.zip(b).zip(times).map(|((a, b), times)| {
            format!("({} - {}) × {}", money::plain(a), money::plain(b), money::plain(times))
        })
    };
    let total = format!("billed {} - settled {}", shown(invoiced.amount), shown(settled.amount));
    let volume = product(invoiced.quantity, settled.quantity, settled.price.or(invoiced.price));
    let price =
        product(invoiced.price.or(settled.price), settled.price.or(invoiced.price), invoiced.quantity);
    [
        ("total", variance.total, Some(total)),
        ("volume", variance.volume, volume),
        ("price", variance.price, price),
        ("rounding", variance.rounding, Some("what rounding can do to so many lines".to_owned())),
        (
            "currency",
            variance.currency,
            Some("at the rate that was billed, less at the rates that count".to_owned()),
        ),
        ("other", variance.other, Some("what remains".to_owned())),
    ]
    .into_iter()
    .filter(|(part, amount, _)| *part == "total" || !amount.is_zero())
    .map(|(part, amount, arithmetic)| report::Part {
        part,
        amount: money::shown(amount),
        arithmetic: arithmetic.unwrap_or_default(),
    })
    .collect()
}
