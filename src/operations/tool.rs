//! What makes an operation a tool of an agent: a name, what it does to the world, and an answer with a schema.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;
use crate::fault::Result;

/// What a call does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It reads files, or asks the platform, and changes nothing.
    Reads,
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
pub struct FileArgument<'a> {
    /// What was given.
    pub path: &'a mut PathBuf,
    /// What for.
    pub purpose: Purpose,
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
    const ASKS_PLATFORM: bool = false;
    /// What is answered.
    type Output: Serialize + JsonSchema + 'static;

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
}
