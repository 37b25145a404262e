//! One call, from who makes it to its line in the audit log: may he, does he mean it, is there room; then the operation,
//! on a thread of its own; then the line; then the answer.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rmcp::ErrorData;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, InputResponses, JsonObject, MetaObject,
    ReadResourceResult, Resource, Tool,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::audit::{Line, Sink, arguments_sha256};
use super::auth::{Entitlement, Policy, Principal, Scopes};
use super::confirm::{Bound, Confirmations};
use super::limits::Limits;
use super::metrics::{Counted, Metrics};
use super::question;
use super::resources;
use super::roots::Roots;
use super::safe::safe;
use super::tools::{Offered, Prepared};
use super::watch::{Step, Watch};
use crate::fault::{Fault, Kind, Result, shown, shown_lines};
use crate::operations::{Context, Effect, Purpose, View, default_config};

/// Who calls, and from where.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    /// The id of the request, in the log, in the audit and in the answer's head.
    pub(super) request_id: String,
    /// The trace that it is part of (W3C Trace Context).
    pub(super) trace_id: String,
    /// The address that is connected.
    pub(super) proxy: Option<IpAddr>,
    /// The address that the proxy says it speaks for.
    pub(super) client: Option<IpAddr>,
    /// Whether the desk has a line for it; what never comes there is for the gate to write down.
    pub(super) is_attended: Arc<AtomicBool>,
}

impl Caller {
    /// Whoever holds the other end of the pipe.
    pub(super) fn local() -> Self {
        Self {
            principal: Principal::local(),
            request_id: super::request::id(),
            trace_id: String::new(),
            proxy: None,
            client: None,
            is_attended: Arc::default(),
        }
    }
}

/// What is asked for.
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) arguments: JsonObject,
    /// What the person behind the agent said when he was asked.
    pub(super) answers: Option<InputResponses>,
    /// What was to be brought back with that.
    pub(super) state: Option<String>,
    /// Whether the person can be asked.
    pub(super) can_ask: bool,
}

/// Why there is no answer: a stable word for the audit, and what the caller is told.
struct Refusal {
    reason: &'static str,
    fault: Fault,
}

impl Refusal {
    fn new(reason: &'static str, fault: Fault) -> Self {
        Self { reason, fault }
    }
}

/// What a call came to, before it is written down.
enum Outcome {
    Done(Box<CallToolResult>),
    Failed(Fault),
    Refused(Refusal),
    Asked(Box<rmcp::model::InputRequiredResult>),
}

/// Where calls are handled.
pub(super) struct Desk {
    pub(super) tools: Vec<Offered>,
    pub(super) scopes: Scopes,
    pub(super) policy: Policy,
    pub(super) roots: Roots,
    pub(super) limits: Arc<Limits>,
    pub(super) audit: Arc<Sink>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) confirmations: Confirmations,
    /// The `tieout.toml` that is meant where a call names none.
    pub(super) config: PathBuf,
    pub(super) writes: bool,
    pub(super) confirm_writes: bool,
    pub(super) call_time: Duration,
    /// Cancelled when the server has waited for calls in flight long enough.
    pub(super) closing: CancellationToken,
}

/// Bytes of an answer that an agent can be expected to hold in mind.
const LARGEST: usize = 128 * 1024;

/// Under which name a result that is an error says what it is, for programs.
const FAULT: &str = "tieout/fault";

/// How long what was cancelled may take to end.
pub(super) const AT_THE_END: Duration = Duration::from_secs(2);

/// The name under which reading a report stands in the audit, in grants and among the scopes: it shows what listing shows.
pub(super) const READING: &str = "list_discrepancies";

impl Desk {
    /// The tools that a caller may call by what he is granted; those whose scopes he still lacks are among them.
    pub(super) fn tools_of(&self, caller: &Caller) -> Vec<Tool> {
        let entitlement = self.entitlement(caller);
        let is_granted = |tool: &&Offered| entitlement.view(tool.name).is_some();
        self.tools.iter().filter(is_granted).map(Offered::listed).collect()
    }

    /// The reports that a caller may read.
    pub(super) fn resources_of(&self, caller: &Caller) -> Vec<Resource> {
        match self.reads_everything(caller) {
            // Without a configuration that can be read there are none.
            true => resources::list(&self.config).unwrap_or_default(),
            false => Vec::new(),
        }
    }

    /// What a caller is granted, as it is now.
    fn entitlement(&self, caller: &Caller) -> Entitlement {
        Entitlement::of(&self.policy, &caller.principal, SystemTime::now())
    }

    /// Whether a caller may read reports, which hold everything.
    fn reads_everything(&self, caller: &Caller) -> bool {
        self.entitlement(caller).view(READING).is_some_and(|view| view.is_unlimited())
    }

    /// Cancels the calls that still run, and waits until what became of them is written down.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        let written = async {
            while self.metrics.running() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(AT_THE_END, written).await;
    }

    /// Handles a call of a tool.
    ///
    /// # Errors
    /// Where the protocol knows an error: an unknown tool, and an audit log that cannot be written.
    pub(super) async fn call(
        &self,
        caller: &Caller,
        call: Call,
        steps: Option<Sender<Step>>,
        cancelled: CancellationToken,
    ) -> Result<CallToolResponse, ErrorData> {
        let start = Instant::now();
        let _running = self.metrics.begun();
        let line = self.line(caller, &call.tool, &call.arguments);
        let Some(tool) = self.tools.iter().find(|tool| tool.name == call.tool) else {
            self.record(line.denied("unknown-tool"), start).await?;
            return Err(ErrorData::invalid_params(format!("there is no tool {}", shown(&call.tool)), None));
        };
        let outcome = self.attend(caller, tool, call, steps, cancelled, &line).await;
        let (word, rows, refused, answer) = match outcome {
            Outcome::Done(result) => {
                let rows = result.structured_content.as_ref().and_then(rows_of);
                ("done", rows, None, CallToolResponse::Complete(*result))
            }
            Outcome::Failed(fault) if fault.kind() == Kind::Bug => {
                tracing::error!(request = caller.request_id, fault = %fault, "a tool failed");
                (fault.kind().word(), None, None, failed(&fault))
            }
            Outcome::Failed(fault) => (fault.kind().word(), None, None, failed(&fault)),
            Outcome::Refused(refusal) => ("", None, Some(refusal.reason), failed(&refusal.fault)),
            Outcome::Asked(asked) => ("asked", None, None, CallToolResponse::InputRequired(*asked)),
        };
        let line = match refused {
            Some(reason) => {
                self.metrics.refused(reason);
                line.denied(reason)
            }
            None => {
                self.metrics.called(tool.name, word, start.elapsed());
                line.allowed(word, rows)
            }
        };
        self.record(line, start).await?;
        Ok(answer)
    }

    async fn attend(
        &self,
        caller: &Caller,
        tool: &Offered,
        call: Call,
        steps: Option<Sender<Step>>,
        cancelled: CancellationToken,
        line: &Line,
    ) -> Outcome {
        let admitted = self.admit(caller, tool, &call);
        let (prepared, view) = match admitted {
            Ok(admitted) => admitted,
            Err(outcome) => return outcome,
        };
        let permit = match self.limits.enter(caller.principal.subject(), tool.name) {
            Ok(permit) => permit,
            Err(refused) => return Outcome::Refused(Refusal::new(refused.reason, refused.fault())),
        };
        if prepared.effect() == Effect::Writes {
            if self.confirm_writes {
                match self.confirmed(caller, tool, &call) {
                    Ok(None) => {}
                    Ok(Some(ask)) => return Outcome::Asked(Box::new(ask)),
                    Err(refusal) => return Outcome::Refused(refusal),
                }
            }
            // What is written must be known even if the line of its end cannot be written any more.
            if let Err(fault) = Sink::write_down(&self.audit, line.clone().allowed("begun", None)).await {
                return Outcome::Refused(Refusal::new("audit", fault));
            }
        }
        let stop = cancelled.child_token();
        // Dropped with this future: a client that goes away stops the work.
        let _guard = stop.clone().drop_guard();
        let watch = Watch::new(steps, stop.clone());
        let platform_calls =
            Counted { allowance: self.limits.platform_calls(), metrics: Arc::clone(&self.metrics) };
        let running = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let context = Context {
                progress: &watch,
                now: SystemTime::now(),
                view: &view,
                platform_calls: &platform_calls,
            };
            prepared.perform(&context)
        });
        let late = |what: &str| {
            stop.cancel();
            Outcome::Failed(Fault::new(Kind::Cancelled, what.to_owned()))
        };
        tokio::select! {
            ended = running => match ended {
                Ok(Ok(value)) => fitting(safe(value)),
                Ok(Err(fault)) => Outcome::Failed(fault),
                Err(_) => Outcome::Failed(Fault::new(Kind::Bug, "tieout stopped at a fault of its own")),
            },
            () = tokio::time::sleep(self.call_time) => late("the call took longer than it may, and was stopped"),
            () = self.closing.cancelled() => late("the server stops"),
            () = cancelled.cancelled() => late("the call was cancelled"),
        }
    }

    /// What must hold before anything is done.
    fn admit(
        &self,
        caller: &Caller,
        tool: &Offered,
        call: &Call,
    ) -> Result<(Box<dyn Prepared>, View), Outcome> {
        let refuse = |reason, fault| Err(Outcome::Refused(Refusal::new(reason, fault)));
        let denied = |what: &str| Fault::new(Kind::Denied, what.to_owned());
        // The gate has looked at this; whoever comes by another way is looked at here.
        if let Err(refusal) = self.scopes.check(tool.name, &caller.principal) {
            return refuse(refusal.reason, denied(refusal.description));
        }
        let Some(view) = self.entitlement(caller).view(tool.name) else {
            return refuse("policy", denied("this tool is not granted to you"));
        };
        let mut prepared = tool.prepare(call.arguments.clone()).map_err(Outcome::Failed)?;
        if prepared.needs_full_view() && !view.is_unlimited() {
            return refuse(
                "policy",
                denied("what this call answers cannot be narrowed to what you may see")
                    .next("list_discrepancies, explain_discrepancy and export_report show what you may see"),
            );
        }
        if prepared.effect() == Effect::Writes && !self.writes {
            return refuse("writes-off", denied("this server only reads, and this call would write")
                .next("leave out the argument that names a file to write, or set dry_run; the operator can set [serve] writes = true"));
        }
        for file in prepared.files() {
            if file.purpose == Purpose::Configuration && *file.path == default_config() {
                *file.path = self.config.clone();
                continue;
            }
            let confined = match file.purpose {
                Purpose::Configuration => self.roots.configuration(file.path),
                Purpose::Read => self.roots.read(file.path),
                Purpose::Write => self.roots.write(file.path),
            };
            match confined {
                Ok(confined) => *file.path = confined,
                Err(refused) => return refuse(refused.reason, refused.fault()),
            }
        }
        Ok((prepared, view))
    }

    /// Whether the person behind the agent has said yes to exactly this call: then nothing; else what to ask him.
    fn confirmed(
        &self,
        caller: &Caller,
        tool: &Offered,
        call: &Call,
    ) -> Result<Option<rmcp::model::InputRequiredResult>, Refusal> {
        let arguments = arguments_sha256(&Value::Object(call.arguments.clone()));
        let bound =
            Bound { subject: caller.principal.subject(), tool: tool.name, arguments_sha256: &arguments };
        match (&call.state, &call.answers) {
            (Some(state), Some(answers)) => {
                self.confirmations
                    .redeem(state, &bound)
                    .map_err(|refused| Refusal::new(refused.reason, refused.fault()))?;
                match question::is_yes(answers) {
                    true => Ok(None),
                    false => Err(Refusal::new(
                        "declined",
                        Fault::new(Kind::Denied, "the person who was asked did not agree: nothing was written"),
                    )),
                }
            }
            _ if !call.can_ask => Err(Refusal::new(
                "cannot-confirm",
                Fault::new(Kind::Denied, "this call writes, which a person has to confirm, and this client cannot ask one")
                    .next("use a client that supports elicitation with protocol 2026-07-28, or let the operator set [serve] confirm_writes = false"),
            )),
            _ => {
                let bug = |fault| Refusal::new("bug", fault);
                let state = self.confirmations.seal(&bound).map_err(bug)?;
                question::ask(tool.name, tool.title, &call.arguments, state).map(Some).map_err(bug)
            }
        }
    }

    /// Reads a report.
    ///
    /// # Errors
    /// Where there is none, or he may not read it.
    pub(super) async fn read(&self, caller: &Caller, uri: String) -> Result<ReadResourceResult, ErrorData> {
        let start = Instant::now();
        let arguments = JsonObject::from_iter([("uri".to_owned(), Value::from(uri.clone()))]);
        let line = self.line(caller, "resources/read", &arguments);
        let reason = if self.scopes.check(READING, &caller.principal).is_err() {
            Some("scope-missing")
        } else if !self.reads_everything(caller) {
            Some("policy")
        } else {
            None
        };
        if let Some(reason) = reason {
            self.metrics.refused(reason);
            self.record(line.denied(reason), start).await?;
            return Err(ErrorData::resource_not_found("there is no such resource for you", None));
        }
        let _permit = match self.limits.enter(caller.principal.subject(), READING) {
            Ok(permit) => permit,
            Err(refused) => {
                self.metrics.refused(refused.reason);
                self.record(line.denied(refused.reason), start).await?;
                let fault = refused.fault();
                return Err(ErrorData::internal_error(fault.to_string(), Some(in_short(&fault))));
            }
        };
        let config = self.config.clone();
        let read = tokio::task::spawn_blocking(move || resources::read(&config, &uri, LARGEST)).await;
        let read =
            read.unwrap_or_else(|_| Err(Fault::new(Kind::Bug, "tieout stopped at a fault of its own")));
        let outcome = read.as_ref().map_or_else(|fault| fault.kind().word(), |_| "done");
        self.record(line.allowed(outcome, None), start).await?;
        read.map_err(|fault| ErrorData::resource_not_found(shown_lines(&fault.to_string()), None))
    }

    fn line(&self, caller: &Caller, tool: &str, arguments: &JsonObject) -> Line {
        caller.is_attended.store(true, Ordering::Relaxed);
        Line {
            request_id: caller.request_id.clone(),
            trace_id: caller.trace_id.clone(),
            proxy: caller.proxy,
            client: caller.client,
            ..Line::of_call(tool, &Value::Object(arguments.clone())).by(&caller.principal)
        }
    }

    /// Writes the line, or nothing is answered.
    async fn record(&self, line: Line, start: Instant) -> Result<(), ErrorData> {
        let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line = Line { time: SystemTime::now(), milliseconds, ..line };
        Sink::write_down(&self.audit, line).await.map_err(|fault| {
            self.metrics.audit_failures.inc();
            tracing::error!(%fault, "the audit log cannot be written: nothing is served");
            ErrorData::internal_error("this call cannot be recorded, so that it is not answered", None)
        })
    }
}

/// A fault as an agent meets it: a result that says what went wrong and what to do. What programs branch on stands in `_meta`:
/// the structured content of a tool is held against the schema of its answers, even by clients that see an error.
fn failed(fault: &Fault) -> CallToolResponse {
    let mut result = CallToolResult::error(vec![ContentBlock::text(shown_lines(&fault.to_string()))]);
    result.meta = Some(MetaObject(JsonObject::from_iter([(FAULT.to_owned(), in_short(fault))])));
    result.into()
}

/// A fault for a program: its kind, and after how many seconds the same may be had, where that is known.
fn in_short(fault: &Fault) -> Value {
    let mut short = json!({"kind": fault.kind().word()});
    if let (Some(fields), Some(time)) = (short.as_object_mut(), fault.retry_after()) {
        fields.insert("retry_after_seconds".to_owned(), time.as_secs().into());
    }
    short
}

/// How many rows an answer shows, or has read or written, where it is about rows.
fn rows_of(answer: &Value) -> Option<u64> {
    let shown = ["discrepancies", "records"].into_iter().find_map(|name| answer.get(name)?.as_array());
    let count = || ["count", "rows"].into_iter().find_map(|name| answer.get(name)?.as_u64());
    shown.map(|rows| rows.len() as u64).or_else(count)
}

/// An answer that an agent can hold in mind, or the advice to ask for less.
fn fitting(value: Value) -> Outcome {
    // Written once: what is weighed is what is sent as text.
    let text = value.to_string();
    let bytes = text.len();
    if bytes <= LARGEST {
        let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
        result.structured_content = Some(value);
        return Outcome::Done(Box::new(result));
    }
    Outcome::Failed(
        Fault::new(Kind::Usage, "the answer is larger than an agent can hold in mind")
            .value(format!("{bytes} bytes"))
            .expected(format!("at most {LARGEST}"))
            .next("ask for less: a smaller limit, a filter, or one operation by its name"),
    )
}
