//! How much one subject may ask for, how often, and how much of the platform all of them may use.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::Deserialize;

use crate::config;
use crate::fault::{Fault, Kind, Result, nearest};
use crate::operations::Allowance;

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

impl LimitSettings {
    /// Bytes that a body may have.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where it is no size.
    pub fn body_bytes(&self) -> Result<usize> {
        config::bytes(&self.body).map_err(|fault| fault.at("[serve.limits] body"))
    }
}

/// Keeps count.
pub(super) struct Limits {
    /// By tool, the rate of each subject.
    rates: BTreeMap<String, DefaultKeyedRateLimiter<String>>,
    running: Arc<Mutex<Running>>,
    most: Most,
    platform: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

struct Most {
    all: usize,
    per_subject: usize,
    per_tool: BTreeMap<String, usize>,
}

#[derive(Default)]
struct Running {
    all: usize,
    subjects: HashMap<String, usize>,
    tools: HashMap<String, usize>,
}

/// Why a call may not run now: a word for the audit log, and what the caller is told.
pub(super) struct Refused {
    pub(super) reason: &'static str,
    pub(super) fault: Fault,
}

/// The right to run; given back when dropped.
pub(super) struct Permit {
    running: Arc<Mutex<Running>>,
    subject: String,
    tool: String,
}

impl Limits {
    /// As configured, for the tools called `known`.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a limit is zero, or there is no such tool.
    pub(super) fn new(settings: &LimitSettings, known: &[&str]) -> Result<Self> {
        let at = |key: &str| {
            Fault::new(Kind::Configuration, "nobody could call").at(format!("[serve.limits] {key}")).value(0)
        };
        let positive =
            |key: &str, value: u32| NonZeroU32::new(value).ok_or_else(|| at(key).expected("at least 1"));
        for tool in settings.tools.keys() {
            if !known.contains(&tool.as_str()) {
                let fault = Fault::new(Kind::Configuration, "there is no such tool")
                    .at("[serve.limits.tools]")
                    .value(tool);
                return Err(match nearest(tool, known.iter().copied()) {
                    Some(near) => fault.next(format!("did you mean {near}?")),
                    None => fault.expected(known.join(", ")),
                });
            }
        }
        for (key, value) in [
            ("calls_at_once", settings.calls_at_once),
            ("at_once_per_subject", settings.at_once_per_subject),
            ("connections", settings.connections),
        ] {
            if value == 0 {
                return Err(at(key).expected("at least 1"));
            }
        }
        let rate = |tool: &&str| {
            let own = settings.tools.get(*tool).and_then(|own| own.per_minute).unwrap_or(settings.per_minute);
            Ok(((*tool).to_owned(), RateLimiter::keyed(Quota::per_minute(positive("per_minute", own)?))))
        };
        let per_tool = settings.tools.iter().filter_map(|(tool, own)| Some((tool.clone(), own.at_once?)));
        let hourly = positive("platform_calls_per_hour", settings.platform_calls_per_hour)?;
        Ok(Self {
            rates: known.iter().map(rate).collect::<Result<_>>()?,
            running: Arc::default(),
            most: Most {
                all: settings.calls_at_once,
                per_subject: settings.at_once_per_subject,
                per_tool: per_tool.collect(),
            },
            platform: RateLimiter::direct(Quota::per_hour(hourly)),
            clock: DefaultClock::default(),
        })
    }

    /// Lets `subject` call `tool`, if there is room.
    pub(super) fn admit(&self, subject: &str, tool: &str) -> Result<Permit, Refused> {
        let busy = |what: &str| Refused {
            reason: "busy",
            fault: Fault::new(Kind::Usage, what.to_owned()).next("try again when one of them has ended"),
        };
        if let Some(rate) = self.rates.get(tool) {
            if rate.len() > 10_000 {
                // Who has not called for a while has a full quota again, and need not be remembered.
                rate.retain_recent();
            }
            rate.check_key(&subject.to_owned()).map_err(|not_until| {
                let wait = seconds(not_until.wait_time_from(self.clock.now()));
                Refused {
                    reason: "rate",
                    fault: Fault::new(Kind::Usage, "this tool was called too often")
                        .next(format!("try again in {wait} s")),
                }
            })?;
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.all >= self.most.all {
            return Err(busy("as many calls are running as may run at once"));
        }
        if running.subjects.get(subject).is_some_and(|count| *count >= self.most.per_subject) {
            return Err(busy("as many calls of yours are running as may run at once"));
        }
        let of_tool = running.tools.get(tool).copied().unwrap_or_default();
        if self.most.per_tool.get(tool).is_some_and(|most| of_tool >= *most) {
            return Err(busy("as many calls of this tool are running as may run at once"));
        }
        running.all += 1;
        *running.subjects.entry(subject.to_owned()).or_default() += 1;
        *running.tools.entry(tool.to_owned()).or_default() += 1;
        drop(running);
        Ok(Permit { running: Arc::clone(&self.running), subject: subject.to_owned(), tool: tool.to_owned() })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.all = running.all.saturating_sub(1);
        let Running { subjects, tools, .. } = &mut *running;
        for (counts, key) in [(subjects, &self.subject), (tools, &self.tool)] {
            if let Some(count) = counts.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(key);
                }
            }
        }
    }
}

/// The budget of platform calls, which all subjects share: the old platform does not know them apart either.
impl Allowance for Limits {
    fn take(&self) -> Result<()> {
        self.platform.check().map_err(|not_until| {
            let wait = seconds(not_until.wait_time_from(self.clock.now()));
            Fault::new(Kind::Platform, "agents have called the platform as often as they may in an hour")
                .at("[serve.limits] platform_calls_per_hour")
                .next(format!("the next call is possible in {wait} s; what is fetched by then is kept"))
        })
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + 1
}
