//! Platform call: one call, for a person who wants to see what comes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Context;
use super::tool::{Effect, FileArgument, Tool};
use crate::config;
use crate::fault::{Fault, Kind, Result};
use crate::platform::wsdl::{Source, Wsdl};
use crate::platform::{Answer, Named, Platform, Prepared, Settings};

/// Call one operation of the platform and show what it answers
///
/// Calls only what may be called: the operation of [platform.request], and
/// those that [platform] allow lists. Parameters are checked against the
/// service's WSDL before anything is sent, and sent in its order.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The operation
    #[arg(value_name = "OPERATION")]
    pub operation: String,

    /// A parameter; one within another is OUTER/INNER=VALUE, and a list gives its name again for each value
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    #[serde(default)]
    pub parameters: Vec<String>,

    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    #[serde(default = "super::default_config")]
    pub config: PathBuf,

    /// How many records to show; --raw has all
    #[arg(short, long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    #[serde(default = "default_limit")]
    pub limit: usize,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,

    /// Print the answer as it came
    #[arg(long, conflicts_with_all = ["json", "dry_run"])]
    #[serde(skip)]
    pub raw: bool,

    /// Print the request and send nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

const DEFAULT_LIMIT: usize = 50;

const fn default_limit() -> usize {
    DEFAULT_LIMIT
}

/// What a call came to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("type" = "object"))]
pub enum Asked {
    /// The request, which was not sent.
    Request {
        /// The method of HTTP.
        method: &'static str,
        /// The endpoint, without a query.
        url: String,
        /// The headers, without secrets.
        headers: BTreeMap<String, String>,
        /// How it would be signed.
        sign_in: String,
        /// The envelope.
        body: String,
        /// What should be known of it.
        notes: Vec<String>,
    },
    /// The answer, as it came: for a terminal.
    #[schemars(skip)]
    Raw {
        /// The bytes.
        #[serde(skip)]
        bytes: Vec<u8>,
        /// What it says went wrong.
        #[serde(skip)]
        fault: Option<Fault>,
        /// What should be known of it.
        notes: Vec<String>,
    },
    /// What the answer holds.
    Answer {
        /// The operation.
        operation: String,
        /// The path of the records; `None` where nothing repeats.
        records_at: Option<String>,
        /// The first records.
        records: Vec<Named>,
        /// How many there are in all.
        count: u64,
        /// The single values that stand beside them, such as how many there are in all.
        beside: Named,
        /// The id by which the platform's log knows the call.
        correlation: String,
        /// How long it took.
        millis: u64,
        /// What should be known of it.
        notes: Vec<String>,
    },
}

impl Tool for Call {
    const NAME: &'static str = "platform_call";
    const TITLE: &'static str = "Call an operation of the platform";
    /// Nothing says what an operation does that is allowed.
    const EFFECT: Effect = Effect::Writes;
    const ASKS_PLATFORM: bool = true;
    type Output = Asked;

    fn perform(&self, context: &Context<'_>) -> Result<Asked> {
        context.progress.check()?;
        self.run(context)
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        vec![FileArgument::config(&mut self.config)]
    }

    fn effect(&self) -> Effect {
        if self.dry_run { Effect::Reads } else { Effect::Writes }
    }
}

impl Call {
    /// Makes the call, or only prepares it.
    ///
    /// # Errors
    /// Whatever is wrong with the request, the sign-in or the answer.
    pub fn run(&self, context: &Context<'_>) -> Result<Asked> {
        let (settings, base) = config::platform(&self.config)?;
        // Before the platform is asked for anything, be it its WSDL.
        settings.may_call(&self.operation)?;
        let parameters = self.parameters()?;
        let source = settings.wsdl_source(&base)?;
        let mut notes = Vec::new();
        let wsdl = if self.dry_run && matches!(source, Source::Url(_)) {
            notes.push("the parameters are not checked: the WSDL would have to be asked for, and nothing is sent; [platform] wsdl may name a file".to_owned());
            None
        } else {
            match Wsdl::read(&source, Some((&settings, &base)), context.platform_calls) {
                Ok(wsdl) => Some(wsdl),
                // Services exist that do not publish it. What is configured must be right, and a refused password is final.
                Err(fault) if settings.wsdl.is_none() && fault.kind() == Kind::Platform => {
                    notes.push(format!(
                        "the parameters are not checked, for want of a WSDL: {}",
                        fault.what()
                    ));
                    None
                }
                Err(fault) => return Err(fault),
            }
        };
        let mut prepared = Prepared::new(&settings, &self.operation, &parameters, wsdl.as_ref())?;
        notes.append(&mut prepared.notes);
        if self.dry_run {
            return request(&settings, &prepared, notes);
        }
        let platform = Platform::new(&settings, &base)?;
        let called = platform.call(&prepared, context.platform_calls)?;
        let answer = prepared.read(&called.bytes).and_then(|answer| match called.status {
            200..300 => Ok(answer),
            status => Err(Fault::new(
                Kind::Platform,
                "the platform reports an error, but its answer does not say which",
            )
            .value(format!("HTTP {status}"))),
        });
        let answer = answer.map_err(|fault| platform.answered(fault, &called.correlation));
        if self.raw {
            let fault = answer.err().filter(|_| !(200..300).contains(&called.status));
            return Ok(Asked::Raw { bytes: called.bytes, fault, notes });
        }
        let Answer { at, mut records, beside } = answer?;
        let count = records.len() as u64;
        records.truncate(self.limit);
        Ok(Asked::Answer {
            operation: self.operation.clone(),
            records_at: at,
            records,
            count,
            beside,
            correlation: called.correlation,
            millis: called.millis,
            notes,
        })
    }

    fn parameters(&self) -> Result<Vec<(String, String)>> {
        self.parameters
            .iter()
            .map(|written| {
                let pair = written.split_once('=').filter(|(name, _)| !name.trim().is_empty());
                let pair = pair.map(|(name, value)| (name.trim().to_owned(), value.to_owned()));
                pair.ok_or_else(|| {
                    Fault::new(Kind::Usage, "this is no parameter")
                        .at("-p")
                        .value(written)
                        .expected("NAME=VALUE, as in -p from=2026-10-01T00:00:00")
                })
            })
            .collect()
    }
}

fn request(settings: &Settings, prepared: &Prepared, notes: Vec<String>) -> Result<Asked> {
    // Not looked at for the password, which nobody needs to see a request.
    let url = settings.place().unwrap_or_default();
    Ok(Asked::Request {
        method: "POST",
        url,
        headers: prepared.headers()?,
        sign_in: settings.sign_in(),
        body: prepared.body.clone(),
        notes,
    })
}
