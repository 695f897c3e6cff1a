//! A client of the HTTP API that knows what may be sent again: everything, with its key.

use std::time::Duration;

use anyhow::Context;
use postrider_domain::Secret;
use reqwest::{Response, StatusCode, Url, header::RETRY_AFTER};
use serde_json::Value;

use crate::signals::Shutdown;

/// One request, answer included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// How long 429, 503 and a missing server are waited out.
const PATIENCE: Duration = Duration::from_secs(60);
/// After this long whoever waits is told why.
const SILENCE: Duration = Duration::from_secs(1);
/// The longest single wait, whatever Retry-After says.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next request: less than the API waits for one, or the request would meet its end.
const KEEP: Duration = Duration::from_secs(5);

/// Talks to one HTTP API.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<Secret>,
    patience: Duration,
    shutdown: Shutdown,
}

/// What the API said in the end.
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its body; null where it is no JSON.
    pub(crate) body: Value,
}

impl Reply {
    /// Whether the request was refused as such: nothing of it was accepted, and sent again it is refused again. A body
    /// that came too slowly (408) may be faster next time.
    pub(super) fn is_final(&self) -> bool {
        self.status.is_client_error() && !is_come_again(self.status) && self.status != StatusCode::REQUEST_TIMEOUT
    }
}

impl Client {
    /// `base` ends with a slash. After a shutdown is requested, nothing is sent again and nothing waited for but an answer.
    pub(crate) fn new(base: Url, key: Option<Secret>, shutdown: Shutdown) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).pool_idle_timeout(KEEP).no_proxy().build();
        Ok(Self { http: http.context("cannot set up the HTTP client")?, base, key, patience: PATIENCE, shutdown })
    }

    /// One that takes the first answer for the last.
    #[cfg(test)]
    pub(super) fn impatient(base: &str) -> Self {
        Self { patience: Duration::ZERO, ..Self::new(Url::parse(base).unwrap(), None, Shutdown::never()).unwrap() }
    }

    /// Whether it was asked to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.shutdown.is_requested()
    }

    /// Resolves when it is asked to stop.
    pub(super) async fn stopping(&self) {
        self.shutdown.requested().await;
    }

    /// Posts until there is an answer other than "come again", for a minute at most. The body carries its keys, so that
    /// repeating it is safe, also where an answer was lost.
    pub(crate) async fn post(&self, path: &str, media_type: &str, body: Vec<u8>) -> anyhow::Result<Reply> {
        let url = self.base.join(path).context("cannot make the request's URL")?;
        let started = tokio::time::Instant::now();
        let mut wait = Duration::from_millis(100);
        let mut told = false;
        loop {
            let answer = self.post_once(url.clone(), media_type, body.clone()).await;
            let hint = match &answer {
                Ok(response) if is_come_again(response.status()) => retry_after(response),
                Err(_) => None,
                Ok(_) => return self.read(answer).await,
            };
            wait = (wait * 2).max(hint.unwrap_or_default()).min(WAIT_MAX);
            if started.elapsed() + wait > self.patience {
                return self.read(answer).await;
            }
            if !told && started.elapsed() > SILENCE {
                tracing::warn!(url = %self.base, "no answer that counts yet; trying for {} s", self.patience.as_secs());
                told = true;
            }
            tokio::select! {
                () = self.stopping() => return self.read(answer).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn post_once(&self, url: Url, media_type: &str, body: Vec<u8>) -> reqwest::Result<Response> {
        let request = self.http.post(url).header("content-type", media_type).body(body);
        match &self.key {
            Some(key) => request.bearer_auth(key.reveal()).send().await,
            None => request.send().await,
        }
    }

    async fn read(&self, answer: reqwest::Result<Response>) -> anyhow::Result<Reply> {
        let lost = || {
            format!(
                "the HTTP API at {} gave no whole answer, so this may be accepted or not; to send it again with the same \
                 event_key is safe",
                self.base
            )
        };
        let response = answer.map_err(|error| {
            let text = if error.is_connect() {
                format!(
                    "cannot reach the HTTP API at {}; is `postrider ingest` or `postrider dev` running there?",
                    self.base
                )
            } else {
                lost()
            };
            anyhow::Error::new(error).context(text)
        })?;
        let status = response.status();
        let text = response.text().await.with_context(lost)?;
        Ok(Reply { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
    }
}

fn is_come_again(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What is wrong, from a problem document: its detail, each of its errors, and whether it may be accepted nevertheless.
/// The event's key is the caller's to name.
pub(crate) fn problem(status: StatusCode, document: &Value) -> String {
    let detail = document["detail"].as_str().or(document["title"].as_str());
    let mut text = format!("{}: {}", status.as_u16(), detail.unwrap_or("no explanation was given"));
    for error in document["errors"].as_array().into_iter().flatten() {
        let (pointer, detail) = (error["pointer"].as_str(), error["detail"].as_str());
        text += &format!("; {} {}", pointer.unwrap_or_default(), detail.unwrap_or_default());
    }
    if let Some(accepted) = document["accepted"].as_str() {
        text += &format!("; accepted: {accepted}");
    }
    text
}
