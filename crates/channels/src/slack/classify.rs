//! What Slack's replies mean. Three tables: success, codes, and statuses for replies that have no code.
//!
//! - A reply that carries a code is classified by the code; one that nobody knows is permanent, reason `other`.
//! - 5xx is transient: Slack says that it failed. Two exceptions are `unknown`, because they say that the message
//!   may have been posted: `fatal_error` ("some aspect of the operation may have succeeded") and 504 (a gateway
//!   that handed the message on and got no reply).
//! - 200 with a web page is transient: something stood in front of Slack and answered in its place. 200 with anything
//!   else that is no answer of Slack's (nothing, half a JSON object, 64 KiB) is a reply lost, so `unknown`.
//! - A redirect, or a webhook that is gone, concerns every message to the destination: misconfigured.

mod codes;

use postrider_domain::{Answer, Failure, Reason};
use serde::Deserialize;

use super::{
    exchange::{Reply, ReplyBody},
    target::Endpoint,
};

/// The class of an answer, before its words are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Transient,
    Throttled,
    Permanent,
    Misconfigured,
    Unknown,
}

type Verdict = (Class, Reason);

/// The characters of a reply without a code that are worth keeping.
const EXCERPT_CHARS_MAX: usize = 200;

/// The fields we read of `chat.postMessage`'s reply; workflow webhooks answer in the same way.
#[derive(Debug, Default, Deserialize)]
struct Json {
    ok: bool,
    error: Option<String>,
    ts: Option<String>,
    needed: Option<String>,
    #[serde(default)]
    response_metadata: Details,
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    #[serde(default)]
    messages: Vec<String>,
}

/// What the reply says, read but not judged.
enum Said {
    Ok { reply: String },
    Code { code: String, details: String },
    Page,
    Other { excerpt: String },
}

pub(super) fn classify(reply: &Reply, endpoint: Endpoint) -> Answer {
    let (status, said) = (reply.status, said(&reply.body, endpoint));
    let code = if let Said::Code { code, .. } = &said { codes::listed(code) } else { None };
    let ((class, reason), words) = match said {
        Said::Ok { reply } if status == 200 => return Answer::Delivered { reply },
        Said::Ok { reply } => (by_status(status), reply),
        Said::Code { code, details } => (by_code(status, &code), [code, details].join(" ").trim_end().to_owned()),
        Said::Page if status == 200 => {
            ((Class::Transient, Reason::Protocol), "a web page, so something answered in Slack's place".to_owned())
        }
        Said::Page => (by_status(status), "a web page".to_owned()),
        Said::Other { excerpt } => (by_status(status), excerpt),
    };
    let failure = Failure::new(reason, format!("HTTP {status}: {words}"));
    match class {
        Class::Transient => Answer::Transient { failure, retry_after: reply.retry_after },
        Class::Throttled => Answer::Throttled { failure, retry_after: reply.retry_after },
        Class::Permanent => Answer::Permanent { failure },
        Class::Misconfigured => {
            let remedy = remedy(endpoint, status, reason);
            let answer = format!("{}; {remedy}", failure.answer);
            let said = code.map(|code| format!("Slack says {code}: ")).unwrap_or_default();
            Answer::Misconfigured { failure: Failure::new(reason, answer).with_remedy(said + remedy) }
        }
        Class::Unknown => Answer::Unknown { failure },
    }
}

fn said(body: &ReplyBody, endpoint: Endpoint) -> Said {
    let text = match body {
        ReplyBody::Whole(text) => text.trim(),
        ReplyBody::TooLarge => return Said::Other { excerpt: "a reply far larger than Slack's are".to_owned() },
        ReplyBody::Lost => return Said::Other { excerpt: "the reply broke off".to_owned() },
    };
    // The Web API always answers in JSON: a bare `ok` comes from something else, many a health check for one.
    if text == "ok" && endpoint == Endpoint::Webhook {
        return Said::Ok { reply: text.to_owned() };
    }
    match serde_json::from_str::<Json>(text) {
        Ok(Json { ok: true, ts, .. }) => {
            let ts = ts.map(|ts| format!(" ts={}", excerpt(&ts))).unwrap_or_default();
            Said::Ok { reply: format!("ok{ts}") }
        }
        Ok(Json { ok: false, error: Some(code), needed, response_metadata, .. }) => {
            let needed = needed.map(|scope| format!("(needs the scope {scope})"));
            let details = needed.into_iter().chain(response_metadata.messages).collect::<Vec<_>>().join(" ");
            Said::Code { code: excerpt(&code), details: excerpt(&details) }
        }
        _ if text.starts_with('<') => Said::Page,
        _ if is_code(text) && text != "ok" => Said::Code { code: text.to_owned(), details: String::new() },
        _ if text.is_empty() => Said::Other { excerpt: "an empty reply".to_owned() },
        _ => Said::Other { excerpt: excerpt(text) },
    }
}

/// Slack's codes are words in snake case.
fn is_code(text: &str) -> bool {
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

fn by_code(status: u16, code: &str) -> Verdict {
    match codes::verdict(code) {
        _ if status == 429 => by_status(status),
        Some(verdict) => verdict,
        None if 500 <= status => by_status(status),
        None => (Class::Permanent, Reason::Other),
    }
}

/// For replies without a code: what answered need not be Slack.
fn by_status(status: u16) -> Verdict {
    match status {
        200..=299 => (Class::Unknown, Reason::Protocol),
        300..=399 => (Class::Misconfigured, Reason::Protocol),
        400 | 422 => (Class::Permanent, Reason::InvalidMessage),
        401 | 407 => (Class::Misconfigured, Reason::Auth),
        403 => (Class::Permanent, Reason::Forbidden),
        404 | 405 | 410 => (Class::Misconfigured, Reason::Protocol),
        408 => (Class::Transient, Reason::Timeout),
        413 => (Class::Permanent, Reason::TooLarge),
        421 | 425 => (Class::Transient, Reason::TryLater),
        429 => (Class::Throttled, Reason::RateLimited),
        504 => (Class::Unknown, Reason::LostReply),
        500..=599 => (Class::Transient, Reason::Unavailable),
        _ => (Class::Permanent, Reason::Other),
    }
}

/// What the operator can do; the destination is stopped until it is done.
fn remedy(endpoint: Endpoint, status: u16, reason: Reason) -> &'static str {
    match (endpoint, reason) {
        (_, Reason::Auth) if status == 407 => "the proxy wants credentials: put them into HTTPS_PROXY",
        (_, Reason::Protocol) if (300..400).contains(&status) => {
            "redirects are not followed: check the URL in [slack], and whether a proxy is in the way"
        }
        (Endpoint::Webhook, _) => {
            "the webhook is gone or refused: make a new one in Slack and put its URL into webhook_url_file"
        }
        (Endpoint::Api, Reason::Auth) => {
            "check the destination's token_file: the token must be of an app that is installed, with the scope chat:write"
        }
        (Endpoint::Api, _) => "no Slack Web API answers there: check slack.api_url",
    }
}

#[cfg(test)]
mod tests;
