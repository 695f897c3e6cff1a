//! What a reply says, read but not judged.
//!
//! `ok` and `error` decide and are read for themselves. What stands beside them only adds words: where it is not what
//! Slack documents it is left out, because an odd `ts` does not make a posted message doubtful.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::slack::{exchange::ReplyBody, target::Endpoint};

/// The characters of a reply without a code that are worth keeping.
const EXCERPT_CHARS_MAX: usize = 200;

/// What decides, in `chat.postMessage`'s reply; workflow webhooks answer in the same way. Unread values are borrowed: a
/// reply that echoes a long message takes no memory a second time.
#[derive(Deserialize)]
struct Verdict<'r> {
    ok: bool,
    #[serde(borrow)]
    error: Option<&'r RawValue>,
}

/// What adds words.
#[derive(Default, Deserialize)]
struct Beside<'r> {
    #[serde(borrow)]
    ts: Option<&'r RawValue>,
    #[serde(borrow)]
    needed: Option<&'r RawValue>,
    #[serde(borrow)]
    response_metadata: Option<&'r RawValue>,
}

#[derive(Deserialize)]
struct Metadata<'r> {
    #[serde(borrow)]
    messages: Vec<&'r RawValue>,
}

/// What the reply says.
pub(super) enum Said {
    Ok {
        reply: String,
    },
    Code {
        code: String,
        details: String,
    },
    /// `ok` is false and there is no code.
    Refused {
        excerpt: String,
    },
    Page,
    Other {
        excerpt: String,
    },
}

pub(super) fn said(body: &ReplyBody, endpoint: Endpoint) -> Said {
    let text = match body {
        ReplyBody::Whole(text) => text.trim(),
        ReplyBody::TooLarge => return Said::Other { excerpt: "a reply far larger than Slack's are".to_owned() },
        ReplyBody::Lost => return Said::Other { excerpt: "the reply broke off".to_owned() },
    };
    // The Web API always answers in JSON: a bare `ok` comes from something else, many a health check for one.
    if text == "ok" && endpoint == Endpoint::Webhook {
        return Said::Ok { reply: text.to_owned() };
    }
    match serde_json::from_str::<Verdict<'_>>(text) {
        Ok(verdict) => of_verdict(&verdict, text),
        Err(_) if text.starts_with('<') => Said::Page,
        Err(_) if is_code(text) && text != "ok" => Said::Code { code: text.to_owned(), details: String::new() },
        Err(_) if text.is_empty() => Said::Other { excerpt: "an empty reply".to_owned() },
        Err(_) => Said::Other { excerpt: excerpt(text) },
    }
}

fn of_verdict(verdict: &Verdict<'_>, text: &str) -> Said {
    let beside: Beside<'_> = serde_json::from_str(text).unwrap_or_default();
    if verdict.ok {
        let ts = read::<String>(beside.ts).map(|ts| format!(" ts={}", excerpt(&ts))).unwrap_or_default();
        return Said::Ok { reply: format!("ok{ts}") };
    }
    let Some(code) = read::<String>(verdict.error).filter(|code| !code.is_empty()) else {
        return Said::Refused { excerpt: excerpt(text) };
    };
    let needed = read::<String>(beside.needed).map(|scope| format!("(needs the scope {scope})"));
    let details = needed.into_iter().chain(messages(beside.response_metadata)).collect::<Vec<_>>().join(" ");
    Said::Code { code: excerpt(&code), details: excerpt(&details) }
}

fn messages(metadata: Option<&RawValue>) -> Vec<String> {
    let metadata: Option<Metadata<'_>> = metadata.and_then(|raw| serde_json::from_str(raw.get()).ok());
    metadata.into_iter().flat_map(|metadata| metadata.messages).filter_map(|message| read(Some(message))).collect()
}

/// `None` if it is not there, or is something else.
fn read<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// Slack's codes are words in snake case.
pub(super) fn is_code(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// One line without control characters, cut.
fn excerpt(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(EXCERPT_CHARS_MAX)
        .collect()
}
