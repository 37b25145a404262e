//! Simulate: the embedded platform, for trying things out.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fault::{Fault, Kind, Result};
use crate::secret::Reference;
use crate::simulator::{Settings, Simulator, User};

/// Run an embedded settlement platform, for demos and tests
///
/// Serves the records of a CSV file over SOAP 1.1 and 1.2 behind NTLM, on this
/// machine only, and writes an execution log (SQLite). It is no platform for
/// real settlements. Stop it with Ctrl-C.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
pub struct Simulate {
    /// The settlement records: a CSV file with a header row
    #[arg(short, long, value_name = "FILE")]
    pub records: PathBuf,

    /// Who may sign in: DOMAIN\user
    #[arg(short, long, value_name = "USER")]
    pub user: String,

    /// Where the password is: env:NAME, file:PATH or command:PROGRAM ARGUMENTS
    #[arg(long, value_name = "REFERENCE")]
    pub password: String,

    /// The port to listen on; 0 is any free one
    #[arg(short, long, value_name = "PORT", default_value_t = 8580)]
    #[serde(default = "default_port")]
    pub port: u16,

    /// The execution log, a SQLite file; kept in memory where none is named
    #[arg(long, value_name = "FILE")]
    pub execution_log: Option<PathBuf>,

    /// The column that names the counterparty; guessed where not given
    #[arg(long, value_name = "COLUMN")]
    pub vendor_column: Option<String>,

    /// The column with the start of delivery; guessed where not given
    #[arg(long, value_name = "COLUMN")]
    pub start_column: Option<String>,

    /// Compress answers for callers that ask for it
    #[arg(long)]
    #[serde(default)]
    pub gzip: bool,
}

const fn default_port() -> u16 {
    8580
}

impl Simulate {
    /// Serves until the process ends; `say` is told where.
    ///
    /// # Errors
    /// What keeps the platform from starting.
    pub fn run(&self, say: &mut dyn FnMut(&str)) -> Result<()> {
        let password = Reference::try_from(self.password.clone())
            .map_err(|why| Fault::new(Kind::Usage, why).at("--password"))?
            .resolve(Path::new(""))?;
        let simulator = Simulator::start(Settings {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            vendor_column: self.vendor_column.clone(),
            start_column: self.start_column.clone(),
            gzip: self.gzip,
            log: self.execution_log.clone(),
            ..Settings::new(&self.records, vec![User { name: self.user.clone(), password }])
        })?;
        say(&simulator.notice());
        loop {
            std::thread::park();
        }
    }
}
