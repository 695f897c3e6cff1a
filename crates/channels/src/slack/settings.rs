//! The checked settings, and the HTTP client they ask for.

use std::{collections::BTreeMap, time::Duration};

use postrider_domain::{DestinationName, Secret};
use reqwest::{Client, redirect};

use super::target::Target;

/// For one attempt, connecting and the whole reply included.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(20);
/// A share of the deadline, so that a dead address is told apart from a lost reply.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Shorter than what servers keep: a connection they close under our hands costs an unknown answer.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// What the Slack channel needs to know. Whether plain `http` is allowed is decided where the configuration is
/// checked; here both work.
#[derive(Debug, Clone)]
pub struct SlackSettings {
    /// Where the Web API lives, without the method: `https://slack.com/api`.
    pub api_url: String,
    /// Every destination by its configured name.
    pub destinations: BTreeMap<String, SlackDestination>,
    /// For one attempt, from connecting to the last byte of the reply; [`DEADLINE_DEFAULT`] where nothing speaks
    /// against it.
    pub deadline: Duration,
}

/// How one destination is reached.
#[derive(Debug, Clone)]
pub enum SlackDestination {
    /// An incoming webhook.
    Webhook {
        /// Its URL, which is its only credential.
        url: Secret,
    },
    /// `chat.postMessage`.
    Api {
        /// The Slack channel's or user's id, for example `C0123`.
        channel: String,
        /// A token with the scope `chat:write`.
        token: Secret,
    },
}

/// Why the Slack channel cannot be set up. No text holds a URL or a token.
#[derive(Debug, thiserror::Error)]
pub enum SlackError {
    /// A webhook's URL is none.
    #[error("the webhook URL of the Slack destination `{destination}` is no http(s) URL: copy it again from Slack")]
    WebhookUrl {
        /// The destination's configured name.
        destination: String,
    },
    /// `api_url` is none, or has a user and a password in it.
    #[error("slack.api_url is no http(s) URL, or one with a password in it: the usual one is https://slack.com/api")]
    ApiUrl,
    /// A token has characters that no HTTP header can carry, or is empty.
    #[error(
        "the token of the Slack destination `{destination}` is empty or has a line break or another character that no \
         token has: copy it again from Slack"
    )]
    Token {
        /// The destination's configured name.
        destination: String,
    },
    /// No HTTP client: most often the system has no trusted certificates.
    #[error("cannot set up HTTPS for Slack: are CA certificates installed (package ca-certificates)?")]
    Client(#[source] reqwest::Error),
}

pub(super) fn targets(settings: &SlackSettings) -> Result<BTreeMap<DestinationName, Target>, SlackError> {
    let target = |(name, destination): (&String, &SlackDestination)| {
        let target = match destination {
            SlackDestination::Webhook { url } => Target::webhook(name, url)?,
            SlackDestination::Api { channel, token } => Target::api(name, &settings.api_url, channel, token)?,
        };
        Ok((DestinationName::new(name.as_str()), target))
    };
    settings.destinations.iter().map(target).collect()
}

pub(super) fn client(
    settings: &SlackSettings,
    targets: &BTreeMap<DestinationName, Target>,
) -> Result<Client, SlackError> {
    install_crypto();
    let mut builder = Client::builder()
        .user_agent(concat!("postrider/", env!("CARGO_PKG_VERSION")))
        // One request per connection at a time: a reply cannot be another's, and one that hangs hinders no other.
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_MAX.min(settings.deadline))
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(targets.len().clamp(1, 32));
    if targets.values().all(Target::is_loopback) {
        builder = builder.no_proxy(); // a proxy's loopback is not ours
    }
    builder.build().map_err(|error| SlackError::Client(error.without_url()))
}

/// Makes ring the process' crypto provider: reqwest, as we build it, brings none and panics without. May be called
/// any number of times and by anyone who makes a client: whoever comes second finds one installed, and that is fine.
pub fn install_crypto() {
    drop(rustls::crypto::ring::default_provider().install_default());
}
