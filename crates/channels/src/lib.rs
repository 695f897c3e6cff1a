//! Channels: ways of reaching people. A channel makes one attempt and classifies what came back; it neither
//! retries, waits nor counts. Adding one is a folder, a line in [`registry`], a section of the configuration and a
//! call to the contract tests.

pub mod email;
pub mod registry;
pub mod slack;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use postrider_domain::{Answer, ChannelName, Delivery, DestinationName, Permit};

/// A destination and how many attempts it takes side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name, also the metric label.
    pub name: DestinationName,
    /// Attempts at once; at least one.
    pub capacity: usize,
}

/// One way of reaching a person.
#[async_trait]
pub trait Channel: fmt::Debug + Send + Sync {
    /// Which one.
    fn name(&self) -> ChannelName;

    /// What it talks to. Fixed for the life of the process: the names are metric labels.
    fn destinations(&self) -> Vec<Destination>;

    /// The longest one attempt can take, all stages together.
    fn attempt_deadline(&self) -> Duration;

    /// Tries exactly once. `permit` is asked once more just before the first byte that could reach the person.
    /// Safe to drop at any point: a connection that was in use is closed, never used again.
    async fn attempt(&self, delivery: &Delivery, permit: &Permit) -> Answer;
}
