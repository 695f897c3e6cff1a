//! Everything Postrider says to Kafka, and the only crate that knows librdkafka.
//!
//! | part | what it is |
//! |---|---|
//! | [`Source`] | a lane's membership and its records, as events from one thread of its own |
//! | [`Ledger`] | restores and tails ledger partitions, on one thread of its own |
//! | [`Writer`] | idempotent writes whose acknowledgements come back as events, for a lane |
//! | [`Producer`] | idempotent writes that are awaited, for ingest |
//! | [`topics`] | creates and checks the topics |
//! | [`groups`] | looks at a group from outside and sets its offsets while it is empty |
//!
//! No call of a handle blocks on the network. Nothing here decides anything about deliveries.

mod client;
mod error;
mod ledger;
mod outlet;
mod producer;
mod settings;
mod source;
mod times;
mod trial;
mod writer;

pub mod groups;
pub mod topics;

pub use client::boot_time;
pub use error::KafkaError;
pub use ledger::{Ledger, LedgerEvent, LedgerSettings, Positions};
pub use producer::{ProduceError, Producer, ProducerSettings};
pub use settings::{KafkaSettings, RefusedProperty, doubled_properties, refused_properties, unusable_properties};
pub use source::{CommitFailure, CommitFailureKind, CommitPosition, Source, SourceEvent, SourceSettings};
pub use trial::refused_together;
pub use writer::{Write, WriteEvent, WriteFailure, WriteFailureKind, Writer};
