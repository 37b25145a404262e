//! Requests that take more than one round: what is asked, with a sealed state, and what comes of the answers (SEP-2322).

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, InputRequiredResult, InputResponses, JsonObject,
    RequestStateCodec,
};
use serde_json::{Value, json};

/// What a round comes to.
pub(crate) enum Round {
    /// The client has to answer first.
    Ask(InputRequiredResult),
    /// All is said.
    Done(String),
}

/// A question about one text, put to the person.
fn ask_text(message: &str, field: &str) -> Value {
    json!({"method": "elicitation/create", "params": {"mode": "form", "message": message, "requestedSchema": {
        "type": "object", "properties": {field: {"type": "string"}}, "required": [field],
    }}})
}

/// A question to the client's model.
fn ask_model(prompt: &str) -> Value {
    json!({"method": "sampling/createMessage", "params": {
        "messages": [{"role": "user", "content": {"type": "text", "text": prompt}}], "maxTokens": 100,
    }})
}

fn ask_roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// Asks `requests`, to be answered together with `state`.
fn ask(requests: Value, state: Option<String>) -> Result<Round, ErrorData> {
    let requests = serde_json::from_value(requests)
        .map_err(|error| ErrorData::internal_error(format!("the fixture asks nonsense: {error}"), None))?;
    Ok(Round::Ask(InputRequiredResult::new(Some(requests), state)))
}

/// What a person answered to the question `key`, if he agreed to answer.
fn field<'a>(answers: &'a InputResponses, key: &str, field: &str) -> Option<&'a str> {
    let answer = answers.get(key)?;
    (answer.get("action")? == "accept").then_some(answer.get("content")?.get(field)?.as_str()?)
}

/// One round of `call`; none for a tool that takes no rounds.
pub(crate) fn round(
    call: &CallToolRequestParams,
    client: &ClientCapabilities,
    codec: &RequestStateCodec,
) -> Result<Option<Round>, ErrorData> {
    let none = InputResponses::new();
    let answers = call.input_responses.as_ref().unwrap_or(&none);
    let sealed = |word: &str| Some(codec.seal(word.as_bytes()));
    // A state that is not ours is refused, whatever is asked.
    let state = call.request_state.as_deref().map(|state| codec.open(state)).transpose().map_err(|_| {
        ErrorData::invalid_params("this requestState was not issued here, or not any longer", None)
    })?;
    let is = |word: &str| state.as_deref() == Some(word.as_bytes());
    let done = |text: String| Ok(Round::Done(text));
    let answer = match call.name.as_ref() {
        "test_input_required_result_elicitation" | "test_streaming_elicitation" => {
            match field(answers, "user_name", "name") {
                Some(name) => done(format!("Hello, {name}!")),
                None => ask(json!({"user_name": ask_text("What is your name?", "name")}), None),
            }
        }
        "test_input_required_result_sampling" => {
            match answers.get("capital_question").and_then(|answer| answer.pointer("/content/text")) {
                Some(said) => done(said.to_string()),
                None => ask(json!({"capital_question": ask_model("What is the capital of France?")}), None),
            }
        }
        "test_input_required_result_list_roots" => {
            match answers.get("client_roots").and_then(|answer| answer.get("roots")?.as_array()) {
                Some(roots) => done(Value::from(roots.clone()).to_string()),
                None => ask(json!({"client_roots": ask_roots()}), None),
            }
        }
        "test_input_required_result_request_state" | "test_input_required_result_tampered_state" => {
            match is("confirm") && answers.contains_key("confirm") {
                true => done("state-ok".to_owned()),
                false => {
                    let question = json!({"method": "elicitation/create", "params": {
                        "mode": "form", "message": "Please confirm", "requestedSchema": {
                            "type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"],
                        },
                    }});
                    ask(json!({"confirm": question}), sealed("confirm"))
                }
            }
        }
        "test_input_required_result_multiple_inputs" => {
            let keys = ["user_name", "greeting", "client_roots"];
            match is("three") && keys.iter().all(|key| answers.contains_key(*key)) {
                true => done("All three are answered.".to_owned()),
                false => ask(
                    json!({
                        "user_name": ask_text("What is your name?", "name"),
                        "greeting": ask_model("Generate a greeting"),
                        "client_roots": ask_roots(),
                    }),
                    sealed("three"),
                ),
            }
        }
        "test_input_required_result_multi_round" => {
            if is("second") && field(answers, "step2", "color").is_some() {
                done("Both are answered.".to_owned())
            } else if is("first") && field(answers, "step1", "name").is_some() {
                ask(
                    json!({"step2": ask_text("Step 2: What is your favorite color?", "color")}),
                    sealed("second"),
                )
            } else {
                ask(json!({"step1": ask_text("Step 1: What is your name?", "name")}), sealed("first"))
            }
        }
        "test_input_required_result_capabilities" => {
            let mut requests = JsonObject::new();
            if client.elicitation.is_some() {
                requests.insert("name".to_owned(), ask_text("What is your name?", "name"));
            }
            if client.sampling.is_some() {
                requests.insert("greeting".to_owned(), ask_model("Generate a greeting"));
            }
            ask(Value::Object(requests), None)
        }
        _ => return Ok(None),
    };
    answer.map(Some)
}

/// The round of the one prompt that asks.
pub(crate) fn prompt_round(answers: Option<&InputResponses>) -> Result<Round, ErrorData> {
    match answers.and_then(|answers| field(answers, "user_context", "context")) {
        Some(context) => Ok(Round::Done(format!("Use this context: {context}"))),
        None => {
            ask(json!({"user_context": ask_text("What context should the prompt use?", "context")}), None)
        }
    }
}
