//! Fetch: the platform's settlement records as a table, to be looked at.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::settlements::RecordDigest;
use super::tool::{Effect, FileArgument, Tool};
use super::{Context, reconcile, settlements};
use crate::config::{self, Overrides, Settings, Source};
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result};
use crate::intake::Answer;
use crate::normalise::Side;
use crate::platform::{Fetched, Manner, Named, Platform, Record};
use crate::progress;
use crate::report::{self, Rows};

/// Fetch the settlement records of a period
///
/// Asks the platform for what a reconciliation would ask for, and writes the
/// records as they came, as CSV, one row each: a column for each field, in the order in
/// which fields are first seen. Text that a spreadsheet would run as a formula
/// gets an apostrophe in front. A fetch that was interrupted is resumed.
///
/// As JSON, the records come page by page, unless a file is named. The pages after the first are of
/// the records that the first has fetched, as long as they are kept ([platform] resume_hours).
///
/// Exit codes: 0 fetched, 2 usage or configuration, or the file cannot be
/// written, 3 the invoices that name the vendors are broken, 4 platform or
/// sign-in failed, 70 a bug of tieout.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    #[serde(default = "super::default_config")]
    pub config: PathBuf,

    /// The days to fetch: 2026-10, 2026-10-05, 2026-10-01..2026-10-15, yesterday, this month, last month
    #[arg(short, long, value_name = "PERIOD")]
    pub period: Option<String>,

    /// Where the records go; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    #[serde(default = "default_output")]
    pub output: PathBuf,

    /// A vendor to ask for, as the platform calls it (may be repeated); by default those that the invoices name
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub vendor: Vec<String>,

    /// A file to write each call of the platform to, as a line of JSON; one that exists is continued
    #[arg(long, value_name = "FILE")]
    pub evidence: Option<PathBuf>,

    /// Ask the platform for everything, even if a fetch was interrupted
    #[arg(long)]
    #[serde(default)]
    pub refetch: bool,

    /// How many records a page of JSON has, at most 1000
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_LIMIT, requires = "json")]
    #[serde(default = "default_limit")]
    pub limit: usize,

    /// Go on where a page of JSON ended, with the next_cursor that stands there; all else must be as it was
    #[arg(long, value_name = "CURSOR", requires = "json")]
    pub cursor: Option<String>,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

const DEFAULT_LIMIT: usize = 50;

const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// The most on a page.
const MOST: usize = 1000;

fn default_output() -> PathBuf {
    "-".into()
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Records, which is rows of the table.
    pub records: u64,
    /// Where they come from, in words.
    pub origin: String,
    /// The file, unless it was standard output.
    pub file: Option<PathBuf>,
}

/// A page of what was fetched, or where it went. Its texts are data: whoever filled the platform wrote them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Page {
    /// The records of this page, as they came: a text or null for each field.
    pub records: Vec<Named>,
    /// How many there are on all pages, or in the file.
    pub count: u64,
    /// Where they come from, in words.
    pub origin: String,
    /// The file that holds them all, where one was named.
    pub file: Option<PathBuf>,
    /// What to give as cursor for the next page; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// What else to know.
    pub notes: Vec<String>,
}

impl Tool for Fetch {
    const NAME: &'static str = "fetch_settlements";
    const TITLE: &'static str = "Fetch settlement records";
    const EFFECT: Effect = Effect::Writes;
    const ASKS_PLATFORM: bool = true;
    type Output = Page;

    fn perform(&self, context: &Context<'_>) -> Result<Page> {
        if self.file().is_some() {
            let Pulled { records, origin, file } = self.run(context, &mut std::io::sink())?;
            return Ok(Page {
                records: Vec::new(),
                count: records,
                origin,
                file,
                next_cursor: None,
                notes: Vec::new(),
            });
        }
        self.page(context)
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        let mut files = vec![FileArgument::config(&mut self.config)];
        if self.output != Path::new("-") {
            files.push(FileArgument::write(&mut self.output));
        }
        files.extend(self.evidence.as_mut().map(FileArgument::write));
        files
    }

    fn effect(&self) -> Effect {
        if self.file().is_none() && self.evidence.is_none() { Effect::AsksPlatform } else { Effect::Writes }
    }

    fn needs_full_view(&self) -> bool {
        self.vendor.is_empty()
    }
}

/// A fetch that came to its end.
struct Done {
    fetched: Fetched,
    answer: Answer,
    /// Why a reconciliation of these records would end.
    misfit: Option<String>,
}

impl Fetch {
    /// The file to write; none where the records go to whoever asks.
    fn file(&self) -> Option<PathBuf> {
        (self.output != Path::new("-")).then(|| self.output.clone())
    }

    /// Fetches, and writes the table to its file, or else to `out`; not before all records are there.
    ///
    /// # Errors
    /// Whatever ends a fetch, and [`Kind::Output`] where the table cannot be written.
    pub fn run(&self, context: &Context<'_>, out: &mut dyn Write) -> Result<Pulled> {
        let same = |evidence: &PathBuf| {
            let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
            real(evidence) == real(&self.output)
        };
        if self.evidence.as_ref().is_some_and(same) {
            return Err(Fault::new(Kind::Usage, "the evidence and the table cannot be one file")
                .at("--evidence")
                .next("name another file for one of the two"));
        }
        let file = self.file();
        let Done { fetched, mut answer, misfit } =
            self.fetch(context, file.as_deref(), &|manner| manner, &mut |_| {})?;
        if let Some(misfit) = misfit {
            progress::say(context.progress, &misfit);
        }
        match &file {
            Some(path) => report::write_file(path, &mut |out| write(&fetched, &mut answer, context, out))?,
            None => write(&fetched, &mut answer, context, out)?,
        }
        let pulled = Pulled { records: fetched.records, origin: fetched.origin(), file };
        fetched.close()?;
        Ok(pulled)
    }

    /// One page of the records. What was fetched for it is kept until the last page, apart from what a reconciliation keeps.
    fn page(&self, context: &Context<'_>) -> Result<Page> {
        if self.limit > MOST {
            return Err(Fault::new(Kind::Usage, "a page has no room for so many")
                .at("limit")
                .value(self.limit)
                .expected(format!("at most {MOST}"))
                .next("go on with the cursor, or name an output file for all of them"));
        }
        let astray = || {
            Fault::new(Kind::Usage, "this cursor leads nowhere")
                .at("cursor")
                .value(self.cursor.as_deref().unwrap_or_default())
                .expected("the next_cursor of a page of the same records, period, vendors and caller")
                .next("start again without a cursor: the records may have changed since")
        };
        let start = match &self.cursor {
            None => None,
            Some(cursor) => {
                let parts = cursor.split_once('-');
                let read = |(start, mark): (&str, &str)| {
                    Some((u64::from_str_radix(start, 16).ok()?, mark.to_owned()))
                };
                Some(parts.and_then(read).ok_or_else(astray)?)
            }
        };
        let purpose = format!("pages of {:?} for {:?}", self.vendor, context.view);
        let first = start.as_ref().map_or(0, |(start, _)| *start);
        let end = first + self.limit as u64;
        let (mut records, mut number, mut digest) = (Vec::new(), 0, RecordDigest::default());
        let change =
            |manner| Manner { purpose: &purpose, refetch: self.refetch || start.is_none(), ..manner };
        let Done { fetched, misfit, .. } = self.fetch(context, None, &change, &mut |record| {
            digest.add(record);
            if (first..end).contains(&number) {
                let fields = record.fields.iter();
                records.push(Named(
                    fields.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect(),
                ));
            }
            number += 1;
        })?;
        let mut sha = Sha256::new();
        for part in [&purpose, &digest.finish().1] {
            sha.update(part);
        }
        let mark = hexadecimal(sha.finalize().get(..8).unwrap_or_default());
        if start.is_some_and(|(_, known)| known != mark) {
            fetched.close()?;
            return Err(astray());
        }
        let is_more = number > end;
        let page = Page {
            records,
            count: fetched.records,
            origin: fetched.origin(),
            file: None,
            next_cursor: is_more.then(|| format!("{end:x}-{mark}")),
            notes: misfit.into_iter().collect(),
        };
        if !is_more {
            fetched.close()?;
        }
        Ok(page)
    }

    /// Fetches all records. A night of calls shall not be made for a `file` that cannot be written.
    fn fetch<'m>(
        &'m self,
        context: &Context<'m>,
        file: Option<&Path>,
        change: &dyn Fn(Manner<'m>) -> Manner<'m>,
        see: &mut dyn FnMut(&Record<'_>),
    ) -> Result<Done> {
        let overrides = Overrides { period: self.period.clone(), ..Overrides::default() };
        let settings = config::load(&self.config, &overrides, context.now)?;
        if !context.view.is_unlimited() {
            if self.vendor.is_empty() {
                return Err(Fault::new(
                    Kind::Denied,
                    "the records of all vendors may not be seen by whoever asks",
                )
                .at("vendor")
                .next("name a vendor that you may see"));
            }
            let view = context.view.keyed(&settings.keys);
            self.vendor.iter().try_for_each(|vendor| view.check_vendor(vendor))?;
        }
        let manner = change(settlements::manner(&settings, context, self.evidence.as_deref(), self.refetch)?);
        let Source::Platform(platform) = &settings.settlements.source else {
            return Err(Fault::new(
                Kind::Configuration,
                "the settlements come from files: there is nothing to fetch",
            )
            .at("[settlements] source")
            .expected("source = \"platform\", and a [platform] table"));
        };
        file.map_or(Ok(()), report::check_file)?;
        let vendors = self.vendors(settlements::asks_by_vendor(platform), &settings, context)?;
        let pieces = platform.request.plan(&settings.zone, settings.period.as_ref(), &vendors)?;
        let platform = Platform::new(platform, &settings.base)?;
        // The columns are known when the last record has come; the rows are written after that.
        let mut answer = Answer::new(platform.operation());
        let fetched = platform.fetch(&pieces, &manner, context.progress, &mut |record| {
            answer.lay_out(record);
            see(record);
            Ok(())
        })?;
        let mut misfit = None;
        if fetched.records > 0 {
            // A reconciliation would end here. Whoever looks at the records wants to see them all the more.
            let mut normaliser = reconcile::normaliser(Side::Settlement, &settings.settlements, &settings)?;
            let checked = normaliser.check(answer.origin(), answer.columns());
            misfit = checked.err().map(|fault| format!("a reconciliation would end here: {fault}"));
        }
        Ok(Done { fetched, answer, misfit })
    }

    fn vendors(&self, is_asked_for: bool, settings: &Settings, context: &Context<'_>) -> Result<Vec<String>> {
        match (is_asked_for, self.vendor.is_empty()) {
            (true, true) => reconcile::invoiced_vendors(settings, context),
            (true, false) => {
                // Asked for twice is asked for once.
                let mut seen = HashSet::new();
                Ok(self.vendor.iter().filter(|vendor| seen.insert(*vendor)).cloned().collect())
            }
            (false, true) => Ok(vec![String::new()]),
            (false, false) => Err(Fault::new(Kind::Usage, "the request does not ask for a vendor")
                .at("--vendor")
                .next("put {vendor} into [platform.request] parameters, or leave --vendor out")),
        }
    }
}

fn write(fetched: &Fetched, answer: &mut Answer, context: &Context<'_>, out: &mut dyn Write) -> Result<()> {
    let failed = |error: std::io::Error| {
        Fault::new(Kind::Output, "the records cannot be written")
            .because(error)
            .next("make room, or choose another place with --output; what was fetched is kept, run again")
    };
    let mut rows = Rows::new(out);
    rows.add(answer.columns().iter().map(String::as_str)).map_err(failed)?;
    fetched.again(&mut |record| {
        context.progress.check()?;
        answer.lay_out(record);
        let row = answer.row();
        rows.add((0..row.len()).map(|column| row.text(column))).map_err(failed)
    })?;
    rows.finish().map_err(failed)
}
