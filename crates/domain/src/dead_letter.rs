//! What could not be delivered, kept where an operator sees it and can send it again.

use crate::{
    fingerprint::Fingerprint, ids::ChannelName, limits::DEAD_LETTER_TEXT_BYTES_MAX, outcome::DeadReason,
    record::RecordHeader, time::Timestamp,
};

/// One dead letter, with the original record byte for byte. What is read out of the record (source, key, type,
/// recipient) is [`cut`]: written twice in full, a large field would make the letter too large for its topic.
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

impl DeadLetter {
    /// Bytes it holds in memory, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let texts = [&self.source, &self.event_key, &self.event_type, &self.recipient, &self.last_answer];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let bytes: usize = [&self.key, &self.value].into_iter().flatten().map(Vec::len).sum();
        let headers: usize = self.headers.iter().map(RecordHeader::size).sum();
        size_of::<Self>() + self.detail.len() + texts + bytes + headers
    }
}

/// The first [`DEAD_LETTER_TEXT_BYTES_MAX`] bytes of a text, or a little less: no character is cut in two.
#[must_use]
pub fn cut(text: &str) -> String {
    let mut end = text.len().min(DEAD_LETTER_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
