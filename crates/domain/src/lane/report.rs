//! Facts a lane tells: what metrics count and the log says. Nothing is decided from them.

use std::{sync::Arc, time::Duration};

use crate::{
    answer::Failure,
    delivery::Delivery,
    event::Notification,
    ids::DestinationName,
    outcome::{DeadReason, Outcome},
    record::Position,
    start::Gap,
};

/// What became of a record: the `result` label of `records_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordResult {
    /// It has deliveries on this lane.
    Planned,
    /// It cannot be read.
    Malformed,
    /// It is older than the dedupe window.
    TooOld,
    /// It concerns other lanes.
    NotForLane,
}

impl RecordResult {
    /// Every result.
    pub const ALL: [Self; 4] = [Self::Planned, Self::Malformed, Self::TooOld, Self::NotForLane];

    /// The name users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Malformed => "malformed",
            Self::TooOld => "too_old",
            Self::NotForLane => "not_for_lane",
        }
    }
}

/// Where a duplicate was noticed: the `stage` label of `duplicates_suppressed_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A twin is being worked on.
    InFlight,
    /// A twin is parked.
    Parked,
    /// A twin has a receipt.
    Ledger,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 3] = [Self::InFlight, Self::Parked, Self::Ledger];

    /// The name users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Parked => "parked",
            Self::Ledger => "ledger",
        }
    }
}

/// Why a partition hands over nothing: the `reason` label of `partitions_paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// Its ledger is being read.
    Restoring,
    /// It holds as much in memory as it may.
    Full,
    /// Kafka does not acknowledge what we write.
    Unavailable,
    /// An operator paused the lane.
    Operator,
    /// Our membership has not been proven recently.
    Lease,
}

impl PauseReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Restoring, Self::Full, Self::Unavailable, Self::Operator, Self::Lease];

    /// The name users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restoring => "restoring",
            Self::Full => "full",
            Self::Unavailable => "unavailable",
            Self::Operator => "operator",
            Self::Lease => "lease",
        }
    }
}

/// A delivery that reached its final outcome.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The delivery; none for a record that is settled as a whole.
    pub delivery: Option<Delivery>,
    /// The event; none for a record that could not be read.
    pub event: Option<Arc<Notification>>,
    /// Its record's place.
    pub position: Position,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where it is dead.
    pub reason: Option<DeadReason>,
    /// Attempts that were made.
    pub attempts: u32,
    /// From append (or `not_before`) to now.
    pub latency: Duration,
}

/// Everything a lane tells.
#[derive(Debug, Clone)]
pub enum Report {
    /// A record was read.
    Record(RecordResult),
    /// A record stood in the wrong partition and is produced again.
    Misplaced(Position),
    /// A duplicate was not sent.
    Suppressed(Stage),
    /// A delivery ended; its receipt is durable.
    Settled(Box<Settled>),
    /// A copy may have reached a person and may be sent again.
    Ambiguous,
    /// A destination refuses our credentials or our TLS.
    DestinationStopped {
        /// Which one.
        destination: DestinationName,
        /// What to mend.
        failure: Failure,
    },
    /// A stopped destination works again.
    DestinationResumed(DestinationName),
    /// A partition stopped at a gap.
    PartitionStopped {
        /// Which one.
        partition: i32,
        /// What may be missing.
        gap: Gap,
    },
    /// A partition must not be read because its topics break a promise.
    PartitionRefused {
        /// Which one.
        partition: i32,
        /// What is wrong and what to do.
        detail: String,
    },
    /// A partition is restored and goes on reading.
    PartitionReading {
        /// Which one.
        partition: i32,
        /// Where.
        position: i64,
        /// Receipts in memory.
        receipts: usize,
        /// The former owner died or was cut off.
        unclean: bool,
    },
    /// A partition was let go.
    PartitionReleased(i32),
    /// A write to the ledger was acknowledged, or timed out and is produced again.
    LedgerWritten {
        /// Whether it was acknowledged.
        acknowledged: bool,
    },
    /// A commit was acknowledged or refused.
    Committed(Result<(), String>),
    /// Attempts that a drain did not wait for, recorded as unknown.
    LeftRunning {
        /// Whose.
        partition: i32,
        /// How many.
        attempts: usize,
    },
}
