//! What Kafka hands over, before anybody has read it.

use std::fmt;

use crate::time::Timestamp;

/// A record's place: partition and offset of the lane's events topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition.
    pub partition: i32,
    /// The record's own offset (never the +1 form).
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} offset {}", self.partition, self.offset)
    }
}

/// One header of a record; a value may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Its name.
    pub name: String,
    /// Its bytes, or null.
    pub value: Option<Vec<u8>>,
}

impl RecordHeader {
    /// Bytes it holds in memory, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        self.name.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// A record of the events topic, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// When the broker appended it (the topic is LogAppendTime).
    pub appended_at: Timestamp,
    /// The key's bytes, or null.
    pub key: Option<Vec<u8>>,
    /// The value's bytes, or null.
    pub value: Option<Vec<u8>>,
    /// All headers, in order.
    pub headers: Vec<RecordHeader>,
}

/// On the copy of a misplaced record: the append time of the original in milliseconds, decimal text.
pub const HEADER_APPENDED_AT: &str = "postrider-appended-at";

impl Record {
    /// The first header of that name that has a value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|header| header.name == name)?.value.as_deref()
    }

    /// Bytes this record holds in memory, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(RecordHeader::size).sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }

    /// When the event first reached Kafka: the append time, or for the copy of a misplaced record the
    /// original's. Window and give-up count from here. A header that claims the future is not believed.
    #[must_use]
    pub fn first_appended_at(&self) -> Timestamp {
        self.header(HEADER_APPENDED_AT)
            .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())
            .map_or(self.appended_at, |original| Timestamp(original).min(self.appended_at))
    }
}
