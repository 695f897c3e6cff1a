//! What Slack's replies mean. Three tables: success, codes, and statuses for replies that have no code.
//!
//! - A reply that carries a code is classified by the code; one that nobody knows is permanent, reason `other`.
//! - `ok: false` without a code that can be read is a refusal all the same: permanent, reason `other`, on a 2xx.
//! - 5xx is transient: Slack says that it failed. Two exceptions are `unknown`, because they say that the message
//!   may have been posted: `fatal_error` ("some aspect of the operation may have succeeded") and 504 (a gateway
//!   that handed the message on and got no reply).
//! - 200 with a web page is transient: something stood in front of Slack and answered in its place. 200 with anything
//!   else that is no answer of Slack's (nothing, half a JSON object, over 1 MiB) is a reply lost, so `unknown`.
//! - A redirect, or a webhook that is gone, concerns every message to the destination: misconfigured.

mod codes;
mod said;

use postrider_domain::{Answer, Failure, Reason};

use self::said::{Said, said};
use super::{exchange::Reply, target::Endpoint};

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

pub(super) fn classify(reply: &Reply, endpoint: Endpoint) -> Answer {
    let (status, said) = (reply.status, said(&reply.body, endpoint));
    let code = if let Said::Code { code, .. } = &said { codes::listed(code) } else { None };
    let ((class, reason), words) = match said {
        Said::Ok { reply } if status == 200 => return Answer::Delivered { reply },
        Said::Ok { reply } => (by_status(status), reply),
        Said::Code { code, details } => (by_code(status, &code), [code, details].join(" ").trim_end().to_owned()),
        Said::Refused { excerpt } if (200..300).contains(&status) => ((Class::Permanent, Reason::Other), excerpt),
        Said::Refused { excerpt } => (by_status(status), excerpt),
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
