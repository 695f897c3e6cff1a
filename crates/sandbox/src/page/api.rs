//! The inbox as JSON and files.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::live;
use crate::inbox::{Body, Inbox, mail};

/// For a mail's own HTML: no script, no request to anywhere, images only from within; links open in a new tab.
const HTML_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'self'; \
     sandbox allow-popups allow-popups-to-escape-sandbox";

#[derive(Debug, Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: u64,
}

/// A message in full.
#[derive(Debug, Serialize)]
struct Detail<'a> {
    id: u64,
    channel: &'static str,
    received_at: i64,
    size: usize,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Mail { envelope: Envelope<'a>, mail: Box<mail::Detail> },
    Slack { destination: &'a str, method: &'static str, payload: serde_json::Value },
}

#[derive(Debug, Serialize)]
struct Envelope<'a> {
    from: &'a str,
    to: &'a [String],
}

pub(super) async fn list(State(inbox): State<Inbox>, Query(After { after }): Query<After>) -> Response {
    let (json, _, _) = live::update_json(&inbox, after);
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}

pub(super) async fn clear(State(inbox): State<Inbox>) -> StatusCode {
    inbox.clear();
    StatusCode::NO_CONTENT
}

pub(super) async fn detail(State(inbox): State<Inbox>, Path(id): Path<u64>) -> Response {
    let Some(message) = inbox.get(id) else { return gone() };
    let (channel, content) = match &message.body {
        Body::Mail(mail) => {
            let envelope = Envelope { from: &mail.from, to: &mail.to };
            ("email", Content::Mail { envelope, mail: Box::new(mail::detail(&mail.raw)) })
        }
        Body::Slack(slack) => {
            let payload = serde_json::from_slice(&slack.raw).unwrap_or_default();
            ("slack", Content::Slack { destination: &slack.destination, method: slack.method, payload })
        }
    };
    Json(Detail { id, channel, received_at: message.received_at, size: message.size(), content }).into_response()
}

pub(super) async fn raw(State(inbox): State<Inbox>, Path(id): Path<u64>) -> Response {
    match inbox.get(id) {
        Some(message) => ([(CONTENT_TYPE, "text/plain; charset=utf-8")], message.raw().clone()).into_response(),
        None => gone(),
    }
}

pub(super) async fn html(State(inbox): State<Inbox>, Path(id): Path<u64>) -> Response {
    let found = inbox.get(id).and_then(|message| match &message.body {
        Body::Mail(mail) => mail::html(&mail.raw),
        Body::Slack(_) => None,
    });
    let Some(html) = found else { return gone() };
    // The sender's own words follow; what stands before them only makes links open outside the frame.
    let page = format!("<!doctype html><meta charset=\"utf-8\"><base target=\"_blank\">{html}");
    ([(CONTENT_SECURITY_POLICY, HTML_POLICY), (CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

pub(super) async fn attachment(State(inbox): State<Inbox>, Path((id, n)): Path<(u64, usize)>) -> Response {
    let found = inbox.get(id).and_then(|message| match &message.body {
        Body::Mail(mail) => mail::attachment(&mail.raw, n),
        Body::Slack(_) => None,
    });
    let Some(attachment) = found else { return gone() };
    // Never as its own type: nothing that came by mail is to be opened as a page of this server.
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_DISPOSITION, disposition(&attachment.filename)),
    ];
    (headers, attachment.content).into_response()
}

fn gone() -> Response {
    (StatusCode::NOT_FOUND, "not here; older messages make room for newer ones\n").into_response()
}

/// `attachment` with the name in RFC 8187's form, and for older clients in ASCII.
fn disposition(filename: &str) -> HeaderValue {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let plain: String = filename.chars().map(|c| if is_plain(c) || c == ' ' { c } else { '_' }).collect();
    let encoded: String = filename
        .bytes()
        .map(|byte| if is_plain(char::from(byte)) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    HeaderValue::try_from(format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"))
        .expect("only letters, digits and a few signs are left of the name")
}

#[cfg(test)]
mod tests {
    use super::disposition;

    #[test]
    fn a_hostile_filename_stays_inside_its_quotes() {
        let value = disposition("a\"; filename=evil.exe\r\nX: y\u{fc}.pdf");
        assert_eq!(
            value.to_str().unwrap(),
            "attachment; filename=\"a__ filename_evil.exe__X_ y_.pdf\"; \
             filename*=UTF-8''a%22%3B%20filename%3Devil.exe%0D%0AX%3A%20y%C3%BC.pdf"
        );
    }
}
