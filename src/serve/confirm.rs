//! What a client carries for the server and brings back: confirmations of writes. Sealed, since it comes back as input from
//! a stranger.
//!
//! The key is made at random when the server starts and is nowhere else: what another server sealed, or this one before it
//! started anew, is refused, and the caller asks again. What is sealed can be read by its bearer, so no secret goes in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rmcp::model::{RequestStateCodec, RequestStateError, SealOptions};

use crate::fault::{Fault, Kind, Result};

/// How long a person may take to confirm.
const LASTS: Duration = Duration::from_secs(300);
/// Used confirmations that are remembered, each for as long as it would last. It takes some 200 writes a second to fill it;
/// then none is accepted.
const MOST_USED: usize = 1 << 16;

/// What something sealed is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// Who calls.
    pub subject: &'a str,
    /// What he calls.
    pub tool: &'a str,
    /// With which arguments, as [`super::audit::arguments_sha256`] says.
    pub arguments_sha256: &'a str,
}

/// Why something sealed is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A stable word for the audit log.
    pub reason: &'static str,
    what: &'static str,
    next: &'static str,
}

impl Refused {
    /// What the caller is told.
    #[must_use]
    pub fn fault(self) -> Fault {
        Fault::new(Kind::Usage, self.what).next(self.next)
    }
}

/// A key that nobody knows.
struct Key(RequestStateCodec);

impl Key {
    fn new() -> Result<Self> {
        let bug = |what: String| Fault::new(Kind::Bug, what);
        RequestStateCodec::try_new(random::<{ RequestStateCodec::MIN_KEY_LENGTH }>()?)
            .map(Self)
            .map_err(|error| bug(error.to_string()))
    }

    fn seal(&self, bound: &Bound<'_>, payload: &[u8], lasts: Duration) -> String {
        let bound = binding(bound);
        self.0.seal_with(payload, &SealOptions::new().associated_data(&bound).ttl(lasts))
    }

    fn open(&self, bound: &Bound<'_>, sealed: &str) -> Result<Vec<u8>, RequestStateError> {
        self.0.open_with(sealed, &binding(bound))
    }
}

/// Its parts, none of which can pass for the beginning of the next.
fn binding(bound: &Bound<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [bound.subject, bound.tool, bound.arguments_sha256] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// Bytes from the source that TLS takes its secrets from.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| Fault::new(Kind::Bug, "the operating system gives no random bytes"))?;
    Ok(bytes)
}

/// Confirmations of writes: each good once, for one subject, one tool, one set of arguments, and five minutes.
pub struct Confirmations {
    key: Key,
    lasts: Duration,
    most_used: usize,
    /// Those that were used, until they would be over anyway.
    used: Mutex<HashMap<Vec<u8>, Instant>>,
}

impl Confirmations {
    /// With a key of their own.
    ///
    /// # Errors
    /// [`Kind::Bug`] where the operating system gives no random bytes.
    pub fn new() -> Result<Self> {
        Self::lasting(LASTS, MOST_USED)
    }

    fn lasting(lasts: Duration, most_used: usize) -> Result<Self> {
        Ok(Self { key: Key::new()?, lasts, most_used, used: Mutex::default() })
    }

    /// What the client brings back once the person behind it has agreed.
    ///
    /// # Errors
    /// [`Kind::Bug`] where the operating system gives no random bytes.
    pub fn seal(&self, bound: &Bound<'_>) -> Result<String> {
        Ok(self.key.seal(bound, &random::<16>()?, self.lasts))
    }

    /// Accepts `sealed`, once.
    ///
    /// # Errors
    /// Where it is not ours, is of another subject, tool or set of arguments, is over, or was used.
    pub fn redeem(&self, sealed: &str, bound: &Bound<'_>) -> Result<(), Refused> {
        const NEXT: &str = "call the tool again without it, and let the person behind you confirm that call";
        let refused = |reason, what| Err(Refused { reason, what, next: NEXT });
        let number = match self.key.open(bound, sealed) {
            Ok(number) => number,
            Err(RequestStateError::Expired) => {
                return refused("confirmation-expired", "the confirmation came too late");
            }
            Err(_) => {
                return refused("confirmation-wrong", "this confirms no such call of yours");
            }
        };
        let now = Instant::now();
        // One change at a time, and none that could panic half-way.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= self.most_used {
            used.retain(|_, over| *over > now);
        }
        if used.contains_key(&number) {
            return refused("confirmation-used", "the confirmation was used already");
        }
        if used.len() >= self.most_used {
            return refused("confirmations-many", "too many confirmations were used in the last minutes");
        }
        // Counted from now, it is remembered for longer than it lasts.
        used.insert(number, now + self.lasts + Duration::from_secs(1));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const ANN: Bound<'_> = Bound { subject: "ann", tool: "reconcile", arguments_sha256: "aa" };

    #[test]
    fn a_confirmation_that_is_over_is_refused() {
        let confirmations = Confirmations::lasting(Duration::ZERO, 10).unwrap();
        let sealed = confirmations.seal(&ANN).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(confirmations.redeem(&sealed, &ANN).unwrap_err().reason, "confirmation-expired");
    }

    #[test]
    fn none_is_accepted_where_it_cannot_be_remembered_that_it_was_used() {
        let confirmations = Confirmations::lasting(LASTS, 2).unwrap();
        let sealed: Vec<String> = (0..3).map(|_| confirmations.seal(&ANN).unwrap()).collect();
        let reason =
            |at: usize| confirmations.redeem(sealed.get(at).unwrap(), &ANN).err().map(|no| no.reason);
        assert_eq!((reason(0), reason(1)), (None, None));
        assert_eq!((reason(2), reason(1)), (Some("confirmations-many"), Some("confirmation-used")));
        // Those that are over make room.
        confirmations.used.lock().unwrap().values_mut().for_each(|over| *over = Instant::now());
        assert_eq!((reason(2), reason(2)), (None, Some("confirmation-used")));
    }
}
