//! The in-process broker does what `dev` needs of it: the named topics' partitions, produce, and groups that commit.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::time::Duration;

use postrider_sandbox::Broker;
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{FutureProducer, FutureRecord},
};

#[tokio::test]
async fn records_go_in_and_come_out_of_the_partitions_asked_for() {
    let broker = Broker::start(7, &["notifications", "notifications.email.ledger", "notifications"]).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap_servers());
    let producer: FutureProducer = config.clone().set("enable.idempotence", "true").create().unwrap();
    let record = FutureRecord::to("notifications").partition(6).key("order-1017").payload("hello");
    let delivered = producer.send(record, Duration::from_secs(10)).await.unwrap();
    assert_eq!((delivered.partition, delivered.offset), (6, 0));

    let consumer: BaseConsumer =
        config.set("group.id", "notifications.email").set("auto.offset.reset", "earliest").create().unwrap();
    for topic in ["notifications", "notifications.email.ledger"] {
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
        assert_eq!(metadata.topics()[0].partitions().len(), 7, "{topic}");
    }
    consumer.subscribe(&["notifications"]).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        assert!(std::time::Instant::now() < deadline, "nothing came out");
        let Some(record) = consumer.poll(Duration::from_millis(100)) else { continue };
        let record = record.unwrap();
        assert_eq!(record.payload(), Some(&b"hello"[..]));
        consumer.commit_message(&record, CommitMode::Sync).unwrap();
        break;
    }
}

#[test]
fn a_bad_partition_count_is_an_error_that_says_what_to_set() {
    for partitions in [-1, 0, 1_001] {
        let error = Broker::start(partitions, &["notifications"]).unwrap_err();
        assert!(error.to_string().contains("topics.partitions"), "{error}");
    }
}
