//! `[topics]`: names and shapes. What follows from them is [`TopicPlan`](postrider_kafka::topics::TopicPlan)'s to say.

use std::time::Duration;

use postrider_domain::limits::RETENTION_MIN;

use super::{section::Section, values};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The events topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topics {
    /// Its name; all other names begin with it.
    pub(crate) events: String,
    /// Its partitions, and those of every ledger.
    pub(crate) partitions: i32,
    /// Copies; -1 for the brokers' default.
    pub(crate) replication_factor: i32,
    /// How long events stay.
    pub(crate) retention: Duration,
}

pub(super) fn read(section: Section<'_>) -> Option<Topics> {
    let events = section.text("events");
    // The longest name that hangs on it adds a lane's name and `.ledger`; Kafka ends at 249.
    if events.as_ref().is_some_and(|events| !values::is_name(events, 170)) {
        section.problem("events", "must be a topic's name: up to 170 letters, digits and . _ -");
    }
    let partitions = section.integer("partitions", 1..=10_000);
    let replication_factor = section.integer("replication_factor", -1..=100);
    if replication_factor == Some(0) {
        section.problem("replication_factor", "must be at least 1, or -1 for the brokers' default");
    }
    // What cannot be settled is dead-lettered an hour before its event may leave the topic: less leaves no time to try.
    let retention = section.duration("retention", RETENTION_MIN..=DAY * 3650);
    section.finish();
    Some(Topics {
        events: events?,
        partitions: i32::try_from(partitions?).ok()?,
        replication_factor: i32::try_from(replication_factor?).ok()?,
        retention: retention?,
    })
}
