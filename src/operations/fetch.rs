//! Fetch: the platform's settlement records as a table, to be looked at.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, reconcile, settlements};
use crate::config::{self, Overrides, Settings, Source};
use crate::fault::{Fault, Kind, Result};
use crate::intake::Answer;
use crate::normalise::Side;
use crate::platform::{Fetched, Platform};
use crate::progress;
use crate::report::{self, Rows};

/// Fetch the settlement records of a period as CSV
///
/// Asks the platform for what a reconciliation would ask for, and writes the
/// records as they came, one row each: a column for each field, in the order in
/// which fields are first seen. Text that a spreadsheet would run as a formula
/// gets an apostrophe in front. A fetch that was interrupted is resumed.
///
/// Exit codes: 0 fetched, 2 usage or configuration, or the file cannot be
/// written, 3 the invoices that name the vendors are broken, 4 platform or
/// sign-in failed, 70 a bug of tieout.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
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
}

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

impl Fetch {
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
        let overrides = Overrides { period: self.period.clone(), ..Overrides::default() };
        let settings = config::load(&self.config, &overrides, context.now)?;
        let manner = settlements::manner(&settings, context, self.evidence.as_deref(), self.refetch)?;
        let Source::Platform(platform) = &settings.settlements.source else {
            return Err(Fault::new(
                Kind::Configuration,
                "the settlements come from files: there is nothing to fetch",
            )
            .at("[settlements] source")
            .expected("source = \"platform\", and a [platform] table"));
        };
        let file = (self.output != Path::new("-")).then(|| self.output.clone());
        // A night of calls shall not be made for a file that cannot be written.
        file.as_deref().map_or(Ok(()), report::check_file)?;
        let vendors = self.vendors(settlements::asks_by_vendor(platform), &settings, context)?;
        let pieces = platform.request.plan(&settings.zone, settings.period.as_ref(), &vendors)?;
        let platform = Platform::new(platform, &settings.base)?;
        // The columns are known when the last record has come; the rows are written after that.
        let mut answer = Answer::new(platform.operation());
        let fetched = platform.fetch(&pieces, &manner, context.progress, &mut |record| {
            answer.lay_out(record);
            Ok(())
        })?;
        if fetched.records > 0 {
            // A reconciliation would end here. Whoever looks at the records wants to see them all the more.
            let mut normaliser = reconcile::normaliser(Side::Settlement, &settings.settlements, &settings)?;
            if let Err(fault) = normaliser.check(answer.origin(), answer.columns()) {
                progress::say(context.progress, &format!("a reconciliation would end here: {fault}"));
            }
        }
        match &file {
            Some(path) => report::write_file(path, &mut |out| write(&fetched, &mut answer, out))?,
            None => write(&fetched, &mut answer, out)?,
        }
        let pulled = Pulled { records: fetched.records, origin: fetched.origin(), file };
        fetched.close()?;
        Ok(pulled)
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

fn write(fetched: &Fetched, answer: &mut Answer, out: &mut dyn Write) -> Result<()> {
    let failed = |error: std::io::Error| {
        Fault::new(Kind::Output, "the records cannot be written")
            .because(error)
            .next("make room, or choose another place with --output; what was fetched is kept, run again")
    };
    let mut rows = Rows::new(out);
    rows.add(answer.columns().iter().map(String::as_str)).map_err(failed)?;
    fetched.again(&mut |record| {
        answer.lay_out(record);
        let row = answer.row();
        rows.add((0..row.len()).map(|column| row.text(column))).map_err(failed)
    })?;
    rows.finish().map_err(failed)
}
