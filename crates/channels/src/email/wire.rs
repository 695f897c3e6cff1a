//! Lines and replies over a stream: writes whole, reads replies one by one, notices what was not asked for.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{
    dialogue::{DialogueLine, DialogueSink},
    fault::{Fault, FaultKind, Stage},
    reply::{Reply, ReplyProblem},
    stream::Stream,
};

/// Room for what a relay says at once; a long EHLO answer fits.
const READ_BYTES: usize = 4_096;

/// One side of a conversation.
pub(super) struct Wire {
    stream: Stream,
    /// Read but not yet taken as a reply.
    incoming: Vec<u8>,
    /// Texts that a relay may send back to us and nobody else may read.
    hidden: Vec<String>,
    sink: Option<DialogueSink>,
}

impl Wire {
    pub(super) fn new(stream: Stream, sink: Option<DialogueSink>) -> Self {
        Self { stream, incoming: Vec::with_capacity(READ_BYTES), hidden: Vec::new(), sink }
    }

    /// The parts, to put TLS between them.
    pub(super) fn into_parts(self) -> (Stream, Option<DialogueSink>) {
        (self.stream, self.sink)
    }

    /// From now on this text is `***` in every reply: some relays quote the command they refuse.
    pub(super) fn hide(&mut self, secret: String) {
        if !secret.is_empty() {
            self.hidden.push(secret);
        }
    }

    /// Writes everything. An error or a dropped future means that at least the last byte did not leave: the
    /// kernel took less than all, or TLS still holds the last record.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), FaultKind> {
        self.stream.write_all(bytes).await.map_err(FaultKind::Broken)?;
        self.stream.flush().await.map_err(FaultKind::Broken)
    }

    /// Writes a message that ends in its final dot, as [`write`](Self::write) does, and looks before every piece: a reply
    /// that comes before the dot is none to it, and read afterwards it would be taken for one.
    pub(super) async fn write_message(&mut self, message: &[u8]) -> Result<(), FaultKind> {
        let mut left = message;
        while !left.is_empty() {
            let written = poll_fn(|cx| {
                self.look_quiet()?;
                Pin::new(&mut self.stream).poll_write(cx, left).map_err(FaultKind::Broken)
            });
            match written.await? {
                0 => return Err(FaultKind::Broken(io::ErrorKind::WriteZero.into())),
                length => left = &left[length..],
            }
        }
        self.stream.flush().await.map_err(FaultKind::Broken)
    }

    /// The next whole reply.
    pub(super) async fn reply(&mut self) -> Result<Reply, FaultKind> {
        loop {
            if let Some((mut reply, length)) = Reply::parse(&self.incoming).map_err(FaultKind::Garbled)? {
                self.incoming.drain(..length);
                reply.redact(&self.hidden);
                self.tell_reply(&reply);
                return Ok(reply);
            }
            match self.stream.read_buf(&mut self.incoming).await {
                Ok(0) => return Err(FaultKind::Closed),
                Ok(_) => {}
                Err(error) => return Err(FaultKind::Broken(error)),
            }
        }
    }

    /// What was read beyond the last reply.
    pub(super) fn unasked(&self) -> &[u8] {
        &self.incoming
    }

    /// Whether nothing was read beyond the last reply: the state in which a command may be written.
    pub(super) fn expect_nothing_unasked(&self) -> Result<(), FaultKind> {
        if self.incoming.is_empty() { Ok(()) } else { Err(FaultKind::Garbled(ReplyProblem::Unasked)) }
    }

    /// Looks, without waiting, whether the relay said or closed anything since its last reply.
    pub(super) fn look_quiet(&mut self) -> Result<(), FaultKind> {
        self.expect_nothing_unasked()?;
        match self.stream.look(&mut self.incoming) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(0)) => Err(FaultKind::Closed),
            Poll::Ready(Ok(_)) => Err(FaultKind::Garbled(ReplyProblem::Unasked)),
            Poll::Ready(Err(error)) => Err(FaultKind::Broken(error)),
        }
    }

    /// Writes a last QUIT if the socket takes it at once, and closes. Never waits: whoever closes a good
    /// connection has something better to do than to hear 221.
    pub(super) fn say_quit_and_close(mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let written: Poll<io::Result<usize>> = Pin::new(&mut self.stream).poll_write(&mut cx, b"QUIT\r\n");
        if let Poll::Ready(Ok(_)) = written {
            // A refused flush changes nothing: the socket closes now either way.
            drop(Pin::new(&mut self.stream).poll_flush(&mut cx));
        }
    }

    /// Tells the listener, if there is one, what was written; made lazily because almost always there is none.
    pub(super) fn tell(&self, line: impl FnOnce() -> DialogueLine) {
        if let Some(sink) = &self.sink {
            sink(line());
        }
    }

    fn tell_reply(&self, reply: &Reply) {
        if let Some(sink) = &self.sink {
            let last = reply.lines.len().saturating_sub(1);
            for (i, text) in reply.lines.iter().enumerate() {
                let between = if i == last { ' ' } else { '-' };
                sink(DialogueLine::Received(format!("{}{between}{text}", reply.code)));
            }
        }
    }
}

/// Runs one stage under its deadline.
pub(super) async fn within<T>(
    stage: Stage,
    deadline: Duration,
    work: impl Future<Output = Result<T, FaultKind>>,
) -> Result<T, Fault> {
    match timeout(deadline, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(kind)) => Err(Fault::new(stage, kind)),
        Err(_) => Err(Fault::new(stage, FaultKind::TimedOut)),
    }
}
