//! The body of a request: as large, as slow and as deep as it may be, and no more, and no key of it twice.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep objects and lists may be in each other; what the protocol sends is far from it.
const DEEPEST: usize = 32;

/// Why a body is not taken: a word for the audit log, and the status.
pub(super) type Refused = (&'static str, StatusCode);

/// Reads a body of at most `most` bytes within `time`.
pub(super) async fn read(parts: &Parts, body: Body, most: usize, time: Duration) -> Result<Bytes, Refused> {
    let stated =
        parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|length| length > most) {
        return Err(("body-too-large", StatusCode::PAYLOAD_TOO_LARGE));
    }
    let limited = Limited::new(body, most);
    match tokio::time::timeout(time, limited.collect()).await {
        Err(_) => Err(("body-too-slow", StatusCode::REQUEST_TIMEOUT)),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(("body-too-large", StatusCode::PAYLOAD_TOO_LARGE))
        }
        Ok(Err(_)) => Err(("body-broken", StatusCode::BAD_REQUEST)),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

/// Why bytes are not taken as JSON.
#[derive(Debug)]
pub(super) enum Broken {
    /// Deeper than anything that is sent in good faith.
    TooDeep,
    /// This key stands twice in one object. Which of the two counts, readers do not agree on (RFC 8259 §4), so that what was
    /// checked and what was done could differ.
    Twice(String),
    /// No JSON.
    Malformed,
}

/// Reads JSON, each key once and no deeper than it may be.
pub(super) fn json(bytes: &[u8]) -> Result<Value, Broken> {
    let broken = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { room: DEEPEST, broken: &broken }.deserialize(&mut reader);
    match read.and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(_) => Err(broken.take().unwrap_or(Broken::Malformed)),
    }
}

/// Reads a value that may have `room` levels.
#[derive(Clone, Copy)]
struct Strict<'a> {
    room: usize,
    /// What is wrong, where it is more than that this is no JSON.
    broken: &'a Cell<Option<Broken>>,
}

impl Strict<'_> {
    fn refuse<E: Error>(self, what: Broken) -> E {
        self.broken.set(Some(what));
        E::custom("refused")
    }

    /// What reads the values within.
    fn within<E: Error>(self) -> Result<Self, E> {
        let room = self.room.checked_sub(1).ok_or_else(|| self.refuse(Broken::TooDeep))?;
        Ok(Self { room, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(within)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut all = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if all.contains_key(&key) {
                return Err(self.refuse(Broken::Twice(key)));
            }
            let value = fields.next_value_seed(within)?;
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn json_is_read_as_it_stands() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,1.5,"\u00e9"],"b":{"a":{}}}"#;
        assert_eq!(json(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        for text in ["", "{", "{} {}", "[1,]", "nul", "{\"a\":1"] {
            assert!(matches!(json(text.as_bytes()), Err(Broken::Malformed)), "{text}");
        }
    }

    #[test]
    fn no_key_stands_twice_wherever_it_is_and_however_it_is_written() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":[],"c":1,"\u0061":2}}]"#] {
            assert!(matches!(json(text.as_bytes()), Err(Broken::Twice(key)) if key == "a"), "{text}");
        }
        assert!(json(br#"{"a":{"a":1},"A":2}"#).is_ok());
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert!(json(br#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["}"#).is_ok());
        let deep = |levels: usize| json(["[".repeat(levels), "]".repeat(levels)].concat().as_bytes());
        assert!(deep(DEEPEST).is_ok());
        assert!(matches!(deep(DEEPEST + 1), Err(Broken::TooDeep)));
        // However deep it is, nothing recurses that far.
        assert!(matches!(json("[".repeat(1 << 20).as_bytes()), Err(Broken::TooDeep)));
    }
}
