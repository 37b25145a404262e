//! What a long call tells the agent who waits for it, and that it should stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::fault::shown;
use crate::progress::{Progress, Task, Unit};

/// At most so often.
const PAUSE: Duration = Duration::from_millis(250);

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Units done, over all of its tasks; it only grows, as the protocol asks.
    pub(super) done: u64,
    /// What is done.
    pub(super) message: String,
}

/// Watches one call for an agent.
#[derive(Clone)]
pub(super) struct Watch(Arc<Inner>);

struct Inner {
    steps: Option<Sender<Step>>,
    stop: CancellationToken,
    done: AtomicU64,
    told: Mutex<Instant>,
}

impl Watch {
    /// Tells `steps`, if anybody wants to know, until `stop` is cancelled.
    pub(super) fn new(steps: Option<Sender<Step>>, stop: CancellationToken) -> Self {
        let told = Mutex::new(Instant::now());
        Self(Arc::new(Inner { steps, stop, done: AtomicU64::new(0), told }))
    }
}

impl Inner {
    fn tell(&self, message: impl FnOnce() -> String) {
        let Some(steps) = &self.steps else { return };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= PAUSE {
            *told = Instant::now();
            // Who does not keep up misses a step, and gets a later one. Under the lock, so that no step overtakes another.
            let _ = steps.try_send(Step { done: self.done.load(Ordering::Relaxed), message: message() });
        }
    }
}

impl Progress for Watch {
    fn task(&self, label: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        Box::new(Telling { watch: self.clone(), label: shown(label), unit, total, done: AtomicU64::new(0) })
    }

    fn is_cancelled(&self) -> bool {
        self.0.stop.is_cancelled()
    }
}

/// One task of the call.
struct Telling {
    watch: Watch,
    label: String,
    unit: Unit,
    total: Option<u64>,
    done: AtomicU64,
}

impl Task for Telling {
    fn is_cancelled(&self) -> bool {
        self.watch.is_cancelled()
    }

    fn advance(&self, done: u64) {
        let own = self.done.fetch_add(done, Ordering::Relaxed) + done;
        self.watch.0.done.fetch_add(done, Ordering::Relaxed);
        let unit = match self.unit {
            Unit::Bytes => "bytes",
            Unit::Records => "records",
            Unit::Entries => "entries",
        };
        self.watch.0.tell(|| match self.total {
            Some(total) => format!("{}: {own} of {total} {unit}", self.label),
            None => format!("{}: {own} {unit}", self.label),
        });
    }
}
