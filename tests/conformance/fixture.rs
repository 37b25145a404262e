//! The suite's server, as rmcp sees it.
#![expect(
    deprecated,
    reason = "2025-11-25 has logging and subscriptions by request; 2026-07-28 has dropped both"
)]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
    CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams,
    ProgressNotificationParam, PromptMessage, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, RequestStateCodec, Role, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext};
use rmcp::{ErrorData, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::rounds::{Round, prompt_round, round};
use super::{asks, lists};

type Context = RequestContext<RoleServer>;

/// A list that is said to have changed.
#[derive(Clone, Copy)]
enum Changed {
    Tools,
    Prompts,
}

/// The suite's tools, resources and prompts. There are no sessions: what it remembers, it remembers of all clients together.
#[derive(Clone)]
pub(crate) struct Fixture(Arc<State>);

struct State {
    codec: RequestStateCodec,
    changes: broadcast::Sender<Changed>,
    level: Mutex<LoggingLevel>,
    watched: Mutex<BTreeSet<String>>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            // The states of a fixture protect nothing: the suite only looks whether one that was changed is noticed.
            codec: RequestStateCodec::new([7; 32]),
            changes: broadcast::channel(8).0,
            level: Mutex::new(LoggingLevel::Info),
            watched: Mutex::default(),
        }))
    }

    /// Logs three times while it works, where `from` lets informations through.
    async fn log(&self, context: &Context, from: Option<LoggingLevel>) {
        let is_told = from.is_some_and(|from| (from as u8) <= (LoggingLevel::Info as u8));
        for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
            if is_told {
                let told = LoggingMessageNotificationParam::new(LoggingLevel::Info, Value::from(said));
                let _ = context.peer.notify_logging_message(told).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Tells three times how far it is, whoever wants to know.
async fn progress(context: &Context) {
    for done in [0.0, 50.0, 100.0] {
        if let Some(token) = context.meta.get_progress_token() {
            let told = ProgressNotificationParam::new(token, done).with_total(100.0);
            let _ = context.peer.notify_progress(told).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn of_json<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value)
        .map_err(|error| ErrorData::internal_error(format!("the fixture answers nonsense: {error}"), None))
}

/// A complete result. What says so is taken out again for clients of 2025-11-25.
fn complete<T: DeserializeOwned>(mut result: Value) -> Result<T, ErrorData> {
    if let Some(fields) = result.as_object_mut() {
        fields.insert("resultType".to_owned(), "complete".into());
    }
    of_json(result)
}

fn text(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

fn is_new(context: &Context) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

fn none(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("Resource not found", Some(json!({"uri": uri})))
}

impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(
            of_json::<ServerCapabilities>(json!({
                "completions": {},
                "logging": {},
                "prompts": {"listChanged": true},
                "resources": {"subscribe": true},
                "tools": {"listChanged": true},
            }))
            .unwrap_or_default(),
        )
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&[ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28])
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        lists::tools().into_iter().find(|tool| tool.name == name)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = ListToolsResult::with_all_items(lists::tools());
        result.cache_scope = Some(CacheScope::Private);
        Ok(result)
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        if let Some(answer) = lists::answer(&call.name) {
            return complete::<CallToolResult>(answer).map(CallToolResponse::from);
        }
        let client = context.client_capabilities().unwrap_or_default();
        match call.name.as_ref() {
            "test_tool_with_logging" => {
                let from = *self.0.level.lock().unwrap_or_else(PoisonError::into_inner);
                self.log(&context, Some(from)).await;
                return Ok(text("Logged."));
            }
            "test_logging_tool" => {
                self.log(&context, context.meta.log_level()).await;
                return Ok(text("Logged, if that was wanted."));
            }
            "test_tool_with_progress" => {
                progress(&context).await;
                return Ok(text("Done."));
            }
            "test_streaming_elicitation" => progress(&context).await,
            "test_missing_capability" if client.sampling.is_none() => {
                let needed = of_json::<ClientCapabilities>(json!({"sampling": {}}))?;
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            "test_missing_capability" => return Ok(text("The client can sample.")),
            "test_trigger_tool_change" | "test_trigger_prompt_change" => {
                let is_of_tools = call.name == "test_trigger_tool_change";
                let changed = if is_of_tools { Changed::Tools } else { Changed::Prompts };
                // Where nobody listens, nobody is told.
                let _ = self.0.changes.send(changed);
                return Ok(text("Said."));
            }
            _ => {}
        }
        let arguments = call.arguments.clone().unwrap_or_default();
        match asks::ask(&call.name, &arguments, &context.peer).await {
            Some(Ok(said)) => return Ok(text(said)),
            // Not a result with `isError`: the suite looks for some content, and would take that for an answer.
            Some(Err(why)) => return Err(ErrorData::internal_error(why, None)),
            None => {}
        }
        match round(&call, &client, &self.0.codec)? {
            Some(Round::Ask(asked)) => Ok(asked.into()),
            Some(Round::Done(said)) => Ok(text(said)),
            None => Err(ErrorData::invalid_params(format!("there is no tool {}", call.name), None)),
        }
    }

    async fn complete(&self, _: CompleteRequestParams, _: Context) -> Result<CompleteResult, ErrorData> {
        let values = CompletionInfo::new(vec!["testValue1".to_owned(), "testValue2".to_owned()]);
        values.map(CompleteResult::new).map_err(|error| ErrorData::internal_error(error, None))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(lists::resources()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(lists::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = lists::contents(&request.uri).ok_or_else(|| none(&request.uri))?;
        complete::<ReadResourceResult>(contents).map(ReadResourceResponse::Complete)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(lists::prompts()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name == "test_input_required_result_prompt" && is_new(&context) {
            return Ok(match prompt_round(request.input_responses.as_ref())? {
                Round::Ask(asked) => asked.into(),
                Round::Done(said) => {
                    GetPromptResult::new(vec![PromptMessage::new_text(Role::User, said)]).into()
                }
            });
        }
        let messages = lists::messages(&request.name, &request.arguments.unwrap_or_default());
        let messages = messages
            .ok_or_else(|| ErrorData::invalid_params(format!("there is no prompt {}", request.name), None))?;
        complete::<GetPromptResult>(messages).map(GetPromptResponse::Complete)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.0.changes.subscribe();
        loop {
            let changed = tokio::select! {
                () = context.cancelled() => return Ok(()),
                changed = changes.recv() => changed,
            };
            // What this stream did not ask for, the sink keeps from it.
            let _ = match changed {
                Ok(Changed::Tools) => context.sink().notify_tool_list_changed().await,
                Ok(Changed::Prompts) => context.sink().notify_prompt_list_changed().await,
                Err(_) => return Ok(()),
            };
        }
    }

    async fn set_level(&self, request: SetLevelRequestParams, context: Context) -> Result<(), ErrorData> {
        if is_new(&context) {
            return Err(ErrorData::method_not_found::<rmcp::model::SetLevelRequestMethod>());
        }
        *self.0.level.lock().unwrap_or_else(PoisonError::into_inner) = request.level;
        Ok(())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).insert(request.uri);
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        match self.0.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(&request.uri) {
            true => Ok(()),
            false => Err(none(&request.uri)),
        }
    }
}
