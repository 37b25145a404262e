//! The audit log: one line of JSON for each call, allowed or denied, each with the hash of the one before.

mod chain;
mod line;
mod sink;
mod verify;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config;
use crate::fault::Result;

pub use self::line::{Decision, Line, arguments_sha256, redacted};
pub use self::sink::Sink;
pub use self::verify::{Place, Trouble, TroubleKind, Verified, verify};

/// `[serve.audit]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSettings {
    /// The file, relative to the folder of `tieout.toml`.
    pub file: PathBuf,
    /// Bytes after which a new file is begun, such as `64MiB`; each day begins one, too.
    pub rotate_bytes: String,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { file: ".tieout/audit/audit.jsonl".into(), rotate_bytes: "64MiB".to_owned() }
    }
}

impl AuditSettings {
    /// Opens the log.
    ///
    /// # Errors
    /// [`crate::fault::Kind::Configuration`] for a size that is none, and as [`Sink::open`].
    pub fn open(&self, base: &Path) -> Result<Sink> {
        let rotate_bytes =
            config::bytes(&self.rotate_bytes).map_err(|fault| fault.at("[serve.audit] rotate_bytes"))?;
        Sink::open(&base.join(&self.file), rotate_bytes as u64)
    }
}
