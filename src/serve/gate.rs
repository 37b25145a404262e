//! Nobody comes in over HTTP without a token that is good for what he asks: checked before the protocol sees the request,
//! so that what is missing can be said as HTTP says it (RFC 6750 §3: 401 and 403 with a challenge).

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::Value;

use super::audit::Line;
use super::auth::{Challenge, Principal, Refusal, Scopes, Verifier, bearer};
use super::body;
use super::call::{Caller, READING};
use super::front::Refuser;
use super::request::Origin;

/// What the gate needs to know.
pub(super) struct Gate {
    pub(super) verifier: Arc<Verifier>,
    pub(super) scopes: Scopes,
    pub(super) challenge: Challenge,
    pub(super) refuser: Refuser,
    /// Bytes that a body may have, and how long it may take.
    pub(super) body: usize,
    pub(super) body_time: Duration,
}

/// As much of a message as decides whether it may pass. A field that stands there twice is an error: which of them the protocol
/// would take is not to be found out here.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(default)]
    arguments: Option<JsonObject>,
}

impl Message<'_> {
    /// The tool whose scopes it needs, if it needs any beyond a token.
    fn tool(&self) -> Option<&str> {
        match self.method.as_deref()? {
            "tools/call" => self.params.as_ref()?.name.as_deref(),
            "resources/read" => Some(READING),
            _ => None,
        }
    }

    /// The line in the audit log for it.
    fn line(&self) -> Line {
        let name = match self.method.as_deref() {
            Some("tools/call") => self.tool().unwrap_or("tools/call"),
            method => method.unwrap_or_default(),
        };
        let arguments = self.params.as_ref().and_then(|params| params.arguments.clone());
        Line::of_call(name, &Value::Object(arguments.unwrap_or_default()))
    }
}

fn nothing() -> Line {
    Line::default()
}

/// Lets a request pass, with who makes it, or refuses it.
pub(super) async fn gate(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
    let verified = match bearer(&parts.headers) {
        Ok(token) => gate.verifier.verify(token, SystemTime::now()).await,
        Err(refusal) => Err(refusal),
    };
    let principal = match verified {
        Ok(principal) => principal,
        Err(refusal) => {
            // What was asked for does not matter, and is not read: who is not known may send what he likes.
            let Refused { line, reason, status, challenge } = gate.refused(nothing(), &refusal);
            return gate.refuser.refuse(line, reason, &origin, status, challenge).await;
        }
    };
    // The token itself goes no further.
    parts.headers.remove(AUTHORIZATION);
    let bytes = match body::read(&parts, body, gate.body, gate.body_time).await {
        Ok(bytes) => bytes,
        Err((reason, status)) => {
            return gate.refuser.refuse(nothing().by(&principal), reason, &origin, status, None).await;
        }
    };
    if let Err(refused) = gate.check(&principal, &bytes) {
        let Refused { line, reason, status, challenge } = *refused;
        return gate.refuser.refuse(line.by(&principal), reason, &origin, status, challenge).await;
    }
    let is_attended = Arc::new(AtomicBool::new(false));
    parts.extensions.insert(Caller {
        principal: principal.clone(),
        request_id: origin.request_id.clone(),
        trace_id: origin.trace_id.clone(),
        proxy: Some(origin.proxy),
        client: Some(origin.client),
        is_attended: Arc::clone(&is_attended),
    });
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    // What is no message of the protocol, or of a revision that is not spoken here: the answer says what is wrong with it.
    if response.status().is_client_error() && !is_attended.load(Ordering::Relaxed) {
        return gate.refuser.refuse_by(nothing().by(&principal), "protocol", &origin, response).await;
    }
    response
}

/// A message that may not pass.
struct Refused {
    line: Line,
    reason: &'static str,
    status: StatusCode,
    challenge: Option<String>,
}

impl Gate {
    /// What becomes of a refusal.
    fn refused(&self, line: Line, refusal: &Refusal) -> Refused {
        let line = match &refusal.known {
            Some(known) => line.by_known(known),
            None => line,
        };
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::UNAUTHORIZED);
        Refused { line, reason: refusal.reason, status, challenge: self.challenge.value(refusal) }
    }

    /// Whether the token is good for what the message asks.
    fn check(&self, principal: &Principal, bytes: &[u8]) -> Result<(), Box<Refused>> {
        // A GET has none; the protocol says what it thinks of that.
        if bytes.is_empty() {
            return Ok(());
        }
        let message: Message<'_> = serde_json::from_slice(bytes).map_err(|_| {
            let (line, reason, status) = (nothing(), "body-malformed", StatusCode::BAD_REQUEST);
            Box::new(Refused { line, reason, status, challenge: None })
        })?;
        let checked = match message.tool() {
            // That there is no such tool is for the protocol to say.
            Some(tool) if self.scopes.of(tool).is_none() => self.scopes.check_any(principal),
            Some(tool) => self.scopes.check(tool, principal),
            None => self.scopes.check_any(principal),
        };
        checked.map_err(|refusal| Box::new(self.refused(message.line(), &refusal)))
    }
}
