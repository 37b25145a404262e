//! A write is confirmed by the person behind the agent: what he is asked is sealed, so that his yes is good for exactly this
//! call of his, for a few minutes, and once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rmcp::model::{
    BooleanSchema, ElicitRequest, ElicitRequestParams, ElicitationSchema, InputRequest, InputRequiredResult,
    InputResponses, JsonObject, PrimitiveSchemaDefinition, RequestStateCodec, RequestStateError, SealOptions,
};
use serde_json::Value;

use crate::fault::{Fault, Kind, Result, shown};

/// How long a person may think about it.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// The name of the one question.
const QUESTION: &str = "confirm";

/// Seals and redeems.
pub(super) struct Confirmations {
    codec: RequestStateCodec,
    /// Those that have been used, until they are too old to be used anyway.
    used: Mutex<HashMap<Vec<u8>, Instant>>,
}

impl Confirmations {
    /// With a key that lives as long as the server.
    ///
    /// # Errors
    /// [`Kind::Bug`] where the machine gives no random numbers.
    pub(super) fn new() -> Result<Self> {
        let codec = RequestStateCodec::try_new(random::<32>()?)
            .map_err(|error| Fault::new(Kind::Bug, "confirmations cannot be sealed").because(error))?;
        Ok(Self { codec, used: Mutex::default() })
    }

    /// What to ask before `tool` is called by `subject` with `arguments`, whose digest is given.
    pub(super) fn ask(
        &self,
        subject: &str,
        tool: &str,
        title: &str,
        arguments: &JsonObject,
        digest: &str,
    ) -> Result<InputRequiredResult> {
        let bound = bound(subject, tool, digest);
        let options = SealOptions::new().ttl(GOOD_FOR).associated_data(bound.as_bytes());
        let state = self.codec.seal_with(&random::<16>()?, &options);
        let arguments = shown(&Value::Object(arguments.clone()).to_string());
        let yes = PrimitiveSchemaDefinition::Boolean(
            BooleanSchema::new()
                .title("Go ahead")
                .description("Whether this may be written")
                .with_default(false),
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

    /// Takes back what was sealed: for the same subject, tool and arguments, in time, and for the first time.
    ///
    /// # Errors
    /// [`Kind::Usage`] where it is not so.
    pub(super) fn redeem(&self, state: &str, subject: &str, tool: &str, digest: &str) -> Result<()> {
        let opened = self.codec.open_with(state, bound(subject, tool, digest).as_bytes());
        let nonce = opened.map_err(|error| {
            let what = match error {
                RequestStateError::Expired => "the confirmation came too late",
                _ => "this is no confirmation of this call",
            };
            Fault::new(Kind::Usage, what.to_owned()).next("call again without it, and let the person confirm")
        })?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, at| at.elapsed() < GOOD_FOR + GOOD_FOR);
        match used.insert(nonce, Instant::now()) {
            None => Ok(()),
            Some(_) => Err(Fault::new(Kind::Usage, "this confirmation has been used")
                .next("each call is confirmed anew")),
        }
    }
}

/// Whether the person said yes.
pub(super) fn is_yes(answers: &InputResponses) -> bool {
    let Some(answer) = answers.get(QUESTION) else { return false };
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    text("action") == Some("accept") && answer.pointer("/content/confirm") == Some(&Value::Bool(true))
}

/// What a confirmation is good for. The parts cannot run into each other: a digest has its length, a tool no line feed.
fn bound(subject: &str, tool: &str, digest: &str) -> String {
    format!("{digest}\n{tool}\n{subject}")
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::new(Kind::Bug, "this machine gives no random numbers").value(error))?;
    Ok(bytes)
}
