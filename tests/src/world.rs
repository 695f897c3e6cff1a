//! One test's world: topics of its own on the shared Kafka, a mail server, a Slack, a folder, a configuration.

use std::{
    fs,
    path::PathBuf,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
};

use postrider_domain::Notification;
use postrider_testkit::{
    kafka::{RawRecord, RealKafka},
    slack::SlackServer,
    smtp::{SmtpOptions, SmtpServer},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::{
    events,
    process::{self, Process},
    settings::{Places, Settings},
};

/// Dropping it stops its servers; its processes are dropped by whoever started them.
pub struct World {
    /// The cluster.
    pub kafka: &'static RealKafka,
    /// The events topic; all other names begin with it.
    pub topic: String,
    /// The mail server.
    pub smtp: SmtpServer,
    /// Slack.
    pub slack: SlackServer,
    /// What the next process is configured with.
    pub settings: Settings,
    dir: TempDir,
    configs: AtomicUsize,
    /// The servers live on it; the tests themselves are plain threads.
    pub runtime: Runtime,
}

impl World {
    /// A world on the shared broker with ordinary servers, its topics applied.
    ///
    /// # Panics
    /// Something cannot be started.
    #[must_use]
    pub fn new(name: &str, settings: Settings) -> Self {
        Self::with(RealKafka::shared(), name, settings, SmtpOptions::default())
    }

    /// A world on this cluster, with such a mail server.
    ///
    /// # Panics
    /// Something cannot be started.
    #[must_use]
    pub fn with(kafka: &'static RealKafka, name: &str, settings: Settings, smtp: SmtpOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be started");
        let smtp = runtime.block_on(SmtpServer::start_with(smtp)).expect("the mail server starts");
        let slack = runtime.block_on(SlackServer::start()).expect("Slack starts");
        let dir = tempfile::Builder::new().prefix("postrider-test-").tempdir().expect("a folder can be made");
        let topic = kafka.unique(name);
        let world = Self { kafka, topic, smtp, slack, settings, dir, configs: AtomicUsize::new(0), runtime };
        let applied = world.run(&["topics", "apply"]);
        assert!(applied.status.success(), "topics apply: {}", String::from_utf8_lossy(&applied.stderr));
        world
    }

    /// Writes the configuration as the settings are now.
    ///
    /// # Panics
    /// The file cannot be written.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        let places = Places {
            bootstrap_servers: self.kafka.bootstrap_servers().to_owned(),
            topic: self.topic.clone(),
            smtp_port: self.smtp.port(),
            smtp_ca_file: self.settings.email_tls.then(|| self.smtp.ca_file()),
            webhook: self.slack.webhook_url(""),
        };
        let number = self.configs.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.path().join(format!("postrider-{number}.toml"));
        fs::write(&path, self.settings.toml(&places)).expect("the configuration can be written");
        path
    }

    /// Starts `postrider <arguments>`.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.dir.path(), arguments[0], &self.config(), arguments)
    }

    /// A processor with all lanes, ready.
    ///
    /// # Panics
    /// It does not get ready.
    #[must_use]
    #[track_caller]
    pub fn processor(&self) -> Process {
        self.start(&["process"]).ready()
    }

    /// Runs `postrider <arguments>` to its end.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Output {
        process::run(&self.config(), arguments)
    }

    /// Writes events to their keys' partitions, each acknowledged.
    ///
    /// # Panics
    /// Kafka does not take them.
    #[track_caller]
    pub fn produce(&self, events: &[Notification]) {
        let records: Vec<_> = events.iter().map(|event| events::record(event, self.settings.partitions)).collect();
        self.produce_raw(&records);
    }

    /// Writes records as they are.
    ///
    /// # Panics
    /// Kafka does not take them.
    #[track_caller]
    pub fn produce_raw(&self, records: &[RawRecord]) {
        self.kafka.produce(&self.topic, records).expect("Kafka takes the records");
    }
}
