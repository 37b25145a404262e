//! Texts of vendors and platforms, as an agent may be shown them.

use serde_json::Value;

use crate::fault::shown_lines;

/// The same answer, with control characters and others that nobody sees escaped in every text: what hides in a text from the
/// person who reads along shall not speak to the agent either.
pub(super) fn safe(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(shown_lines(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(safe).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (shown_lines(&name), safe(value))).collect())
        }
        other => other,
    }
}
