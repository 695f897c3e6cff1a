//! Parts for tests: a real Apache Kafka, a scripted SMTP server, a scripted Slack endpoint, Python packages to be held
//! against. Never shipped.

pub mod kafka;
pub mod ports;
pub mod python;
pub mod slack;
pub mod smtp;
