//! The only place that reads a clock. Everything below the shell is handed its time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use postrider_domain::{Timestamp, time::BootTime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const THROUGH_SUSPEND: rustix::time::ClockId = rustix::time::ClockId::Boottime;
/// Elsewhere the monotonic clock has to do; it may stop while the machine sleeps.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const THROUGH_SUSPEND: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// The time of day, in milliseconds. It may jump, so it is for comparing with times that came from elsewhere (append
/// times, `not_before`), never for measuring. A clock set before 1970 reads as 1970.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the clock that everybody else has to ask")]
pub fn wall() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds since boot on a clock that never jumps and runs through suspend: for leases and deadlines.
#[must_use]
pub fn boot() -> BootTime {
    let now = rustix::time::clock_gettime(THROUGH_SUSPEND);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let millis = u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
    BootTime(seconds.saturating_mul(1_000).saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_counts_milliseconds_of_this_century() {
        let year_2020 = Timestamp(1_577_836_800_000);
        let year_2200 = Timestamp(7_258_118_400_000);
        assert!(year_2020 < wall() && wall() < year_2200);
    }

    #[test]
    fn the_boot_clock_never_goes_back() {
        let first = boot();
        assert!(first <= boot());
        assert!(0 < first.0);
    }
}
