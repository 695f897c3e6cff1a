//! The consumer that is in no group: reads the partitions it is told to, from the offsets it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use postrider_domain::{Position, Record, RecordHeader, Timestamp};
use rdkafka::{
    ClientConfig, ClientContext, Message, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError as RdKafkaError, KafkaResult, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
    topic_partition_list::Offset,
};

use super::SourceSettings;
use crate::{
    KafkaError, KafkaSettings,
    client::{self, Quiet},
    error::describe,
};

/// Records of one batch at most.
const BATCH_RECORDS: usize = 500;
/// Bytes of one batch at most, but for its last record.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// librdkafka's word for a partition that it does not fetch.
const NOT_FETCHED: &str = "none";

/// Where a partition stands.
#[derive(Debug)]
pub(super) struct Reading {
    /// The next offset to hand out; gaps may lie ahead of it.
    pub(super) next: i64,
    pub(super) paused: bool,
    /// The end as it was before this reading began. If librdkafka reaches it without a record, what lies between is not
    /// for us: markers of transactions.
    pub(super) proves: Option<i64>,
    /// The last record that was handed out, and when it was appended.
    pub(super) last: Option<(i64, Timestamp)>,
    /// The same at the last look from outside, or of the first one.
    pub(super) anchor: Option<(i64, Timestamp)>,
    /// How often in a row librdkafka has said that it does not fetch the partition.
    idle: u8,
}

impl Reading {
    pub(super) fn from(offset: i64) -> Self {
        Self { next: offset, paused: false, proves: None, last: None, anchor: None, idle: 0 }
    }
}

/// What one look at the topic brought.
#[derive(Debug, Default)]
pub(super) struct Haul {
    pub(super) records: Vec<Record>,
    /// Some partition has been read to its end.
    pub(super) at_end: bool,
    /// Partitions that hold nothing for us below this position.
    pub(super) passed: Vec<(i32, i64)>,
    /// Partitions whose position the broker refuses.
    pub(super) refused: Vec<i32>,
    pub(super) fatal: Option<String>,
}

/// librdkafka says that some position was refused, not which; its statistics say what it no longer fetches.
#[derive(Default)]
struct FetcherContext {
    /// The partitions not fetched at the last statistics, if those have not been looked at.
    idle: Mutex<Option<BTreeSet<i32>>>,
}

impl ClientContext for FetcherContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        client::log(level, fac, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        tracing::debug!(error = %describe(&error), reason, "Kafka client error");
    }

    fn stats(&self, statistics: Statistics) {
        let partitions = statistics.topics.values().flat_map(|topic| topic.partitions.values());
        let idle =
            partitions.filter(|partition| partition.fetch_state == NOT_FETCHED).map(|partition| partition.partition);
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(idle.collect());
    }
}

impl ConsumerContext for FetcherContext {}

pub(super) struct Fetcher {
    consumer: BaseConsumer<FetcherContext>,
    topic: String,
    quiet: Quiet,
    /// Some position has been refused since the start.
    has_refused: bool,
    pub(super) reading: BTreeMap<i32, Reading>,
}

pub(super) fn config(kafka: &KafkaSettings, settings: &SourceSettings) -> ClientConfig {
    let overrides = [
        ("group.id", settings.group.as_str()), // asked for by librdkafka's assign; never joined
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", "true"),
        ("queued.min.messages", "2000"),
        ("queued.max.messages.kbytes", "16384"),
        ("fetch.queue.backoff.ms", "5"),
        ("fetch.wait.max.ms", "100"),
        ("statistics.interval.ms", "1000"),
    ];
    kafka.client_config(&settings.client_id, &overrides)
}

impl Fetcher {
    pub(super) fn new(kafka: &KafkaSettings, settings: &SourceSettings) -> Result<Self, KafkaError> {
        let consumer = config(kafka, settings)
            .create_with_context(FetcherContext::default())
            .map_err(|source| KafkaError::Client { purpose: "a lane's records", source })?;
        Ok(Self {
            consumer,
            topic: settings.topic.clone(),
            quiet: Quiet::default(),
            has_refused: false,
            reading: BTreeMap::new(),
        })
    }

    /// Starts, or starts over, at exactly this offset.
    pub(super) fn read_from(&mut self, partition: i32, offset: i64) -> KafkaResult<()> {
        self.stop(&[partition])?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))?;
        self.consumer.incremental_assign(&list)?;
        self.consumer.resume(&list)?; // a pause survives assignments
        self.reading.insert(partition, Reading::from(offset));
        Ok(())
    }

    /// Reads these no more; those not being read are passed over.
    pub(super) fn stop(&mut self, partitions: &[i32]) -> KafkaResult<()> {
        let list = self.list(partitions);
        self.reading.retain(|partition, _| !partitions.contains(partition));
        if list.count() == 0 { Ok(()) } else { self.consumer.incremental_unassign(&list) }
    }

    pub(super) fn pause(&mut self, partitions: &[i32]) -> KafkaResult<()> {
        self.consumer.pause(&self.list(partitions))?;
        self.each(partitions, |reading| reading.paused = true);
        Ok(())
    }

    pub(super) fn resume(&mut self, partitions: &[i32]) -> KafkaResult<()> {
        self.consumer.resume(&self.list(partitions))?;
        self.each(partitions, |reading| reading.paused = false);
        Ok(())
    }

    fn each(&mut self, partitions: &[i32], mut change: impl FnMut(&mut Reading)) {
        for partition in partitions {
            if let Some(reading) = self.reading.get_mut(partition) {
                change(reading);
            }
        }
    }

    fn list(&self, partitions: &[i32]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions.iter().filter(|partition| self.reading.contains_key(partition)) {
            list.add_partition(&self.topic, *partition);
        }
        list
    }

    /// Waits up to `patience` for the first record and takes what lies ready, up to one batch.
    pub(super) fn poll(&mut self, patience: Duration) -> Haul {
        let (mut haul, mut bytes, mut wait) = (Haul::default(), 0, patience);
        while haul.records.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    if let Some(record) = take(&mut self.reading, &message) {
                        bytes += record.size();
                        haul.records.push(record);
                    }
                }
                Some(Err(RdKafkaError::PartitionEOF(partition))) => {
                    haul.at_end = true;
                    haul.passed.extend(pass(&mut self.reading, partition));
                }
                Some(Err(error)) if is_refusal(&error) => self.has_refused = true,
                Some(Err(error)) => note_error(&mut haul, &self.quiet, &error),
            }
            wait = Duration::ZERO;
        }
        haul.refused = self.refused();
        haul
    }

    /// What is read and yet not fetched. Said twice: statistics that waited may tell of the time before a start.
    fn refused(&mut self) -> Vec<i32> {
        let idle = self.consumer.context().idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(idle) = idle.filter(|_| self.has_refused) else { return Vec::new() };
        for (partition, reading) in &mut self.reading {
            reading.idle = if idle.contains(partition) { reading.idle.saturating_add(1) } else { 0 };
        }
        self.reading.iter().filter(|(_, reading)| 2 <= reading.idle).map(|(partition, _)| *partition).collect()
    }
}

/// Counts the message in and copies it out; none if it is not ours to hand out (any more).
fn take(reading: &mut BTreeMap<i32, Reading>, message: &BorrowedMessage<'_>) -> Option<Record> {
    let reading = reading.get_mut(&message.partition())?;
    if message.offset() < reading.next {
        return None;
    }
    reading.next = message.offset() + 1;
    reading.proves = None;
    let appended_at = Timestamp(message.timestamp().to_millis().unwrap_or(0));
    reading.last = Some((message.offset(), appended_at));
    reading.anchor = reading.anchor.or(reading.last);
    Some(Record {
        position: Position { partition: message.partition(), offset: message.offset() },
        appended_at,
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: message.headers().map(copy_headers).unwrap_or_default(),
    })
}

/// librdkafka's binding panics on a header name that is not UTF-8, which any client may write. Such a header is of no use
/// to us, and must not take the thread with it: the record would stop every process it comes to.
fn copy_headers(headers: &impl Headers) -> Vec<RecordHeader> {
    let copy = |index| {
        let header = headers.get(index);
        RecordHeader { name: header.key.to_owned(), value: header.value.map(<[u8]>::to_vec) }
    };
    (0..headers.count())
        .map(|index| {
            catch_unwind(AssertUnwindSafe(|| copy(index)))
                .unwrap_or_else(|_| RecordHeader { name: "(not UTF-8)".to_owned(), value: None })
        })
        .collect()
}

/// The end is reached: what was to be proven, is.
fn pass(reading: &mut BTreeMap<i32, Reading>, partition: i32) -> Option<(i32, i64)> {
    let reading = reading.get_mut(&partition)?;
    let end = reading.proves.take().filter(|end| reading.next < *end)?;
    reading.next = end;
    Some((partition, end))
}

fn is_refusal(error: &RdKafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(code, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
}

fn note_error(haul: &mut Haul, quiet: &Quiet, error: &RdKafkaError) {
    match error {
        RdKafkaError::MessageConsumptionFatal(_) => haul.fatal = Some(describe(error)),
        _ => match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => {} // the member hears of it too
            _ if quiet.is_news(&describe(error)) => {
                tracing::warn!(error = %describe(error), "cannot fetch for now");
            }
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Header;

    use super::*;

    /// Three headers as the binding hands them over; the name of the second is not UTF-8.
    struct Foreign;

    impl Headers for Foreign {
        fn count(&self) -> usize {
            3
        }

        fn try_get(&self, index: usize) -> Option<Header<'_, &[u8]>> {
            assert_ne!(index, 1, "not UTF-8");
            Some(Header { key: ["a", "", "b"][index], value: Some(b"x") })
        }
    }

    #[test]
    fn a_header_name_that_is_not_utf8_costs_itself_alone() {
        let headers: Vec<_> = copy_headers(&Foreign).into_iter().map(|header| (header.name, header.value)).collect();
        let good = |name: &str| (name.to_owned(), Some(b"x".to_vec()));
        assert_eq!(headers, [good("a"), ("(not UTF-8)".to_owned(), None), good("b")]);
    }
}
