//! What Postrider relies on in Kafka, shown on a real broker; glue that needs none, on librdkafka's mock cluster.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail the test")]

mod groups;
mod ledger;
mod mock;
mod outage;
mod source;
mod support;
mod topics;
mod writes;
