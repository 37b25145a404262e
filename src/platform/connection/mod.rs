//! One connection to the platform: one client, one TCP connection, one call at a time.
//!
//! NTLM signs in a connection, not a request (MS-NTHT §1.3.1). That is why the
//! client keeps one idle connection at most, why bodies are read to their end
//! before the next request, and why each answer is asked which local port it came by.

mod signing;

use std::cell::Cell;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::Url;
use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};

use super::Platform;
use super::answer::broken;
pub(super) use super::body::Body;
use super::body::CODINGS;
use super::ntlm::Way;
use super::pace::Halt;
use super::settings::Soap;
use super::sign::Sign;
use super::trouble::is_broken;
use crate::allowance::Allowance;
use crate::fault::{Fault, Kind, Result};
use crate::period::http_date;

/// Bytes of a 401's body that are read to keep its connection.
const DRAINED_BYTES: u64 = 1 << 20;

/// A call that is ready to go out.
pub(super) struct Call {
    pub(super) body: String,
    pub(super) correlation: String,
    pub(super) started: Instant,
    /// What the last response said: its status, and how long to stay away.
    status: Cell<Option<u16>>,
    retry_after: Cell<Option<Duration>>,
    /// The address of a document to ask for, where this is no call of an operation.
    document: Option<Url>,
}

impl Call {
    pub(super) fn new(body: String, correlation: String) -> Self {
        Self {
            body,
            correlation,
            started: Instant::now(),
            status: Cell::default(),
            retry_after: Cell::default(),
            document: None,
        }
    }

    /// The HTTP status of the last response; `None` where none came.
    pub(super) fn status(&self) -> Option<u16> {
        self.status.get()
    }

    /// How long the platform asks us to stay away.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after.get()
    }

    /// Asks for the document at `url`, which must be at the endpoint's host.
    pub(super) fn get(url: Url, correlation: String) -> Self {
        Self { document: Some(url), ..Self::new(String::new(), correlation) }
    }

    pub(super) fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Platform {
    /// A client with a connection of its own.
    pub(super) fn client(&self) -> Result<Client> {
        Client::builder()
            .user_agent(concat!("tieout/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .pool_max_idle_per_host(1)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .tls_backend_preconfigured(self.tls.clone())
            .tls_info(true)
            .connect_timeout(self.read_timeout)
            .timeout(self.read_timeout)
            .build()
            .map_err(|error| {
                Fault::new(Kind::Configuration, "the connection to the platform cannot be set up")
                    .at("[platform]")
                    .because(error)
            })
    }
}

/// A connection, signed in or not.
pub(super) struct Connection<'p> {
    platform: &'p Platform,
    client: Client,
    headers: HeaderMap,
    /// The local end of the connection that is signed in.
    signed_in: Option<SocketAddr>,
    /// How to sign in; what has worked is kept for the next handshake.
    way: Way,
    /// Whether a call has succeeded over this connection: the platform may have closed it since.
    is_used: bool,
    allowance: &'p dyn Allowance,
}

/// What went wrong in sending, before it is put into words.
type Sent = std::result::Result<Response, reqwest::Error>;

impl<'p> Connection<'p> {
    pub(super) fn new(platform: &'p Platform, action: &str, allowance: &'p dyn Allowance) -> Result<Self> {
        Ok(Self {
            platform,
            client: platform.client()?,
            headers: headers(platform.soap, action)?,
            signed_in: None,
            way: match platform.sign {
                Sign::Ntlm { takes_ntlm: false, .. } => Way::Spnego,
                _ => Way::Ntlm,
            },
            is_used: false,
            allowance,
        })
    }

    /// Makes the call. The answer has a status that SOAP uses, and a body that looks like XML.
    ///
    /// A fault may pass where the network failed, or the platform was not well. As long as the platform has
    /// never answered, nothing passes: a wrong address is told at once, and a password that
    /// nobody has judged is not sent twice.
    pub(super) fn call(&mut self, call: &Call) -> Result<Response> {
        let platform = self.platform;
        let response = self.signed(call).map_err(|fault| {
            let has_answered = platform.has_answered.load(Ordering::Relaxed);
            if has_answered && fault.kind() == Kind::Platform { fault.passing() } else { fault }
        })?;
        platform.has_answered.store(true, Ordering::Relaxed);
        let is_unwell = matches!(response.status().as_u16(), 429 | 500 | 502..=504);
        if closes(&response) {
            self.signed_in = None;
        }
        platform.check(response).map_err(|fault| if is_unwell { fault.passing() } else { fault })
    }

    /// Asks for a document of at most `most` bytes.
    pub(super) fn get(&mut self, call: &Call, most: u64) -> Result<Vec<u8>> {
        let platform = self.platform;
        let response = self.signed(call)?;
        if closes(&response) {
            self.signed_in = None;
        }
        let place = call.document.as_ref().unwrap_or(&platform.endpoint);
        let fault = |what: &str| Fault::new(Kind::Platform, what).at(place);
        if !response.status().is_success() {
            return Err(fault("it is not there").value(format!("HTTP {}", response.status())).next(
                "check the address; a service that does not publish its WSDL has it in a file: give that",
            ));
        }
        let mut bytes = Vec::new();
        Body::new(platform, response, call, &Halt::after(platform.call_deadline))
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| broken(error).at(place))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
            return Err(fault("it is too large").expected(format!("at most {most} bytes")));
        }
        Ok(bytes)
    }

    /// Makes the call. The answer may be anything that HTTP servers say, but no 401.
    ///
    /// It counts as one call, however many messages the sign-in takes.
    pub(super) fn signed(&mut self, call: &Call) -> Result<Response> {
        self.allowance.take()?;
        let response = self.sign_and_send(call)?;
        self.is_used = true;
        Ok(response)
    }

    /// Sends a request without a body, whatever is answered. It is counted as a call, too.
    pub(super) fn probe(&self, call: &Call, authorization: Option<HeaderValue>) -> Result<Response> {
        self.allowance.take()?;
        self.post(call, false, authorization).map_err(|error| self.platform.unreached(error))
    }

    /// A call without a handshake.
    fn bare(&mut self, call: &Call, authorization: Option<&HeaderValue>) -> Result<Response> {
        match self.post(call, true, authorization.cloned()) {
            Err(error) if self.is_used && is_broken(&error) => {
                self.renew()?;
                self.post(call, true, authorization.cloned())
            }
            sent => sent,
        }
        .map_err(|error| self.platform.unreached(error))
    }

    /// Leaves the connection and takes a new one.
    fn renew(&mut self) -> Result<()> {
        self.signed_in = None;
        self.is_used = false;
        self.client = self.platform.client()?;
        Ok(())
    }

    /// Sends the call as it is, without its body for the first message of a handshake.
    fn post(&self, call: &Call, with_body: bool, authorization: Option<HeaderValue>) -> Sent {
        let mut headers = if call.document.is_some() { HeaderMap::new() } else { self.headers.clone() };
        if self.platform.compression {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(CODINGS));
        }
        if let Ok(correlation) = HeaderValue::from_str(&call.correlation) {
            headers.insert(HeaderName::from_static("x-correlation-id"), correlation);
        }
        if let Some(authorization) = authorization {
            headers.insert(AUTHORIZATION, authorization);
        }
        if let Some(url) = &call.document {
            return self.client.get(url.clone()).headers(headers).send();
        }
        let body = if with_body { call.body.clone() } else { String::new() };
        let sent = self.client.post(self.platform.endpoint.clone()).headers(headers).body(body).send();
        let response = sent.as_ref().ok();
        call.status.set(response.map(|response| response.status().as_u16()));
        call.retry_after.set(response.and_then(retry_after));
        sent
    }
}

/// The headers that all calls have (SOAP 1.1 §6, SOAP 1.2 Part 2 §7.1.4).
pub(super) fn headers(soap: Soap, action: &str) -> Result<HeaderMap> {
    let fits = |text: &str| {
        let value = HeaderValue::from_str(text).ok().filter(|_| !action.contains(['"', '\\']));
        value.ok_or_else(|| {
            Fault::new(Kind::Configuration, "the SOAP action does not fit in a header")
                .at("[platform.request] action")
                .value(action)
                .expected("ASCII letters without quotes")
        })
    };
    let mut headers = HeaderMap::new();
    match soap {
        Soap::V11 => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
            headers.insert(HeaderName::from_static("soapaction"), fits(&format!("\"{action}\""))?);
        }
        Soap::V12 => {
            let content_type = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
            headers.insert(CONTENT_TYPE, fits(&content_type)?);
        }
    }
    Ok(headers)
}

/// Seconds or a date (RFC 9110 §10.2.3).
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        // A date that has passed asks for no wait.
        Err(_) => http_date(text).map(|at| at.duration_since(SystemTime::now()).unwrap_or_default()),
    }
}

pub(super) fn local_end(response: &Response) -> Option<SocketAddr> {
    response.extensions().get::<HttpInfo>().map(HttpInfo::local_addr)
}

/// Whether the connection ends with this answer (RFC 9112 §9.3).
pub(super) fn closes(response: &Response) -> bool {
    let has = |token: &str| {
        response.headers().get_all(CONNECTION).iter().any(|value| {
            String::from_utf8_lossy(value.as_bytes())
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(token))
        })
    };
    has("close") || (response.version() == reqwest::Version::HTTP_10 && !has("keep-alive"))
}

/// Reads a body to its end, so that its connection can be used again.
pub(super) fn drain(response: Response) -> io::Result<()> {
    let closes = closes(&response);
    let mut body = response.take(DRAINED_BYTES);
    io::copy(&mut body, &mut io::sink())?;
    if closes || body.limit() == 0 {
        return Err(io::Error::other("the connection cannot be kept"));
    }
    Ok(())
}
