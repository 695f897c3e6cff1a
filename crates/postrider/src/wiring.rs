//! From the checked configuration to the settings of each crate, and the few things every long-running command makes.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context;
use postrider_channels::{
    Channel,
    email::{Credentials, EmailChannel, EmailSettings, TlsMode},
    slack::{self, SlackChannel, SlackSettings},
};
use postrider_domain::ChannelName;
use postrider_ingest::{ApiKey, IngestLimits, IngestSettings};
use postrider_kafka::{ProducerSettings, topics};
use postrider_telemetry::{Registry, panics};
use tokio::task::JoinSet;

use crate::config::{Access, Config, Email, Slack, Tls};

/// Where `process` and `dev` put the admin listener, and `ingest` one above it.
pub(crate) const ADMIN_PORT: u16 = 9464;

/// The address of the admin listener: the configured one, else `port` on every interface.
pub(crate) fn admin_listen(config: &Config, port: u16) -> SocketAddr {
    config.admin_listen.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
}

/// A runtime for one command. When it goes it does not wait for questions to a Kafka that does not answer; whatever
/// has to be waited for was awaited.
#[derive(Debug)]
pub(crate) struct Runtime(Option<tokio::runtime::Runtime>);

/// Starts one.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    Ok(Runtime(Some(runtime)))
}

impl Runtime {
    /// Runs the command to its end.
    pub(crate) fn block_on<T>(&self, command: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is taken only when dropped").block_on(command)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The process's registry, with build info and the count of panics.
pub(crate) fn registry() -> anyhow::Result<Registry> {
    let registry = postrider_telemetry::registry(env!("CARGO_PKG_VERSION"), env!("POSTRIDER_REVISION"))
        .context("cannot set up the metrics")?;
    panics::install(&registry).context("cannot set up the metrics")?;
    Ok(registry)
}

/// The HTTP API's settings; it accepts what some configured lane reads.
pub(crate) fn ingest(config: &Config) -> IngestSettings {
    let destinations = config.slack.iter().flat_map(|slack| &slack.destinations);
    IngestSettings {
        listen: config.ingest.listen,
        body_max: usize::try_from(config.ingest.body_max).unwrap_or(usize::MAX),
        keys: config
            .ingest
            .keys
            .iter()
            .map(|key| ApiKey { source: key.source.clone(), key: key.key.clone() })
            .collect(),
        not_before_max: config.retry.not_before_max(config.topics.retention),
        channels: channels(config),
        slack_destinations: destinations.map(|destination| destination.name.clone()).collect(),
        limits: IngestLimits::default(),
    }
}

/// The channels that configured lanes read for.
pub(crate) fn channels(config: &Config) -> BTreeSet<ChannelName> {
    config.lanes.iter().map(|lane| lane.channel).collect()
}

/// How ingest writes.
pub(crate) fn producer(config: &Config) -> ProducerSettings {
    ProducerSettings {
        client_id: "postrider-ingest".to_owned(),
        message_max_bytes: usize::try_from(config.topic_plan().events_max_bytes()).unwrap_or(usize::MAX),
    }
}

/// Says once, in the background, what is not as it should be with the topics that `concerns` picks: a replication factor
/// that P1 cannot rest on, for example. What breaks a promise is refused elsewhere, at each assignment; a cluster that
/// does not answer is somebody else's news.
pub(crate) fn warn_about_topics(config: &Config, concerns: impl Fn(&str) -> bool + Send + 'static) -> JoinSet<()> {
    let (kafka, plan) = (config.kafka.clone(), config.topic_plan());
    let mut checking = JoinSet::new();
    checking.spawn(async move {
        let problems = topics::check(&kafka, &plan).await.unwrap_or_default();
        for problem in problems.iter().filter(|problem| concerns(&problem.topic)) {
            tracing::warn!(kafka.topic = problem.topic, remedy = problem.remedy, "{}", problem.detail);
        }
    });
    checking
}

/// A lane's channel, ready to make attempts; opens no connection.
pub(crate) fn channel(config: &Config, name: ChannelName) -> anyhow::Result<Arc<dyn Channel>> {
    Ok(match name {
        ChannelName::Email => Arc::new(email_channel(config)?),
        ChannelName::Slack => Arc::new(slack_channel(config)?),
    })
}

/// The email channel.
pub(crate) fn email_channel(config: &Config) -> anyhow::Result<EmailChannel> {
    let email = config.email.as_ref().context("email is not configured: set email.host")?;
    email_channel_of(email)
}

/// The same from its settings.
pub(crate) fn email_channel_of(email: &Email) -> anyhow::Result<EmailChannel> {
    EmailChannel::new(email_settings(email)).context("cannot set up the email channel")
}

/// The Slack channel.
pub(crate) fn slack_channel(config: &Config) -> anyhow::Result<SlackChannel> {
    let slack =
        config.slack.as_ref().context("Slack is not configured: add a destination under [slack.destinations]")?;
    slack_channel_of(slack)
}

/// The same from its settings.
pub(crate) fn slack_channel_of(slack: &Slack) -> anyhow::Result<SlackChannel> {
    SlackChannel::new(&slack_settings(slack)).context("cannot set up the Slack channel")
}

fn email_settings(email: &Email) -> EmailSettings {
    let tls = match email.tls {
        Tls::Starttls => TlsMode::Starttls,
        Tls::Implicit => TlsMode::Implicit,
        Tls::None => TlsMode::None,
    };
    let credentials = email.credentials.clone();
    EmailSettings {
        ca_file: email.ca_file.clone(),
        credentials: credentials.map(|(username, password)| Credentials { username, password }),
        connections_max: email.connections_max,
        ..EmailSettings::new(email.host.clone(), email.port, tls, email.from.clone())
    }
}

fn slack_settings(slack: &Slack) -> SlackSettings {
    let destinations: BTreeMap<_, _> = slack
        .destinations
        .iter()
        .map(|destination| {
            let access = match destination.access.clone() {
                Access::Webhook(url) => slack::SlackDestination::Webhook { url },
                Access::Bot { channel, token } => slack::SlackDestination::Api { channel, token },
            };
            (destination.name.to_string(), access)
        })
        .collect();
    SlackSettings { api_url: slack.api_url.clone(), destinations, deadline: slack::DEADLINE_DEFAULT }
}
