//! The HTTP API in front of a real Kafka, which goes away and comes back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::support::{PATIENCE, Reply, event, settings};
use postrider_ingest::{Ingest, KafkaSink, RunningIngest};
use postrider_kafka::{KafkaSettings, Producer, ProducerSettings};
use postrider_telemetry::Registry;
use postrider_testkit::kafka::RealKafka;
use serde_json::json;

const ONE: &str = "/v1/notifications";
/// The promise is 3 s; the rest is the test machine's.
const REFUSED_WITHIN: Duration = Duration::from_millis(3_500);

async fn post(address: std::net::SocketAddr, key: &str) -> (Reply, Duration) {
    let started = Instant::now();
    let reply = crate::support::post_to(address, ONE, &event(key)).await;
    (reply, started.elapsed())
}

/// An API in front of these brokers.
async fn api(bootstrap_servers: String, topic: &str) -> RunningIngest {
    let kafka_settings = KafkaSettings { bootstrap_servers, ..KafkaSettings::default() };
    let producer_settings = ProducerSettings { client_id: "ingest".to_owned(), message_max_bytes: 1 << 20 };
    let producer = Producer::start(&kafka_settings, &producer_settings).unwrap();
    Ingest::start(settings(), Arc::new(KafkaSink::new(producer, topic)), &Registry::new()).await.unwrap()
}

/// The harder way of being gone: the connection opens, and nothing ever comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_never_answers_is_a_503_in_time() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = api(mute.local_addr().unwrap().to_string(), "notifications").await;
    for key in ["first", "second"] {
        let (refused, took) = post(api.address(), key).await;
        assert_eq!((refused.status, &refused.body["accepted"]), (503, &json!("no")), "{refused:?}");
        assert!(took < REFUSED_WITHIN, "{key} took {took:?}");
    }
    api.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_goes_and_comes_back() {
    let kafka = RealKafka::start(1).unwrap();
    let topic = kafka.unique("notifications");
    kafka.create_topic(&topic, 4, &[]).unwrap();
    let api = api(kafka.bootstrap_servers().to_owned(), &topic).await;

    let (accepted, _) = post(api.address(), "order-21").await;
    assert_eq!((accepted.status, &accepted.body["offset"]), (202, &json!(0)), "{accepted:?}");
    let partition = postrider_domain::partitioner::partition_of(b"order-21", 4);
    assert_eq!(accepted.body["partition"], json!(partition), "where Java's client puts it");

    kafka.kill(0).unwrap();
    for key in ["lost-1", "lost-2", "lost-3"] {
        let (refused, took) = post(api.address(), key).await;
        assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{refused:?}");
        assert_eq!(refused.body["event_key"], json!(key));
        assert!(refused.body["accepted"] == "no" || refused.body["accepted"] == "unknown", "{refused:?}");
        assert!(took < REFUSED_WITHIN, "{key} took {took:?}");
    }

    kafka.restart(0).unwrap();
    let deadline = Instant::now() + 3 * PATIENCE;
    while post(api.address(), "back").await.0.status != 202 {
        assert!(Instant::now() < deadline, "it does not work again");
    }
    let records = kafka.read_all(&topic).unwrap();
    let accepted = records.iter().filter(|record| record.key.as_deref() == Some(b"order-21")).count();
    assert_eq!(accepted, 1);
    assert!(records.iter().any(|record| record.key.as_deref() == Some(b"back")));
    api.shutdown().await;
}
