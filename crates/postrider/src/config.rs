//! Configuration: one file and the environment over the embedded, fully commented default.
//!
//! What is written is read key by key, so that **every** problem is found in one go, with the key's path and where it
//! was written; what the rest of the program sees is [`Config`], in which everything is checked and typed. Nothing
//! here opens a socket.

mod email;
mod ingest;
mod kafka;
mod lanes;
mod layers;
mod print;
mod problems;
mod sandbox;
mod section;
mod slack;
mod topics;
mod values;

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use postrider_domain::{limits::KEEP_MARGIN, retry::RetryPolicy};
use postrider_kafka::{KafkaSettings, topics::TopicPlan};

use crate::wiring;

use problems::Notes;

pub(crate) use email::{Email, Tls, mailbox};
pub(crate) use ingest::Ingest;
pub(crate) use lanes::Lane;
pub(crate) use layers::{DEFAULT, Layers, environment};
pub(crate) use print::{redacted_json, redacted_toml};
pub(crate) use problems::Problems;
pub(crate) use slack::{Access, Slack};
pub(crate) use topics::Topics;

/// What may follow a lane's drain before its partitions are given back: recording what still runs, the last commit, and the
/// time until the next look at the group.
const DRAIN_MARGIN: Duration = Duration::from_secs(15);

/// Where `ingest` puts its admin listener unless it is told.
const ADMIN_BESIDE_INGEST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), wiring::ADMIN_PORT + 1);

/// Everything that was configured, checked and typed.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The cluster.
    pub(crate) kafka: KafkaSettings,
    /// Names and shapes of the topics.
    pub(crate) topics: Topics,
    /// The HTTP API.
    pub(crate) ingest: Ingest,
    /// Where the admin listener was put, if it was.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The lanes whose channel is configured, by name.
    pub(crate) lanes: Vec<Lane>,
    /// How failures are tried again; the same for every lane.
    pub(crate) retry: RetryPolicy,
    /// The mail server, if one is configured.
    pub(crate) email: Option<Email>,
    /// Slack, if a destination is configured.
    pub(crate) slack: Option<Slack>,
}

/// Which secrets a subcommand uses. Those of the others are not even read, so that one file serves processes that
/// are given different secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The keys of upstream services; also whether it may listen where it is told to.
    pub(crate) ingest: bool,
    /// The cluster's.
    pub(crate) kafka: bool,
    /// The mail server's.
    pub(crate) email: bool,
    /// Tokens and webhooks.
    pub(crate) slack: bool,
}

impl Scope {
    /// Every secret: `config check`.
    pub(crate) const ALL: Self = Self { ingest: true, ..Self::LANES };
    /// The HTTP API.
    pub(crate) const INGEST: Self = Self { ingest: true, ..Self::KAFKA };
    /// The lanes.
    pub(crate) const LANES: Self = Self { email: true, slack: true, ..Self::KAFKA };
    /// The cluster alone.
    pub(crate) const KAFKA: Self = Self { kafka: true, ..Self::NONE };
    /// Single attempts by mail.
    pub(crate) const EMAIL: Self = Self { email: true, ..Self::NONE };
    /// Single attempts with Slack.
    pub(crate) const SLACK: Self = Self { slack: true, ..Self::NONE };
    /// No secret.
    pub(crate) const NONE: Self = Self { ingest: false, kafka: false, email: false, slack: false };
}

impl Config {
    /// Reads the file (`postrider.toml` in the current directory if none is named and it exists) and the environment.
    ///
    /// # Errors
    /// Every problem there is, each with its key, where it was written and what to do.
    pub(crate) fn load(file: Option<&Path>, scope: Scope) -> Result<Self, Problems> {
        let layers = Layers::read(file, environment()?.into_iter())?;
        Self::check(&layers, scope)
    }

    /// The same for `postrider dev`: cluster, mail server, Slack's credentials and API keys are not the user's but the
    /// sandbox's; names of Slack destinations, lanes, retry and ports are taken over. It listens on loopback whatever
    /// `ingest.listen` says, so that a production's file without its keys is no problem.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub(crate) fn load_for_dev(file: Option<&Path>) -> Result<Self, Problems> {
        let layers = Layers::read_for_dev(file, environment()?.into_iter())?;
        Self::check(&layers, Scope::LANES)
    }

    /// Checks what the layers say together.
    pub(crate) fn check(layers: &Layers, scope: Scope) -> Result<Self, Problems> {
        let notes = Notes::default();
        let config = Self::read(layers, scope, &notes);
        match (config, notes.into_problems()) {
            (Some(config), None) => Ok(config),
            (_, Some(problems)) => Err(problems),
            (None, None) => Err(Problems::one("it cannot be read, and nothing says why: a defect of Postrider")),
        }
    }

    fn read(layers: &Layers, scope: Scope, problems: &Notes) -> Option<Self> {
        let root = layers.root(problems);
        let kafka = kafka::read(root.section("kafka"), scope.kafka);
        let topics = topics::read(root.section("topics"));
        let admin = root.section("admin");
        let admin_listen = admin.socket_address("listen");
        let beside_ingest = if admin.has("listen") { admin_listen } else { Some(ADMIN_BESIDE_INGEST) };
        admin.finish();
        let ingest = ingest::read(root.section("ingest"), scope.ingest, beside_ingest);
        let retry = lanes::read_retry(root.section("retry"));
        let email = email::read(root.section("email"), scope.email);
        let slack = slack::read(root.section("slack"), scope.slack);
        let lanes = lanes::read(&root.section("lanes"), layers, email.is_configured(), slack.is_configured());
        root.finish();
        check_channels(scope, &email, &slack, problems);
        across_sections(topics.as_ref(), retry.as_ref(), problems);
        check_drain(kafka.as_ref(), lanes.as_deref(), problems);
        Some(Self {
            kafka: kafka?,
            topics: topics?,
            lanes: lanes?,
            ingest: ingest?,
            admin_listen,
            retry: retry?,
            email: email.into_checked()?,
            slack: slack.into_checked()?,
        })
    }

    /// The topics as they should be, one ledger for each lane.
    pub(crate) fn topic_plan(&self) -> TopicPlan {
        TopicPlan {
            events: self.topics.events.clone(),
            partitions: self.topics.partitions,
            replication_factor: self.topics.replication_factor,
            retention: self.topics.retention,
            give_up_after: self.retry.give_up_after,
            body_max: self.ingest.body_max,
            lanes: self.lanes.iter().map(|lane| lane.name.clone()).collect(),
        }
    }

    /// The lane of that name.
    pub(crate) fn lane(&self, name: &str) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.name.as_str() == name)
    }
}

/// Rules that no section can check alone.
fn across_sections(topics: Option<&Topics>, retry: Option<&RetryPolicy>, problems: &Notes) {
    let (Some(topics), Some(retry)) = (topics, retry) else { return };
    if topics.retention <= retry.give_up_after + KEEP_MARGIN {
        problems.add(
            "retry.give_up_after",
            "must be over an hour shorter than topics.retention, or events may leave Kafka before we stop trying: lower the one or raise the other",
        );
    }
}

/// Whatever the channels would refuse when they are made, they refuse here; making one opens no connection.
fn check_channels(scope: Scope, email: &Part<Email>, slack: &Part<Slack>, problems: &Notes) {
    if scope.email
        && let Part::Checked(email) = email
        && let Err(error) = wiring::email_channel_of(email)
    {
        problems.add("email", format_args!("{error:#}"));
    }
    if scope.slack
        && let Part::Checked(slack) = slack
        && let Err(error) = wiring::slack_channel_of(slack)
    {
        problems.add("slack", format_args!("{error:#}"));
    }
}

/// A revoke is answered when its drain is over. A group that does not wait that long throws the member out and gives its
/// partitions, and what is being sent from them, to another.
fn check_drain(kafka: Option<&KafkaSettings>, lanes: Option<&[Lane]>, problems: &Notes) {
    let Some(kafka) = kafka else { return };
    for lane in lanes.into_iter().flatten() {
        let needed = lane.drain_timeout + DRAIN_MARGIN;
        if kafka.max_poll_interval() < needed {
            problems.add(
                "kafka.properties.max.poll.interval.ms",
                format_args!(
                    "must be at least {}, for lanes.{}.drain_timeout and {} s more: raise it, or lower that",
                    needed.as_millis(),
                    lane.name,
                    DRAIN_MARGIN.as_secs()
                ),
            );
        }
    }
}

/// A part that may be left out: not configured, configured but wrong, or checked.
#[derive(Debug)]
pub(crate) enum Part<T> {
    /// Nothing was written.
    Absent,
    /// Something was written and is wrong; the problems say what.
    Wrong,
    /// Ready for use.
    Checked(T),
}

impl<T> Part<T> {
    fn of(checked: Option<T>) -> Self {
        checked.map_or(Self::Wrong, Self::Checked)
    }

    fn is_configured(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// `None` where it was wrong.
    fn into_checked(self) -> Option<Option<T>> {
        match self {
            Self::Absent => Some(None),
            Self::Wrong => None,
            Self::Checked(part) => Some(Some(part)),
        }
    }
}
