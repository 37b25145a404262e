//! Nobody comes in over HTTP without a token that is good for what he asks: checked before the protocol sees the request,
//! so that what is missing can be said as HTTP says it (RFC 6750 §3: 401 and 403 with a challenge).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use rmcp::ErrorData;
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, JsonRpcError, RequestId};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::audit::Line;
use super::auth::{Challenge, Principal, Refusal, Scopes, Verifier, bearer};
use super::body::{self, Broken};
use super::call::{Caller, READING};
use super::front::Refuser;
use super::handler::REVISIONS;
use super::request::Origin;
use crate::fault::shown;

/// The head that names the revision in which a message is spoken.
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");

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

/// A message as it came, before the protocol reads it.
struct Message(Value);

impl Message {
    fn method(&self) -> Option<&str> {
        self.0.get("method")?.as_str()
    }

    fn params(&self) -> Option<&Value> {
        self.0.get("params")
    }

    fn id(&self) -> Option<RequestId> {
        RequestId::deserialize(self.0.get("id")?).ok()
    }

    /// The revision that it names itself, as 2026-07-28 has it.
    fn revision(&self) -> Option<&str> {
        self.params()?.get("_meta")?.get("io.modelcontextprotocol/protocolVersion")?.as_str()
    }

    /// The tool whose scopes it needs, if it needs any beyond a token.
    fn tool(&self) -> Option<&str> {
        match self.method()? {
            "tools/call" => self.params()?.get("name")?.as_str(),
            "resources/read" => Some(READING),
            _ => None,
        }
    }

    /// The line in the audit log for it.
    fn line(&self) -> Line {
        let name = match self.method() {
            Some("tools/call") => self.tool().unwrap_or("tools/call"),
            method => method.unwrap_or_default(),
        };
        let arguments = self.params().and_then(|params| params.get("arguments")).and_then(Value::as_object);
        Line::of_call(name, &Value::Object(arguments.cloned().unwrap_or_default()))
    }

    /// The revision in its head that is not spoken here. Without one it is 2025-03-26 by the protocol, and what that shares with
    /// its successors is answered. `initialize` is where a revision is agreed upon, whatever it begins with; and where the
    /// message names another one than its head, that is what is wrong with it, and for the protocol to say.
    fn unspoken(&self, headers: &HeaderMap) -> Option<String> {
        if self.method() == Some("initialize") {
            return None;
        }
        let mut named = headers.get_all(REVISION).iter().map(|name| String::from_utf8_lossy(name.as_bytes()));
        let unspoken = named.find(|name| REVISIONS.iter().all(|revision| revision.as_str() != name))?;
        self.revision().is_none_or(|revision| revision == unspoken).then(|| unspoken.into_owned())
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
            let Refused { line, reason, response } = gate.refused(nothing(), &refusal);
            return gate.refuser.refuse(line, reason, &origin, response).await;
        }
    };
    // The token itself goes no further.
    parts.headers.remove(AUTHORIZATION);
    let bytes = match body::read(&parts, body, gate.body, gate.body_time).await {
        Ok(bytes) => bytes,
        Err((reason, status)) => {
            let response = status.into_response();
            return gate.refuser.refuse(nothing().by(&principal), reason, &origin, response).await;
        }
    };
    if let Err(refused) = gate.check(&principal, &parts, &bytes) {
        let Refused { line, reason, response } = *refused;
        return gate.refuser.refuse(line.by(&principal), reason, &origin, response).await;
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
    // What the protocol refuses: the answer says what is wrong with it.
    if response.status().is_client_error() && !is_attended.load(Ordering::Relaxed) {
        return gate.refuser.refuse(nothing().by(&principal), "protocol", &origin, response).await;
    }
    response
}

/// A message that may not pass.
struct Refused {
    line: Line,
    reason: &'static str,
    response: Response,
}

/// A message that is none, in the words of JSON-RPC.
fn wrong(reason: &'static str, id: Option<RequestId>, error: ErrorData) -> Box<Refused> {
    let body = serde_json::to_string(&JsonRpcError::new(id, error)).unwrap_or_default();
    let response = (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/json")], body).into_response();
    Box::new(Refused { line: nothing(), reason, response })
}

impl Gate {
    /// What becomes of a refusal.
    fn refused(&self, line: Line, refusal: &Refusal) -> Refused {
        let line = match &refusal.known {
            Some(known) => line.by_known(known),
            None => line,
        };
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::UNAUTHORIZED);
        let challenge = self.challenge.value(refusal);
        let challenge = challenge.and_then(|challenge| HeaderValue::from_str(&challenge).ok());
        let mut response = status.into_response();
        response.headers_mut().extend(challenge.map(|challenge| (WWW_AUTHENTICATE, challenge)));
        Refused { line, reason: refusal.reason, response }
    }

    /// Whether this is a message that is spoken here, and the token good for what it asks.
    fn check(&self, principal: &Principal, parts: &Parts, bytes: &[u8]) -> Result<(), Box<Refused>> {
        // Messages are posted; what the protocol thinks of anything else, it says itself.
        if parts.method != Method::POST {
            return Ok(());
        }
        let message = Message(body::json(bytes).map_err(|broken| match broken {
            Broken::TooDeep => {
                wrong("body-too-deep", None, ErrorData::invalid_request("the body is too deep", None))
            }
            Broken::Twice(key) => {
                let what = format!("the key {} stands twice in one object", shown(&key));
                wrong("body-malformed", None, ErrorData::invalid_request(what, None))
            }
            Broken::Malformed => {
                wrong("body-malformed", None, ErrorData::parse_error("the body is no JSON", None))
            }
        })?);
        if ClientJsonRpcMessage::deserialize(&message.0).is_err() {
            let what = "this is no message of JSON-RPC 2.0: an object with jsonrpc, method, params, and the id of a request";
            return Err(wrong("no-message", message.id(), ErrorData::invalid_request(what, None)));
        }
        if let Some(named) = message.unspoken(&parts.headers) {
            let data = json!({"requested": shown(&named), "supported": REVISIONS});
            let (code, what) = (ErrorCode::UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version");
            return Err(wrong("revision", message.id(), ErrorData::new(code, what, Some(data))));
        }
        let checked = match message.tool() {
            // That there is no such tool is for the protocol to say.
            Some(tool) if self.scopes.of(tool).is_none() => self.scopes.check_any(principal),
            Some(tool) => self.scopes.check(tool, principal),
            None => self.scopes.check_any(principal),
        };
        checked.map_err(|refusal| Box::new(self.refused(message.line(), &refusal)))
    }
}
