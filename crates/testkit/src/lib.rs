//! Parts for tests: a real Apache Kafka, a scripted SMTP server, a scripted Slack endpoint. Never shipped.

pub mod kafka;
pub mod slack;
pub mod smtp;
