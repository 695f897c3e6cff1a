//! A group seen from outside: who is in it, and its offsets while nobody is.

use rdkafka::{
    ClientConfig, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    topic_partition_list::Offset,
};

use crate::{
    CommitPosition, KafkaError, KafkaSettings,
    client::{PlainContext, REQUEST_TIMEOUT},
};

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id the coordinator gave it.
    pub id: String,
    /// Its client id.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
}

/// The members of the group; empty also if there is no such group. Blocks up to 10 s.
///
/// # Errors
/// The cluster does not answer.
pub fn group_members(kafka: &KafkaSettings, group: &str) -> Result<Vec<Member>, KafkaError> {
    let consumer = group_client(kafka, group)?;
    let list = consumer
        .fetch_group_list(Some(group), REQUEST_TIMEOUT * 5)
        .map_err(|source| KafkaError::request(format!("list the members of the group {group}"), source))?;
    let members = list.groups().iter().filter(|found| found.name() == group).flat_map(|found| {
        found.members().iter().map(|member| Member {
            id: member.id().to_owned(),
            client_id: member.client_id().to_owned(),
            host: member.client_host().to_owned(),
        })
    });
    Ok(members.collect())
}

/// Sets the group's committed positions. Works only while the group has no members. Blocks up to a minute.
///
/// # Errors
/// The group has members, or the cluster refuses or does not answer.
pub fn commit_as_group(
    kafka: &KafkaSettings,
    group: &str,
    topic: &str,
    positions: &[CommitPosition],
) -> Result<(), KafkaError> {
    let members = group_members(kafka, group)?.len();
    if members > 0 {
        return Err(KafkaError::GroupNotEmpty { group: group.to_owned(), members });
    }
    let act = || format!("commit offsets of the group {group}");
    let consumer = group_client(kafka, group)?;
    let list = position_list(topic, positions).map_err(|source| KafkaError::request(act(), source))?;
    let result = consumer.commit(&list, CommitMode::Sync).map_err(|source| KafkaError::request(act(), source));
    drop(list); // before the consumer: its drop waits for lists that came from it
    result
}

/// Positions with their metadata as librdkafka takes them.
pub(crate) fn position_list(
    topic: &str,
    positions: &[CommitPosition],
) -> Result<TopicPartitionList, rdkafka::error::KafkaError> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for position in positions {
        let mut element = list.add_partition(topic, position.partition);
        element.set_offset(Offset::Offset(position.position))?;
        element.set_metadata(&position.metadata);
    }
    Ok(list)
}

pub(crate) fn config(kafka: &KafkaSettings, group: &str) -> ClientConfig {
    kafka.client_config("postrider-groups", &[("group.id", group), ("enable.auto.commit", "false")])
}

fn group_client(kafka: &KafkaSettings, group: &str) -> Result<BaseConsumer<PlainContext>, KafkaError> {
    config(kafka, group)
        .create_with_context(PlainContext::default())
        .map_err(|source| KafkaError::Client { purpose: "the group's offsets", source })
}
