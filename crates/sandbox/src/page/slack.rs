//! Slack's two ways in, answering as Slack does.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::inbox::{Inbox, Slack};

/// Slack's own limit of blocks in a message.
const BLOCKS_MAX: usize = 50;
/// Of a webhook's or channel's name as it is kept.
const NAME_CHARS_MAX: usize = 100;

/// `POST /slack/webhook/{name}`: an incoming webhook. 200 `ok`, or Slack's code as text.
pub(super) async fn webhook(State(inbox): State<Inbox>, Path(name): Path<String>, body: Bytes) -> Response {
    match checked(&body) {
        Ok(_) => {
            keep(&inbox, &name, "webhook", body);
            "ok".into_response()
        }
        Err(code) => (StatusCode::BAD_REQUEST, code).into_response(),
    }
}

/// `POST /slack/api/chat.postMessage`: 200 whatever happens, the word is in `ok`. Any token is good.
pub(super) async fn post_message(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> Json<Value> {
    let refused = |code: &str| Json(json!({ "ok": false, "error": code }));
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if token.is_none_or(|token| token.trim().is_empty()) {
        return refused("not_authed");
    }
    let payload = match checked(&body) {
        Ok(payload) => payload,
        Err("invalid_payload") => return refused("invalid_json"),
        Err(code) => return refused(code),
    };
    let Some(channel) = payload["channel"].as_str().filter(|channel| !channel.is_empty()) else {
        return refused("channel_not_found");
    };
    let now = inbox.now();
    let id = keep(&inbox, channel, "chat.postMessage", body.clone());
    let ts = format!("{}.{:06}", now / 1_000, id % 1_000_000);
    let message = json!({ "type": "message", "text": payload["text"], "ts": ts });
    Json(json!({ "ok": true, "channel": channel, "ts": ts, "message": message }))
}

/// The payload, or Slack's code for what is wrong with it.
fn checked(body: &[u8]) -> Result<Value, &'static str> {
    let payload: Value = serde_json::from_slice(body).map_err(|_| "invalid_payload")?;
    if !payload.is_object() {
        return Err("invalid_payload");
    }
    let blocks = match &payload["blocks"] {
        Value::Null => 0,
        Value::Array(blocks) if blocks.len() <= BLOCKS_MAX && blocks.iter().all(|block| block["type"].is_string()) => {
            blocks.len()
        }
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err("invalid_blocks");
        }
    };
    let has_text = payload["text"].as_str().is_some_and(|text| !text.is_empty());
    let has_attachments = payload["attachments"].as_array().is_some_and(|attachments| !attachments.is_empty());
    if has_text || has_attachments || blocks > 0 { Ok(payload) } else { Err("no_text") }
}

fn keep(inbox: &Inbox, destination: &str, method: &'static str, raw: Bytes) -> u64 {
    inbox.keep_slack(Slack { destination: destination.chars().take(NAME_CHARS_MAX).collect(), method, raw })
}
