//! How lines hang together: each ends with a hash over its own bytes, among which is the hash of the line before.
//!
//! A line is one JSON object in UTF-8, then a line feed. Its last two members are
//! `"previous":"…","hash":"…"`: SHA-256 in lower-case hexadecimal. The hash is over the bytes of the line that stand
//! before `,"hash":`, exactly as they are. So no way of writing JSON decides, and a few lines of any language check it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::line::{Decision, Line};
use crate::digest::hexadecimal;
use crate::fault::{Fault, Kind, Result, shown};
use crate::period::moment;

/// What the first line of all names as the one before.
pub(super) const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What stands before the hash.
const HASH: &[u8] = b",\"hash\":\"";
/// What stands behind it.
const END: &[u8] = b"\"}";

/// The end of a chain: what the next line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The number of the last line; 0 where there is none.
    pub(super) number: u64,
    pub(super) hash: String,
    /// The UTC day of the last line.
    pub(super) day: String,
}

impl Link {
    pub(super) fn none() -> Self {
        Self { number: 0, hash: NONE.to_owned(), day: String::new() }
    }
}

/// A line as it is written, but for its hash. The order of the fields is that of the bytes.
#[derive(Serialize)]
struct Written<'a> {
    number: u64,
    time: String,
    event: &'a str,
    request_id: String,
    trace_id: String,
    subject: String,
    client_id: String,
    token_id: String,
    scopes: BTreeSet<String>,
    tool: String,
    arguments_sha256: &'a str,
    arguments: &'a Value,
    decision: Decision,
    reason: String,
    outcome: String,
    milliseconds: u64,
    rows: Option<u64>,
    proxy: Option<IpAddr>,
    client: Option<IpAddr>,
    previous: &'a str,
}

/// Bytes that no line comes near: longer ones are something else.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// Scopes of a token that a line names.
const MOST_SCOPES: usize = 50;

/// Appends `line` to `bytes` as the next of a chain, whose end it becomes.
pub(super) fn append(line: &Line, end: &mut Link, bytes: &mut Vec<u8>) -> Result<()> {
    let written = Written {
        number: end.number + 1,
        time: moment(line.time),
        event: line.event,
        request_id: shown(&line.request_id),
        trace_id: shown(&line.trace_id),
        subject: shown(&line.subject),
        client_id: shown(&line.client_id),
        token_id: shown(&line.token_id),
        scopes: line.scopes.iter().take(MOST_SCOPES).map(|scope| shown(scope)).collect(),
        tool: shown(&line.tool),
        arguments_sha256: &line.arguments_sha256,
        arguments: &line.arguments,
        decision: line.decision,
        reason: shown(&line.reason),
        outcome: shown(&line.outcome),
        milliseconds: line.milliseconds,
        rows: line.rows,
        proxy: line.proxy,
        client: line.client,
        previous: &end.hash,
    };
    let day = day(&written.time).to_owned();
    let mut text = serde_json::to_vec(&written)
        .map_err(|error| Fault::new(Kind::Bug, "an audit line cannot be written as JSON").because(error))?;
    // The object's closing brace comes after the hash.
    text.pop();
    let hash = hexadecimal(&Sha256::digest(&text));
    for part in [&text, HASH, hash.as_bytes(), END, b"\n"] {
        bytes.extend_from_slice(part);
    }
    *end = Link { number: end.number + 1, hash, day };
    Ok(())
}

/// The UTC day of a moment.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or_default()
}

/// What is known of a line that was read.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) number: u64,
    pub(super) time: String,
    pub(super) event: String,
    pub(super) previous: String,
    #[serde(default)]
    pub(super) arguments: Value,
    #[serde(skip)]
    pub(super) hash: String,
}

impl Seen {
    /// As the end of a chain.
    pub(super) fn link(&self) -> Link {
        Link { number: self.number, hash: self.hash.clone(), day: day(&self.time).to_owned() }
    }
}

/// Why a line is none.
#[derive(Clone, Debug)]
pub(super) enum Unlike {
    /// It does not look like one.
    Unreadable,
    /// It looks like one, and its hash is not that of its bytes.
    Changed(Box<Seen>),
}

/// Reads a line without its line feed.
pub(super) fn read(line: &[u8]) -> Result<Seen, Unlike> {
    let hash = line.strip_suffix(END).and_then(|line| {
        let (head, hash) = line.split_at_checked(line.len().checked_sub(NONE.len())?)?;
        let text = head.strip_suffix(HASH)?;
        let is_hash = hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Some((text, std::str::from_utf8(hash).ok().filter(|_| is_hash)?))
    });
    let (text, hash) = hash.ok_or(Unlike::Unreadable)?;
    let mut seen: Seen = serde_json::from_slice(line).map_err(|_| Unlike::Unreadable)?;
    hash.clone_into(&mut seen.hash);
    if hexadecimal(&Sha256::digest(text)) == hash { Ok(seen) } else { Err(Unlike::Changed(Box::new(seen))) }
}
