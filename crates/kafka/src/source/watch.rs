//! Looks at the partitions from outside every few seconds: their ends, for the lag; positions that do not exist; and
//! partitions that stand still although there is more (a legal batch can stall librdkafka for ever).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{fetcher::Fetcher, member::Member};

const EVERY: Duration = Duration::from_secs(5);
/// A partition that is behind so long is read again from its position: either there was nothing for us, or it stalled.
const DOUBTED_AFTER: Duration = Duration::from_secs(10);
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Per partition; the look ends with the first that is not answered.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) struct Watch {
    next: Instant,
    /// Partitions that were behind at the last look.
    behind: BTreeMap<i32, Behind>,
}

/// A partition that does not get on.
struct Behind {
    next: i64,
    since: Instant,
    started_over: bool,
}

/// A partition to be read again from its position.
#[derive(Debug)]
pub(super) struct Stalled {
    pub(super) partition: i32,
    pub(super) next: i64,
    pub(super) end: i64,
    /// It was read again before, and did not get on.
    pub(super) again: bool,
}

/// What the look found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// End offsets of the partitions that answered.
    pub(super) ends: Vec<(i32, i64)>,
    /// Partitions whose position does not exist, with the words for it.
    pub(super) outside: Vec<(i32, String)>,
    /// Partitions that stand still.
    pub(super) stalled: Vec<Stalled>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { next: Instant::now() + EVERY, behind: BTreeMap::new() }
    }

    pub(super) fn is_due(&self) -> bool {
        self.next <= Instant::now()
    }

    /// Asks for the ends. Blocks for a few milliseconds a partition while the cluster answers.
    pub(super) fn look(&mut self, fetcher: &Fetcher, member: &Member) -> Look {
        self.next = Instant::now() + EVERY;
        self.behind.retain(|partition, _| fetcher.reading.contains_key(partition));
        let mut look = Look::default();
        for (partition, reading) in &fetcher.reading {
            let Ok((low, end)) = member.watermarks(*partition, PATIENCE) else { break };
            look.ends.push((*partition, end));
            if reading.next < low || end < reading.next {
                let detail = format!("position {}, but the partition holds {low} to {end}", reading.next);
                look.outside.push((*partition, detail));
            } else if reading.paused || end <= reading.next {
                self.behind.remove(partition);
            } else if let Some(again) = self.stands_still(*partition, reading.next) {
                look.stalled.push(Stalled { partition: *partition, next: reading.next, end, again });
            }
        }
        look
    }

    /// Whether the partition has been behind at this very position for too long; true: once more.
    fn stands_still(&mut self, partition: i32, next: i64) -> Option<bool> {
        let fresh = || Behind { next, since: Instant::now(), started_over: false };
        let behind = self.behind.entry(partition).or_insert_with(fresh);
        if behind.next != next {
            *behind = fresh();
        }
        let again = behind.started_over;
        let patience = if again { STALLED_AFTER } else { DOUBTED_AFTER };
        if behind.since.elapsed() < patience {
            return None;
        }
        *behind = Behind { started_over: true, ..fresh() };
        Some(again)
    }
}
