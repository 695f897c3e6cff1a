//! Looks at the partitions from outside every few seconds: their ends, for the lag; and partitions that stand still
//! although there is more (a legal batch can stall librdkafka for ever).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::fetcher::Reading;

const EVERY: Duration = Duration::from_secs(5);
/// A partition that is behind so long is read again from its position: either there was nothing for us, or it stalled.
const DOUBTED_AFTER: Duration = Duration::from_secs(10);
const STALLED_AFTER: Duration = Duration::from_secs(60);

pub(super) struct Watch {
    next: Instant,
    /// The partition that the next look begins with.
    first: i32,
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
    /// Partitions that stand still.
    pub(super) stalled: Vec<Stalled>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { next: Instant::now() + EVERY, first: 0, behind: BTreeMap::new() }
    }

    pub(super) fn is_due(&self) -> bool {
        self.next <= Instant::now()
    }

    /// Nothing is behind, for now.
    pub(super) fn forget(&mut self) {
        self.behind.clear();
    }

    /// Asks for the ends. Blocks for a few milliseconds a partition while the cluster answers. The first partition that is
    /// not answered ends the look, for it took long; the next look begins behind it, so that it blinds nobody else.
    pub(super) fn look(
        &mut self,
        reading: &BTreeMap<i32, Reading>,
        mut watermarks: impl FnMut(i32) -> Option<(i64, i64)>,
    ) -> Look {
        self.next = Instant::now() + EVERY;
        self.behind.retain(|partition, _| reading.contains_key(partition));
        let mut look = Look::default();
        for (partition, reading) in reading.range(self.first..).chain(reading.range(..self.first)) {
            let Some((_, end)) = watermarks(*partition) else {
                self.first = partition + 1;
                break;
            };
            look.ends.push((*partition, end));
            if reading.paused || end <= reading.next {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The partitions whose ends a look tells, and the ones it asks for; `silent` ones do not answer.
    fn look(watch: &mut Watch, silent: &[i32]) -> (Vec<i32>, Vec<i32>) {
        let reading = (0..5).map(|partition| (partition, Reading::from(0))).collect();
        let mut asked = Vec::new();
        let look = watch.look(&reading, |partition| {
            asked.push(partition);
            (!silent.contains(&partition)).then_some((0, 7))
        });
        (look.ends.into_iter().map(|(partition, _)| partition).collect(), asked)
    }

    #[test]
    fn a_partition_without_a_leader_blinds_nobody_else() {
        let mut watch = Watch::new();
        assert_eq!(look(&mut watch, &[1]), (vec![0], vec![0, 1]), "one silence ends the look");
        assert_eq!(look(&mut watch, &[1]), (vec![2, 3, 4, 0], vec![2, 3, 4, 0, 1]), "the others are next");
        assert_eq!(look(&mut watch, &[2, 4]), (vec![], vec![2]));
        assert_eq!(look(&mut watch, &[2, 4]), (vec![3], vec![3, 4]));
        assert_eq!(look(&mut watch, &[4]), (vec![0, 1, 2, 3], vec![0, 1, 2, 3, 4]), "past the last it begins again");
        assert_eq!(look(&mut watch, &[]), (vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4]));
    }
}
