//! Trouble on demand: what real platforms do to their callers, for tests and demonstrations.

use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What shall go wrong. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Hang up, unannounced, after this many answers on one connection.
    pub drop_after: Option<u32>,
    /// Forget the sign-in after this many calls on one connection: the next gets 401.
    pub forget_after: Option<u32>,
    /// Send `Connection: close` with the challenge, as a proxy in between does: NTLM cannot work then.
    pub close_on_challenge: bool,
    /// Wait before each answer.
    pub delay: Duration,
    /// Which calls meet which trouble. Calls are counted from 1, over all connections, once signed in.
    pub troubles: Vec<(RangeInclusive<u64>, Trouble)>,
}

/// What can become of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The body ends half way, and the connection with it.
    CutBody,
    /// `TotalCount` announces one record too many.
    WrongTotal,
    /// An HTML page with status 200, as a login portal answers.
    HtmlPage,
    /// HTTP 503, before anything was executed.
    Unavailable,
}

impl Faults {
    /// The trouble that the call of this number meets.
    pub(super) fn of_call(&self, number: u64) -> Option<Trouble> {
        self.troubles.iter().find(|(calls, _)| calls.contains(&number)).map(|(_, trouble)| *trouble)
    }
}

/// A body that is sent whole, or only its first half.
#[derive(Debug)]
pub(super) struct Payload {
    bytes: Bytes,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Whole,
    Half,
    Pause,
    Broken,
}

impl Payload {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), stage: Stage::Whole }
    }

    /// Announces all of `self` and sends half.
    pub(super) fn cut(self) -> Self {
        Self { stage: Stage::Half, ..self }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.stage {
            Stage::Whole if self.bytes.is_empty() => Poll::Ready(None),
            Stage::Whole => Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes))))),
            Stage::Half => {
                self.stage = Stage::Pause;
                Poll::Ready(Some(Ok(Frame::data(self.bytes.slice(..self.bytes.len() / 2)))))
            }
            // One turn of waiting, so that the half is flushed before the end.
            Stage::Pause => {
                self.stage = Stage::Broken;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Stage::Broken => Poll::Ready(Some(Err(io::Error::other("the simulator cuts this body")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.stage, Stage::Whole) && self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

/// The cord by which a connection is hung up once the answer under way is out.
#[derive(Clone, Default)]
pub(super) struct Cord(Arc<AtomicU8>);

const PULLED: u8 = 1;
const FLUSHED: u8 = 2;

impl Cord {
    pub(super) fn pull(&self) {
        self.0.store(PULLED, Ordering::Release);
    }
}

/// A stream that ends, as if the peer had gone, after its [`Cord`] was pulled.
pub(super) struct Cuttable<S> {
    stream: S,
    cord: Cord,
}

impl<S> Cuttable<S> {
    pub(super) fn new(stream: S, cord: Cord) -> Self {
        Self { stream, cord }
    }
}

impl<S> fmt::Debug for Cuttable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cuttable")
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cuttable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Ready without a byte is the end of the stream.
        if self.cord.0.load(Ordering::Acquire) == FLUSHED {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cuttable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            let _ = self.cord.0.compare_exchange(PULLED, FLUSHED, Ordering::AcqRel, Ordering::Acquire);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
