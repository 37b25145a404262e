//! Reconcile: invoices and settlement records in, a discrepancy report out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Context;
use crate::config::{self, Overrides, Settings, SideSettings, Source};
use crate::fault::{Fault, Kind, Result};
use crate::intake::{self, Answer, FileSettings};
use crate::judge::{Judge, Rules};
use crate::matching::{self, Book};
use crate::normalise::{Field, Ledger, Normaliser, Role, Side};
use crate::period::{Period, Zone};
use crate::platform::{self, Platform, Values};
use crate::progress::Unit;
use crate::report::{self, Input, Report};

/// Reconcile invoices with settlement records
///
/// Reads the invoices, reads or pulls the matching settlement records, matches
/// the two sides, judges every difference, and writes discrepancies.csv,
/// discrepancies.json, rejects.csv and summary.json.
///
/// Exit codes: 0 ties out, 1 discrepancies found, 2 usage or configuration,
/// 3 input rejected, 4 platform or sign-in failed, 70 a bug of tieout.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
pub struct Reconcile {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    #[serde(default = "super::default_config")]
    pub config: PathBuf,

    /// The days to reconcile: 2026-10, 2026-10-05, 2026-10-01..2026-10-15, yesterday, this month, last month
    #[arg(short, long, value_name = "PERIOD")]
    pub period: Option<String>,

    /// Where the reports go, in place of [report] directory
    #[arg(short, long, value_name = "DIRECTORY")]
    pub output: Option<PathBuf>,

    /// How many rejected rows to put up with before the run ends with exit code 3
    #[arg(long, value_name = "N")]
    pub allow_rejects: Option<u64>,

    /// How many discrepancies to show, the largest variance first; the reports hold all
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    #[serde(default = "default_limit")]
    pub limit: usize,
}

/// How many discrepancies are shown where nobody says.
pub(super) const DEFAULT_LIMIT: usize = 20;

pub(super) const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Every line ties.
    TiesOut,
    /// Some do not.
    Discrepancies,
    /// More rows were rejected than allowed: what was judged is not all there is.
    Rejected,
}

impl Reconcile {
    /// Reconciles `tieout.toml` of the working directory, as it stands.
    #[must_use]
    pub fn of(config: PathBuf) -> Self {
        Self { config, period: None, output: None, allow_rejects: None, limit: DEFAULT_LIMIT }
    }

    /// Runs, writes the reports, and shows them to `show` with the paths of the files.
    ///
    /// # Errors
    /// Whatever ends a run before there is a verdict.
    pub fn run(
        &self,
        context: &Context<'_>,
        show: &mut dyn FnMut(&Report<'_>, &[PathBuf]),
    ) -> Result<Finding> {
        let overrides = Overrides {
            period: self.period.clone(),
            directory: self.output.clone(),
            allow_rejects: self.allow_rejects,
        };
        let settings = config::load(&self.config, &overrides, context.now)?;
        tracing::info!(name = settings.name, config = %self.config.display(), "run started");
        let (invoice, settlement) = read_both(&settings, context)?;
        let book =
            Book::new(&invoice.ledger, &settlement.ledger, &settings.zone, &settings.keys, &settings.fields);
        let rules = Rules {
            tolerances: &settings.tolerances,
            keys: &settings.keys,
            check_arithmetic: settings.check_arithmetic,
        };
        let entries = u64::from(invoice.ledger.len()) + u64::from(settlement.ledger.len());
        let task = context.progress.task("matching", Unit::Entries, Some(entries));
        let mut judge = Judge::new(&book, rules);
        let passes = matching::run(&book, &settings.passes, &*task, &mut |group| judge.judge(&group));
        let outcome = judge.finish(passes)?;
        drop(task);

        let period = settings.period.as_ref().map(ToString::to_string).unwrap_or_default();
        let inputs = [invoice.inputs, settlement.inputs].concat();
        let report = Report {
            name: &settings.name,
            period: &period,
            settings_digest: &settings.digest,
            inputs: &inputs,
            book: &book,
            passes: &settings.passes,
            tolerances: &settings.tolerances,
            outcome: &outcome,
        };
        let files = report::write(&report, &settings.directory, &settings.formats)?;
        let rejected = report.rejected();
        tracing::info!(
            matched = outcome.matched,
            within_tolerance = outcome.within_tolerance(),
            discrepancies = outcome.discrepancies.len(),
            rejected,
            directory = %settings.directory.display(),
            "run finished"
        );
        show(&report, &files);
        Ok(if rejected > settings.allow_rejects {
            Finding::Rejected
        } else if outcome.discrepancies.is_empty() {
            Finding::TiesOut
        } else {
            Finding::Discrepancies
        })
    }
}

/// One side, read.
struct Taken {
    ledger: Ledger,
    inputs: Vec<Input>,
}

/// Reads both sides, at once where the platform need not know whom to ask for.
fn read_both(settings: &Settings, context: &Context<'_>) -> Result<(Taken, Taken)> {
    let read = |side: Side, of: &SideSettings, calls: &[Values]| -> Result<Taken> {
        let mut normaliser =
            Normaliser::new(side, &of.reading, &settings.fields, &settings.zone, settings.period.as_ref())?;
        let inputs = match &of.source {
            Source::Files(files) => read_files(side, files, &settings.base, &mut normaliser, context)?,
            Source::Platform(platform) => fetch(platform, calls, &settings.base, &mut normaliser, context)?,
        };
        Ok(Taken { ledger: normaliser.finish(), inputs })
    };
    let invoices = || read(Side::Invoice, &settings.invoices, &[]);
    match &settings.settlements.source {
        Source::Platform(platform) if asks_by_vendor(platform) => {
            let invoices = invoices()?;
            let calls = calls(platform, settings, &vendors(settings, &invoices.ledger)?);
            Ok((invoices, read(Side::Settlement, &settings.settlements, &calls)?))
        }
        source => {
            let calls = match source {
                Source::Platform(platform) => calls(platform, settings, &[String::new()]),
                Source::Files(_) => Vec::new(),
            };
            let settlements = || read(Side::Settlement, &settings.settlements, &calls);
            let (invoices, settlements) = rayon::join(invoices, settlements);
            Ok((invoices?, settlements?))
        }
    }
}

fn read_files(
    side: Side,
    settings: &FileSettings,
    base: &Path,
    normaliser: &mut Normaliser<'_>,
    context: &Context<'_>,
) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for file in intake::find(base, settings)? {
        let mut rows = intake::open(&file.path, &file.label, settings, context.progress)?;
        normaliser.take(&mut *rows)?;
        let digest = rows.digest().cloned();
        let (bytes, sha256) = digest.map(|digest| (digest.bytes, digest.sha256)).unwrap_or_default();
        tracing::info!(side = side.name(), file = file.label, bytes, sha256, "file read");
        inputs.push(Input { side: side.name(), source: file.label, bytes, sha256 });
    }
    Ok(inputs)
}

fn fetch(
    settings: &platform::Settings,
    calls: &[Values],
    base: &Path,
    normaliser: &mut Normaliser<'_>,
    context: &Context<'_>,
) -> Result<Vec<Input>> {
    let platform = Platform::new(settings, base)?;
    let mut answer = Answer::new(platform.operation());
    let mut digest = RecordDigest::default();
    normaliser.begin();
    let fetched = platform.fetch(calls, context.progress, &mut |record| {
        digest.add(record);
        answer.lay_out(record);
        normaliser.accept(answer.origin(), answer.columns(), answer.row());
        Ok(())
    })?;
    if fetched.records > 0 {
        normaliser.check(answer.origin(), answer.columns())?;
    }
    let (bytes, sha256) = digest.finish();
    Ok(vec![Input {
        side: Side::Settlement.name(),
        source: format!("{} ({}, {} calls)", platform.place(), platform.operation(), fetched.calls),
        bytes,
        sha256,
    }])
}

/// SHA-256 over the names and texts of all records: what the platform said, whatever the paging.
#[derive(Default)]
struct RecordDigest {
    sha: sha2::Sha256,
    bytes: u64,
}

impl RecordDigest {
    fn add(&mut self, record: &platform::Record<'_>) {
        use sha2::Digest as _;
        for (name, value) in record.fields.iter() {
            for text in [name, "\u{1f}", value.unwrap_or("\u{0}"), "\u{1f}"] {
                self.sha.update(text);
                self.bytes += text.len() as u64;
            }
        }
        self.sha.update("\u{1e}");
    }

    fn finish(self) -> (u64, String) {
        use sha2::Digest as _;
        (self.bytes, self.sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn asks_by_vendor(platform: &platform::Settings) -> bool {
    platform.request.placeholders().contains(&"vendor")
}

/// The vendors that the invoices name, each once, as the alias table calls them.
fn vendors(settings: &Settings, invoices: &Ledger) -> Result<Vec<String>> {
    let Some(field) = Field::of(Role::Vendor) else { return Ok(Vec::new()) };
    let mut by_key: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    for entry in 0..invoices.len() {
        if seen.insert(invoices.text_id(field, entry)) {
            let text = invoices.text(field, entry);
            let canonical = settings.keys.canonical(field, text);
            if canonical.is_empty() {
                // To a platform, no vendor means all of them; and without asking, the line would look unsettled.
                return Err(Fault::new(Kind::Input, "the line names no vendor, so that its records cannot be asked for")
                    .at(invoices.source(entry))
                    .next("name the vendor in [invoices.defaults], or ask for all of them at once: a request without {vendor}"));
            }
            by_key
                .entry(settings.keys.key(field, text))
                .and_modify(|name| {
                    // Several spellings of one vendor: the first in order, whatever the order of the files.
                    if canonical < name.as_str() {
                        canonical.clone_into(name);
                    }
                })
                .or_insert_with(|| canonical.to_owned());
        }
    }
    Ok(by_key.into_values().collect())
}

/// The values of the request's placeholders, once for each vendor.
fn calls(platform: &platform::Settings, settings: &Settings, vendors: &[String]) -> Vec<Values> {
    let values = |vendor: &String| values(platform, &settings.zone, settings.period.as_ref(), vendor);
    vendors.iter().map(values).collect()
}

/// The values of the request's placeholders for one vendor.
pub(super) fn values(
    platform: &platform::Settings,
    zone: &Zone,
    period: Option<&Period>,
    vendor: &str,
) -> Values {
    let value = |placeholder: &str| -> Option<String> {
        let (name, pattern) = config::split_placeholder(placeholder);
        let at = match name {
            "vendor" => return Some(vendor.to_owned()),
            "window.start" => period?.start(),
            "window.end" => period?.end(),
            "window.last" => period?.last_day(),
            _ => return None,
        };
        zone.format(at, pattern.unwrap_or("%Y-%m-%dT%H:%M:%S")).ok()
    };
    let placeholders = platform.request.placeholders();
    placeholders
        .into_iter()
        .filter_map(|placeholder| Some((placeholder.to_owned(), value(placeholder)?)))
        .collect()
}
