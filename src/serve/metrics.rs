//! What can be counted: for Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::allowance::Allowance;
use crate::fault::{Fault, Kind, Result};

/// A tool and what calls of it came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    tool: String,
    outcome: &'static str,
}

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

/// The counters of one server.
pub(super) struct Metrics {
    registry: Registry,
    calls: Family<Called, Counter>,
    refusals: Family<Refused, Counter>,
    seconds: Histogram,
    pub(super) connections: Gauge,
    running: Gauge,
    platform_calls: Counter,
    pub(super) audit_failures: Counter,
    pub(super) certificate_ends: Gauge<i64, std::sync::atomic::AtomicI64>,
    pub(super) memory: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("tieout"),
            calls: Family::default(),
            refusals: Family::default(),
            seconds: Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0]),
            connections: Gauge::default(),
            running: Gauge::default(),
            platform_calls: Counter::default(),
            audit_failures: Counter::default(),
            certificate_ends: Gauge::default(),
            memory: Gauge::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("calls", "Calls of tools, by what they came to", self.calls.clone());
        registry.register(
            "refusals",
            "Requests and calls that were refused, by reason",
            self.refusals.clone(),
        );
        registry.register("call_seconds", "How long calls took", self.seconds.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("calls_running", "Calls that are running", self.running.clone());
        registry.register(
            "platform_calls",
            "Calls of the platform that agents caused",
            self.platform_calls.clone(),
        );
        registry.register("audit_failures", "Lines that could not be written", self.audit_failures.clone());
        registry.register(
            "certificate_ends_seconds",
            "When the certificate ends, in seconds since 1970",
            self.certificate_ends.clone(),
        );
        registry.register("resident_memory_bytes", "Memory of this process", self.memory.clone());
        self
    }

    /// A call that begins; it runs until what this gives is dropped.
    pub(super) fn begun(&self) -> Running {
        self.running.inc();
        Running(self.running.clone())
    }

    /// Calls whose line is not written yet.
    pub(super) fn running(&self) -> i64 {
        self.running.get()
    }

    /// A call that ran.
    pub(super) fn called(&self, tool: &str, outcome: &'static str, took: std::time::Duration) {
        self.calls.get_or_create(&Called { tool: tool.to_owned(), outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// A request or a call that did not.
    pub(super) fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&Refused { reason }).inc();
    }

    /// All of them, in the text format of OpenMetrics.
    ///
    /// # Errors
    /// [`Kind::Bug`] where they cannot be written.
    pub(super) fn text(&self) -> Result<String> {
        self.memory.set(resident());
        let mut text = String::new();
        text::encode(&mut text, &self.registry)
            .map_err(|error| Fault::new(Kind::Bug, "the metrics cannot be written").because(error))?;
        Ok(text)
    }
}

/// A call that runs, until it is dropped.
pub(super) struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// An allowance of which is counted how much was taken.
pub(super) struct Counted<A> {
    pub(super) allowance: Arc<A>,
    pub(super) metrics: Arc<Metrics>,
}

impl<A: Allowance> Allowance for Counted<A> {
    fn take(&self) -> Result<()> {
        self.allowance.take()?;
        self.metrics.platform_calls.inc();
        Ok(())
    }
}

/// Bytes of memory that this process has, as Linux says; 0 elsewhere.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or_default();
    kib * 1024
}
