//! A decoded event, field by field as in `schemas/notification.avsc`; the JSON names are the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One event: what to tell whom. Identified by (`source`, `event_key`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The upstream service; at ingest taken from its credential.
    pub source: String,
    /// Upstream's own key for the event; the unit of dedupe together with `source`.
    pub event_key: String,
    /// What happened, in upstream's words, for example `order.shipped`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened upstream.
    pub occurred_at: Timestamp,
    /// Not to be sent before this time.
    pub not_before: Option<Timestamp>,
    /// Not to be sent from this time on.
    pub expires_at: Option<Timestamp>,
    /// Reserved: rendered bodies. Not built yet; an event that asks for one is refused.
    pub template: Option<Template>,
    /// The email part.
    pub email: Option<Email>,
    /// The Slack part.
    pub slack: Option<Slack>,
    /// Free upstream data; travels along, is never sent.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A template's name and the data to render it with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Which template.
    pub name: String,
    /// A BCP 47 language tag.
    pub locale: Option<String>,
    /// A JSON object.
    pub data: String,
}

/// The email part: one mail, one delivery for each distinct recipient of `to`, `cc` and `bcc`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    /// Overrides the configured sender.
    pub from: Option<Address>,
    /// Where answers go.
    #[serde(default)]
    pub reply_to: Vec<Address>,
    /// Named in the mail's headers.
    #[serde(default)]
    pub to: Vec<Address>,
    /// Named in the mail's headers.
    #[serde(default)]
    pub cc: Vec<Address>,
    /// Envelope only; never in a header.
    #[serde(default)]
    pub bcc: Vec<Address>,
    /// The subject line.
    pub subject: Option<String>,
    /// The plain text body.
    pub text: Option<String>,
    /// The HTML body.
    pub html: Option<String>,
    /// Further renderings beside text and HTML, for example `text/calendar`.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// Extra headers, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Files, and inline images (those with a `content_id`).
    #[serde(default)]
    pub attachments: Vec<Attachment>,
}

/// A mail address with an optional display name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// `local@domain`.
    pub address: String,
    /// A display name in any script.
    pub name: Option<String>,
}

/// One more rendering of the mail's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    #[serde(with = "serde_bytes")]
    pub content: Vec<u8>,
}

/// A file that travels with the mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The name the reader sees.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    #[serde(with = "serde_bytes")]
    pub content: Vec<u8>,
    /// Makes it an inline part that HTML refers to as `cid:<content_id>`.
    pub content_id: Option<String>,
}

/// The Slack part: one delivery for each named destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slack {
    /// Names of configured destinations.
    pub to: Vec<String>,
    /// The message text; also the fallback beside `blocks`.
    pub text: Option<String>,
    /// Block Kit: a JSON array, as text.
    pub blocks: Option<String>,
    /// Answer in this thread.
    pub thread_ts: Option<String>,
}
