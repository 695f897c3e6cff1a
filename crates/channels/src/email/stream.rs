//! The bytes' way: plain TCP or TLS over it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A connected socket. An enum and not a box of traits: it is on the hot path and there are two.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Looks, without waiting, whether bytes or an end arrived; what TLS had to take out for that is put behind
    /// `taken`. Asks the kernel: what the runtime knows of a socket is as old as its last look, and a resting
    /// connection may be stale since.
    pub(super) fn look(&mut self, taken: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => peek(stream),
            Self::Tls(stream) => {
                let mut byte = [0];
                let mut buffer = ReadBuf::new(&mut byte);
                let mut cx = Context::from_waker(Waker::noop());
                match Pin::new(&mut *stream).poll_read(&mut cx, &mut buffer) {
                    Poll::Ready(read) => {
                        taken.extend_from_slice(buffer.filled());
                        Poll::Ready(read.map(|()| buffer.filled().len()))
                    }
                    // Session tickets came before the last reply and were read with it: what is new is none.
                    Poll::Pending => peek(stream.get_ref().0),
                }
            }
        }
    }
}

fn peek(stream: &TcpStream) -> Poll<io::Result<usize>> {
    match recv(stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, length)) => Poll::Ready(Ok(length)),
        Err(Errno::AGAIN | Errno::INTR) => Poll::Pending,
        Err(error) => Poll::Ready(Err(error.into())),
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
