//! The lanes of this process: started together, stopped together.

use std::{collections::BTreeMap, future::Future};

use anyhow::Context;
use postrider_domain::ChannelName;
use postrider_processor::{DeliveryMetrics, LaneError, LaneSettings, LaneStatus, RunningLane};
use postrider_telemetry::Registry;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

use crate::{
    config::{Config, Lane},
    wiring,
};

/// How a broker is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TopicChecks {
    /// A real cluster: the topics' settings are looked at, at every assignment.
    On,
    /// An in-process broker, which has no admin API.
    Off,
}

/// Lanes that run; dropping it stops them without waiting.
pub(crate) struct Lanes {
    stop: watch::Sender<bool>,
    statuses: BTreeMap<String, watch::Receiver<LaneStatus>>,
    running: JoinSet<(String, Result<(), LaneError>)>,
}

impl Lanes {
    /// Makes the channels (which opens no connection) and starts the lanes.
    pub(crate) fn start(
        config: &Config,
        chosen: &[&Lane],
        registry: &Registry,
        checks: TopicChecks,
    ) -> anyhow::Result<Self> {
        let metrics = DeliveryMetrics::register(registry).context("cannot register the metrics of the lanes")?;
        let settings: Vec<_> =
            chosen.iter().map(|lane| settings(config, lane, checks)).collect::<anyhow::Result<_>>()?;
        let stop = watch::Sender::new(false);
        let mut lanes = Self { stop, statuses: BTreeMap::new(), running: JoinSet::new() };
        for settings in settings {
            let lane = postrider_processor::start(settings, metrics.clone());
            lanes.statuses.insert(lane.name().to_owned(), lane.status());
            lanes.running.spawn(run(lane, lanes.stop.subscribe()));
        }
        Ok(lanes)
    }

    /// How each lane stands, by name.
    pub(crate) fn statuses(&self) -> BTreeMap<String, watch::Receiver<LaneStatus>> {
        self.statuses.clone()
    }

    /// Waits until `requested`, or until a lane ends by itself; then drains them all.
    pub(crate) async fn run_until(mut self, requested: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut first = Ok(());
        tokio::select! {
            () = requested => {}
            Some(ended) = self.running.join_next() => first = result(ended),
        }
        self.stop.send_replace(true);
        while let Some(ended) = self.running.join_next().await {
            let ended = result(ended);
            first = match (first, ended) {
                (Ok(()), ended) => ended,
                (Err(first), Ok(())) => Err(first),
                (Err(first), Err(also)) => {
                    tracing::error!(error = format!("{also:#}"), "another lane ended with an error");
                    Err(first)
                }
            };
        }
        first
    }
}

async fn run(mut lane: RunningLane, mut stop: watch::Receiver<bool>) -> (String, Result<(), LaneError>) {
    let name = lane.name().to_owned();
    tokio::select! {
        ended = lane.join() => return (name, ended),
        _ = stop.wait_for(|stop| *stop) => lane.stop(),
    }
    let ended = lane.join().await;
    (name, ended)
}

fn result(ended: Result<(String, Result<(), LaneError>), JoinError>) -> anyhow::Result<()> {
    let (name, ended) = ended.context("a lane's task panicked")?;
    ended.with_context(|| format!("lane {name} ended"))
}

/// Ready when every lane is; else each that is not, one a line.
pub(crate) fn readiness(
    statuses: BTreeMap<String, watch::Receiver<LaneStatus>>,
) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
    move || {
        let problems: Vec<_> = statuses
            .iter()
            .filter_map(|(name, status)| Some(format!("lane {name}: {}", status.borrow().ready.clone().err()?)))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
    }
}

fn settings(config: &Config, lane: &Lane, checks: TopicChecks) -> anyhow::Result<LaneSettings> {
    let recipients_allowed = match lane.channel {
        ChannelName::Email => config.email.as_ref().map(|email| email.recipients_allowed.clone()),
        ChannelName::Slack => None,
    };
    // Of all configured lanes, not of this process's: one lane of the topic reports what is for none of them.
    let reports_unroutable = config.lanes.first().is_some_and(|first| first.name == lane.name);
    Ok(LaneSettings {
        name: lane.name.clone(),
        channel: wiring::channel(config, lane.channel)?,
        channels_served: wiring::channels(config),
        reports_unroutable,
        recipients_allowed: recipients_allowed.unwrap_or_else(|| vec!["*".to_owned()]),
        retry: config.retry.clone(),
        in_flight_max: lane.in_flight_max,
        drain_timeout: lane.drain_timeout,
        start: lane.start,
        kafka: config.kafka.clone(),
        topics: config.topic_plan(),
        check_topics: matches!(checks, TopicChecks::On),
    })
}
