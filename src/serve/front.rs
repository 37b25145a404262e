//! What is looked at before anybody is asked who he is: what the request is called and where it comes from, which name it came
//! by, and whether a page of somebody else sent it. Each refusal is a line in the audit log.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::audit::{Line, Sink};
use super::listener::Connected;
use super::metrics::Metrics;
use super::request::{self, Origin};
use super::settings::Peers;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes that the fields of a request's head may have; a token has two thousand.
const HEAD: usize = 32 * 1024;

/// What the front needs to know.
pub(super) struct Front {
    pub(super) hosts: Vec<String>,
    pub(super) origins: Vec<String>,
    pub(super) peers: Arc<[Peers]>,
    pub(super) is_encrypted: bool,
    pub(super) refuser: Refuser,
}

/// Where all refusals go: counted, and written down.
#[derive(Clone)]
pub(super) struct Refuser {
    pub(super) audit: Arc<Sink>,
    pub(super) metrics: Arc<Metrics>,
}

impl Refuser {
    /// Refuses by `response`; where that cannot be written down, nothing more is said than that.
    pub(super) async fn refuse(
        &self,
        line: Line,
        reason: &'static str,
        origin: &Origin,
        response: Response,
    ) -> Response {
        self.metrics.refused(reason);
        let line = Line {
            request_id: origin.request_id.clone(),
            trace_id: origin.trace_id.clone(),
            proxy: Some(origin.proxy),
            client: Some(origin.client),
            ..line.denied(reason)
        };
        if let Err(fault) = Sink::write_down(&self.audit, line).await {
            self.metrics.audit_failures.inc();
            tracing::error!(%fault, "the audit log cannot be written: nothing is served");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let status = response.status().as_u16();
        tracing::info!(request = origin.request_id, client = %origin.client, reason, status, "request refused");
        response
    }
}

/// Lets a request in, with its [`Origin`], or refuses it.
pub(super) async fn front(State(front): State<Arc<Front>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let origin = front.origin(&request);
    let method = request.method().clone();
    let refused = front.refused(&request);
    let mut response = match refused {
        Some((reason, status)) => {
            front.refuser.refuse(Line::default(), reason, &origin, status.into_response()).await
        }
        None => {
            request.extensions_mut().insert(origin.clone());
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&origin.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if front.is_encrypted {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        // A proxy that collects a stream before it hands it on would make progress useless.
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    }
    // The path is ours; a query may hold what should not be written down.
    tracing::info!(
        request = origin.request_id,
        trace = origin.trace_id,
        proxy = %origin.proxy,
        client = %origin.client,
        method = %method,
        status = response.status().as_u16(),
        milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    response
}

impl Front {
    /// Why a request does not come in.
    fn refused(&self, request: &Request) -> Option<(&'static str, StatusCode)> {
        // What comes whole is read whole, whatever the connection's buffer is said to hold.
        let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
        if request.headers().iter().map(size).sum::<usize>() > HEAD {
            return Some(("head-too-large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        // Nothing here has a query. A token in one, under whatever name, ends up in logs of others (RFC 6750 §5.3, OAuth 2.1
        // §5.2.1), so that it is refused even where a good one stands in the head.
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            return Some(("token-in-query", StatusCode::BAD_REQUEST));
        }
        if !self.is_known_host(request) {
            return Some(("host", StatusCode::MISDIRECTED_REQUEST));
        }
        let origin = request.headers().get(ORIGIN)?;
        let is_known = origin.to_str().is_ok_and(|origin| self.origins.iter().any(|known| known == origin));
        (!is_known).then_some(("origin", StatusCode::FORBIDDEN))
    }

    /// Whether a request came by one of our names: exactly one, in `Host` or in `:authority`, and the same in both.
    fn is_known_host(&self, request: &Request) -> bool {
        let mut hosts = request.headers().get_all(HOST).iter();
        let head = hosts.next().and_then(|host| host.to_str().ok());
        let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
        let Some(host) = head.or(authority).filter(|_| hosts.next().is_none()) else { return false };
        if authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host)) {
            return false;
        }
        self.hosts.iter().any(|known| {
            known.eq_ignore_ascii_case(host)
                || !known.contains(':') && without_port(host).eq_ignore_ascii_case(known)
        })
    }

    /// Where a request comes from. What it says of that itself counts only where a proxy says it that may connect.
    fn origin(&self, request: &Request) -> Origin {
        let mut origin = Origin::default();
        let Some(Connected(peer)) = request.extensions().get::<Connected>().copied() else { return origin };
        (origin.proxy, origin.client) = (peer, peer);
        if self.peers.is_empty() {
            return origin;
        }
        let headers = request.headers();
        if let Some(client) = self.forwarded(headers) {
            origin.client = client;
        }
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| request::is_id(id));
        if let Some(given) = given {
            given.clone_into(&mut origin.request_id);
        }
        let parent = headers.get("traceparent").and_then(|parent| parent.to_str().ok());
        origin.trace_id = parent.and_then(request::trace_id).unwrap_or_default().to_owned();
        origin
    }

    /// The last address in `X-Forwarded-For` that is no proxy of ours: what stands before it, anybody may have written.
    fn forwarded(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let addresses = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
        for address in addresses {
            // Something that is no address ends the search: it hides what stands before it.
            let address: IpAddr = without_port_of_address(address.trim()).parse().ok()?;
            let address = address.to_canonical();
            if !self.peers.iter().any(|known| known.0.contains(&address)) {
                return Some(address);
            }
        }
        None
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// `203.0.113.7:4711` and `[2001:db8::7]:4711` as some proxies write them; a bare IPv6 address stays as it is.
fn without_port_of_address(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').map_or(text, |(address, _)| address);
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        _ => text,
    }
}
