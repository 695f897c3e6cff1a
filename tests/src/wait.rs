//! Polling with a deadline, the only way these tests wait.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

/// Long enough for anything that is going to happen on a busy machine of two cores.
pub const LONG: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
///
/// # Panics
/// It did not within `within`; the message names `what`.
#[track_caller]
pub fn wait_until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < within, "gave up after {within:?} waiting until {what}");
        sleep(Duration::from_millis(25));
    }
}

/// Watches for `time` that `condition` keeps holding; for what must *not* happen.
///
/// # Panics
/// It stopped holding; the message names `what`.
#[track_caller]
pub fn holds_for(what: &str, time: Duration, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while began.elapsed() < time {
        assert!(condition(), "after {:?} it was no longer so that {what}", began.elapsed());
        sleep(Duration::from_millis(25));
    }
}
