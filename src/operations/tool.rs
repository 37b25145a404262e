//! What makes an operation a tool of an agent: a name, what it does to the world, and an answer with a schema.

use std::path::PathBuf;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Context;
use crate::fault::Result;

/// What a call does to the world; each does what those before it do, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It reads files of this machine.
    Reads,
    /// It asks the platform, and changes nothing there.
    AsksPlatform,
    /// It writes files, or may change something at the platform.
    Writes,
}

/// What a file argument is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A `tieout.toml`.
    Configuration,
    /// Something that is read.
    Read,
    /// Something that is written.
    Write,
}

/// An argument that names a file or a folder.
#[derive(Debug)]
pub struct FileArgument<'a> {
    /// What was given.
    pub path: &'a mut PathBuf,
    /// What for.
    pub purpose: Purpose,
}

impl<'a> FileArgument<'a> {
    pub(super) const fn config(path: &'a mut PathBuf) -> Self {
        Self { path, purpose: Purpose::Configuration }
    }

    pub(super) const fn read(path: &'a mut PathBuf) -> Self {
        Self { path, purpose: Purpose::Read }
    }

    pub(super) const fn write(path: &'a mut PathBuf) -> Self {
        Self { path, purpose: Purpose::Write }
    }
}

/// An operation that agents may call: its struct holds the arguments, its documentation is the description.
pub trait Tool: clap::Args + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The name, in snake case.
    const NAME: &'static str;
    /// The name for people.
    const TITLE: &'static str;
    /// The most that a call can do.
    const EFFECT: Effect;
    /// Whether no call can do without writing: then it is not offered where writing is off.
    const ONLY_WRITES: bool = false;
    /// Whether a call may reach the platform, which is another world than the files of this machine.
    const ASKS_PLATFORM: bool = matches!(Self::EFFECT, Effect::AsksPlatform);
    /// What is answered.
    type Output: Serialize + JsonSchema + Send + 'static;

    /// Does it.
    ///
    /// # Errors
    /// Whatever ends the operation.
    fn perform(&self, context: &Context<'_>) -> Result<Self::Output>;

    /// The arguments that name files.
    fn files(&mut self) -> Vec<FileArgument<'_>>;

    /// What this call does, which may be less than what another could.
    fn effect(&self) -> Effect {
        Self::EFFECT
    }

    /// Whether the answer cannot be narrowed to what a caller may see, so that only who sees everything may have it.
    fn needs_full_view(&self) -> bool {
        true
    }

    /// What it does, in the words of the command line's long help.
    #[must_use]
    fn description() -> String {
        let schema = Self::input_schema();
        schema.get("description").and_then(|text| text.as_str()).unwrap_or_default().to_owned()
    }

    /// What the arguments may be.
    #[must_use]
    fn input_schema() -> Schema {
        SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<Self>()
    }

    /// What the answer looks like.
    #[must_use]
    fn output_schema() -> Schema {
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<Self::Output>()
    }

    /// Reads the arguments of a call.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Usage`] for an argument that is missing, of another form, or that there is not: then with the nearest that there is.
    fn arguments(arguments: &Value) -> Result<Self> {
        Self::deserialize(arguments)
            .map_err(|error| super::arguments::refusal(Self::NAME, Self::input_schema(), arguments, &error))
    }
}
