//! The questions asked before a restore: where the group and both topics stand.

use std::time::Duration;

use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    topic_partition_list::Offset,
};

use postrider_domain::Timestamp;

use super::{LedgerSettings, Positions};
use crate::{
    client::{PlainContext, REQUEST_TIMEOUT},
    error::describe,
    times::first_since,
};

/// Append times of events and of the ledger are those of two brokers.
const CLOCKS_DIFFER: Duration = Duration::from_secs(10);

/// Where a restore begins and what it must reach.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) low: i64,
    pub(super) positions: Positions,
}

/// The group's committed position and its metadata, of one partition.
type Committed = Option<(i64, String)>;

/// Asks for one partition; blocks up to a few seconds. The words for what was not answered.
pub(super) fn ask(
    consumer: &BaseConsumer<PlainContext>,
    settings: &LedgerSettings,
    partition: i32,
) -> Result<Start, String> {
    let committed = committed(consumer, settings, partition)?;
    let watermarks = |topic: &str| {
        consumer.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).map_err(|error| {
            // librdkafka remembers for long that a topic was not there; asking by name makes it look again.
            drop(consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT));
            format!("cannot ask for the offsets of {topic}: {}", describe(&error))
        })
    };
    let (low, high) = watermarks(&settings.events_topic)?;
    let (ledger_low, ledger_high) = watermarks(&settings.ledger_topic)?;
    Ok(Start { low: ledger_low, positions: Positions { committed, low, high, ledger_high, after_progress: None } })
}

/// The first event of the partition that was appended long after this, if there is one; blocks up to a few seconds.
pub(super) fn first_after(
    consumer: &BaseConsumer<PlainContext>,
    settings: &LedgerSettings,
    partition: i32,
    written_at: Timestamp,
) -> Result<Option<i64>, String> {
    let from = written_at.after(CLOCKS_DIFFER);
    first_since(consumer, &settings.events_topic, &[(partition, from)], REQUEST_TIMEOUT)
        .and_then(|found| found.into_iter().next().map_or(Ok(None), |(_, first)| first))
        .map_err(|error| format!("cannot ask for the times of {}: {}", settings.events_topic, describe(&error)))
}

/// The lists are dropped before it returns: one that outlives the consumer would hang its end.
fn committed(
    consumer: &BaseConsumer<PlainContext>,
    settings: &LedgerSettings,
    partition: i32,
) -> Result<Committed, String> {
    let failed = |error| format!("cannot ask for the committed offset of {}: {}", settings.group, describe(&error));
    let mut question = TopicPartitionList::with_capacity(1);
    question.add_partition(&settings.events_topic, partition);
    let answer = consumer.committed_offsets(question, REQUEST_TIMEOUT).map_err(failed)?;
    let elements = answer.elements();
    let Some(element) = elements.first() else { return Ok(None) };
    element.error().map_err(failed)?;
    match element.offset() {
        Offset::Offset(position) => Ok(Some((position, metadata(element)))),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => Ok(None),
    }
}

/// librdkafka's binding panics on metadata that is not UTF-8; such metadata is not ours, which is all that matters.
fn metadata(element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> String {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| element.metadata().to_owned()))
        .unwrap_or_else(|_| "(not UTF-8)".to_owned())
}
