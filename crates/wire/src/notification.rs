//! Events, read from and written to the events topic.

use std::sync::LazyLock;

use postrider_domain::{Notification, RecordHeader};

use crate::{
    error::DecodeError,
    frame,
    schemas::{self, VALUE_BYTES_CEILING},
    table::SchemaTable,
};

/// Bounds on what is decoded; what is over them is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of a value, frame included. More than [`VALUE_BYTES_CEILING`] counts as that.
    pub value_max: usize,
}

impl Default for DecodeLimits {
    /// 16 MiB: more than ingest's default `body_max` lets through.
    fn default() -> Self {
        Self { value_max: 16 * 1024 * 1024 }
    }
}

/// Reads events under given limits and with a registry's names; cheap to use, made once per lane.
#[derive(Debug, Clone, Default)]
pub struct NotificationReader {
    table: SchemaTable,
    limits: DecodeLimits,
}

impl NotificationReader {
    /// A reader for the versions in `table`.
    #[must_use]
    pub fn new(table: SchemaTable, limits: DecodeLimits) -> Self {
        Self { table, limits }
    }

    /// The event in a record's value. Any bytes whatever are answered, none make it panic.
    ///
    /// # Errors
    /// Why it is none; [`DecodeError::dead_reason`] is the dead letter's reason, the text its detail.
    pub fn decode(&self, value: Option<&[u8]>, headers: &[RecordHeader]) -> Result<Notification, DecodeError> {
        let contract = self.table.contract();
        let value = value.ok_or(DecodeError::NoValue { record: contract.record() })?;
        let max = self.limits.value_max.min(VALUE_BYTES_CEILING);
        if value.len() > max {
            return Err(DecodeError::TooLarge { size: value.len(), max });
        }
        let framed = frame::parse(value, headers).ok_or(DecodeError::Unframed { record: contract.record() })?;
        let version = self.table.version_of(framed.schema).ok_or_else(|| contract.unknown_schema(framed.schema))?;
        contract.read(version, framed.datum)
    }
}

/// [`NotificationReader::decode`] with default limits and no registry's names.
///
/// # Errors
/// As there.
pub fn decode_notification(value: Option<&[u8]>, headers: &[RecordHeader]) -> Result<Notification, DecodeError> {
    static READER: LazyLock<NotificationReader> = LazyLock::new(NotificationReader::default);
    READER.decode(value, headers)
}

/// The event as an Avro single object of the newest schema version.
#[must_use]
pub fn encode_notification(event: &Notification) -> Vec<u8> {
    schemas::NOTIFICATION.write(event)
}

#[cfg(test)]
mod tests;
