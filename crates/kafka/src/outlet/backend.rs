//! librdkafka's producer as we use it: its settings, one write, and what its refusals mean.

use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError as RdKafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, ProducerContext},
};

use super::{OutletSettings, Refusal, Reply};
use crate::{
    KafkaError, KafkaSettings,
    client::{self, Health},
    error::describe,
    writer::{Write, WriteFailure, WriteFailureKind},
};

/// The most librdkafka may hold, in KiB.
const QUEUE_KIB: &str = "131072";

pub(crate) type Client = BaseProducer<OutletContext>;

/// Idempotent, acks=all, bounded, Java's partitioner. One far from its cluster may want another compression or larger
/// batches: there the user's word counts.
pub(crate) fn config(kafka: &KafkaSettings, settings: &OutletSettings) -> ClientConfig {
    let (timeout, linger) =
        (settings.delivery_timeout.as_millis().to_string(), settings.linger.as_millis().to_string());
    let largest = settings.message_max_bytes.max(1_000_000).to_string();
    let overrides = [
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("partitioner", "murmur2_random"),
        ("delivery.timeout.ms", timeout.as_str()),
        ("message.max.bytes", largest.as_str()),
        ("queue.buffering.max.kbytes", QUEUE_KIB),
        ("queue.buffering.max.messages", "100000"),
    ];
    let mut config = kafka.client_config(&settings.client_id, &overrides);
    let requests = settings.requests_max.to_string();
    let defaults = [("compression.type", "lz4"), ("linger.ms", linger.as_str()), ("max.in.flight", requests.as_str())];
    kafka.set_defaults(&mut config, &defaults);
    config
}

/// A client; it connects in the background.
pub(crate) fn create(config: &ClientConfig) -> Result<Client, KafkaError> {
    config
        .create_with_context(OutletContext::default())
        .map_err(|source| KafkaError::Client { purpose: "writing", source })
}

/// Hands one write to librdkafka without waiting; it gives the reply back if it does not take it.
pub(super) fn produce(client: &Client, write: &Write, reply: Box<Reply>) -> Result<(), (RdKafkaError, Box<Reply>)> {
    let mut record = BaseRecord::<[u8], [u8], Box<Reply>>::with_opaque_to(&write.topic, reply);
    record.partition = write.partition;
    record.key = write.key.as_deref();
    record.payload = write.value.as_deref();
    if !write.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(write.headers.len());
        record.headers = Some(write.headers.iter().fold(headers, |headers, header| {
            headers.insert(Header { key: &header.name, value: header.value.as_deref() })
        }));
    }
    client.send(record).map_err(|(error, record)| (error, record.delivery_opaque))
}

/// What a refused or unreported write means.
pub(super) fn refusal(error: &RdKafkaError, client_is_dead: bool) -> Refusal {
    let code = error.rdkafka_error_code();
    let kind = match code {
        _ if client_is_dead => WriteFailureKind::Fatal,
        Some(code) => failure_kind(code),
        None => WriteFailureKind::Refused,
    };
    Refusal { failure: WriteFailure { kind, detail: describe(error) }, code }
}

fn failure_kind(code: RDKafkaErrorCode) -> WriteFailureKind {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Fatal | Code::Fenced => WriteFailureKind::Fatal,
        Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidMessage
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::PolicyViolation
        | Code::InvalidArgument
        | Code::UnsupportedCompressionType
        | Code::UnsupportedForMessageFormat => WriteFailureKind::Refused,
        // Everything else passes, or its end is not known: writing it again is right.
        _ => WriteFailureKind::TimedOut,
    }
}

/// Hears of deliveries, and of brokers that went away.
#[derive(Debug, Default)]
pub(crate) struct OutletContext {
    pub(super) health: Health,
}

impl ClientContext for OutletContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        client::log(level, fac, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        self.health.note(&error, reason);
    }
}

impl ProducerContext for OutletContext {
    type DeliveryOpaque = Box<Reply>;

    fn delivery(&self, result: &DeliveryResult<'_>, reply: Box<Reply>) {
        match result {
            Ok(message) => {
                self.health.set_down(false);
                reply.answer(Ok((message.partition(), message.offset())));
            }
            Err((error, _)) => reply.answer(Err(refusal(error, false))),
        }
    }
}
