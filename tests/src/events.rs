//! Events to send, and the records they become.

use postrider_domain::{Address, Email, Notification, Slack, Timestamp, partitioner::partition_of};
use postrider_testkit::kafka::RawRecord;
use postrider_wire::{encode_notification, event_headers};

/// The source of every event that a test writes itself.
pub const SOURCE: &str = "shop";

/// Now, as events carry times.
#[must_use]
pub fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is set");
    Timestamp(i64::try_from(since.as_millis()).expect("a date before the end of time"))
}

/// An event with neither part.
#[must_use]
pub fn event(key: &str) -> Notification {
    Notification {
        source: SOURCE.to_owned(),
        event_key: key.to_owned(),
        event_type: "order.shipped".to_owned(),
        occurred_at: now(),
        not_before: None,
        expires_at: None,
        template: None,
        email: None,
        slack: None,
        metadata: std::collections::BTreeMap::new(),
    }
}

/// A plain mail to these recipients; its subject is its key.
#[must_use]
pub fn mail(key: &str, to: &[&str]) -> Notification {
    let email = Email {
        to: to.iter().map(|to| address(to)).collect(),
        subject: Some(key.to_owned()),
        text: Some(format!("The text of {key}.")),
        ..Email::default()
    };
    Notification { email: Some(email), ..event(key) }
}

/// A Slack message to these destinations.
#[must_use]
pub fn slack(key: &str, to: &[&str]) -> Notification {
    let slack = Slack {
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        text: Some(format!("The text of {key}.")),
        ..Slack::default()
    };
    Notification { slack: Some(slack), ..event(key) }
}

/// An address without a name.
#[must_use]
pub fn address(address: &str) -> Address {
    Address { address: address.to_owned(), name: None }
}

/// The record of an event, in its key's partition.
#[must_use]
pub fn record(event: &Notification, partitions: i32) -> RawRecord {
    let headers = event_headers(event, None).into_iter().map(|header| (header.name, header.value)).collect();
    let partition = partition_of(event.event_key.as_bytes(), partitions);
    RawRecord { headers, ..RawRecord::new(partition, event.event_key.as_bytes(), encode_notification(event)) }
}
