//! A close that lets the peer read our last answer.
//!
//! A socket that is closed while the peer still sends is reset, and a reset destroys what the peer has not read yet: a
//! client that uploads too large a body would see a broken pipe instead of our 413. So, after the last answer, what
//! still comes is read and thrown away for a while (RFC 9112, 9.6).

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// How long a peer that does not end its side is listened to.
const LINGER: Duration = Duration::from_secs(2);
/// Bytes thrown away for one peer, and at once.
const DISCARD_MAX: usize = 64 * 1024 * 1024;
const DISCARD_AT_ONCE: usize = 16 * 1024;

/// A connection that is closed as above.
pub(super) struct Lingering<S> {
    stream: S,
    /// Whether the last read found nothing: then the peer has nothing under way that was left unread.
    drained: bool,
    closed: bool,
    discarded: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lingering<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, drained: false, closed: false, discarded: 0, deadline: None }
    }

    /// Ready when the peer has ended its side, or was listened to long enough.
    fn discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [0; DISCARD_AT_ONCE];
        while self.discarded < DISCARD_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
            self.discarded += buffer.filled().len();
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.drained = read.is_pending();
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
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
        if !self.closed {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.closed = true;
        }
        if !self.drained {
            ready!(self.discard(context));
        }
        Poll::Ready(Ok(()))
    }
}
