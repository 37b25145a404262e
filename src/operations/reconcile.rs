//! Reconcile: invoices and settlement records in, a discrepancy report out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sifted::{self, Sieved};
use super::tool::{Effect, FileArgument, Tool};
use super::{Context, settlements};
use crate::config::{self, Overrides, Settings, SideSettings, Source};
use crate::fault::{Fault, Kind, Result};
use crate::intake::{self, FileSettings, Rows};
use crate::judge::{CommonPrices, Judge, Rules};
use crate::matching::{self, Book};
use crate::normalise::{Ledger, Normaliser, Reading, Role, Side, Taker, Versions};
use crate::platform::{Fetched, Manner};
use crate::progress::Unit;
use crate::report::{
    self, Direction, Documents, Groups, Immaterial, Input, Listed, PassSummary, PatternSummary, Rejected,
    Report, Total,
};
use crate::sieve::{Found, Plan};

/// Reconcile invoices with settlement records
///
/// Reads the invoices, reads or pulls the matching settlement records, matches
/// the two sides, judges every difference, and writes discrepancies.csv,
/// discrepancies.json, documents.csv, rejects.csv and summary.json.
///
/// Exit codes: 0 ties out, 1 discrepancies found, 2 usage or configuration,
/// 3 input rejected, 4 platform or sign-in failed, 70 a bug of tieout.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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

    /// A file to write each call of the platform to, as a line of JSON; one that exists is continued
    #[arg(long, value_name = "FILE")]
    pub evidence: Option<PathBuf>,

    /// Ask the platform for everything, even if a fetch was interrupted
    #[arg(long)]
    #[serde(default)]
    pub refetch: bool,

    /// How many rejected rows to put up with before the run ends with exit code 3
    #[arg(long, value_name = "N")]
    pub allow_rejects: Option<u64>,

    /// How much memory lines may take before they go to a temporary file, such as 128MiB or 1GiB; nothing that
    /// is reported depends on it
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,

    /// How many discrepancies to show, the largest variance first; the reports hold all
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    #[serde(default = "default_limit")]
    pub limit: usize,

    /// Judge and show, and write no report
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// How many rejected rows a program is told of; `rejects.csv` has all.
const REJECTS: usize = 10;

/// How many discrepancies are shown where nobody says.
pub(super) const DEFAULT_LIMIT: usize = 20;

pub(super) const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Every line ties.
    TiesOut,
    /// Some do not.
    Discrepancies,
    /// More rows were rejected than allowed: what was judged is not all there is.
    Rejected,
}

/// What a run came to, for programs. Decimals are texts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Reconciled {
    /// Whether it ties out.
    pub finding: Finding,
    /// The name of the reconciliation.
    pub name: String,
    /// The period, as dates; blank where none is set.
    pub period: String,
    /// Groups that tie exactly, tie within a tolerance, or do not tie.
    pub groups: Groups,
    /// Discrepancies by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Overbilled and underbilled money, by currency.
    pub variance: BTreeMap<String, Direction>,
    /// What is below `[report] minimum` and not listed, where that is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub immaterial: Option<Immaterial>,
    /// What many discrepancies have in common, the one that explains most money first.
    pub patterns: Vec<PatternSummary>,
    /// What each pass took.
    pub passes: Vec<PassSummary>,
    /// Side → how many documents it has, and how many of them tie wholly.
    pub documents: BTreeMap<&'static str, Documents>,
    /// Side → currency → class → lines and amount.
    pub control_totals: BTreeMap<&'static str, BTreeMap<String, BTreeMap<&'static str, Total>>>,
    /// The first discrepancies, the largest variance first.
    pub discrepancies: Vec<Listed>,
    /// How many more there are; the reports have them all.
    pub more_discrepancies: u64,
    /// The first rows that were rejected.
    pub rejects: Vec<Rejected>,
    /// The reports that were written.
    pub files: Vec<PathBuf>,
}

impl Tool for Reconcile {
    const NAME: &'static str = "reconcile";
    const TITLE: &'static str = "Reconcile invoices with settlement records";
    const EFFECT: Effect = Effect::Writes;
    const ASKS_PLATFORM: bool = true;
    type Output = Reconciled;

    fn perform(&self, context: &Context<'_>) -> Result<Reconciled> {
        let mut reconciled = None;
        let finding = self.run(context, &mut |report, files| {
            reconciled = Some(self.reconciled(report, files));
        })?;
        let nothing = || Fault::new(Kind::Bug, "a reconciliation ended without an outcome");
        Ok(Reconciled { finding, ..reconciled.ok_or_else(nothing)? })
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        let written = [&mut self.output, &mut self.evidence].into_iter().flatten();
        std::iter::once(FileArgument::config(&mut self.config))
            .chain(written.map(FileArgument::write))
            .collect()
    }

    fn effect(&self) -> Effect {
        if self.dry_run && self.evidence.is_none() { Effect::AsksPlatform } else { Effect::Writes }
    }
}

impl Reconcile {
    fn reconciled(&self, report: &Report<'_>, files: &[PathBuf]) -> Reconciled {
        let summary = report::summary(report);
        let discrepancies = report::first(report, self.limit);
        Reconciled {
            // Known when the run is over.
            finding: Finding::TiesOut,
            name: summary.name,
            period: summary.period,
            more_discrepancies: (report.listed().count() - discrepancies.len()) as u64,
            groups: summary.groups,
            kinds: summary.kinds,
            variance: summary.variance,
            immaterial: summary.immaterial,
            patterns: summary.patterns,
            passes: summary.passes,
            documents: summary.documents,
            control_totals: summary.control_totals,
            discrepancies,
            rejects: report.rejects().take(REJECTS).map(Rejected::from).collect(),
            files: files.to_vec(),
        }
    }

    /// Reconciles `tieout.toml` of the working directory, as it stands.
    #[must_use]
    pub fn of(config: PathBuf) -> Self {
        Self {
            config,
            period: None,
            output: None,
            evidence: None,
            refetch: false,
            allow_rejects: None,
            memory: None,
            limit: DEFAULT_LIMIT,
            dry_run: false,
            json: false,
        }
    }

    /// Runs, writes the reports unless it is a dry run, and shows them to `show` with the paths of the files.
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
            memory: self.memory.clone(),
        };
        let settings = config::load(&self.config, &overrides, context.now)?;
        tracing::info!(name = settings.name, config = %self.config.display(), "run started");
        let manner = settlements::manner(&settings, context, self.evidence.as_deref(), self.refetch)?;
        if !self.dry_run {
            report::check_directory(&settings.directory)?;
        }
        let rules = rules(&settings);
        // Versions of one line are only told apart where all of them stand side by side. And what is left is read again row
        // by row: that must give the same line, whatever the rows around it, and only that one.
        let sides = [&settings.invoices.reading, &settings.settlements.reading];
        let can_sift = settings.versions.is_none() && sides.into_iter().all(Reading::is_row_by_row);
        let plan = can_sift.then(|| Plan::of(rules, &settings.zone)).flatten();
        let have_prices = sides.into_iter().all(|reading| reading.has(Role::Price));
        let plan = plan.map(|plan| if have_prices { plan } else { plan.without_prices() });
        let (invoice, mut settlement, sieved) =
            match (&plan, &settings.invoices.source, &settings.settlements.source) {
                (Some(plan), Source::Files(invoices), Source::Files(settlements)) => {
                    let (invoice, settlement, sieved) =
                        sifted::read([invoices, settlements], plan, &settings, context)?;
                    (invoice, settlement, Some(sieved))
                }
                _ => {
                    let (invoice, settlement) = read_both(&settings, &manner, context)?;
                    (invoice, settlement, None)
                }
            };
        context.progress.check()?;
        settlement.close()?;
        let versions = versions(&settings, &settlement.ledger)?;
        let book = comparable(&settings, &invoice.ledger, &settlement.ledger, versions.as_ref());
        let entries = u64::from(invoice.ledger.len()) + u64::from(settlement.ledger.len());
        let task = context.progress.task("matching", Unit::Entries, Some(entries));
        let mut judge = Judge::new(&book, rules);
        let mut pairs = 0;
        if let Some(Sieved { sifted, .. }) = &sieved {
            judge.take_over(&sifted.outcome);
            pairs = sifted.pairs();
        }
        let (passes, parts) = matching::run(&book, &settings.passes, pairs, &*task, &|group, outcome| {
            judge.judge(group, outcome);
        });
        // What was cancelled is not all there is, and does not balance.
        context.progress.check()?;
        let verdicts = judge.verdicts(passes, parts)?;
        let (book, common) = match sieved {
            None => (book, CommonPrices::default()),
            Some(mut sieved) => {
                let Found { places, common } = sieved.look_for_prices(&verdicts, &invoice.ledger)?;
                context.progress.check()?;
                if places.is_empty() {
                    (book, common)
                } else {
                    drop(book);
                    settlement.ledger =
                        sieved.records.read(&places, settlement.ledger, &settings, context)?;
                    (comparable(&settings, &invoice.ledger, &settlement.ledger, versions.as_ref()), common)
                }
            }
        };
        let outcome = verdicts.conclude(&book, &rules, &common);
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
            minimum: settings.minimum,
            rates: settings.rates.as_ref(),
            outcome: &outcome,
        };
        let files = match self.dry_run {
            true => Vec::new(),
            false => {
                report::write(&report, &settings.directory, &settings.formats, &|| context.progress.check())?
            }
        };
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
        let finding = if rejected > settings.allow_rejects {
            Finding::Rejected
        } else if outcome.discrepancies.is_empty() {
            Finding::TiesOut
        } else {
            Finding::Discrepancies
        };
        // Nobody who waits for the verdict need wait until all of this is let go of.
        rayon::spawn(move || drop((outcome, invoice.ledger, settlement.ledger)));
        Ok(finding)
    }
}

/// Both sides, made comparable.
pub(super) fn comparable<'a>(
    settings: &'a Settings,
    invoices: &'a Ledger,
    settlements: &'a Ledger,
    versions: Option<&'a Versions>,
) -> Book<'a> {
    Book::new(invoices, settlements, &settings.zone, &settings.keys, &settings.fields).with_versions(versions)
}

/// What judging needs to know.
pub(super) fn rules(settings: &Settings) -> Rules<'_> {
    Rules {
        tolerances: &settings.tolerances,
        keys: &settings.keys,
        check_arithmetic: settings.check_arithmetic,
        passes: &settings.passes,
        rates: settings.rates.as_ref(),
        tax_rates: &settings.tax_rates,
    }
}

/// Which versions of the settlements count, where that is configured.
pub(super) fn versions(settings: &Settings, settlements: &Ledger) -> Result<Option<Versions>> {
    let Some(versions) = &settings.versions else { return Ok(None) };
    let dates = settings.settlements.reading.dates(&settings.zone)?;
    Versions::choose(settlements, &settings.fields, &settings.keys, &dates, versions).map(Some)
}

/// One side, read.
pub(super) struct Taken {
    pub(super) ledger: Ledger,
    pub(super) inputs: Vec<Input>,
    /// The platform's records, to be read again until they are let go of.
    pub(super) fetched: Option<Fetched>,
}

impl Taken {
    /// Lets go of what was kept of a fetch.
    pub(super) fn close(&mut self) -> Result<()> {
        self.fetched.take().map_or(Ok(()), Fetched::close)
    }
}

/// Reads both sides, at once where the platform need not know whom to ask for.
pub(super) fn read_both(
    settings: &Settings,
    manner: &Manner<'_>,
    context: &Context<'_>,
) -> Result<(Taken, Taken)> {
    let invoices = || read_invoices(settings, context);
    let normaliser = || normaliser(Side::Settlement, &settings.settlements, settings);
    match &settings.settlements.source {
        Source::Files(files) => {
            let settlements = || -> Result<Taken> {
                let mut normaliser = normaliser()?;
                let inputs = read_files(Side::Settlement, files, &settings.base, &mut normaliser, context)?;
                Ok(Taken { ledger: normaliser.finish(), inputs, fetched: None })
            };
            let (invoices, settlements) = rayon::join(invoices, settlements);
            Ok((invoices?, settlements?))
        }
        Source::Platform(platform) => {
            let settlements = |vendors: &[String]| -> Result<Taken> {
                let mut normaliser = normaliser()?;
                let (inputs, fetched) =
                    settlements::pull(platform, settings, vendors, manner, &mut normaliser, context)?;
                Ok(Taken { ledger: normaliser.finish(), inputs, fetched: Some(fetched) })
            };
            if settlements::asks_by_vendor(platform) {
                let invoices = invoices()?;
                let vendors = settlements::vendors(settings, &invoices.ledger)?;
                return Ok((invoices, settlements(&vendors)?));
            }
            let (invoices, settlements) = rayon::join(invoices, || settlements(&[String::new()]));
            Ok((invoices?, settlements?))
        }
    }
}

pub(super) fn normaliser<'s>(
    side: Side,
    of: &'s SideSettings,
    settings: &'s Settings,
) -> Result<Normaliser<'s>> {
    Normaliser::new(side, &of.reading, &settings.fields, &settings.zone, settings.period.as_ref())
}

/// The same, with another who takes the entries.
pub(super) fn normaliser_into<'s, T: Taker>(
    taker: T,
    side: Side,
    of: &'s SideSettings,
    settings: &'s Settings,
) -> Result<Normaliser<'s, T>> {
    Normaliser::into(taker, side, &of.reading, &settings.fields, &settings.zone, settings.period.as_ref())
}

fn read_invoices(settings: &Settings, context: &Context<'_>) -> Result<Taken> {
    let mut normaliser = normaliser(Side::Invoice, &settings.invoices, settings)?;
    let inputs = match &settings.invoices.source {
        Source::Files(files) => read_files(Side::Invoice, files, &settings.base, &mut normaliser, context)?,
        // The configuration does not let invoices come from the platform.
        Source::Platform(_) => Vec::new(),
    };
    Ok(Taken { ledger: normaliser.finish(), inputs, fetched: None })
}

/// The vendors that the invoices name, each once, as the alias table calls them.
pub(super) fn invoiced_vendors(settings: &Settings, context: &Context<'_>) -> Result<Vec<String>> {
    settlements::vendors(settings, &read_invoices(settings, context)?.ledger)
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
        inputs.push(input(side, file.label, &*rows));
    }
    Ok(inputs)
}

/// A file that has been read through, for the summary.
pub(super) fn input(side: Side, label: String, rows: &dyn Rows) -> Input {
    let digest = rows.digest().cloned();
    let (bytes, sha256) = digest.map(|digest| (digest.bytes, digest.sha256)).unwrap_or_default();
    tracing::info!(side = side.name(), file = label, bytes, sha256, "file read");
    Input { side: side.name(), source: label, bytes, sha256 }
}
