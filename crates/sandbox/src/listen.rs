//! Opening a listener: on loopback only, with an error that says what to do.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

/// Why an end of the sandbox could not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address can be reached from other machines.
    #[error(
        "cannot listen on {address} for {what}: it shows caught messages to whoever asks, so it listens on loopback \
         only; use 127.0.0.1 or [::1]"
    )]
    NotLoopback {
        /// Who wanted to listen.
        what: &'static str,
        /// Where.
        address: SocketAddr,
    },
    /// The system refused.
    #[error("cannot listen on {address} for {what}; choose another port, or 0 for any free one")]
    Bind {
        /// Who wanted to listen.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Opens `address` (port 0: any free one) and says where it listens.
pub(crate) async fn on_loopback(
    what: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ListenError> {
    if !address.ip().is_loopback() {
        return Err(ListenError::NotLoopback { what, address });
    }
    let bind_error = |source| ListenError::Bind { what, address, source };
    let listener = TcpListener::bind(address).await.map_err(bind_error)?;
    let bound = listener.local_addr().map_err(bind_error)?;
    Ok((listener, bound))
}
