//! What an email or a Slack part must look like, checked in one place: ingest answers with the problems, the
//! email channel refuses to build a message that has one, because a control character in a header is an
//! injection and its builder panics on it.

use std::collections::BTreeSet;

use crate::{
    address::normalise,
    event::{Address, Attachment, Email, Slack},
    limits::{HEADER_BYTES_MAX, MAP_ENTRIES_MAX, PARTS_MAX, RECIPIENTS_MAX},
};

/// Characters of a Slack text (Slack's own limit).
pub const SLACK_TEXT_CHARS_MAX: usize = 40_000;
/// Blocks of a Slack message (Slack's own limit); whoever parses the JSON checks it.
pub const SLACK_BLOCKS_MAX: usize = 50;
/// Bytes of an extra header's name (RFC 5322, 2.1.1: a line of 78 characters with its colon).
pub const HEADER_NAME_BYTES_MAX: usize = 76;

/// Bytes of one word in a header, with the spaces beside it and a backslash for each quote in it: lines are folded between
/// words and end at 998 (RFC 5322, 2.1.1). Words with letters beyond ASCII are encoded, and folded anywhere.
pub const HEADER_WORD_BYTES_MAX: usize = 900;

/// Extra headers upstream may not set, lower-cased: each has a field of its own, or belongs to Postrider or to
/// the servers on the way. Names that begin with `content-` or `resent-` are reserved as well.
pub const RESERVED_HEADERS: [&str; 14] = [
    "bcc",
    "cc",
    "date",
    "delivered-to",
    "dkim-signature",
    "from",
    "message-id",
    "mime-version",
    "received",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
];

/// Whom a problem concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The whole message: no recipient can be served.
    Message,
    /// One recipient's address: the others can be served without it.
    Recipient,
}

/// One thing that is wrong, where, in words for the one who wrote it. Holds no content of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer (RFC 6901) from the event's root, for example `/email/to/0/address`.
    pub pointer: String,
    /// What is wrong; reads on from the field's name.
    pub detail: String,
    /// Whom it concerns.
    pub concern: Concern,
}

impl Problem {
    fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), concern: Concern::Message }
    }
}

/// Everything wrong with an email part; empty if it can be built and sent.
#[must_use]
pub fn check_email(email: &Email) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_recipients(email, &mut problems);
    if let Some(from) = &email.from {
        check_address("/email/from", from, Concern::Message, &mut problems);
    }
    for (i, address) in email.reply_to.iter().take(RECIPIENTS_MAX).enumerate() {
        check_address(&format!("/email/reply_to/{i}"), address, Concern::Message, &mut problems);
    }
    check_count("/email/reply_to", "addresses", email.reply_to.len(), RECIPIENTS_MAX, &mut problems);
    if let Some(subject) = &email.subject {
        check_header_text("/email/subject", subject, &mut problems);
    }
    check_parts(email, &mut problems);
    check_headers(email, &mut problems);
    problems
}

/// Everything wrong with a Slack part, except what only a JSON parser sees: that `blocks` is an array of at most
/// [`SLACK_BLOCKS_MAX`].
#[must_use]
pub fn check_slack(slack: &Slack) -> Vec<Problem> {
    let mut problems = Vec::new();
    if slack.to.is_empty() {
        problems.push(Problem::new("/slack/to", "names no destination: give at least one configured under [slack]"));
    }
    check_count("/slack/to", "destinations", slack.to.len(), RECIPIENTS_MAX, &mut problems);
    for (i, to) in slack.to.iter().take(RECIPIENTS_MAX).enumerate() {
        if to.is_empty() || to.contains(char::is_control) {
            problems.push(Problem::new(format!("/slack/to/{i}"), "is empty or has a control character"));
        }
    }
    if slack.text.as_ref().is_none_or(String::is_empty) && slack.blocks.is_none() {
        problems.push(Problem::new("/slack/text", "is missing: a Slack message needs a text, or blocks"));
    }
    if slack.text.as_ref().is_some_and(|text| text.chars().nth(SLACK_TEXT_CHARS_MAX).is_some()) {
        problems.push(Problem::new("/slack/text", format!("has more than {SLACK_TEXT_CHARS_MAX} characters")));
    }
    if slack.thread_ts.as_deref().is_some_and(|ts| !is_thread_ts(ts)) {
        problems.push(Problem::new("/slack/thread_ts", "is no Slack timestamp such as 1503435956.000247"));
    }
    problems
}

fn is_thread_ts(text: &str) -> bool {
    let digits = |part: &str| (1..=16).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(seconds, fraction)| digits(seconds) && digits(fraction))
}

fn check_recipients(email: &Email, problems: &mut Vec<Problem>) {
    let count = email.to.len() + email.cc.len() + email.bcc.len();
    if count == 0 {
        problems.push(Problem::new("/email/to", "is empty: give at least one address in to, cc or bcc"));
    }
    check_count("/email/to", "recipients in to, cc and bcc together", count, RECIPIENTS_MAX, problems);
    for (field, addresses) in [("to", &email.to), ("cc", &email.cc), ("bcc", &email.bcc)] {
        for (i, address) in addresses.iter().take(RECIPIENTS_MAX).enumerate() {
            check_address(&format!("/email/{field}/{i}"), address, Concern::Recipient, problems);
        }
    }
}

fn check_address(pointer: &str, address: &Address, concern: Concern, problems: &mut Vec<Problem>) {
    if let Err(problem) = normalise(&address.address) {
        problems.push(Problem { pointer: format!("{pointer}/address"), detail: problem.to_string(), concern });
    }
    if let Some(name) = &address.name {
        check_header_text(&format!("{pointer}/name"), name, problems);
    }
}

fn check_header_text(pointer: &str, text: &str, problems: &mut Vec<Problem>) {
    if text.contains(char::is_control) {
        problems.push(Problem::new(pointer, "has a control character (a line break or tab, for example)"));
    }
    if text.len() > HEADER_BYTES_MAX {
        problems.push(Problem::new(pointer, format!("is longer than {HEADER_BYTES_MAX} bytes")));
    } else if longest_unbroken(text) > HEADER_WORD_BYTES_MAX {
        let detail = format!(
            "has a word or spaces in a row of more than {HEADER_WORD_BYTES_MAX} characters, which no mail line can hold"
        );
        problems.push(Problem::new(pointer, detail));
    }
}

/// Bytes of the longest piece that no line can be folded in.
fn longest_unbroken(text: &str) -> usize {
    let (mut longest, mut spaces) = (0, 0);
    for word in text.split(' ') {
        if word.is_empty() {
            spaces += 1;
            longest = longest.max(spaces);
        } else if word.is_ascii() {
            let escapes = word.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
            longest = longest.max(spaces + word.len() + escapes);
            spaces = 1;
        } else {
            spaces = 1;
        }
    }
    longest
}

fn check_count(pointer: &str, what: &str, count: usize, max: usize, problems: &mut Vec<Problem>) {
    if count > max {
        problems.push(Problem::new(pointer, format!("has {count} {what}, at most {max} are allowed")));
    }
}

fn check_parts(email: &Email, problems: &mut Vec<Problem>) {
    let has_body = email.text.is_some() || email.html.is_some();
    if !has_body && email.alternatives.is_empty() && email.attachments.is_empty() {
        problems
            .push(Problem::new("/email/text", "is missing: a mail needs a text, html, an alternative or attachments"));
    }
    check_count("/email/alternatives", "parts", email.alternatives.len(), PARTS_MAX, problems);
    for (i, part) in email.alternatives.iter().take(PARTS_MAX).enumerate() {
        check_content_type(&format!("/email/alternatives/{i}/content_type"), &part.content_type, problems);
    }
    check_count("/email/attachments", "parts", email.attachments.len(), PARTS_MAX, problems);
    for (i, attachment) in email.attachments.iter().take(PARTS_MAX).enumerate() {
        check_attachment(&format!("/email/attachments/{i}"), attachment, problems);
    }
}

fn check_attachment(pointer: &str, attachment: &Attachment, problems: &mut Vec<Problem>) {
    check_header_text(&format!("{pointer}/filename"), &attachment.filename, problems);
    check_content_type(&format!("{pointer}/content_type"), &attachment.content_type, problems);
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"<>()[]\\\",;:".contains(&byte);
    if attachment.content_id.as_ref().is_some_and(|id| !(1..=200).contains(&id.len()) || !id.bytes().all(allowed)) {
        let detail = "is empty, longer than 200 bytes, or has a character other than ASCII letters, digits and \
                      !#$%&'*+-./=?@^_`{|}~ (no angle brackets: they are added)";
        problems.push(Problem::new(format!("{pointer}/content_id"), detail));
    }
}

fn check_content_type(pointer: &str, content_type: &str, problems: &mut Vec<Problem>) {
    if !is_content_type(content_type) {
        problems.push(Problem::new(pointer, "is no media type such as text/calendar or application/pdf"));
    } else if content_type.to_ascii_lowercase().starts_with("multipart/") {
        problems.push(Problem::new(pointer, "is a multipart type: parts of a mail are single"));
    }
}

/// `type/subtype` with parameters, each `name=token` or `name="quoted"` (RFC 2045, 5.1); at most 255 bytes. A `;` inside
/// quotes is part of the value; a backslash there is refused, so a quote always ends it.
fn is_content_type(text: &str) -> bool {
    let mut in_quotes = false;
    let mut pieces = text.split(|character: char| {
        in_quotes ^= character == '"';
        character == ';' && !in_quotes
    });
    let (kind, subkind) =
        pieces.next().and_then(|essence| essence.trim_end_matches(' ').split_once('/')).unwrap_or_default();
    let is_parameter = |piece: &str| {
        piece
            .trim_matches(' ')
            .split_once('=')
            .is_some_and(|(name, value)| is_token(name) && (is_token(value) || is_quoted(value)))
    };
    text.len() <= 255 && is_token(kind) && is_token(subkind) && pieces.all(is_parameter)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte))
}

fn is_quoted(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && b != b'"' && b != b'\\'))
}

fn check_headers(email: &Email, problems: &mut Vec<Problem>) {
    check_count("/email/headers", "headers", email.headers.len(), MAP_ENTRIES_MAX, problems);
    let mut seen = BTreeSet::new();
    for (name, value) in email.headers.iter().take(MAP_ENTRIES_MAX) {
        let pointer = format!("/email/headers/{}", escape(name));
        let lower = name.to_ascii_lowercase();
        if !is_header_name(name) {
            let detail =
                format!("is no header name: 1 to {HEADER_NAME_BYTES_MAX} printable ASCII characters, no colon");
            problems.push(Problem::new(&pointer, detail));
        } else if is_reserved(&lower) {
            problems
                .push(Problem::new(&pointer, "is a reserved header: it has a field of its own or is set on the way"));
        } else if !seen.insert(lower) {
            problems.push(Problem::new(&pointer, "is given twice, with other capitals"));
        }
        check_header_text(&pointer, value, problems);
    }
}

fn is_header_name(name: &str) -> bool {
    (1..=HEADER_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// `name` is lower-cased.
fn is_reserved(name: &str) -> bool {
    RESERVED_HEADERS.contains(&name) || name.starts_with("content-") || name.starts_with("resent-")
}

/// RFC 6901: `~` and `/` in a pointer's token. Cut: a name that is too long is reported, not repeated.
fn escape(name: &str) -> String {
    name.chars().take(HEADER_NAME_BYTES_MAX).collect::<String>().replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
