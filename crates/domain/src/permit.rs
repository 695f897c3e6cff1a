//! The right to reach a person, asked for at the last moment.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const REVOKED: u8 = 2;

/// Leave for one attempt. The channel calls [`begin`](Self::begin) once, just before the first byte that could
/// reach the person; whoever took the partition away calls [`revoke`](Self::revoke). Exactly one of the
/// two wins, so an attempt that was revoked has certainly sent nothing.
#[derive(Clone)]
pub struct Permit {
    state: Arc<AtomicU8>,
    still_owner: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Permit {
    /// A permit that holds as long as `still_owner` says so (the lease, on a clock that runs through suspend).
    pub fn new(still_owner: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { state: Arc::new(AtomicU8::new(WAITING)), still_owner: Arc::new(still_owner) }
    }

    /// A permit that always holds, for a single attempt outside a lane (`postrider test`) and for tests.
    #[must_use]
    pub fn always() -> Self {
        Self::new(|| true)
    }

    /// `true`: write now. `false`: write nothing, close the connection, answer `NotPermitted`.
    #[must_use]
    pub fn begin(&self) -> bool {
        (self.still_owner)()
            && match self.state.compare_exchange(WAITING, BEGUN, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => true,
                Err(state) => state == BEGUN,
            }
    }

    /// Takes the permit back. `true`: the attempt had not begun and never will; `false`: the write has begun.
    #[must_use]
    pub fn revoke(&self) -> bool {
        match self.state.compare_exchange(WAITING, REVOKED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(state) => state == REVOKED,
        }
    }

    /// Whether the write has begun.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.state.load(Ordering::Acquire) == BEGUN
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("begun", &self.begun()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_and_revoke_exclude_each_other() {
        let first = Permit::always();
        assert!(first.begin());
        assert!(!first.revoke());
        let second = Permit::always();
        assert!(second.revoke());
        assert!(!second.begin());
    }

    #[test]
    fn a_lost_lease_refuses_and_leaves_the_permit_revocable() {
        let permit = Permit::new(|| false);
        assert!(!permit.begin());
        assert!(permit.revoke());
    }
}
