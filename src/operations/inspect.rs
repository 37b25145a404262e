//! Inspect: what a file is, and how it would be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Context;
use super::reconcile::normaliser_into;
use super::tool::{Effect, FileArgument, Tool};
use crate::config::{self, Overrides, Settings, SideSettings, Source};
use crate::fault::{Fault, Result, nearest};
use crate::intake::{self, FileSettings, Origin, Row, Rows};
use crate::money::{self, DecimalMark};
use crate::normalise::{Entry, Normaliser, Reject, Role, Side, Taker, Template};
use crate::period::{Dates, Edge, Zone};
use crate::report::Rejected;

/// Show what an invoice or settlement file is, and how it would be read
///
/// Reads the whole file, of any size, and says: its format, encoding and delimiter or its sheets, where the headers are, each column with
/// examples and what they look like, how many rows there are, which column is taken for what by the configuration, which columns
/// are missing with the nearest header, and the first rows that would be rejected. Without a configuration it says what the file
/// says by itself. Nothing is written.
///
/// Exit codes: 0 inspected, 2 usage or configuration, 3 it is no file that can be read, 70 a bug of tieout.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inspect {
    /// The file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The configuration, if it is there
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    #[serde(default = "super::default_config")]
    pub config: PathBuf,

    /// Whose file it is; by default that of the side whose files it is among, or else whose columns it has
    #[arg(long, value_name = "SIDE", value_enum)]
    pub side: Option<Whose>,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// The table of the configuration that a file is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// `[invoices]`
    Invoices,
    /// `[settlements]`
    Settlements,
}

/// What a file is. Its texts are data: whoever wrote the file wrote them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Inspected {
    /// The file, as it was named.
    pub file: String,
    /// What it is, whatever it is called: `CSV text`, `xlsx workbook` …
    pub format: &'static str,
    /// Its length; absent where it could not be read to its end.
    pub bytes: Option<u64>,
    /// Its SHA-256; absent where it could not be read to its end.
    pub sha256: Option<String>,
    /// The encoding of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static str>,
    /// What separates the cells of a text; `tab` for a tab.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// The sheet of a workbook that is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// All sheets, in order, those that are hidden among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sheets: Vec<String>,
    /// The line or row of the headers, counted from 1.
    pub header_row: u64,
    /// How many rows follow that are not blank.
    pub rows: u64,
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// The side that it was read as; absent without a configuration.
    pub side: Option<Whose>,
    /// What the configuration looks for, and where it is.
    pub roles: Vec<RoleFound>,
    /// How many lines would be taken by the configuration.
    pub lines: u64,
    /// How many rows would be rejected.
    pub rejected: u64,
    /// Whether there are more: the counting was given up.
    pub rejected_at_least: bool,
    /// The first of them.
    pub rejects: Vec<Rejected>,
    /// Why it could not be read to its end, or not with the configuration.
    pub trouble: Option<String>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// One column, as its first values say.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Column {
    /// The header.
    pub name: String,
    /// The first values that differ from each other.
    pub examples: Vec<String>,
    /// What nearly all of them are.
    pub looks_like: Look,
    /// Which settings of `decimal` the numbers can be read with; both where they do not tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decimal: Vec<&'static str>,
    /// Which settings of `dates` the dates can be read with: `none needed`, `day first`, `month first`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dates: Vec<&'static str>,
    /// In how many rows it is blank.
    pub blank: u64,
    /// The same in percent, rounded down.
    pub blank_percent: u64,
    /// What the configuration takes it for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// What values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// Numbers.
    Number,
    /// Dates or times.
    Date,
    /// Either, such as 20261001.
    NumberOrDate,
    /// Anything else.
    Text,
    /// There is nothing in it.
    Blank,
}

impl Look {
    /// The words for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::NumberOrDate => "number or date",
            Self::Text => "text",
            Self::Blank => "blank",
        }
    }
}

/// A role or an attribute, and where its values are.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RoleFound {
    /// The role or attribute.
    pub role: String,
    /// The headers that the configuration names for it.
    pub headers: Vec<String>,
    /// Those of them that the file has; none are missing where there is a default.
    pub found: Vec<String>,
    /// The header that is nearest to a missing one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// The value where the column is absent or blank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// So many examples of a column are shown.
const EXAMPLES: usize = 3;
/// So much of each.
const EXAMPLE_CHARACTERS: usize = 60;
/// So many values of a column are looked at for what they are.
const LOOKED_AT: u64 = 10_000;
/// So many rejects are shown.
const REJECTS: usize = 10;
/// So many are counted before the rest is left uncounted: each is kept.
const COUNTED: usize = 10_000;

impl Tool for Inspect {
    const NAME: &'static str = "inspect_file";
    const TITLE: &'static str = "Inspect a file";
    const EFFECT: Effect = Effect::Reads;
    type Output = Inspected;

    fn perform(&self, context: &Context<'_>) -> Result<Inspected> {
        let settings = match self.config.exists() {
            true => Some(config::load(&self.config, &Overrides::default(), context.now)?),
            false => None,
        };
        let label = self.file.display().to_string();
        let open = |files: &FileSettings| intake::open(&self.file, &label, files, context.progress);
        let (mut rows, side) = match (&settings, self.side) {
            (None, _) => (open(&FileSettings::default())?, None),
            (Some(settings), Some(side)) => (open(&files_of(side.of(settings)))?, Some(side)),
            (Some(settings), None) => {
                let (rows, side) = self.best(settings, &open)?;
                (rows, Some(side))
            }
        };
        let mut looker = Looker::new(rows.columns())?;
        let mut notes = Vec::new();
        if settings.is_none() {
            notes.push(format!(
                "there is no {}: the file was read by itself, and nothing says what its columns mean",
                self.config.display()
            ));
        }
        let read_as = settings.as_ref().zip(side);
        let mut reading = read_as
            .map(|(settings, side)| {
                normaliser_into(Count::default(), side.side(), side.of(settings), settings)
            })
            .transpose()?;
        let mut trouble = None;
        let mut gave_up = false;
        if let Some(normaliser) = &mut reading
            && let Err(fault) = normaliser.check(rows.origin(), rows.columns())
        {
            trouble = Some(fault.to_string());
            reading = None;
        }
        let (count, defects) = match looker.read(&mut *rows, reading.as_mut(), &mut gave_up) {
            Ok(read) => read,
            Err(fault) if fault.kind() == crate::fault::Kind::Input => {
                trouble.get_or_insert(fault.to_string());
                (looker.rows, std::mem::take(&mut looker.defects))
            }
            Err(fault) => return Err(fault),
        };
        let (lines, rejects) = match reading {
            Some(normaliser) => {
                let (taken, _, rejects) = normaliser.part();
                (taken.0, rejects)
            }
            None => (0, defects),
        };
        let form = rows.form();
        let roles = read_as.map(|(settings, side)| roles(settings, side.of(settings), rows.columns()));
        let roles = roles.unwrap_or_default();
        Ok(Inspected {
            file: label,
            format: form.format,
            bytes: rows.digest().map(|digest| digest.bytes),
            sha256: rows.digest().map(|digest| digest.sha256.clone()),
            encoding: form.encoding,
            delimiter: form.delimiter.map(|c| if c == '\t' { "tab".to_owned() } else { c.to_string() }),
            sheet: rows.origin().part.as_ref().map(ToString::to_string),
            sheets: form.sheets,
            header_row: form.header_row,
            rows: count,
            columns: looker.columns(count, &roles),
            side,
            roles,
            lines,
            rejected: rejects.len() as u64,
            rejected_at_least: gave_up,
            rejects: rejects.iter().take(REJECTS).map(Rejected::from).collect(),
            trouble,
            notes,
        })
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        vec![FileArgument::read(&mut self.file), FileArgument::config(&mut self.config)]
    }
}

type Open<'o> = dyn Fn(&FileSettings) -> Result<Box<dyn Rows + Send>> + 'o;

impl Inspect {
    /// The side whose files it is among, else the one of whose columns it has the larger part.
    fn best(&self, settings: &Settings, open: &Open<'_>) -> Result<(Box<dyn Rows + Send>, Whose)> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let own = real(&self.file);
        let is_among = |side: &SideSettings| match &side.source {
            Source::Files(files) => intake::find(&settings.base, files)
                .is_ok_and(|found| found.iter().any(|found| real(&found.path) == own)),
            Source::Platform(_) => false,
        };
        let both = [Whose::Invoices, Whose::Settlements];
        if let Some(side) = both.into_iter().find(|side| is_among(side.of(settings))) {
            return Ok((open(&files_of(side.of(settings)))?, side));
        }
        let mut best = None;
        for side in both {
            let opened = open(&files_of(side.of(settings)));
            let found = opened.as_ref().map_or(0, |rows| {
                let roles = roles(settings, side.of(settings), rows.columns());
                // Out of a thousand, so that the side with more columns is not the better one for that.
                roles.iter().filter(|role| !role.found.is_empty()).count() * 1000 / roles.len().max(1)
            });
            if best
                .as_ref()
                .is_none_or(|(most, opened, _): &(usize, Result<_>, _)| found > *most || opened.is_err())
            {
                best = Some((found, opened, side));
            }
        }
        match best {
            Some((_, opened, side)) => Ok((opened?, side)),
            None => Err(Fault::new(crate::fault::Kind::Bug, "no side was tried")),
        }
    }
}

impl Whose {
    const fn of(self, settings: &Settings) -> &SideSettings {
        match self {
            Self::Invoices => &settings.invoices,
            Self::Settlements => &settings.settlements,
        }
    }

    const fn side(self) -> Side {
        match self {
            Self::Invoices => Side::Invoice,
            Self::Settlements => Side::Settlement,
        }
    }
}

fn files_of(side: &SideSettings) -> FileSettings {
    match &side.source {
        Source::Files(files) => files.clone(),
        // Records of a platform, saved: nothing says how.
        Source::Platform(_) => FileSettings::default(),
    }
}

/// What the configuration looks for: what it maps, and attributes, which may be the column of their own name.
fn roles(settings: &Settings, side: &SideSettings, columns: &[String]) -> Vec<RoleFound> {
    let reading = &side.reading;
    let mut wanted: BTreeMap<&str, Vec<String>> =
        reading.columns.iter().map(|(name, headers)| (name.as_str(), headers.names().to_vec())).collect();
    for field in settings.fields.all() {
        let name = settings.fields.name(field);
        if Role::named(name).is_none() && !reading.absent.iter().any(|absent| absent == name) {
            wanted.entry(name).or_insert_with(|| vec![name.to_owned()]);
        }
    }
    for name in reading.defaults.keys() {
        wanted.entry(name).or_default();
    }
    let found = |(role, headers): (&str, Vec<String>)| {
        let is = |header: &String, column: &String| match Template::of(header) {
            Some(template) => template.label(column).is_some(),
            None => header == column,
        };
        let found: Vec<String> = columns
            .iter()
            .filter(|column| headers.iter().any(|header| is(header, column)))
            .cloned()
            .collect();
        let missing = headers.first().filter(|_| found.is_empty());
        let nearest = missing.and_then(|header| nearest(header, columns.iter().map(String::as_str)));
        RoleFound {
            role: role.to_owned(),
            nearest: nearest.map(str::to_owned),
            default: reading.defaults.get(role).cloned(),
            headers,
            found,
        }
    };
    wanted.into_iter().map(found).collect()
}

/// Counts the lines that would be taken.
#[derive(Default)]
struct Count(u64);

impl Taker for Count {
    fn take(&mut self, _: &Origin, _: &Entry<'_>) {
        self.0 += 1;
    }
}

/// What is known of a column so far.
#[derive(Clone, Default)]
struct Seen {
    examples: Vec<String>,
    blank: u64,
    looked_at: u64,
    /// Read with a point, with a comma.
    numbers: [u64; 2],
    is_number: u64,
    /// By [`DATES`].
    dates: [u64; 3],
    is_date: u64,
}

/// What `dates` may be set to.
const DATES: [&str; 3] = ["none needed", "day first", "month first"];

struct Looker {
    names: Vec<String>,
    seen: Vec<Seen>,
    dates: [Dates; 3],
    rows: u64,
    defects: Vec<Reject>,
}

impl Looker {
    fn new(names: &[String]) -> Result<Self> {
        let dates = |formats: &[&str]| {
            Dates::new(Zone::utc(), &formats.iter().map(|&format| format.to_owned()).collect::<Vec<_>>())
        };
        Ok(Self {
            names: names.to_vec(),
            seen: vec![Seen::default(); names.len()],
            dates: [dates(&[])?, dates(&["day first"])?, dates(&["month first"])?],
            rows: 0,
            defects: Vec::new(),
        })
    }

    /// Reads all rows: how many there are, and which of them are broken.
    fn read(
        &mut self,
        rows: &mut dyn Rows,
        mut reading: Option<&mut Normaliser<'_, Count>>,
        gave_up: &mut bool,
    ) -> Result<(u64, Vec<Reject>)> {
        let mut row = Row::default();
        while rows.read(&mut row)? {
            self.rows += 1;
            self.look(&row);
            match (&mut reading, &row.defect) {
                (Some(normaliser), _) if normaliser.rejected() < COUNTED => {
                    normaliser.accept(rows.origin(), rows.columns(), &row);
                }
                (None, Some(defect)) if self.defects.len() < COUNTED => self.defects.push(Reject {
                    side: Side::Invoice,
                    source: format!("{}:{}", rows.origin(), row.number),
                    column: String::new(),
                    value: String::new(),
                    reason: defect.to_string(),
                }),
                (None, None) => {}
                _ => *gave_up = true,
            }
        }
        Ok((self.rows, std::mem::take(&mut self.defects)))
    }

    fn look(&mut self, row: &Row) {
        for (column, seen) in self.seen.iter_mut().enumerate() {
            let Some(text) = row.trimmed(column) else {
                seen.blank += 1;
                continue;
            };
            if seen.looked_at < LOOKED_AT {
                seen.look(text, &self.dates);
            }
        }
    }

    fn columns(&self, rows: u64, roles: &[RoleFound]) -> Vec<Column> {
        let column = |(name, seen): (&String, &Seen)| {
            // Nearly all: one in twenty may be a note or a dash.
            let most = |count: u64| count > 0 && count * 20 >= seen.looked_at * 19;
            let looks_like = match (most(seen.is_number), most(seen.is_date)) {
                _ if seen.looked_at == 0 => Look::Blank,
                (true, true) => Look::NumberOrDate,
                (true, false) => Look::Number,
                (false, true) => Look::Date,
                (false, false) => Look::Text,
            };
            let is_number = matches!(looks_like, Look::Number | Look::NumberOrDate);
            let is_date = matches!(looks_like, Look::Date | Look::NumberOrDate);
            let marks = [".", ","].into_iter().zip(seen.numbers);
            let forms = DATES.into_iter().zip(seen.dates);
            let best = |counts: &[u64]| counts.iter().copied().max().unwrap_or_default();
            Column {
                name: name.clone(),
                examples: seen.examples.clone(),
                looks_like,
                decimal: marks
                    .filter(|(_, count)| is_number && *count == best(&seen.numbers))
                    .map(|(mark, _)| mark)
                    .collect(),
                // What needs no setting is read the same way with any.
                dates: match seen.dates {
                    [none, rest @ ..] if is_date && none >= best(&rest) => vec!["none needed"],
                    _ => forms
                        .filter(|(_, count)| is_date && *count == best(&seen.dates))
                        .map(|(form, _)| form)
                        .collect(),
                },
                blank: seen.blank,
                blank_percent: (seen.blank * 100).checked_div(rows).unwrap_or_default(),
                roles: roles
                    .iter()
                    .filter(|role| role.found.contains(name))
                    .map(|role| role.role.clone())
                    .collect(),
            }
        };
        self.names.iter().zip(&self.seen).map(column).collect()
    }
}

impl Seen {
    fn look(&mut self, text: &str, dates: &[Dates; 3]) {
        self.looked_at += 1;
        let example = || match text.char_indices().nth(EXAMPLE_CHARACTERS) {
            Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
            None => text.to_owned(),
        };
        if self.examples.len() < EXAMPLES && !self.examples.contains(&example()) {
            self.examples.push(example());
        }
        if !text.contains(|c: char| c.is_ascii_digit()) {
            return;
        }
        let marks = [DecimalMark::Point, DecimalMark::Comma];
        let numbers = marks.map(|mark| money::parse(text, mark).is_ok());
        // 1000.10 could be a month, but is an amount.
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_decimal =
            text.split_once(['.', ',']).is_some_and(|(whole, part)| is_digits(whole) && is_digits(part));
        let dates = dates.each_ref().map(|dates| !is_decimal && dates.parse(text, Edge::Start).is_ok());
        for (count, is) in self.numbers.iter_mut().zip(numbers).chain(self.dates.iter_mut().zip(dates)) {
            *count += u64::from(is);
        }
        self.is_number += u64::from(numbers.contains(&true));
        self.is_date += u64::from(dates.contains(&true));
    }
}
