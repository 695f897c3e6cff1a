//! The page that shows what was caught, its JSON, and the catch-all Slack endpoint, on one HTTP server.

mod api;
mod assets;
mod guard;
mod live;
mod slack;

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use postrider_telemetry::http::{HttpError, HttpLimits, HttpServer};

use crate::{inbox::Inbox, listen::ListenError};

/// Bytes of one Slack request; Slack itself takes far less.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Its name in errors.
const WHAT: &str = "the inbox page";

/// The page is for one person's browsers, the Slack endpoint for one lane.
const LIMITS: HttpLimits = HttpLimits {
    connections_max: 512,
    header_timeout: Duration::from_secs(60),
    body_timeout: Duration::from_secs(30),
    stall_timeout: Duration::from_secs(60),
    drain_timeout: Duration::from_secs(1),
};

/// The running inbox page. Dropping it closes the listener and all connections.
#[derive(Debug)]
pub struct InboxPage {
    server: HttpServer,
}

impl InboxPage {
    /// Listens on `listen` (loopback only; port 0: any free one) and shows `inbox`. `curl` is the command that an
    /// empty inbox shows as the way to its first message.
    ///
    /// # Errors
    /// The address is not loopback, or cannot be listened on.
    pub async fn start(listen: SocketAddr, inbox: Inbox, curl: String) -> Result<Self, ListenError> {
        ListenError::unless_loopback(WHAT, listen)?;
        Self::start_anywhere(listen, inbox, curl).await
    }

    /// As [`start`](Self::start), on any address, for a container's own network: whoever can reach it reads what was
    /// caught. The page still answers only to localhost and IP addresses; the Slack endpoint to every name.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start_anywhere(listen: SocketAddr, inbox: Inbox, curl: String) -> Result<Self, ListenError> {
        let server = HttpServer::bind(listen, router(inbox, &curl), LIMITS)
            .await
            .map_err(|HttpError::Listen { address, source }| ListenError::Bind { what: WHAT, address, source })?;
        Ok(Self { server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The page's address for a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address())
    }

    /// The address to configure as the Slack webhook of destination `name`.
    #[must_use]
    pub fn slack_webhook_url(&self, name: &str) -> String {
        format!("http://{}/slack/webhook/{name}", self.address())
    }

    /// The address to configure as `slack.api_url`.
    #[must_use]
    pub fn slack_api_url(&self) -> String {
        format!("http://{}/slack/api", self.address())
    }
}

fn router(inbox: Inbox, curl: &str) -> Router {
    Router::new()
        .route("/", get(assets::page(curl)))
        .route("/assets/{name}", get(assets::asset))
        .route("/api/messages", get(api::list).delete(api::clear))
        .route("/api/events", get(live::events))
        .route("/api/messages/{id}", get(api::detail))
        .route("/api/messages/{id}/raw", get(api::raw))
        .route("/api/messages/{id}/html", get(api::html))
        .route("/api/messages/{id}/attachments/{n}", get(api::attachment))
        .layer(middleware::from_fn(guard::local_names_only))
        // Behind the guard on names: these show nothing, and a container's name is one of theirs.
        .route("/slack/webhook/{name}", post(slack::webhook))
        .route("/slack/api/chat.postMessage", post(slack::post_message))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(guard::safe_by_default))
        .with_state(inbox)
}
