//! Looks at the partitions from outside every few seconds: their ends, for the lag; positions that do not exist; and
//! partitions that stand still although there is more (a legal batch can stall librdkafka for ever).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::fetcher::Fetcher;

const EVERY: Duration = Duration::from_secs(5);
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Per partition; the look ends with the first that is not answered.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Watch {
    next: Instant,
    /// Partitions that were behind at the last look: the position, and since when it is that.
    behind: BTreeMap<i32, (i64, Instant)>,
}

/// What the look found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// End offsets of the partitions that answered.
    pub(super) ends: Vec<(i32, i64)>,
    /// Partitions whose position does not exist, with the words for it.
    pub(super) outside: Vec<(i32, String)>,
    /// Partitions that stand still, with the position to start over from.
    pub(super) stalled: Vec<(i32, i64)>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { next: Instant::now() + EVERY, behind: BTreeMap::new() }
    }

    pub(super) fn is_due(&self) -> bool {
        self.next <= Instant::now()
    }

    /// Asks for the ends. Blocks for a few milliseconds a partition while the cluster answers.
    pub(super) fn look(&mut self, fetcher: &Fetcher) -> Look {
        self.next = Instant::now() + EVERY;
        self.behind.retain(|partition, _| fetcher.reading.contains_key(partition));
        let mut look = Look::default();
        for (partition, reading) in &fetcher.reading {
            let Ok((low, end)) = fetcher.watermarks(*partition, PATIENCE) else { break };
            look.ends.push((*partition, end));
            if reading.next < low || end < reading.next {
                let detail = format!("position {}, but the partition holds {low} to {end}", reading.next);
                look.outside.push((*partition, detail));
            } else if reading.paused || end <= reading.next.max(reading.end_seen) {
                self.behind.remove(partition);
            } else if self.stands_still(*partition, reading.next) {
                look.stalled.push((*partition, reading.next));
            }
        }
        look
    }

    /// Whether the partition has been behind at this very position for too long.
    fn stands_still(&mut self, partition: i32, next: i64) -> bool {
        let entry = self.behind.entry(partition).or_insert((next, Instant::now()));
        if entry.0 != next {
            *entry = (next, Instant::now());
        }
        let stalled = STALLED_AFTER <= entry.1.elapsed();
        if stalled {
            self.behind.remove(&partition);
        }
        stalled
    }
}
