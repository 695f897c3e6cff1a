//! Retry is arithmetic: when the next attempt is due, and when to stop trying.

use std::time::Duration;

use crate::limits::KEEP_MARGIN;

/// How a lane retries. Checked where it is read: `delay_min` ≤ `delay_max`, `delay_min` ≤ `give_up_after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the first failure; it doubles with each further one.
    pub delay_min: Duration,
    /// The longest wait of our own choosing.
    pub delay_max: Duration,
    /// From the event's append (or `not_before`) to the last attempt.
    pub give_up_after: Duration,
    /// How often a lost reply is risked again.
    pub unknown_retries: u32,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after this wait.
    After(Duration),
    /// The time is up.
    GiveUp,
}

impl RetryPolicy {
    /// What follows the `failed_attempts`-th failure. Pure: the caller brings the random number (0.0..=1.0) and what
    /// has been waited so far; the policy never sleeps. A provider's hint lengthens our wait, never shortens it.
    #[must_use]
    pub fn next_attempt(&self, failed_attempts: u32, waited: Duration, hint: Option<Duration>, jitter: f64) -> Next {
        if self.give_up_after <= waited {
            return Next::GiveUp;
        }
        let doublings = failed_attempts.saturating_sub(1).min(31);
        let base = self.delay_min.saturating_mul(1 << doublings).min(self.delay_max);
        Next::After(base.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0).max(hint.unwrap_or_default()))
    }

    /// How far ahead of an event's append its `not_before` may lie: `give_up_after` has to fit in before a lane gives the
    /// event up because it may leave its topic.
    #[must_use]
    pub fn not_before_max(&self, retention: Duration) -> Duration {
        retention.saturating_sub(KEEP_MARGIN).saturating_sub(self.give_up_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            delay_min: Duration::from_secs(5),
            delay_max: Duration::from_secs(60),
            give_up_after: Duration::from_secs(600),
            unknown_retries: 1,
        }
    }

    #[track_caller]
    fn check(failed: u32, waited_seconds: u64, hint_seconds: Option<u64>, jitter: f64, expected: Next) {
        let hint = hint_seconds.map(Duration::from_secs);
        assert_eq!(policy().next_attempt(failed, Duration::from_secs(waited_seconds), hint, jitter), expected);
    }

    #[test]
    fn waits_double_up_to_the_longest_and_jitter_takes_at_most_half() {
        let after = |seconds| Next::After(Duration::from_secs_f64(seconds));
        check(1, 0, None, 1.0, after(5.0));
        check(1, 0, None, 0.0, after(2.5));
        check(2, 0, None, 1.0, after(10.0));
        check(5, 0, None, 1.0, after(60.0));
        check(u32::MAX, 0, None, 1.0, after(60.0));
        check(1, 0, Some(90), 1.0, after(90.0));
        check(1, 0, Some(1), 1.0, after(5.0));
        check(1, 599, None, 1.0, after(5.0));
        check(1, 600, None, 1.0, Next::GiveUp);
    }
}
