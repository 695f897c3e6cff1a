//! The `slack` part of an event.

use postrider_domain::{Slack, limits::RECIPIENTS_MAX, message_rules::SLACK_BLOCKS_MAX};

use super::{
    fields::{Fields, text, wrong_kind},
    json::Json,
    problems::{Path, Problems},
};

pub(crate) const SLACK: &[&str] = &["to", "text", "blocks", "thread_ts"];

/// Reads the part's form; what Slack takes is `message_rules`' business.
pub(crate) fn slack(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> Slack {
    let fields = Fields::open(path, json, SLACK, problems);
    if matches!(json, Json::Object(_)) && fields.given("to").is_none() {
        problems.add(&path.field("to"), "is required");
    }
    let has_text = matches!(fields.given("text"), Some(Json::Text(text)) if !text.is_empty());
    if !has_text && matches!(fields.given("blocks"), Some(Json::List(items)) if items.is_empty()) {
        problems.add(&path.field("blocks"), "is empty: a Slack message needs a text, or at least one block");
    }
    Slack {
        to: fields.list("to", RECIPIENTS_MAX, problems, text),
        text: fields.optional("text", problems, text),
        blocks: fields.optional("blocks", problems, blocks),
        thread_ts: fields.optional("thread_ts", problems, text),
    }
}

/// Block Kit travels as JSON text.
fn blocks(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> String {
    match json {
        Json::List(items) if items.len() > SLACK_BLOCKS_MAX => {
            problems.add(path, format!("has {} blocks; Slack takes at most {SLACK_BLOCKS_MAX}", items.len()));
        }
        Json::List(items) => {
            for (index, item) in items.iter().enumerate().filter(|(_, item)| !matches!(item, Json::Object(_))) {
                wrong_kind(&path.item(index), item, "a Block Kit block (an object)", problems);
            }
        }
        _ => wrong_kind(path, json, "an array of Block Kit blocks", problems),
    }
    serde_json::to_string(json).expect("a tree that was read from JSON can be written as JSON")
}
