//! The HTTP API in front of Kafka: validate, encode, write, and answer 202 only after the broker's acknowledgement.
//!
//! The way of a request: [`Ingest`] serves → `handlers` (one file per address) → `keys` (whose is it?) → `body` (bounded
//! reading) → `parse` (JSON to a checked event, all problems at once) → `accept` (Avro, then the [`EventSink`]) →
//! answer. What is refused on the way is a `refusal`, told as `application/problem+json`.
//!
//! Nothing here queues: past a limit a request is answered 429 at once. Nothing here retries; the client's
//! repetition with the same key is always safe. Reading an event's state back (`GET /v1/notifications/{event_key}`)
//! is not built.

mod accept;
mod app;
mod body;
mod call;
mod handlers;
mod kafka_sink;
mod keys;
mod metrics;
mod openapi;
mod parse;
mod refusal;
mod server;
mod settings;
mod sink;
mod trace;

pub use accept::{Accepted, Recipient};
pub use handlers::batch::{AcceptedItem, BatchAnswer, BatchProblem, ITEMS_MAX, ItemResult};
pub use kafka_sink::KafkaSink;
pub use metrics::IngestMetrics;
pub use openapi::DOCUMENT as OPENAPI;
pub use parse::Problem;
pub use refusal::{MaybeAccepted, ProblemDocument};
pub use server::{Ingest, IngestError, RunningIngest};
pub use settings::{ApiKey, IngestLimits, IngestSettings, LOCAL_SOURCE};
pub use sink::{BoxError, EventSink, SinkError};
