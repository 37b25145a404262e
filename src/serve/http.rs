//! Streamable HTTP, from the port to the protocol: the door, the front, the gate, and rmcp behind them.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::{Router, middleware};
use axum_server::Handle;
use reqwest::Url;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::admin::{self, Watched};
use super::audit::{Line, Sink};
use super::auth::{Challenge, Metadata, Scopes, Verifier};
use super::front::{Front, Refuser, front};
use super::gate::{Gate, gate};
use super::listener::{self, Door};
use super::metrics::Metrics;
use super::settings::{Peers, Settings};
use super::tls::Tls;
use crate::fault::{Fault, Kind, Result};

/// The signal of Linux for a file that outgrows the limit of its process.
const SIGXFSZ: i32 = 25;

/// A server of HTTP, with its ports open.
pub(super) struct Http {
    settings: Settings,
    url: Url,
    tls: Option<Arc<Tls>>,
    verifier: Arc<Verifier>,
    scopes: Scopes,
    refuser: Refuser,
    listener: TcpListener,
    admin: Option<TcpListener>,
}

impl Http {
    /// Checks the settings, and opens the ports.
    ///
    /// # Errors
    /// [`Kind::Configuration`] naming the key.
    pub(super) fn new(
        settings: Settings,
        scopes: Scopes,
        audit: Arc<Sink>,
        metrics: Arc<Metrics>,
        is_behind_proxy: bool,
    ) -> Result<Self> {
        let (url, auth) = settings.public()?;
        let tls = settings.tls.as_ref().map(|tls| Tls::load(&settings.base, tls)).transpose()?;
        if tls.is_none() && !settings.bind.ip().is_loopback() && !is_behind_proxy {
            return Err(Fault::new(Kind::Configuration, "tokens would go over the network as they are")
                .at("[serve] bind")
                .value(settings.bind)
                .expected("[serve.tls] certificate and key, or an address of this machine alone")
                .next("where a proxy on the same network ends TLS, say so: --insecure-behind-proxy"));
        }
        let verifier = Arc::new(Verifier::new(auth, url.as_str())?);
        let open = |key: &str, address: SocketAddr| {
            TcpListener::bind(address).map_err(|error| {
                Fault::new(Kind::Configuration, "the port cannot be opened")
                    .at(format!("[serve] {key}"))
                    .value(address)
                    .because(error)
            })
        };
        let listener = open("bind", settings.bind)?;
        let admin = settings.admin_bind.map(|address| open("admin_bind", address)).transpose()?;
        let refuser = Refuser { audit, metrics };
        Ok(Self { settings, url, tls, verifier, scopes, refuser, listener, admin })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Where it tells how it is.
    pub(super) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// Serves `handler` until the process is told to stop: then calls in flight may finish for a while, and are cancelled by
    /// `closing` after that.
    ///
    /// # Errors
    /// [`Kind::Configuration`] where a port cannot be used.
    pub(super) async fn serve(
        self,
        handler: impl ServerHandler + Clone,
        closing: CancellationToken,
    ) -> Result<()> {
        let peers: Arc<[Peers]> = self.settings.allow_peers.clone().into();
        let router = self.router(handler, Arc::clone(&peers))?;
        let limits = &self.settings.limits;
        let door = Door {
            peers,
            room: Arc::new(Semaphore::new(limits.connections)),
            metrics: Arc::clone(&self.refuser.metrics),
            turned: turned(&self.refuser),
            // A handshake, and then a head.
            patience: Duration::from_secs(limits.body_seconds).saturating_mul(2),
        };
        // A file that may not grow is an error like a full disk, and no reason to end (SIGXFSZ would end the process).
        let _too_large = signal(SignalKind::from_raw(SIGXFSZ));
        let is_stopping = Arc::new(AtomicBool::new(false));
        let handle = Handle::new();
        let grace = Duration::from_secs(limits.grace_seconds);
        tokio::spawn(stop(handle.clone(), Arc::clone(&is_stopping), grace, closing));
        if let Some(tls) = &self.tls {
            tokio::spawn(Arc::clone(tls).watch());
        }
        // The first call shall not wait for the issuer.
        let verifier = Arc::clone(&self.verifier);
        tokio::spawn(async move {
            if let Err(refusal) = verifier.warm(SystemTime::now()).await {
                tracing::warn!(%refusal, "no keys to check tokens by yet");
            }
        });
        if let Some(admin) = self.admin {
            let watched = Watched {
                audit: Arc::clone(&self.refuser.audit),
                verifier: Arc::clone(&self.verifier),
                tls: self.tls.clone(),
                metrics: Arc::clone(&self.refuser.metrics),
                is_stopping,
            };
            tokio::spawn(pages(admin, admin::router(Arc::new(watched))));
        }
        let head_time = Duration::from_secs(limits.body_seconds);
        listener::serve(self.listener, router, door, self.tls.as_deref(), head_time, handle).await
    }

    fn router(&self, handler: impl ServerHandler + Clone, peers: Arc<[Peers]>) -> Result<Router> {
        let limits = &self.settings.limits;
        let issuer = self.verifier.rules().issuer();
        let metadata = Metadata::new(self.url.as_str(), issuer, &self.scopes.all())?;
        let gate_state = Gate {
            verifier: Arc::clone(&self.verifier),
            scopes: self.scopes.clone(),
            challenge: Challenge::new(&metadata, &self.scopes.least()),
            refuser: self.refuser.clone(),
            body: limits.body_bytes()?,
            body_time: Duration::from_secs(limits.body_seconds),
        };
        let front_state = Front {
            hosts: self.hosts(),
            origins: self.settings.origins.clone(),
            peers,
            is_encrypted: self.tls.is_some(),
            refuser: self.refuser.clone(),
        };
        let protected = Router::new()
            .route_service(self.url.path(), protocol(handler))
            .layer(middleware::from_fn_with_state(Arc::new(gate_state), gate));
        let body = metadata.body().to_owned();
        let document = get(move || std::future::ready(([(CONTENT_TYPE, "application/json")], body.clone())));
        Ok(Router::new()
            .route(metadata.path(), document)
            .merge(protected)
            .layer(middleware::from_fn_with_state(Arc::new(front_state), front)))
    }

    /// The names that a request may come by.
    fn hosts(&self) -> Vec<String> {
        if !self.settings.hosts.is_empty() {
            return self.settings.hosts.clone();
        }
        let own = self.url.host_str().map(|host| match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        });
        own.into_iter().collect()
    }
}

/// The protocol as it is spoken here: without sessions, each answer complete where nothing is told before it.
fn protocol(
    handler: impl ServerHandler + Clone,
) -> StreamableHttpService<impl ServerHandler + Clone, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        // Both are looked at in front, with a line in the audit log.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    StreamableHttpService::new(move || Ok(handler.clone()), Arc::default(), config)
}

/// What becomes of somebody who may not even connect: a line, as for every other refusal.
fn turned(refuser: &Refuser) -> listener::Turned {
    let refuser = refuser.clone();
    Arc::new(move |peer: IpAddr, reason: &'static str| {
        let refuser = refuser.clone();
        tokio::spawn(async move {
            refuser.metrics.refused(reason);
            let line = Line { proxy: Some(peer), ..Line::default().denied(reason) };
            if let Err(fault) = Sink::write_down(&refuser.audit, line).await {
                tracing::error!(%fault, "the audit log cannot be written: nothing is served");
            }
        });
    })
}

/// The pages for those who run the server.
async fn pages(listener: TcpListener, router: Router) {
    let served = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    match served {
        Ok(listener) => {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the pages of admin_bind are not served any more");
            }
        }
        Err(error) => tracing::error!(%error, "the pages of admin_bind are not served"),
    }
}

/// Waits for the signal to stop, lets calls finish, and then does not wait any longer. A second signal ends it at once.
async fn stop(
    handle: Handle<SocketAddr>,
    is_stopping: Arc<AtomicBool>,
    grace: Duration,
    closing: CancellationToken,
) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    let mut told = async || {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    };
    told().await;
    is_stopping.store(true, Ordering::Relaxed);
    tracing::info!(
        grace_seconds = grace.as_secs(),
        "stopping: no new connections, calls in flight may finish"
    );
    // A moment more than calls have, so that what is cancelled can still be answered.
    handle.graceful_shutdown(Some(grace + Duration::from_secs(2)));
    tokio::select! {
        () = tokio::time::sleep(grace) => tracing::warn!("calls in flight are cancelled"),
        () = told() => handle.shutdown(),
    }
    closing.cancel();
}
