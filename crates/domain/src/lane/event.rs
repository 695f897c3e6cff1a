//! What can happen to a lane.

use std::{sync::Arc, time::Duration};

use super::work::WorkId;
use crate::{
    answer::Answer,
    event::Notification,
    ledger::LedgerRecord,
    outcome::DeadReason,
    record::Record,
    start::Positions,
    time::{BootTime, Timestamp},
};

/// The instant an event is handled at, and the random number it may need.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The wall clock: due times, append times.
    pub wall: Timestamp,
    /// The clock that runs through suspend: the lease, deadlines.
    pub boot: BootTime,
    /// 0.0..=1.0, fresh for each event.
    pub jitter: f64,
}

/// A record with what became of reading it.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The record, byte for byte.
    pub record: Arc<Record>,
    /// The event in it, or why there is none.
    pub event: Result<Arc<Notification>, Unreadable>,
}

/// Why a record holds no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The closed reason: unframed, unknown schema, malformed.
    pub reason: DeadReason,
    /// In words.
    pub detail: String,
}

/// Why a write was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteProblem {
    /// It may or may not have been written; it is produced again until acknowledged.
    TimedOut,
    /// Kafka refuses it for good: the lane stops.
    Refused(String),
    /// The producer is beyond use: the process ends, a new one starts clean.
    Fatal(String),
}

/// Everything a lane reacts to.
#[derive(Debug)]
pub enum Event {
    /// The group gave us these partitions.
    Assigned(Vec<i32>),
    /// Records of a partition's ledger: first what there was, then what comes.
    Ledger {
        /// The partition.
        partition: i32,
        /// The assignment that asked for it.
        epoch: u64,
        /// In the ledger's order.
        records: Vec<LedgerRecord>,
    },
    /// The ledger has been read up to where it ended after the assignment.
    Restored {
        /// The partition.
        partition: i32,
        /// The assignment that asked for it.
        epoch: u64,
        /// What Kafka knows of the partition.
        positions: Positions,
    },
    /// How long the topics keep things, looked up at an assignment: longer than configured, if somebody set it so.
    Kept {
        /// Events.
        events: Duration,
        /// Receipts: how far back one can be relied on.
        receipts: Duration,
    },
    /// The topics do not keep what we promise: the partition must not be read.
    Refused {
        /// The partition.
        partition: i32,
        /// The assignment that asked.
        epoch: u64,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// Records of the events topic, in order for each partition.
    Polled(Vec<Arrived>),
    /// An attempt has ended.
    Answered {
        /// Which work.
        work: WorkId,
        /// How.
        answer: Answer,
    },
    /// The answer to a recall: the write had begun, the attempt goes on.
    Begun {
        /// Which work.
        work: WorkId,
    },
    /// A write has ended.
    Written {
        /// As given with the write.
        token: u64,
        /// Acknowledged, or why not.
        result: Result<(), WriteProblem>,
    },
    /// The commit has ended.
    Committed {
        /// Acknowledged, with the time it was sent at; or why not.
        result: Result<BootTime, String>,
    },
    /// Below this position the partition holds nothing more for us.
    Passed {
        /// The partition.
        partition: i32,
        /// The next offset that may hold a record.
        position: i64,
    },
    /// The broker refuses the position to read from; reading has stopped.
    OutOfRange {
        /// The partition.
        partition: i32,
        /// What was refused.
        position: i64,
        /// The first offset the topic holds.
        low: i64,
        /// Its end.
        end: i64,
    },
    /// The group takes these partitions; it waits until they are released.
    Revoked(Vec<i32>),
    /// These partitions are no longer ours, and may be another's already.
    Lost(Vec<i32>),
    /// Time has passed.
    Tick,
    /// The process is to end.
    Stop,
    /// The group has been left.
    Closed,
}
