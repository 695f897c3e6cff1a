//! Membership, records and commits.

use std::time::{Duration, Instant};

use postrider_domain::RecordHeader;
use postrider_kafka::CommitFailureKind;
use postrider_testkit::kafka::{RawRecord, RealKafka};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

use crate::support::{Lane, topic, until};

fn numbered(partition: i32, count: usize) -> Vec<RawRecord> {
    (0..count).map(|i| RawRecord::new(partition, format!("key-{i}"), format!("value-{i}"))).collect()
}

#[test]
fn records_arrive_byte_for_byte_from_the_exact_offset() {
    let kafka = RealKafka::shared();
    let (topic, group) = topic(kafka, "exact", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let odd = RawRecord {
        headers: vec![("a".to_owned(), Some(vec![0, 255])), ("b".to_owned(), None), ("a".to_owned(), Some(Vec::new()))],
        ..RawRecord::default()
    };
    kafka.produce(&topic, &[RawRecord::new(0, "passed over", "x"), odd, RawRecord::new(0, "", "")]).unwrap();
    let mut lane = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    lane.reads_at_once = false;
    lane.until_owns(1);
    lane.source.read_from(0, 1);
    lane.until("two records", |lane| (lane.records.len() == 2).then_some(()));

    let [null, empty] = &lane.records[..] else { panic!("{:?}", lane.records) };
    assert_eq!((null.position.offset, &null.key, &null.value), (1, &None, &None));
    let header = |name: &str, value: Option<Vec<u8>>| RecordHeader { name: name.to_owned(), value };
    assert_eq!(null.headers, [header("a", Some(vec![0, 255])), header("b", None), header("a", Some(Vec::new()))]);
    assert_eq!((&empty.key, &empty.value), (&Some(Vec::new()), &Some(Vec::new())));
    let stored = kafka.read_all(&topic).unwrap();
    assert_eq!(null.appended_at.0, stored[1].timestamp);
}

#[test]
fn a_revoked_partition_waits_for_its_release_while_the_retained_ones_flow() {
    let kafka = RealKafka::shared();
    let (topic, group) = topic(kafka, "drain", 4, &[]);
    let all = |count| (0..4).flat_map(|partition| numbered(partition, count)).collect::<Vec<_>>();
    kafka.produce(&topic, &all(5)).unwrap();
    let mut old = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    old.until_owns(4);
    old.until("first records", |lane| (lane.records.len() == 20).then_some(()));

    let mut new = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    let revoked = old.until("a revoke", |lane| {
        new.listen();
        lane.revoked.first().cloned()
    });
    assert_eq!(revoked.len(), 2);
    let retained: Vec<i32> = (0..4).filter(|partition| !revoked.contains(partition)).collect();

    // Longer than the session: the drain lives on heartbeats. Retained partitions flow, revoked ones do not.
    kafka.produce(&topic, &all(5)).unwrap();
    let drained = Instant::now() + Duration::from_secs(8);
    old.until("the drain", |lane| {
        new.listen();
        (drained < Instant::now()).then_some(lane.owned.len())
    });
    for partition in &retained {
        assert_eq!(old.offsets(*partition).len(), 10, "a retained partition stood still");
    }
    for partition in &revoked {
        assert_eq!(old.offsets(*partition).len(), 5, "a revoked partition was fetched");
    }
    assert_eq!(new.owned, Vec::<i32>::new(), "the new owner began before the release");
    assert!(old.lost.is_empty());

    // What was drained is committed, then released; only then the new owner gets it.
    assert_eq!(old.commit(revoked[0], 5, "5"), Ok(vec![(revoked[0], 5)]));
    old.source.release(vec![revoked[0]]);
    old.source.release(vec![revoked[1]]);
    new.until("the new owner's share", |lane| {
        old.listen();
        (lane.owned.len() == 2).then_some(())
    });
    assert_eq!(kafka.committed(&group, &topic).unwrap()[&revoked[0]], (5, "5".to_owned()));
    new.until("the new owner's records", |lane| {
        old.listen();
        (lane.records.len() == 20).then_some(())
    });
    assert_eq!(old.commit(retained[0], 10, ""), Ok(vec![(retained[0], 10)]), "the lease goes on");

    // Leaving in order hands everything over at once, not after the session timeout.
    let left = Instant::now();
    old.source.close();
    old.until("closed", |lane| lane.closed.then_some(()));
    new.until_owns(4);
    assert!(left.elapsed() < Duration::from_secs(5), "{:?}", left.elapsed());
}

#[test]
fn a_paused_partition_stands_still_and_loses_nothing() {
    let kafka = RealKafka::shared();
    let (topic, group) = topic(kafka, "pause", 2, &[]);
    let mut lane = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    lane.until_owns(2);
    kafka.produce(&topic, &numbered(0, 300)).unwrap();
    lane.until("some of partition 0", |lane| (!lane.offsets(0).is_empty()).then_some(()));
    lane.source.pause(vec![0]);
    lane.until("the end of what was under way", |lane| {
        let before = lane.offsets(0).len();
        std::thread::sleep(Duration::from_millis(300));
        lane.listen();
        (lane.offsets(0).len() == before).then_some(())
    });
    let before = lane.offsets(0).len();
    kafka.produce(&topic, &[numbered(0, 100), numbered(1, 100)].concat()).unwrap();
    lane.until("partition 1", |lane| (lane.offsets(1).len() == 100).then_some(()));
    assert_eq!(lane.offsets(0).len(), before);
    lane.source.resume(vec![0]);
    lane.until("the rest of partition 0", |lane| (lane.offsets(0).len() == 400).then_some(()));
    assert_eq!(lane.offsets(0), (0..400).collect::<Vec<i64>>());

    // Read again from an earlier offset while paused: the pause ends with it.
    lane.source.pause(vec![1]);
    lane.records.clear();
    lane.source.read_from(1, 90);
    lane.until("the last ten again", |lane| (lane.offsets(1).len() == 10).then_some(()));
}

#[test]
fn a_lane_that_does_not_listen_stays_a_member_and_loses_nothing() {
    let kafka = RealKafka::shared();
    let (topic, group) = topic(kafka, "slow", 1, &[]);
    kafka.produce(&topic, &numbered(0, 20_000)).unwrap();
    let mut lane = Lane::with_room(kafka.bootstrap_servers(), &group, &topic, 1);
    lane.until_owns(1);
    std::thread::sleep(Duration::from_secs(8)); // longer than the session: the point of the test
    lane.until("all records", |lane| (lane.records.len() == 20_000).then_some(()));
    assert_eq!(lane.offsets(0), (0..20_000).collect::<Vec<i64>>());
    assert!(lane.lost.is_empty() && lane.revoked.is_empty());
}

#[test]
fn positions_that_do_not_exist_are_said_and_the_others_go_on() {
    let kafka = RealKafka::shared();
    let (topic, group) = topic(kafka, "range", 2, &[]);
    kafka.produce(&topic, &[numbered(0, 3), numbered(1, 3)].concat()).unwrap();
    let mut lane = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    lane.reads_at_once = false;
    lane.until_owns(2);
    lane.source.read_from(0, 1_000);
    lane.source.read_from(1, 0);
    let refused = lane.until("out of range", |lane| lane.out_of_range.pop());
    assert_eq!(refused, (0, 1_000, 0, 3));
    lane.until("partition 1", |lane| (lane.offsets(1).len() == 3).then_some(()));
    lane.source.read_from(0, 2); // what `accept` does
    lane.until("partition 0", |lane| (lane.offsets(0) == [2]).then_some(()));
}

#[test]
fn ends_are_told_and_metadata_comes_back() {
    let kafka = RealKafka::shared();
    let (topic, group) = topic(kafka, "ends", 1, &[]);
    kafka.produce(&topic, &numbered(0, 7)).unwrap();
    let mut lane = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    lane.until_owns(1);
    lane.until("ends", |lane| (lane.ends.get(&0) == Some(&7)).then_some(()));
    assert_eq!(lane.commit(0, 7, "postrider 7"), Ok(vec![(0, 7)]));
    assert_eq!(kafka.committed(&group, &topic).unwrap()[&0], (7, "postrider 7".to_owned()));
    let refused = lane.commit(0, 7, &"x".repeat(10_000)).unwrap_err();
    assert_eq!(refused.kind, CommitFailureKind::Refused, "{}", refused.detail);
}

#[test]
fn a_topic_that_is_created_later_is_found() {
    let kafka = RealKafka::shared();
    let topic = kafka.unique("later");
    let mut lane = Lane::join(kafka.bootstrap_servers(), &format!("{topic}.group"), &topic);
    lane.listen();
    kafka.create_topic(&topic, 1, &[]).unwrap();
    lane.until_owns(1);
    until("nothing else", || Some(()));
}

#[test]
fn the_marker_of_a_transaction_is_passed_and_no_record_with_it() {
    let kafka = RealKafka::shared();
    let (topic, group) = topic(kafka, "marker", 1, &[]);
    let mut lane = Lane::join(kafka.bootstrap_servers(), &group, &topic);
    lane.until_owns(1);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .set("transactional.id", &topic)
        .create()
        .unwrap();
    let patience = Duration::from_secs(20);
    producer.init_transactions(patience).unwrap();
    let send = || producer.send(BaseRecord::<[u8], [u8]>::to(&topic).partition(0).payload(b"x")).unwrap();
    producer.begin_transaction().unwrap();
    send();
    producer.commit_transaction(patience).unwrap();
    // Until it is committed it is not ours to read, nor to pass.
    producer.begin_transaction().unwrap();
    send();
    producer.flush(patience).unwrap();
    lane.until("passed", |lane| (!lane.passed.is_empty()).then_some(()));
    assert_eq!((lane.offsets(0), &lane.passed[..]), (vec![0], &[(0, 2)][..]));
    // Where `start = "latest"` begins: at the topic's end, which lies beyond what may be read.
    lane.source.read_from(0, 3);
    lane.ends.clear();
    lane.until("a look from outside", |lane| lane.ends.get(&0).copied());
    assert!(lane.out_of_range.is_empty(), "{:?}", lane.out_of_range);
    lane.source.read_from(0, 2);
    producer.commit_transaction(patience).unwrap();
    lane.until("the next record", |lane| (lane.offsets(0) == [0, 2]).then_some(()));
    assert!(lane.out_of_range.is_empty(), "{:?}", lane.out_of_range);
}
