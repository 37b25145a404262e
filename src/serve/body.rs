//! The body of a request: as large, as slow and as deep as it may be, and no more.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use http_body_util::{BodyExt as _, Limited};

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
    let bytes = match tokio::time::timeout(time, limited.collect()).await {
        Err(_) => return Err(("body-too-slow", StatusCode::REQUEST_TIMEOUT)),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(("body-too-large", StatusCode::PAYLOAD_TOO_LARGE));
        }
        Ok(Err(_)) => return Err(("body-broken", StatusCode::BAD_REQUEST)),
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    match is_too_deep(&bytes) {
        true => Err(("body-too-deep", StatusCode::BAD_REQUEST)),
        false => Ok(bytes),
    }
}

/// Whether JSON is deeper than anything that is sent in good faith; counted without recursion, before anything recurses.
fn is_too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => {
                depth += 1;
                if depth > DEEPEST {
                    return true;
                }
            }
            b'}' | b']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert!(!is_too_deep(br#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["}"#));
        assert!(!is_too_deep("[".repeat(DEEPEST).as_bytes()));
        assert!(is_too_deep("[".repeat(DEEPEST + 1).as_bytes()));
    }
}
