//! Shows a lane's state: gauges, and whether it is ready.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use postrider_domain::{
    LaneName,
    lane::{PartitionView, PauseReason, Snapshot},
    time::Timestamp,
};

use crate::{metrics::DeliveryMetrics, running::LaneStatus};

/// The lane's gauges. Series of partitions that are gone are removed, or they would show their last value for ever.
#[derive(Debug)]
pub(crate) struct Gauges {
    lane: LaneName,
    metrics: DeliveryMetrics,
    destinations: Vec<String>,
    ends: BTreeMap<i32, i64>,
    shown: BTreeSet<i32>,
}

impl Gauges {
    pub(crate) fn new(lane: LaneName, metrics: DeliveryMetrics, destinations: Vec<String>) -> Self {
        Self { lane, metrics, destinations, ends: BTreeMap::new(), shown: BTreeSet::new() }
    }

    /// Whose gauges they are.
    pub(crate) fn lane(&self) -> &str {
        self.lane.as_str()
    }

    pub(crate) fn ends(&mut self, ends: Vec<(i32, i64)>) {
        self.ends.extend(ends);
    }

    pub(crate) fn show(&mut self, snapshot: &Snapshot, now: Timestamp) {
        let lane = self.lane.as_str();
        self.metrics.deliveries_in_flight.with_label_values(&[lane]).set(count(snapshot.running));
        self.metrics.ledger_keys.with_label_values(&[lane]).set(count(snapshot.ledger_keys));
        self.metrics.partitions_assigned.with_label_values(&[lane]).set(count(snapshot.partitions.len()));
        for reason in PauseReason::ALL {
            let paused = snapshot.partitions.iter().filter(|partition| partition.paused == Some(reason)).count();
            self.metrics.partitions_paused.with_label_values(&[lane, reason.as_str()]).set(count(paused));
        }
        for destination in &self.destinations {
            let stopped = snapshot.destinations_stopped.iter().any(|stopped| stopped.as_str() == destination);
            self.metrics.destination_stopped.with_label_values(&[lane, destination]).set(i64::from(stopped));
        }
        let held: BTreeSet<i32> = snapshot.partitions.iter().map(|partition| partition.partition).collect();
        for gone in self.shown.difference(&held) {
            self.remove(*gone);
        }
        snapshot.partitions.iter().for_each(|partition| self.show_partition(partition, now));
        self.ends.retain(|partition, _| held.contains(partition));
        self.shown = held;
    }

    fn show_partition(&self, view: &PartitionView, now: Timestamp) {
        let labels = [self.lane.as_str(), &view.partition.to_string()];
        self.metrics.partition_stopped.with_label_values(&labels).set(i64::from(view.stopped));
        // Of what is not read yet, or no longer, nobody knows how old it is: no figure is better than 0.
        let is_read = !view.stopped && view.paused != Some(PauseReason::Restoring);
        match view.oldest_open.map(|appended_at| now.since(appended_at)).or(is_read.then(Duration::default)) {
            Some(age) => self.metrics.lag_seconds.with_label_values(&labels).set(age.as_secs_f64()),
            None => drop(self.metrics.lag_seconds.remove_label_values(&labels)),
        }
        let Some(committed) = view.committed else { return };
        self.metrics.committed_offset.with_label_values(&labels).set(committed);
        let end = self.ends.get(&view.partition).copied().unwrap_or(committed);
        self.metrics.lag_records.with_label_values(&labels).set((end - committed).max(0));
    }

    /// A series that was never made has nothing to remove.
    fn remove(&self, partition: i32) {
        let labels = [self.lane.as_str(), &partition.to_string()];
        drop(self.metrics.partition_stopped.remove_label_values(&labels));
        drop(self.metrics.lag_seconds.remove_label_values(&labels));
        drop(self.metrics.committed_offset.remove_label_values(&labels));
        drop(self.metrics.lag_records.remove_label_values(&labels));
    }
}

/// Ready: the group has answered once, and everything assigned is restored. What is refused is not: a new process whose
/// configuration breaks a promise must not push aside the old ones. A gap is the partition's affair, not the process's.
pub(crate) fn status(snapshot: &Snapshot, joined: bool) -> LaneStatus {
    let restoring =
        snapshot.partitions.iter().filter(|partition| partition.paused == Some(PauseReason::Restoring)).count();
    let refused = snapshot.partitions.iter().filter(|partition| partition.refused).count();
    let assigned = snapshot.partitions.len();
    let ready = match (joined, refused, restoring) {
        (false, _, _) => Err("has not joined its group yet".to_owned()),
        (true, 0, 0) => Ok(()),
        (true, 0, restoring) => Err(format!("restores {restoring} of {assigned} partitions")),
        (true, refused, _) => {
            Err(format!("refuses {refused} of {assigned} partitions: `postrider topics check` says why"))
        }
    };
    let committed = snapshot.partitions.iter().filter_map(|view| Some((view.partition, view.committed?))).collect();
    LaneStatus { ready, committed }
}

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use postrider_telemetry::Registry;

    use super::*;

    #[test]
    fn the_age_of_what_is_not_read_is_not_said_to_be_nothing() {
        let registry = Registry::new();
        let metrics = DeliveryMetrics::register(&registry).unwrap();
        let mut gauges = Gauges::new(LaneName::new("email"), metrics, Vec::new());
        let view = |stopped, paused, oldest_open| PartitionView {
            partition: 0,
            committed: None,
            oldest_open,
            stopped,
            refused: false,
            paused,
        };
        let now = Timestamp(60_000);
        for (view, shown) in [
            (view(false, Some(PauseReason::Restoring), None), None),
            (view(false, None, None), Some(0.0)),
            (view(false, None, Some(Timestamp(0))), Some(60.0)),
            (view(true, None, Some(Timestamp(0))), Some(60.0)),
            (view(true, None, None), None),
        ] {
            let snapshot =
                Snapshot { running: 0, ledger_keys: 0, partitions: vec![view], destinations_stopped: Vec::new() };
            gauges.show(&snapshot, now);
            let families = registry.gather();
            let lag = families.iter().find(|family| family.name() == "postrider_lag_seconds");
            assert_eq!(lag.map(|lag| lag.get_metric()[0].get_gauge().get_value()), shown, "{snapshot:?}");
        }
    }
}
