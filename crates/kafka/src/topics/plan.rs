//! What the topics should be.

use std::{collections::BTreeMap, time::Duration};

use postrider_domain::LaneName;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Beyond which `retention.ms` means for ever.
pub(super) const FOREVER: i64 = i64::MAX;
/// What the frames, keys and headers around a value may take.
const ENVELOPE_BYTES: u64 = 64 * 1024;

/// The user's wishes that decide what the topics are.
#[derive(Debug, Clone)]
pub struct TopicPlan {
    /// The events topic; all other names begin with its name.
    pub events: String,
    /// Partitions of each topic that is created, unless the events topic is there already: then as many as that has.
    pub partitions: i32,
    /// -1: 3 where there are three brokers, otherwise the broker's default.
    pub replication_factor: i32,
    /// How long events are kept.
    pub retention: Duration,
    /// How long a delivery is tried.
    pub give_up_after: Duration,
    /// Bytes of an event's body, at most.
    pub body_max: u64,
    /// The lanes that read the events.
    pub lanes: Vec<LaneName>,
}

/// One topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// What it is for; decides which differences break a promise.
    pub kind: TopicKind,
    /// Settings by their Kafka names.
    pub settings: BTreeMap<&'static str, String>,
}

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKind {
    /// The events.
    Events,
    /// A lane's ledger.
    Ledger,
    /// The dead letters.
    Dead,
}

/// How long a lane's topics keep things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Events.
    pub events: Duration,
    /// Receipts: the dedupe window.
    pub receipts: Duration,
}

impl TopicPlan {
    /// The lane's ledger topic.
    #[must_use]
    pub fn ledger_topic(&self, lane: &LaneName) -> String {
        format!("{}.{lane}.ledger", self.events)
    }

    /// The dead-letter topic.
    #[must_use]
    pub fn dead_topic(&self) -> String {
        format!("{}.dead", self.events)
    }

    /// The largest record the events topic takes, in bytes.
    #[must_use]
    pub fn events_max_bytes(&self) -> u64 {
        self.body_max + ENVELOPE_BYTES
    }

    /// The largest record the ledger and the dead-letter topic take, in bytes.
    #[must_use]
    pub fn inner_max_bytes(&self) -> u64 {
        self.events_max_bytes() + ENVELOPE_BYTES
    }

    /// How long the topics keep things as planned.
    #[must_use]
    pub fn kept_as_planned(&self) -> Kept {
        self.kept(self.retention_ms())
    }

    /// How long the topics keep things, if events are kept for `events_ms`. Where that is shorter than wished, receipts
    /// are kept as wished all the same, but an event must be settled before it goes.
    pub(super) fn kept(&self, events_ms: i64) -> Kept {
        let duration = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let receipts = self.ledger_retention_ms(events_ms.max(self.retention_ms()));
        Kept { events: duration(events_ms), receipts: duration(receipts) }
    }

    /// How long a ledger must keep its receipts in milliseconds, if events are kept for `events_ms`.
    fn ledger_retention_ms(&self, events_ms: i64) -> i64 {
        events_ms.saturating_add(millis(self.give_up_after)).saturating_add(millis(DAY + HOUR))
    }

    /// The events topic, then the ledgers, then the dead letters. `events_ms`: how long the events topic really keeps events.
    pub(super) fn specs(&self, events_ms: i64) -> Vec<TopicSpec> {
        let events =
            spec(self.events.clone(), TopicKind::Events, "delete", millis(self.retention), self.events_max_bytes());
        let ledger_ms = self.ledger_retention_ms(events_ms);
        let ledger = |lane: &LaneName| {
            spec(self.ledger_topic(lane), TopicKind::Ledger, "compact,delete", ledger_ms, self.inner_max_bytes())
        };
        let dead = spec(self.dead_topic(), TopicKind::Dead, "delete", millis(DAY * 30), self.inner_max_bytes());
        std::iter::once(events).chain(self.lanes.iter().map(ledger)).chain([dead]).collect()
    }

    /// The events' retention as wished, in milliseconds.
    pub(super) fn retention_ms(&self) -> i64 {
        millis(self.retention)
    }
}

fn spec(name: String, kind: TopicKind, cleanup: &str, retention_ms: i64, max_bytes: u64) -> TopicSpec {
    let retention = if retention_ms == FOREVER { -1 } else { retention_ms };
    let mut settings = BTreeMap::from([
        ("cleanup.policy", cleanup.to_owned()),
        ("max.message.bytes", max_bytes.to_string()),
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("retention.ms", retention.to_string()),
        ("segment.ms", millis(HOUR).to_string()),
    ]);
    if kind == TopicKind::Ledger {
        // A limit of bytes, the broker's own by default, would take receipts before their time.
        settings.insert("retention.bytes", "-1".to_owned());
    }
    TopicSpec { name, kind, settings }
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(FOREVER)
}
