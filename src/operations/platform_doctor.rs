//! Platform doctor: why the platform does not answer, or that it does.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Context;
use super::tool::{Effect, FileArgument, Tool};
use crate::config::{self, Overrides, Settings, Source};
use crate::examination::{self, Check, Verdict};
use crate::fault::{Fault, Kind, Result};
use crate::normalise::{Role, Template};
use crate::period::{Instant, Period, Zone};
use crate::platform;
use crate::platform::doctor::{Expected, Patient, Questions, examine};

/// Find out why the platform does not answer
///
/// Examines the way to the settlement platform step by step: configuration and
/// secret, name resolution, TCP, TLS and its certificate, what authentication is
/// offered, whether the connection stays open, the NTLM challenge, one sign-in,
/// Extended Protection, the WSDL, a harmless call, a page of records, the columns,
/// and the time per call. Says of each what was found and what to do.
///
/// The password is tried once, and nothing is changed: all calls only read. The
/// output holds no secret and may be pasted into a ticket.
///
/// Exit codes: 0 all checks pass or do not apply, else that of the first fault: 2
/// configuration, 3 records that are not as configured, 4 platform or sign-in.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlatformDoctor {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    #[serde(default = "super::default_config")]
    pub config: PathBuf,

    /// The days to ask for, as for reconcile; the harmless call takes the first of them
    #[arg(short, long, value_name = "PERIOD")]
    pub period: Option<String>,

    /// The vendor to ask for, where the request names one; by default that of [invoices.defaults], or none
    #[arg(long, value_name = "VENDOR")]
    pub vendor: Option<String>,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// What the doctor says.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// The version of tieout.
    pub tieout: &'static str,
    /// When the examination began, in UTC.
    pub time: String,
    /// The endpoint without a query; `None` where no configuration says it.
    pub endpoint: Option<String>,
    /// Whether no check failed.
    pub passed: bool,
    /// The checks, in their order.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// 0 where no check failed, else what the first fault's kind says.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        examination::exit_code(&self.checks)
    }

    /// One line.
    #[must_use]
    pub fn summary(&self) -> String {
        examination::summary(&self.checks)
    }
}

impl Tool for PlatformDoctor {
    const NAME: &'static str = "platform_doctor";
    const TITLE: &'static str = "Examine the platform";
    const EFFECT: Effect = Effect::AsksPlatform;
    type Output = Diagnosis;

    fn perform(&self, context: &Context<'_>) -> Result<Diagnosis> {
        context.progress.check()?;
        Ok(self.run(context))
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        vec![FileArgument::config(&mut self.config)]
    }
}

impl PlatformDoctor {
    /// Examines the platform of the configuration; whatever is wrong is in the diagnosis.
    #[must_use]
    pub fn run(&self, context: &Context<'_>) -> Diagnosis {
        let (checks, endpoint) = match self.load(context) {
            Err(fault) => (examine(Err(fault), context.progress), None),
            Ok(loaded) => {
                let patient = Patient {
                    settings: &loaded.platform,
                    base: &loaded.base,
                    questions: &loaded.questions,
                    configuration: &loaded.said,
                    allowance: context.platform_calls,
                };
                (examine(Ok(&patient), context.progress), loaded.platform.place())
            }
        };
        let now = context.now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Diagnosis {
            tieout: env!("CARGO_PKG_VERSION"),
            time: Zone::utc().show(Instant(i64::try_from(now).unwrap_or_default()), true),
            endpoint,
            passed: checks.iter().all(|check| check.verdict != Verdict::Fail),
            checks,
        }
    }
    /// Reads the configuration, and makes up what to ask.
    fn load(&self, context: &Context<'_>) -> Result<Loaded> {
        let overrides = Overrides { period: self.period.clone(), ..Overrides::default() };
        let settings = config::load(&self.config, &overrides, context.now)?;
        let Source::Platform(platform) = &settings.settlements.source else {
            return Err(Fault::new(
                Kind::Configuration,
                "the settlement records come from files: there is no platform to examine",
            )
            .at("[settlements] source")
            .expected("source = \"platform\", and a [platform] table"));
        };
        let asks_vendor = platform.request.placeholders().contains(&"vendor");
        let vendor =
            self.vendor.clone().or_else(|| settings.invoices.reading.defaults.get("vendor").cloned());
        let has_vendor = !asks_vendor || vendor.is_some();
        let vendor = vendor.unwrap_or_default();
        let day = settings
            .period
            .as_ref()
            .map(|period| first_day(period, &settings.zone, context.now))
            .transpose()?;
        let values = |period: Option<&Period>| {
            let window = period.map(|period| (period.start(), period.end()));
            platform.request.values(&settings.zone, window, &vendor)
        };
        let questions = Questions {
            smallest: values(day.as_ref()),
            period: values(settings.period.as_ref()),
            has_vendor,
            columns: expected(&settings),
        };
        let mut said = format!("{}: {}", self.config.display(), settings.name);
        if let Some(period) = &settings.period {
            said = format!("{said}, {period}");
        }
        if asks_vendor {
            said = format!(
                "{said}, vendor {}",
                if vendor.is_empty() { "not named".to_owned() } else { crate::fault::shown(&vendor) }
            );
        }
        Ok(Loaded { platform: (**platform).clone(), base: settings.base.clone(), questions, said })
    }
}

/// What the examination needs of the configuration.
struct Loaded {
    platform: platform::Settings,
    base: PathBuf,
    questions: Questions,
    /// What is said of it.
    said: String,
}

/// The smallest window that the placeholders can name.
fn first_day(period: &Period, zone: &Zone, now: SystemTime) -> Result<Period> {
    Period::parse(&zone.show(period.start(), false), zone, now)
}

/// What a column may be called: a header with a place for the hour is there if its first hour is.
fn names(header: &str) -> Vec<String> {
    Template::of(header).map_or_else(|| vec![header.to_owned()], |template| template.first().to_vec())
}

/// The columns that a run reads from the records.
fn expected(settings: &Settings) -> Vec<Expected> {
    let reading = &settings.settlements.reading;
    let has_default = |name: &str| reading.defaults.get(name).is_some_and(|default| !default.is_empty());
    let mapped = reading.columns.iter().map(|(name, headers)| Expected {
        name: name.clone(),
        headers: headers.names().iter().flat_map(|header| names(header)).collect(),
        has_default: has_default(name),
    });
    // An attribute without a mapping is the column of its own name.
    let own = settings
        .fields
        .all()
        .map(|field| settings.fields.name(field))
        .filter(|name| Role::named(name).is_none() && !reading.columns.contains_key(*name))
        .filter(|name| !reading.absent.iter().any(|absent| absent == name));
    let own = own.map(|name| Expected {
        name: name.to_owned(),
        headers: vec![name.to_owned()],
        has_default: has_default(name),
    });
    mapped.chain(own).collect()
}
