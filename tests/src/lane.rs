//! An email lane inside the test process, for what the binary's configuration does not offer: deadlines short enough
//! to see providers that hang.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use postrider_channels::email::{Deadlines, EmailChannel, EmailSettings, TlsMode};
use postrider_domain::{Address, ChannelName, LaneName, retry::RetryPolicy, start::StartFrom};
use postrider_kafka::{KafkaSettings, topics::TopicPlan};
use postrider_processor::{DeliveryMetrics, LaneSettings, RunningLane};
use postrider_telemetry::{Registry, prometheus::TextEncoder};

use crate::{metrics::Metrics, settings::Settings, wait::LONG, world::World};

/// A lane that runs on the world's runtime.
pub struct Lane<'a> {
    world: &'a World,
    running: RunningLane,
    registry: Registry,
}

impl World {
    /// Starts the email lane with `deadline` for each stage of an SMTP conversation.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn lane(&self, deadline: Duration) -> Lane<'_> {
        let registry = Registry::new();
        let metrics = DeliveryMetrics::register(&registry).expect("an empty registry takes everything");
        let _inside = self.runtime.enter();
        let running = postrider_processor::start(self.lane_settings(deadline), metrics);
        Lane { world: self, running, registry }
    }

    fn lane_settings(&self, deadline: Duration) -> LaneSettings {
        let Settings { partitions, give_up_after, .. } = self.settings;
        let from = Address { address: "no-reply@example.com".to_owned(), name: None };
        let email = EmailSettings {
            deadlines: Deadlines::all(deadline),
            ..EmailSettings::new("127.0.0.1", self.smtp.port(), TlsMode::None, from)
        };
        let name = LaneName::new("email");
        let session = self.settings.session_timeout.as_millis().to_string();
        LaneSettings {
            name: name.clone(),
            channel: Arc::new(EmailChannel::new(email).expect("the channel can be made")),
            channels_served: [ChannelName::Email].into(),
            reports_unroutable: true,
            recipients_allowed: self.settings.recipients_allowed.clone(),
            retry: RetryPolicy {
                delay_min: self.settings.delay_min,
                delay_max: self.settings.delay_max,
                give_up_after,
                unknown_retries: self.settings.unknown_retries,
            },
            in_flight_max: usize::try_from(self.settings.in_flight_max).expect("a small number"),
            drain_timeout: self.settings.drain_timeout,
            start: StartFrom::Earliest,
            kafka: KafkaSettings {
                bootstrap_servers: self.kafka.bootstrap_servers().to_owned(),
                properties: BTreeMap::from([
                    ("session.timeout.ms".to_owned(), session),
                    ("heartbeat.interval.ms".to_owned(), "500".to_owned()),
                ]),
            },
            topics: TopicPlan {
                events: self.topic.clone(),
                partitions,
                replication_factor: -1,
                retention: Duration::from_secs(7 * 24 * 3600),
                give_up_after,
                body_max: 10 * 1024 * 1024,
                lanes: vec![name],
            },
            check_topics: true,
        }
    }
}

impl Lane<'_> {
    /// A look at its metrics.
    ///
    /// # Panics
    /// They cannot be written as text.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather());
        Metrics::parse(&text.expect("metrics are text"))
    }

    /// Drains it and waits for its end.
    ///
    /// # Panics
    /// It ends with an error, or not within a minute.
    pub fn stop(mut self) {
        self.running.stop();
        let ended = self.world.runtime.block_on(async { tokio::time::timeout(LONG, self.running.join()).await });
        ended.expect("it ends").expect("it ends in order");
    }
}
