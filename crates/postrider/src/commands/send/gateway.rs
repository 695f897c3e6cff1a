//! The HTTP API in this process, for `--kafka`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::Context;
use postrider_domain::{ChannelName, Secret};
use postrider_ingest::{ApiKey, Ingest, IngestSettings, KafkaSink, LOCAL_SOURCE, RunningIngest};
use postrider_kafka::Producer;
use postrider_telemetry::Registry;
use reqwest::Url;

use crate::{config::Config, failure::Failure, wiring};

/// A running API that only this process can use.
pub(super) struct Gateway {
    running: RunningIngest,
    key: Secret,
}

impl Gateway {
    /// Listens on a free loopback port; `source` is what the events will name.
    pub(super) async fn start(config: &Config, source: Option<&str>) -> Result<Self, Failure> {
        let key = Secret::new(uuid::Uuid::new_v4().simple().to_string());
        let settings = IngestSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys: vec![ApiKey { source: source.unwrap_or(LOCAL_SOURCE).to_owned(), key: key.clone() }],
            // Whoever writes to the topic directly may write for lanes that this machine's configuration does not know.
            channels: ChannelName::ALL.into(),
            ..wiring::ingest(config)
        };
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(Failure::usage(problems.join("; ")));
        }
        let producer =
            Producer::start(&config.kafka, &wiring::producer(config)).context("cannot start the Kafka producer")?;
        let sink = Arc::new(KafkaSink::new(producer, config.topics.events.clone()));
        let running = Ingest::start(settings, sink, &Registry::new()).await;
        Ok(Self { running: running.context("cannot start the writer")?, key })
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.running.address())).expect("a socket address makes a URL")
    }

    pub(super) fn key(&self) -> Secret {
        self.key.clone()
    }

    pub(super) async fn shutdown(self) {
        self.running.shutdown().await;
    }
}
