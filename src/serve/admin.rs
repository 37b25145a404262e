//! For those who run the server, on a port of its own: is it alive, can it serve, what has it done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::audit::Sink;
use super::auth::Verifier;
use super::metrics::Metrics;
use super::tls::Tls;

/// What is asked about.
pub(super) struct Watched {
    pub(super) audit: Arc<Sink>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) is_stopping: Arc<AtomicBool>,
}

/// The three pages.
pub(super) fn router(watched: Arc<Watched>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(watched)
}

async fn ready(State(watched): State<Arc<Watched>>) -> Response {
    let audit = Arc::clone(&watched.audit);
    let can_write = tokio::task::spawn_blocking(move || audit.check().is_ok()).await.unwrap_or(false);
    let checks = [
        ("running", !watched.is_stopping.load(Ordering::Relaxed)),
        ("audit", can_write),
        (
            "keys",
            watched.verifier.is_ready(SystemTime::now())
                || watched.verifier.warm(SystemTime::now()).await.is_ok(),
        ),
        ("certificate", watched.tls.as_ref().is_none_or(|tls| tls.is_current())),
    ];
    // The old certificate serves on; somebody should look, and nothing is refused for it.
    let is_ready = checks.iter().all(|(name, is_well)| *is_well || *name == "certificate");
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let checks: serde_json::Map<String, serde_json::Value> =
        checks.into_iter().map(|(name, is_well)| (name.to_owned(), is_well.into())).collect();
    (status, Json(json!({"ready": is_ready, "checks": checks}))).into_response()
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Response {
    if let Some(tls) = &watched.tls {
        watched.metrics.certificate_ends.set(tls.ends());
    }
    match watched.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
