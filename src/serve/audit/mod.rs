//! The audit log: one line of JSON for each call, allowed or denied, each with the hash of the one before.

use std::path::PathBuf;

use serde::Deserialize;

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
