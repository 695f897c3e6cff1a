//! A mail taken apart for reading.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use serde::Serialize;

/// Headers shown; mails have dozens, hostile ones have millions.
const HEADERS_MAX: usize = 500;
const HEADER_CHARS_MAX: usize = 10_000;
const ATTACHMENTS_MAX: usize = 500;
/// Bytes of all inline images that are put into the shown HTML; the rest stays a download.
const INLINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A mail's words for the list.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) from: String,
    pub(super) subject: String,
    pub(super) preview: String,
    pub(super) attachments: usize,
}

/// A mail for reading; texts as the sender wrote them, not escaped.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Detail {
    subject: String,
    from: Vec<String>,
    to: Vec<String>,
    cc: Vec<String>,
    reply_to: Vec<String>,
    date: Option<String>,
    /// All header lines in order, as written but unfolded: name and value.
    headers: Vec<(String, String)>,
    text: Option<String>,
    has_html: bool,
    attachments: Vec<AttachmentInfo>,
}

/// What is known of one attachment without its content.
#[derive(Debug, Serialize)]
pub(crate) struct AttachmentInfo {
    filename: String,
    content_type: String,
    size: usize,
    /// Shown inside the HTML by its Content-ID.
    inline: bool,
}

/// One attachment, to be saved.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) filename: String,
    pub(crate) content: Vec<u8>,
}

/// `text` cut to so many characters, with an ellipsis where something is missing.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(super) fn words(raw: &[u8], preview_chars: usize) -> Words {
    let Some(message) = MessageParser::default().parse(raw) else { return Words::default() };
    let from = message.from().and_then(Address::first).map(|first| {
        first.name().filter(|name| !name.trim().is_empty()).or(first.address()).unwrap_or_default().to_owned()
    });
    let text = message.body_text(0).unwrap_or_default();
    let opening: Vec<&str> = text.split_whitespace().take(preview_chars / 2).collect();
    Words {
        from: from.unwrap_or_default(),
        subject: message.subject().unwrap_or_default().to_owned(),
        preview: cut(&opening.join(" "), preview_chars),
        attachments: message.attachment_count(),
    }
}

pub(crate) fn detail(raw: &[u8]) -> Detail {
    let Some(message) = MessageParser::default().parse(raw) else { return Detail::default() };
    let html = html_part(&message);
    Detail {
        subject: message.subject().unwrap_or_default().to_owned(),
        from: addresses(message.from()),
        to: addresses(message.to()),
        cc: addresses(message.cc()),
        reply_to: addresses(message.reply_to()),
        date: message.date().map(mail_parser::DateTime::to_rfc3339),
        headers: headers(&message),
        text: text_part(&message).map(str::to_owned),
        has_html: html.is_some(),
        attachments: attachments(&message).map(|part| info(part, html)).collect(),
    }
}

/// The mail's HTML with the images it names by Content-ID put in, or `None` if it has none. Still the sender's HTML:
/// to be shown only in a sandbox.
pub(crate) fn html(raw: &[u8]) -> Option<String> {
    let message = MessageParser::default().parse(raw)?;
    let html = html_part(&message)?;
    let mut room = INLINE_BYTES_MAX;
    let mut images = HashMap::new();
    for part in attachments(&message) {
        let Some(id) = part.content_id() else { continue };
        let content = part.contents();
        if !names(html, id) || content.len() > room {
            continue;
        }
        room -= content.len();
        images.insert(id, format!("data:{};base64,{}", content_type(part), STANDARD.encode(content)));
    }
    Some(with_images(html, &images))
}

/// Attachment `n` of the list in [`Detail`].
pub(crate) fn attachment(raw: &[u8], n: usize) -> Option<Attachment> {
    let message = MessageParser::default().parse(raw)?;
    let part = attachments(&message).nth(n)?;
    Some(Attachment { filename: filename(part), content: contents(part) })
}

fn attachments<'x>(message: &'x Message<'x>) -> impl Iterator<Item = &'x MessagePart<'x>> {
    message.attachments().take(ATTACHMENTS_MAX)
}

/// The part that is text by itself; none where the parser would only strip tags from HTML.
fn text_part<'x>(message: &'x Message<'x>) -> Option<&'x str> {
    message.text_bodies().find_map(|part| match &part.body {
        PartType::Text(text) => Some(text.as_ref()),
        PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    })
}

fn html_part<'x>(message: &'x Message<'x>) -> Option<&'x str> {
    message.html_bodies().find_map(|part| match &part.body {
        PartType::Html(html) => Some(html.as_ref()),
        PartType::Text(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    })
}

fn info(part: &MessagePart<'_>, html: Option<&str>) -> AttachmentInfo {
    let inline = part.content_id().zip(html).is_some_and(|(id, html)| names(html, id));
    AttachmentInfo {
        filename: filename(part),
        content_type: content_type(part),
        size: part.contents().len().max(part.len()),
        inline,
    }
}

fn names(html: &str, content_id: &str) -> bool {
    !content_id.is_empty() && html.contains(&format!("cid:{content_id}"))
}

/// Replaces every `cid:` address that we have an image for, in one pass.
fn with_images(html: &str, images: &HashMap<&str, String>) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find("cid:") {
        let (before, from_cid) = rest.split_at(at);
        out.push_str(before);
        let id = &from_cid["cid:".len()..];
        let end = id.find(|c: char| c.is_whitespace() || "\"'<>)".contains(c)).unwrap_or(id.len());
        match images.get(&id[..end]) {
            Some(image) => out.push_str(image),
            None => out.push_str(&from_cid[.."cid:".len() + end]),
        }
        rest = &id[end..];
    }
    out + rest
}

/// Only what a type may consist of: it goes into a `data:` address.
fn content_type(part: &MessagePart<'_>) -> String {
    let Some(given) = part.content_type() else { return "application/octet-stream".to_owned() };
    let whole = format!("{}/{}", given.ctype(), given.subtype().unwrap_or("octet-stream"));
    let is_sound = whole.chars().all(|c| c.is_ascii_alphanumeric() || "/.+-_".contains(c));
    if is_sound { whole.to_ascii_lowercase() } else { "application/octet-stream".to_owned() }
}

fn filename(part: &MessagePart<'_>) -> String {
    let name: String = part.attachment_name().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    if !name.trim().is_empty() {
        return cut(&name, 200);
    }
    if part.is_message() { "message.eml".to_owned() } else { "attachment".to_owned() }
}

fn contents(part: &MessagePart<'_>) -> Vec<u8> {
    match &part.body {
        PartType::Message(inner) => inner.raw_message().to_vec(),
        PartType::Text(_) | PartType::Html(_) | PartType::Binary(_) | PartType::InlineBinary(_) => {
            part.contents().to_vec()
        }
        PartType::Multipart(_) => Vec::new(),
    }
}

fn addresses(list: Option<&Address<'_>>) -> Vec<String> {
    let Some(list) = list else { return Vec::new() };
    list.iter()
        .map(|one| match (one.name(), one.address()) {
            (Some(name), Some(address)) if !name.trim().is_empty() => format!("{name} <{address}>"),
            (_, Some(address)) => address.to_owned(),
            (name, None) => name.unwrap_or_default().to_owned(),
        })
        .collect()
}

fn headers(message: &Message<'_>) -> Vec<(String, String)> {
    let unfolded = |written: &str| cut(&written.split_whitespace().collect::<Vec<_>>().join(" "), HEADER_CHARS_MAX);
    message.headers_raw().take(HEADERS_MAX).map(|(name, written)| (name.to_owned(), unfolded(written))).collect()
}

#[cfg(test)]
mod tests;
