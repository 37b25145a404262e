//! In: `tieout.toml`. Out: [`Settings`], checked as far as that is possible
//! without reading an invoice or calling the platform. Never: holds a secret, or lets an unknown key pass.

mod decimal;
mod file;
mod intervals;
mod keys;
mod passes;
mod rates;
mod taxes;
mod tolerances;
mod totals;
mod versions;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use self::file::{File, PassFile, SideFile};
use self::rates::RatesFile;
use self::totals::TotalFile;
use self::versions::VersionsFile;
use crate::digest::hexadecimal;
use crate::fault::{self, Fault, Kind, Result};
use crate::intake::FileSettings;
use crate::judge::Tolerance;
use crate::matching::Pass;
use crate::money::Decimal;
use crate::normalise::{Fields, Holds, KeyRules, Rates, Reading, Role, VersionSettings};
use crate::period::{Part, Period, Zone};
use crate::platform::{self, PLACEHOLDERS, split_placeholder};
use crate::report::Format;
use crate::secret::Reference;

/// Where a side's rows come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Files.
    Files(FileSettings),
    /// The platform.
    Platform(Box<platform::Settings>),
}

/// One side: where its rows are and how they are read.
#[derive(Clone, Debug)]
pub struct SideSettings {
    /// Where the rows come from.
    pub source: Source,
    /// How they become entries.
    pub reading: Reading,
}

/// All that `tieout.toml` says, ready for use.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of `tieout.toml`; relative paths start there.
    pub base: PathBuf,
    /// The name of the reconciliation.
    pub name: String,
    /// The zone of local times.
    pub zone: Zone,
    /// The days of the run, if they are limited.
    pub period: Option<Period>,
    /// How many rejected rows a run may have and still be judged by its discrepancies alone.
    pub allow_rejects: u64,
    /// Whether quantity × price is checked against the amount: of the invoices, and of the settlements.
    pub check_arithmetic: [bool; 2],
    /// What the vendors billed.
    pub invoices: SideSettings,
    /// What the platform recorded.
    pub settlements: SideSettings,
    /// The text fields of an entry.
    pub fields: Fields,
    /// How they are made comparable.
    pub keys: KeyRules,
    /// The passes in order.
    pub passes: Vec<Pass>,
    /// The tolerances in order.
    pub tolerances: Vec<Tolerance>,
    /// Which versions of the settlements count; none where all do.
    pub versions: Option<VersionSettings>,
    /// What converts settlements into the invoice's currency; without it, currencies never meet.
    pub rates: Option<Rates>,
    /// In percent: what a tax may add to an amount or a price.
    pub tax_rates: Vec<Decimal>,
    /// Where reports go.
    pub directory: PathBuf,
    /// Which are written.
    pub formats: Vec<Format>,
    /// Bytes that the entries of both sides may take in memory before they go to a temporary file.
    pub memory: usize,
    /// Below this a variance is counted and not listed.
    pub minimum: Option<Decimal>,
    /// SHA-256 over `tieout.toml`, the tables of aliases and rates, and the period.
    pub digest: String,
}

/// What the command line says over `tieout.toml`.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// In place of `reconciliation.period`.
    pub period: Option<String>,
    /// In place of `report.directory`.
    pub directory: Option<PathBuf>,
    /// In place of `reconciliation.allow_rejects`.
    pub allow_rejects: Option<u64>,
    /// In place of `reconciliation.memory`.
    pub memory: Option<String>,
}

/// Reads `path`. `now` is what relative periods are seen from.
///
/// # Errors
/// [`Kind::Configuration`] naming the key, its value and what was expected.
pub fn load(path: &Path, overrides: &Overrides, now: SystemTime) -> Result<Settings> {
    let text = text(path)?;
    File::parse(&text, path).and_then(|file| settings(file, &text, base(path), overrides, now))
}

/// Reads the `[platform]` table of `path` alone, with the folder that its relative paths start in.
///
/// # Errors
/// [`Kind::Configuration`] where the file cannot be read or has no such table.
pub fn platform(path: &Path) -> Result<(platform::Settings, PathBuf)> {
    match File::parse(&text(path)?, path)?.platform {
        Some(platform) => Ok((platform, base(path))),
        None => Err(Fault::new(Kind::Configuration, "nothing says where the platform is")
            .at(path.display())
            .expected("a [platform] table with endpoint, namespace and request")),
    }
}

/// Reads the `[serve]` table of `path` alone, as the server calls for it, if there is one; and the folder that its relative paths
/// start in.
///
/// # Errors
/// [`Kind::Configuration`] where the file cannot be read, or the table is not as it should be.
pub fn serve<T: DeserializeOwned>(path: &Path) -> Result<(Option<T>, PathBuf)> {
    #[derive(Deserialize)]
    struct Served<T> {
        serve: Option<T>,
    }
    Ok((file::parsed::<Served<T>>(&text(path)?, path)?.serve, base(path)))
}

/// The files that `path` names for what nobody else may read: the platform's password, and the key of a certificate.
///
/// # Errors
/// [`Kind::Configuration`] where the file cannot be read, or names them in a way that cannot be understood.
pub fn secret_files(path: &Path) -> Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Holding {
        platform: Option<Held>,
    }
    #[derive(Deserialize)]
    struct Held {
        password: Option<Reference>,
        client_key: Option<PathBuf>,
    }
    let Some(held) = file::parsed::<Holding>(&text(path)?, path)?.platform else { return Ok(Vec::new()) };
    let password = held.password.and_then(|password| match password {
        Reference::File(file) => Some(file),
        Reference::Env(_) | Reference::Command(_) => None,
    });
    Ok(password.into_iter().chain(held.client_key).collect())
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let next = match error.kind() {
            std::io::ErrorKind::InvalidData => "save it as UTF-8",
            _ => "name it with --config, or run `tieout demo` for a set-up to start from",
        };
        Fault::new(Kind::Configuration, "the configuration cannot be read")
            .at(path.display())
            .because(error)
            .next(next)
    })
}

fn base(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_owned()
}

fn settings(
    mut file: File,
    text: &str,
    base: PathBuf,
    overrides: &Overrides,
    now: SystemTime,
) -> Result<Settings> {
    let zone = Zone::named(&file.reconciliation.time_zone)
        .map_err(|fault| fault.at("[reconciliation] time_zone"))?;
    let period = overrides.period.as_ref().or(file.reconciliation.period.as_ref());
    let gas_day = intervals::gas_day(file.reconciliation.gas_day.as_deref(), "reconciliation")?;
    let period = period.map(|period| Period::parse(period, &zone, now)).transpose()?;
    let period = period.map(|period| period.of_gas_days(gas_day));

    let memory = match (&overrides.memory, &file.reconciliation.memory) {
        (Some(given), _) => memory(given).map_err(|fault| fault.at("--memory"))?,
        (None, Some(given)) => memory(given).map_err(|fault| fault.at("[reconciliation] memory"))?,
        (None, None) => MEMORY,
    };
    if file.invoices.versions.is_some() {
        return Err(versions::refuse_for_invoices());
    }
    let versions = file.settlements.versions.take();
    let totals =
        [std::mem::take(&mut file.invoices.totals.0), std::mem::take(&mut file.settlements.totals.0)];
    let mut invoices = side(file.invoices, "invoices", None)?;
    let mut settlements = side(file.settlements, "settlements", file.platform)?;
    // The day of publication is the settlements' alone, unless the invoices say that they have it.
    let published = versions.as_ref().and_then(VersionsFile::published);
    // The day of a rate may stand on one side alone.
    let rated = file.rates.as_ref().and_then(RatesFile::attribute);
    invoices.reading.leave_to_the_other_side(published.into_iter().chain(rated));
    settlements.reading.leave_to_the_other_side(rated);
    // A side's totals are its own affair.
    let [of_invoices, of_settlements] = &totals;
    invoices.reading.leave_to_the_other_side(of_settlements.iter().flat_map(TotalFile::names));
    settlements.reading.leave_to_the_other_side(of_invoices.iter().flat_map(TotalFile::names));
    let sides = [("invoices", &invoices.reading), ("settlements", &settlements.reading)];

    let mut fields = Fields::default();
    let mut keyed = Vec::new();
    if file.pass.is_empty() {
        return Err(Fault::new(
            Kind::Configuration,
            "there is no [[pass]]: nothing says which lines belong together",
        )
        .at("tieout.toml")
        .expected("[[pass]]\nname = \"line by line\"\nkey = [\"deal\", \"charge\", \"start\", \"end\"]"));
    }
    let passes =
        file.pass.into_iter().map(|file| pass(file, &mut fields, &mut keyed)).collect::<Result<Vec<_>>>()?;
    passes::check(&passes, sides)?;
    for name in &keyed {
        check_keyed(name, sides)?;
    }
    for name in tolerances::fields(&file.tolerance, &mut fields)? {
        check_keyed(name, sides)?;
    }
    if let Some(versions) = &versions {
        versions.attribute(&mut fields)?;
    }
    if let Some(name) = rated {
        fields.add(name);
    }
    for ((table, reading), files) in sides.into_iter().zip(&totals) {
        totals::fields(table, files, reading, &mut fields)?;
    }
    keys::check(&fields)?;
    let known: Vec<&str> = Role::ALL
        .iter()
        .map(|role| role.name())
        .chain(fields.all().map(|field| fields.name(field)).filter(|name| Role::named(name).is_none()))
        .collect();
    for (table, reading) in sides {
        let columns = reading.columns.keys().map(|name| ("columns", name));
        let defaults = reading.defaults.keys().map(|name| ("defaults", name));
        for (key, name) in columns.chain(defaults) {
            let is_part = key == "columns" && Part::beside(name).is_some();
            if !is_part && !known.contains(&name.as_str()) {
                let mut known = known.clone();
                for part in Part::ALL.into_iter().skip(2).filter(|_| key == "columns") {
                    known.push(part.name());
                }
                return Err(unknown(name, &known).at(format!("[{table}.{key}]")));
            }
        }
    }
    let mut rules = Vec::new();
    for (name, settings) in &file.normalise {
        let field = fields.find(name).ok_or_else(|| match Role::named(name) {
            Some(_) => {
                Fault::new(Kind::Configuration, "only texts have a key rule").at("[normalise]").value(name)
            }
            None => unknown(name, &known).at("[normalise]"),
        })?;
        rules.push((field, settings));
    }
    let keys = KeyRules::load(rules, &fields, &base)?;
    let tolerances = tolerances::checked(file.tolerance, &fields, &keys, sides)?;
    let tax_rates = decimal::rates("[judge] tax_rates", &file.judge.tax_rates)?;
    let versions = versions
        .map(|file| file.checked(&fields, &keys, &passes, &settlements.reading, &zone))
        .transpose()?
        .flatten();
    invoices.reading.totals = totals::checked("invoices", of_invoices, &fields, &keys)?;
    settlements.reading.totals = totals::checked("settlements", of_settlements, &fields, &keys)?;
    let table_of_rates = file.rates.as_ref().map(|rates| rates.file.clone());
    let rates = file
        .rates
        .map(|rates| rates.checked(&fields, [&invoices.reading, &settlements.reading], &zone, &base))
        .transpose()?;
    if let Source::Platform(platform) = &settlements.source {
        check_placeholders(platform, period.as_ref(), &invoices.reading)?;
    }
    let mut digest = Sha256::new();
    digest.update(text);
    digest.update(period.as_ref().map(ToString::to_string).unwrap_or_default());
    let aliases = file.normalise.values().filter_map(|settings| settings.aliases.as_ref());
    for path in aliases.chain(&table_of_rates) {
        digest.update(std::fs::read(base.join(path)).unwrap_or_default());
    }
    let mut formats = file.report.formats;
    formats.sort_unstable();
    formats.dedup();
    Ok(Settings {
        name: file.reconciliation.name,
        zone,
        period,
        allow_rejects: overrides.allow_rejects.unwrap_or(file.reconciliation.allow_rejects),
        check_arithmetic: file.reconciliation.check_arithmetic.sides()?,
        invoices,
        settlements,
        fields,
        keys,
        passes,
        tolerances,
        versions,
        rates,
        tax_rates,
        directory: overrides.directory.clone().unwrap_or_else(|| base.join(&file.report.directory)),
        formats,
        memory,
        minimum: decimal::read("[report] minimum", file.report.minimum.as_deref())?,
        digest: hexadecimal(&digest.finalize()),
        base,
    })
}

/// What lines may take in memory where nobody says.
const MEMORY: usize = 256 << 20;

/// The least that makes sense: below it, all the time goes into temporary files.
const LEAST_MEMORY: usize = 16 << 20;

/// Reads an amount of memory.
fn memory(text: &str) -> Result<usize> {
    bytes(text).ok().filter(|&size| size >= LEAST_MEMORY).ok_or_else(|| {
        Fault::new(Kind::Configuration, "this is no amount of memory")
            .value(text)
            .expected("a whole number of MiB or GiB, at least 16MiB, such as 128MiB")
    })
}

/// Reads `128MiB`.
///
/// # Errors
/// [`Kind::Configuration`] where it is no size.
pub fn bytes(text: &str) -> Result<usize> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let size = units.into_iter().find_map(|(unit, shift)| {
        let number: usize = text.trim().strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(1 << shift)
    });
    size.filter(|&size| size > 0).ok_or_else(|| {
        Fault::new(Kind::Configuration, "this is no size")
            .value(text)
            .expected("a whole number of KiB, MiB or GiB, such as 64MiB")
    })
}

fn unknown(name: &str, known: &[&str]) -> Fault {
    let fault = Fault::new(Kind::Configuration, "this is neither a role nor an attribute that a pass uses")
        .value(name)
        .expected(known.join(", "));
    match fault::nearest(name, known.iter().copied()) {
        Some(near) => fault.next(format!("did you mean {near}?")),
        None => fault,
    }
}

fn side(file: SideFile, table: &'static str, platform: Option<platform::Settings>) -> Result<SideSettings> {
    let at = |key: &str| format!("[{table}] {key}");
    let (zone, intervals) = intervals::checked(&file, table)?;
    let files = FileSettings {
        files: file.files,
        sheet: file.sheet,
        header_row: file.header_row,
        delimiter: file.delimiter,
        encoding: file.encoding,
    };
    let source = match (file.source, platform) {
        (file::SourceName::Files, _) if files.files.is_empty() => {
            return Err(Fault::new(Kind::Configuration, "no files are named")
                .at(at("files"))
                .expected(format!("at least one glob, such as files = [\"{table}/*.csv\"]")));
        }
        (file::SourceName::Files, _) => Source::Files(files),
        (file::SourceName::Platform, Some(platform)) => Source::Platform(Box::new(platform)),
        (file::SourceName::Platform, None) if table == "settlements" => {
            return Err(Fault::new(
                Kind::Configuration,
                "the settlements come from the platform, but nothing says where it is",
            )
            .at(at("source"))
            .expected("a [platform] table with endpoint, namespace and request"));
        }
        (file::SourceName::Platform, None) => {
            return Err(Fault::new(Kind::Configuration, "invoices come from files")
                .at(at("source"))
                .expected("source = \"files\", or no source at all"));
        }
    };
    let mut reading = Reading {
        columns: file.columns,
        defaults: file.defaults,
        dates: file.dates,
        zone,
        intervals,
        decimal: file.decimal,
        scale: file.scale,
        absent: Vec::new(),
        totals: None,
        taxes: None,
        xml_numbers: matches!(source, Source::Platform(_)),
    };
    crate::period::Dates::new(Zone::utc(), &reading.dates).map_err(|fault| fault.at(at("dates")))?;
    for (name, &digits) in &reading.scale {
        if digits > 28 {
            return Err(Fault::new(Kind::Configuration, "decimals have at most 28 digits")
                .at(format!("[{table}.scale] {name}"))
                .value(digits)
                .expected("0 to 28"));
        }
        if Role::named(name).is_none_or(|role| role.holds() != Holds::Number) {
            return Err(Fault::new(Kind::Configuration, "a scale belongs to a number")
                .at(format!("[{table}.scale]"))
                .value(name)
                .expected("quantity, price or amount"));
        }
    }
    for name in reading.defaults.keys() {
        if Role::named(name).is_some_and(|role| role.holds() == Holds::Number) {
            return Err(Fault::new(
                Kind::Configuration,
                "numbers have no default: tieout does not invent them",
            )
            .at(format!("[{table}.defaults]"))
            .value(name));
        }
    }
    reading.taxes = taxes::checked(table, file.taxes, &reading)?;
    if [Role::Amount, Role::Quantity].into_iter().all(|role| !reading.states(role)) {
        return Err(Fault::new(
            Kind::Configuration,
            "neither an amount nor a quantity is read, so nothing can be compared",
        )
        .at(format!("[{table}.columns]"))
        .expected("amount = \"…\", the header of the column that holds the money"));
    }
    Ok(SideSettings { source, reading })
}

fn pass(file: PassFile, fields: &mut Fields, keyed: &mut Vec<String>) -> Result<Pass> {
    let at = format!("[[pass]] {:?}", file.name);
    if file.key.is_empty() {
        return Err(Fault::new(
            Kind::Configuration,
            "this pass has no key, so that every line would belong to every other",
        )
        .at(at)
        .expected("key = [\"deal\", \"charge\", \"start\", \"end\"]"));
    }
    let key = file.key.iter().map(|part| keys::part(part, &at, fields, keyed)).collect::<Result<Vec<_>>>()?;
    passes::checked(file, key)
}

/// A role that is compared must be read on both sides. (An attribute may also be the column of its own name.)
fn check_keyed(name: &str, sides: [(&str, &Reading); 2]) -> Result<()> {
    for (table, reading) in sides {
        if Role::named(name).is_some_and(|role| !reading.has(role)) {
            return Err(Fault::new(
                Kind::Configuration,
                format!("{name} is compared, but nothing says which column holds it"),
            )
            .at(format!("[{table}.columns]"))
            .expected(format!("{name} = \"…\", a header")));
        }
    }
    Ok(())
}

fn check_placeholders(
    platform: &platform::Settings,
    period: Option<&Period>,
    invoices: &Reading,
) -> Result<()> {
    let placeholders = platform.request.placeholders();
    let known: Vec<&str> = placeholders
        .iter()
        .copied()
        .filter(|placeholder| split_placeholder(placeholder).1.is_some())
        .filter(|placeholder| PLACEHOLDERS.contains(&split_placeholder(placeholder).0))
        .chain(PLACEHOLDERS)
        .collect();
    platform.request.check(&known)?;
    platform.request.check_window()?;
    for placeholder in placeholders {
        let (name, pattern) = split_placeholder(placeholder);
        if name.starts_with("window.") && period.is_none() {
            return Err(Fault::new(
                Kind::Configuration,
                "the request asks for a window, but no period is set",
            )
            .at("[platform.request] parameters")
            .value(format!("{{{placeholder}}}"))
            .next("set [reconciliation] period, or give --period"));
        }
        if let Some(pattern) = pattern {
            Zone::utc().format(crate::period::Instant(0), pattern).map_err(|why| {
                Fault::new(Kind::Configuration, format!("this is not a pattern for a time: {why}"))
                    .at("[platform.request] parameters")
                    .value(pattern)
                    .expected("strftime, such as %Y-%m-%d")
            })?;
        }
        if name == "vendor"
            && !invoices.columns.contains_key("vendor")
            && !invoices.defaults.contains_key("vendor")
        {
            return Err(Fault::new(
                Kind::Configuration,
                "the request asks for each vendor, but nothing says who that is",
            )
            .at("[invoices.columns]")
            .expected("vendor = \"…\", or a default in [invoices.defaults]"));
        }
    }
    Ok(())
}
