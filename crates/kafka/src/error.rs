//! What can go wrong with Kafka for good. What may pass (a broker that is away) is an event, not an error.

/// An act that failed. `Display` names the act; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// librdkafka refuses the settings. The cause names the property.
    #[error("cannot set up a Kafka client for {purpose}; check [kafka] and [kafka.properties]")]
    Client {
        /// What the client was for.
        purpose: &'static str,
        /// librdkafka's words.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// The operating system gave no thread.
    #[error("cannot start the thread of {purpose}")]
    Thread {
        /// What the thread was for.
        purpose: &'static str,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// A request to the cluster failed.
    #[error("Kafka refused or did not answer: {act}")]
    Request {
        /// What we asked for.
        act: String,
        /// librdkafka's words.
        #[source]
        source: rdkafka::error::KafkaError,
    },
    /// The client can never work again; the process must start afresh.
    #[error("the Kafka client of {purpose} failed for good: {detail}; start the process again")]
    Fatal {
        /// What the client was for.
        purpose: &'static str,
        /// librdkafka's words.
        detail: String,
    },
    /// A topic that must exist does not.
    #[error("the topic {topic} does not exist; create it with `postrider topics apply`")]
    NoTopic {
        /// Its name.
        topic: String,
    },
    /// The group has members, so its offsets cannot be set from outside.
    #[error("the group {group} has members ({members}); stop them first")]
    GroupNotEmpty {
        /// The group.
        group: String,
        /// How many.
        members: usize,
    },
}

impl KafkaError {
    /// A request that failed.
    pub(crate) fn request(act: impl Into<String>, source: rdkafka::error::KafkaError) -> Self {
        Self::Request { act: act.into(), source }
    }
}

/// A code and what librdkafka says of it, for a log line or an event's detail.
pub(crate) fn describe(error: &rdkafka::error::KafkaError) -> String {
    error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string())
}
