//! A message's line in the list.

use serde::Serialize;

use super::{Body, Message, mail, mail::cut};

const TITLE_CHARS_MAX: usize = 200;
const PREVIEW_CHARS_MAX: usize = 160;
const RECIPIENTS_SHOWN_MAX: usize = 20;

/// Enough of a message for the list and its search. All texts are as the sender wrote them: not escaped.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    id: u64,
    /// `email` or `slack`.
    channel: &'static str,
    /// Milliseconds since 1970.
    received_at: i64,
    /// The sender's name or address; for Slack how it was posted.
    from: String,
    /// The envelope's recipients, or the Slack destination.
    to: Vec<String>,
    /// The subject, or the first words of a Slack message.
    title: String,
    /// The first words of the body.
    preview: String,
    size: usize,
    attachments: usize,
}

impl Summary {
    pub(super) fn of(message: &Message) -> Self {
        let (channel, from, to, title, preview, attachments) = match &message.body {
            Body::Mail(mail) => {
                let words = mail::words(&mail.raw, PREVIEW_CHARS_MAX);
                let from = if words.from.is_empty() { mail.from.clone() } else { words.from };
                let to = mail.to.iter().take(RECIPIENTS_SHOWN_MAX).cloned().collect();
                ("email", from, to, words.subject, words.preview, words.attachments)
            }
            Body::Slack(slack) => {
                let words = slack_words(&slack.raw);
                let title = cut(&words, TITLE_CHARS_MAX);
                ("slack", slack.method.to_owned(), vec![slack.destination.clone()], title, String::new(), 0)
            }
        };
        Self {
            id: message.id,
            channel,
            received_at: message.received_at,
            from: cut(&from, TITLE_CHARS_MAX),
            to,
            title: cut(&title, TITLE_CHARS_MAX),
            preview,
            size: message.size(),
            attachments,
        }
    }
}

/// The message's `text`, or else the first text in its blocks.
fn slack_words(raw: &[u8]) -> String {
    let payload: serde_json::Value = serde_json::from_slice(raw).unwrap_or_default();
    let text = payload["text"].as_str().filter(|text| !text.trim().is_empty());
    let from_blocks = || payload["blocks"].as_array()?.iter().find_map(|block| block["text"]["text"].as_str());
    text.or_else(from_blocks).unwrap_or_default().to_owned()
}
