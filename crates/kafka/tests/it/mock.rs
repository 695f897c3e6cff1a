//! Against librdkafka's mock cluster, as `postrider dev` uses it.

use postrider_kafka::{Producer, ProducerSettings};
use rdkafka::{
    mocking::MockCluster,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use crate::support::{Lane, settings};

#[test]
fn the_mock_cluster_serves_a_lane_and_ingest() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("events", 3, 1).unwrap();
    let servers = mock.bootstrap_servers();
    let names = ProducerSettings { client_id: "test".to_owned(), message_max_bytes: 1_000_000 };
    let producer = Producer::start(&settings(&servers), &names).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut lane = Lane::join(&servers, "events.email", "events");
    lane.until_owns(3);
    let (partition, offset) = runtime.block_on(producer.produce("events", b"k", b"v".to_vec(), Vec::new())).unwrap();
    lane.until("the record", |lane| (lane.offsets(partition) == [offset]).then_some(()));
    assert_eq!(lane.commit(partition, 1, "1"), Ok(vec![(partition, 1)]));
    lane.source.close();
    lane.until("closed", |lane| lane.closed.then_some(()));
}

/// A topic that was cut off below the position and has grown beyond it again looks whole. To read on would pass over what
/// stands there now.
#[test]
fn a_position_that_is_refused_although_it_exists_stops_its_partition_alone() {
    let mock = MockCluster::new(2).unwrap();
    mock.create_topic("events", 2, 1).unwrap();
    (0..2).for_each(|partition| mock.partition_leader("events", partition, Some(partition + 1)).unwrap());
    let servers = mock.bootstrap_servers();
    let names = ProducerSettings { client_id: "test".to_owned(), message_max_bytes: 1_000_000 };
    let producer = Producer::start(&settings(&servers), &names).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let produce_each = || {
        let mut ends = [0, 0];
        for key in 0..16_u8 {
            let (key, value) = ([key], b"v".to_vec());
            let (partition, offset) = runtime.block_on(producer.produce("events", &key, value, Vec::new())).unwrap();
            ends[usize::try_from(partition).unwrap()] = offset + 1;
        }
        ends
    };
    let mut lane = Lane::join(&servers, "events.email", "events");
    lane.until_owns(2);
    let read = |lane: &Lane| [0, 1].map(|partition| lane.offsets(partition).last().map_or(0, |offset| offset + 1));
    let first = produce_each();
    lane.until("both are read", |lane| (read(lane) == first).then_some(()));

    // The next fetch, whichever broker it goes to: one leads one partition.
    mock.request_errors(RDKafkaApiKey::Fetch, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE]);
    let (stopped, position, low, end) = lane.until("a partition is refused", |lane| lane.out_of_range.pop());
    let at = usize::try_from(stopped).unwrap();
    assert_eq!((position, low, end), (first[at], 0, first[at]));
    let second = produce_each();
    lane.until("the other goes on", |lane| (read(lane)[1 - at] == second[1 - at]).then_some(()));
    assert_eq!(read(&lane)[at], first[at], "nothing is passed over");
    assert!(lane.out_of_range.is_empty(), "{:?}", lane.out_of_range);
    lane.source.read_from(stopped, 0); // what `accept` does
    lane.until("it is read again", |lane| (read(lane) == second).then_some(()));
}

#[test]
fn a_lost_assignment_is_told_as_lost_and_comes_back() {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic("events", 2, 1).unwrap();
    let servers = mock.bootstrap_servers();
    let mut lane = Lane::join(&servers, "events.email", "events");
    lane.until_owns(2);
    mock.request_errors(RDKafkaApiKey::Heartbeat, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]);
    lane.until("the loss", |lane| (lane.lost.len() == 2).then_some(()));
    assert!(lane.revoked.is_empty(), "nothing to release");
    lane.until_owns(2);
    let names = ProducerSettings { client_id: "test".to_owned(), message_max_bytes: 1_000_000 };
    let producer = Producer::start(&settings(&servers), &names).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (partition, offset) = runtime.block_on(producer.produce("events", b"k", b"v".to_vec(), Vec::new())).unwrap();
    lane.until("the record", |lane| (lane.offsets(partition) == [offset]).then_some(()));
    assert!(lane.commit(partition, 1, "").is_ok());
}
