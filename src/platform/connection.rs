//! One connection to the platform: one client, one TCP connection, one call at a time.
//!
//! NTLM signs in a connection, not a request (MS-NTHT §1.3.1). That is why the
//! client keeps one idle connection at most, why bodies are read to their end
//! before the next request, and why each answer is asked which local port it came by.

use std::cell::Cell;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::tls::TlsInfo;
use reqwest::{StatusCode, Url};
use secrecy::SecretString;

use super::Platform;
use super::answer::broken;
pub(super) use super::body::Body;
use super::body::CODINGS;
use super::certificate::end_point_binding;
use super::ntlm::{Handshake, Offers, Way};
use super::pace::Halt;
use super::settings::Soap;
use super::sign::{Sign, Standing, authorization};
use super::trouble::is_broken;
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
}

/// What went wrong in sending, before it is put into words.
type Sent = std::result::Result<Response, reqwest::Error>;

impl<'p> Connection<'p> {
    pub(super) fn new(platform: &'p Platform, action: &str) -> Result<Self> {
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
        platform.check(response, call).map_err(|fault| if is_unwell { fault.passing() } else { fault })
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
    pub(super) fn signed(&mut self, call: &Call) -> Result<Response> {
        let response = self.sign_and_send(call)?;
        self.is_used = true;
        Ok(response)
    }

    fn sign_and_send(&mut self, call: &Call) -> Result<Response> {
        let platform = self.platform;
        match &platform.sign {
            Sign::Ntlm { user, password, .. } => self.ntlm(call, user, password),
            Sign::Not => {
                let response = self.bare(call, None)?;
                if response.status() == StatusCode::UNAUTHORIZED {
                    return Err(platform
                        .sign_in_fault("the platform wants to know who we are")
                        .value(format!("it offers {}", Offers::of(response.headers())))
                        .next("set [platform] auth, username and password"));
                }
                Ok(response)
            }
            Sign::Basic(header) => self.judged(|connection| {
                let response = connection.bare(call, Some(header))?;
                if response.status() != StatusCode::UNAUTHORIZED {
                    return Ok((response, Standing::Proven));
                }
                let offers = Offers::of(response.headers());
                if offers.has("Basic") {
                    return Ok((response, Standing::Refused));
                }
                Err(platform
                    .sign_in_fault("the platform does not offer basic")
                    .value(format!("it offers {offers}"))
                    .next("set [platform] auth to what it offers"))
            }),
        }
    }

    /// A call over a connection that is signed in, or else one that signs in.
    fn ntlm(&mut self, call: &Call, user: &str, password: &SecretString) -> Result<Response> {
        if let Some(known) = self.signed_in.take() {
            match self.post(call, true, None) {
                Ok(response) if response.status() != StatusCode::UNAUTHORIZED => {
                    self.signed_in = local_end(&response);
                    return Ok(response);
                }
                // The platform closed the connection and we are on a fresh one; or it has
                // forgotten us on the old one, where a new handshake may never succeed.
                Ok(response) => {
                    let is_fresh = local_end(&response).is_some_and(|here| here != known);
                    if drain(response).is_err() || !is_fresh {
                        self.renew()?;
                    }
                }
                Err(error) if is_broken(&error) => self.renew()?,
                Err(error) => return Err(self.platform.unreached(error)),
            }
        }
        self.judged(|connection| connection.handshake(call, user, password))
    }

    /// Lets `attempt` try the password, unless it has been refused before, over whatever
    /// connection. As long as nobody knows what the platform thinks of it, one tries and the others wait.
    fn judged(
        &mut self,
        attempt: impl FnOnce(&mut Self) -> Result<(Response, Standing)>,
    ) -> Result<Response> {
        let platform = self.platform;
        let standing = platform.standing();
        let waited_for = match *standing {
            Standing::Refused => return Err(platform.refused()),
            Standing::Unknown => Some(standing),
            Standing::Proven => {
                drop(standing);
                None
            }
        };
        let (response, outcome) = attempt(self)?;
        match waited_for {
            Some(mut standing) => *standing = outcome,
            None if outcome == Standing::Refused => *platform.standing() = outcome,
            None => {}
        }
        if outcome == Standing::Refused { Err(platform.refused()) } else { Ok(response) }
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

    /// Signs the connection in and makes the call with the last message of the handshake.
    fn handshake(
        &mut self,
        call: &Call,
        user: &str,
        password: &SecretString,
    ) -> Result<(Response, Standing)> {
        /// One for each [`Way`], one for a connection near its end, one for one that broke in between.
        const ROUNDS: usize = 5;
        let platform = self.platform;
        let ours = |error: sspi::Error| {
            platform.sign_in_fault("the sign-in messages of the platform make no sense").because(error)
        };
        let mut was_closed = false;
        for _ in 0..ROUNDS {
            let scheme = self.way.scheme();
            let mut handshake = Handshake::new(self.way, user, password).map_err(ours)?;
            let first = authorization(scheme, &handshake.negotiate().map_err(ours)?)?;
            let response =
                self.post(call, false, Some(first)).map_err(|error| self.platform.unreached(error))?;
            if response.status() != StatusCode::UNAUTHORIZED {
                // It does not ask who we are: the first message went with an empty body, the call itself is still due.
                if drain(response).is_err() {
                    self.renew()?;
                }
                let response = self.post(call, true, None).map_err(|error| self.platform.unreached(error))?;
                if response.status() == StatusCode::UNAUTHORIZED {
                    return Err(platform
                        .sign_in_fault("the platform ignores the first message of a sign-in, then wants one")
                        .value(format!("it offers {}", Offers::of(response.headers()))));
                }
                self.signed_in = local_end(&response);
                return Ok((response, Standing::Unknown));
            }
            let here = local_end(&response);
            let offers = Offers::of(response.headers());
            let closes = closes(&response);
            let binding = response
                .extensions()
                .get::<TlsInfo>()
                .and_then(TlsInfo::peer_certificate)
                .map(end_point_binding);
            let drained = drain(response);
            let Some(challenge) = offers.token(scheme) else {
                self.way = self.other_way(&offers)?;
                // Whatever the server keeps of the attempt goes with its connection.
                self.renew()?;
                continue;
            };
            if closes {
                // A server may close after so many requests, and this may have been the last of them.
                if !was_closed {
                    was_closed = true;
                    self.renew()?;
                    continue;
                }
                return Err(platform
                    .sign_in_fault("the connection is closed in the middle of the sign-in (Connection: close on the challenge), so NTLM cannot work")
                    .next("a proxy or load balancer in between does not keep connections; give [platform] endpoint an address that goes around it, or use auth = \"basic\" over https"));
            }
            drained.map_err(|error| {
                self.platform
                    .fault("the answer to the sign-in's first message broke off")
                    .because(error)
                    .next("run again; if it happens again, see the platform's log")
            })?;
            let last = handshake.authenticate(challenge, binding.as_deref()).map_err(ours)?;
            let response = self
                .post(call, true, Some(authorization(scheme, &last)?))
                .map_err(|error| self.platform.unreached(error))?;
            let there = local_end(&response);
            if response.status() != StatusCode::UNAUTHORIZED {
                // SPNEGO's last answer is not looked at: it protects the choice among mechanisms, and we offer one.
                self.signed_in = there;
                return Ok((response, Standing::Proven));
            }
            if there == here {
                // The connection has served its turn; nothing more is sent over it.
                self.renew()?;
                return Ok((response, Standing::Refused));
            }
            // The connection was closed between the two messages and the second went over
            // another one, where nobody could judge it. That is no refusal.
            self.renew()?;
        }
        Err(platform
            .sign_in_fault("the platform does not keep a connection open for the length of a sign-in, so NTLM cannot work")
            .next("look for a proxy or load balancer in between"))
    }

    /// Which way to go on where the first message of this one was not answered with a challenge.
    fn other_way(&self, offers: &Offers) -> Result<Way> {
        let platform = self.platform;
        let takes_ntlm = matches!(&platform.sign, Sign::Ntlm { takes_ntlm: true, .. });
        match self.way {
            Way::Ntlm if takes_ntlm && !offers.has("NTLM") && offers.has("Negotiate") => {
                return Ok(Way::Spnego);
            }
            // No password was in it, so there is no harm in asking again in the other form.
            Way::Spnego if offers.has("Negotiate") => return Ok(Way::Bare),
            _ => {}
        }
        let scheme = self.way.scheme();
        let fault = if !offers.has(scheme) {
            platform
                .sign_in_fault(format!("the platform does not offer {scheme}"))
                .next("set [platform] auth to what it offers")
        } else if self.way == Way::Ntlm {
            platform.sign_in_fault("the platform offers NTLM, but does not go on after its first message")
        } else {
            platform
                .sign_in_fault("the platform offers Negotiate, but does not go on after NTLM's first message")
                .next("it may want Kerberos, which tieout does not speak; have NTLM allowed under Negotiate")
        };
        Err(fault.value(format!("it offers {offers}")))
    }

    /// Leaves the connection and takes a new one.
    fn renew(&mut self) -> Result<()> {
        self.signed_in = None;
        self.is_used = false;
        self.client = self.platform.client()?;
        Ok(())
    }

    /// Sends the call as it is, without its body for the first message of a handshake.
    pub(super) fn post(&self, call: &Call, with_body: bool, authorization: Option<HeaderValue>) -> Sent {
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
