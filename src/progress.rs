//! What long work tells whoever watches: a terminal bar, an agent, or nobody.
//!
//! The rooms below `cli` and `serve` never print. They hold a [`Progress`] and
//! tell it how far they are; what becomes of that is the caller's business.

/// One piece of work whose advance can be watched.
pub trait Task: Send + Sync {
    /// Adds `done` units (bytes, rows or calls, as the stage was opened with).
    fn advance(&self, done: u64);
}

/// What the numbers of a [`Task`] count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Records of an answer.
    Records,
    /// Entries of either side.
    Entries,
}

/// Opens tasks. Dropping a task ends it.
pub trait Progress: Send + Sync {
    /// Opens a task called `label`; `total` units long where that is known.
    fn task(&self, label: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task>;

    /// Says something that is no fault, but that whoever watches should know.
    fn note(&self, _text: &str) {}
}

/// Says what a person should know to whoever watches, and to the log.
pub fn say(progress: &dyn Progress, text: &str) {
    tracing::warn!("{text}");
    progress.note(text);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Task for Silent {
    fn advance(&self, _done: u64) {}
}

impl Progress for Silent {
    fn task(&self, _label: &str, _unit: Unit, _total: Option<u64>) -> Box<dyn Task> {
        Box::new(Silent)
    }
}
