//! Platform operations: what a service says that it can do.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Context;
use super::tool::{Effect, FileArgument, Tool};
use crate::config;
use crate::fault::Result;
use crate::platform::wsdl::{Answers, Element, Operation, Source, Wsdl};

/// Show the operations of the platform: parameters, types, and where the settlement records are
///
/// Reads the WSDL of the service: the one that --wsdl names, else the one that
/// tieout.toml names or the platform itself gives out at its endpoint. With an
/// operation, shows all of its parameters and fields, and a [platform.request]
/// to start from. Nothing is called.
#[derive(Clone, Debug, clap::Args, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    /// Show this operation in full
    #[arg(value_name = "OPERATION")]
    pub operation: Option<String>,

    /// Read this WSDL, a file or an address; no other host than that of the address is asked
    // No argument of an agent: he would choose whom this machine asks.
    #[arg(short, long, value_name = "FILE|URL")]
    #[serde(skip)]
    pub wsdl: Option<String>,

    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tieout.toml")]
    #[serde(default = "super::default_config")]
    pub config: PathBuf,

    /// Print JSON
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
}

/// What a service can do, as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Described {
    /// All that the WSDL says.
    #[serde(flatten)]
    pub wsdl: Wsdl,
    /// `[platform.request]` to start from, for the operation that was asked for, or for the only one with records.
    pub suggestion: Option<String>,
    /// Whether one operation was asked for.
    #[serde(skip)]
    pub is_one: bool,
}

impl Tool for Operations {
    const NAME: &'static str = "platform_operations";
    const TITLE: &'static str = "Describe the platform's operations";
    const EFFECT: Effect = Effect::AsksPlatform;
    type Output = Described;

    fn perform(&self, context: &Context<'_>) -> Result<Described> {
        self.run(context)
    }

    fn files(&mut self) -> Vec<FileArgument<'_>> {
        vec![FileArgument::config(&mut self.config)]
    }

    fn needs_full_view(&self) -> bool {
        // What a service can do is no line of anybody's.
        false
    }
}

impl Operations {
    /// Reads the WSDL.
    ///
    /// # Errors
    /// Whatever keeps it from being read, and an operation that it does not have.
    pub fn run(&self, context: &Context<'_>) -> Result<Described> {
        let allowance = context.platform_calls;
        let given = self.wsdl.as_ref().map(|wsdl| Source::parse(wsdl, Path::new(""))).transpose()?;
        let mut wsdl = match given {
            // The configuration has nothing to do with a file, and may not be there yet for an address.
            Some(file @ Source::File(_)) => Wsdl::read(&file, None, allowance)?,
            Some(url) if !self.config.exists() => Wsdl::read(&url, None, allowance)?,
            given => {
                let (settings, base) = config::platform(&self.config)?;
                let is_own = given.is_none();
                let source = given.map_or_else(|| settings.wsdl_source(&base), Ok)?;
                let mut wsdl = Wsdl::read(&source, Some((&settings, &base)), allowance)?;
                if is_own {
                    wsdl.notes.extend(wsdl.misfits(&settings));
                }
                wsdl
            }
        };
        let suggestion = match &self.operation {
            Some(name) => {
                let operation = wsdl.operation(name)?.clone();
                let suggestion = operation.suggestion();
                wsdl.operations = vec![operation];
                Some(suggestion)
            }
            None => {
                let mut with_records = wsdl.operations.iter().filter(|operation| has_records(operation));
                with_records.next().filter(|_| with_records.next().is_none()).map(Operation::suggestion)
            }
        };
        Ok(Described { wsdl, suggestion, is_one: self.operation.is_some() })
    }

    /// The arguments that show `operation` of the same WSDL in full.
    #[must_use]
    pub fn of_one(&self, operation: &str) -> Vec<String> {
        let mut words = vec!["platform".to_owned(), "operations".to_owned(), operation.to_owned()];
        words.extend(self.wsdl.iter().flat_map(|wsdl| ["--wsdl".to_owned(), wsdl.clone()]));
        if self.config != super::default_config() {
            words.extend(["--config".to_owned(), self.config.display().to_string()]);
        }
        words
    }
}

/// Whether an operation answers records of more than one field.
fn has_records(operation: &Operation) -> bool {
    matches!(&operation.answers, Answers::Records(records) if records.fields.len() > 1)
}

/// Parameters that the overview shows of one operation.
const SHOWN: usize = 8;

impl Described {
    /// The ports: service, port, SOAP, style, address.
    #[must_use]
    pub fn ports(&self) -> Vec<[String; 5]> {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let row = |port: &crate::platform::wsdl::Port| {
            [
                or_dash(&port.service),
                port.name.clone(),
                port.soap.name().to_owned(),
                port.style.name().to_owned(),
                or_dash(&port.address),
            ]
        };
        self.wsdl.ports.iter().map(row).collect()
    }

    /// The operations: name, parameters, what is answered.
    #[must_use]
    pub fn operations(&self) -> Vec<[String; 3]> {
        self.wsdl
            .operations
            .iter()
            .map(|operation| {
                let mut parameters: Vec<String> = operation
                    .leaves()
                    .iter()
                    .take(SHOWN)
                    .map(|(path, element)| format!("{path}: {}", element.words()))
                    .collect();
                match operation.leaves().len().saturating_sub(SHOWN) {
                    0 if !operation.is_known() => parameters.push("not described".to_owned()),
                    0 => {}
                    more => parameters.push(format!("… and {more} more")),
                }
                [operation.name.clone(), parameters.join("\n"), answers(&operation.answers)]
            })
            .collect()
    }

    /// The parameters of an operation: path, type, values.
    #[must_use]
    pub fn parameters(operation: &Operation) -> Vec<[String; 3]> {
        let row = |(path, element): (String, &Element)| [path, element.words(), element.values.join(", ")];
        operation.leaves().into_iter().map(row).collect()
    }

    /// The fields of an operation's records or answer: name, type, values.
    #[must_use]
    pub fn fields(operation: &Operation) -> Vec<[String; 3]> {
        let fields = match &operation.answers {
            Answers::Records(records) => records.fields.as_slice(),
            Answers::Values { fields } => fields,
            _ => &[],
        };
        let row = |field: &Element| [field.name.clone(), field.words(), field.values.join(", ")];
        fields.iter().map(row).collect()
    }
}

/// What is answered, in a few lines.
#[must_use]
pub(crate) fn answers(answers: &Answers) -> String {
    match answers {
        Answers::Unknown => "not described".to_owned(),
        Answers::Nothing => "nothing".to_owned(),
        Answers::Records(records) => {
            let count = records.fields.len();
            let mut lines = vec![format!("records: {}", records.records)];
            lines.push(format!("fields: {count}"));
            for (name, path) in [("total", &records.total), ("more", &records.more)] {
                lines.extend(path.as_ref().map(|path| format!("{name}: {path}")));
            }
            lines.join("\n")
        }
        Answers::DataSet { at } => format!("a DataSet: {at}"),
        Answers::Open { at } => format!("any XML: {at}"),
        Answers::Values { fields } => {
            let mut lines: Vec<String> =
                fields.iter().take(SHOWN).map(|field| format!("{}: {}", field.name, field.words())).collect();
            if fields.len() > SHOWN {
                lines.push(format!("… and {} more", fields.len() - SHOWN));
            }
            lines.join("\n")
        }
    }
}
