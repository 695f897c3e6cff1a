//! Kafka goes and comes back under the HTTP API.

use std::time::{Duration, Instant};

use postrider_testkit::{kafka::RealKafka, smtp::SmtpOptions};
use postrider_tests::{LONG, Settings, World, http, wait::wait_until};
use serde_json::{Value, json};

fn notification(key: &str) -> Value {
    json!({
        "event_key": key, "type": "order.shipped",
        "email": {"to": [{"address": "ada@example.com"}], "subject": key, "text": "It left."}
    })
}

#[test]
fn without_kafka_a_503_in_time_and_afterwards_work_as_before() {
    let kafka: &'static RealKafka = Box::leak(Box::new(RealKafka::start(1).expect("Kafka starts")));
    let world = World::with(kafka, "outage", Settings::default(), SmtpOptions::default());
    let mut ingest = world.start(&["ingest"]).ready();
    let (api, admin) = (ingest.ingest(), ingest.admin());
    let post = |key: &str| http::post(api, "/v1/notifications", None, &notification(key)).unwrap();
    let status = |path: &str| http::get(admin, path).unwrap().status;
    assert_eq!(post("before").status, 202);

    kafka.kill(0).unwrap();
    for n in 0..3 {
        let began = Instant::now();
        let answer = post(&format!("during-{n}"));
        // Three seconds, and what a busy machine of two cores may add.
        assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok()), "{}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!(problem["event_key"], format!("during-{n}"));
        assert!(problem["accepted"] == "no" || problem["accepted"] == "unknown", "{problem}");
    }
    wait_until("it says that it is not ready", LONG, || status("/readyz") == 503);
    assert_eq!(status("/healthz"), 200, "the process itself works");

    kafka.restart(0).unwrap();
    wait_until("it takes events again by itself", LONG, || post("during-0").status == 202);
    wait_until("it is ready again", LONG, || status("/readyz") == 200);
    assert!((1..3).all(|n| post(&format!("during-{n}")).status == 202), "repeating with the same key is safe");
    assert_eq!(post("after").status, 202);
    assert!(ingest.runs());

    let _processor = world.processor();
    world.settled("email");
    assert_eq!(world.smtp.count(), 5, "each key once, however often it was posted");
    assert_eq!(world.copies().len(), 5);
}
