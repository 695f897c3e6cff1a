//! What an operator sees: no content in the log, no series that grow with the events.

use std::{
    io,
    sync::{Arc, Mutex},
};

use crate::support::{AUTHORIZED, Mode, event, start};
use serde_json::Value;

const ONE: &str = "/v1/notifications";
const JSON: (&str, &str) = ("content-type", "application/json");

/// Collects log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_lines_carry_key_and_trace_but_no_content() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let api = start(|_| ()).await;
    let trace = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    api.send("POST", ONE, &[JSON, AUTHORIZED, trace], &event("order-good")).await;
    let bad = event("order-bad").replace("\"cc\"", "\"eve@example.com\"");
    assert_eq!(api.send("POST", ONE, &[JSON, AUTHORIZED, trace], &bad).await.status, 422);
    assert_eq!(api.send("POST", ONE, &[JSON, AUTHORIZED], &bad[1..]).await.status, 400);
    api.send("POST", ONE, &[JSON, ("authorization", "Bearer guessed-key")], &bad).await;
    api.set(Mode::Unavailable);
    api.post(ONE, &event("order-lost")).await;
    api.post("/v1/notifications/batch", &format!("[{}]", event("order-batch"))).await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for seen in
        ["order-good", "order-bad", "order-lost", "events of a batch", "4bf92f3577b34da6a3ce929d0e0e4736", "no broker"]
    {
        assert!(text.contains(seen), "{seen} is missing in\n{text}");
    }
    for secret in
        ["ada@", "Ada", "eve@", "On its way", "It is on its way", "shipped\"", crate::support::KEY, "guessed-key"]
    {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[tokio::test]
async fn ten_thousand_keys_and_recipients_add_no_series() {
    let api = start(|settings| settings.body_max = 1 << 20).await;
    let before = api.series();
    assert_eq!(api.metric(r#"postrider_ingest_requests_total{code="503",route="/v1/notifications/batch"}"#), Some(0.0));
    assert_eq!(api.metric(r#"postrider_ingest_events_total{result="unavailable",source="shop"}"#), Some(0.0));
    for batch in 0..10 {
        let events = (0..1000).map(|i| {
            let event = event(&format!("{batch}-{i}")).replace("ada@", &format!("a{batch}-{i}@"));
            serde_json::from_str::<Value>(&event).unwrap()
        });
        let body = Value::from_iter(events).to_string();
        assert_eq!(api.post("/v1/notifications/batch", &body).await.status, 202);
    }
    api.send("POST", "/v1/notifications/batch", &[JSON], "[]").await;
    api.send("GET", "/some/where", &[], "").await;
    assert_eq!(api.sink.written.lock().unwrap().len(), 10_000);
    assert_eq!(api.series(), before);
}
