//! What could not be delivered, kept where an operator sees it and can send it again.

use crate::{fingerprint::Fingerprint, ids::ChannelName, outcome::DeadReason, record::RecordHeader, time::Timestamp};

/// One dead letter, with the original record byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The delivery's fingerprint; for an unreadable record the fingerprint of lane and position.
    pub id: Fingerprint,
    /// The lane that gave up.
    pub lane: String,
    /// Why.
    pub reason: DeadReason,
    /// Why, in words.
    pub detail: String,
    /// The event's source, where readable.
    pub source: Option<String>,
    /// The event's key, where readable.
    pub event_key: Option<String>,
    /// The event's type, where readable.
    pub event_type: Option<String>,
    /// The channel.
    pub channel: Option<ChannelName>,
    /// The recipient, where the failure is one recipient's.
    pub recipient: Option<String>,
    /// Attempts that were made.
    pub attempts: u32,
    /// When the first attempt began, or when it was given up without one.
    pub first_at: Timestamp,
    /// When it was given up.
    pub last_at: Timestamp,
    /// The provider's last words.
    pub last_answer: Option<String>,
    /// The original's topic.
    pub topic: String,
    /// The original's partition.
    pub partition: i32,
    /// The original's offset.
    pub offset: i64,
    /// The original's key.
    pub key: Option<Vec<u8>>,
    /// The original's value.
    pub value: Option<Vec<u8>>,
    /// The original's headers.
    pub headers: Vec<RecordHeader>,
}
