//! Where accepted events go.

use std::time::Duration;

use async_trait::async_trait;
use postrider_domain::RecordHeader;

/// The durable end of ingest: Kafka in production, memory in tests, a guarded mock broker in `postrider dev`.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// Writes one event and answers its partition and offset, only after the broker's acknowledgement.
    ///
    /// Must answer within three seconds, and must not queue without bound.
    ///
    /// # Errors
    /// Why it was not acknowledged; see [`SinkError`].
    async fn produce(&self, key: &str, value: Vec<u8>, headers: Vec<RecordHeader>) -> Result<(i32, i64), SinkError>;

    /// Whether the broker answers, as far as is known: what `/readyz` shows. Must answer from memory.
    fn ready(&self) -> bool;
}

/// Why an event was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It was certainly not written; there is no room now. Answered 429.
    #[error("the event was not written: there is no room for it now")]
    Full {
        /// When to try again.
        retry_after: Duration,
    },
    /// It was certainly not written. Answered 503 with `accepted: "no"`.
    #[error("the event was not written")]
    Unavailable(#[source] BoxError),
    /// It may have been written. Answered 503 with `accepted: "unknown"`.
    #[error("the event may or may not have been written")]
    Unknown(#[source] BoxError),
    /// The broker takes no record of that size. Answered 413.
    #[error("the event is too large for its topic")]
    TooLarge,
}

/// A cause from whatever stands behind the sink.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
