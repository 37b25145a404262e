//! A small set-up in a folder of its own, and the real binary run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Two lines of one vendor, which tie out.
pub(super) const INVOICE: &str = "\
Invoice,Seller,Contract,From,Volume,Rate,Total,Ccy
INV-1,ALFA GAS,G-1,2026-10-01,100,3.25,325.00,USD
INV-1,ALFA GAS,G-2,2026-10-02,200,3.10,620.00,USD
";

/// The records of the same deliveries.
pub(super) const RECORDS: &str = "\
TradeId,Counterparty,FlowStart,Volume,Price,Amount,Ccy
G-1,ALFA GAS,2026-10-01,100,3.25,325.00,USD
G-2,ALFA GAS,2026-10-02,200,3.10,620.00,USD
";

const CONFIG: &str = r#"[reconciliation]
name = "small"
time_zone = "America/Chicago"
period = "2026-10"

[invoices]
files = ["invoices/*"]

[invoices.columns]
document = "Invoice"
vendor = "Seller"
deal = "Contract"
start = "From"
quantity = "Volume"
price = "Rate"
amount = "Total"
currency = "Ccy"

[settlements]
files = ["records.csv"]

[settlements.columns]
vendor = "Counterparty"
deal = "TradeId"
start = "FlowStart"
quantity = "Volume"
price = "Price"
amount = "Amount"
currency = "Ccy"

[[pass]]
name = "line by line"
key = ["deal", "start"]

[[tolerance]]
field = "amount"
absolute = "0.01"
"#;

/// A file or folder of the real data, which is not part of the repository; `None`, said aloud, where it is not there.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should know what was skipped")]
pub(super) fn shared(what: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared"));
    let path = std::env::var_os("TIEOUT_SHARED").map_or(beside, PathBuf::from).join(what);
    if !path.exists() {
        eprintln!("skipped: {} does not exist", path.display());
        return None;
    }
    Some(path)
}

/// The binary, with nothing of the terminal or the environment that a test should not depend on.
pub(super) fn tieout() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tieout"));
    command.env("COLUMNS", "100").env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("everything that is printed is UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A folder with a `tieout.toml` and its inputs; gone when it is dropped.
pub(super) struct Setup(TempDir);

impl Setup {
    /// The set-up above: files on both sides, which tie out.
    pub(super) fn small() -> Self {
        let setup = Self::of(CONFIG);
        setup.write("invoices/alfa.csv", INVOICE);
        setup.write("records.csv", RECORDS);
        setup
    }

    /// A folder with a configuration and nothing else.
    pub(super) fn of(config: &str) -> Self {
        let setup = Self(tempfile::tempdir().unwrap());
        setup.write("tieout.toml", config);
        setup
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces `from`, which must be there, in one of the files.
    pub(super) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} does not hold {from:?}");
        self.write(name, text.replacen(from, to, 1));
    }

    /// `tieout reconcile ARGUMENTS`, to be run in the folder.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tieout();
        command.current_dir(self.folder()).arg("reconcile").args(arguments);
        command
    }

    /// Runs `tieout reconcile ARGUMENTS` in the folder.
    pub(super) fn reconcile(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().unwrap().into()
    }

    /// The names and bytes of all files below `name`, in order; none where there is no such folder.
    pub(super) fn files(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, files);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    files.push((path, bytes));
                }
            }
        }
        let mut files = Vec::new();
        collect(&self.path(name), &mut files);
        for (path, _) in &mut files {
            *path = path.strip_prefix(self.folder()).unwrap().to_owned();
        }
        files.sort();
        files
    }
}

/// The rows of a CSV file as text, the header first.
pub(super) fn table(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The cells below `header`.
pub(super) fn column<'a>(table: &'a [Vec<String>], header: &str) -> Vec<&'a str> {
    let at = table[0].iter().position(|name| name == header).unwrap_or_else(|| panic!("no column {header}"));
    table[1..].iter().map(|row| row[at].as_str()).collect()
}

/// An embedded platform for one user, and the set-up that asks it.
#[cfg(feature = "simulator")]
pub(super) mod platform {
    use tieout::simulator::{NAMESPACE, Settings, Simulator, User};

    use super::Setup;

    pub(in super::super) const USER: &str = r"CORP\svc_recon";
    pub(in super::super) const PASSWORD: &str = "Correct-Horse-7";
    /// Where the password is.
    pub(in super::super) const VARIABLE: &str = "TIEOUT_TEST_PASSWORD";

    /// Serves `records` (a file of the set-up), with what `change` changes.
    pub(in super::super) fn start(
        setup: &Setup,
        records: &str,
        change: impl FnOnce(&mut Settings),
    ) -> Simulator {
        let user = User { name: USER.to_owned(), password: PASSWORD.to_owned().into() };
        let mut settings = Settings::new(setup.path(records), vec![user]);
        change(&mut settings);
        Simulator::start(settings).unwrap()
    }

    /// Lets `[settlements]` of the set-up, which reads `files`, ask `endpoint` instead.
    pub(in super::super) fn ask(setup: &Setup, files: &str, endpoint: &str) {
        setup.edit("tieout.toml", files, "source = \"platform\"\n");
        let config = setup.read("tieout.toml");
        setup.write(
            "tieout.toml",
            format!(
                r#"{config}
[platform]
endpoint = "{endpoint}"
namespace = "{NAMESPACE}"
soap = "1.1"
auth = "ntlm"
username = '{USER}'
password = "env:{VARIABLE}"

[platform.request]
operation = "GetSettlements"
parameters = {{ counterparty = "{{vendor}}", from = "{{window.start}}", to = "{{window.end}}", page = "{{page}}", pageSize = "{{page_size}}" }}
records = "GetSettlementsResult/Items/SettlementRecord"
total = "GetSettlementsResult/TotalCount"
page_size = 1
"#
            ),
        );
    }
}
