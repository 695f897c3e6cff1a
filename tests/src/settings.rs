//! What a test wants to be different, and the configuration file that follows from it.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

/// Everything is small and quick unless a test says otherwise.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Partitions of the events topic.
    pub partitions: i32,
    /// How long a silent member keeps its partitions; 3 s is the least that is allowed.
    pub session_timeout: Duration,
    /// How long a stop or a revoke waits for attempts under way.
    pub drain_timeout: Duration,
    /// Attempts at once.
    pub in_flight_max: u32,
    /// Connections to the mail server.
    pub connections_max: u32,
    /// The first wait.
    pub delay_min: Duration,
    /// The longest wait.
    pub delay_max: Duration,
    /// When transient failures end.
    pub give_up_after: Duration,
    /// Retries of a lost reply.
    pub unknown_retries: u32,
    /// Patterns of recipients.
    pub recipients_allowed: Vec<String>,
    /// User and password for the mail server.
    pub credentials: Option<(String, String)>,
    /// Whether the mail server is spoken to over STARTTLS, with its own authority.
    pub email_tls: bool,
    /// Whether the email lane is configured.
    pub email: bool,
    /// The Slack destinations, all of them webhooks of the scripted Slack; none: no Slack lane.
    pub slack: Vec<String>,
    /// How long events are kept, as configured; none: the default.
    pub retention: Option<Duration>,
    /// The API key of the source `shop`; none: no key, source `local`.
    pub api_key: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            partitions: 4,
            session_timeout: Duration::from_secs(3),
            drain_timeout: Duration::from_secs(5),
            in_flight_max: 100,
            connections_max: 20,
            delay_min: Duration::from_millis(100),
            delay_max: Duration::from_secs(1),
            give_up_after: Duration::from_secs(600),
            unknown_retries: 1,
            recipients_allowed: vec!["*".to_owned()],
            credentials: None,
            email_tls: false,
            email: true,
            slack: Vec::new(),
            retention: None,
            api_key: None,
        }
    }
}

/// Where the parts of the world are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) bootstrap_servers: String,
    pub(crate) topic: String,
    pub(crate) smtp_port: u16,
    pub(crate) smtp_ca_file: Option<PathBuf>,
    pub(crate) webhook: String,
}

impl Settings {
    /// The configuration file.
    pub(crate) fn toml(&self, places: &Places) -> String {
        let mut file = String::new();
        let session = self.session_timeout.as_millis();
        let lane = format!(
            "in_flight_max = {}\ndrain_timeout = \"{}ms\"\n",
            self.in_flight_max,
            self.drain_timeout.as_millis()
        );
        write!(
            file,
            "[kafka]\nbootstrap_servers = {servers:?}\n[kafka.properties]\n\"session.timeout.ms\" = {session}\n\
             \"heartbeat.interval.ms\" = {heartbeat}\n\"reconnect.backoff.max.ms\" = 500\n\
             [topics]\nevents = {topic:?}\npartitions = {partitions}\n{retention}\
             [admin]\nlisten = \"127.0.0.1:0\"\n[ingest]\nlisten = \"127.0.0.1:0\"\n\
             [retry]\ndelay_min = \"{min}ms\"\ndelay_max = \"{max}ms\"\ngive_up_after = \"{give_up}ms\"\nunknown_retries = {unknown}\n",
            servers = places.bootstrap_servers,
            heartbeat = (session / 6).min(1_000),
            topic = places.topic,
            partitions = self.partitions,
            retention = self.retention.map_or(String::new(), |time| format!("retention = \"{}s\"\n", time.as_secs())),
            min = self.delay_min.as_millis(),
            max = self.delay_max.as_millis(),
            give_up = self.give_up_after.as_millis(),
            unknown = self.unknown_retries,
        )
        .expect("a String takes every text");
        if let Some(key) = &self.api_key {
            file += &format!("[[ingest.keys]]\nsource = \"shop\"\nkey = {key:?}\n");
        }
        if self.email {
            file += &self.email(places);
            file += &format!("[lanes.email]\nchannel = \"email\"\n{lane}");
        }
        if !self.slack.is_empty() {
            file += &format!("[lanes.slack]\nchannel = \"slack\"\n{lane}");
        }
        for destination in &self.slack {
            let url = format!("{}{destination}", places.webhook);
            file += &format!("[slack.destinations.{destination}]\nwebhook_url = {url:?}\n");
        }
        file
    }

    fn email(&self, places: &Places) -> String {
        let credentials = self.credentials.as_ref().map_or(String::new(), |(username, password)| {
            format!("username = {username:?}\npassword = {password:?}\n")
        });
        let tls = places
            .smtp_ca_file
            .as_ref()
            .map_or("tls = \"none\"\n".to_owned(), |file| format!("tls = \"starttls\"\nca_file = {file:?}\n"));
        let port = places.smtp_port;
        format!(
            "[email]\nhost = \"127.0.0.1\"\nport = {port}\n{tls}from = \"Postrider <no-reply@example.com>\"\n\
             connections_max = {}\nrecipients_allowed = {:?}\n{credentials}",
            self.connections_max, self.recipients_allowed
        )
    }
}
