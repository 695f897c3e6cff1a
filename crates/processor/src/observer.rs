//! Reports become metrics and log lines. Nothing is decided here.

use std::{collections::HashMap, time::Duration};

use postrider_domain::{
    Answer, ChannelName, Delivery, DestinationName, Failure, LaneName,
    fingerprint::recipient_hash,
    lane::{Attempt, Now, Report, Settled},
    time::{BootTime, ClockWatch},
};
use postrider_telemetry::clock;

use crate::{metrics::DeliveryMetrics, outputs::shortened};

/// One lane's observer.
#[derive(Debug)]
pub(crate) struct Observer {
    lane: LaneName,
    channel: ChannelName,
    metrics: DeliveryMetrics,
    assigned_at: HashMap<i32, BootTime>,
    /// Why the last commit failed, if it did.
    commit_failure: Option<String>,
    clock: ClockWatch,
}

impl Observer {
    pub(crate) fn new(lane: LaneName, channel: ChannelName, metrics: DeliveryMetrics) -> Self {
        Self { lane, channel, metrics, assigned_at: HashMap::new(), commit_failure: None, clock: ClockWatch::default() }
    }

    /// An attempt has ended; what follows from it is the lane's to say.
    pub(crate) fn attempted(&self, attempt: &Attempt, answer: &Answer, took: Duration) {
        let Attempt { delivery, number, position, .. } = attempt;
        let Some(result) = answer.result() else { return };
        let (lane, destination) = (self.lane.as_str(), delivery.destination.as_str());
        self.metrics.attempts_total.with_label_values(&[lane, destination, result]).inc();
        self.metrics.attempt_duration_seconds.with_label_values(&[lane]).observe(took.as_secs_f64());
        let Some(failure) = answer.failure() else { return };
        let reason = failure.reason.as_str();
        self.metrics.attempt_failures_total.with_label_values(&[lane, destination, reason]).inc();
        tracing::info!(
            lane,
            destination,
            delivery.channel = delivery.channel.as_str(),
            event.key = &*shortened(&delivery.event.event_key),
            event.source = &*shortened(&delivery.event.source),
            recipient = recipient_hash(&delivery.recipient),
            record.partition = position.partition,
            record.offset = position.offset,
            trace_id = trace_id(delivery),
            attempt = number,
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            result,
            reason,
            "attempt failed"
        );
    }

    pub(crate) fn rebalanced(&mut self, event: &'static str, partitions: &[i32]) {
        let lane = self.lane.as_str();
        self.metrics.rebalances_total.with_label_values(&[lane, event]).inc();
        if event == "assigned" {
            let now = clock::boot();
            self.assigned_at.extend(partitions.iter().map(|partition| (*partition, now)));
        }
        tracing::info!(lane, partitions = ?partitions, "partitions {event}");
    }

    pub(crate) fn kafka_gone(&self, detail: &str) {
        tracing::warn!(lane = self.lane.as_str(), detail, "no Kafka broker can be reached; trying again");
    }

    pub(crate) fn heed_clock(&mut self, now: Now) {
        let Some(step) = self.clock.set_back(now.wall, now.boot) else { return };
        tracing::warn!(
            lane = self.lane.as_str(),
            set_back_s = step.as_secs(),
            "the clock was set back: what waits for its next attempt waits that much longer; start the process again to \
             try it sooner"
        );
    }

    pub(crate) fn kafka_back(&self) {
        tracing::info!(lane = self.lane.as_str(), "Kafka answers again");
    }

    pub(crate) fn cannot_restore(&self, partition: i32, detail: &str) {
        let lane = self.lane.as_str();
        tracing::warn!(lane, record.partition = partition, detail, "cannot restore yet; trying again");
    }

    pub(crate) fn report(&mut self, report: &Report) {
        let lane = self.lane.as_str();
        match report {
            Report::Record(result) => self.metrics.records_total.with_label_values(&[lane, result.as_str()]).inc(),
            Report::Misplaced(_) => self.metrics.records_misplaced_total.with_label_values(&[lane]).inc(),
            Report::Suppressed(stage) => {
                self.metrics.duplicates_suppressed_total.with_label_values(&[lane, stage.as_str()]).inc();
            }
            Report::Settled(settled) => self.settled(settled),
            Report::Ambiguous => self.metrics.ambiguous_sends_total.with_label_values(&[lane]).inc(),
            Report::LedgerWritten { acknowledged } => {
                let result = if *acknowledged { "acknowledged" } else { "timed_out" };
                self.metrics.ledger_writes_total.with_label_values(&[lane, result]).inc();
                if !acknowledged {
                    tracing::warn!(lane, "a ledger write timed out and is written again; no attempt begins meanwhile");
                }
            }
            Report::Committed(result) => self.committed(result),
            Report::DestinationStopped { .. }
            | Report::DestinationResumed(_)
            | Report::PartitionStopped { .. }
            | Report::PartitionRefused { .. }
            | Report::PartitionReading { .. }
            | Report::PartitionReleased(_)
            | Report::LeftRunning { .. } => self.tell(report),
        }
    }

    /// A fault is logged once, not with each of the quick repetitions that follow.
    fn committed(&mut self, result: &Result<(), String>) {
        let lane = self.lane.as_str();
        let label = if result.is_ok() { "acknowledged" } else { "failed" };
        self.metrics.commits_total.with_label_values(&[lane, label]).inc();
        let failure = result.as_ref().err().cloned();
        match &failure {
            Some(detail) if self.commit_failure != failure => {
                tracing::warn!(lane, detail, "a commit was not acknowledged; it is tried again");
            }
            None if self.commit_failure.is_some() => tracing::info!(lane, "commits are acknowledged again"),
            Some(_) | None => {}
        }
        self.commit_failure = failure;
    }

    fn settled(&self, settled: &Settled) {
        let lane = self.lane.as_str();
        let outcome = settled.outcome.as_str();
        self.metrics.deliveries_total.with_label_values(&[lane, outcome]).inc();
        self.metrics.delivery_latency_seconds.with_label_values(&[lane]).observe(settled.latency.as_secs_f64());
        let key = settled.event.as_ref().map(|event| shortened(&event.event_key));
        let source = settled.event.as_ref().map(|event| shortened(&event.source));
        let channel = settled.delivery.as_ref().map(|delivery| delivery.channel.as_str());
        let recipient = settled.delivery.as_ref().map(|delivery| recipient_hash(&delivery.recipient));
        let Some(reason) = settled.reason else {
            tracing::debug!(
                lane,
                delivery.channel = channel,
                event.key = key.as_deref(),
                event.source = source.as_deref(),
                recipient,
                record.partition = settled.position.partition,
                record.offset = settled.position.offset,
                attempt = settled.attempts,
                outcome,
                "delivery settled"
            );
            return;
        };
        self.metrics.dead_letters_total.with_label_values(&[lane, reason.as_str()]).inc();
        tracing::warn!(
            lane,
            delivery.channel = channel,
            event.key = key.as_deref(),
            event.source = source.as_deref(),
            recipient,
            record.partition = settled.position.partition,
            record.offset = settled.position.offset,
            attempt = settled.attempts,
            reason = reason.as_str(),
            trace_id = settled.delivery.as_ref().and_then(trace_id),
            "dead letter written"
        );
    }

    /// The one loud line: what to mend, and how to see more than may stand in a log.
    fn destination_stopped(&self, destination: &DestinationName, failure: &Failure) {
        let remedy = failure.remedy.as_deref().unwrap_or("it refuses us: check its section of the configuration");
        let test = match self.channel {
            ChannelName::Email => "email --to ADDRESS".to_owned(),
            ChannelName::Slack => format!("slack {destination}"),
        };
        tracing::error!(
            lane = self.lane.as_str(),
            %destination,
            reason = failure.reason.as_str(),
            "destination stopped: {remedy}. It is tried again every minute, nothing is lost meanwhile; `postrider test {test}` shows the dialogue"
        );
    }

    /// What an operator wants to read about partitions and destinations.
    fn tell(&mut self, report: &Report) {
        let lane = self.lane.as_str();
        match report {
            Report::DestinationStopped { destination, failure } => self.destination_stopped(destination, failure),
            Report::DestinationResumed(destination) => tracing::info!(lane, %destination, "destination works again"),
            Report::PartitionStopped { partition, gap } => tracing::error!(
                lane,
                record.partition = partition,
                "partition stopped: {gap}. Nothing is skipped; look at it, then `postrider offsets accept --lane {lane} --partition {partition} --execute` releases it"
            ),
            Report::PartitionRefused { partition, detail } => tracing::error!(
                lane,
                record.partition = partition,
                "partition refused: {detail}. It is looked at again every 15 s, nothing is lost meanwhile"
            ),
            Report::PartitionReading { partition, position, receipts, unclean } => {
                if let Some(since) = self.assigned_at.remove(partition) {
                    let took = clock::boot().since(since).as_secs_f64();
                    self.metrics.restore_duration_seconds.with_label_values(&[lane]).observe(took);
                }
                tracing::info!(
                    lane,
                    record.partition = partition,
                    record.offset = position,
                    receipts,
                    unclean,
                    "partition restored"
                );
            }
            Report::PartitionReleased(partition) => {
                self.assigned_at.remove(partition);
                tracing::info!(lane, record.partition = partition, "partition released");
            }
            Report::LeftRunning { partition, attempts } => tracing::warn!(
                lane,
                record.partition = partition,
                attempts,
                "the drain timeout passed; attempts that had begun to write are recorded as unknown"
            ),
            Report::Record(_)
            | Report::Misplaced(_)
            | Report::Suppressed(_)
            | Report::Settled(_)
            | Report::Ambiguous
            | Report::LedgerWritten { .. }
            | Report::Committed(_) => {}
        }
    }
}

/// The trace id of a W3C `traceparent`: its second field, 32 hex digits. The header may be anybody's.
fn trace_id(delivery: &Delivery) -> Option<&str> {
    let id = delivery.trace_parent.as_deref()?.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}
