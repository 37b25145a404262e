//! What servers of 2025-11-25 could do with a session: ask the client in the middle of a call. Tried here without one, so that the
//! suite shows what becomes of it.
#![expect(deprecated, reason = "2025-11-25 has sampling; 2026-07-28 has dropped it")]

use std::time::Duration;

use rmcp::model::{CreateMessageRequest, ElicitRequest, JsonObject, ServerRequest};
use rmcp::service::{Peer, RoleServer};
use serde_json::{Value, json};

/// How long the client's answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What `tool` asks the client for; none for a tool that asks nothing.
fn question(tool: &str, arguments: &JsonObject) -> Option<Value> {
    let given = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let elicit = |message: &str, properties: Value, required: Value| {
        json!({"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": {
            "type": "object", "properties": properties, "required": required,
        }}})
    };
    let titled = |names: [&str; 3]| {
        let one = |(at, name): (usize, &str)| json!({"const": format!("value{}", at + 1), "title": name});
        Value::from(names.into_iter().enumerate().map(one).collect::<Vec<_>>())
    };
    let plain = json!(["option1", "option2", "option3"]);
    Some(match tool {
        "test_sampling" => json!({"method": "sampling/createMessage", "params": {
            "messages": [{"role": "user", "content": {"type": "text", "text": given("prompt")}}], "maxTokens": 100,
        }}),
        "test_elicitation" => {
            let fields = json!({
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            });
            elicit(given("message"), fields, json!(["username", "email"]))
        }
        "test_elicitation_sep1034_defaults" => {
            let fields = json!({
                "name": {"type": "string", "default": "John Doe"},
                "age": {"type": "integer", "default": 30},
                "score": {"type": "number", "default": 95.5},
                "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
                "verified": {"type": "boolean", "default": true},
            });
            elicit("Please review the defaults", fields, json!([]))
        }
        "test_elicitation_sep1330_enums" => {
            let fields = json!({
                "untitledSingle": {"type": "string", "enum": plain},
                "titledSingle": {"type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"])},
                "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"]},
                "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
                "titledMulti": {"type": "array", "items": {"anyOf": titled(["First Choice", "Second Choice", "Third Choice"])}},
            });
            elicit("Please choose", fields, json!([]))
        }
        _ => return None,
    })
}

/// Asks the client what `tool` wants to know, and says what came of it; none for a tool that asks nothing.
pub(crate) async fn ask(
    tool: &str,
    arguments: &JsonObject,
    client: &Peer<RoleServer>,
) -> Option<Result<String, String>> {
    let question = question(tool, arguments)?;
    let request = match question.get("method").is_some_and(|method| method == "elicitation/create") {
        true => serde_json::from_value::<ElicitRequest>(question).map(ServerRequest::ElicitRequest),
        false => {
            serde_json::from_value::<CreateMessageRequest>(question).map(ServerRequest::CreateMessageRequest)
        }
    };
    let request = match request {
        Ok(request) => request,
        Err(error) => return Some(Err(format!("the fixture asks nonsense: {error}"))),
    };
    Some(match tokio::time::timeout(PATIENCE, client.send_request(request)).await {
        Err(_) => Err("the client was asked, and its answer found no way back".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(answer)) => serde_json::to_string(&answer).map_err(|error| error.to_string()),
    })
}
