//! How many partitions a topic has: the one question that every broker answers, with or without an admin API.

use std::sync::Arc;

use rdkafka::admin::AdminClient;

use super::admin::shapes;
use crate::{KafkaError, KafkaSettings, client::PlainContext};

/// The topic's partitions.
///
/// # Errors
/// The topic does not exist, or the cluster does not answer within 15 s.
pub async fn partition_count(kafka: &KafkaSettings, topic: &str) -> Result<i32, KafkaError> {
    let client: Arc<AdminClient<PlainContext>> = Arc::new(
        kafka
            .client_config("postrider-topics", &[])
            .create_with_context(PlainContext::default())
            .map_err(|source| KafkaError::Client { purpose: "the topics", source })?,
    );
    let (_, topics) = shapes(client, &[topic.to_owned()]).await?;
    topics.get(topic).map(|found| found.partitions).ok_or_else(|| KafkaError::NoTopic { topic: topic.to_owned() })
}
