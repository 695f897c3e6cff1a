//! The page that shows what was caught, its JSON, and the catch-all Slack endpoint, on one loopback HTTP server.

mod api;
mod assets;
mod guard;
mod live;
mod slack;

use std::net::SocketAddr;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use tokio::task::JoinSet;

use crate::{
    inbox::Inbox,
    listen::{self, ListenError},
};

/// Bytes of one Slack request; Slack itself takes far less.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The running inbox page. Dropping it closes the listener.
#[derive(Debug)]
pub struct InboxPage {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl InboxPage {
    /// Listens on `listen` (loopback only; port 0: any free one) and shows `inbox`. `curl` is the command that an
    /// empty inbox shows as the way to its first message.
    ///
    /// # Errors
    /// The address is not loopback, or cannot be listened on.
    pub async fn start(listen: SocketAddr, inbox: Inbox, curl: String) -> Result<Self, ListenError> {
        let (listener, address) = listen::on_loopback("the inbox page", listen).await?;
        let app = router(inbox, &curl);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(error = %error, "the inbox page ended");
            }
        });
        Ok(Self { address, _serving: serving })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's address for a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The address to configure as the Slack webhook of destination `name`.
    #[must_use]
    pub fn slack_webhook_url(&self, name: &str) -> String {
        format!("http://{}/slack/webhook/{name}", self.address)
    }

    /// The address to configure as `slack.api_url`.
    #[must_use]
    pub fn slack_api_url(&self) -> String {
        format!("http://{}/slack/api", self.address)
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
        .route("/slack/webhook/{name}", post(slack::webhook))
        .route("/slack/api/chat.postMessage", post(slack::post_message))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guard::local_names_only))
        .layer(middleware::map_response(guard::safe_by_default))
        .with_state(inbox)
}
