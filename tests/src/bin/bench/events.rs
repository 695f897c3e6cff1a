//! Events to measure with, and the configuration they are measured under.

use anyhow::Result;
use postrider_domain::{Address, Email, Notification, Timestamp, partitioner::partition_of};
use postrider_testkit::kafka::{RawRecord, RealKafka};
use postrider_wire::encode_notification;

use crate::process::run;

pub(crate) const PARTITIONS: i32 = 12;

/// An event with one mail whose text has that many bytes.
pub(crate) fn event(number: usize, bytes: usize) -> Notification {
    let to = Address { address: format!("user{number}@example.com"), name: None };
    Notification {
        source: "bench".into(),
        event_key: format!("bench-{number}"),
        event_type: "bench.mail".into(),
        occurred_at: Timestamp(0),
        not_before: None,
        expires_at: None,
        template: None,
        email: Some(Email {
            to: vec![to],
            subject: Some("A measurement".into()),
            text: Some(text(bytes)),
            ..Email::default()
        }),
        slack: None,
        metadata: Default::default(),
    }
}

/// Lines of 64 bytes, so that nobody has to fold or encode them.
fn text(bytes: usize) -> String {
    let line = format!("{}\r\n", "abcdefghijklmno ".repeat(4).trim_end());
    line.repeat(bytes.div_ceil(line.len()))
}

/// Puts `count` events on the topic, where murmur2 wants them.
pub(crate) fn produce(kafka: &RealKafka, topic: &str, count: usize, bytes: usize) -> Result<()> {
    let records: Vec<RawRecord> = (0..count)
        .map(|number| {
            let event = event(number, bytes);
            let partition = partition_of(event.event_key.as_bytes(), PARTITIONS);
            RawRecord::new(partition, event.event_key.clone(), encode_notification(&event))
        })
        .collect();
    kafka.produce(topic, &records)
}

/// Topics of its own for one measurement, made as a user makes them.
pub(crate) fn topics(kafka: &RealKafka, name: &str) -> Result<String> {
    let topic = kafka.unique(name);
    let configuration = configuration(kafka, &topic, 25, 20);
    run(&["topics", "apply"], &configuration)?;
    Ok(topic)
}

/// A lane for mail to this port, with that many connections.
pub(crate) fn configuration(kafka: &RealKafka, topic: &str, port: u16, connections: usize) -> String {
    let servers = kafka.bootstrap_servers();
    format!(
        r#"
[kafka]
bootstrap_servers = "{servers}"
[kafka.properties]
"session.timeout.ms" = 6000
"heartbeat.interval.ms" = 1000
[topics]
events = "{topic}"
partitions = {PARTITIONS}
[email]
host = "127.0.0.1"
port = {port}
tls = "none"
from = "Bench <bench@example.com>"
connections_max = {connections}
"#
    )
}
