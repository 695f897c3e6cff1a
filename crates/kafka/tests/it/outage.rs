//! A broker that dies and comes back.

use std::time::{Duration, Instant};

use postrider_kafka::{ProduceError, Producer, ProducerSettings, Write, WriteFailureKind, Writer};
use postrider_testkit::kafka::{RawRecord, RealKafka};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{Lane, settings, topic, until};

#[test]
fn everything_works_again_by_itself_after_a_broker_died() {
    let kafka = RealKafka::start(1).unwrap();
    let (topic, group) = topic(&kafka, "outage", 1, &[]);
    let settings = settings(kafka.bootstrap_servers());
    let mut lane = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    lane.until_owns(1);
    let (sender, mut events) = unbounded_channel();
    let writer = Writer::start(&settings, "test", 1_000_000, sender).unwrap();
    let names = ProducerSettings { client_id: "test".to_owned(), message_max_bytes: 1_000_000 };
    let producer = Producer::start(&settings, &names).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let produce = || {
        let begun = Instant::now();
        let result = runtime.block_on(producer.produce(&topic, b"k", b"produced".to_vec(), Vec::new()));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        result
    };
    produce().unwrap();

    kafka.kill(0).unwrap();
    let first = produce().unwrap_err();
    assert!(matches!(first, ProduceError::Unknown { .. } | ProduceError::Unavailable { .. }), "{first:?}");
    until("certainty that nothing is written", || {
        matches!(produce(), Err(ProduceError::Unavailable { .. })).then_some(())
    });
    assert!(!producer.broker_answers());
    let write = Write {
        topic: topic.clone(),
        partition: Some(0),
        key: None,
        value: Some(b"written".to_vec()),
        headers: Vec::new(),
    };
    writer.write(1, write.clone());
    lane.until("the outage is told", |lane| (lane.availability == [false]).then_some(()));
    let timed_out = until("the write's end", || events.try_recv().ok());
    assert_eq!(timed_out.result.unwrap_err().kind, WriteFailureKind::TimedOut);

    kafka.restart(0).unwrap();
    writer.write(2, write);
    until("ingest is back", || produce().is_ok().then_some(()));
    assert!(producer.broker_answers());
    let written = until("the second write's end", || events.try_recv().ok());
    assert!(written.token == 2 && written.result.is_ok(), "{written:?}");
    lane.until("the lane is back", |lane| (lane.availability.last() == Some(&true)).then_some(()));
    // The session ended meanwhile: the partition was lost, and comes back.
    lane.until("membership", |lane| (lane.owned == [0] && lane.commit(0, 1, "").is_ok()).then_some(()));
    let stored = kafka.read_all(&topic).unwrap();
    lane.until("all records", |lane| {
        let mut offsets = lane.offsets(0);
        offsets.dedup();
        (stored.iter().all(|record: &RawRecord| offsets.contains(&record.offset))).then_some(())
    });
}
