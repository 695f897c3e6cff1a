//! The `email` part of an event.

use postrider_domain::{
    Address, Alternative, Attachment, Email,
    limits::{MAP_ENTRIES_MAX, PARTS_MAX, RECIPIENTS_MAX},
};

use super::{
    fields::{Fields, base64, text},
    json::Json,
    problems::{Path, Problems},
};

pub(crate) const EMAIL: &[&str] =
    &["from", "reply_to", "to", "cc", "bcc", "subject", "text", "html", "alternatives", "headers", "attachments"];
pub(crate) const ADDRESS: &[&str] = &["address", "name"];
pub(crate) const ALTERNATIVE: &[&str] = &["content_type", "content"];
pub(crate) const ATTACHMENT: &[&str] = &["filename", "content_type", "content", "content_id"];

/// Reads the part's form; what may stand in a mail is `message_rules`' business.
pub(crate) fn email(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> Email {
    let fields = Fields::open(path, json, EMAIL, problems);
    Email {
        from: fields.optional("from", problems, address),
        reply_to: fields.list("reply_to", RECIPIENTS_MAX, problems, address),
        to: fields.list("to", RECIPIENTS_MAX, problems, address),
        cc: fields.list("cc", RECIPIENTS_MAX, problems, address),
        bcc: fields.list("bcc", RECIPIENTS_MAX, problems, address),
        subject: fields.optional("subject", problems, text),
        text: fields.optional("text", problems, text),
        html: fields.optional("html", problems, text),
        alternatives: fields.list("alternatives", PARTS_MAX, problems, alternative),
        headers: fields.map("headers", MAP_ENTRIES_MAX, problems),
        attachments: fields.list("attachments", PARTS_MAX, problems, attachment),
    }
}

fn address(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> Address {
    let fields = Fields::open(path, json, ADDRESS, problems);
    if !matches!(json, Json::Object(_)) {
        return Address { address: String::new(), name: None };
    }
    Address { address: fields.required("address", problems, text), name: fields.optional("name", problems, text) }
}

fn alternative(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> Alternative {
    let fields = Fields::open(path, json, ALTERNATIVE, problems);
    if !matches!(json, Json::Object(_)) {
        return Alternative { content_type: String::new(), content: Vec::new() };
    }
    Alternative {
        content_type: fields.required("content_type", problems, text),
        content: fields.required("content", problems, base64),
    }
}

fn attachment(path: &Path<'_>, json: &Json<'_>, problems: &mut Problems) -> Attachment {
    let fields = Fields::open(path, json, ATTACHMENT, problems);
    if !matches!(json, Json::Object(_)) {
        return Attachment {
            filename: String::new(),
            content_type: String::new(),
            content: Vec::new(),
            content_id: None,
        };
    }
    Attachment {
        filename: fields.required("filename", problems, text),
        content_type: fields.required("content_type", problems, text),
        content: fields.required("content", problems, base64),
        content_id: fields.optional("content_id", problems, text),
    }
}
