//! Until when attempts may begin: set by the lane, asked by every permit.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use postrider_domain::{Permit, time::BootTime};
use postrider_telemetry::clock;

/// The lane's lease, on the clock that runs through suspend: a process that was frozen finds it expired.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lease(Arc<AtomicU64>);

impl Lease {
    pub(crate) fn extend(&self, until: BootTime) {
        self.0.fetch_max(until.0, Ordering::AcqRel);
    }

    /// A permit that is refused from the lease's end on.
    pub(crate) fn permit(&self) -> Permit {
        let until = Arc::clone(&self.0);
        Permit::new(move || clock::boot().0 < until.load(Ordering::Acquire))
    }
}
