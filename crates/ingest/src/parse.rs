//! From JSON to a checked event, without HTTP and without a clock: every problem at once, each with its pointer.

mod email;
mod fields;
pub(crate) mod json;
pub(crate) mod problems;
mod slack;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use postrider_domain::{
    ChannelName, DestinationName, Notification, Timestamp,
    limits::{MAP_ENTRIES_MAX, NAME_BYTES_MAX},
    message_rules::{check_email, check_slack},
};
use uuid::Uuid;

pub use self::problems::Problem;
use self::{
    fields::{Fields, text, time},
    json::{Document, Json},
    problems::{Path, Problems},
};

const NOTIFICATION: &[&str] =
    &["event_key", "type", "occurred_at", "not_before", "expires_at", "email", "slack", "metadata"];

/// The fields of each object, by the name of its schema in the OpenAPI document.
#[cfg(test)]
pub(crate) const FIELDS: [(&str, &[&str]); 6] = [
    ("Notification", NOTIFICATION),
    ("Email", email::EMAIL),
    ("Address", email::ADDRESS),
    ("Alternative", email::ALTERNATIVE),
    ("Attachment", email::ATTACHMENT),
    ("Slack", slack::SLACK),
];

/// What the configuration and the moment allow.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// How far ahead `not_before` may lie.
    pub(crate) not_before_max: Duration,
    /// Channels that some lane reads.
    pub(crate) channels: BTreeSet<ChannelName>,
    /// Configured Slack destinations.
    pub(crate) slack_destinations: BTreeSet<DestinationName>,
}

/// What is known of an event besides its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'g> {
    /// Whose credential it came with.
    pub(crate) source: &'g str,
    /// The `Idempotency-Key` header.
    pub(crate) header_key: Option<&'g str>,
    /// The moment it came in.
    pub(crate) now: Timestamp,
}

/// An event that was refused.
#[derive(Debug)]
pub(crate) struct Invalid {
    /// Its key, if one could be read.
    pub(crate) event_key: Option<String>,
    /// All that is wrong with it; at least one problem.
    pub(crate) problems: Vec<Problem>,
}

/// Reads and checks one event.
///
/// # Errors
/// All its problems.
pub(crate) fn notification(document: Document<'_>, given: Given<'_>, rules: &Rules) -> Result<Notification, Invalid> {
    let Document { json, mut problems } = document;
    let (notification, own_key) = read(&json, given, &mut problems);
    let form = problems.len();
    check(&notification, given.now, rules, form, &mut problems);
    if matches!(json, Json::Object(_)) && notification.email.is_none() && notification.slack.is_none() {
        problems.add(&Path::Root, "has neither an email nor a slack part: there is nobody to tell");
    }
    if let Some(own_key) = &own_key {
        check_key(own_key, given.header_key, &mut problems);
    } else if let Some(header_key) = given.header_key {
        check_name(&Path::Root.field("event_key"), "(from the Idempotency-Key header) ", header_key, &mut problems);
    }
    let problems = problems.into_list();
    if problems.is_empty() {
        return Ok(notification);
    }
    // Only a key that could be one is told and logged: others may be of any length.
    let event_key = own_key.or(given.header_key.map(str::to_owned)).filter(|key| name_problem(key).is_none());
    Err(Invalid { event_key, problems })
}

/// Reads the form. Returns the body's own key beside the event, whose key is the one that counts.
fn read(json: &Json<'_>, given: Given<'_>, problems: &mut Problems) -> (Notification, Option<String>) {
    let root = Path::Root;
    let fields = Fields::open(&root, json, NOTIFICATION, problems);
    let own_key = fields.optional("event_key", problems, text);
    let event_type =
        if matches!(json, Json::Object(_)) { fields.required("type", problems, text) } else { String::new() };
    let notification = Notification {
        source: given.source.to_owned(),
        event_key: match (&own_key, given.header_key) {
            (Some(key), _) => key.clone(),
            (None, Some(key)) => key.to_owned(),
            (None, None) => Uuid::now_v7().to_string(),
        },
        event_type,
        occurred_at: fields.optional("occurred_at", problems, time).flatten().unwrap_or(given.now),
        not_before: fields.optional("not_before", problems, time).flatten(),
        expires_at: fields.optional("expires_at", problems, time).flatten(),
        template: None,
        email: fields.optional("email", problems, email::email),
        slack: fields.optional("slack", problems, slack::slack),
        metadata: fields.map("metadata", MAP_ENTRIES_MAX, problems),
    };
    (notification, own_key)
}

/// Checks the content. `form` is how many problems of form there are already.
fn check(event: &Notification, now: Timestamp, rules: &Rules, form: usize, problems: &mut Problems) {
    let mut add = |pointer: String, detail: String| problems.add_unless_known(form, pointer, detail);
    if let Some(detail) = name_problem(&event.event_type) {
        add("/type".to_owned(), detail);
    }
    if event.not_before.is_some_and(|time| time > now.after(rules.not_before_max)) {
        let hours = rules.not_before_max.as_secs() / 3600;
        add("/not_before".to_owned(), format!("lies too far ahead: at most {hours} hours from now"));
    }
    if event.expires_at.is_some_and(|end| event.not_before.is_some_and(|start| end <= start)) {
        add("/expires_at".to_owned(), "is not after not_before: the event could never be sent".to_owned());
    }
    let parts = [(ChannelName::Email, event.email.is_some()), (ChannelName::Slack, event.slack.is_some())];
    for (channel, given) in parts {
        if given && !rules.channels.contains(&channel) {
            add(format!("/{channel}"), format!("cannot be sent: no lane for {channel} is configured here"));
        }
    }
    for problem in event.email.iter().flat_map(check_email).chain(event.slack.iter().flat_map(check_slack)) {
        add(problem.pointer, problem.detail);
    }
    let destinations = event.slack.iter().flat_map(|slack| slack.to.iter().enumerate());
    for (index, to) in destinations.filter(|_| rules.channels.contains(&ChannelName::Slack)) {
        if !rules.slack_destinations.contains(&DestinationName::new(to.as_str())) {
            add(format!("/slack/to/{index}"), "is not a configured Slack destination".to_owned());
        }
    }
}

/// Checks a key of the body, also against the header's.
fn check_key(own: &str, header: Option<&str>, problems: &mut Problems) {
    let path = Path::Root.field("event_key");
    let form = problems.len();
    if let Some(detail) = name_problem(own) {
        problems.add_unless_known(form, path.pointer(), detail);
    }
    if header.is_some_and(|header| header != own) {
        problems.add(&path, "differs from the Idempotency-Key header: give one of them, or the same in both");
    }
}

/// Checks a text that becomes a record key or a header.
fn check_name(path: &Path<'_>, what: &str, name: &str, problems: &mut Problems) {
    if let Some(detail) = name_problem(name) {
        problems.add(path, format!("{what}{detail}"));
    }
}

fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Some(format!("must be 1 to {NAME_BYTES_MAX} bytes long"));
    }
    name.contains(char::is_control).then(|| "has a control character".to_owned())
}
