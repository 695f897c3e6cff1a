//! What a lane is told at birth.

use std::time::Duration;

use crate::{
    ids::{DestinationName, LaneName},
    plan::Planner,
    retry::RetryPolicy,
    start::StartFrom,
};

/// A lane's settings, checked by whoever read them.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// The lane's name.
    pub name: LaneName,
    /// The events topic.
    pub topic: String,
    /// Partitions of the events topic (and of the ledger).
    pub partitions: i32,
    /// Who gets what through this lane.
    pub planner: Planner,
    /// The channel's destinations and how many attempts each takes at once.
    pub destinations: Vec<(DestinationName, usize)>,
    /// When to try again, when to stop.
    pub retry: RetryPolicy,
    /// Attempts at once, over all destinations.
    pub in_flight_max: usize,
    /// How long a revoke or shutdown waits for what is in flight.
    pub drain_timeout: Duration,
    /// The longest one attempt can take.
    pub attempt_deadline: Duration,
    /// Where a lane without a past begins.
    pub start: StartFrom,
    /// How far back a receipt can be relied on: the ledger's retention. `Kept` brings it up to date.
    pub window: Duration,
    /// How long the events topic keeps an event. `Kept` brings it up to date.
    pub retention: Duration,
    /// The group's session timeout; the lease is two thirds of it.
    pub session_timeout: Duration,
}
