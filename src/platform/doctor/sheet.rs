//! The sheet that the examination fills in: one line for each step, in the order of the steps.

use std::time::Instant;

use schemars::JsonSchema;
use serde::Serialize;

use super::Step;
use crate::fault::{Fault, Kind};
use crate::progress::Task;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
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
            Self::Fail => "FAIL",
            Self::Skipped => "skipped",
        }
    }
}

/// One check: what was examined, what was found, and what to do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Check {
    #[serde(skip)]
    step: Step,
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

/// What a check hands on, with what it has to say.
pub(super) struct Finding<T> {
    value: T,
    verdict: Verdict,
    found: String,
    next: Option<String>,
}

impl<T> Finding<T> {
    pub(super) fn pass(value: T, found: impl Into<String>) -> Self {
        Self { value, verdict: Verdict::Pass, found: found.into(), next: None }
    }

    /// There was nothing to examine.
    pub(super) fn skip(value: T, because: impl Into<String>) -> Self {
        Self { value, verdict: Verdict::Skipped, found: because.into(), next: None }
    }

    /// What is worth doing although the check passes.
    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// What a check returns: a fault fails it.
pub(super) type Checked<T> = Result<Finding<T>, Fault>;

/// The checks so far.
pub(super) struct Sheet<'t> {
    checks: Vec<Check>,
    task: &'t dyn Task,
}

impl<'t> Sheet<'t> {
    pub(super) fn new(task: &'t dyn Task) -> Self {
        Self { checks: Vec::new(), task }
    }

    /// Makes a check; `None` where it failed.
    pub(super) fn check<T>(&mut self, step: Step, examine: impl FnOnce() -> Checked<T>) -> Option<T> {
        let started = Instant::now();
        let outcome = examine();
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.task.advance(1);
        let (value, verdict, found, next, fault) = match outcome {
            Ok(finding) => (Some(finding.value), finding.verdict, finding.found, finding.next, None),
            Err(fault) => {
                let kind = fault.kind();
                let (found, next) = fault.in_two();
                let next = next.unwrap_or_else(|| match kind {
                    Kind::Configuration | Kind::Usage => "correct it in tieout.toml".to_owned(),
                    _ => "ask the platform's operators".to_owned(),
                });
                (None, Verdict::Fail, found, Some(next), Some(kind))
            }
        };
        tracing::info!(check = step.name(), verdict = verdict.name(), milliseconds, "platform examined");
        self.checks.push(Check { step, check: step.name(), verdict, milliseconds, found, next, fault });
        value
    }

    /// Leaves a step out because it does not apply.
    pub(super) fn skip(&mut self, step: Step, because: &str) {
        self.check(step, || Ok(Finding::skip((), because)));
    }

    /// Whether `step` failed, or one behind it.
    pub(super) fn has_failed_since(&self, step: Step) -> bool {
        self.checks.iter().any(|check| check.verdict == Verdict::Fail && check.step >= step)
    }

    /// All steps: those that nobody came to are skipped because of the last failure before them.
    pub(super) fn finish(mut self) -> Vec<Check> {
        for step in Step::ALL {
            if self.checks.iter().any(|check| check.step == step) {
                continue;
            }
            let failed = |check: &&Check| check.verdict == Verdict::Fail && check.step < step;
            let because = match self.checks.iter().filter(failed).max_by_key(|check| check.step) {
                Some(failed) => format!("because this failed: {}", failed.check),
                None => "nothing to examine".to_owned(),
            };
            self.skip(step, &because);
        }
        self.checks.sort_by_key(|check| check.step);
        self.checks
    }
}
