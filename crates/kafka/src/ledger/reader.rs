//! The thread of a ledger: restores what it was asked to, tails what it has restored.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};

use postrider_domain::{LedgerEntry, LedgerRecord, Timestamp};
use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError as RdKafkaError, KafkaResult, RDKafkaErrorCode},
    message::BorrowedMessage,
    topic_partition_list::Offset,
};
use tokio::sync::mpsc::Sender;

use super::{
    LedgerEvent, LedgerSettings, Order, Positions,
    restore::{Start, ask, first_after},
};
use crate::{
    KafkaError, KafkaSettings,
    client::{PlainContext, Quiet},
    error::describe,
};

/// Ledger records handed over at once, at most.
const BATCH: usize = 5_000;
/// How long it waits for records before it looks for orders again.
const IDLE: Duration = Duration::from_millis(10);
/// After a question that was not answered.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A leader that has just begun may not know of its last records as such yet, and tells of an end before them. What has
/// not come after so long is not there: compaction has taken it.
const END_BELIEVED_AFTER: Duration = Duration::from_secs(2);

/// How far a partition has come.
enum State {
    /// The questions are still to be asked.
    Waiting {
        retry_at: Instant,
        said: String,
    },
    /// Everything below the positions' `ledger_high` is still to be delivered. `complete_at`: an end was told before that.
    Restoring {
        positions: Positions,
        complete_at: Option<Instant>,
    },
    Tailing,
}

struct Shelf {
    epoch: u64,
    state: State,
    /// Read and not yet handed over.
    records: Vec<LedgerRecord>,
    /// When the last progress was written.
    progress_at: Option<Timestamp>,
}

/// The lane has gone.
struct Gone;

pub(super) struct Reader {
    consumer: BaseConsumer<PlainContext>,
    /// Asks where things stand, on a connection of its own: a broker answers one request of a connection after the
    /// other, so a question would wait behind an idle fetch.
    asker: BaseConsumer<PlainContext>,
    settings: LedgerSettings,
    orders: Receiver<Order>,
    events: Sender<LedgerEvent>,
    shelves: BTreeMap<i32, Shelf>,
    quiet: Quiet,
    /// Entries that could not be decoded, since the start.
    undecodable: u64,
}

/// `name` says what this one is for, to the broker's tools.
pub(crate) fn config(kafka: &KafkaSettings, settings: &LedgerSettings, name: &str) -> ClientConfig {
    let overrides = [
        ("group.id", settings.group.as_str()), // to ask for committed offsets; never joined
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        // What retention took meanwhile needs no receipt any more.
        ("auto.offset.reset", "earliest"),
        ("enable.partition.eof", "true"),
        ("isolation.level", "read_uncommitted"),
        // What is prefetched is memory on top of the receipts; more of it reads no faster.
        ("queued.min.messages", "5000"),
        ("queued.max.messages.kbytes", "2048"),
        ("fetch.max.bytes", "2097152"),
        ("max.partition.fetch.bytes", "262144"),
        ("fetch.queue.backoff.ms", "5"),
        // Most of what is tailed are our own receipts: taken in larger pieces, at most a tenth of a second late.
        ("fetch.min.bytes", "65536"),
        ("fetch.wait.max.ms", "100"),
    ];
    kafka.client_config(&format!("{}-{name}", settings.group), &overrides)
}

impl Reader {
    pub(super) fn new(
        kafka: &KafkaSettings,
        settings: LedgerSettings,
        orders: Receiver<Order>,
        events: Sender<LedgerEvent>,
    ) -> Result<Self, KafkaError> {
        let client = |name: &str| {
            config(kafka, &settings, name)
                .create_with_context(PlainContext::default())
                .map_err(|source| KafkaError::Client { purpose: "a lane's ledger", source })
        };
        let (consumer, asker) = (client("ledger")?, client("positions")?);
        Ok(Self {
            consumer,
            asker,
            settings,
            orders,
            events,
            shelves: BTreeMap::new(),
            quiet: Quiet::default(),
            undecodable: 0,
        })
    }

    /// Until the handle or the lane is gone.
    pub(super) fn run(mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Restore { partition, epoch }) => self.restore(partition, epoch),
                Ok(Order::Forget { partition }) => self.forget(partition),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    if self.start_waiting().and_then(|()| self.read()).is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn restore(&mut self, partition: i32, epoch: u64) {
        self.forget(partition);
        let state = State::Waiting { retry_at: Instant::now(), said: String::new() };
        self.shelves.insert(partition, Shelf { epoch, state, records: Vec::new(), progress_at: None });
    }

    fn forget(&mut self, partition: i32) {
        let Some(Shelf { state, .. }) = self.shelves.remove(&partition) else { return };
        if matches!(state, State::Waiting { .. }) {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.settings.ledger_topic, partition);
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::error!(partition, %error, "cannot stop reading the ledger");
        }
    }

    /// Asks the questions of one partition whose turn it is, so that records and orders are not kept waiting by many.
    fn start_waiting(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        let due = self.shelves.iter().find_map(|(partition, shelf)| match &shelf.state {
            State::Waiting { retry_at, .. } if *retry_at <= now => Some(*partition),
            State::Waiting { .. } | State::Restoring { .. } | State::Tailing => None,
        });
        let Some(partition) = due else { return Ok(()) };
        let started = ask(&self.asker, &self.settings, partition)
            .and_then(|start| self.assign(partition, start.low).map(|()| start).map_err(|error| describe(&error)));
        match started {
            Ok(Start { low, positions }) => self.begin(partition, low, positions),
            Err(detail) => self.failed(partition, detail),
        }
    }

    fn begin(&mut self, partition: i32, low: i64, positions: Positions) -> Result<(), Gone> {
        let nothing_to_read = positions.ledger_high <= low;
        if let Some(shelf) = self.shelves.get_mut(&partition) {
            shelf.state = State::Restoring { positions, complete_at: None };
        }
        if nothing_to_read { self.restored(partition) } else { Ok(()) }
    }

    fn assign(&self, partition: i32, offset: i64) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.settings.ledger_topic, partition, Offset::Offset(offset))?;
        self.consumer.incremental_assign(&list)
    }

    fn failed(&mut self, partition: i32, detail: String) -> Result<(), Gone> {
        let Some(shelf) = self.shelves.get_mut(&partition) else { return Ok(()) };
        let known = matches!(&shelf.state, State::Waiting { said, .. } if *said == detail);
        shelf.state = State::Waiting { retry_at: Instant::now() + RETRY_AFTER, said: detail.clone() };
        if known {
            return Ok(());
        }
        let event = LedgerEvent::Failed { partition, epoch: shelf.epoch, detail };
        self.events.blocking_send(event).map_err(|_| Gone)
    }

    /// Takes what lies ready, up to one batch, and hands it over.
    fn read(&mut self) -> Result<(), Gone> {
        let mut wait = IDLE;
        for _ in 0..BATCH {
            let Some(polled) = self.consumer.poll(wait) else { break };
            wait = Duration::ZERO;
            let done = match polled {
                Ok(message) => shelve(&mut self.shelves, &mut self.undecodable, &message),
                Err(RdKafkaError::PartitionEOF(partition)) => {
                    end_told(&mut self.shelves, partition);
                    None
                }
                Err(error) => {
                    note_error(&self.quiet, &error);
                    None
                }
            };
            if let Some(partition) = done {
                self.restored(partition)?;
            }
        }
        complete(&self.shelves).into_iter().try_for_each(|partition| self.restored(partition))?;
        let partitions: Vec<i32> = self.shelves.keys().copied().collect();
        partitions.into_iter().try_for_each(|partition| self.hand_over(partition))
    }

    fn hand_over(&mut self, partition: i32) -> Result<(), Gone> {
        let Some(shelf) = self.shelves.get_mut(&partition).filter(|shelf| !shelf.records.is_empty()) else {
            return Ok(());
        };
        let (epoch, records) = (shelf.epoch, std::mem::take(&mut shelf.records));
        self.events.blocking_send(LedgerEvent::Records { partition, epoch, records }).map_err(|_| Gone)
    }

    fn restored(&mut self, partition: i32) -> Result<(), Gone> {
        self.hand_over(partition)?;
        let Some(shelf) = self.shelves.get_mut(&partition) else { return Ok(()) };
        let State::Restoring { positions, complete_at } = &mut shelf.state else { return Ok(()) };
        let asked = shelf.progress_at.map(|at| first_after(&self.asker, &self.settings, partition, at));
        match asked.unwrap_or(Ok(None)) {
            Ok(after_progress) => {
                let positions = Positions { after_progress, ..positions.clone() };
                shelf.state = State::Tailing;
                let event = LedgerEvent::Restored { partition, epoch: shelf.epoch, positions };
                self.events.blocking_send(event).map_err(|_| Gone)
            }
            Err(detail) => {
                *complete_at = Some(Instant::now() + RETRY_AFTER);
                if self.quiet.is_news(&detail) {
                    tracing::warn!(partition, detail, "cannot finish a restore yet; trying again");
                }
                Ok(())
            }
        }
    }
}

/// An end before all that was there has been read: believed after a while.
fn end_told(shelves: &mut BTreeMap<i32, Shelf>, partition: i32) {
    if let Some(Shelf { state: State::Restoring { complete_at, .. }, .. }) = shelves.get_mut(&partition) {
        complete_at.get_or_insert(Instant::now() + END_BELIEVED_AFTER);
    }
}

/// The partitions whose restore is taken for complete by now.
fn complete(shelves: &BTreeMap<i32, Shelf>) -> Vec<i32> {
    let now = Instant::now();
    let is_complete = |shelf: &Shelf| matches!(&shelf.state, State::Restoring { complete_at: Some(complete_at), .. } if *complete_at <= now);
    shelves.iter().filter(|(_, shelf)| is_complete(shelf)).map(|(partition, _)| *partition).collect()
}

/// Puts the record on its shelf. The partition, if its restore is complete with it.
fn shelve(shelves: &mut BTreeMap<i32, Shelf>, undecodable: &mut u64, message: &BorrowedMessage<'_>) -> Option<i32> {
    let (partition, offset) = (message.partition(), message.offset());
    let shelf = shelves.get_mut(&partition)?;
    let appended_at = Timestamp(message.timestamp().to_millis().unwrap_or(0));
    match postrider_wire::decode_ledger_record(message.key().unwrap_or_default(), message.payload(), appended_at) {
        Ok(record) => {
            let is_progress = |record: &LedgerRecord| matches!(record.entry, Some(LedgerEntry::Progress(_)));
            if record.as_ref().is_some_and(is_progress) {
                shelf.progress_at = Some(appended_at);
            }
            shelf.records.extend(record);
        }
        Err(error) => {
            *undecodable += 1;
            if undecodable.is_power_of_two() {
                tracing::error!(partition, offset, count = *undecodable, %error, "a ledger entry cannot be read and is passed over");
            }
        }
    }
    match &shelf.state {
        State::Restoring { positions, .. } if positions.ledger_high <= offset + 1 => Some(partition),
        State::Restoring { .. } | State::Waiting { .. } | State::Tailing => None,
    }
}

fn note_error(quiet: &Quiet, error: &RdKafkaError) {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AllBrokersDown) => tracing::debug!("the ledger waits for a broker"),
        _ if quiet.is_news(&describe(error)) => {
            tracing::warn!(error = %describe(error), "cannot read the ledger for now");
        }
        _ => {}
    }
}
