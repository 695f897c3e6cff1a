//! The record of what was accepted.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::Instant,
};

/// One mail that was taken.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The envelope's sender.
    pub sender: String,
    /// The envelope's recipients.
    pub recipients: Vec<String>,
    /// The message as sent, dots removed; empty if the server keeps no data.
    pub data: Vec<u8>,
    /// Bytes of the message.
    pub size: usize,
    /// The Message-ID without its angle brackets.
    pub message_id: Option<String>,
    /// Which connection it came over, from 1.
    pub connection: u64,
    /// Whether over TLS.
    pub tls: bool,
    /// Who had authenticated.
    pub username: Option<String>,
    /// Whether a 2xx was written for it; `false` where a rule closed instead.
    pub answered: bool,
    /// When the final dot was read.
    pub received_at: Instant,
}

impl Mail {
    /// The message as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.data).into_owned()
    }

    /// The value of the Message-ID header, found without parsing the rest.
    pub(super) fn find_message_id(data: &[u8]) -> Option<String> {
        let mut rest = data;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let line = rest[..end].trim_ascii();
            if line.is_empty() {
                return None;
            }
            let name = b"message-id:";
            if line.len() > name.len() && line[..name.len()].eq_ignore_ascii_case(name) {
                let value = line[name.len()..].trim_ascii();
                return Some(String::from_utf8_lossy(value).trim_matches(['<', '>']).to_owned());
            }
            rest = &rest[end + 1..];
        }
    }
}

/// All mails of a server.
#[derive(Default)]
pub(super) struct Mails {
    all: Mutex<Vec<Arc<Mail>>>,
    notify: Arc<Notify>,
}

impl Mails {
    pub(super) fn push(&self, mail: Mail) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(mail));
        self.notify.notify_waiters();
    }

    pub(super) fn all(&self) -> Vec<Arc<Mail>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count(&self) -> usize {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Resolves after the next push; counts from its creation, not from its first poll.
    pub(super) fn changed(&self) -> OwnedNotified {
        Arc::clone(&self.notify).notified_owned()
    }
}
