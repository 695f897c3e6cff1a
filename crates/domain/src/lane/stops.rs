//! How long a destination was stopped, which does not count as waiting.

use std::{collections::VecDeque, time::Duration};

use crate::{limits, time::Timestamp};

/// Stops that are over, the latest at the end.
#[derive(Debug, Default)]
pub(super) struct Stops(VecDeque<Stop>);

#[derive(Debug, Clone, Copy)]
struct Stop {
    from: Timestamp,
    until: Timestamp,
    /// Less than between the two where stops were joined.
    lasted: Duration,
}

impl Stops {
    /// One is over. Beyond the limit the two that lie nearest to each other become one: none is forgotten.
    pub(super) fn add(&mut self, from: Timestamp, until: Timestamp) {
        self.0.push_back(Stop { from, until, lasted: until.since(from) });
        if self.0.len() <= limits::STOPS_MAX {
            return;
        }
        let gap = |at: &usize| self.0[at + 1].from.since(self.0[*at].until);
        let Some(at) = (0..self.0.len() - 1).min_by_key(gap) else { return };
        if let Some(next) = self.0.remove(at + 1) {
            let stop = &mut self.0[at];
            stop.until = next.until;
            stop.lasted += next.lasted;
        }
    }

    /// How long it was stopped since then; of joined ones at most too much, by the time between them.
    pub(super) fn since(&self, then: Timestamp) -> Duration {
        self.0.iter().map(|stop| stop.until.since(stop.from.max(then)).min(stop.lasted)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn what_came_before_counts_in_part() {
        let mut stops = Stops::default();
        stops.add(at(10), at(20));
        stops.add(at(30), at(40));
        for (then, seconds) in [(0, 20), (10, 20), (15, 15), (20, 10), (25, 10), (38, 2), (50, 0)] {
            assert_eq!(stops.since(at(then)), Duration::from_secs(seconds), "{then}");
        }
    }

    #[test]
    fn a_long_stop_outlives_any_number_of_short_ones() {
        let mut stops = Stops::default();
        stops.add(at(0), at(72_000));
        let short = 10 * limits::STOPS_MAX as u64;
        (0..short).for_each(|n| stops.add(at(80_000 + 10 * n), at(80_001 + 10 * n)));
        assert_eq!(stops.0.len(), limits::STOPS_MAX);
        assert_eq!(stops.since(at(0)), Duration::from_secs(72_000 + short));
        assert_eq!(stops.since(at(71_990)), Duration::from_secs(10 + short));
        assert!(stops.since(at(72_000)) <= Duration::from_secs(short), "none of the long one");
    }
}
