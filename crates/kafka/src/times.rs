//! Offsets by append time: what tells a topic that was made anew from the one that was read.

use std::time::Duration;

use postrider_domain::Timestamp;
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaResult,
    topic_partition_list::Offset,
};

/// The first offset of each partition that was appended at its time or later; none: there is none. Blocks up to `patience`.
pub(crate) fn first_since<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    times: &[(i32, Timestamp)],
    patience: Duration,
) -> KafkaResult<Vec<(i32, KafkaResult<Option<i64>>)>> {
    let mut question = TopicPartitionList::with_capacity(times.len());
    for (partition, time) in times {
        question.add_partition_offset(topic, *partition, Offset::Offset(time.0))?;
    }
    let answer = consumer.offsets_for_times(question, patience)?;
    let first = |offset| match offset {
        Offset::Offset(offset) => Some(offset),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    };
    let found = answer.elements().into_iter();
    Ok(found.map(|element| (element.partition(), element.error().map(|()| first(element.offset())))).collect())
}
