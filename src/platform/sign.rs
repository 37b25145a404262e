//! Who we are, as far as it goes into headers: the password is fetched once, and what the platform thinks of it is remembered.

use std::path::Path;
use std::sync::PoisonError;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::Platform;
use super::ntlm::{Handshake, Way};
use super::settings::{Auth, Settings};
use crate::fault::{Fault, Kind, Result, shown};

/// How calls are signed.
pub(super) enum Sign {
    Not,
    Basic(HeaderValue),
    Ntlm {
        user: String,
        password: SecretString,
        /// Whether the scheme `NTLM` may be used, or `Negotiate` alone.
        takes_ntlm: bool,
    },
}

impl Sign {
    /// Fetches the password, where one is needed.
    pub(super) fn new(settings: &Settings, base: &Path) -> Result<Self> {
        if settings.auth == Auth::None {
            return Ok(Self::Not);
        }
        let missing = |key: &str| {
            Fault::new(Kind::Configuration, format!("to sign in, a {key} is needed"))
                .at(format!("[platform] {key}"))
                .next(format!("give {key}, or set auth = \"none\""))
        };
        let user =
            settings.username.clone().filter(|user| !user.is_empty()).ok_or_else(|| missing("username"))?;
        let password = settings.password.as_ref().ok_or_else(|| missing("password"))?.resolve(base)?;
        match settings.auth {
            Auth::Basic if user.contains(':') => {
                // RFC 7617 §2: what follows the first colon is the password.
                Err(Fault::new(Kind::Configuration, "basic cannot carry a colon in the user's name")
                    .at("[platform] username")
                    .value(&user))
            }
            Auth::Basic => {
                let pair = SecretString::from(format!("{user}:{}", password.expose_secret()));
                Ok(Self::Basic(authorization("Basic", &encode(pair.expose_secret()))?))
            }
            _ => {
                // A user that NTLM cannot carry shall be known before the first call.
                Handshake::new(Way::Ntlm, &user, &password).map_err(|error| {
                    Fault::new(Kind::Configuration, "this is not a user to sign in with")
                        .at("[platform] username")
                        .value(&user)
                        .expected(r"DOMAIN\user, user@domain or user")
                        .because(error)
                })?;
                Ok(Self::Ntlm { user, password, takes_ntlm: settings.auth != Auth::Negotiate })
            }
        }
    }
}

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// An `Authorization` header, marked so that nobody logs it.
pub(super) fn authorization(scheme: &str, token: &str) -> Result<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("{scheme} {token}"))
        .map_err(|_| Fault::new(Kind::Bug, "a sign-in token does not fit in a header"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// What is known about our password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody has tried it yet; whoever tries it first makes the others wait.
    Unknown,
    /// The platform took it.
    Proven,
    /// The platform refused it. It is never sent again: accounts lock.
    Refused,
}

impl Platform {
    pub(super) fn refused(&self) -> Fault {
        let (user, also) = match &self.sign {
            Sign::Ntlm { user, .. } if self.endpoint.scheme() == "https" => {
                (format!(" of {}", shown(user)), ". A proxy that ends TLS in between has the same effect")
            }
            Sign::Ntlm { user, .. } => (format!(" of {}", shown(user)), ""),
            _ => (String::new(), ""),
        };
        self.sign_in_fault(format!("the platform refused the user or the password{user}")).next(format!(
            "correct [platform] username and password; tieout asked once and does not try again, so that the account is not locked{also}",
        ))
    }

    pub(super) fn standing(&self) -> std::sync::MutexGuard<'_, Standing> {
        // The value is one word; a thread that panicked cannot have left it half written.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
