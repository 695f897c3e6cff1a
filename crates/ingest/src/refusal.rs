//! Why a request or an item of a batch was not accepted, and how that is told: `application/problem+json`.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::parse::{
    Invalid, Problem,
    json::{TooManyValues, Unreadable, VALUES_MAX},
};

/// How long a client should wait when nothing better is known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The media type of every error.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why something was not accepted.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 400: not JSON, and where it stops being JSON.
    NotJson { detail: String },
    /// 400: the body ended before its declared end.
    BrokenBody,
    /// 401.
    Unauthorized,
    /// 404.
    NotFound,
    /// 405, with the methods there are.
    MethodNotAllowed { allow: &'static str },
    /// 408: the body came too slowly.
    TooSlow,
    /// 413: the body is larger than `limit` bytes.
    TooLarge { limit: usize },
    /// 413: the broker refused the record.
    RecordTooLarge { event_key: String },
    /// 415, with the media types that are read.
    UnsupportedMediaType { supported: &'static str },
    /// 421: without keys, and under a name that may be a web page's own.
    Misdirected,
    /// 422.
    Invalid(Invalid),
    /// 429: a limit of this process; certainly not written.
    Busy { event_key: Option<String>, retry_after: Duration },
    /// 503, with its cause for the log.
    Unavailable { event_key: String, accepted: MaybeAccepted, cause: String },
    /// 503: one connection too many. Its request was not read, so no event key is known.
    TooManyConnections,
}

/// What is known of an event that was not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MaybeAccepted {
    /// It was certainly not written.
    No,
    /// The write timed out: it may be written. Repeating it with its key is safe.
    Unknown,
}

/// An error, as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Always `about:blank`: the status says which error it is.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// The status in words.
    #[schema(value_type = String)]
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// Everything that is wrong with the event (422).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Problem>,
    /// The event's key, where it is known; with every 503 but that of a connection too many, whose request is not read.
    /// Repeating the event with it is always safe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_key: Option<String>,
    /// Whether the event may have been written nevertheless (429, 503).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<MaybeAccepted>,
}

impl From<TooManyValues> for Refusal {
    fn from(_: TooManyValues) -> Self {
        Self::invalid("", format!("has more than {VALUES_MAX} JSON values"))
    }
}

impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::NotJson(error) => Self::not_json(error),
            Unreadable::TooManyValues => Self::from(TooManyValues),
        }
    }
}

impl Refusal {
    /// With the place where it stops being JSON.
    pub(crate) fn not_json(error: serde_json::Error) -> Self {
        Self::NotJson { detail: error.to_string() }
    }

    /// A limit of this process is reached.
    pub(crate) fn busy(event_key: Option<String>) -> Self {
        Self::Busy { event_key, retry_after: RETRY_AFTER }
    }

    /// Problems of the request itself rather than of one event.
    pub(crate) fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        let problem = Problem { pointer: pointer.to_owned(), detail: detail.into() };
        Self::Invalid(Invalid { event_key: None, problems: vec![problem] })
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotJson { .. } | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } | Self::RecordTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } | Self::TooManyConnections => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// When to try again, if that can help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            Self::Unavailable { .. } | Self::TooManyConnections => Some(RETRY_AFTER),
            Self::NotJson { .. }
            | Self::BrokenBody
            | Self::Unauthorized
            | Self::Misdirected
            | Self::NotFound
            | Self::MethodNotAllowed { .. }
            | Self::TooSlow
            | Self::TooLarge { .. }
            | Self::RecordTooLarge { .. }
            | Self::UnsupportedMediaType { .. }
            | Self::Invalid(_) => None,
        }
    }

    /// The event's key, where it is known.
    pub(crate) fn event_key(&self) -> Option<&str> {
        match self {
            Self::Invalid(Invalid { event_key, .. }) | Self::Busy { event_key, .. } => event_key.as_deref(),
            Self::RecordTooLarge { event_key } | Self::Unavailable { event_key, .. } => Some(event_key),
            Self::NotJson { .. }
            | Self::BrokenBody
            | Self::Unauthorized
            | Self::Misdirected
            | Self::NotFound
            | Self::MethodNotAllowed { .. }
            | Self::TooSlow
            | Self::TooLarge { .. }
            | Self::UnsupportedMediaType { .. }
            | Self::TooManyConnections => None,
        }
    }

    /// Whether the event may have been written; known where it is worth sending again.
    fn accepted(&self) -> Option<MaybeAccepted> {
        match self {
            Self::Busy { .. } | Self::TooManyConnections => Some(MaybeAccepted::No),
            Self::Unavailable { accepted, .. } => Some(*accepted),
            Self::NotJson { .. }
            | Self::BrokenBody
            | Self::Unauthorized
            | Self::Misdirected
            | Self::NotFound
            | Self::MethodNotAllowed { .. }
            | Self::TooSlow
            | Self::TooLarge { .. }
            | Self::RecordTooLarge { .. }
            | Self::UnsupportedMediaType { .. }
            | Self::Invalid(_) => None,
        }
    }

    /// What the log says of it beside its status.
    pub(crate) fn cause(&self) -> Option<&str> {
        if let Self::Unavailable { cause, .. } = self { Some(cause) } else { None }
    }

    /// How many problems of the content it tells.
    pub(crate) fn problems(&self) -> usize {
        if let Self::Invalid(invalid) = self { invalid.problems.len() } else { 0 }
    }

    fn detail(&self) -> String {
        match self {
            Self::NotJson { detail } => format!("the body is not JSON: {detail}"),
            Self::BrokenBody => "the body ended before its declared end".to_owned(),
            Self::Unauthorized => "send a configured API key as `Authorization: Bearer KEY`".to_owned(),
            Self::NotFound => "there is nothing here; /openapi.json lists what there is".to_owned(),
            Self::MethodNotAllowed { allow } => format!("this address answers {allow} only"),
            Self::TooSlow => "the body came too slowly: nothing was accepted, send it again".to_owned(),
            Self::TooLarge { limit } => format!("the body is larger than {limit} bytes (ingest.body_max)"),
            Self::RecordTooLarge { .. } => {
                "the event is larger than its topic takes (max.message.bytes): make it smaller".to_owned()
            }
            Self::UnsupportedMediaType { supported } => format!("send the body uncompressed, as {supported}"),
            Self::Misdirected => {
                "without API keys this answers to localhost, names below it (*.localhost) and IP addresses only, \
                 so that no web page can send: call it by one of these, or configure [[ingest.keys]]"
                    .to_owned()
            }
            Self::Invalid(invalid) => format!("{} problem(s), listed in errors", invalid.problems.len()),
            Self::Busy { .. } => {
                "too much is on its way just now: nothing was accepted, send it again later".to_owned()
            }
            Self::TooManyConnections => {
                "too many connections are open just now: nothing was read or accepted, send it again later".to_owned()
            }
            Self::Unavailable { accepted: MaybeAccepted::No, .. } => {
                "Kafka did not take the event: it was not accepted, send it again with this event_key".to_owned()
            }
            Self::Unavailable { accepted: MaybeAccepted::Unknown, .. } => {
                "Kafka did not answer in time: send it again with this event_key, it will not be delivered twice"
                    .to_owned()
            }
        }
    }

    /// The error document.
    pub(crate) fn document(self) -> ProblemDocument {
        let status = self.status();
        let detail = self.detail();
        let event_key = self.event_key().map(str::to_owned);
        let accepted = self.accepted();
        let errors = if let Self::Invalid(invalid) = self { invalid.problems } else { Vec::new() };
        let title = status.canonical_reason().unwrap_or_default();
        ProblemDocument { kind: "about:blank", title, status: status.as_u16(), detail, errors, event_key, accepted }
    }

    /// The HTTP answer.
    pub(crate) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let retry_after = self.retry_after();
        let allow = if let Self::MethodNotAllowed { allow } = self { Some(allow) } else { None };
        // What is left of such a body is not worth reading, and the client's next request would stand behind it.
        let close = matches!(self, Self::TooSlow | Self::TooLarge { .. } | Self::BrokenBody);
        let mut response = json(status, PROBLEM_JSON, &self.document());
        let headers = response.headers_mut();
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if let Some(allow) = allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"postrider\""));
        }
        if close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Response<Body> {
    let bytes = serde_json::to_vec(body).expect("our own answers have text keys only");
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
