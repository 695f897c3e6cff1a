//! What can go wrong in a conversation, and where it did.

use std::io;

use postrider_domain::Reason;

use super::reply::{Reply, ReplyProblem};

/// The stages of a conversation, each with its own deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Resolve and connect.
    Connect,
    /// The relay's first words.
    Greeting,
    /// EHLO.
    Ehlo,
    /// STARTTLS and the handshake.
    Tls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, up to the 354.
    Data,
    /// Writing the message. The final dot is its last byte: as long as the write has not returned, the relay cannot
    /// have accepted anything.
    Body,
    /// After the final dot.
    Reply,
}

impl Stage {
    /// In words, after "during" or "at".
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Greeting => "the greeting",
            Self::Ehlo => "EHLO",
            Self::Tls => "the TLS handshake",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Body => "sending the message",
            Self::Reply => "the final dot",
        }
    }
}

/// A conversation that did not go as it should.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) stage: Stage,
    pub(super) kind: FaultKind,
}

/// How.
#[derive(Debug)]
pub(super) enum FaultKind {
    /// A well-formed reply that is not the one we need.
    Refused(Reply),
    /// The relay closed the connection.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// The stage's deadline passed.
    TimedOut,
    /// Bytes that are no reply.
    Garbled(ReplyProblem),
    /// Ours to mend. `remedy` says how in our words alone, `detail` is what else is known.
    Setup { reason: Reason, remedy: String, detail: String },
    /// What this message needs and the relay does not offer: no attempt will ever succeed.
    Unfit { reason: Reason, text: String },
}

impl Fault {
    pub(super) fn new(stage: Stage, kind: FaultKind) -> Self {
        Self { stage, kind }
    }

    pub(super) fn setup(stage: Stage, reason: Reason, remedy: impl Into<String>) -> Self {
        Self::new(stage, FaultKind::Setup { reason, remedy: remedy.into(), detail: String::new() })
    }

    pub(super) fn unfit(stage: Stage, reason: Reason, text: impl Into<String>) -> Self {
        Self::new(stage, FaultKind::Unfit { reason, text: text.into() })
    }
}
