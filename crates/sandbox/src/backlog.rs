//! How much of the in-process broker's little memory is waiting to be read.

use std::collections::{BTreeMap, VecDeque};

/// What the broker adds to a record, counted generously: batch header, record header, our own record headers.
const OVERHEAD_BYTES: usize = 512;

/// Counts, per partition of the events topic, the bytes that are on their way to the broker or not yet consumed by
/// every lane, because the broker drops the oldest above 5 MiB per partition and cannot say how full it is.
///
/// Above [`LIMIT_BYTES`](Self::LIMIT_BYTES) nothing more is admitted (HTTP 429); and one admission never takes a
/// partition past [`CEILING_BYTES`](Self::CEILING_BYTES). Pure: knows no clock, no lock and no Kafka; its owner puts
/// it behind a mutex. Call [`admit`](Self::admit) before producing, then exactly one of
/// [`produced`](Self::produced) and [`failed`](Self::failed), and [`committed`](Self::committed) for every commit of
/// every lane.
#[derive(Debug)]
pub struct BacklogGuard {
    lanes: Vec<String>,
    partitions: BTreeMap<i32, Backlog>,
}

/// The guard's word about one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Produce it; its bytes are counted from now on.
    Admitted,
    /// The backlog is over the limit: come again later.
    Full,
    /// Larger than the broker can ever hold beside anything else: it will not fit later either.
    TooLarge,
}

#[derive(Debug, Default)]
struct Backlog {
    in_flight_bytes: usize,
    unconsumed_bytes: usize,
    /// Acknowledged and not consumed by all lanes: (offset, bytes), in order of offset.
    unconsumed: VecDeque<(i64, usize)>,
    /// Per lane (in the order of `lanes`) its commit position; 0 until it commits.
    positions: Vec<i64>,
}

impl BacklogGuard {
    /// A partition with more than this unconsumed takes nothing more.
    pub const LIMIT_BYTES: usize = 2 * 1024 * 1024;
    /// No admission takes a partition past this; the broker drops at 5 MiB.
    pub const CEILING_BYTES: usize = 9 * 1024 * 1024 / 2;

    /// A guard for the lanes that read the events topic; what all of them have committed is consumed.
    #[must_use]
    pub fn new(lanes: Vec<String>) -> Self {
        Self { lanes, partitions: BTreeMap::new() }
    }

    /// Asks to produce `bytes` (key, value and headers) to `partition`; [`Admission::Admitted`] counts them as in flight.
    #[must_use]
    pub fn admit(&mut self, partition: i32, bytes: usize) -> Admission {
        let cost = bytes.saturating_add(OVERHEAD_BYTES);
        let backlog = self.backlog(partition);
        let held = backlog.bytes();
        if cost > Self::CEILING_BYTES {
            Admission::TooLarge
        } else if held > Self::LIMIT_BYTES || held.saturating_add(cost) > Self::CEILING_BYTES {
            Admission::Full
        } else {
            backlog.in_flight_bytes += cost;
            Admission::Admitted
        }
    }

    /// What was admitted is on the topic at `offset`.
    pub fn produced(&mut self, partition: i32, offset: i64, bytes: usize) {
        let cost = bytes.saturating_add(OVERHEAD_BYTES);
        let backlog = self.backlog(partition);
        backlog.in_flight_bytes = backlog.in_flight_bytes.saturating_sub(cost);
        // Acknowledgements may be reported out of order; mostly they are not, so search from the end.
        let place = backlog.unconsumed.iter().rposition(|&(other, _)| other < offset).map_or(0, |before| before + 1);
        backlog.unconsumed.insert(place, (offset, cost));
        backlog.unconsumed_bytes += cost;
        backlog.forget_consumed();
    }

    /// What was admitted did not reach the topic, or nobody knows whether it did.
    pub fn failed(&mut self, partition: i32, bytes: usize) {
        let backlog = self.backlog(partition);
        backlog.in_flight_bytes = backlog.in_flight_bytes.saturating_sub(bytes.saturating_add(OVERHEAD_BYTES));
    }

    /// `lane` committed `position` (the next offset it has to read). A lane that is not one of ours is ignored;
    /// a position that goes back (an offset reset) is taken over, though what was forgotten stays forgotten.
    pub fn committed(&mut self, lane: &str, partition: i32, position: i64) {
        let Some(index) = self.lanes.iter().position(|known| known == lane) else { return };
        let backlog = self.backlog(partition);
        backlog.positions[index] = position;
        backlog.forget_consumed();
    }

    /// Bytes on their way to `partition` or unconsumed in it.
    #[must_use]
    pub fn unconsumed_bytes(&self, partition: i32) -> usize {
        self.partitions.get(&partition).map_or(0, Backlog::bytes)
    }

    /// Whether `partition` takes nothing more for now.
    #[must_use]
    pub fn over_limit(&self, partition: i32) -> bool {
        self.unconsumed_bytes(partition) > Self::LIMIT_BYTES
    }

    fn backlog(&mut self, partition: i32) -> &mut Backlog {
        let lanes = self.lanes.len();
        self.partitions.entry(partition).or_insert_with(|| Backlog { positions: vec![0; lanes], ..Backlog::default() })
    }
}

impl Backlog {
    fn bytes(&self) -> usize {
        self.in_flight_bytes + self.unconsumed_bytes
    }

    fn forget_consumed(&mut self) {
        let consumed = self.positions.iter().copied().min().unwrap_or(i64::MAX);
        while let Some(&(offset, bytes)) = self.unconsumed.front() {
            if offset >= consumed {
                break;
            }
            self.unconsumed.pop_front();
            self.unconsumed_bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;

    fn guard() -> BacklogGuard {
        BacklogGuard::new(vec!["email".to_owned(), "slack".to_owned()])
    }

    #[test]
    fn a_partition_fills_and_is_freed_by_the_slowest_lane() {
        let mut guard = guard();
        let mut offset = 0;
        while guard.admit(0, 100 * KIB) == Admission::Admitted {
            guard.produced(0, offset, 100 * KIB);
            offset += 1;
        }
        assert!(guard.over_limit(0));
        assert!((20..=21).contains(&offset), "refused after {offset} events of 100 KiB");
        assert_eq!(guard.admit(1, 100 * KIB), Admission::Admitted, "another partition is not concerned");

        guard.committed("email", 0, offset);
        guard.committed("else", 0, offset);
        assert!(guard.over_limit(0), "slack has read nothing yet");
        guard.committed("slack", 0, 2);
        assert!(!guard.over_limit(0));
        guard.committed("slack", 0, offset);
        assert_eq!(guard.unconsumed_bytes(0), 0);
    }

    #[test]
    fn what_is_in_flight_counts_until_it_fails() {
        let mut guard = guard();
        while guard.admit(0, 100 * KIB) == Admission::Admitted {}
        assert!(guard.over_limit(0));
        guard.failed(0, 100 * KIB);
        assert_eq!(guard.admit(0, 100 * KIB), Admission::Admitted);
    }

    #[test]
    fn one_event_never_passes_the_ceiling() {
        let mut guard = guard();
        assert_eq!(guard.admit(0, 5 * 1024 * KIB), Admission::TooLarge);
        assert_eq!(guard.admit(0, 1900 * KIB), Admission::Admitted);
        assert_eq!(guard.admit(0, 3 * 1024 * KIB), Admission::Full, "1.9 and 3 MiB are more than the broker keeps");
    }

    #[test]
    fn a_commit_that_overtakes_the_acknowledgement_leaves_nothing_behind() {
        let mut guard = guard();
        assert_eq!(guard.admit(0, KIB), Admission::Admitted);
        assert_eq!(guard.admit(0, KIB), Admission::Admitted);
        guard.committed("email", 0, 2);
        guard.committed("slack", 0, 2);
        guard.produced(0, 1, KIB);
        guard.produced(0, 0, KIB);
        assert_eq!(guard.unconsumed_bytes(0), 0);
    }
}
