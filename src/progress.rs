//! What long work tells whoever watches: a terminal bar, an agent, or nobody.
//!
//! The rooms below `cli` and `serve` never print. They hold a [`Progress`] and
//! tell it how far they are; what becomes of that is the caller's business.

use crate::fault::{Fault, Kind, Result};

/// One piece of work whose advance can be watched.
pub trait Task: Send + Sync {
    /// Adds `done` units (bytes, rows or calls, as the stage was opened with).
    fn advance(&self, done: u64);

    /// Whether nobody wants its outcome any more; asked where it advances.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Goes on, unless nobody wants the outcome any more.
    ///
    /// # Errors
    /// [`Kind::Cancelled`].
    fn check(&self) -> Result<()> {
        unless(self.is_cancelled())
    }
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

    /// Whether nobody wants the outcome any more: asked between two tasks. What is cancelled says so in its tasks, too.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// Goes on, unless nobody wants the outcome any more.
    ///
    /// # Errors
    /// [`Kind::Cancelled`].
    fn check(&self) -> Result<()> {
        unless(self.is_cancelled())
    }
}

fn unless(is_cancelled: bool) -> Result<()> {
    if is_cancelled { Err(Fault::new(Kind::Cancelled, "the call was cancelled")) } else { Ok(()) }
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
