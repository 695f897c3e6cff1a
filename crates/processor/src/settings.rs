//! What a lane's shell is told.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use postrider_channels::Channel;
use postrider_domain::{ChannelName, LaneName, retry::RetryPolicy, start::StartFrom};
use postrider_kafka::{KafkaSettings, topics::TopicPlan};

/// A lane's settings, checked by whoever read the configuration.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The lane's name.
    pub name: LaneName,
    /// How to reach people.
    pub channel: Arc<dyn Channel>,
    /// Channels that any configured lane serves on this topic.
    pub channels_served: BTreeSet<ChannelName>,
    /// Whether this lane dead-letters an event that is for no lane at all; one lane of a topic does.
    pub reports_unroutable: bool,
    /// Mail recipients that may be written to; `*` allows all.
    pub recipients_allowed: Vec<String>,
    /// When to try again, when to stop.
    pub retry: RetryPolicy,
    /// Attempts at once, over all destinations.
    pub in_flight_max: usize,
    /// How long a revoke or shutdown waits for what is in flight.
    pub drain_timeout: Duration,
    /// Where a lane without a past begins.
    pub start: StartFrom,
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// The topics and their settings.
    pub topics: TopicPlan,
    /// Whether the topics' settings are checked at every assignment; not so on a broker without an admin API.
    pub check_topics: bool,
}

impl LaneSettings {
    /// The consumer group.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}.{}", self.topics.events, self.name)
    }
}
