//! How a call over a connection is signed: by nobody, in each call's header, or by a handshake that signs in the connection.

use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::tls::TlsInfo;
use secrecy::SecretString;

use super::{Call, Connection, closes, drain, local_end};
use crate::fault::Result;
use crate::platform::certificate::end_point_binding;
use crate::platform::ntlm::{Handshake, Offers, Way};
use crate::platform::sign::{Sign, Standing, authorization};
use crate::platform::trouble::is_broken;

impl Connection<'_> {
    /// Makes the call, signed as the settings say. The answer may be anything that HTTP servers say, but no 401.
    pub(super) fn sign_and_send(&mut self, call: &Call) -> Result<Response> {
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
}
