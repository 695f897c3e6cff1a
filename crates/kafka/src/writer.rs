//! Writes whose acknowledgements come back as events: receipts, dead letters, misplaced records, progress.

use postrider_domain::RecordHeader;
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    KafkaError, KafkaSettings,
    outlet::{Outlet, OutletSettings, Reply},
};

/// One record to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The topic.
    pub topic: String,
    /// The partition; none: murmur2 of the key, as Java's client does it.
    pub partition: Option<i32>,
    /// The key, or null.
    pub key: Option<Vec<u8>>,
    /// The value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers, in order.
    pub headers: Vec<RecordHeader>,
}

impl Write {
    /// Bytes it holds in memory, roughly.
    pub(crate) fn size(&self) -> usize {
        let bytes: usize = [&self.key, &self.value].into_iter().flatten().map(Vec::len).sum();
        bytes + self.headers.iter().map(RecordHeader::size).sum::<usize>()
    }
}

/// What a failed write means for its writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFailureKind {
    /// Not acknowledged in time; it may have been written. Write it again.
    TimedOut,
    /// Refused for good (too large, not authorized, no such topic): certainly not written.
    Refused,
    /// The client will never write again; the process must start afresh.
    Fatal,
}

/// A write that was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFailure {
    /// What to do about it.
    pub kind: WriteFailureKind,
    /// The broker's or librdkafka's words.
    pub detail: String,
}

/// The end of one write.
#[derive(Debug)]
pub struct WriteEvent {
    /// As given to [`Writer::write`].
    pub token: u64,
    /// Partition and offset it got, or why not.
    pub result: Result<(i32, i64), WriteFailure>,
}

/// An idempotent producer with acks=all. Every write ends in exactly one [`WriteEvent`], at the latest after the
/// delivery timeout of 30 s.
#[derive(Debug)]
pub struct Writer {
    outlet: Outlet,
    events: UnboundedSender<WriteEvent>,
}

impl Writer {
    /// Starts the producer and its thread. `message_max_bytes`: the largest record it must be able to write.
    ///
    /// # Errors
    /// Settings librdkafka refuses, or no thread.
    pub fn start(
        kafka: &KafkaSettings,
        client_id: &str,
        message_max_bytes: usize,
        events: UnboundedSender<WriteEvent>,
    ) -> Result<Self, KafkaError> {
        let settings = OutletSettings {
            client_id: client_id.to_owned(),
            message_max_bytes,
            delivery_timeout: std::time::Duration::from_secs(30),
            // librdkafka sends a request for each partition: fewer, larger ones spare the broker, and nobody waits for a
            // receipt's acknowledgement but the offset it closes.
            linger: std::time::Duration::from_millis(10),
            requests_max: 5,
        };
        Ok(Self { outlet: Outlet::start(kafka, &settings)?, events })
    }

    /// Takes the write; never blocks. The caller bounds how many it has open.
    pub fn write(&self, token: u64, write: Write) {
        self.outlet.send(write, Reply::Event { token, events: self.events.clone() });
    }

    /// How many partitions the topic had some seconds ago; none: not known. Never waits.
    #[must_use]
    pub fn last_partitions(&self, topic: &str) -> Option<i32> {
        self.outlet.last_partitions(topic)
    }

    /// Whether every broker is known to be away.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.outlet.is_down()
    }
}
