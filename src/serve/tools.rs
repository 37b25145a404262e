//! The registry: which operations agents may call. To add one, implement [`Tool`] for it and name it in [`all`].

use std::sync::Arc;

use rmcp::model::{JsonObject, Tool as Described, ToolAnnotations};
use schemars::Schema;
use serde_json::Value;

use crate::fault::{Fault, Kind, Result};
use crate::operations::{self, Context, Effect, FileArgument, Tool};

/// A tool, whichever operation it is.
pub(super) struct Offered {
    /// The name.
    pub(super) name: &'static str,
    /// What the person is told who confirms a call.
    pub(super) title: &'static str,
    /// Whether no call can do without writing.
    only_writes: bool,
    /// As it is listed.
    pub(super) described: Described,
    prepare: fn(JsonObject) -> Result<Box<dyn Prepared>>,
}

/// A call whose arguments have been understood.
pub(super) trait Prepared: Send + Sync {
    fn files(&mut self) -> Vec<FileArgument<'_>>;
    fn effect(&self) -> Effect;
    fn needs_full_view(&self) -> bool;
    fn perform(&self, context: &Context<'_>) -> Result<Value>;
}

impl<T: Tool> Prepared for T {
    fn files(&mut self) -> Vec<FileArgument<'_>> {
        Tool::files(self)
    }

    fn effect(&self) -> Effect {
        Tool::effect(self)
    }

    fn needs_full_view(&self) -> bool {
        Tool::needs_full_view(self)
    }

    fn perform(&self, context: &Context<'_>) -> Result<Value> {
        let output = Tool::perform(self, context)?;
        serde_json::to_value(output)
            .map_err(|error| Fault::new(Kind::Bug, "the answer cannot be written as JSON").because(error))
    }
}

/// The tools that are offered where `writes` are on or off, in the order in which they are listed, and the names of all that
/// there are.
pub(super) fn offered(writes: bool) -> (Vec<Offered>, Vec<&'static str>) {
    let mut tools = all(writes);
    let known = names(&tools);
    tools.retain(|tool| writes || !tool.only_writes);
    (tools, known)
}

/// What they are called.
pub(super) fn names(tools: &[Offered]) -> Vec<&'static str> {
    tools.iter().map(|tool| tool.name).collect()
}

fn all(writes: bool) -> Vec<Offered> {
    vec![
        offer::<operations::Reconcile>(writes),
        offer::<operations::Discrepancies>(writes),
        offer::<operations::Explain>(writes),
        offer::<operations::Export>(writes),
        offer::<operations::Inspect>(writes),
        offer::<operations::Fetch>(writes),
        offer::<operations::Operations>(writes),
        offer::<operations::Call>(writes),
        offer::<operations::PlatformDoctor>(writes),
    ]
}

fn offer<T: Tool>(writes: bool) -> Offered {
    let annotations = ToolAnnotations::new()
        .read_only(!writes || T::EFFECT != Effect::Writes)
        // What is written are reports, each run its own anew: the same call leaves the same files.
        .destructive(writes && T::EFFECT == Effect::Writes)
        .idempotent(true)
        .open_world(T::ASKS_PLATFORM);
    let object = |schema: Schema| match schema.to_value() {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    };
    let described = Described::new(T::NAME, T::description(), object(T::input_schema()))
        .with_title(T::TITLE)
        .with_raw_output_schema(Arc::new(object(T::output_schema())))
        .with_annotations(annotations);
    Offered {
        name: T::NAME,
        title: T::TITLE,
        only_writes: T::ONLY_WRITES,
        described,
        prepare: |arguments| {
            let prepared: T = T::arguments(&Value::Object(arguments))?;
            Ok(Box::new(prepared))
        },
    }
}

impl Offered {
    /// Understands `arguments`.
    ///
    /// # Errors
    /// [`Kind::Usage`] with the argument that is not as it should be.
    pub(super) fn prepare(&self, arguments: JsonObject) -> Result<Box<dyn Prepared>> {
        (self.prepare)(arguments)
    }

    /// As it is listed, shared.
    pub(super) fn listed(&self) -> Described {
        self.described.clone()
    }
}
