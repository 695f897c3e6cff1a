//! Starts a lane, tells how it stands, stops it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use postrider_domain::{
    lane::{self, Lane},
    plan::Planner,
};
use postrider_kafka::{KafkaError, Ledger, LedgerSettings, Source, SourceSettings, Writer, topics};
use postrider_telemetry::spawn;
use postrider_wire::{DecodeLimits, NotificationReader, SchemaTable};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    attempts::Attempts,
    error::LaneError,
    gatekeeper::Gatekeeper,
    gauges::Gauges,
    inputs::{Inputs, ticks},
    lease::Lease,
    metrics::DeliveryMetrics,
    observer::Observer,
    outputs::Outputs,
    pipeline::Pipeline,
    reader::chain,
    rounds::Rounds,
    settings::LaneSettings,
};

/// How a lane stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// Ready, or why not.
    pub ready: Result<(), String>,
    /// The committed position of each owned partition.
    pub committed: BTreeMap<i32, i64>,
}

/// A lane that runs. Dropping it stops it as [`stop`](Self::stop) does, without waiting.
#[derive(Debug)]
pub struct RunningLane {
    name: String,
    stop: watch::Sender<bool>,
    status: watch::Receiver<LaneStatus>,
    task: JoinHandle<Result<(), LaneError>>,
}

impl RunningLane {
    /// The lane's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks it to drain and leave the group.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// How it stands now and from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<LaneStatus> {
        self.status.clone()
    }

    /// Waits until it has ended. Cancel-safe.
    ///
    /// # Errors
    /// Why it ended by itself, or that its drain took too long.
    pub async fn join(&mut self) -> Result<(), LaneError> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(_panicked) => Err(LaneError::Panicked { lane: self.name.clone() }),
        }
    }
}

/// Starts a lane: it joins its group at once and works until it is stopped.
#[must_use]
pub fn start(settings: LaneSettings, metrics: DeliveryMetrics) -> RunningLane {
    let (stop, stop_inbox) = watch::channel(false);
    let not_yet = LaneStatus { ready: Err("has not joined its group yet".to_owned()), committed: BTreeMap::new() };
    let (status, status_inbox) = watch::channel(not_yet);
    metrics.preset(&settings.name, settings.channel.as_ref());
    let name = settings.name.as_str().to_owned();
    let task = spawn("lane", run(settings, metrics, stop_inbox, status));
    RunningLane { name, stop, status: status_inbox, task }
}

async fn run(
    settings: LaneSettings,
    metrics: DeliveryMetrics,
    mut stop: watch::Receiver<bool>,
    status: watch::Sender<LaneStatus>,
) -> Result<(), LaneError> {
    let partitions = tokio::select! {
        partitions = count_partitions(&settings) => partitions,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    let pipeline = build(&settings, metrics, partitions, stop, status)
        .map_err(|source| LaneError::kafka(settings.name.as_str(), source))?;
    pipeline.run().await
}

/// The topic decides how many partitions there are; without it nothing can begin.
async fn count_partitions(settings: &LaneSettings) -> i32 {
    const AGAIN: Duration = Duration::from_secs(2);
    loop {
        match topics::partition_count(&settings.kafka, &settings.topics.events).await {
            Ok(partitions) => return partitions,
            Err(error) => {
                tracing::warn!(lane = %settings.name, error = chain(&error), "cannot start yet; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

fn build(
    settings: &LaneSettings,
    metrics: DeliveryMetrics,
    partitions: i32,
    stop: watch::Receiver<bool>,
    status: watch::Sender<LaneStatus>,
) -> Result<Pipeline, KafkaError> {
    // A full channel holds back fetching, never the membership. Each may be a batch of records, which the lane keeps aside
    // if their partition is full by then.
    const SOURCE_EVENTS: usize = 4;
    const LEDGER_EVENTS: usize = 16;
    let (source_events, source_inbox) = mpsc::channel(SOURCE_EVENTS);
    let (ledger_events, ledger_inbox) = mpsc::channel(LEDGER_EVENTS);
    let (write_events, write_inbox) = mpsc::unbounded_channel();
    let topics = &settings.topics;
    let client_id = format!("postrider-{}", settings.name);
    let group = settings.group();
    let source_settings =
        SourceSettings { group: group.clone(), topic: topics.events.clone(), client_id: client_id.clone() };
    let ledger_settings = LedgerSettings {
        events_topic: topics.events.clone(),
        ledger_topic: topics.ledger_topic(&settings.name),
        group,
    };
    let message_max = usize::try_from(topics.inner_max_bytes()).unwrap_or(usize::MAX);
    let writer = Writer::start(&settings.kafka, &client_id, message_max, write_events)?;
    let ledger = Ledger::start(&settings.kafka, ledger_settings, ledger_events)?;
    let source = Source::start(&settings.kafka, source_settings, source_events)?;
    let (attempts, ended) = Attempts::new(Arc::clone(&settings.channel));
    let (gatekeeper, checked) = Gatekeeper::new(&settings.kafka, topics, &settings.name, settings.check_topics);
    let value_max = usize::try_from(topics.events_max_bytes()).unwrap_or(usize::MAX);
    let destinations = settings.channel.destinations().iter().map(|known| known.name.as_str().to_owned()).collect();
    Ok(Pipeline {
        name: settings.name.as_str().to_owned(),
        lane: Lane::new(lane_settings(settings, partitions, source.session_timeout())),
        inputs: Inputs {
            stop,
            stop_seen: false,
            ended,
            written: write_inbox,
            checked,
            ledger: ledger_inbox,
            source: source_inbox,
            ticks: ticks(),
        },
        source,
        ledger,
        gatekeeper,
        attempts,
        lease: Lease::default(),
        outputs: Outputs::new(writer, topics, &settings.name),
        reader: NotificationReader::new(SchemaTable::default(), DecodeLimits { value_max }),
        observer: Observer::new(settings.name.clone(), settings.channel.name(), metrics.clone()),
        rounds: Rounds::new(Gauges::new(settings.name.clone(), metrics, destinations), status, partitions),
        joined: false,
        stop_within: settings.drain_timeout + Duration::from_secs(9),
        stop_by: None,
        end: Ok(()),
    })
}

fn lane_settings(settings: &LaneSettings, partitions: i32, session_timeout: Duration) -> lane::LaneSettings {
    let destinations = settings.channel.destinations();
    let kept = settings.topics.kept_as_planned();
    lane::LaneSettings {
        name: settings.name.clone(),
        topic: settings.topics.events.clone(),
        partitions,
        planner: Planner {
            channel: settings.channel.name(),
            destinations: destinations.iter().map(|destination| destination.name.clone()).collect(),
            channels_served: settings.channels_served.clone(),
            reports_unroutable: settings.reports_unroutable,
            recipients_allowed: settings.recipients_allowed.clone(),
        },
        destinations: destinations.into_iter().map(|known| (known.name, known.capacity)).collect(),
        retry: settings.retry.clone(),
        in_flight_max: settings.in_flight_max,
        drain_timeout: settings.drain_timeout,
        attempt_deadline: settings.channel.attempt_deadline(),
        start: settings.start,
        window: kept.receipts,
        retention: kept.events,
        session_timeout,
    }
}
