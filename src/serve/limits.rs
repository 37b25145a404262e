//! How much one subject may ask for, how often, and how much of the platform all of them may use.
//!
//! All of it is in memory: a server that starts anew has used up nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use serde::Deserialize;

use crate::allowance::Allowance;
use crate::config;
use crate::fault::{Fault, Kind, Result, nearest};

/// `[serve.limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Bytes that a request's body may have, such as `1MiB`.
    pub body: String,
    /// Seconds that a client may take to send its head, and its body.
    pub body_seconds: u64,
    /// Seconds that a call may take.
    pub call_seconds: u64,
    /// Calls that run at once.
    pub calls_at_once: usize,
    /// Connections that are open at once.
    pub connections: usize,
    /// Calls that one subject may make of one tool in a minute.
    pub per_minute: u32,
    /// Calls of one subject that run at once.
    pub at_once_per_subject: usize,
    /// Calls of the platform that all of them may cause in an hour.
    pub platform_calls_per_hour: u32,
    /// Seconds that calls in flight may take to finish when the server stops; then they are cancelled.
    pub grace_seconds: u64,
    /// What differs for single tools.
    pub tools: BTreeMap<String, ToolLimits>,
}

/// `[serve.limits.tools.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolLimits {
    /// Calls that one subject may make of it in a minute.
    pub per_minute: Option<u32>,
    /// Calls of it that run at once, whoever makes them.
    pub at_once: Option<usize>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            body: "1MiB".to_owned(),
            body_seconds: 10,
            call_seconds: 300,
            calls_at_once: 32,
            connections: 512,
            per_minute: 120,
            at_once_per_subject: 4,
            platform_calls_per_hour: 2000,
            grace_seconds: 20,
            tools: BTreeMap::new(),
        }
    }
}

/// Subjects and tools whose rates are remembered. Whoever has been quiet for as long as his rate looks back is forgotten
/// first; it takes as many callers within a minute to fill it, and the next one is refused.
const MOST_REMEMBERED: usize = 1 << 16;
impl LimitSettings {
    /// Bytes that a body may have.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where it is no size.
    pub fn body_bytes(&self) -> Result<usize> {
        config::bytes(&self.body).map_err(|fault| fault.at("[serve.limits] body"))
    }

    /// Whether all tools that have limits of their own are among those that are `known`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] with the nearest that there is.
    pub fn check_tools(&self, known: &[&str]) -> Result<()> {
        let Some(unknown) = self.tools.keys().find(|tool| !known.contains(&tool.as_str())) else {
            return Ok(());
        };
        let fault = Fault::new(Kind::Configuration, "there is no such tool")
            .at("[serve.limits.tools]")
            .value(unknown);
        Err(match nearest(unknown, known.iter().copied()) {
            Some(near) => fault.next(format!("did you mean {near}?")),
            None => fault.expected(format!("one of {}", known.join(", "))),
        })
    }
}

/// Calls after which it is looked whether somebody can be forgotten.
const FORGET_EVERY: u32 = 1024;
/// When to come back where it depends on others' calls, not on time.
const SOON: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Why a call is not made, and when it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A stable word for the audit log and the metrics.
    pub reason: &'static str,
    /// The limit, in words.
    pub what: String,
    /// After how long it makes sense to come back.
    pub retry_after: Duration,
}

impl Refused {
    /// What the caller is told.
    #[must_use]
    pub fn fault(self) -> Fault {
        Fault::new(Kind::Busy, self.what).again_in(self.retry_after)
    }
}

type Rates<C> = RateLimiter<
    (String, String),
    DashMapStateStore<(String, String)>,
    C,
    NoOpMiddleware<<C as Clock>::Instant>,
>;

/// The rate of one tool, or of all that have none of their own.
struct Rate<C: Clock> {
    per_minute: NonZeroU32,
    limiter: Rates<C>,
}

impl<C: Clock> Rate<C> {
    fn new(per_minute: NonZeroU32, clock: C) -> Self {
        // So many at once, then one by one as the minute goes on.
        let limiter = RateLimiter::dashmap_with_clock(Quota::per_minute(per_minute), clock);
        Self { per_minute, limiter }
    }

    fn forget(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// Calls that run now.
#[derive(Default)]
struct Running {
    all: usize,
    by_subject: HashMap<String, usize>,
    by_tool: HashMap<String, usize>,
    since_forgotten: u32,
}

/// Who may call now.
pub struct Limits<C: Clock = DefaultClock> {
    calls_at_once: usize,
    at_once_per_subject: usize,
    at_once_of_tool: BTreeMap<String, usize>,
    rate: Rate<C>,
    rate_of_tool: BTreeMap<String, Rate<C>>,
    running: Mutex<Running>,
    budget: Arc<Budget<C>>,
    clock: C,
}

impl Limits {
    /// The limits of `settings`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where one is 0, so that nobody could ever call.
    pub fn new(settings: &LimitSettings) -> Result<Self> {
        Self::with_clock(settings, DefaultClock::default())
    }
}

impl<C: Clock + Clone> Limits<C> {
    /// The same by another clock.
    ///
    /// # Errors
    /// As [`Limits::new`].
    pub fn with_clock(settings: &LimitSettings, clock: C) -> Result<Self> {
        let none = |place: String| {
            Fault::new(Kind::Configuration, "nobody could ever call").at(place).value(0).expected("1 or more")
        };
        let key = |name: &str| format!("[serve.limits] {name}");
        let own = |tool: &str, name: &str| format!("[serve.limits.tools.{tool}] {name}");
        let rate = |per_minute: u32, place: String| {
            NonZeroU32::new(per_minute).map(|rate| Rate::new(rate, clock.clone())).ok_or_else(|| none(place))
        };
        for (name, most) in
            [("calls_at_once", settings.calls_at_once), ("at_once_per_subject", settings.at_once_per_subject)]
        {
            if most == 0 {
                return Err(none(key(name)));
            }
        }
        let mut at_once_of_tool = BTreeMap::new();
        let mut rate_of_tool = BTreeMap::new();
        for (tool, limits) in &settings.tools {
            if let Some(per_minute) = limits.per_minute {
                rate_of_tool.insert(tool.clone(), rate(per_minute, own(tool, "per_minute"))?);
            }
            match limits.at_once {
                Some(0) => return Err(none(own(tool, "at_once"))),
                Some(at_once) => drop(at_once_of_tool.insert(tool.clone(), at_once)),
                None => {}
            }
        }
        Ok(Self {
            calls_at_once: settings.calls_at_once,
            at_once_per_subject: settings.at_once_per_subject,
            at_once_of_tool,
            rate: rate(settings.per_minute, key("per_minute"))?,
            rate_of_tool,
            running: Mutex::default(),
            // 0 is meant: a server that never asks the platform.
            budget: Arc::new(Budget {
                most: settings.platform_calls_per_hour,
                taken: Mutex::default(),
                clock: clock.clone(),
            }),
            clock,
        })
    }

    /// Lets a call of `tool` by `subject` begin. It runs until the permit is dropped.
    ///
    /// # Errors
    /// The first limit that it would go beyond; what was refused counts for none of them.
    pub fn enter(self: &Arc<Self>, subject: &str, tool: &str) -> Result<Permit<C>, Refused> {
        let mut running = self.running();
        let full = |reason, what| Err(Refused { reason, what, retry_after: SOON });
        let count = |counts: &HashMap<String, usize>, of: &str| counts.get(of).copied().unwrap_or_default();
        if running.all >= self.calls_at_once {
            return full("calls-at-once", format!("{} calls run already", running.all));
        }
        if count(&running.by_subject, subject) >= self.at_once_per_subject {
            return full(
                "calls-at-once-of-subject",
                format!("{} calls of yours run already", self.at_once_per_subject),
            );
        }
        if let Some(most) = self.at_once_of_tool.get(tool)
            && count(&running.by_tool, tool) >= *most
        {
            return full("calls-at-once-of-tool", format!("{most} calls of {tool} run already"));
        }
        self.check_rate(subject, tool, &mut running)?;
        running.all += 1;
        *running.by_subject.entry(subject.to_owned()).or_default() += 1;
        *running.by_tool.entry(tool.to_owned()).or_default() += 1;
        Ok(Permit { limits: Arc::clone(self), subject: subject.to_owned(), tool: tool.to_owned() })
    }

    fn check_rate(&self, subject: &str, tool: &str, running: &mut Running) -> Result<(), Refused> {
        running.since_forgotten += 1;
        if running.since_forgotten >= FORGET_EVERY || self.remembered() >= MOST_REMEMBERED {
            running.since_forgotten = 0;
            self.rate.forget();
            self.rate_of_tool.values().for_each(Rate::forget);
            if self.remembered() >= MOST_REMEMBERED {
                return Err(Refused {
                    reason: "callers",
                    what: "more callers than can be counted have come in the last minute".to_owned(),
                    retry_after: Duration::from_secs(60),
                });
            }
        }
        let rate = self.rate_of_tool.get(tool).unwrap_or(&self.rate);
        rate.limiter.check_key(&(subject.to_owned(), tool.to_owned())).map_err(|until| Refused {
            reason: "rate",
            what: format!("you may call {tool} {} times a minute", rate.per_minute),
            retry_after: until.wait_time_from(self.clock.now()),
        })
    }

    /// Subjects, by tool, whose rates are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.rate.limiter.len() + self.rate_of_tool.values().map(|rate| rate.limiter.len()).sum::<usize>()
    }

    /// Calls that run now.
    #[must_use]
    pub fn running_now(&self) -> usize {
        self.running().all
    }

    /// What an operation asks before each call of the platform: one budget for all.
    #[must_use]
    pub fn platform_calls(&self) -> Arc<Budget<C>> {
        Arc::clone(&self.budget)
    }
}

impl<C: Clock> Limits<C> {
    fn running(&self) -> MutexGuard<'_, Running> {
        // Nothing that holds it can panic half-way through a change.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that runs, until it is dropped.
pub struct Permit<C: Clock = DefaultClock> {
    limits: Arc<Limits<C>>,
    subject: String,
    tool: String,
}

impl<C: Clock> Drop for Permit<C> {
    fn drop(&mut self) {
        let mut running = self.limits.running();
        running.all = running.all.saturating_sub(1);
        leave(&mut running.by_subject, &self.subject);
        leave(&mut running.by_tool, &self.tool);
    }
}

/// One less; who has none is not remembered.
fn leave(counts: &mut HashMap<String, usize>, of: &str) {
    if let Some(count) = counts.get_mut(of) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(of);
        }
    }
}

/// Calls of the platform: never more in any hour than there may be.
///
/// A bucket that is filled anew would let through twice as many in the hour after a quiet one. The old platform cannot
/// be asked to bear that, so the moment of each call is kept until it is an hour old.
pub struct Budget<C: Clock = DefaultClock> {
    most: u32,
    taken: Mutex<VecDeque<C::Instant>>,
    clock: C,
}

impl<C: Clock> Budget<C> {
    /// Calls that are left now.
    pub fn left(&self) -> u32 {
        let taken = self.recent(self.clock.now()).len();
        self.most.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
    }

    /// The calls of the last hour.
    fn recent(&self, now: C::Instant) -> MutexGuard<'_, VecDeque<C::Instant>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.front().is_some_and(|then| Duration::from(now.duration_since(*then)) >= HOUR) {
            taken.pop_front();
        }
        taken
    }
}

impl<C: Clock> Allowance for Budget<C>
where
    C: Send + Sync,
    C::Instant: Send,
{
    fn take(&self) -> Result<()> {
        let now = self.clock.now();
        let mut taken = self.recent(now);
        if taken.len() < usize::try_from(self.most).unwrap_or(usize::MAX) {
            taken.push_back(now);
            return Ok(());
        }
        let fault = Fault::new(Kind::Busy, "the platform may not be called any more for now")
            .at("[serve.limits] platform_calls_per_hour")
            .value(self.most);
        Err(match taken.front() {
            Some(oldest) => fault
                .next("finished windows of a fetch are kept")
                .again_in(HOUR.saturating_sub(now.duration_since(*oldest).into())),
            None => fault.next("ask the operator of this server to allow calls of the platform"),
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limits(
        change: impl FnOnce(&mut LimitSettings),
    ) -> (Arc<Limits<FakeRelativeClock>>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let mut settings = LimitSettings::default();
        change(&mut settings);
        (Arc::new(Limits::with_clock(&settings, clock.clone()).unwrap()), clock)
    }

    #[test]
    fn a_rate_is_by_subject_and_tool_and_says_when_to_come_back() {
        let (limits, clock) = limits(|settings| {
            settings.per_minute = 2;
            settings.tools.insert("reconcile".into(), ToolLimits { per_minute: Some(1), at_once: None });
        });
        let enter = |subject, tool| limits.enter(subject, tool).map(drop);
        assert_eq!((enter("ann", "inspect"), enter("ann", "inspect")), (Ok(()), Ok(())));
        let refused = enter("ann", "inspect").unwrap_err();
        assert_eq!((refused.reason, refused.retry_after), ("rate", Duration::from_secs(30)));
        assert_eq!(enter("ben", "inspect"), Ok(()));
        assert_eq!(enter("ann", "reconcile"), Ok(()));
        assert_eq!(enter("ann", "reconcile").unwrap_err().retry_after, Duration::from_secs(60));
        let fault = refused.fault();
        assert_eq!((fault.kind(), fault.retry_after()), (Kind::Busy, Some(Duration::from_secs(30))));
        clock.advance(Duration::from_secs(30));
        assert_eq!(enter("ann", "inspect"), Ok(()));
        assert_eq!(enter("ann", "inspect").unwrap_err().reason, "rate");
    }

    #[test]
    fn calls_at_once_are_counted_until_they_end_and_a_refused_one_counts_for_nothing() {
        let (limits, _) = limits(|settings| {
            (settings.calls_at_once, settings.at_once_per_subject, settings.per_minute) = (3, 2, 4);
            settings.tools.insert("reconcile".into(), ToolLimits { per_minute: None, at_once: Some(1) });
        });
        let one = limits.enter("ann", "reconcile").unwrap();
        let reason =
            |subject: &str, tool: &str| limits.enter(subject, tool).err().map(|refused| refused.reason);
        assert_eq!(reason("ben", "reconcile"), Some("calls-at-once-of-tool"));
        let two = limits.enter("ann", "inspect").unwrap();
        for _ in 0..9 {
            assert_eq!(reason("ann", "inspect"), Some("calls-at-once-of-subject"));
        }
        let three = limits.enter("ben", "inspect").unwrap();
        assert_eq!(reason("cid", "inspect"), Some("calls-at-once"));
        drop((one, two));
        assert_eq!(limits.running_now(), 1);
        // Nine refusals have not used up her four a minute.
        assert_eq!((reason("ann", "inspect"), reason("ann", "reconcile")), (None, None));
        drop(three);
        let running = limits.running();
        assert_eq!((running.all, running.by_subject.len(), running.by_tool.len()), (0, 0, 0));
    }

    #[test]
    fn who_has_been_quiet_is_forgotten() {
        let (limits, clock) = limits(|_| ());
        let call = |subject: usize| limits.enter(&subject.to_string(), "inspect").map(drop);
        for subject in 0..100_000 {
            call(subject).unwrap();
            clock.advance(Duration::from_millis(5));
        }
        // Each is as good as new after half a second: its rate has two calls a second.
        let most = usize::try_from(FORGET_EVERY).unwrap() + 200;
        assert!(limits.remembered() <= most, "{}", limits.remembered());
        // Without time that goes by nobody can be forgotten, and memory still ends.
        let refused = (100_000..200_000).find_map(|subject| call(subject).err()).unwrap();
        assert_eq!(refused.reason, "callers");
        assert!(limits.remembered() <= MOST_REMEMBERED);
        clock.advance(Duration::from_secs(60));
        assert_eq!(call(0), Ok(()));
    }

    #[test]
    fn no_hour_has_more_calls_of_the_platform_than_the_budget() {
        let (limits, clock) = limits(|settings| settings.platform_calls_per_hour = 3);
        let budget = limits.platform_calls();
        let minutes = |minutes: u64| clock.advance(Duration::from_secs(60 * minutes));
        // A quiet hour saves nothing up.
        minutes(120);
        budget.take().unwrap();
        minutes(50);
        budget.take().unwrap();
        budget.take().unwrap();
        assert_eq!(budget.left(), 0);
        let fault = budget.take().unwrap_err();
        assert_eq!((fault.kind(), fault.retry_after()), (Kind::Busy, Some(Duration::from_secs(600))));
        assert!(fault.to_string().contains("try again in 600 seconds"), "{fault}");
        minutes(10);
        budget.take().unwrap();
        assert_eq!(budget.take().unwrap_err().retry_after(), Some(Duration::from_secs(3000)));
        assert_eq!(limits.platform_calls().left(), 0, "there is one budget");
    }

    #[test]
    fn a_limit_that_lets_nobody_in_is_refused_at_start() {
        let settings: LimitSettings = toml::from_str("[tools.reconcile]\nat_once = 0").unwrap();
        let fault = Limits::new(&settings).err().unwrap();
        assert!(fault.to_string().starts_with("[serve.limits.tools.reconcile] at_once: nobody"), "{fault}");
        let none = LimitSettings { platform_calls_per_hour: 0, ..LimitSettings::default() };
        let fault = Limits::new(&none).unwrap().platform_calls().take().unwrap_err();
        assert_eq!(fault.retry_after(), None);
    }
}
