//! Demo: a small set-up, an embedded platform, and the very operation that runs every night.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::reconcile::{DEFAULT_LIMIT, default_limit};
use super::{Context, Finding, Reconcile};
use crate::fault::{Fault, Kind, Result};
use crate::report::Report;
use crate::simulator::{Execution, NAMESPACE, Settings, Simulator, User};

const CONFIG: &str = include_str!("tieout.toml");
const GAS: &str = include_str!("prairie-gas.csv");
const POWER: &str = include_str!("lone-star-power.csv");
const VENDORS: &str = include_str!("vendors.csv");
const RECORDS: &str = include_str!("records.csv");
const USERNAME: &str = r"CORP\svc_recon";

/// See a reconciliation from end to end
///
/// Writes a small set-up into a directory (tieout.toml, invoices as CSV and
/// XLSX, the platform's records), starts an embedded platform on this machine,
/// reconciles against it over SOAP and NTLM, and shows from the platform's own
/// execution log what ran there, and as whom. Nothing is left running.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
pub struct Demo {
    /// Where to write the set-up and the reports
    #[arg(value_name = "DIRECTORY", default_value = "tieout-demo")]
    #[serde(default = "default_directory")]
    pub directory: PathBuf,

    /// How many discrepancies to show, the largest variance first; the reports hold all
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    #[serde(default = "default_limit")]
    pub limit: usize,
}

fn default_directory() -> PathBuf {
    "tieout-demo".into()
}

/// What the demo shows, in this order.
pub enum Shown<'a> {
    /// The set-up is written and the platform runs.
    Started {
        /// Where the set-up is.
        directory: &'a Path,
        /// What the platform says of itself.
        notice: &'a str,
    },
    /// The reconciliation is done.
    Reconciled {
        /// Its outcome.
        report: &'a Report<'a>,
        /// The files that it wrote.
        files: &'a [PathBuf],
    },
    /// What the platform logged, read back after it was stopped.
    Executed {
        /// Where the log is.
        log: &'a Path,
        /// Its lines.
        executions: &'a [Execution],
    },
    /// What to try now.
    Next {
        /// Where the set-up is.
        directory: &'a Path,
        /// Where the platform was.
        port: &'a str,
        /// The discrepancy with the largest variance, to be explained.
        discrepancy: Option<&'a str>,
    },
}

impl Demo {
    /// Runs the demo; `show` sees what happens.
    ///
    /// # Errors
    /// Where the directory holds something else, and whatever a reconciliation may end with.
    pub fn run(&self, context: &Context<'_>, show: &mut dyn FnMut(&Shown<'_>)) -> Result<Finding> {
        let directory = self.directory.as_path();
        let password = self.prepare()?;
        let log = directory.join("platform/execution-log.sqlite");
        let users = vec![User { name: USERNAME.to_owned(), password: SecretString::from(password) }];
        let simulator = Simulator::start(Settings {
            log: Some(log.clone()),
            ..Settings::new(directory.join("platform/records.csv"), users)
        })?;
        let config = CONFIG
            .replace("@ENDPOINT@", simulator.endpoint())
            .replace("@NAMESPACE@", NAMESPACE)
            .replace("@USERNAME@", USERNAME);
        put(directory, "tieout.toml", config.as_bytes())?;
        show(&Shown::Started { directory, notice: &simulator.notice() });

        let reconcile = Reconcile::of(directory.join("tieout.toml"));
        let mut discrepancy = None;
        let finding = reconcile.run(context, &mut |report, files| {
            discrepancy = report.outcome.discrepancies.first().map(|discrepancy| discrepancy.id.clone());
            show(&Shown::Reconciled { report, files });
        })?;

        let port = simulator.endpoint().rsplit([':', '/']).nth(1).unwrap_or_default().to_owned();
        simulator.stop();
        show(&Shown::Executed { log: &log, executions: &crate::simulator::read_log(&log)? });
        show(&Shown::Next { directory, port: &port, discrepancy: discrepancy.as_deref() });
        Ok(finding)
    }

    /// Writes all of the set-up but the configuration, which waits for the platform's port; returns the password.
    fn prepare(&self) -> Result<String> {
        let directory = self.directory.as_path();
        let config = directory.join("tieout.toml");
        let is_ours = |text: String| text.lines().next() == CONFIG.lines().next();
        let occupied = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !std::fs::read_to_string(&config).is_ok_and(is_ours) {
            return Err(Fault::new(Kind::Usage, "the directory holds something that is not the demo's")
                .at(directory.display())
                .next("name another: tieout demo DIRECTORY"));
        }
        // Enough to keep other users of this machine out of a platform that lives for a second.
        let password =
            format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2));
        let workbook = workbook(POWER)
            .map_err(|error| Fault::new(Kind::Bug, "the demo's workbook cannot be made").because(error))?;
        for (name, bytes) in [
            ("invoices/prairie-gas-2026-10.csv", GAS.as_bytes()),
            ("invoices/lone-star-power-2026-10.xlsx", &workbook),
            ("vendors.csv", VENDORS.as_bytes()),
            ("platform/records.csv", RECORDS.as_bytes()),
            ("platform/password", password.as_bytes()),
        ] {
            put(directory, name, bytes)?;
        }
        let log = directory.join("platform/execution-log.sqlite");
        match std::fs::remove_file(&log) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::new(Kind::Output, "the earlier execution log cannot be removed")
                    .at(log.display())
                    .because(error))
            }
            _ => Ok(password),
        }
    }
}

fn put(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = directory.join(name);
    let write = || -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, bytes)?;
        #[cfg(unix)]
        if name.ends_with("password") {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        }
        Ok(())
    };
    write().map_err(|error| {
        Fault::new(Kind::Output, "the set-up cannot be written")
            .at(path.display())
            .because(error)
            .next("name a directory that can be written: tieout demo DIRECTORY")
    })
}

/// A table as a workbook: numbers and times become cells of that kind, as a vendor's system would export them.
fn workbook(table: &str) -> anyhow::Result<Vec<u8>> {
    let mut workbook = Workbook::new();
    let bold = Format::new().set_bold();
    let time = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    let sheet = workbook.add_worksheet().set_name("Statement")?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
    for (row, record) in (0_u32..).zip(reader.records()) {
        for (column, cell) in (0_u16..).zip(&record?) {
            if row == 0 {
                sheet.write_with_format(row, column, cell, &bold)?;
            } else if let Ok(number) = cell.parse::<f64>() {
                sheet.write_number(row, column, number)?;
            } else if let Ok(at) = ExcelDateTime::parse_from_str(cell) {
                sheet.write_datetime_with_format(row, column, at, &time)?;
            } else {
                sheet.write_string(row, column, cell)?;
            }
        }
    }
    sheet.autofit();
    Ok(workbook.save_to_buffer()?)
}
