use std::{collections::BTreeMap, sync::Arc};

use postrider_domain::{ChannelName, DestinationName, Fingerprint, Notification, Timestamp};
use serde_json::json;

use super::*;

fn delivery(slack: Option<Slack>) -> Delivery {
    let event = Notification {
        source: "shop".into(),
        event_key: "order-1017".into(),
        event_type: "order.shipped".into(),
        occurred_at: Timestamp(0),
        not_before: None,
        expires_at: None,
        template: None,
        email: None,
        slack,
        metadata: BTreeMap::new(),
    };
    Delivery {
        id: Fingerprint::of_delivery(&event, ChannelName::Slack, "ops", None),
        channel: ChannelName::Slack,
        destination: DestinationName::new("ops"),
        recipient: Arc::from("ops"),
        salt: None,
        event: Arc::new(event),
        trace_parent: None,
    }
}

fn with(text: Option<&str>, blocks: Option<&str>) -> Delivery {
    let part =
        Slack { to: vec!["ops".into()], text: text.map(Into::into), blocks: blocks.map(Into::into), thread_ts: None };
    delivery(Some(part))
}

#[track_caller]
fn made(delivery: &Delivery, channel: Option<&str>) -> Value {
    serde_json::from_str(&payload(delivery, channel).unwrap()).unwrap()
}

#[test]
fn text_is_data_so_no_mention_comes_out_of_it() {
    let body = made(&with(Some("<!channel> A&B <https://x|y> *bold*"), None), None);
    assert_eq!(body, json!({ "text": "&lt;!channel&gt; A&amp;B &lt;https://x|y&gt; *bold*" }));
}

#[test]
fn blocks_go_as_given_and_never_without_text() {
    let blocks = r#"[{"type":"divider"},{"type":"section","text":{"type":"mrkdwn","text":"<!here> up"}}]"#;
    let body = made(&with(None, Some(blocks)), None);
    assert_eq!(body["blocks"], serde_json::from_str::<Value>(blocks).unwrap());
    assert_eq!(body["text"], "&lt;!here&gt; up");
    assert_eq!(made(&with(Some("short"), Some(blocks)), None)["text"], "short");
    assert_eq!(made(&with(None, Some(r#"[{"type":"divider"}]"#)), None)["text"], "order.shipped");
}

#[test]
fn the_web_api_gets_channel_thread_and_the_events_id() {
    let mut part = with(Some("hi"), None);
    let event = Arc::make_mut(&mut part.event);
    event.slack.as_mut().unwrap().thread_ts = Some("1503435956.000247".into());
    let body = made(&part, Some("C0123"));
    assert_eq!(body["channel"], "C0123");
    assert_eq!(body["thread_ts"], "1503435956.000247");
    assert_eq!(body["metadata"]["event_type"], "postrider_notification");
    assert_eq!(body["metadata"]["event_payload"]["event_id"], part.message_id_local());
    assert_eq!(body["metadata"]["event_payload"]["event_key"], "order-1017");
}

#[test]
fn what_makes_no_message_is_named() {
    assert_eq!(payload(&delivery(None), None), Err(Problem::NoPart));
    assert_eq!(payload(&with(None, None), None), Err(Problem::Empty));
    assert_eq!(payload(&with(Some(""), Some("[]")), None), Err(Problem::Empty));
    for blocks in ["", "{}", "[1]", "[{}", r#"["<!channel>"]"#] {
        assert_eq!(payload(&with(Some("hi"), Some(blocks)), None), Err(Problem::Blocks), "{blocks}");
    }
    let many = serde_json::to_string(&vec![json!({ "type": "divider" }); 51]).unwrap();
    assert_eq!(payload(&with(Some("hi"), Some(&many)), None), Err(Problem::TooManyBlocks));
}
