//! What the HTTP API is configured with, checked before a socket opens.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use postrider_domain::{ChannelName, DestinationName, Secret, limits::NAME_BYTES_MAX};

use crate::handlers::batch::ITEMS_MAX;

/// The source of every event while no API key is configured.
pub const LOCAL_SOURCE: &str = "local";

/// Everything the HTTP API needs to know. Plain values: [`problems`](Self::problems) says what does not fit together.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Where to listen; port 0 picks a free one. Without keys it must be a loopback address.
    pub listen: SocketAddr,
    /// Bytes of the largest request body.
    pub body_max: usize,
    /// The API keys. Several may name one source, so that a key can be replaced without a gap.
    pub keys: Vec<ApiKey>,
    /// How far ahead `not_before` may lie: an event that waits longer would leave the events topic first.
    pub not_before_max: Duration,
    /// The channels that some configured lane reads.
    pub channels: BTreeSet<ChannelName>,
    /// The configured Slack destinations.
    pub slack_destinations: BTreeSet<DestinationName>,
    /// Limits on what the process takes on at once.
    pub limits: IngestLimits,
}

/// One API key and the source it speaks for.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The upstream service.
    pub source: String,
    /// What it sends as `Authorization: Bearer KEY`.
    pub key: Secret,
}

/// Limits on what the process takes on at once; past them a request is answered 429 at once, a connection 503; none is
/// queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestLimits {
    /// Events on their way to Kafka, over all requests. At least one full batch.
    pub events_max: usize,
    /// Bytes of request bodies in memory. At least one body of the largest size. Until an event is
    /// acknowledged it takes up to four times its body.
    pub body_bytes_max: usize,
    /// Open connections; further ones are answered 503 before their request is read, and closed.
    pub connections_max: usize,
    /// A request's headers must have arrived within this time.
    pub header_timeout: Duration,
    /// A request's body must have arrived within this time.
    pub body_timeout: Duration,
    /// On shutdown, requests that are still running after this time are cut off.
    pub drain_timeout: Duration,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            events_max: 10_000,
            body_bytes_max: 128 * 1024 * 1024,
            connections_max: 2_000,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

impl IngestSettings {
    /// Everything that is wrong, in the words of the configuration file; empty if it fits together.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.keys.is_empty() && !self.listen.ip().is_loopback() {
            problems.push(format!(
                "ingest.listen = \"{}\" can be reached from other machines, but there are no API keys: \
                 add [[ingest.keys]] or listen on 127.0.0.1",
                self.listen
            ));
        }
        self.key_problems(&mut problems);
        if self.body_max == 0 {
            problems.push("ingest.body_max must be larger than 0".to_owned());
        }
        if self.limits.events_max < ITEMS_MAX {
            problems.push(format!("the limit on events in flight must hold a full batch ({ITEMS_MAX})"));
        }
        if self.limits.body_bytes_max < self.body_max {
            problems.push(format!(
                "ingest.body_max must not exceed {} bytes, the limit on all bodies in memory",
                self.limits.body_bytes_max
            ));
        }
        problems
    }

    fn key_problems(&self, problems: &mut Vec<String>) {
        for (index, ApiKey { source, key }) in self.keys.iter().enumerate() {
            let text = key.reveal();
            if source.is_empty() || source.len() > NAME_BYTES_MAX || source.chars().any(char::is_control) {
                problems.push(format!(
                    "ingest.keys[{index}].source must be 1 to {NAME_BYTES_MAX} bytes without control characters"
                ));
            }
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                problems.push(format!(
                    "ingest.keys[{index}].key must be one or more visible ASCII characters: it travels in an HTTP header"
                ));
            }
            if self.keys[..index].iter().any(|earlier| earlier.key == *key && earlier.source != *source) {
                problems.push(format!("ingest.keys[{index}].key also names another source: give each source its own"));
            }
        }
    }
}
