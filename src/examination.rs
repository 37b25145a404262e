//! What an examination says of each of its steps: what was found, and what to do.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use crate::fault::{Fault, Kind};

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It works, and something is worth doing or knowing.
    Note,
    /// Not as it should be; what depends on it is skipped.
    Fail,
    /// Not examined, with the reason: it does not apply here, or an earlier check failed.
    Skipped,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Note => "note",
            Self::Fail => "FAIL",
            Self::Skipped => "skipped",
        }
    }
}

/// One check: what was examined, what was found, and what to do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// What was examined.
    pub check: &'static str,
    /// What it came to.
    pub verdict: Verdict,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// What was found, or why it was skipped; never a secret.
    pub found: String,
    /// What to do, where there is something to do.
    pub next: Option<String>,
    /// Whose turn it is, where the check failed.
    #[serde(skip)]
    pub fault: Option<Kind>,
}

impl Check {
    /// Examines what is called `check`; with what that hands on, unless it failed.
    pub fn make<T>(check: &'static str, examine: impl FnOnce() -> Checked<T>) -> (Self, Option<T>) {
        let started = Instant::now();
        let examined = examine();
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match examined {
            Ok(Finding { value, verdict, found, next }) => {
                (Self { check, verdict, milliseconds, found, next, fault: None }, Some(value))
            }
            Err(fault) => {
                let kind = Some(fault.kind());
                let (found, next) = fault.in_two();
                (Self { check, verdict: Verdict::Fail, milliseconds, found, next, fault: kind }, None)
            }
        }
    }
}

/// How many checks came to each verdict, in words, and which was the first to fail.
#[must_use]
pub fn summary(checks: &[Check]) -> String {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let counts = format!(
        "{} passed, {} to note, {} failed, {} skipped",
        count(Verdict::Pass),
        count(Verdict::Note),
        count(Verdict::Fail),
        count(Verdict::Skipped)
    );
    match checks.iter().find(|check| check.verdict == Verdict::Fail) {
        Some(check) => format!("{counts}; the first to fail: {}", check.check),
        None => counts,
    }
}

/// 0 where no check failed, else what the first fault's kind says.
#[must_use]
pub fn exit_code(checks: &[Check]) -> u8 {
    checks.iter().find_map(|check| check.fault).map_or(0, Kind::exit_code)
}

/// What a check hands on, with what it has to say.
#[derive(Debug)]
pub struct Finding<T> {
    value: T,
    verdict: Verdict,
    found: String,
    next: Option<String>,
}

/// What a check returns: a fault fails it.
pub type Checked<T> = Result<Finding<T>, Fault>;

impl<T> Finding<T> {
    /// It is as it should be.
    pub fn pass(value: T, found: impl Into<String>) -> Self {
        Self { value, verdict: Verdict::Pass, found: found.into(), next: None }
    }

    /// There was nothing to examine.
    pub fn skip(value: T, because: impl Into<String>) -> Self {
        Self { value, verdict: Verdict::Skipped, found: because.into(), next: None }
    }

    /// What is worth doing, or knowing, although the check passes.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        if self.verdict == Verdict::Pass {
            self.verdict = Verdict::Note;
        }
        self.next = Some(next.into());
        self
    }
}
