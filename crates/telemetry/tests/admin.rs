//! The admin listener over real HTTP.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use postrider_telemetry::{AdminServer, metrics, registry};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

metrics! {
    /// What the test scrapes.
    struct Sample;
    /// Deliveries that reached a final outcome.
    deliveries_total: IntCounterVec["lane", "outcome"],
}

async fn start(ready: Arc<AtomicBool>) -> AdminServer {
    let registry = registry("0.1.0", "abc1234").unwrap();
    Sample::register(&registry).unwrap().deliveries_total.with_label_values(&["email", "dead"]);
    let readiness = move || {
        if ready.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err("email: partition 3 is restoring\nslack: no broker".into())
        }
    };
    AdminServer::start("127.0.0.1:0".parse().unwrap(), registry, readiness).await.unwrap()
}

/// Status line, headers and body, as they came over the wire.
async fn ask(admin: &AdminServer, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(admin.address()).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[track_caller]
fn assert_has(answer: &str, part: &str) {
    assert!(answer.contains(part), "no {part:?} in {answer}");
}

#[tokio::test]
async fn a_scrape_has_prometheus_content_type_and_series_at_zero() {
    let admin = start(Arc::default()).await;
    let answer = ask(&admin, "GET", "/metrics").await;
    assert_has(&answer, "content-type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_has(&answer, "# HELP postrider_deliveries_total Deliveries that reached a final outcome.\n");
    assert_has(&answer, "postrider_deliveries_total{lane=\"email\",outcome=\"dead\"} 0\n");
    admin.shutdown().await;
}

#[tokio::test]
async fn healthy_is_not_ready_and_the_reasons_are_told() {
    let ready = Arc::new(AtomicBool::new(false));
    let admin = start(Arc::clone(&ready)).await;
    assert_has(&ask(&admin, "GET", "/healthz").await, "HTTP/1.1 200 OK");
    let answer = ask(&admin, "GET", "/readyz").await;
    assert_has(&answer, "HTTP/1.1 503 Service Unavailable");
    assert_has(&answer, "not ready\n- email: partition 3 is restoring\n- slack: no broker\n");
    ready.store(true, Ordering::Relaxed);
    assert_has(&ask(&admin, "GET", "/readyz").await, "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn only_get_and_head_and_known_paths_are_answered() {
    let admin = start(Arc::default()).await;
    let head = ask(&admin, "HEAD", "/metrics").await;
    assert_has(&head, "HTTP/1.1 200 OK");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let refused = ask(&admin, "POST", "/metrics").await;
    assert_has(&refused, "HTTP/1.1 405");
    assert_has(&refused, "allow: GET,HEAD");
    assert_has(&ask(&admin, "GET", "/nothing").await, "HTTP/1.1 404");
    assert_has(&ask(&admin, "GET", "/").await, "/readyz");
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_names_it() {
    let admin = start(Arc::default()).await;
    let error = AdminServer::start(admin.address(), registry("", "").unwrap(), || Ok(())).await.unwrap_err();
    assert_has(&error.to_string(), &admin.address().to_string());
}
