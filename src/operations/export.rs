//! Export: discrepancies of the last run in a file of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Context;
use super::discrepancies::{Choice, Opened, Rank, Tally, Which};
use super::tool::{Effect, FileArgument, Tool};
use crate::fault::{Fault, Kind, Result};
use crate::progress::Unit;
use crate::report::{self, Direction, Form, Sheet};

/// Export discrepancies of the last run to a file, for finance
///
/// Writes those that all filters let pass, in the order that is asked for, as CSV, JSON or a workbook (xlsx). The columns are
/// those of discrepancies.csv. In a workbook, decimals are numbers with their digits; one that is too long for a cell's number stays
/// text. Text that a spreadsheet would run as a formula gets an apostrophe in front. A file that is there already stays as it is,
/// unless --force is given.
///
/// A filter that is given several times lets pass what any of them does. Texts are compared without regard to case.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// What the file is to be: csv, json or xlsx; by default what its name ends with
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Form>,

    /// Overwrite a file that is there already
    #[arg(long)]
    #[serde(default)]
    pub force: bool,

    #[command(flatten)]
    #[serde(flatten)]
    #[expect(missing_docs, reason = "a sentence here would stand in the help of the command")]
    pub which: Which,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// What was exported.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Exported {
    /// The file.
    pub file: PathBuf,
    /// What it is.
    pub format: Form,
    /// How many discrepancies it has.
    pub count: u64,
    /// Currency → their variances: positive, negative, and both together.
    pub totals: BTreeMap<String, Direction>,
}

impl Tool for Export {
    const NAME: &'static str = "export_report";
    const TITLE: &'static str = "Export discrepancies";
    const EFFECT: Effect = Effect::Writes;
    const ONLY_WRITES: bool = true;
    type Output = Exported;

    fn perform(&self, context: &Context<'_>) -> Result<Exported> {
        let format = self.form()?;
        let Opened { mut back, settings, .. } = self.which.open(context)?;
        let choice = Choice::of(&self.which, context.view, settings.as_ref())?;
        report::check_file(&self.output)?;
        let task = context.progress.task("discrepancies", Unit::Entries, None);
        let mut tally = Tally::default();
        let mut fill = |out: &mut (dyn std::io::Write + Send)| -> anyhow::Result<()> {
            let mut sheet = Sheet::new(format, out)?;
            let mut add = |line: &report::Line<'_>| {
                sheet.add(line).map_err(|error| match error.downcast::<Fault>() {
                    Ok(fault) => fault,
                    Err(error) => Fault::new(Kind::Output, "the export cannot be written")
                        .at(self.output.display())
                        .because(error)
                        .next("make room, or choose another place with --output"),
                })
            };
            // In order: keys and places first, and then each is read again where it stands.
            let mut ranked = Vec::new();
            back.each(&mut |place, line| {
                task.check()?;
                if choice.takes(line) {
                    task.advance(1);
                    let number = tally.add(line);
                    if choice.is_sorted() {
                        let rank = Rank { key: choice.key(line), is_reverse: choice.is_reverse(), number };
                        ranked.push((rank, place));
                    } else {
                        add(line)?;
                    }
                }
                Ok(true)
            })?;
            ranked.sort_unstable();
            for (_, place) in ranked {
                task.check()?;
                back.again(place, &mut |_, line| add(line).map(|()| true))?;
            }
            sheet.finish()?;
            Ok(task.check()?)
        };
        report::write_new_file(&self.output, &mut fill, self.force)?;
        Ok(Exported { file: self.output.clone(), format, count: tally.count, totals: tally.totals() })
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        let mut files = self.which.files();
        files.push(FileArgument::write(&mut self.output));
        files
    }

    fn needs_full_view(&self) -> bool {
        false
    }
}

impl Export {
    fn form(&self) -> Result<Form> {
        self.format.or_else(|| Form::of(Path::new(&self.output))).ok_or_else(|| {
            Fault::new(Kind::Usage, "what the file is to be cannot be told by its name")
                .at(self.output.display())
                .expected("a name that ends with .csv, .json or .xlsx")
                .next("name it so, or say it with --format")
        })
    }
}
