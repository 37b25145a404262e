//! What the person behind an agent is asked before something is written (elicitation in a multi-round-trip request).

use rmcp::model::{
    BooleanSchema, ElicitRequest, ElicitRequestParams, ElicitationSchema, InputRequest, InputRequiredResult,
    InputResponses, JsonObject, PrimitiveSchemaDefinition,
};
use serde_json::Value;

use crate::fault::{Fault, Kind, Result, shown};

/// The name of the one question.
const QUESTION: &str = "confirm";

/// Asks whether the call of `tool` with `arguments` may write; `state` is what the client brings back with the answer.
///
/// # Errors
/// [`Kind::Bug`] where the question cannot be put.
pub(super) fn ask(
    tool: &str,
    title: &str,
    arguments: &JsonObject,
    state: String,
) -> Result<InputRequiredResult> {
    let arguments = shown(&Value::Object(arguments.clone()).to_string());
    let yes = PrimitiveSchemaDefinition::Boolean(
        BooleanSchema::new().title("Go ahead").description("Whether this may be written").with_default(false),
    );
    let schema = ElicitationSchema::builder().required_property(QUESTION, yes).build();
    let schema =
        schema.map_err(|error| Fault::new(Kind::Bug, "the question cannot be asked").value(error))?;
    let asked = ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: format!("An agent wants to write: {title} ({tool}) with {arguments}. Go ahead?"),
        requested_schema: schema,
    });
    let requests = [(QUESTION.to_owned(), InputRequest::Elicitation(asked))];
    Ok(InputRequiredResult::new(Some(requests.into_iter().collect()), Some(state)))
}

/// Whether the person said yes.
pub(super) fn is_yes(answers: &InputResponses) -> bool {
    let Some(answer) = answers.get(QUESTION) else { return false };
    let action = answer.get("action").and_then(Value::as_str);
    action == Some("accept") && answer.pointer("/content/confirm") == Some(&Value::Bool(true))
}
