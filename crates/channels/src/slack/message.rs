//! The JSON that Slack gets.

use postrider_domain::{Delivery, Slack, message_rules::SLACK_BLOCKS_MAX};
use serde::Serialize;
use serde_json::Value;

/// Slack wants text beside blocks, for notifications and screen readers; this much of the blocks' own is enough.
const FALLBACK_CHARS_MAX: usize = 200;

/// Why an event's Slack part makes no message. Said of the event, not of the destination: no retry will help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    #[error("the event has no Slack part")]
    NoPart,
    #[error("a Slack message needs a text or at least one block")]
    Empty,
    #[error("slack.blocks is no JSON array of objects")]
    Blocks,
    #[error("slack.blocks has more than {SLACK_BLOCKS_MAX} blocks, which Slack does not take")]
    TooManyBlocks,
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
}

/// Slack has no idempotency key; this lets an operator, or a later search, tell a second copy from a second event.
#[derive(Serialize)]
struct Metadata<'a> {
    event_type: &'static str,
    event_payload: EventPayload<'a>,
}

#[derive(Serialize)]
struct EventPayload<'a> {
    event_id: String,
    source: &'a str,
    event_key: &'a str,
    event_type: &'a str,
}

/// The request's body. `channel` is given for `chat.postMessage` alone; only that takes metadata.
pub(super) fn payload(delivery: &Delivery, channel: Option<&str>) -> Result<String, Problem> {
    let event = &delivery.event;
    let slack = event.slack.as_ref().ok_or(Problem::NoPart)?;
    let blocks = blocks(slack)?;
    let given = slack.text.as_deref().filter(|text| !text.is_empty());
    let text = match given {
        Some(text) => text.to_owned(),
        None if blocks.is_empty() => return Err(Problem::Empty),
        None => blocks.iter().find_map(first_text).unwrap_or_else(|| event.event_type.clone()),
    };
    let metadata = channel.map(|_| Metadata {
        event_type: "postrider_notification",
        event_payload: EventPayload {
            event_id: delivery.message_id_local(),
            source: &event.source,
            event_key: &event.event_key,
            event_type: &event.event_type,
        },
    });
    let payload = Payload { channel, text: escape(&text), blocks, thread_ts: slack.thread_ts.as_deref(), metadata };
    Ok(serde_json::to_string(&payload).expect("strings and JSON values always serialise"))
}

fn blocks(slack: &Slack) -> Result<Vec<Value>, Problem> {
    let Some(text) = &slack.blocks else { return Ok(Vec::new()) };
    let blocks: Vec<Value> = serde_json::from_str(text).map_err(|_| Problem::Blocks)?;
    if SLACK_BLOCKS_MAX < blocks.len() {
        return Err(Problem::TooManyBlocks);
    }
    if blocks.iter().all(Value::is_object) { Ok(blocks) } else { Err(Problem::Blocks) }
}

/// The text of a header or section block, cut short.
fn first_text(block: &Value) -> Option<String> {
    let text = block.get("text")?.get("text")?.as_str()?;
    (!text.is_empty()).then(|| text.chars().take(FALLBACK_CHARS_MAX).collect())
}

/// Slack's three: everything that could become a mention, a link or a command starts with one of them.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
