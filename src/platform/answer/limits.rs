//! How large and how slow an answer may be, and what a read that fails means.

use std::io::{self, Read};

use crate::fault::{Fault, Kind};
use crate::platform::trouble::innermost;

/// Bytes of one tag or comment. Text is handed on in pieces, however long it is.
pub(super) const LONGEST_TOKEN_BYTES: usize = 16 << 20;
/// Elements within elements, those of XML inside a text included.
pub(super) const DEEPEST: usize = 100;
/// Bytes of one record, names and values together.
pub(super) const LONGEST_RECORD_BYTES: usize = 16 << 20;

/// What is wrong with an answer. What to do may be said better by whoever knows more.
pub(super) fn fault(what: impl Into<String>) -> Fault {
    Fault::new(Kind::Platform, what).next(
        "have the platform's operators look at what it answers: they find the call by its correlation id",
    )
}

pub(super) fn cut_off() -> Fault {
    fault("the answer is cut off in the middle")
        .passing()
        .next("run again; if it happens again, ask for less at once (page_size) or see the platform's log")
}

pub(super) fn malformed(error: impl Into<anyhow::Error>, place: &str) -> Fault {
    fault(format!("{place} is not well-formed XML")).because(error).next(
        "check that the endpoint is the SOAP service; its operators can find the call by its correlation id",
    )
}

/// Why a read was stopped by us.
#[derive(Clone, Copy, Debug)]
pub(in crate::platform) enum Limit {
    Answer,
    Deadline,
    Stopped,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "limit: {self:?}")
    }
}

impl std::error::Error for Limit {}

impl From<Limit> for io::Error {
    fn from(limit: Limit) -> Self {
        Self::other(limit)
    }
}

/// What an error of the source means to the user. A source that knows
/// better than this hands a whole [`Fault`] through [`io::Error::other`].
pub(in crate::platform) fn broken(error: io::Error) -> Fault {
    let error = match error.downcast::<Fault>() {
        Ok(fault) => return fault,
        Err(error) => error,
    };
    if let Some(limit) = error.get_ref().and_then(|inner| inner.downcast_ref::<Limit>()) {
        return match limit {
            Limit::Answer => fault("the answer is larger than allowed").next(
                "ask for less at once (page_size, a shorter window), or raise [platform] answer_limit_mib",
            ),
            Limit::Deadline => fault("the call takes longer than allowed").passing().next(
                "ask for less at once (page_size, a shorter window), or raise [platform] deadline_seconds",
            ),
            Limit::Stopped => fault("the call was given up"),
        };
    }
    let timed_out = error.kind() == io::ErrorKind::TimedOut
        || error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<reqwest::Error>())
            .is_some_and(reqwest::Error::is_timeout);
    if timed_out {
        return fault("the platform stopped sending in the middle of the answer")
            .passing()
            .next("run again, or raise [platform] timeout_seconds");
    }
    cut_off().because(innermost(&error))
}

/// A source that ends with an error where the whole grows too large.
pub(super) struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R> Limited<R> {
    pub(super) const fn new(inner: R, bytes: u64) -> Self {
        Self { inner, left: bytes }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.left = self.left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX)).ok_or(Limit::Answer)?;
        Ok(count)
    }
}
