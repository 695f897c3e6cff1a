use std::time::Duration;

use proptest::prelude::*;

use super::{said::is_code, *};
use crate::slack::exchange::ReplyBody;

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, body: ReplyBody::Whole(body.to_owned()) }
}

#[track_caller]
fn check(endpoint: Endpoint, reply: &Reply, result: &str, reason: Reason) -> String {
    let answer = classify(reply, endpoint);
    let failure = answer.failure().unwrap_or_else(|| panic!("{reply:?} is no failure")).clone();
    assert_eq!((answer.result(), failure.reason), (Some(result), reason), "{reply:?}");
    failure.answer
}

/// Written out a second time, by hand and in Slack's terms: the table in `codes` must agree.
#[test]
fn codes_of_the_web_api() {
    for (code, result, reason) in [
        ("ratelimited", "throttled", Reason::RateLimited),
        ("rate_limited", "throttled", Reason::RateLimited),
        ("message_limit_exceeded", "throttled", Reason::RateLimited),
        ("service_unavailable", "transient", Reason::Unavailable),
        ("internal_error", "transient", Reason::Unavailable),
        ("request_timeout", "transient", Reason::Timeout),
        ("team_added_to_org", "transient", Reason::Unavailable),
        ("fatal_error", "unknown", Reason::Unavailable),
        ("channel_not_found", "permanent", Reason::UnknownRecipient),
        ("is_archived", "permanent", Reason::UnknownRecipient),
        ("user_not_found", "permanent", Reason::UnknownRecipient),
        ("not_in_channel", "permanent", Reason::Forbidden),
        ("restricted_action", "permanent", Reason::Forbidden),
        ("restricted_action_read_only_channel", "permanent", Reason::Forbidden),
        ("restricted_action_thread_locked", "permanent", Reason::Forbidden),
        ("ekm_access_denied", "permanent", Reason::Forbidden),
        ("msg_too_long", "permanent", Reason::TooLarge),
        ("msg_blocks_too_long", "permanent", Reason::TooLarge),
        ("metadata_too_large", "permanent", Reason::TooLarge),
        ("too_many_attachments", "permanent", Reason::TooLarge),
        ("no_text", "permanent", Reason::InvalidMessage),
        ("invalid_blocks", "permanent", Reason::InvalidMessage),
        ("invalid_blocks_format", "permanent", Reason::InvalidMessage),
        ("invalid_arguments", "permanent", Reason::InvalidMessage),
        ("invalid_json", "permanent", Reason::InvalidMessage),
        ("invalid_auth", "misconfigured", Reason::Auth),
        ("not_authed", "misconfigured", Reason::Auth),
        ("account_inactive", "misconfigured", Reason::Auth),
        ("token_revoked", "misconfigured", Reason::Auth),
        ("token_expired", "misconfigured", Reason::Auth),
        ("missing_scope", "misconfigured", Reason::Auth),
        ("not_allowed_token_type", "misconfigured", Reason::Auth),
        ("unknown_method", "misconfigured", Reason::Protocol),
        ("a_code_of_next_year", "permanent", Reason::Other),
    ] {
        let body = format!(r#"{{"ok":false,"error":"{code}"}}"#);
        let answer = check(Endpoint::Api, &reply(200, &body), result, reason);
        assert!(answer.contains(code), "{answer}");
    }
}

#[test]
fn codes_of_webhooks() {
    for (status, code, result, reason) in [
        (400, "invalid_payload", "permanent", Reason::InvalidMessage),
        (400, "user_not_found", "permanent", Reason::UnknownRecipient),
        (400, "missing_text_or_fallback_or_attachments", "permanent", Reason::InvalidMessage),
        (400, "too_many_attachments", "permanent", Reason::TooLarge),
        (400, "invalid_blocks", "permanent", Reason::InvalidMessage),
        (403, "action_prohibited", "permanent", Reason::Forbidden),
        (403, "posting_to_general_channel_denied", "permanent", Reason::Forbidden),
        (403, "invalid_token", "misconfigured", Reason::Auth),
        (403, "team_disabled", "misconfigured", Reason::Auth),
        (404, "channel_not_found", "permanent", Reason::UnknownRecipient),
        (404, "no_service", "misconfigured", Reason::Auth),
        (404, "no_service_id", "misconfigured", Reason::Auth),
        (404, "no_active_hooks", "misconfigured", Reason::Auth),
        (404, "no_team", "misconfigured", Reason::Auth),
        (410, "channel_is_archived", "permanent", Reason::UnknownRecipient),
        (500, "rollup_error", "transient", Reason::Unavailable),
        (500, "a_code_of_next_year", "transient", Reason::Unavailable),
        (403, "a_code_of_next_year", "permanent", Reason::Other),
        (200, "no_text", "permanent", Reason::InvalidMessage),
        (429, "rate_limited", "throttled", Reason::RateLimited),
        (429, "no_service", "throttled", Reason::RateLimited),
    ] {
        check(Endpoint::Webhook, &reply(status, code), result, reason);
    }
}

#[test]
fn replies_without_a_code() {
    for (status, result, reason) in [
        (204, "unknown", Reason::Protocol),
        (302, "misconfigured", Reason::Protocol),
        (400, "permanent", Reason::InvalidMessage),
        (401, "misconfigured", Reason::Auth),
        (403, "permanent", Reason::Forbidden),
        (404, "misconfigured", Reason::Protocol),
        (407, "misconfigured", Reason::Auth),
        (408, "transient", Reason::Timeout),
        (413, "permanent", Reason::TooLarge),
        (418, "permanent", Reason::Other),
        (429, "throttled", Reason::RateLimited),
        (500, "transient", Reason::Unavailable),
        (502, "transient", Reason::Unavailable),
        (503, "transient", Reason::Unavailable),
        (504, "unknown", Reason::LostReply),
    ] {
        for endpoint in [Endpoint::Api, Endpoint::Webhook] {
            check(endpoint, &reply(status, ""), result, reason);
            check(endpoint, &reply(status, "<html><h1>Oh no</h1></html>"), result, reason);
        }
    }
}

#[test]
fn only_a_200_that_says_ok_is_delivered() {
    let ok = r#"{"ok":true,"channel":"C1","ts":"1503435956.000247"}"#;
    let said = |reply: &Reply| classify(reply, Endpoint::Api);
    assert_eq!(said(&reply(200, ok)), Answer::Delivered { reply: "ok ts=1503435956.000247".into() });
    assert_eq!(classify(&reply(200, "ok"), Endpoint::Webhook), Answer::Delivered { reply: "ok".into() });
    for (status, body) in
        [(201, ok), (200, "ok"), (201, "ok"), (200, ""), (200, "OK!"), (200, r#"{"ok":true"#), (200, "{}")]
    {
        check(Endpoint::Api, &reply(status, body), "unknown", Reason::Protocol);
    }
    check(Endpoint::Webhook, &reply(500, "ok"), "transient", Reason::Unavailable);
    check(Endpoint::Webhook, &reply(200, "<html>ok</html>"), "transient", Reason::Protocol);
    for body in [ReplyBody::Lost, ReplyBody::TooLarge] {
        check(Endpoint::Api, &Reply { body, ..reply(200, "") }, "unknown", Reason::Protocol);
    }
}

/// What stands beside a clear answer must not make it doubtful: a posted message would be sent again.
#[test]
fn odd_side_fields_leave_a_clear_answer_clear() {
    for body in [
        r#"{"ok":true,"ts":"1.1","response_metadata":null}"#,
        r#"{"ok":true,"ts":"1.1","response_metadata":[],"error":7}"#,
        r#"{"ok":true,"ts":"1.1","needed":[]}"#,
    ] {
        assert_eq!(
            classify(&reply(200, body), Endpoint::Api),
            Answer::Delivered { reply: "ok ts=1.1".into() },
            "{body}"
        );
    }
    for body in [r#"{"ok":true,"ts":1.1}"#, r#"{"ok":true,"needed":[]}"#, r#"{"ok":true,"ts":"1","ts":"2"}"#] {
        assert_eq!(classify(&reply(200, body), Endpoint::Api), Answer::Delivered { reply: "ok".into() }, "{body}");
    }
    for (body, result, reason) in [
        (r#"{"ok":false,"error":"invalid_blocks","response_metadata":null}"#, "permanent", Reason::InvalidMessage),
        (r#"{"ok":false,"error":"invalid_auth","response_metadata":{"messages":[1]}}"#, "misconfigured", Reason::Auth),
        (r#"{"ok":false,"error":"ratelimited","needed":{},"ts":0}"#, "throttled", Reason::RateLimited),
        (r#"{"ok":false}"#, "permanent", Reason::Other),
        (r#"{"ok":false,"error":null}"#, "permanent", Reason::Other),
        (r#"{"ok":false,"error":{"code":1}}"#, "permanent", Reason::Other),
        (r#"{"ok":false,"error":""}"#, "permanent", Reason::Other),
    ] {
        check(Endpoint::Api, &reply(200, body), result, reason);
    }
    check(Endpoint::Api, &reply(404, r#"{"ok":false}"#), "misconfigured", Reason::Protocol);
    check(Endpoint::Api, &reply(503, r#"{"ok":false}"#), "transient", Reason::Unavailable);
    let body = r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":[1,"[ERROR] too long"]}}"#;
    let words = check(Endpoint::Api, &reply(200, body), "permanent", Reason::InvalidMessage);
    assert_eq!(words, "HTTP 200: invalid_blocks [ERROR] too long");
}

/// Replies that are, or nearly are, what Slack says.
fn bodies() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("ok".to_owned()),
        (any::<bool>(), "[a-z_]{0,12}").prop_map(|(ok, error)| format!(r#"{{"ok":{ok},"error":"{error}"}}"#)),
        Just(r#"{"ok":"true"}"#.to_owned()),
        Just(r#"{"ok":1}"#.to_owned()),
        Just(r#"[{"ok":true}]"#.to_owned()),
        Just(r#"{"ok":true}{"ok":false}"#.to_owned()),
        "[ -~]{0,40}",
        ".{0,40}",
    ]
}

proptest! {
    /// No reply, whatever it is, passes for success but a 200 that says so as Slack says it.
    #[test]
    fn nothing_else_is_ever_delivered(status in prop_oneof![Just(200u16), 100..600u16], body in bodies()) {
        let says_so = serde_json::from_str::<serde_json::Value>(&body).is_ok_and(|json| json["ok"] == true);
        for endpoint in [Endpoint::Api, Endpoint::Webhook] {
            let bare = endpoint == Endpoint::Webhook && body.trim() == "ok";
            let answer = classify(&reply(status, &body), endpoint);
            let expected = status == 200 && (says_so || bare);
            prop_assert_eq!(matches!(answer, Answer::Delivered { .. }), expected, "{} {:?}: {:?}", status, body, answer);
        }
    }
}

#[test]
fn hints_are_passed_on() {
    let hint = Some(Duration::from_secs(30));
    let busy = Reply { retry_after: hint, ..reply(429, "") };
    assert!(matches!(classify(&busy, Endpoint::Api), Answer::Throttled { retry_after, .. } if retry_after == hint));
    let down = Reply { retry_after: hint, ..reply(503, "") };
    assert!(matches!(classify(&down, Endpoint::Api), Answer::Transient { retry_after, .. } if retry_after == hint));
}

#[test]
fn the_words_help_the_reader() {
    let body = r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] too\nlong"]}}"#;
    let words = check(Endpoint::Api, &reply(200, body), "permanent", Reason::InvalidMessage);
    assert_eq!(words, "HTTP 200: invalid_blocks [ERROR] too long");
    let body = r#"{"ok":false,"error":"missing_scope","needed":"chat:write"}"#;
    let words = check(Endpoint::Api, &reply(200, body), "misconfigured", Reason::Auth);
    assert!(words.contains("needs the scope chat:write") && words.contains("token_file"), "{words}");
    let words = check(Endpoint::Webhook, &reply(404, "no_service"), "misconfigured", Reason::Auth);
    assert!(words.contains("webhook_url_file"), "{words}");
    let words = check(Endpoint::Webhook, &reply(200, "\u{1b}[31mred\r\nalert"), "unknown", Reason::Protocol);
    assert_eq!(words, "HTTP 200: [31mred alert");
}

#[test]
fn no_code_is_listed_twice() {
    for (i, (code, ..)) in codes::CODES.iter().enumerate() {
        assert!(is_code(code), "{code}");
        assert!(codes::CODES[..i].iter().all(|(other, ..)| other != code), "{code}");
    }
}
