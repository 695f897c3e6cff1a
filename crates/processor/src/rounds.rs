//! What is looked at four times a second, whatever else happens: the gauges, and the number of partitions.

use std::time::Duration;

use postrider_domain::{
    lane::{Lane, Now},
    time::BootTime,
};
use tokio::sync::watch;

use crate::{
    error::LaneError,
    gauges::{Gauges, status},
    outputs::Outputs,
    running::LaneStatus,
};

const EVERY: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) gauges: Gauges,
    status: watch::Sender<LaneStatus>,
    /// Of the events topic, when the lane began: what a key's partition is reckoned with.
    partitions: i32,
    last: BootTime,
}

impl Rounds {
    pub(crate) fn new(gauges: Gauges, status: watch::Sender<LaneStatus>, partitions: i32) -> Self {
        Self { gauges, status, partitions, last: BootTime::default() }
    }

    /// Looks, if it is time to. `Err`: the lane must end, because processes that reckon with different numbers of partitions
    /// would hand each other records for ever.
    pub(crate) fn make(&mut self, now: Now, lane: &Lane, joined: bool, outputs: &Outputs) -> Result<(), LaneError> {
        if now.boot.since(self.last) < EVERY {
            return Ok(());
        }
        self.last = now.boot;
        let snapshot = lane.snapshot(now);
        self.gauges.show(&snapshot, now.wall);
        self.status.send_replace(status(&snapshot, joined));
        match outputs.partitions().filter(|found| *found != self.partitions) {
            Some(found) => Err(LaneError::partitions_changed(self.gauges.lane(), self.partitions, found)),
            None => Ok(()),
        }
    }
}
