//! `postrider ingest`: the HTTP API in front of Kafka.

use std::sync::Arc;

use anyhow::Context;
use postrider_ingest::{EventSink, Ingest, KafkaSink};
use postrider_kafka::Producer;
use postrider_telemetry::AdminServer;

use crate::{
    cli::Global,
    config::{Config, Scope},
    failure::Failure,
    signals::Shutdown,
    wiring,
};

/// Serves until it is asked to stop; then requests in flight finish first.
pub(crate) fn run(global: &Global) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref(), Scope::INGEST)?;
    Ok(wiring::runtime()?.block_on(serve(&config))?)
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let shutdown = Shutdown::listen()?;
    let registry = wiring::registry()?;
    let producer =
        Producer::start(&config.kafka, &wiring::producer(config)).context("cannot start the Kafka producer")?;
    let sink: Arc<dyn EventSink> = Arc::new(KafkaSink::new(producer, config.topics.events.clone()));
    let readiness = Arc::clone(&sink);
    let admin = AdminServer::start(wiring::admin_listen(config, wiring::ADMIN_PORT + 1), registry.clone(), move || {
        if readiness.ready() { Ok(()) } else { Err("Kafka does not answer".to_owned()) }
    });
    let admin = admin.await.context("cannot serve metrics and health; set admin.listen to another address")?;
    let ingest = Ingest::start(wiring::ingest(config), sink, &registry).await;
    let ingest = ingest.context("cannot serve the HTTP API; set ingest.listen to another address if it is taken")?;
    tracing::info!(
        ingest.address = %ingest.address(),
        admin.address = %admin.address(),
        kafka.bootstrap_servers = config.kafka.bootstrap_servers,
        kafka.topic = config.topics.events,
        sources = config.ingest.keys.len(),
        "ingest is listening"
    );
    let events = config.topics.events.clone();
    let _checking = wiring::warn_about_topics(config, move |topic| topic == events);
    if config.lanes.is_empty() {
        tracing::warn!(
            "no channel is configured, so every event is refused: set email.host or add a Slack destination"
        );
    }
    shutdown.requested().await;
    ingest.shutdown().await;
    admin.shutdown().await;
    tracing::info!("ingest has stopped");
    Ok(())
}
