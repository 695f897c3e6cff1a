//! Where the sandbox may listen: on loopback only, with an error that says what to do.

use std::{io, net::SocketAddr};

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

impl ListenError {
    /// Refuses an address that other machines can reach.
    pub(crate) fn unless_loopback(what: &'static str, address: SocketAddr) -> Result<(), Self> {
        if address.ip().is_loopback() { Ok(()) } else { Err(Self::NotLoopback { what, address }) }
    }
}
