//! Generates `openapi.json` and holds the committed one, and the parser's field lists, to it.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use crate::{BatchAnswer, BatchProblem, ProblemDocument, accept::Accepted, parse, parse::json::VALUES_MAX};

/// One event: what to tell whom. Needs an `email` or a `slack` part. Other fields are refused.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Notification {
    /// Your own key for the event: 1 to 255 bytes, no control characters. What was accepted under a key is sent
    /// once, however often it comes. May come as the `Idempotency-Key` header instead; with neither, one is made.
    #[schema(examples("order-1017-shipped"))]
    event_key: Option<String>,
    /// What happened, in your words; 1 to 255 bytes.
    #[schema(examples("order.shipped"))]
    r#type: String,
    /// When it happened (RFC 3339); now, if left out.
    #[schema(format = DateTime)]
    occurred_at: Option<String>,
    /// Not to be sent before this time (RFC 3339).
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// Not to be sent from this time on (RFC 3339).
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    email: Option<Email>,
    slack: Option<Slack>,
    /// Free data; travels along, is never sent. At most 64 entries.
    metadata: Option<BTreeMap<String, String>>,
}

/// The email part: one mail, one delivery for each distinct recipient of `to`, `cc` and `bcc`. Its headers name all of `to`
/// and `cc`, but addresses with text beyond ASCII before the `@` only to those who have such an address themselves.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Email {
    /// Overrides the configured sender.
    from: Option<Address>,
    reply_to: Option<Vec<Address>>,
    to: Option<Vec<Address>>,
    cc: Option<Vec<Address>>,
    /// Never in a header.
    bcc: Option<Vec<Address>>,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    /// Further renderings, for example `text/calendar`.
    alternatives: Option<Vec<Alternative>>,
    /// Extra headers by name; those that Postrider sets itself are refused.
    headers: Option<BTreeMap<String, String>>,
    attachments: Option<Vec<Attachment>>,
}

/// A mail address.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Address {
    #[schema(examples("ada@example.com"))]
    address: String,
    /// A display name in any script.
    name: Option<String>,
}

/// One more rendering of the mail's body.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Alternative {
    content_type: String,
    /// Base64.
    #[schema(format = Byte)]
    content: String,
}

/// A file that travels with the mail.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Attachment {
    filename: String,
    content_type: String,
    /// Base64.
    #[schema(format = Byte)]
    content: String,
    /// Makes it an inline part that `html` refers to as `cid:<content_id>`.
    content_id: Option<String>,
}

/// The Slack part: one delivery for each named destination.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its shape is used")]
struct Slack {
    /// Names of configured destinations.
    to: Vec<String>,
    /// Also the fallback beside `blocks`.
    text: Option<String>,
    /// Block Kit, at most 50 blocks.
    blocks: Option<Vec<serde_json::Map<String, Value>>>,
    /// Answer in this thread.
    thread_ts: Option<String>,
}

const _: () = assert!(VALUES_MAX == 200_000, "the next lines say so");

/// Hand over one event
///
/// Answered 202 only after Kafka's acknowledgement by all in-sync replicas. Repeating an event with its key is always
/// safe; the same key with other content is not delivered. An event has at most 200,000 JSON values.
#[utoipa::path(
    post, path = "/v1/notifications", request_body = Notification, security((), ("key" = [])),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "The event key, if the body has none. Quotes around it are not part of it."),
        ("traceparent" = Option<String>, Header, description = "W3C trace context; travels on with the event."),
    ),
    responses(
        (status = 202, description = "Acknowledged by Kafka", body = Accepted),
        (status = 400, description = "Not JSON", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "No configured API key", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "Larger than `ingest.body_max`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Not application/json, or compressed", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 421, description = "Without API keys: `Host` is neither localhost, a name below it nor an IP address", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "Not valid; every problem is listed", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "Too much on its way; not accepted. See Retry-After", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Kafka did not acknowledge, or too many connections are open. See Retry-After, `accepted` and `event_key`", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
#[allow(dead_code, reason = "only its description is used")]
fn post_notification() {}

/// Hand over up to 1,000 events
///
/// A JSON array, or one event a line (`application/x-ndjson`). One result per event, in order.
#[utoipa::path(
    post, path = "/v1/notifications/batch", security((), ("key" = [])),
    request_body(content((Vec<Notification> = "application/json"), (String = "application/x-ndjson"))),
    params(("traceparent" = Option<String>, Header, description = "W3C trace context; travels on with each event.")),
    responses(
        (status = 202, description = "All acknowledged by Kafka", body = BatchAnswer),
        (status = 207, description = "Some were not accepted; each result has its own status", body = BatchAnswer),
        (status = 400, description = "Not JSON", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "No configured API key", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "Larger than `ingest.body_max`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Neither of the media types, or compressed", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 421, description = "Without API keys: `Host` is neither localhost, a name below it nor an IP address", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "No array, empty, or over 1,000 events", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, description = "Too much on its way; nothing was accepted. See Retry-After", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was acknowledged, or too many connections are open: send all again. See Retry-After; `results` only where the request was read", body = BatchProblem, content_type = "application/problem+json"),
    ),
)]
#[allow(dead_code, reason = "only its description is used")]
fn post_batch() {}

#[derive(OpenApi)]
#[openapi(
    info(title = "Postrider", description = "Notifications by email and Slack, durable in Kafka before they are answered. Whatever cannot be read as an HTTP request (wrong framing, a head that is too large) is answered 400 or 431 without a body.",
         license(name = "Apache-2.0", identifier = "Apache-2.0"), version = "1"),
    paths(post_notification, post_batch),
    modifiers(&BearerKeys),
)]
struct Document;

struct BearerKeys;

impl Modify for BearerKeys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

fn generated() -> String {
    Document::openapi().to_pretty_json().unwrap() + "\n"
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let generated = generated();
    if std::env::var_os("POSTRIDER_WRITE_OPENAPI").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"), &generated).unwrap();
        return;
    }
    assert!(
        generated == super::DOCUMENT,
        "openapi.json is out of date: run POSTRIDER_WRITE_OPENAPI=1 cargo test -p postrider-ingest openapi, look at the diff"
    );
}

#[test]
fn it_names_exactly_the_fields_that_are_read() {
    let document: Value = serde_json::from_str(&generated()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for (schema, read) in parse::FIELDS {
        let properties = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        let mut described: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut read = read.to_vec();
        described.sort_unstable();
        read.sort_unstable();
        assert_eq!(described, read, "{schema}");
    }
}
