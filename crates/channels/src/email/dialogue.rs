//! The conversation with the relay, line by line, for a person who tests a destination.

use std::{fmt, sync::Arc};

/// One line of the conversation, without its line end; never a password, never the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialogueLine {
    /// What we wrote; credentials are `***`, the message is its size.
    Sent(String),
    /// What the relay wrote.
    Received(String),
    /// What happened beside lines, such as the TLS handshake.
    Note(String),
}

impl fmt::Display for DialogueLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(line) => write!(f, "> {line}"),
            Self::Received(line) => write!(f, "< {line}"),
            Self::Note(line) => write!(f, "* {line}"),
        }
    }
}

/// Is told every line at once; must not block.
pub type DialogueSink = Arc<dyn Fn(DialogueLine) + Send + Sync>;
