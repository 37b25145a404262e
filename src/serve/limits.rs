//! How much one subject may ask for, how often, and how much of the platform all of them may use.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `[serve.limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Bytes that a request's body may have, such as `1MiB`.
    pub body: String,
    /// Seconds that a client may take to send its head, and its body.
    pub body_seconds: u64,
    /// Seconds that a call may take.
    pub call_seconds: u64,
    /// Calls that run at once.
    pub calls_at_once: usize,
    /// Connections that are open at once.
    pub connections: usize,
    /// Calls that one subject may make of one tool in a minute.
    pub per_minute: u32,
    /// Calls of one subject that run at once.
    pub at_once_per_subject: usize,
    /// Calls of the platform that all of them may cause in an hour.
    pub platform_calls_per_hour: u32,
    /// Seconds that calls in flight may take to finish when the server stops; then they are cancelled.
    pub grace_seconds: u64,
    /// What differs for single tools.
    pub tools: BTreeMap<String, ToolLimits>,
}

/// `[serve.limits.tools.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolLimits {
    /// Calls that one subject may make of it in a minute.
    pub per_minute: Option<u32>,
    /// Calls of it that run at once, whoever makes them.
    pub at_once: Option<usize>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            body: "1MiB".to_owned(),
            body_seconds: 10,
            call_seconds: 300,
            calls_at_once: 32,
            connections: 512,
            per_minute: 120,
            at_once_per_subject: 4,
            platform_calls_per_hour: 2000,
            grace_seconds: 20,
            tools: BTreeMap::new(),
        }
    }
}
