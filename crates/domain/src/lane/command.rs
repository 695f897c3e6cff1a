//! What a lane asks its shell to do.

use std::sync::Arc;

use super::{report::Report, work::WorkId};
use crate::{
    dead_letter::DeadLetter,
    delivery::Delivery,
    ledger::{LedgerEntry, LedgerKey},
    record::{Position, Record},
    time::BootTime,
};

/// One attempt to be made.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// To be given back with the answer.
    pub work: WorkId,
    /// What to send to whom.
    pub delivery: Delivery,
    /// Which attempt it is, from 1.
    pub number: u32,
    /// Where its record stands.
    pub position: Position,
}

/// A position to commit: the next offset to read, and what to store beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPosition {
    /// The partition.
    pub partition: i32,
    /// The commit position (the +1 form).
    pub position: i64,
    /// Tells our commit from one made outside.
    pub metadata: String,
}

/// Something to be made durable in Kafka.
#[derive(Debug, Clone)]
pub enum Write {
    /// To the lane's ledger; no entry is a tombstone.
    Ledger {
        /// The event's partition, always.
        partition: i32,
        /// Its key.
        key: LedgerKey,
        /// What it says.
        entry: Option<LedgerEntry>,
    },
    /// To the dead-letter topic.
    DeadLetter(Arc<DeadLetter>),
    /// To the events topic again, into the partition its key belongs to.
    Replace {
        /// The misplaced record.
        record: Arc<Record>,
        /// The event's key.
        key: String,
        /// Where it belongs.
        partition: i32,
    },
}

/// Why a lane stops by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Kafka refuses a write for good.
    Refused(String),
    /// The producer is beyond use.
    Fatal(String),
}

/// Everything a lane asks for.
#[derive(Debug)]
pub enum Command {
    /// Read the partition's ledger, then go on tailing it.
    Restore {
        /// The partition.
        partition: i32,
        /// To be given back with everything that is read.
        epoch: u64,
    },
    /// No longer tail the partition's ledger.
    Forget {
        /// The partition.
        partition: i32,
    },
    /// Start handing over records from this offset.
    ReadFrom {
        /// The partition.
        partition: i32,
        /// The first offset wanted.
        offset: i64,
    },
    /// Make one attempt; ends with `Answered`.
    Attempt(Attempt),
    /// Take the permit back if it is not used: `Answered` with `NotPermitted`, or `Begun`.
    Recall(WorkId),
    /// End the attempt now and close its socket: `Answered` with `NotPermitted`, or with `Unknown` if the write had begun.
    Abort(WorkId),
    /// Make it durable; ends with `Written`.
    Write {
        /// To be given back.
        token: u64,
        /// What to write.
        write: Write,
    },
    /// Hand over no more records of these partitions.
    Pause(Vec<i32>),
    /// Go on handing over.
    Resume(Vec<i32>),
    /// Commit these positions; ends with `Committed`.
    Commit(Vec<CommitPosition>),
    /// Attempts may begin until then.
    Lease(BootTime),
    /// Drained, or nothing to drain: the revoke may go on.
    Release(Vec<i32>),
    /// Leave the group; ends with `Closed`.
    Close,
    /// A fact for metrics and log.
    Report(Report),
    /// The lane has ended.
    Done(Result<(), Stop>),
}
