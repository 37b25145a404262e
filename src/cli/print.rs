//! What a person sees.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::examination::Check;
use crate::fault::{Result, shown_lines};
use crate::operations::Diagnosis;
use crate::report::{Report, screen};

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
    pub(super) quiet: bool,
    pub(super) width: u16,
}

impl Printer {
    pub(super) fn new(quiet: bool) -> Self {
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0).or(columns);
        Self { quiet, width: width.unwrap_or(WIDTH).max(40) }
    }

    pub(super) fn line(&mut self, text: &str) {
        // Texts of vendors and platforms reach the terminal here: nothing of them may move its cursor.
        if !self.quiet && writeln!(std::io::stdout(), "{}", shown_lines(text)).is_err() {
            self.quiet = true;
        }
    }

    pub(super) fn fault(&self, fault: &str, has_more: bool) {
        let more = if has_more { "\n  --verbose shows all that it says" } else { "" };
        // If stderr is gone there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "error: {}{more}", shown_lines(fault));
    }

    /// Something that a person must do before it goes on: quiet or not.
    pub(super) fn ask(&self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{}", shown_lines(text));
    }

    /// Something to know, which is no result.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "note: {text}");
        }
    }

    /// A result for programs.
    pub(super) fn json(&mut self, result: &impl serde::Serialize) -> Result<()> {
        self.line(&crate::report::to_json(result)?);
        Ok(())
    }

    /// The summary, then the discrepancies.
    pub(super) fn outcome(&mut self, report: &Report<'_>, limit: usize) {
        if !self.quiet {
            self.line(&screen(report, self.width, limit));
        }
    }

    /// One discrepancy, explained.
    pub(super) fn explained(&mut self, explained: &crate::report::Explained, as_json: bool) -> Result<()> {
        if as_json {
            return self.json(explained);
        }
        self.line(&explained.text(self.width));
        Ok(())
    }

    /// The examination of a platform, fit to be pasted into a ticket.
    pub(super) fn diagnosis(&mut self, diagnosis: &Diagnosis, as_json: bool) -> Result<()> {
        if as_json {
            return self.json(diagnosis);
        }
        self.line(&format!("tieout {}, platform doctor, {}", diagnosis.tieout, diagnosis.time));
        if let Some(endpoint) = &diagnosis.endpoint {
            self.line(endpoint);
        }
        self.checks(&diagnosis.checks);
        self.line(&diagnosis.summary());
        Ok(())
    }

    /// What was examined, step by step.
    pub(super) fn checks(&mut self, checks: &[Check]) {
        self.line(&crate::report::table(
            self.width,
            &["check", "verdict", "ms", "what was found, and what to do"],
            checks.iter().map(|Check { check, verdict, milliseconds, found, next, .. }| {
                let next = next.as_ref().map(|next| format!("\n→ {next}")).unwrap_or_default();
                let milliseconds = milliseconds.to_string();
                [(*check).to_owned(), verdict.name().to_owned(), milliseconds, format!("{found}{next}")]
            }),
        ));
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
                            &call.arguments_by_line(),
                            &call.outcome,
                            &call.rows.to_string(),
                        ]
                        .map(ToString::to_string)
                    }),
                ));
            }
            Shown::Next { directory, port, discrepancy } => {
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
                if let Some(id) = discrepancy {
                    self.line(&format!("  {} explain {id} --config {}", program(), at("tieout.toml")));
                }
            }
        }
    }
}

/// How this program was called, for commands to be called the same way.
pub(super) fn program() -> String {
    quoted(&std::env::args().next().unwrap_or_else(|| "tieout".to_owned()))
}

/// A word for a shell, in quotes where it needs them.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':');
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
