//! The writer and ingest's producer.

use postrider_domain::{RecordHeader, partitioner::partition_of};
use postrider_kafka::{ProduceError, Producer, ProducerSettings, Write, WriteFailureKind, Writer};
use postrider_testkit::kafka::RealKafka;
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{noise, settings, topic, until};

fn write(topic: &str, partition: Option<i32>, key: &str, value: Option<Vec<u8>>) -> Write {
    Write { topic: topic.to_owned(), partition, key: Some(key.into()), value, headers: Vec::new() }
}

#[test]
fn every_write_ends_in_one_event_and_lies_where_it_should() {
    let kafka = RealKafka::shared();
    let (topic, _) = topic(kafka, "writer", 4, &[("max.message.bytes", "2000000")]);
    let (sender, mut events) = unbounded_channel();
    let writer = Writer::start(&settings(kafka.bootstrap_servers()), "test", 12_000_000, sender).unwrap();
    writer.write(0, write(&topic, Some(3), "explicit", None));
    let headers = vec![RecordHeader { name: "h".to_owned(), value: None }];
    writer.write(1, Write { headers, ..write(&topic, None, "21", Some(vec![1; 1_500_000])) });
    writer.write(2, write(&topic, Some(0), "too large for the topic", Some(noise(3_000_000))));
    writer.write(3, write(&topic, Some(0), "too large for anybody", Some(vec![7; 30_000_000])));
    writer.write(4, write(&topic, Some(99), "no such partition", None));
    for token in 5..500 {
        writer.write(token, write(&topic, Some(0), "many", Some(b"v".to_vec())));
    }
    let mut results = std::collections::BTreeMap::new();
    until("all ends", || {
        while let Ok(event) = events.try_recv() {
            assert!(results.insert(event.token, event.result).is_none());
        }
        (results.len() == 500).then_some(())
    });
    assert_eq!(results[&0], Ok((3, 0)));
    assert_eq!(results[&1].as_ref().unwrap().0, partition_of(b"21", 4), "Java's partitioner");
    for refused in 2..5 {
        let failure = results[&refused].as_ref().unwrap_err();
        assert_eq!(failure.kind, WriteFailureKind::Refused, "{refused}: {}", failure.detail);
    }
    assert!((5..500).all(|token| results[&token].is_ok()));
    let stored = kafka.read_all(&topic).unwrap();
    assert_eq!(stored.len(), 497);
    let tombstone = stored.iter().find(|record| record.partition == 3).unwrap();
    assert_eq!((tombstone.key.as_deref(), &tombstone.value), (Some(&b"explicit"[..]), &None));
    assert!(stored.iter().any(|record| record.headers == [("h".to_owned(), None)]));
}

#[tokio::test]
async fn the_producer_answers_with_the_place_or_the_reason() {
    let kafka = RealKafka::shared();
    let (topic, _) = topic(kafka, "producer", 5, &[("max.message.bytes", "100000")]);
    let names = ProducerSettings { client_id: "test".to_owned(), message_max_bytes: 2_000_000 };
    let producer = Producer::start(&settings(kafka.bootstrap_servers()), &names).unwrap();
    for key in ["21", "foobar", "order-1017"] {
        let (partition, _) = producer.produce(&topic, key.as_bytes(), b"v".to_vec(), Vec::new()).await.unwrap();
        assert_eq!(partition, partition_of(key.as_bytes(), 5));
    }
    assert!(producer.broker_answers());
    let large = producer.produce(&topic, b"k", noise(500_000), Vec::new()).await;
    assert!(matches!(large, Err(ProduceError::TooLarge { .. })), "{large:?}");
    let missing = producer.produce(&kafka.unique("nowhere"), b"k", Vec::new(), Vec::new()).await;
    assert!(matches!(missing, Err(ProduceError::Unavailable { .. })), "{missing:?}");
    assert!(producer.broker_answers(), "a topic that does not exist is no outage");
    producer.produce(&topic, b"k", Vec::new(), Vec::new()).await.unwrap();
}
