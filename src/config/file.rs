//! `tieout.toml` as it stands in the file; an unknown key is an error that names the nearest one.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::passes::PartsOf;
use super::rates::RatesFile;
use super::totals::{OneOrMore, TotalFile};
use super::versions::VersionsFile;
use crate::fault::{self, Fault, Kind, Result};
use crate::intake::{Delimiter, Encoding, Sheet};
use crate::judge::{Combine, Of};
use crate::matching::Compare;
use crate::money::DecimalMark;
use crate::normalise::{Headers, KeySettings};
use crate::period::{EndDate, Repeated, Skipped};
use crate::platform;
use crate::report::Format;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) reconciliation: Reconciliation,
    pub(super) invoices: SideFile,
    pub(super) settlements: SideFile,
    pub(super) platform: Option<platform::Settings>,
    #[serde(default)]
    pub(super) normalise: BTreeMap<String, KeySettings>,
    #[serde(default)]
    pub(super) pass: Vec<PassFile>,
    #[serde(default)]
    pub(super) tolerance: Vec<ToleranceFile>,
    #[serde(default)]
    pub(super) judge: JudgeFile,
    pub(super) rates: Option<RatesFile>,
    #[serde(default)]
    pub(super) report: ReportFile,
    /// The server's own: `config::serve` reads it, and no reconciliation depends on it.
    #[serde(default, rename = "serve")]
    pub(super) _serve: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reconciliation {
    pub(super) name: String,
    pub(super) time_zone: String,
    pub(super) period: Option<String>,
    pub(super) gas_day: Option<String>,
    #[serde(default)]
    pub(super) allow_rejects: u64,
    pub(super) memory: Option<String>,
    #[serde(default)]
    pub(super) check_arithmetic: CheckArithmetic,
}

/// Whose arithmetic is checked: everybody's, nobody's, or one side's.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum CheckArithmetic {
    All(bool),
    One(String),
}

impl Default for CheckArithmetic {
    fn default() -> Self {
        Self::All(true)
    }
}

impl CheckArithmetic {
    /// Whether that of the invoices is checked, and that of the settlements.
    pub(super) fn sides(&self) -> Result<[bool; 2]> {
        match self {
            Self::All(both) => Ok([*both; 2]),
            Self::One(side) if side == "invoices" => Ok([true, false]),
            Self::One(side) if side == "settlements" => Ok([false, true]),
            Self::One(other) => Err(Fault::new(Kind::Configuration, "this is no side")
                .at("[reconciliation] check_arithmetic")
                .value(other)
                .expected("true, false, \"invoices\" or \"settlements\"")),
        }
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SourceName {
    #[default]
    Files,
    Platform,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SideFile {
    #[serde(default)]
    pub(super) source: SourceName,
    #[serde(default)]
    pub(super) files: Vec<String>,
    pub(super) sheet: Option<Sheet>,
    pub(super) header_row: Option<NonZeroU32>,
    pub(super) delimiter: Option<Delimiter>,
    pub(super) encoding: Option<Encoding>,
    pub(super) time_zone: Option<String>,
    #[serde(default)]
    pub(super) dates: Vec<String>,
    pub(super) interval: Option<String>,
    pub(super) gas_day: Option<String>,
    pub(super) end_date: Option<EndDate>,
    #[serde(default)]
    pub(super) repeated_hour: Repeated,
    #[serde(default)]
    pub(super) skipped_hour: Skipped,
    #[serde(default)]
    pub(super) decimal: DecimalMark,
    #[serde(default)]
    pub(super) columns: BTreeMap<String, Headers>,
    #[serde(default)]
    pub(super) defaults: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) scale: BTreeMap<String, u32>,
    pub(super) versions: Option<VersionsFile>,
    pub(super) taxes: Option<TaxesFile>,
    #[serde(default)]
    pub(super) totals: OneOrMore<TotalFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaxesFile {
    pub(super) compare: Taxed,
    #[serde(default)]
    pub(super) rates: Vec<String>,
}

/// What of a line is compared.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Taxed {
    Net,
    Tax,
    Gross,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PassFile {
    pub(super) name: String,
    #[serde(default)]
    pub(super) key: Vec<String>,
    #[serde(default)]
    pub(super) compare: Compare,
    pub(super) within: Option<String>,
    pub(super) of: Option<PartsOf>,
    pub(super) sum_within: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToleranceFile {
    pub(super) field: String,
    pub(super) absolute: Option<String>,
    pub(super) percent: Option<String>,
    pub(super) of: Option<Of>,
    pub(super) per_unit: Option<String>,
    pub(super) per_line: Option<String>,
    pub(super) floor: Option<String>,
    pub(super) cap: Option<String>,
    pub(super) combine: Option<Combine>,
    #[serde(default)]
    pub(super) when: BTreeMap<String, Headers>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct JudgeFile {
    pub(super) tax_rates: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ReportFile {
    pub(super) directory: PathBuf,
    pub(super) formats: Vec<Format>,
    pub(super) minimum: Option<String>,
}

impl Default for ReportFile {
    fn default() -> Self {
        Self { directory: "reports".into(), formats: vec![Format::Csv, Format::Json], minimum: None }
    }
}

impl File {
    pub(super) fn parse(text: &str, path: &Path) -> Result<Self> {
        parsed(text, path)
    }
}

/// `text` as what it should be; whatever is wrong with it, with its line in `path`.
pub(super) fn parsed<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        let line =
            error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
        let message = error.message().trim();
        let fault = Fault::new(Kind::Configuration, message.lines().collect::<Vec<_>>().join(" "))
            .at(format!("{}:{line}", path.display()));
        match fault::did_you_mean(message) {
            Some(near) => fault.next(format!("did you mean {near}?")),
            None if message.contains("floating point") => {
                fault.next("write decimals in quotes, such as \"0.01\": they are exact")
            }
            None if message.ends_with("expected a sequence") => {
                fault.next("write a list, even of one: [\"…\"]")
            }
            None if message.starts_with("missing field") => {
                fault.next("write the key into the table that starts at this line")
            }
            None => fault,
        }
    })
}
