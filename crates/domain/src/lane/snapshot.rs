//! What gauges show of a lane.

use super::{
    Lane, Now, PauseReason,
    partition::{Partition, Phase},
};
use crate::{ids::DestinationName, time::Timestamp};

/// One partition, for its gauges and for readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionView {
    /// Which one.
    pub partition: i32,
    /// The position that is committed.
    pub committed: Option<i64>,
    /// The append time of the oldest record that is not settled.
    pub oldest_open: Option<Timestamp>,
    /// Stopped at a gap, or refused.
    pub stopped: bool,
    /// Not read at all because its topics break a promise.
    pub refused: bool,
    /// Why it hands over nothing, if so.
    pub paused: Option<PauseReason>,
}

/// A lane at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Attempts that run.
    pub running: usize,
    /// Receipts in memory.
    pub ledger_keys: usize,
    /// The partitions held.
    pub partitions: Vec<PartitionView>,
    /// Destinations that are stopped.
    pub destinations_stopped: Vec<DestinationName>,
}

impl Lane {
    /// The lane at this instant.
    #[must_use]
    pub fn snapshot(&self, now: Now) -> Snapshot {
        let held_back = self.held_back(now);
        let view = |(number, partition): (&i32, &Partition)| PartitionView {
            partition: *number,
            committed: partition.committed,
            oldest_open: partition.offsets.oldest_open(),
            stopped: matches!(partition.phase, Phase::Stopped | Phase::Refused),
            refused: matches!(partition.phase, Phase::Refused),
            paused: match partition.phase {
                Phase::Restoring | Phase::Starting => Some(PauseReason::Restoring),
                Phase::Reading if partition.full => Some(PauseReason::Full),
                Phase::Reading => held_back,
                Phase::Stopped | Phase::Refused | Phase::Draining(_) => None,
            },
        };
        Snapshot {
            running: self.running,
            ledger_keys: self.partitions.values().map(|partition| partition.index.len()).sum(),
            partitions: self.partitions.iter().map(view).collect(),
            destinations_stopped: self
                .destinations
                .iter()
                .filter(|destination| destination.stopped_since.is_some())
                .map(|destination| destination.name.clone())
                .collect(),
        }
    }
}
