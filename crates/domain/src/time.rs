//! Time as data: this crate is handed every instant and never asks for one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, as Kafka and Avro's `timestamp-millis` count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Later by `wait`, stopping at the end of time instead of overflowing.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }

    /// Earlier by `wait`, stopping at the beginning of time.
    #[must_use]
    pub fn before(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(millis(wait)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Whole milliseconds of a duration, saturating.
fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds on a clock that never jumps and runs through suspend (`CLOCK_BOOTTIME`): leases are
/// counted on it, because a wall clock may be set and a monotonic one stops while the machine sleeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(pub u64);

impl BootTime {
    /// Later by `wait`.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Notices that the wall clock was set back: what was to happen at a time on it happens that much later.
#[derive(Debug, Default)]
pub struct ClockWatch {
    /// How far the wall clock was ahead of the boot clock at the last look, in milliseconds.
    ahead: Option<i64>,
}

impl ClockWatch {
    /// By how much it was set back since the last look. Less than a second is no step but a correction.
    pub fn set_back(&mut self, wall: Timestamp, boot: BootTime) -> Option<Duration> {
        const STEP: u64 = 1_000;
        let ahead = wall.0.saturating_sub_unsigned(boot.0);
        let before = self.ahead.replace(ahead)?;
        let step = u64::try_from(before.saturating_sub(ahead)).ok()?;
        (STEP <= step).then(|| Duration::from_millis(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_is_noticed_once() {
        let mut watch = ClockWatch::default();
        let mut look = |wall, boot| watch.set_back(Timestamp(wall), BootTime(boot));
        assert_eq!(look(100_000, 5_000), None);
        assert_eq!(look(101_000, 6_000), None);
        assert_eq!(look(101_500, 7_000), None, "half a second");
        assert_eq!(look(42_500, 8_000), Some(Duration::from_secs(60)));
        assert_eq!(look(43_500, 9_000), None);
        assert_eq!(look(999_000, 10_000), None, "set forward nothing waits longer");
    }
}
