//! The simulator's HTTP side: sign-in by connection, the three pages of an ASMX file, the log.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName,
    HeaderValue, SERVER, WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::faults::{Cord, Cuttable, Faults, Payload, Trouble};
use super::log::{Entry, Log};
use super::ntlm::{Bindings, Handshake, Refused, message_type};
use super::operations::{Answer, OPERATIONS, Platform};
use super::soap::{self, Call, NAMESPACE, SoapFault, Unreadable, Version};
use super::{PATH, Scheme, User, spnego, wsdl};

/// A request larger than this is refused.
const REQUEST_BYTES_MAX: usize = 1 << 20;
const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// What all connections share.
pub(super) struct Shared {
    pub(super) platform: Platform,
    pub(super) users: Vec<User>,
    pub(super) schemes: &'static [Scheme],
    pub(super) bindings: Bindings,
    pub(super) faults: Faults,
    pub(super) gzip: bool,
    pub(super) log: Log,
    pub(super) endpoint: String,
    /// How many calls there were, over all connections.
    pub(super) calls: AtomicU64,
    /// How many entries the log got from here.
    pub(super) entries: AtomicU64,
}

/// Accepts connections for ever.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: wait for some to come back.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            match tls {
                Some(tls) => converse(tls.accept(stream).await?, shared).await,
                None => converse(stream, shared).await,
            }
            io::Result::Ok(())
        });
    }
}

/// One connection, until either side ends it.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let line = Arc::new(Line { shared, cord: Cord::default(), state: Mutex::default() });
    let stream = TokioIo::new(Cuttable::new(stream, line.cord.clone()));
    let service = service_fn(move |request| {
        let line = Arc::clone(&line);
        async move { Ok::<_, Infallible>(line.answer(request).await) }
    });
    // How a connection ends is the caller's affair.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
}

/// A connection, and who is signed in on it: NTLM authenticates connections, not requests.
struct Line {
    shared: Arc<Shared>,
    cord: Cord,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sign_in: SignIn,
    /// Requests on this connection.
    requests: u32,
    /// Calls since the sign-in.
    calls: u32,
}

#[derive(Default)]
enum SignIn {
    #[default]
    Nobody,
    Challenged(Box<Handshake>),
    Done(String),
}

impl Line {
    async fn answer(&self, request: Request<Incoming>) -> Response<Payload> {
        let (head, body) = request.into_parts();
        // Read to its end even where it is ignored, or the connection could not go on.
        let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
        let delay = self.shared.faults.delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut response = match body {
            Ok(body) => self.respond(&head, &body.to_bytes()),
            Err(_) => closing(plain(StatusCode::PAYLOAD_TOO_LARGE, "The request is too large.")),
        };
        response.headers_mut().insert(SERVER, HeaderValue::from_static("tieout-simulator"));
        response
    }

    fn respond(&self, head: &Parts, body: &Bytes) -> Response<Payload> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        if self.shared.faults.drop_after.is_some_and(|after| state.requests >= after) {
            self.cord.pull();
        }
        let user = match self.sign_in(&mut state, head) {
            ControlFlow::Continue(user) => user,
            ControlFlow::Break(response) => return response,
        };
        if !head.uri.path().eq_ignore_ascii_case(PATH) {
            return plain(StatusCode::NOT_FOUND, "There is nothing here.");
        }
        match (&head.method, head.uri.query()) {
            (&Method::POST, _) => {
                state.calls += 1;
                drop(state);
                self.shared.call(&user, head, body)
            }
            (&Method::GET | &Method::HEAD, None) => {
                reply(StatusCode::OK, "text/html; charset=utf-8", wsdl::page())
            }
            (&Method::GET | &Method::HEAD, Some(query)) if query.eq_ignore_ascii_case("wsdl") => {
                let wsdl = wsdl::wsdl(&self.shared.endpoint, &self.shared.platform.records.columns);
                reply(StatusCode::OK, "text/xml; charset=utf-8", wsdl)
            }
            (&Method::GET | &Method::HEAD, Some(_)) => plain(StatusCode::NOT_FOUND, "There is nothing here."),
            _ => plain(StatusCode::METHOD_NOT_ALLOWED, "Use GET or POST."),
        }
    }

    /// Who asks; or what to answer as long as nobody is signed in (NTLM over HTTP: [MS-NTHT] §3.1).
    fn sign_in(&self, state: &mut State, head: &Parts) -> ControlFlow<Response<Payload>, String> {
        let given = head.headers.get(AUTHORIZATION).and_then(|value| self.shared.token(value.to_str().ok()?));
        let Some((scheme, token)) = given else {
            let forgotten = self.shared.faults.forget_after.is_some_and(|after| state.calls >= after);
            if let SignIn::Done(user) = &state.sign_in
                && !forgotten
            {
                return ControlFlow::Continue(user.clone());
            }
            *state = State { requests: state.requests, ..State::default() };
            return ControlFlow::Break(self.shared.unauthorised());
        };
        let before = std::mem::take(&mut state.sign_in);
        state.calls = 0;
        // SPNEGO is answered with SPNEGO.
        let (token, is_wrapped) = match spnego::message(&token) {
            Some(message) if scheme == Scheme::Negotiate => (message.to_vec(), true),
            _ => (token, false),
        };
        match (message_type(&token), before) {
            (Some(1), _) => {
                let Some((handshake, challenge)) = Handshake::challenge(&token) else {
                    return ControlFlow::Break(self.shared.unauthorised());
                };
                state.sign_in = SignIn::Challenged(Box::new(handshake));
                let challenge = if is_wrapped { spnego::go_on(&challenge) } else { challenge };
                let response = unauthorised([format!("{} {}", scheme.name(), STANDARD.encode(challenge))]);
                ControlFlow::Break(if self.shared.faults.close_on_challenge {
                    closing(response)
                } else {
                    response
                })
            }
            (Some(3), SignIn::Challenged(handshake)) => {
                match handshake.verify(&token, &self.shared.users, &self.shared.bindings) {
                    Ok(user) => {
                        state.sign_in = SignIn::Done(user.name.clone());
                        ControlFlow::Continue(user.name.clone())
                    }
                    Err(refused) => ControlFlow::Break(self.shared.refuse(head, &refused)),
                }
            }
            // An answer to a challenge of another connection.
            (Some(3), _) => ControlFlow::Break(self.shared.refuse(head, &Refused { user: String::new() })),
            _ => ControlFlow::Break(self.shared.unauthorised()),
        }
    }
}

impl Shared {
    fn refuse(&self, head: &Parts, refused: &Refused) -> Response<Payload> {
        let entry =
            Entry { method: "sign-in".into(), arguments: "{}".into(), outcome: "refused".into(), rows: 0 };
        self.record(head, &refused.user, &entry, self.unauthorised())
    }

    /// What a request's `Authorization` holds, where its scheme is on offer.
    fn token(&self, authorization: &str) -> Option<(Scheme, Vec<u8>)> {
        let (name, token) = authorization.split_once(' ')?;
        let scheme = self.schemes.iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))?;
        Some((*scheme, STANDARD.decode(token.trim()).ok()?))
    }

    fn unauthorised(&self) -> Response<Payload> {
        unauthorised(self.schemes.iter().map(|scheme| scheme.name().to_owned()))
    }

    fn call(&self, user: &str, head: &Parts, body: &Bytes) -> Response<Payload> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let (entry, response) = match Version::of_content_type(header(head, &CONTENT_TYPE)) {
            None => unread("the content type is not SOAP's", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Some(version) => match soap::read(body, version) {
                Err(Unreadable::Malformed) => {
                    unread("the request is not well-formed XML", StatusCode::BAD_REQUEST)
                }
                Err(Unreadable::Fault(fault)) => finish(version, &Call::default(), Err(fault), false),
                Ok(call) => self.execute(version, head, &call, user, self.faults.of_call(number)),
            },
        };
        self.record(head, user, &entry, response)
    }

    fn execute(
        &self,
        version: Version,
        head: &Parts,
        call: &Call,
        user: &str,
        trouble: Option<Trouble>,
    ) -> (Entry, Response<Payload>) {
        let surplus = match trouble {
            Some(Trouble::Unavailable) => {
                let page = plain(StatusCode::SERVICE_UNAVAILABLE, "The service is unavailable.");
                return (entry(call, "fault: HTTP 503".into(), 0), page);
            }
            Some(Trouble::HtmlPage) => {
                let page = reply(StatusCode::OK, "text/html; charset=utf-8", PORTAL);
                return (entry(call, "fault: an HTML page instead of an answer".into(), 0), page);
            }
            Some(Trouble::WrongTotal) => 1,
            Some(Trouble::CutBody) | None => 0,
        };
        let result =
            check_action(version, head, call).and_then(|()| self.platform.execute(call, user, surplus));
        let (entry, response) = finish(version, call, result, self.gzip && asks_for_gzip(head));
        let cut = trouble == Some(Trouble::CutBody);
        (entry, if cut { response.map(Payload::cut) } else { response })
    }

    /// Writes the log, then lets the answer go.
    fn record(
        &self,
        head: &Parts,
        user: &str,
        entry: &Entry,
        mut response: Response<Payload>,
    ) -> Response<Payload> {
        let number = self.entries.fetch_add(1, Ordering::Relaxed) + 1;
        let correlation_id = match header(head, &CORRELATION) {
            given if !given.is_empty() && given.len() <= 100 => given.to_owned(),
            _ => format!("simulator-{number}"),
        };
        if self.log.write(user, &correlation_id, entry).is_err() {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "The execution log cannot be written.");
        }
        if let Ok(value) = HeaderValue::from_str(&correlation_id) {
            response.headers_mut().insert(CORRELATION, value);
        }
        response
    }
}

/// SOAP 1.1 names the operation in `SOAPAction`; 1.2 may name it in the content type.
fn check_action(version: Version, head: &Parts, call: &Call) -> Result<(), SoapFault> {
    let action = match version {
        Version::V11 => head.headers.get("soapaction").and_then(|value| value.to_str().ok()),
        Version::V12 => header(head, &CONTENT_TYPE)
            .split(';')
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("action"))
            .map(|(_, value)| value),
    };
    let operation = match (action.map(|action| action.trim().trim_matches('"')), version) {
        (None, Version::V12) => call.operation.as_str(),
        (None, Version::V11) => {
            return Err(SoapFault::caller(
                "Unable to handle request without a valid action parameter. Please supply a valid soap action.",
            ));
        }
        (Some(action), _) => action
            .strip_prefix(NAMESPACE)
            .filter(|name| OPERATIONS.iter().any(|(known, _)| known == name))
            .ok_or_else(|| match version {
                Version::V11 => {
                    format!("Server did not recognize the value of HTTP Header SOAPAction: {action}.")
                }
                Version::V12 => {
                    format!("Unable to handle request. The action '{action}' was not recognized.")
                }
            })
            .map_err(SoapFault::caller)?,
    };
    if operation == call.operation {
        return Ok(());
    }
    Err(SoapFault::caller(format!(
        "Server was unable to read request. ---> System.InvalidOperationException: There is an error in XML document. \
         ---> System.InvalidOperationException: <{}> was not expected.",
        call.operation
    )))
}

fn finish(
    version: Version,
    call: &Call,
    result: Result<Answer, SoapFault>,
    compressed: bool,
) -> (Entry, Response<Payload>) {
    let (status, body, entry) = match result {
        Ok(Answer { body, rows }) => {
            (StatusCode::OK, soap::envelope_of(version, &body), entry(call, "ok".into(), rows))
        }
        Err(fault) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            soap::fault_envelope(version, &fault),
            entry(call, format!("fault: {}", fault.summary()), 0),
        ),
    };
    let mut response = match compressed.then(|| gzip(&body)).flatten() {
        Some(packed) => {
            let mut response = reply(status, version.content_type(), packed);
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        }
        None => reply(status, version.content_type(), body),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=0"));
    (entry, response)
}

/// Whether `Accept-Encoding` names gzip (RFC 9110 §12.5.3), not with a weight of nothing.
fn asks_for_gzip(head: &Parts) -> bool {
    header(head, &ACCEPT_ENCODING).split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip")
            && !weight.trim().trim_end_matches(['0', '.']).ends_with("q=")
    })
}

fn gzip(body: &str) -> Option<Vec<u8>> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(body.as_bytes()).ok()?;
    packed.finish().ok()
}

/// A request that is no call: a bare status.
fn unread(what: &str, status: StatusCode) -> (Entry, Response<Payload>) {
    let response = reply(status, "text/plain; charset=utf-8", "");
    (entry(&Call::default(), format!("fault: {what}"), 0), response)
}

fn entry(call: &Call, outcome: String, rows: usize) -> Entry {
    Entry { method: call.operation.clone(), arguments: arguments(call), outcome, rows }
}

fn arguments(call: &Call) -> String {
    let arguments: serde_json::Map<_, _> =
        call.arguments.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
    serde_json::Value::Object(arguments).to_string()
}

const PORTAL: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head>\
    <body><h1>Corporate portal</h1><form method=\"post\"><input name=\"user\"><input type=\"submit\"></form></body></html>";

fn header<'a>(head: &'a Parts, name: &HeaderName) -> &'a str {
    head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn unauthorised(offers: impl IntoIterator<Item = String>) -> Response<Payload> {
    let mut response = plain(StatusCode::UNAUTHORIZED, "You are not authorized to view this page.");
    for offer in offers.into_iter().filter_map(|offer| HeaderValue::from_str(&offer).ok()) {
        response.headers_mut().append(WWW_AUTHENTICATE, offer);
    }
    response
}

fn closing(mut response: Response<Payload>) -> Response<Payload> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Payload> {
    let title = status.canonical_reason().unwrap_or_default();
    let page = format!(
        "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p></body></html>"
    );
    reply(status, "text/html; charset=utf-8", page)
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Payload> {
    let mut response = Response::new(Payload::whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
