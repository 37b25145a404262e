//! A connection on which nothing has been asked yet: it has a while for that, and not longer. HTTP counts the time of a head
//! from its first bytes, and TLS that of its handshake; who says nothing at all would keep his place for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// A stream that ends if no request has come by it in time.
pub(super) struct Patience {
    stream: TcpStream,
    /// Whether a request has come.
    is_asked: Arc<AtomicBool>,
    /// `None` once that is settled.
    over: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Waits for `time` until `is_asked` is set.
    pub(super) fn new(stream: TcpStream, is_asked: Arc<AtomicBool>, time: Duration) -> Self {
        Self { stream, is_asked, over: Some(Box::pin(tokio::time::sleep(time))) }
    }
}

impl AsyncRead for Patience {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_asked.load(Ordering::Relaxed) {
            self.over = None;
        }
        if let Some(over) = &mut self.over
            && over.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Patience {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
