//! Reads ledger partitions: everything up to the end first, then what is appended, until told to forget.
//!
//! One thread, one consumer that is in no group. Its offsets are nobody's; the group id is only there to ask for the
//! lane's committed offsets.

mod reader;
mod restore;

use std::sync::mpsc;

use postrider_domain::LedgerRecord;

use crate::{KafkaError, KafkaSettings, client::start_thread};

pub(crate) use reader::config;

/// Whose ledger is read.
#[derive(Debug, Clone)]
pub struct LedgerSettings {
    /// The events topic.
    pub events_topic: String,
    /// The lane's ledger topic.
    pub ledger_topic: String,
    /// The lane's consumer group.
    pub group: String,
}

/// What is known of a partition once its ledger has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// The group's committed position and its metadata; none: nothing is committed.
    pub committed: Option<(i64, String)>,
    /// The first offset of the events partition that is still there.
    pub low: i64,
    /// The offset the next event will get.
    pub high: i64,
    /// The ledger partition's high watermark; 0: nothing was ever written, the lane is fresh here.
    pub ledger_high: i64,
    /// The first event that was appended over ten seconds after the last progress in the ledger, so that no difference of
    /// two brokers' clocks explains it; none: there is none.
    pub after_progress: Option<i64>,
}

/// What the reader tells its lane. Events of an epoch that is no longer the partition's may still arrive.
#[derive(Debug)]
pub enum LedgerEvent {
    /// Ledger records in order, before and after `Restored`.
    Records {
        /// The partition.
        partition: i32,
        /// As given to [`Ledger::restore`].
        epoch: u64,
        /// Unknown classes and undecodable entries are left out.
        records: Vec<LedgerRecord>,
    },
    /// Everything that was there when the restore began has been delivered.
    Restored {
        /// The partition.
        partition: i32,
        /// As given to [`Ledger::restore`].
        epoch: u64,
        /// Where the group and the topics stand.
        positions: Positions,
    },
    /// The restore does not get on; it is tried again until [`Ledger::forget`]. Said once for each new reason.
    Failed {
        /// The partition.
        partition: i32,
        /// As given to [`Ledger::restore`].
        epoch: u64,
        /// What failed.
        detail: String,
    },
}

/// Orders to the thread.
#[derive(Debug)]
enum Order {
    Restore { partition: i32, epoch: u64 },
    Forget { partition: i32 },
}

/// The handle. No method blocks. When it is dropped the thread ends.
#[derive(Debug)]
pub struct Ledger {
    orders: mpsc::Sender<Order>,
}

impl Ledger {
    /// Starts the reader. While `events` is full it waits.
    ///
    /// # Errors
    /// Settings librdkafka refuses, or no thread.
    pub fn start(
        kafka: &KafkaSettings,
        settings: LedgerSettings,
        events: tokio::sync::mpsc::Sender<LedgerEvent>,
    ) -> Result<Self, KafkaError> {
        let (orders, inbox) = mpsc::channel();
        let name = format!("ledger {}", settings.group);
        let reader = reader::Reader::new(kafka, settings, inbox, events)?;
        start_thread(&name, "a lane's ledger reader", move || reader.run())?;
        Ok(Self { orders })
    }

    /// Reads the partition from its beginning to the high watermark taken now, says `Restored`, and goes on tailing. Again with
    /// another epoch: starts over.
    pub fn restore(&self, partition: i32, epoch: u64) {
        drop(self.orders.send(Order::Restore { partition, epoch }));
    }

    /// Reads the partition no more.
    pub fn forget(&self, partition: i32) {
        drop(self.orders.send(Order::Forget { partition }));
    }
}
