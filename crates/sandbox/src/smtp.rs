//! A mail server that accepts everything for everybody and delivers it to the [`Inbox`]. Relays nothing, knows no
//! TLS and no passwords.

mod command;
mod session;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use self::session::Session;
use crate::{inbox::Inbox, listen::ListenError};

/// The limits of the catch-all mail server.
#[derive(Debug, Clone, Copy)]
pub struct SmtpLimits {
    /// Bytes of one message; announced as `SIZE`.
    pub message_bytes_max: usize,
    /// Bytes of all messages that are being received at the same time; beyond it a client is asked to come again.
    pub receiving_bytes_max: usize,
    /// Connections at once; one more is turned away with 421.
    pub connections_max: usize,
    /// Recipients of one transaction.
    pub recipients_max: usize,
    /// How long a client may take for one command, from our last reply to its line's end.
    pub command_timeout: Duration,
    /// How long a client may take for one whole message after DATA.
    pub data_timeout: Duration,
}

impl Default for SmtpLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 25 * 1024 * 1024,
            receiving_bytes_max: 256 * 1024 * 1024,
            connections_max: 512,
            recipients_max: 1_000,
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(300),
        }
    }
}

/// The running server. Dropping it closes the listener and all connections.
#[derive(Debug)]
pub struct CatchAll {
    address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl CatchAll {
    /// Listens on `listen` (loopback only; port 0: any free one) and keeps in `inbox` what it accepts.
    ///
    /// # Errors
    /// The address is not loopback, or cannot be listened on.
    pub async fn start(listen: SocketAddr, inbox: Inbox, limits: SmtpLimits) -> Result<Self, ListenError> {
        let what = "the catch-all mail server";
        ListenError::unless_loopback(what, listen)?;
        let failed = |source| ListenError::Bind { what, address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, inbox, limits));
        Ok(Self { address, _accepting: accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, inbox: Inbox, limits: SmtpLimits) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let receiving = Arc::new(Receiving { bytes: AtomicUsize::new(0), bytes_max: limits.receiving_bytes_max });
    // Connections are this set's, so that dropping the server drops them too.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let session = Session::new(stream, inbox.clone(), limits, Arc::clone(&receiving));
                        connections.spawn(async move {
                            session.run().await;
                            drop(place);
                        });
                    }
                    Err(_) => turn_away(stream),
                },
                Err(error) => {
                    tracing::warn!(error = %error, "the catch-all mail server could not accept a connection");
                    // Out of file descriptors, most likely: give others the time to close theirs.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Says why and closes, without waiting for a client that may not read: a fresh socket has room for one line.
fn turn_away(stream: TcpStream) {
    let reply = b"421 4.7.0 too many connections, come again later\r\n";
    if let Err(error) = stream.into_std().and_then(|mut stream| stream.write_all(reply)) {
        tracing::debug!(error = %error, "a turned away mail client did not hear why");
    }
}

/// The bytes of all messages that are being received.
#[derive(Debug)]
struct Receiving {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Receiving {
    /// Takes `bytes` more; `false` if they do not fit (they are counted all the same, until given back).
    fn take(&self, bytes: usize) -> bool {
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.bytes_max
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
