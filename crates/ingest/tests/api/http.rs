//! What the HTTP API promises, over real HTTP on loopback, with a sink in memory.

use crate::support::{AUTHORIZED, Mode, event, reply, settings, start};
use postrider_domain::Secret;
use postrider_ingest::{ApiKey, Ingest, IngestError};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

const ONE: &str = "/v1/notifications";
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn an_event_is_answered_after_its_acknowledgement() {
    let api = start(|_| ()).await;
    let trace = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let reply = api.send("POST", ONE, &[JSON, AUTHORIZED, trace], &event("order-1")).await;
    assert_eq!(reply.status, 202);
    assert_eq!(
        reply.body,
        json!({"source": "shop", "event_key": "order-1", "partition": 3, "offset": 0, "deliveries": [
            {"channel": "email", "recipient": "ada@example.com"}, {"channel": "slack", "recipient": "ops"}]})
    );
    let written = api.sink.written.lock().unwrap()[0].clone();
    let event = postrider_wire::decode_notification(Some(&written.value), &written.headers).unwrap();
    assert_eq!(
        (written.key.as_str(), event.source.as_str(), event.event_type.as_str()),
        ("order-1", "shop", "order.shipped")
    );
    let header = |name: &str| written.headers.iter().find(|header| header.name == name)?.value.clone();
    assert_eq!(header("traceparent").as_deref(), Some(trace.1.as_bytes()));
    assert_eq!(header("ce_id").as_deref(), Some(&b"order-1"[..]));
    assert_eq!(api.metric(r#"postrider_ingest_events_total{result="accepted",source="shop"}"#), Some(1.0));
}

#[tokio::test]
async fn nothing_is_answered_before_the_acknowledgement() {
    let api = start(|_| ()).await;
    api.set(Mode::Hold);
    let mut client = api.open("POST", ONE, &[JSON, AUTHORIZED], event("a").len()).await;
    client.write_all(event("a").as_bytes()).await.unwrap();
    api.sink.waiting.acquire().await.unwrap().forget();
    let mut byte = [0];
    assert!(client.try_read(&mut byte).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    api.sink.gate.add_permits(1);
    assert_eq!(reply(&mut client).await.status, 202);
}

#[tokio::test]
async fn without_a_key_one_is_made_and_a_key_in_the_header_counts() {
    let api = start(|_| ()).await;
    let body = r#"{"type": "t", "slack": {"to": ["ops"], "text": "x"}}"#;
    assert_eq!(api.post(ONE, body).await.body["event_key"].as_str().unwrap().len(), 36);
    for (given, key) in [("k-1", "k-1"), ("\"k-2\"", "k-2")] {
        let reply = api.send("POST", ONE, &[JSON, AUTHORIZED, ("idempotency-key", given)], body).await;
        assert_eq!((reply.status, reply.body["event_key"].as_str()), (202, Some(key)));
    }
    let same = api.send("POST", ONE, &[JSON, AUTHORIZED, ("idempotency-key", "a")], &event("a")).await;
    assert_eq!(same.status, 202);
    for headers in [&[("idempotency-key", "b")][..], &[("idempotency-key", "a"), ("Idempotency-Key", "b")]] {
        let headers: Vec<_> = [JSON, AUTHORIZED].iter().chain(headers).copied().collect();
        let reply = api.send("POST", ONE, &headers, &event("a")).await;
        assert_eq!((reply.status, &reply.body["errors"][0]["pointer"]), (422, &json!("/event_key")), "{reply:?}");
    }
}

#[tokio::test]
async fn problems_are_told_all_at_once_as_a_problem_document() {
    let api = start(|_| ()).await;
    let reply = api
        .post(ONE, r#"{"event_key": "k", "source": "me", "email": {"to": [{"address": "ada"}], "subject": "a\nb", "text": "x"}}"#)
        .await;
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(
        reply.body,
        json!({"type": "about:blank", "title": "Unprocessable Entity", "status": 422, "event_key": "k",
               "detail": "4 problem(s), listed in errors", "errors": [
            {"pointer": "/source", "detail": "may not be given: it comes from the API key"},
            {"pointer": "/type", "detail": "is required"},
            {"pointer": "/email/to/0/address", "detail": "has no @: a mail address is local@domain"},
            {"pointer": "/email/subject", "detail": "has a control character (a line break or tab, for example)"},
        ]})
    );
    assert_eq!(api.metric(r#"postrider_ingest_events_total{result="rejected",source="shop"}"#), Some(1.0));
    assert!(api.sink.written.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    let api = start(|_| ()).await;
    let good = event("a");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let gzip = ("content-encoding", "gzip");
    let identity = ("content-encoding", "identity");
    let wrong = ("authorization", "Bearer wrong");
    for (method, path, headers, body, status) in [
        ("POST", ONE, &[JSON][..], good.as_str(), 401),
        ("POST", ONE, &[JSON, wrong], &good, 401),
        ("POST", ONE, &[form, AUTHORIZED], &good, 415),
        ("POST", ONE, &[AUTHORIZED], &good, 415),
        ("POST", ONE, &[JSON, gzip, AUTHORIZED], &good, 415),
        ("POST", ONE, &[JSON, identity, gzip, AUTHORIZED], &good, 415),
        ("POST", ONE, &[JSON, identity, AUTHORIZED], &good, 202),
        ("POST", ONE, &[("content-type", "application/json; charset=utf-8"), AUTHORIZED], &good, 202),
        ("POST", ONE, &[JSON, AUTHORIZED], "{\"type\": }", 400),
        ("POST", ONE, &[JSON, AUTHORIZED], "", 400),
        ("POST", ONE, &[JSON, AUTHORIZED], "[]", 422),
        ("GET", ONE, &[AUTHORIZED], "", 405),
        ("GET", "/v1/notifications/order-1", &[AUTHORIZED], "", 404),
        ("GET", "/", &[], "", 404),
        ("GET", "/v1/notifications/batch", &[AUTHORIZED], "", 405),
        ("DELETE", "/openapi.json", &[], "", 405),
    ] {
        let reply = api.send(method, path, headers, body).await;
        assert_eq!(reply.status, status, "{method} {path} {headers:?} {body}: {reply:?}");
        if status != 202 {
            assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{reply:?}");
            assert_eq!(reply.body["status"], status);
        }
        assert_eq!(reply.header("www-authenticate").is_some(), status == 401);
        assert_eq!(reply.header("allow").is_some(), status == 405);
    }
    assert_eq!(api.metric(r#"postrider_ingest_requests_total{code="404",route="other"}"#), Some(2.0));
    assert_eq!(api.metric(r#"postrider_ingest_requests_total{code="401",route="/v1/notifications"}"#), Some(2.0));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_unread_or_as_soon_as_it_is_seen() {
    let api = start(|settings| settings.body_max = 1000).await;
    let mut promised = api.open("POST", ONE, &[JSON, AUTHORIZED], 1001).await;
    assert_eq!(reply(&mut promised).await.status, 413);
    let mut chunked = tokio::net::TcpStream::connect(api.address).await.unwrap();
    let head = format!(
        "POST {ONE} HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-type: application/json\r\n{}: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        AUTHORIZED.0, AUTHORIZED.1
    );
    chunked.write_all(format!("{head}3e9\r\n{}\r\n", "x".repeat(1001)).as_bytes()).await.unwrap();
    assert_eq!(reply(&mut chunked).await.status, 413);
    let fits = event("a") + &" ".repeat(1000 - event("a").len());
    assert_eq!(api.post(ONE, &fits).await.status, 202);
}

#[tokio::test]
async fn a_slow_body_is_cut_off() {
    let api = start(|settings| settings.limits.body_timeout = std::time::Duration::from_millis(100)).await;
    let mut slow = api.open("POST", ONE, &[JSON, AUTHORIZED], 1000).await;
    slow.write_all(b"{").await.unwrap();
    assert_eq!(reply(&mut slow).await.status, 408);
    assert_eq!(api.post(ONE, &event("a")).await.status, 202);
}

#[tokio::test]
async fn bodies_in_memory_are_bounded_together() {
    let api = start(|settings| (settings.body_max, settings.limits.body_bytes_max) = (1000, 1000)).await;
    api.set(Mode::Hold);
    let padded = event("first") + &" ".repeat(990 - event("first").len());
    let mut first = api.open("POST", ONE, &[JSON, AUTHORIZED], padded.len()).await;
    first.write_all(padded.as_bytes()).await.unwrap();
    api.sink.waiting.acquire().await.unwrap().forget();
    let second = api.post(ONE, &event("second")).await;
    assert_eq!((second.status, second.header("retry-after")), (429, Some("1")));
    api.set(Mode::Acknowledge);
    api.sink.gate.add_permits(1);
    assert_eq!(reply(&mut first).await.status, 202);
    assert_eq!(api.post(ONE, &event("second")).await.status, 202);
}

#[tokio::test]
async fn events_on_their_way_are_bounded() {
    let api = start(|settings| (settings.body_max, settings.limits.events_max) = (1 << 20, 1000)).await;
    api.set(Mode::Hold);
    let batch: Vec<Value> = (0..999).map(|i| serde_json::from_str(&event(&format!("e{i}"))).unwrap()).collect();
    let mut held = Vec::new();
    for (path, body) in [("/v1/notifications/batch", Value::from(batch).to_string()), (ONE, event("last"))] {
        let mut client = api.open("POST", path, &[JSON, AUTHORIZED], body.len()).await;
        client.write_all(body.as_bytes()).await.unwrap();
        held.push(client);
    }
    api.sink.waiting.acquire_many(1000).await.unwrap().forget();
    let further = api.post(ONE, &event("further")).await;
    assert_eq!((further.status, further.header("retry-after")), (429, Some("1")));
    assert_eq!((&further.body["event_key"], &further.body["accepted"]), (&json!("further"), &json!("no")));
    api.set(Mode::Acknowledge);
    api.sink.gate.add_permits(1000);
    for client in &mut held {
        assert_eq!(reply(client).await.status, 202);
    }
    assert_eq!(api.post(ONE, &event("further")).await.status, 202);
}

#[tokio::test]
async fn without_an_acknowledgement_the_answer_says_what_is_known() {
    let api = start(|_| ()).await;
    for (mode, status, accepted, retry_after) in [
        (Mode::Unavailable, 503, json!("no"), Some("1")),
        (Mode::Unknown, 503, json!("unknown"), Some("1")),
        (Mode::Full, 429, json!("no"), Some("7")),
        (Mode::TooLarge, 413, Value::Null, None),
    ] {
        api.set(mode);
        let reply = api.post(ONE, &event("order-1")).await;
        assert_eq!((reply.status, reply.header("retry-after")), (status, retry_after), "{mode:?}");
        assert_eq!((&reply.body["accepted"], &reply.body["event_key"]), (&accepted, &json!("order-1")), "{mode:?}");
    }
    api.set(Mode::Acknowledge);
    assert_eq!(api.post(ONE, &event("order-1")).await.status, 202);
    assert_eq!(api.metric(r#"postrider_ingest_events_total{result="unavailable",source="shop"}"#), Some(3.0));
}

#[tokio::test]
async fn a_connection_too_many_is_told_and_counted_like_every_503() {
    let api = start(|settings| settings.limits.connections_max = 0).await;
    let refused = r#"postrider_ingest_requests_total{code="503",route="other"}"#;
    assert_eq!(api.metric(refused), Some(0.0));
    let reply = api.post(ONE, &event("a")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!((&reply.body["status"], &reply.body["accepted"]), (&json!(503), &json!("no")), "{reply:?}");
    assert_eq!(api.metric(refused), Some(1.0));
}

#[tokio::test]
async fn shutdown_lets_requests_in_flight_finish() {
    let api = start(|_| ()).await;
    api.set(Mode::Hold);
    let mut client = api.open("POST", ONE, &[JSON, AUTHORIZED], event("a").len()).await;
    client.write_all(event("a").as_bytes()).await.unwrap();
    api.sink.waiting.acquire().await.unwrap().forget();
    let crate::support::Api { sink, address, running, .. } = api;
    let shutdown = running.shutdown();
    tokio::pin!(shutdown);
    let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
    loop {
        tokio::select! {
            () = &mut shutdown => panic!("it did not wait for the request"),
            refused = tokio::net::TcpStream::connect(address) => if refused.is_err() { break },
        }
        assert!(tokio::time::Instant::now() < deadline, "it still accepts");
    }
    sink.gate.add_permits(1);
    let (answer, ()) = tokio::join!(reply(&mut client), shutdown);
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_before_a_socket_opens() {
    let mut open = settings();
    open.keys.clear();
    open.listen = "0.0.0.0:0".parse().unwrap();
    open.body_max = 0;
    let sink = start(|_| ()).await.sink;
    let Err(IngestError::Settings { problems }) =
        Ingest::start(open, sink, &postrider_telemetry::Registry::new()).await
    else {
        panic!("it started")
    };
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("[[ingest.keys]]"));
    let mut shared = settings();
    shared.keys.push(ApiKey { source: "billing".to_owned(), key: Secret::new(crate::support::KEY) });
    shared.keys.push(ApiKey { source: "a\nb".to_owned(), key: Secret::new("") });
    assert_eq!(shared.problems().len(), 3);
    assert!(!format!("{shared:?} {:?}", shared.problems()).contains(crate::support::KEY));
}

#[tokio::test]
async fn without_keys_the_source_is_local() {
    let api = start(|settings| settings.keys.clear()).await;
    let reply = api.send("POST", ONE, &[JSON], &event("a")).await;
    assert_eq!((reply.status, &reply.body["source"]), (202, &json!("local")));
}

/// A web page that points its own name at 127.0.0.1 (DNS rebinding) is no stranger to the browser; to us it is.
#[tokio::test]
async fn without_keys_no_foreign_name_can_send() {
    let api = start(|settings| settings.keys.clear()).await;
    let page = [JSON, ("host", "evil.example"), ("origin", "http://evil.example")];
    for (path, body) in [(ONE, event("a")), ("/v1/notifications/batch", format!("[{}]", event("a")))] {
        let reply = api.send("POST", path, &page, &body).await;
        assert_eq!((reply.status, reply.header("content-type")), (421, Some("application/problem+json")), "{reply:?}");
        let detail = reply.body["detail"].as_str().unwrap();
        assert!(detail.contains("localhost") && detail.contains("[[ingest.keys]]"), "{detail}");
        let series = format!(r#"postrider_ingest_requests_total{{code="421",route="{path}"}}"#);
        assert_eq!(api.metric(&series), Some(1.0));
    }
    assert!(api.sink.written.lock().unwrap().is_empty());
    for host in ["localhost:8080", "postrider.localhost", "127.0.0.1:8080", "[::1]:8080"] {
        assert_eq!(api.send("POST", ONE, &[JSON, ("host", host)], &event("a")).await.status, 202, "{host}");
    }
}

/// A key is proof enough: behind a proxy or a service's name the API is reached under that.
#[tokio::test]
async fn with_keys_every_name_is_answered() {
    let api = start(|_| ()).await;
    let elsewhere = ("host", "ingest.example");
    assert_eq!(api.send("POST", ONE, &[JSON, elsewhere, AUTHORIZED], &event("a")).await.status, 202);
    assert_eq!(api.send("POST", ONE, &[JSON, elsewhere], &event("a")).await.status, 401);
}

#[tokio::test]
async fn the_openapi_document_is_served_without_a_key() {
    let api = start(|_| ()).await;
    let reply = api.send("GET", "/openapi.json", &[], "").await;
    assert_eq!((reply.status, &reply.body["openapi"]), (200, &json!("3.1.0")));
}
