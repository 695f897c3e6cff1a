//! From a record's bytes to what the lane admits.

use std::sync::Arc;

use postrider_domain::{
    Record,
    lane::{Arrived, Unreadable},
};
use postrider_wire::NotificationReader;

/// Reads one record; any bytes whatever are answered.
pub(crate) fn read(reader: &NotificationReader, record: Record) -> Arrived {
    let event = reader
        .decode(record.value.as_deref(), &record.headers)
        .map(Arc::new)
        .map_err(|error| Unreadable { reason: error.dead_reason(), detail: chain(&error) });
    Arrived { record: Arc::new(record), event }
}

/// `outer: middle: inner`.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
