//! What the scripted Slack can answer.

use std::{future, time::Duration};

use anyhow::Result;
use tokio::time::sleep;

use super::wire::Connection;

/// One scripted reply. All but [`CloseUnread`](Self::CloseUnread) read the request first.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Posted, and said so: `ok`, or the Web API's JSON.
    Ok,
    /// Refused, in these words.
    Status {
        /// The HTTP status.
        status: u16,
        /// Extra headers.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Posted, but the client never hears of it: the connection stays open and silent.
    Hang,
    /// Posted; the reply comes a byte at a time.
    Drip {
        /// Between two bytes.
        every: Duration,
    },
    /// Posted after a while.
    Late {
        /// The while.
        after: Duration,
    },
    /// Closes without having taken the request; it is not recorded.
    CloseUnread,
    /// Posted, then closed without a reply.
    CloseAfterReading,
    /// Bytes that are no HTTP, then closed.
    Garbage,
    /// Status 200 and a body of that many bytes.
    Oversize {
        /// How many.
        bytes: usize,
    },
}

impl Reply {
    /// A status and a body, as webhooks refuse: `webhook_error(404, "no_service")`.
    #[must_use]
    pub fn webhook_error(status: u16, code: &str) -> Self {
        Self::Status { status, headers: Vec::new(), body: code.to_owned() }
    }

    /// Status 200 with `ok: false`, as the Web API refuses.
    #[must_use]
    pub fn api_error(code: &str) -> Self {
        let body = serde_json::json!({ "ok": false, "error": code }).to_string();
        Self::Status { status: 200, headers: Vec::new(), body }
    }

    /// 429 with `Retry-After`.
    #[must_use]
    pub fn throttled(seconds: u64) -> Self {
        let headers = vec![("retry-after".to_owned(), seconds.to_string())];
        Self::Status { status: 429, headers, body: "rate_limited".to_owned() }
    }

    /// A web page, as proxies answer.
    #[must_use]
    pub fn html(status: u16) -> Self {
        let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
        Self::Status { status, headers, body: "<!DOCTYPE html><html><body>Please log in</body></html>".to_owned() }
    }

    /// A redirect to `location`, of the kind that a client may follow with a GET.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        let headers = vec![("location".to_owned(), location.to_owned())];
        Self::Status { status: 303, headers, body: String::new() }
    }

    /// Whether the message is in the channel afterwards.
    pub(super) fn posts(&self) -> bool {
        match self {
            Self::Ok | Self::Hang | Self::Drip { .. } | Self::Late { .. } | Self::CloseAfterReading => true,
            Self::Status { .. } | Self::CloseUnread | Self::Garbage | Self::Oversize { .. } => false,
        }
    }

    /// Writes it; `false`: the connection is to be closed.
    pub(super) async fn write(&self, connection: &mut Connection, is_api: bool) -> Result<bool> {
        let ok = if is_api { r#"{"ok":true,"channel":"C0123","ts":"1503435956.000247"}"# } else { "ok" };
        match self {
            Self::Ok => connection.write(&answer(200, &[], ok)).await?,
            Self::Status { status, headers, body } => connection.write(&answer(*status, headers, body)).await?,
            Self::Hang => future::pending().await,
            Self::Drip { every } => {
                for byte in answer(200, &[], ok) {
                    connection.write(&[byte]).await?;
                    sleep(*every).await;
                }
            }
            Self::Late { after } => {
                sleep(*after).await;
                connection.write(&answer(200, &[], ok)).await?;
            }
            Self::CloseUnread | Self::CloseAfterReading => return Ok(false),
            Self::Garbage => {
                connection.write(b"\x00\x01SSH-2.0-not-slack\r\n\r\n").await?;
                return Ok(false);
            }
            Self::Oversize { bytes } => connection.write(&answer(200, &[], &"x".repeat(*bytes))).await?,
        }
        Ok(true)
    }
}

fn answer(status: u16, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}
