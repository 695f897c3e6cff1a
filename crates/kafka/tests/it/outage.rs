//! A broker that dies and comes back.

use std::time::{Duration, Instant};

use postrider_domain::LaneName;
use postrider_kafka::{
    CommitPosition, ProduceError, Producer, ProducerSettings, Write, WriteFailureKind, Writer,
    topics::{Change, TopicPlan, apply, check},
};
use postrider_testkit::kafka::{RawRecord, RealKafka};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{Lane, PATIENCE, settings, topic, until};

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
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
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

#[tokio::test]
async fn three_brokers_get_three_replicas_and_the_death_of_one_is_not_noticed() {
    let kafka = RealKafka::start(3).unwrap();
    let settings = settings(kafka.bootstrap_servers());
    let plan = TopicPlan {
        events: "notifications".to_owned(),
        partitions: 3,
        replication_factor: -1,
        retention: Duration::from_secs(3_600),
        give_up_after: Duration::from_secs(60),
        body_max: 1_000_000,
        lanes: vec![LaneName::new("email")],
    };
    let changes = apply(&settings, &plan, false).await.unwrap();
    assert!(
        changes.iter().all(|change| matches!(change, Change::Created { replication_factor: 3, .. })),
        "{changes:?}"
    );
    assert_eq!(check(&settings, &plan).await.unwrap(), []);

    let names = ProducerSettings { client_id: "test".to_owned(), message_max_bytes: 1_000_000 };
    let producer = Producer::start(&settings, &names).unwrap();
    for key in 0..30_u8 {
        producer.produce(&plan.events, &[key], vec![key], Vec::new()).await.unwrap();
    }
    kafka.kill(1).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut accepted = 30;
    while accepted < 60 {
        assert!(Instant::now() < deadline, "only {accepted} of 60");
        accepted += usize::from(producer.produce(&plan.events, b"k", b"v".to_vec(), Vec::new()).await.is_ok());
    }
    assert!(60 <= kafka.read_all(&plan.events).unwrap().len());
}

#[test]
fn a_lane_ends_in_time_although_no_broker_answers() {
    let kafka = RealKafka::start(1).unwrap();
    let (topic, group) = topic(&kafka, "end", 2, &[]);
    let mut lane = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    lane.until_owns(2);
    kafka.kill(0).unwrap();
    lane.source.commit(vec![CommitPosition { partition: 0, position: 0, metadata: String::new() }]);
    lane.until("the outage is told", |lane| (lane.availability == [false]).then_some(()));
    let begun = Instant::now();
    lane.source.close();
    lane.until("closed", |lane| lane.closed.then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
