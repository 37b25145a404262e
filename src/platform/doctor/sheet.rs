//! The sheet that the examination fills in: one line for each step, in the order of the steps.

use super::Step;
use crate::examination::{Check, Checked, Finding, Verdict};
use crate::fault::Kind;
use crate::progress::Task;

/// The checks so far, each with its step.
pub(super) struct Sheet<'t> {
    checks: Vec<(Step, Check)>,
    task: &'t dyn Task,
}

impl<'t> Sheet<'t> {
    pub(super) fn new(task: &'t dyn Task) -> Self {
        Self { checks: Vec::new(), task }
    }

    /// Makes a check; `None` where it failed.
    pub(super) fn check<T>(&mut self, step: Step, examine: impl FnOnce() -> Checked<T>) -> Option<T> {
        let (mut check, value) = Check::make(step.name(), examine);
        self.task.advance(1);
        if let Some(kind) = check.fault {
            check.next.get_or_insert_with(|| match kind {
                Kind::Configuration | Kind::Usage => "correct it in tieout.toml".to_owned(),
                _ => "ask the platform's operators".to_owned(),
            });
        }
        let (verdict, milliseconds) = (check.verdict.name(), check.milliseconds);
        tracing::info!(check = step.name(), verdict, milliseconds, "platform examined");
        self.checks.push((step, check));
        value
    }

    /// Leaves a step out because it does not apply.
    pub(super) fn skip(&mut self, step: Step, because: &str) {
        self.check(step, || Ok(Finding::skip((), because)));
    }

    /// The steps that failed.
    fn failed(&self) -> impl Iterator<Item = Step> {
        self.checks.iter().filter(|(_, check)| check.verdict == Verdict::Fail).map(|(step, _)| *step)
    }

    /// Whether `step` failed, or one behind it.
    pub(super) fn has_failed_since(&self, step: Step) -> bool {
        self.failed().any(|failed| failed >= step)
    }

    /// All steps: those that nobody came to are skipped because of the last failure before them.
    pub(super) fn finish(mut self) -> Vec<Check> {
        for step in Step::ALL {
            if self.checks.iter().any(|(made, _)| *made == step) {
                continue;
            }
            let because = match self.failed().filter(|failed| *failed < step).max() {
                Some(failed) => format!("because this failed: {}", failed.name()),
                None => "nothing to examine".to_owned(),
            };
            self.skip(step, &because);
        }
        self.checks.sort_by_key(|(step, _)| *step);
        self.checks.into_iter().map(|(_, check)| check).collect()
    }
}
