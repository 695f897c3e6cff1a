//! `postrider process`: the lanes.

use anyhow::Context;
use postrider_telemetry::AdminServer;

use crate::{
    cli::{Global, ProcessArgs},
    config::{Config, Lane, Scope},
    failure::Failure,
    lanes::{self, Lanes, TopicChecks},
    signals::Shutdown,
    wiring,
};

/// Runs until it is asked to stop, then drains; or until a lane cannot go on.
pub(crate) fn run(args: &ProcessArgs, global: &Global) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref(), Scope::LANES)?;
    let chosen = chosen(&config, &args.lanes)?;
    Ok(wiring::runtime()?.block_on(serve(&config, &chosen))?)
}

fn chosen<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a Lane>, Failure> {
    if config.lanes.is_empty() {
        return Err(Failure::usage("there is no lane to run: set email.host or add a Slack destination"));
    }
    let known = || config.lanes.iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>().join(", ");
    let unknown: Vec<_> = names.iter().filter(|name| config.lane(name).is_none()).map(String::as_str).collect();
    if !unknown.is_empty() {
        let problem = format!(
            "--lane {}: no such lane, or its channel is not configured; there are: {}",
            unknown.join(", "),
            known()
        );
        return Err(Failure::usage(problem));
    }
    let is_chosen = |lane: &&Lane| names.is_empty() || names.iter().any(|name| name == lane.name.as_str());
    Ok(config.lanes.iter().filter(is_chosen).collect())
}

async fn serve(config: &Config, chosen: &[&Lane]) -> anyhow::Result<()> {
    let shutdown = Shutdown::listen()?;
    let registry = wiring::registry()?;
    let lanes = Lanes::start(config, chosen, &registry, TopicChecks::On)?;
    let listen = wiring::admin_listen(config, wiring::ADMIN_PORT);
    let admin = AdminServer::start(listen, registry, lanes::readiness(lanes.statuses())).await;
    let admin = admin.context("cannot serve metrics and health; set admin.listen to another address")?;
    let _checking = wiring::warn_about_topics(config, |_| true);
    let names: Vec<_> = chosen.iter().map(|lane| lane.name.as_str()).collect();
    tracing::info!(
        lanes = names.join(", "),
        admin.address = %admin.address(),
        kafka.bootstrap_servers = config.kafka.bootstrap_servers,
        kafka.topic = config.topics.events,
        "processing"
    );
    let ended = lanes.run_until(shutdown.requested()).await;
    admin.shutdown().await;
    if ended.is_ok() {
        tracing::info!("drained and stopped");
    }
    ended
}
