//! What a person sees.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::fault::Fault;
use crate::judge::Class;
use crate::money::{self, Decimal};
use crate::normalise::Side;
use crate::report::{Report, discrepancy_table, summary, summary_table};

/// Where there is no terminal to measure.
const WIDTH: u16 = 120;

/// Standard output for bytes. A reader that goes away (`| head`) has had enough; that is no failure.
#[derive(Default)]
pub(super) struct Pipe {
    is_closed: bool,
}

impl Pipe {
    fn unless_closed<T: Default>(&mut self, written: io::Result<T>) -> io::Result<T> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(T::default())
            }
            other => other,
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_closed {
            let written = io::stdout().write(bytes);
            let count = self.unless_closed(written)?;
            if !self.is_closed {
                return Ok(count);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            Ok(())
        } else {
            let flushed = io::stdout().flush();
            self.unless_closed(flushed)
        }
    }
}

/// Prints to stdout. A reader that goes away (`| head`) ends the printing, not the verdict.
pub(super) struct Printer {
    quiet: bool,
    width: u16,
}

impl Printer {
    pub(super) fn new(quiet: bool) -> Self {
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0).or(columns);
        Self { quiet, width: width.unwrap_or(WIDTH).max(40) }
    }

    pub(super) fn line(&mut self, text: &str) {
        if !self.quiet && writeln!(std::io::stdout(), "{text}").is_err() {
            self.quiet = true;
        }
    }

    pub(super) fn fault(&self, fault: &Fault) {
        // If stderr is gone there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "error: {fault}");
    }

    /// The summary, then the discrepancies.
    pub(super) fn outcome(&mut self, report: &Report<'_>, limit: usize) {
        let summary = summary(report);
        let period = if report.period.is_empty() { String::new() } else { format!(", {}", report.period) };
        self.line(&format!("{}{period}", report.name));
        self.line(&summary_table(report, self.width));
        let groups = summary.groups;
        let mut verdict = format!(
            "{} matched, {} within tolerance, {} {}",
            groups.matched,
            groups.within_tolerance,
            groups.discrepancies,
            if groups.discrepancies == 1 { "discrepancy" } else { "discrepancies" },
        );
        if !summary.kinds.is_empty() {
            let kinds: Vec<String> =
                summary.kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            verdict = format!("{verdict} ({})", kinds.join(", "));
        }
        if groups.rejected_rows > 0 {
            let rows = if groups.rejected_rows == 1 { "row" } else { "rows" };
            verdict = format!("{verdict}, {} {rows} rejected", groups.rejected_rows);
        }
        self.line(&verdict);
        for (currency, variance) in &summary.variance {
            let shown =
                |value: Option<Decimal>| value.map_or_else(|| "over 28 digits".to_owned(), money::grouped);
            self.line(&format!(
                "overbilled {} {currency}, underbilled {} {currency}, net {} {currency}",
                shown(variance.overbilled),
                shown(variance.underbilled.map(|value| value.abs())),
                shown(variance.net)
            ));
        }
        for side in [Side::Invoice, Side::Settlement] {
            if report.outcome.control.lines(side, Class::Read) == 0 {
                let outside = match report.outcome.control.lines(side, Class::OutsidePeriod) {
                    0 => String::new(),
                    outside => format!("; all {outside} lines start outside the period"),
                };
                self.line(&format!("note: the {} side has nothing to reconcile{outside}", side.name()));
            }
        }
        for pass in &summary.passes {
            if pass.groups == 0 {
                self.line(&format!("note: the pass \"{}\" matched nothing", pass.name));
            }
        }
        if groups.discrepancies > 0 && limit > 0 {
            self.line("");
            self.line(&discrepancy_table(report, self.width, limit));
            let hidden = usize::try_from(groups.discrepancies).unwrap_or(usize::MAX).saturating_sub(limit);
            if hidden > 0 {
                self.line(&format!("… and {hidden} more: see the report, or give --limit"));
            }
        }
        for reject in crate::report::first_rejects(report, 5) {
            self.line(&reject);
        }
    }

    pub(super) fn files(&mut self, files: &[PathBuf]) {
        self.line("");
        for file in files {
            self.line(&format!("wrote {}", file.display()));
        }
    }

    #[cfg(feature = "simulator")]
    pub(super) fn demo(&mut self, shown: &crate::operations::Shown<'_>, limit: usize) {
        use crate::operations::Shown;
        match shown {
            Shown::Started { directory, notice } => {
                self.line(&format!("wrote a set-up into {}", directory.display()));
                self.line(notice);
                self.line(&format!(
                    "running: tieout reconcile --config {}\n",
                    quoted(&directory.join("tieout.toml").display().to_string())
                ));
            }
            Shown::Reconciled { report, files } => {
                self.outcome(report, limit);
                self.files(files);
            }
            Shown::Executed { log, executions } => {
                self.line(&format!("\nwhat the platform itself logged ({}):", log.display()));
                self.line(&crate::report::table(
                    self.width,
                    &["time", "user", "method", "arguments", "outcome", "rows"],
                    executions.iter().map(|call| {
                        [
                            &call.time,
                            &call.user,
                            &call.method,
                            &named(&call.arguments),
                            &call.outcome,
                            &call.rows.to_string(),
                        ]
                        .map(ToString::to_string)
                    }),
                ));
            }
            Shown::Next { directory, port } => {
                let at = |name: &str| quoted(&directory.join(name).display().to_string());
                self.line("\nthe platform is stopped, nothing is left running. Try next:");
                self.line(&format!("  less {}", at("reports/discrepancies.csv")));
                self.line(&format!("  less {}", at("tieout.toml")));
                self.line(&format!(
                    "  {} platform simulate --records {} --user 'CORP\\svc_recon' --password {} --port {port} &",
                    program(),
                    at("platform/records.csv"),
                    quoted(&format!("file:{}", directory.join("platform/password").display())),
                ));
                self.line(&format!("  {} reconcile --config {} --limit 5", program(), at("tieout.toml")));
            }
        }
    }
}

/// How this program was called, for commands to be called the same way.
#[cfg(feature = "simulator")]
fn program() -> String {
    quoted(&std::env::args().next().unwrap_or_else(|| "tieout".to_owned()))
}

/// A word for a shell, in quotes where it needs them.
#[cfg(feature = "simulator")]
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':');
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// `{"page":"1","pageSize":"50"}` as lines of `page = 1`.
#[cfg(feature = "simulator")]
fn named(arguments: &str) -> String {
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(arguments) else {
        return arguments.to_owned();
    };
    let lines = object.iter().map(|(name, value)| format!("{name} = {}", value.as_str().unwrap_or_default()));
    lines.collect::<Vec<_>>().join("\n")
}
