//! How fast, how often, how long: the rate of calls, the waits between tries, the end of a fetch.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::settings::Millionths;

/// The longest wait between two tries that is our own idea.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// The longest wait that a platform may ask for; who asks for more gets this much.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// How long a sleeper may not notice that it should stop.
pub(super) const NAP: Duration = Duration::from_millis(50);

/// When to stop: at once, or at the end of the time that a fetch has.
#[derive(Debug)]
pub(super) struct Halt {
    stopped: AtomicBool,
    ends: Instant,
}

impl Halt {
    pub(super) fn new(ends: Instant) -> Self {
        Self { stopped: AtomicBool::new(false), ends }
    }

    /// For a single call, which has a deadline of its own.
    pub(super) fn after(time: Duration) -> Self {
        Self::new(Instant::now() + time)
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub(super) const fn ends(&self) -> Instant {
        self.ends
    }

    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// Sleeps until then. False, at once, where the fetch is over by then; false where it was stopped.
    #[must_use]
    pub(super) fn sleep_until(&self, then: Instant) -> bool {
        if then >= self.ends {
            return false;
        }
        while !self.is_stopped() {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(NAP));
        }
        false
    }
}

/// The rate of calls over all connections.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(calls_per_second: Option<Millionths>) -> Self {
        let between = calls_per_second
            .and_then(|rate| 1_000_000_000_000_000_u64.checked_div(rate.0))
            .map_or(Duration::ZERO, Duration::from_nanos);
        Self { between, next: Mutex::new(Instant::now()) }
    }

    /// The next moment at which a call may start; it is taken then.
    pub(super) fn take(&self) -> Instant {
        let mut next = self.next();
        let mine = (*next).max(Instant::now());
        *next = mine + self.between;
        mine
    }

    /// Lets no call start before `then`.
    pub(super) fn hold(&self, then: Instant) {
        let mut next = self.next();
        *next = (*next).max(then);
    }

    fn next(&self) -> MutexGuard<'_, Instant> {
        // One value; a thread that panicked cannot have left it half written.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait before try number `failed` + 1: `first`, doubled with each failure, up to half of it taken off at random,
/// so that many callers do not come back at once; or as long as the platform asks for, within bounds.
pub(super) fn wait(first: Duration, failed: u32, asked: Option<Duration>) -> Duration {
    let full = first.saturating_mul(2_u32.saturating_pow(failed.saturating_sub(1))).min(LONGEST_BACKOFF);
    // The standard library seeds each hasher state from the operating system's randomness.
    let off = u32::try_from(RandomState::new().hash_one(failed) % 1000).unwrap_or_default();
    (full - full / 2000 * off).max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_with_jitter_and_heed_the_platform_within_bounds() {
        let second = Duration::from_secs(1);
        for (failed, full) in [(1, 1), (2, 2), (3, 4), (9, 60), (60, 60)] {
            let waited = wait(second, failed, None);
            let full = second * full;
            assert!(waited <= full && waited >= full / 2, "{failed}: {waited:?}");
        }
        assert_eq!(wait(second, 1, Some(second * 7)), second * 7);
        assert_eq!(wait(second, 1, Some(second * 70_000)), LONGEST_ASKED);
        assert!(wait(second, 3, Some(Duration::ZERO)) >= second * 2);
    }

    #[test]
    fn calls_start_one_after_the_other() {
        let pace = Pace::new(Some(Millionths(500_000)));
        let first = pace.take();
        assert_eq!(pace.take() - first, Duration::from_secs(2));
        pace.hold(first + Duration::from_secs(9));
        assert_eq!(pace.take() - first, Duration::from_secs(9));
        assert_eq!(Pace::new(None).between, Duration::ZERO);
    }

    #[test]
    fn nobody_sleeps_beyond_the_end() {
        let now = Instant::now();
        let halt = Halt::new(now + Duration::from_secs(1));
        assert!(!halt.sleep_until(now + Duration::from_secs(2)));
        assert!(halt.sleep_until(now + Duration::from_millis(1)));
        halt.stop();
        assert!(!halt.sleep_until(now + Duration::from_millis(900)));
    }
}
