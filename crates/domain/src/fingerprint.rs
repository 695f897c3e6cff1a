//! Identities as hashes: of a delivery, of its content, of its Message-ID.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{
    event::{Address, Email, Notification, Slack},
    ids::{ChannelName, LaneName},
    record::Position,
};

/// 128 bits of SHA-256: the identity of a delivery. Never shorter, a false match would be a lost notification.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The identity of one delivery. `recipient` is normalised; `salt` makes a copy that is meant (a forced
    /// replay, a redrive, a conflict's own dead letter) a delivery of its own.
    #[must_use]
    pub fn of_delivery(event: &Notification, channel: ChannelName, recipient: &str, salt: Option<&str>) -> Self {
        let mut hasher = FieldHasher::new("delivery");
        hasher.text(&event.source);
        hasher.text(&event.event_key);
        hasher.text(channel.as_str());
        hasher.text(recipient);
        hasher.text(salt.unwrap_or_default());
        Self(hasher.finish())
    }

    /// The identity of a record that cannot be read: its lane and its place.
    #[must_use]
    pub fn of_position(lane: &LaneName, topic: &str, position: Position) -> Self {
        let mut hasher = FieldHasher::new("position");
        hasher.text(lane.as_str());
        hasher.text(topic);
        hasher.text(&position.partition.to_string());
        hasher.text(&position.offset.to_string());
        Self(hasher.finish())
    }

    /// The fingerprint of 32 hexadecimal digits, as `dead show` takes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The part of a mail's Message-ID before the `@`: the same for every recipient and every attempt of a mail,
/// another for a copy that is meant.
#[must_use]
pub fn message_id_local(source: &str, event_key: &str, salt: Option<&str>) -> String {
    let mut hasher = FieldHasher::new("message-id");
    hasher.text(source);
    hasher.text(event_key);
    hasher.text(salt.unwrap_or_default());
    Fingerprint(hasher.finish()).to_string()
}

/// A short hash for logs: tells two recipients apart without naming one.
#[must_use]
pub fn recipient_hash(recipient: &str) -> String {
    let mut hasher = FieldHasher::new("recipient");
    hasher.text(recipient);
    Fingerprint(hasher.finish()).to_string()[..12].to_owned()
}

/// A short hash of what upstream asked one channel to send: maps sorted, defaulted fields left out, nothing of
/// configuration, times, type or record headers. Another hash under the same key is a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub u32);

impl ContentHash {
    /// The hash of the event's part for `channel`.
    #[must_use]
    pub fn of(event: &Notification, channel: ChannelName) -> Self {
        let mut hasher = FieldHasher::new("content");
        match channel {
            ChannelName::Email => event.email.iter().for_each(|email| hash_email(&mut hasher, email)),
            ChannelName::Slack => event.slack.iter().for_each(|slack| hash_slack(&mut hasher, slack)),
        }
        let [a, b, c, d, ..] = hasher.finish();
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

fn hash_email(hasher: &mut FieldHasher, email: &Email) {
    hash_addresses(hasher, "from", email.from.as_slice());
    hash_addresses(hasher, "reply_to", &email.reply_to);
    hash_addresses(hasher, "to", &email.to);
    hash_addresses(hasher, "cc", &email.cc);
    hash_addresses(hasher, "bcc", &email.bcc);
    hasher.optional("subject", email.subject.as_deref());
    hasher.optional("text", email.text.as_deref());
    hasher.optional("html", email.html.as_deref());
    for alternative in &email.alternatives {
        hasher.optional("alternative", Some(&alternative.content_type));
        hasher.bytes(&alternative.content);
    }
    for (name, value) in &email.headers {
        hasher.optional("header", Some(name));
        hasher.text(value);
    }
    for attachment in &email.attachments {
        hasher.optional("attachment", Some(&attachment.filename));
        hasher.text(&attachment.content_type);
        hasher.bytes(&attachment.content);
        hasher.optional("content_id", attachment.content_id.as_deref());
    }
}

fn hash_addresses(hasher: &mut FieldHasher, field: &str, addresses: &[Address]) {
    for address in addresses {
        hasher.optional(field, Some(&address.address));
        hasher.optional("name", address.name.as_deref());
    }
}

fn hash_slack(hasher: &mut FieldHasher, slack: &Slack) {
    slack.to.iter().for_each(|to| hasher.optional("to", Some(to)));
    hasher.optional("text", slack.text.as_deref());
    hasher.optional("blocks", slack.blocks.as_deref());
    hasher.optional("thread_ts", slack.thread_ts.as_deref());
}

/// SHA-256 over fields, each with its length before it, so that no two lists of fields run together.
struct FieldHasher(Sha256);

impl FieldHasher {
    fn new(purpose: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.text(purpose);
        hasher
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A named field; nothing at all where it is absent, so that a new optional field changes no old hash.
    fn optional(&mut self, field: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(field);
            self.text(value);
        }
    }

    fn finish(self) -> [u8; 16] {
        let digest: [u8; 32] = self.0.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        half
    }
}
