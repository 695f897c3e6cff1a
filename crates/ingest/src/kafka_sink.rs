//! The sink in production: Kafka.

use async_trait::async_trait;
use postrider_domain::RecordHeader;
use postrider_kafka::{ProduceError, Producer};

use crate::sink::{EventSink, SinkError};

/// Writes events to one topic, idempotently and with acks=all.
#[derive(Debug)]
pub struct KafkaSink {
    producer: Producer,
    topic: String,
}

impl KafkaSink {
    /// A sink that writes to `topic`.
    pub fn new(producer: Producer, topic: impl Into<String>) -> Self {
        Self { producer, topic: topic.into() }
    }
}

#[async_trait]
impl EventSink for KafkaSink {
    async fn produce(&self, key: &str, value: Vec<u8>, headers: Vec<RecordHeader>) -> Result<(i32, i64), SinkError> {
        self.producer.produce(&self.topic, key.as_bytes(), value, headers).await.map_err(|error| match error {
            ProduceError::TooLarge { .. } => SinkError::TooLarge,
            ProduceError::Unknown { .. } => SinkError::Unknown(error.into()),
            ProduceError::Unavailable { .. } | ProduceError::Refused { .. } => SinkError::Unavailable(error.into()),
        })
    }

    fn ready(&self) -> bool {
        self.producer.broker_answers()
    }
}
