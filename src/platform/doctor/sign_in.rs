//! The sign-in, taken apart: what is offered, whether the connection lasts, what the challenge says; then one attempt.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::blocking::Response;
use reqwest::header::{DATE, LOCATION};
use reqwest::{StatusCode, Version};

use super::challenge::{Challenge, NEGOTIATE, wrapped};
use crate::allowance::Allowance;
use crate::examination::{Checked, Finding};
use crate::fault::{Fault, Kind, shown};
use crate::platform::Platform;
use crate::platform::connection::{Call, Connection, closes, drain, local_end};
use crate::platform::ntlm::Offers;
use crate::platform::settings::Auth;
use crate::platform::sign::{Sign, authorization};

/// Clocks further apart than this are worth a word: that is what Kerberos and careful domains allow.
const SKEW_SECONDS: u64 = 300;

/// What a platform wants of a caller who says nothing of himself.
pub(super) struct Wants {
    /// It wants to know who we are.
    pub(super) sign_in: bool,
    scheme: &'static str,
}

/// A request without a body, which no service can take for a call.
fn probe(platform: &Platform) -> Call {
    Call::new(String::new(), platform.correlation())
}

/// The schemes of HTTP that serve a way to sign in, the best first.
const fn schemes(auth: Auth) -> &'static [&'static str] {
    match auth {
        Auth::Ntlm => &["NTLM", "Negotiate"],
        Auth::Negotiate => &["Negotiate"],
        Auth::Basic => &["Basic"],
        Auth::None => &[],
    }
}

/// Asks without saying who we are, and looks at what comes.
pub(super) fn offers(platform: &Platform, auth: Auth, allowance: &dyn Allowance) -> Checked<Wants> {
    let connection = Connection::new(platform, &platform.action, allowance)?;
    let response = connection.probe(&probe(platform), None)?;
    let status = response.status();
    let offers = Offers::of(response.headers());
    let header =
        |name| response.headers().get(name).map(|value| shown(&String::from_utf8_lossy(value.as_bytes())));
    let fault = |kind, what: String, next: &str| {
        Err(Fault::new(kind, what).value(format!("HTTP {status}")).next(next))
    };
    if status.is_redirection() {
        let to = header(LOCATION).unwrap_or_default();
        let to = to.split(['?', '#']).next().unwrap_or_default();
        return fault(
            Kind::Platform,
            format!("the platform sends us elsewhere, to {to}"),
            "this is probably a login page or a moved service; set [platform] endpoint to the service's own address",
        );
    }
    match status.as_u16() {
        401 => {}
        407 => {
            return fault(
                Kind::SignIn,
                "a proxy in between wants to know who we are".to_owned(),
                "give [platform] endpoint an address that goes around the proxy",
            );
        }
        502..=504 => {
            return fault(
                Kind::Platform,
                "the platform is busy or down".to_owned(),
                "run again later; if it stays so, ask the platform's operators",
            );
        }
        _ => {
            let found = format!("no sign-in is asked for (HTTP {status} to a request without a body)");
            let finding = Finding::pass(Wants { sign_in: false, scheme: "" }, found);
            return Ok(match platform.sign {
                Sign::Not => finding,
                _ => finding
                    .next("if that stays so when the service is called, set [platform] auth = \"none\""),
            });
        }
    }
    let Some(scheme) = schemes(auth).iter().find(|scheme| offers.has(scheme)) else {
        let what = match schemes(auth) {
            [] => "the platform wants to know who we are, and [platform] auth is \"none\"".to_owned(),
            schemes => format!(
                "the platform does not offer {}, which [platform] auth asks for",
                schemes.join(" or ")
            ),
        };
        return Err(Fault::new(Kind::SignIn, what)
            .value(format!("it offers {offers}"))
            .next("set [platform] auth to what it offers, with username and password"));
    };
    let mut found = format!("the platform offers {offers}");
    if let Some(date) = header(DATE) {
        found = format!("{found}; its HTTP clock says {date}");
    }
    Ok(Finding::pass(Wants { sign_in: true, scheme }, found))
}

/// Sends the first message of an NTLM sign-in, which names nobody, then sees whether the connection is
/// still there: the second message would have to travel on it (MS-NTHT §1.3.1).
pub(super) fn kept(platform: &Platform, wants: &Wants, allowance: &dyn Allowance) -> Checked<Vec<u8>> {
    let scheme = wants.scheme;
    // Under Negotiate some want SPNEGO, some take NTLM as it is.
    let raw = NEGOTIATE.to_vec();
    let messages = if scheme == "NTLM" { vec![raw] } else { vec![wrapped(), raw] };
    let mut failed = None;
    for message in messages {
        let connection = Connection::new(platform, &platform.action, allowance)?;
        let first = authorization(scheme, &BASE64.encode(message))?;
        let response = connection.probe(&probe(platform), Some(first))?;
        let (status, offers) = (response.status(), Offers::of(response.headers()));
        let token = offers.token(scheme).and_then(|token| BASE64.decode(token).ok());
        match token.filter(|_| status == StatusCode::UNAUTHORIZED) {
            Some(token) => return outlives(platform, &connection, response, scheme, token),
            None => failed = Some(format!("HTTP {status}, it offers {offers}")),
        }
    }
    let what =
        format!("the platform offers {scheme}, but does not answer its first message with a challenge");
    Err(Fault::new(Kind::SignIn, what)
        .value(failed.unwrap_or_default())
        .next("look for a proxy or load balancer in between; else ask the platform's operators"))
}

/// Whether the connection outlives the response with a challenge.
fn outlives(
    platform: &Platform,
    connection: &Connection<'_>,
    response: Response,
    scheme: &str,
    token: Vec<u8>,
) -> Checked<Vec<u8>> {
    let fault = |what: &str| Fault::new(Kind::SignIn, what);
    let (here, closes, version) = (local_end(&response), closes(&response), response.version());
    let drained = drain(response);
    let around = "a proxy or load balancer in between does not keep connections; give [platform] endpoint an address that goes around it, or use auth = \"basic\" over https";
    if closes {
        let says =
            if version == Version::HTTP_10 { "HTTP/1.0 without keep-alive" } else { "Connection: close" };
        return Err(fault("the connection is closed in the middle of the sign-in, so NTLM cannot work")
            .value(format!("{says} on the challenge"))
            .next(around));
    }
    drained.map_err(|error| fault("the challenge broke off").because(error).next(around))?;
    // Nobody is named here either: at worst the platform forgets the challenge.
    let again = connection.probe(&probe(platform), None).ok();
    if here.is_none() || again.as_ref().and_then(local_end) != here {
        return Err(fault(
            "the connection is closed after the challenge without a word, so NTLM cannot work",
        )
        .next(around));
    }
    Ok(Finding::pass(token, format!("open through the challenge of {scheme} ({version:?})")))
}

/// What the challenge says of the server.
pub(super) fn challenge(token: &[u8]) -> Checked<()> {
    let challenge = Challenge::read(token).ok_or_else(|| {
        Fault::new(Kind::SignIn, "what the platform answers with is no NTLM challenge")
            .next("it may speak Kerberos alone, which tieout does not; else look for a proxy or load balancer in between")
    })?;
    let mut found = challenge.describe();
    let ahead = challenge.ahead_seconds(SystemTime::now());
    found.push('\n');
    found.push_str(&match ahead {
        Some(0) => "the server's clock agrees with ours".to_owned(),
        Some(seconds @ 1..) => format!("the server's clock is {} ahead of ours", period(seconds)),
        Some(seconds) => format!("the server's clock is {} behind ours", period(seconds)),
        None => "the server does not tell its time".to_owned(),
    });
    let lacks = challenge.lacks();
    if !lacks.is_empty() {
        return Err(Fault::new(Kind::SignIn, format!("the platform cannot do NTLMv2: it lacks {}", lacks.join(" and ")))
            .value(found.replace('\n', "; "))
            .next("tieout speaks nothing weaker; have the platform's operators allow NTLMv2 (LmCompatibilityLevel 3 or higher)"));
    }
    let finding = Finding::pass((), found);
    Ok(if ahead.is_some_and(|seconds| seconds.unsigned_abs() > SKEW_SECONDS) {
        finding.next("set both clocks: a domain refuses an answer whose time is too far from its own (MS-NLMP, MaxLifetime), and reports of who called when do not tie")
    } else if !challenge.has_time() {
        finding.next("without the server's time a sign-in carries ours and no integrity code: keep this machine's clock right")
    } else {
        finding
    })
}

/// `seconds` without their sign, as people say it.
fn period(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Signs in, once, with a request that no service can take for a call.
pub(super) fn sign_in<'p>(
    platform: &'p Platform,
    wants: &Wants,
    over_tls: bool,
    allowance: &'p dyn Allowance,
) -> Checked<Connection<'p>> {
    let mut connection = Connection::new(platform, &platform.action, allowance)?;
    if !wants.sign_in {
        return Ok(Finding::skip(connection, "nobody asks who we are"));
    }
    let response = connection.signed(&probe(platform)).map_err(|fault| {
        if fault.kind() != Kind::SignIn || !over_tls {
            return fault;
        }
        fault.and_next(
            "if both are right, Extended Protection may be at work: a proxy that ends TLS in between shows a certificate that is not the platform's own, and a sign-in that is bound to it is refused like a wrong password",
        )
    })?;
    let status = response.status();
    // Read to its end, so that the connection goes on; if it cannot, the next call signs in again.
    let _ = drain(response);
    Ok(Finding::pass(
        connection,
        format!("accepted as {} (HTTP {status} to a request without a body)", user(&platform.sign)),
    ))
}

/// Who we say we are.
pub(super) fn user(sign: &Sign) -> String {
    match sign {
        Sign::Ntlm { user, .. } => shown(user),
        Sign::Basic(_) => "the configured user".to_owned(),
        Sign::Not => "nobody".to_owned(),
    }
}

/// What is known of Extended Protection without asking twice.
pub(super) fn protection(platform: &Platform, wants: &Wants, over_tls: bool) -> Checked<()> {
    Ok(match platform.sign {
        Sign::Ntlm { .. } if !wants.sign_in => Finding::skip((), "nobody asks who we are"),
        Sign::Ntlm { .. } if over_tls => Finding::pass(
            (),
            "a sign-in that is bound to the TLS channel is accepted, so Extended Protection may be required or not. \
             Which of the two is not tried: a sign-in without bindings that is refused counts as a wrong password, and accounts lock",
        ),
        Sign::Ntlm { .. } => {
            Finding::skip((), "the endpoint is http: there is no TLS channel to bind a sign-in to")
        }
        _ => Finding::skip((), "it belongs to NTLM and Negotiate, which are not used"),
    })
}
