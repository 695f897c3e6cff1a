//! Batches: one result per event, in order.

use crate::support::{AUTHORIZED, Api, Mode, Reply, event, start};
use serde_json::{Value, json};

const BATCH: &str = "/v1/notifications/batch";

async fn lines(api: &Api, body: &str) -> Reply {
    api.send("POST", BATCH, &[("content-type", "application/x-ndjson"), AUTHORIZED], body).await
}

fn one_line(key: &str) -> String {
    serde_json::from_str::<Value>(&event(key)).unwrap().to_string()
}

fn statuses(reply: &Reply) -> Vec<u64> {
    reply.body["results"].as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn an_array_is_accepted_in_order() {
    let api = start(|_| ()).await;
    let reply = api.post(BATCH, &format!("[{}, {}]", event("a"), event("b"))).await;
    assert_eq!((reply.status, statuses(&reply)), (202, vec![202, 202]));
    let keys: Vec<&Value> =
        reply.body["results"].as_array().unwrap().iter().map(|result| &result["event_key"]).collect();
    assert_eq!(keys, ["a", "b"]);
    assert_eq!(reply.body["results"][1]["deliveries"][0], json!({"channel": "email", "recipient": "ada@example.com"}));
    assert_eq!(api.metric(r#"postrider_ingest_events_total{result="accepted",source="shop"}"#), Some(2.0));
}

#[tokio::test]
async fn each_line_stands_for_itself() {
    let api = start(|_| ()).await;
    let body =
        format!("{}\r\n\n{{\"type\": \n{}\n{}", one_line("a"), r#"{"event_key": "c", "email": {}}"#, one_line("d"));
    let reply = lines(&api, &body).await;
    assert_eq!((reply.status, statuses(&reply)), (207, vec![202, 400, 422, 202]), "{reply:?}");
    let third = &reply.body["results"][2];
    assert_eq!((&third["event_key"], &third["errors"][0]["pointer"]), (&json!("c"), &json!("/type")));
    assert_eq!(api.sink.written.lock().unwrap().len(), 2);
    assert_eq!(api.metric(r#"postrider_ingest_events_total{result="rejected",source="shop"}"#), Some(2.0));
}

/// It is JSON, so the array can be read on behind it.
#[tokio::test]
async fn a_name_that_occurs_twice_spoils_only_its_event() {
    let api = start(|_| ()).await;
    let twice = one_line("b").replacen('{', r#"{"type": "other", "#, 1);
    let body = format!("[{}, {twice}, {}]", one_line("a"), one_line("c"));
    let reply = api.post(BATCH, &body).await;
    assert_eq!((reply.status, statuses(&reply)), (207, vec![202, 422, 202]), "{reply:?}");
    let errors = json!([{"pointer": "/type", "detail": "occurs twice in its object: leave one of the two out"}]);
    assert_eq!(reply.body["results"][1]["errors"], errors);
}

/// JSON by its grammar, though nobody can read it: the items around it are.
#[tokio::test]
async fn an_item_that_cannot_be_read_spoils_only_itself() {
    let api = start(|_| ()).await;
    let deep = format!("{}{}", "[".repeat(130), "]".repeat(130));
    for odd in ["1E400", r#""\ud800""#, deep.as_str()] {
        let bad = one_line("b").replacen('{', &format!(r#"{{"type": {odd}, "#), 1);
        let reply = api.post(BATCH, &format!("[{}, {bad}, {}]", one_line("a"), one_line("c"))).await;
        assert_eq!((reply.status, statuses(&reply)), (207, vec![202, 400, 202]), "{odd}: {reply:?}");
    }
    let broken = format!("[{}, {{, {}]", one_line("a"), one_line("c"));
    assert_eq!(api.post(BATCH, &broken).await.status, 400, "where it ends nobody knows");
}

#[tokio::test]
async fn kafka_gone_for_all_of_it_is_a_503_and_for_some_of_it_a_207() {
    let api = start(|_| ()).await;
    let body = format!("[{}, {}]", event("bad-1"), event("good"));
    api.set(Mode::Unknown);
    let reply = api.post(BATCH, &body).await;
    assert_eq!((reply.status, statuses(&reply), reply.header("retry-after")), (503, vec![503, 503], Some("1")));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!((&reply.body["status"], &reply.body["results"][0]["accepted"]), (&json!(503), &json!("unknown")));
    assert_eq!(reply.body["results"][0]["event_key"], "bad-1");
    api.set(Mode::Picky);
    let reply = api.post(BATCH, &body).await;
    assert_eq!((reply.status, statuses(&reply), reply.header("retry-after")), (207, vec![503, 202], Some("1")));
}

#[tokio::test]
async fn a_batch_has_1_to_1000_events() {
    let api = start(|settings| settings.body_max = 1 << 20).await;
    for body in ["[]", "{}", &Value::from(vec![json!({}); 1001]).to_string()] {
        let reply = api.post(BATCH, body).await;
        assert_eq!((reply.status, &reply.body["errors"][0]["pointer"]), (422, &json!("")), "{reply:?}");
    }
    assert_eq!(lines(&api, "\n").await.status, 422);
    assert_eq!(lines(&api, &"{}\n".repeat(1001)).await.status, 422);
    let full: Vec<Value> = (0..1000).map(|i| serde_json::from_str(&event(&format!("e{i}"))).unwrap()).collect();
    let reply = api.post(BATCH, &Value::from(full).to_string()).await;
    assert_eq!((reply.status, statuses(&reply).len()), (202, 1000));
}

/// Whatever an array says as lines is taken as an array: the limit on values is for each event.
#[tokio::test]
async fn a_batch_at_the_limits_is_accepted_and_an_event_beyond_them_spoils_only_itself() {
    let api = start(|settings| settings.body_max = 10 << 20).await;
    let named = |i: usize| json!({"address": format!("ada-{i}@example.com"), "name": "Ada"});
    let to: Vec<Value> = (0..65).map(named).collect();
    let full =
        |i: usize| json!({"event_key": format!("e{i}"), "type": "t", "email": {"to": to, "subject": "s", "text": "t"}});
    let batch = Value::from((0..1000).map(full).collect::<Vec<_>>()).to_string();
    let reply = api.post(BATCH, &batch).await;
    assert_eq!((reply.status, statuses(&reply).len()), (202, 1000), "{}", reply.body["detail"]);

    let huge = json!({"event_key": "huge", "type": "t", "metadata": vec![0; 200_000]}).to_string();
    let reply = api.post(BATCH, &format!("[{}, {huge}, {}]", event("a"), event("b"))).await;
    assert_eq!((reply.status, statuses(&reply)), (207, vec![202, 422, 202]), "{reply:?}");
    assert_eq!(reply.body["results"][1]["errors"][0]["detail"], "has more than 200000 JSON values");
    assert_eq!(lines(&api, &format!("{huge}\n{}", one_line("c"))).await.status, 207);
    assert_eq!(api.post("/v1/notifications", &huge).await.status, 422);
}

#[tokio::test]
async fn a_batch_has_no_key_of_its_own() {
    let api = start(|_| ()).await;
    let headers = [("content-type", "application/json"), AUTHORIZED, ("idempotency-key", "k")];
    let reply = api.send("POST", BATCH, &headers, &format!("[{}]", event("a"))).await;
    assert_eq!(reply.status, 422);
    assert_eq!(api.post(BATCH, "[{]").await.status, 400);
}
