//! What stands in a line of the audit log; no secret, no token, nothing longer than it must be.

use std::time::{Duration, SystemTime};

use rmcp::model::JsonObject;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::digest::hexadecimal;
use crate::fault::shown;
use crate::period::moment;
use crate::serve::auth::{Known, Principal};

/// One line, before it is chained to the one before.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// When the call came in: RFC 3339, UTC.
    time: String,
    /// `call`, or `start`, `stop` and `torn` of the log itself.
    event: &'static str,
    request_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    trace_id: String,
    subject: String,
    client_id: String,
    token_id: String,
    scopes: Vec<String>,
    tool: String,
    /// SHA-256 of the arguments as JSON with sorted keys and no spaces.
    arguments_sha256: String,
    /// The arguments, without what looks like a secret, long texts shortened.
    arguments: Value,
    /// `allowed` or `denied`.
    decision: &'static str,
    /// Why it was denied: a word that stays the same from version to version.
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    /// What an allowed call came to: `done`, `asked`, `begun`, or the kind of its fault.
    #[serde(skip_serializing_if = "str::is_empty")]
    outcome: &'static str,
    milliseconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// The address that was connected.
    proxy: String,
    /// The address that it spoke for.
    client: String,
    /// More about an event of the log itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

/// Characters of one text of an argument that are kept.
const LONGEST: usize = 200;

impl Line {
    /// A call of `tool`, or of a method of the protocol.
    #[must_use]
    pub fn of(tool: &str, arguments: &JsonObject) -> Self {
        let mut line = Self::event("call", String::new());
        line.tool = shown(tool);
        line.arguments_sha256 = digest_of(arguments);
        line.arguments = Value::Object(
            arguments.iter().map(|(name, value)| (shown(name), redacted(name, value))).collect(),
        );
        line
    }

    /// Something that happened to the log itself.
    pub(super) fn event(event: &'static str, note: String) -> Self {
        Self {
            time: moment(SystemTime::now()),
            event,
            request_id: String::new(),
            trace_id: String::new(),
            subject: String::new(),
            client_id: String::new(),
            token_id: String::new(),
            scopes: Vec::new(),
            tool: String::new(),
            arguments_sha256: String::new(),
            arguments: Value::Null,
            decision: "",
            reason: "",
            outcome: "",
            milliseconds: 0,
            rows: None,
            proxy: String::new(),
            client: String::new(),
            note,
        }
    }

    /// Who calls.
    #[must_use]
    pub fn by(mut self, principal: &Principal) -> Self {
        self.subject = principal.subject().to_owned();
        self.client_id = principal.client_id().to_owned();
        self.token_id = principal.token_id().to_owned();
        self.scopes = principal.scopes().iter().cloned().collect();
        self
    }

    /// Whose token it was that did not hold.
    #[must_use]
    pub fn of_known(mut self, known: &Known) -> Self {
        self.subject = known.subject.clone();
        self.client_id = known.client_id.clone();
        self.token_id = known.token_id.clone();
        self
    }

    /// From where.
    #[must_use]
    pub fn from(mut self, proxy: &str, client: &str) -> Self {
        self.proxy = proxy.to_owned();
        self.client = client.to_owned();
        self
    }

    /// What the request is called.
    #[must_use]
    pub fn request(mut self, request_id: &str, trace_id: &str) -> Self {
        self.request_id = request_id.to_owned();
        self.trace_id = trace_id.to_owned();
        self
    }

    /// It was allowed, and came to this.
    #[must_use]
    pub fn allowed(mut self, outcome: &'static str, rows: Option<u64>) -> Self {
        (self.decision, self.outcome, self.rows) = ("allowed", outcome, rows);
        self
    }

    /// It was denied.
    #[must_use]
    pub fn denied(mut self, reason: &'static str) -> Self {
        (self.decision, self.reason) = ("denied", reason);
        self
    }

    /// How long it took.
    #[must_use]
    pub fn took(mut self, time: Duration) -> Self {
        self.milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self
    }
}

/// SHA-256 of arguments as JSON with sorted keys and no spaces, which is how an object is kept and written here.
#[must_use]
pub fn digest_of(arguments: &JsonObject) -> String {
    hexadecimal(&Sha256::digest(Value::Object(arguments.clone()).to_string().as_bytes()))
}

/// A value without what looks like a secret by its name, or by the name in `NAME=VALUE`.
fn redacted(name: &str, value: &Value) -> Value {
    const HIDDEN: &str = "[redacted]";
    if is_secret(name) {
        return HIDDEN.into();
    }
    match value {
        Value::String(text) => match text.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{}={HIDDEN}", shown(name)).into(),
            _ => shortened(text).into(),
        },
        Value::Array(items) => items.iter().map(|item| redacted("", item)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (shown(name), redacted(name, value))).collect())
        }
        other => other.clone(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "password",
        "passwd",
        "pwd",
        "secret",
        "token",
        "credential",
        "authorization",
        "apikey",
        "api_key",
        "private",
    ]
    .iter()
    .any(|word| name.contains(word))
}

fn shortened(text: &str) -> String {
    let count = text.chars().count();
    let kept: String = text.chars().take(LONGEST).collect();
    let kept = crate::fault::shown_lines(&kept);
    if count > LONGEST { format!("{kept}… ({count} characters)") } else { kept }
}
