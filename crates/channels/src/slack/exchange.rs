//! One request and its reply, with the permit asked at the last moment.

use std::{
    error::Error,
    io, iter,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use postrider_domain::{Answer, Failure, Permit, Reason};
use reqwest::{
    Body, Client, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use tokio::time::{Instant, timeout_at};

use super::{retry_after, target::Target};

/// `chat.postMessage` echoes the message, escaped and as `blocks` once more: 40,000 characters become several hundred KB.
/// What is longer is not Slack's. A destination has one attempt at a time, so this is its memory, too.
const REPLY_BYTES_MAX: usize = 1024 * 1024;

/// How an exchange ended.
pub(super) enum Ended {
    /// The permit was refused; the message was not written.
    NotPermitted,
    /// No reply; classified already, because only here is known how far it got.
    Failed(Answer),
    /// A reply, whatever it says.
    Replied(Reply),
}

/// What came back, our secrets taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: ReplyBody,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReplyBody {
    Whole(String),
    /// Over 1 MiB; not kept.
    TooLarge,
    /// The connection broke, or the deadline passed, before its end.
    Lost,
}

impl Reply {
    /// For the dialogue.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("HTTP {}", self.status)];
        lines.extend(self.retry_after.map(|wait| format!("retry-after: {}", wait.as_secs())));
        match &self.body {
            ReplyBody::Whole(text) => lines.extend(text.lines().map(str::to_owned)),
            ReplyBody::TooLarge => lines.push(format!("(a body of over {REPLY_BYTES_MAX} bytes)")),
            ReplyBody::Lost => lines.push("(the connection ended before the body did)".to_owned()),
        }
        lines
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the permit was refused")]
struct Refused;

/// Posts `payload`; all of it takes `deadline` at most.
///
/// The payload is a stream of one piece, and hyper asks for it when the connection stands and the head is in its
/// buffer: that is where the permit is asked. So connecting holds no permit, and whether it has begun tells a
/// failure that reached nobody from one that may have.
pub(super) async fn exchange(
    client: &Client,
    target: &Target,
    payload: String,
    permit: &Permit,
    deadline: Duration,
) -> Ended {
    let end = Instant::now() + deadline;
    let refused = Arc::new(AtomicBool::new(false));
    let request = target
        .request(client)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(CONTENT_LENGTH, payload.len()) // a stream would be sent chunked, which not every proxy takes
        .body(gated(payload, permit.clone(), Arc::clone(&refused)));
    let sent = timeout_at(end, request.send()).await;
    if refused.load(Ordering::Acquire) {
        return Ended::NotPermitted;
    }
    match sent {
        Ok(Ok(response)) => Ended::Replied(read(response, target, end).await),
        Ok(Err(error)) => Ended::Failed(failed(&error.without_url(), target, permit.begun())),
        Err(_elapsed) => Ended::Failed(timed_out(target, deadline, permit.begun())),
    }
}

fn gated(payload: String, permit: Permit, refused: Arc<AtomicBool>) -> Body {
    Body::wrap_stream(stream::once(async move {
        if permit.begin() {
            return Ok(payload);
        }
        refused.store(true, Ordering::Release);
        Err(Refused)
    }))
}

async fn read(mut response: Response, target: &Target, end: Instant) -> Reply {
    let status = response.status().as_u16();
    let retry_after = retry_after::hint(response.headers());
    let mut bytes = Vec::new();
    let body = loop {
        match timeout_at(end, response.chunk()).await {
            Ok(Ok(Some(chunk))) if bytes.len() + chunk.len() <= REPLY_BYTES_MAX => bytes.extend_from_slice(&chunk),
            Ok(Ok(Some(_))) => break ReplyBody::TooLarge,
            Ok(Ok(None)) => break ReplyBody::Whole(target.redact(&String::from_utf8_lossy(&bytes))),
            Ok(Err(_)) | Err(_) => break ReplyBody::Lost,
        }
    };
    Reply { status, retry_after, body }
}

fn timed_out(target: &Target, deadline: Duration, begun: bool) -> Answer {
    let seconds = deadline.as_secs_f64();
    if begun {
        let answer = format!("{} took the message but did not answer within {seconds} s", target.shown());
        return Answer::Unknown { failure: Failure::new(Reason::Timeout, answer) };
    }
    let answer = format!("no connection to {} within {seconds} s", target.shown());
    Answer::Transient { failure: Failure::new(Reason::Timeout, answer), retry_after: None }
}

fn failed(error: &reqwest::Error, target: &Target, begun: bool) -> Answer {
    let host = target.shown();
    let told = target.redact(&chain(error));
    if begun {
        let answer = format!("the reply of {host} was lost after the message was written: {told}");
        return Answer::Unknown { failure: Failure::new(Reason::LostReply, answer) };
    }
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(_)) => {
            let remedy = format!(
                "the certificate of {host} is not trusted or is another host's: check slack.api_url or the webhook's URL, \
                 and whether a proxy is in the way"
            );
            let answer = format!("{remedy} ({told})");
            Answer::Misconfigured { failure: Failure::new(Reason::Tls, answer).with_remedy(remedy) }
        }
        Some(_) => transient(Reason::Tls, &format!("no TLS with {host}: {told}")),
        None if error.is_timeout() => transient(Reason::Timeout, &format!("no connection to {host} in time: {told}")),
        None if error.is_connect() => transient(Reason::Connect, &format!("no connection to {host}: {told}")),
        None => transient(Reason::Disconnected, &format!("the connection to {host} broke: {told}")),
    }
}

fn transient(reason: Reason, answer: &str) -> Answer {
    Answer::Transient { failure: Failure::new(reason, answer), retry_after: None }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The TLS error below, if there is one. An `io::Error` hides what it carries from `source()`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|cause| match cause.downcast_ref::<io::Error>() {
        Some(carrier) => tls_error(carrier.get_ref()?),
        None => cause.downcast_ref(),
    })
}
