//! A lane's membership in its group, and the records of the partitions it owns.
//!
//! Two librdkafka consumers live on one thread. The *member* is in the group: it is assigned partitions, commits,
//! and never fetches. The *fetcher* is in no group: it reads exactly the partitions it is told to, from exactly the offset it
//! is told. One consumer for both would stop every retained partition while a revoked one drains, because
//! librdkafka pauses its whole assignment until the revoke is answered.

mod commits;
mod fetcher;
mod member;
mod outbox;
mod thread;
mod watch;

use std::{sync::mpsc, time::Duration};

use postrider_domain::{Record, time::BootTime};
use rdkafka::ClientConfig;

use crate::{KafkaError, KafkaSettings, client::start_thread};

/// Which group reads which topic.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// The lane's consumer group.
    pub group: String,
    /// The events topic.
    pub topic: String,
    /// Shown by the broker's tools.
    pub client_id: String,
}

/// How member and fetcher are set up.
pub(crate) fn configs(kafka: &KafkaSettings, settings: &SourceSettings) -> [ClientConfig; 2] {
    [member::config(kafka, settings), fetcher::config(kafka, settings)]
}

/// A position to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitPosition {
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub position: i64,
    /// Stored beside it. Without NUL characters.
    pub metadata: String,
}

/// Why a commit was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFailureKind {
    /// The group no longer knows this member or this generation: the partitions belong to somebody else, or soon will.
    Fenced,
    /// It may succeed next time.
    Transient,
    /// It never will (authorization, metadata too large).
    Refused,
}

/// A commit that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFailure {
    /// What kind.
    pub kind: CommitFailureKind,
    /// What was asked for.
    pub positions: Vec<(i32, i64)>,
    /// The broker's or librdkafka's words.
    pub detail: String,
}

/// What the source tells its lane, in one stream. Records of a partition never come before its `Assigned`.
#[derive(Debug)]
pub enum SourceEvent {
    /// These partitions are ours now. Nothing is fetched before [`Source::read_from`]. May be empty.
    Assigned(Vec<i32>),
    /// These partitions are asked back. They are fetched no more, stay ours, and wait for [`Source::release`].
    Revoked(Vec<i32>),
    /// These partitions belong to somebody else already. No release is expected.
    Lost(Vec<i32>),
    /// Records, in order within each partition. A few of a just paused or revoked partition may still come.
    Records(Vec<Record>),
    /// One commit's end; one for each call of [`Source::commit`], in their order.
    Committed {
        /// When it was handed to librdkafka: the proof of membership counts from here.
        sent_at: BootTime,
        /// The positions the group now has, or why not.
        result: Result<Vec<(i32, i64)>, CommitFailure>,
    },
    /// The end offset of partitions that are being read, every few seconds.
    Ends(Vec<(i32, i64)>),
    /// Below this position the partition holds nothing more for us: only markers of transactions.
    Passed {
        /// The partition.
        partition: i32,
        /// The next offset that may hold a record.
        position: i64,
    },
    /// The broker refuses the position: it does not exist (any more), or the topic was cut off below it and has grown
    /// again. Reading of the partition has stopped; it stays ours.
    OutOfRange {
        /// The partition.
        partition: i32,
        /// The next offset that was to be read.
        position: i64,
        /// The first offset the topic holds.
        low: i64,
        /// Its end.
        end: i64,
    },
    /// All brokers are away. What is owned stays so until the session ends.
    Unavailable {
        /// librdkafka's words.
        detail: String,
    },
    /// Brokers answer again.
    Available,
    /// The group has been left; the last event.
    Closed,
    /// The client will never work again; the last event.
    Fatal(KafkaError),
}

/// Orders to the thread.
#[derive(Debug)]
enum Order {
    ReadFrom { partition: i32, offset: i64 },
    Pause(Vec<i32>),
    Resume(Vec<i32>),
    Commit(Vec<CommitPosition>),
    Release(Vec<i32>),
    Close,
}

/// The handle. No method blocks; each is an order to the thread, carried out within about ten milliseconds. When the
/// handle is dropped, the thread leaves the group and ends.
#[derive(Debug)]
pub struct Source {
    orders: mpsc::Sender<Order>,
    session_timeout: Duration,
}

impl Source {
    /// Joins the group. Events come through `events`; while that is full nothing more is fetched, and the
    /// membership goes on.
    ///
    /// # Errors
    /// Settings librdkafka refuses, or no thread.
    pub fn start(
        kafka: &KafkaSettings,
        settings: SourceSettings,
        events: tokio::sync::mpsc::Sender<SourceEvent>,
    ) -> Result<Self, KafkaError> {
        let (orders, inbox) = mpsc::channel();
        let name = format!("source {}", settings.group);
        let thread = thread::SourceThread::new(kafka, &settings, inbox, events)?;
        start_thread(&name, "a lane's source", move || thread.run())?;
        Ok(Self { orders, session_timeout: kafka.session_timeout() })
    }

    /// Reads an assigned partition from exactly this offset, whatever it read before; also ends a pause.
    pub fn read_from(&self, partition: i32, offset: i64) {
        self.send(Order::ReadFrom { partition, offset });
    }

    /// Stops fetching these partitions until [`Source::resume`].
    pub fn pause(&self, partitions: Vec<i32>) {
        self.send(Order::Pause(partitions));
    }

    /// Goes on where the pause began.
    pub fn resume(&self, partitions: Vec<i32>) {
        self.send(Order::Resume(partitions));
    }

    /// Commits; the end comes as [`SourceEvent::Committed`].
    pub fn commit(&self, positions: Vec<CommitPosition>) {
        self.send(Order::Commit(positions));
    }

    /// Drained: as soon as all partitions of the pending revoke are released, it goes on.
    pub fn release(&self, partitions: Vec<i32>) {
        self.send(Order::Release(partitions));
    }

    /// Leaves the group; what is still owned is given up without asking. Ends with [`SourceEvent::Closed`].
    pub fn close(&self) {
        self.send(Order::Close);
    }

    /// After which silence the group takes the partitions away.
    #[must_use]
    pub fn session_timeout(&self) -> Duration {
        self.session_timeout
    }

    /// A thread that has ended has said so with its last event.
    fn send(&self, order: Order) {
        drop(self.orders.send(order));
    }
}
