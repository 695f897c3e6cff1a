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
