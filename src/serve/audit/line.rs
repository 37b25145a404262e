//! What one line says, and what it never says: secrets.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::super::auth::{Known, Principal};
use crate::digest::hexadecimal;
use crate::fault::shown;

/// Whether a call was let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It was.
    Allowed,
    /// It was not; what is not decided otherwise is denied.
    #[default]
    Denied,
}

/// One call, or something of the log's own.
///
/// Texts are shortened to 120 characters, with what cannot be seen escaped.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it was over.
    pub time: SystemTime,
    /// `call`, or what the log says of itself: `begun`, `started`, `torn`, `resumed`.
    pub event: &'static str,
    /// The id that this server's log has for the request.
    pub request_id: String,
    /// The id that the caller's own systems have for it (W3C Trace Context).
    pub trace_id: String,
    /// Who.
    pub subject: String,
    /// With which client.
    pub client_id: String,
    /// With which token (`jti`), never the token.
    pub token_id: String,
    /// What the token may be used for.
    pub scopes: BTreeSet<String>,
    /// What was called.
    pub tool: String,
    /// SHA-256 over the arguments as they came, by [`arguments_sha256`].
    pub arguments_sha256: String,
    /// The arguments, by [`redacted`].
    pub arguments: Value,
    /// Whether it was let through.
    pub decision: Decision,
    /// Why not, as a stable word; empty where it was.
    pub reason: String,
    /// What it came to: `ok`, or the kind of its fault.
    pub outcome: String,
    /// How long it took.
    pub milliseconds: u64,
    /// Rows of the answer, where it has any.
    pub rows: Option<u64>,
    /// The proxy that it came by.
    pub proxy: Option<IpAddr>,
    /// Whence it came, as the proxy says or the connection shows.
    pub client: Option<IpAddr>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            time: SystemTime::now(),
            event: "call",
            request_id: String::new(),
            trace_id: String::new(),
            subject: String::new(),
            client_id: String::new(),
            token_id: String::new(),
            scopes: BTreeSet::new(),
            tool: String::new(),
            arguments_sha256: String::new(),
            arguments: Value::Null,
            decision: Decision::default(),
            reason: String::new(),
            outcome: String::new(),
            milliseconds: 0,
            rows: None,
            proxy: None,
            client: None,
        }
    }
}

impl Line {
    /// A call of `tool` with `arguments`, which nobody has made yet, and nobody allowed.
    #[must_use]
    pub fn of_call(tool: &str, arguments: &Value) -> Self {
        Self {
            tool: tool.to_owned(),
            arguments_sha256: arguments_sha256(arguments),
            arguments: redacted(arguments),
            ..Self::default()
        }
    }

    /// The same by `principal`.
    #[must_use]
    pub fn by(self, principal: &Principal) -> Self {
        Self {
            subject: principal.subject().to_owned(),
            client_id: principal.client_id().to_owned(),
            token_id: principal.token_id().to_owned(),
            scopes: principal.scopes().clone(),
            ..self
        }
    }

    /// The same by somebody whose token did not hold.
    #[must_use]
    pub fn by_known(self, known: &Known) -> Self {
        Self {
            subject: known.subject.clone(),
            client_id: known.client_id.clone(),
            token_id: known.token_id.clone(),
            ..self
        }
    }

    /// The same, let through, and come to `outcome`.
    #[must_use]
    pub fn allowed(self, outcome: &str, rows: Option<u64>) -> Self {
        Self { decision: Decision::Allowed, outcome: outcome.to_owned(), rows, ..self }
    }

    /// The same, denied for `reason`.
    #[must_use]
    pub fn denied(self, reason: &str) -> Self {
        Self { decision: Decision::Denied, reason: reason.to_owned(), ..self }
    }
}

/// SHA-256 over arguments as JSON without spaces, the keys of each object in the order of their characters; numbers as
/// they came. The same arguments in another order have the same digest.
#[must_use]
pub fn arguments_sha256(arguments: &Value) -> String {
    let mut sha = Sha256::new();
    digest(arguments, &mut sha);
    hexadecimal(&sha.finalize())
}

fn digest(value: &Value, sha: &mut Sha256) {
    match value {
        Value::Object(map) => {
            // Whatever order the map itself keeps.
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_unstable_by_key(|(key, _)| *key);
            for (at, (key, value)) in pairs.into_iter().enumerate() {
                sha.update(if at == 0 { "{" } else { "," });
                sha.update(Value::from(key.as_str()).to_string());
                sha.update(":");
                digest(value, sha);
            }
            sha.update(if map.is_empty() { "{}" } else { "}" });
        }
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                sha.update(if at == 0 { "[" } else { "," });
                digest(value, sha);
            }
            sha.update(if list.is_empty() { "[]" } else { "]" });
        }
        scalar => sha.update(scalar.to_string()),
    }
}

/// Values of all arguments together that a line shows.
const MOST_VALUES: usize = 100;
/// How deep they are shown.
const MOST_DEEP: usize = 6;
const REDACTED: &str = "[redacted]";

/// Arguments as a line shows them: what looks like a secret is left out, what is long is shortened.
#[must_use]
pub fn redacted(arguments: &Value) -> Value {
    show(arguments, MOST_DEEP, &mut MOST_VALUES.clone())
}

fn show(value: &Value, deep: usize, left: &mut usize) -> Value {
    let Some(fewer) = left.checked_sub(1) else { return Value::from("…") };
    *left = fewer;
    match value {
        Value::String(text) => Value::from(show_text(text)),
        Value::Array(_) | Value::Object(_) if deep == 0 => Value::from("…"),
        Value::Array(list) => {
            let mut shown = Vec::new();
            for value in list {
                if *left == 0 {
                    shown.push(Value::from(format!("… {} in all", list.len())));
                    break;
                }
                shown.push(show(value, deep - 1, left));
            }
            shown.into()
        }
        Value::Object(map) => {
            let mut shown_map = Map::new();
            for (key, value) in map {
                if *left == 0 {
                    shown_map.insert("…".to_owned(), Value::from(format!("{} in all", map.len())));
                    break;
                }
                let value = if is_secret(key) { Value::from(REDACTED) } else { show(value, deep - 1, left) };
                shown_map.insert(shown(key), value);
            }
            shown_map.into()
        }
        other => other.clone(),
    }
}

fn show_text(text: &str) -> String {
    // A parameter of a call of the platform: NAME=VALUE.
    if let Some((name, _)) = text.split_once('=')
        && is_secret(name)
    {
        return format!("{}={REDACTED}", shown(name));
    }
    let lower = text.trim_start().to_ascii_lowercase();
    let is_header =
        ["bearer ", "basic ", "negotiate ", "ntlm "].iter().any(|scheme| lower.starts_with(scheme));
    // A token as RFC 7515 §3.1 writes it, a key in PEM, and who signs in by an address (RFC 3986 §3.2.1).
    let is_token = |word: &str| word.starts_with("eyJ") && word.len() > 20;
    let has_token = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).any(is_token);
    let has_user = text.split_once("://").is_some_and(|(_, rest)| {
        rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
    });
    if is_header || has_token || has_user || text.contains("-----BEGIN") {
        return REDACTED.to_owned();
    }
    shown(text)
}

/// Whether what goes by this name is nobody's business.
fn is_secret(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "apikey",
        "accesskey",
        "privatekey",
        "authorization",
        "credential",
        "cookie",
    ];
    let folded: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().any(|name| folded.contains(name)) || folded == "pw" || folded == "pin"
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use serde_json::json;

    use super::*;

    #[test]
    fn the_digest_is_of_what_is_asked_not_of_how_it_is_written() {
        let parsed = |text: &str| arguments_sha256(&serde_json::from_str(text).unwrap());
        let one = parsed(r#"{"b": [1, {"d": null, "c": "é"}], "a": 1.50}"#);
        assert_eq!(one, parsed("{ \"a\":1.50,\"b\":[1,{\"c\":\"\\u00e9\",\"d\":null}] }"));
        assert_eq!(one, hexadecimal(&Sha256::digest(r#"{"a":1.5,"b":[1,{"c":"é","d":null}]}"#)));
        for other in [r#"{"b":[1,{"d":null,"c":"e"}],"a":1.5}"#, r#"{"b":[1,{},{"d":null,"c":"é"}],"a":1.5}"#]
        {
            assert_ne!(one, parsed(other));
        }
        assert_eq!(parsed("[{},[]]"), hexadecimal(&Sha256::digest("[{},[]]")));
    }

    #[test]
    fn what_looks_like_a_secret_is_left_out_and_the_rest_is_shown_short() {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2ln";
        let arguments = json!({
            "period": "2026-10", "limit": 20, "dry_run": false, "vendor": "A\u{202e}B\nC",
            "Pass-Word": "hunter2", "nested": {"api_key": ["hunter2"], "page_token": {"x": "hunter2"}},
            "parameters": ["from=2026", "clientSecret=hunter2", "note = hunter"],
            "a": format!("Bearer {token}"), "b": format!("see {token}"), "c": "https://ann:hunter2@host/x?y",
            "d": "-----BEGIN PRIVATE KEY-----\nhunter2", "e": "Basic aHVudGVyMg==", "f": "x".repeat(200),
            "g": "mail@host", "h": "https://host/x@y",
        });
        let shown = redacted(&arguments);
        let text = shown.to_string();
        assert!(!text.contains("hunter2") && !text.contains("eyJ") && !text.contains("aHVu"), "{text}");
        assert_eq!(shown["vendor"], "A\\u{202e}B\\nC");
        assert_eq!(shown["parameters"], json!(["from=2026", "clientSecret=[redacted]", "note = hunter"]));
        assert_eq!(shown["f"].as_str().unwrap().chars().count(), 121);
        for (key, as_it_is) in [("period", true), ("limit", true), ("g", true), ("h", true), ("c", false)] {
            assert_eq!(shown[key] == arguments[key], as_it_is, "{key}");
        }
    }

    #[test]
    fn a_line_is_short_whatever_is_asked() {
        let mut deep = json!("x");
        for _ in 0..100 {
            deep = json!({ "k": [deep] });
        }
        let wide = json!(vec!["y".repeat(500); 5000]);
        let shown = redacted(&json!({ "deep": deep, "wide": wide, "z": 1 }));
        assert!(shown.to_string().len() < 50_000);
        assert!(shown["wide"].as_array().unwrap().last().unwrap().as_str().unwrap().contains("5000 in all"));
    }
}
