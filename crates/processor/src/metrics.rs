//! What operators see of the lanes.

use postrider_channels::Channel;
use postrider_domain::{
    DeadReason, LaneName, Outcome, Reason,
    answer::RESULTS,
    lane::{PauseReason, RecordResult, Stage},
};
use postrider_telemetry::{metrics, metrics::buckets};

metrics! {
    /// One set for all lanes of a process.
    pub struct DeliveryMetrics;
    /// Records read from the events topic, by what became of them.
    records_total: IntCounterVec["lane", "result"],
    /// Records that stood in another partition than their key's and were produced again where they belong.
    records_misplaced_total: IntCounterVec["lane"],
    /// Deliveries that reached a final outcome and whose receipt is durable.
    deliveries_total: IntCounterVec["lane", "outcome"],
    /// Duplicates that were not sent, by where they were noticed.
    duplicates_suppressed_total: IntCounterVec["lane", "stage"],
    /// Attempts whose end nobody knows: a person may have the message, and may get it again.
    ambiguous_sends_total: IntCounterVec["lane"],
    /// Attempts at a provider, by how they ended.
    attempts_total: IntCounterVec["lane", "destination", "result"],
    /// Failed attempts, by why.
    attempt_failures_total: IntCounterVec["lane", "destination", "reason"],
    /// Time one attempt took; failed attempts count too.
    attempt_duration_seconds: HistogramVec["lane"] in buckets::ATTEMPT,
    /// From the event's append, or its not_before, to its final outcome.
    delivery_latency_seconds: HistogramVec["lane"] in buckets::LATENCY,
    /// Attempts that run now.
    deliveries_in_flight: IntGaugeVec["lane"],
    /// Receipts held in memory.
    ledger_keys: IntGaugeVec["lane"],
    /// Writes to the ledger, by whether Kafka acknowledged them; one that timed out is written again.
    ledger_writes_total: IntCounterVec["lane", "result"],
    /// Records between the committed offset and the end of the partition.
    lag_records: IntGaugeVec["lane", "partition"],
    /// Age of the oldest record that is not settled.
    lag_seconds: GaugeVec["lane", "partition"],
    /// The group's committed offset.
    committed_offset: IntGaugeVec["lane", "partition"],
    /// Partitions this process owns.
    partitions_assigned: IntGaugeVec["lane"],
    /// Owned partitions that hand over nothing, by why.
    partitions_paused: IntGaugeVec["lane", "reason"],
    /// 1 where a partition stopped at a gap or because its topics break a promise.
    partition_stopped: IntGaugeVec["lane", "partition"],
    /// 1 where a destination refuses our credentials or our TLS.
    destination_stopped: IntGaugeVec["lane", "destination"],
    /// Offset commits, by how they ended.
    commits_total: IntCounterVec["lane", "result"],
    /// Partitions that came and went, by how.
    rebalances_total: IntCounterVec["lane", "event"],
    /// Time from a partition's assignment to its first record.
    restore_duration_seconds: HistogramVec["lane"] in buckets::RESTORE,
    /// Dead letters written, by why.
    dead_letters_total: IntCounterVec["lane", "reason"],
}

impl DeliveryMetrics {
    /// Creates every series with a closed label set at zero, so that `rate()` sees the very first failure.
    pub fn preset(&self, lane: &LaneName, channel: &dyn Channel) {
        let lane = lane.as_str();
        for result in RecordResult::ALL {
            self.records_total.with_label_values(&[lane, result.as_str()]);
        }
        for outcome in Outcome::ALL {
            self.deliveries_total.with_label_values(&[lane, outcome.as_str()]);
        }
        for stage in Stage::ALL {
            self.duplicates_suppressed_total.with_label_values(&[lane, stage.as_str()]);
        }
        for reason in PauseReason::ALL {
            self.partitions_paused.with_label_values(&[lane, reason.as_str()]);
        }
        for reason in DeadReason::ALL {
            self.dead_letters_total.with_label_values(&[lane, reason.as_str()]);
        }
        for result in ["acknowledged", "timed_out"] {
            self.ledger_writes_total.with_label_values(&[lane, result]);
        }
        for result in ["acknowledged", "failed"] {
            self.commits_total.with_label_values(&[lane, result]);
        }
        for event in ["assigned", "revoked", "lost"] {
            self.rebalances_total.with_label_values(&[lane, event]);
        }
        self.preset_destinations(lane, channel);
        self.records_misplaced_total.with_label_values(&[lane]);
        self.ambiguous_sends_total.with_label_values(&[lane]);
        self.attempt_duration_seconds.with_label_values(&[lane]);
        self.delivery_latency_seconds.with_label_values(&[lane]);
        self.restore_duration_seconds.with_label_values(&[lane]);
        self.deliveries_in_flight.with_label_values(&[lane]);
        self.ledger_keys.with_label_values(&[lane]);
        self.partitions_assigned.with_label_values(&[lane]);
    }

    fn preset_destinations(&self, lane: &str, channel: &dyn Channel) {
        for destination in channel.destinations() {
            let destination = destination.name.as_str();
            self.destination_stopped.with_label_values(&[lane, destination]);
            for result in RESULTS {
                self.attempts_total.with_label_values(&[lane, destination, result]);
            }
            for reason in Reason::ALL {
                self.attempt_failures_total.with_label_values(&[lane, destination, reason.as_str()]);
            }
        }
    }
}
