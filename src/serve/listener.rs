//! The door: who may connect at all, how many at once, and how long they may take. Then TLS, then HTTP.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

use super::metrics::Metrics;
use super::patience::Patience;
use super::settings::Peers;
use super::tls::Tls;
use crate::fault::{Fault, Kind, Result};

/// Streams that one connection of HTTP/2 may have open at once.
const STREAMS: u32 = 64;

/// Bytes that the head of a request may have.
const HEAD: u32 = 32 * 1024;

/// Whoever is connected: the address at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connected(pub(super) IpAddr);

/// What is told of somebody who may not connect.
pub(super) type Turned = Arc<dyn Fn(IpAddr, &'static str) + Send + Sync>;

/// Who stands at the door: looks at an address before a byte is read.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) peers: Arc<[Peers]>,
    pub(super) room: Arc<Semaphore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) turned: Turned,
    /// How long somebody may be connected before he asks for something.
    pub(super) patience: Duration,
}

impl Door {
    fn admit(&self, stream: &TcpStream) -> io::Result<(IpAddr, OwnedSemaphorePermit)> {
        let peer = stream.peer_addr()?.ip().to_canonical();
        if !self.peers.is_empty() && !self.peers.iter().any(|known| known.0.contains(&peer)) {
            (self.turned)(peer, "peer");
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| {
            (self.turned)(peer, "connections");
            io::Error::from(io::ErrorKind::ConnectionRefused)
        })?;
        // Answers are small and complete: they need not wait for more.
        stream.set_nodelay(true)?;
        Ok((peer, permit))
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Door {
    type Stream = Patience;
    type Service = Held<S>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Patience, Held<S>)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let admitted = self.admit(&stream).map(|(peer, permit)| {
            let held = Place { _permit: permit, metrics: Arc::clone(&self.metrics) };
            held.metrics.connections.inc();
            let is_asked = Arc::new(AtomicBool::new(false));
            let stream = Patience::new(stream, Arc::clone(&is_asked), self.patience);
            (stream, Held { service, peer, is_asked, place: Arc::new(held) })
        });
        Box::pin(std::future::ready(admitted))
    }
}

/// A place that is taken; given back when the connection ends.
struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

/// A service that tells each request who is connected, and keeps the connection's place.
#[derive(Clone)]
pub(super) struct Held<S> {
    service: S,
    peer: IpAddr,
    is_asked: Arc<AtomicBool>,
    place: Arc<Place>,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Held<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        debug_assert!(Arc::strong_count(&self.place) > 0, "a connection has its place");
        self.is_asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(Connected(self.peer));
        self.service.call(request)
    }
}

/// Serves `router` on `listener` until `handle` says that it is over.
///
/// # Errors
/// [`Kind::Configuration`] where the port cannot be used.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    router: Router,
    door: Door,
    tls: Option<&Tls>,
    head_time: Duration,
    handle: Handle<SocketAddr>,
) -> Result<()> {
    let unusable = |error: io::Error| {
        Fault::new(Kind::Configuration, "the port cannot be used").at("[serve] bind").because(error)
    };
    listener.set_nonblocking(true).map_err(unusable)?;
    let mut server: Server<SocketAddr> = axum_server::from_tcp(listener).map_err(unusable)?;
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(HEAD as usize);
    server
        .http_builder()
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD)
        .max_pending_accept_reset_streams(Some(16))
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(head_time);
    let server = server.handle(handle);
    let service = router.into_make_service();
    match tls {
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls.config()).handshake_timeout(head_time).acceptor(door);
            server.acceptor(acceptor).serve(service).await
        }
        None => server.acceptor(door).serve(service).await,
    }
    .map_err(unusable)
}
