//! The way into the in-process broker, which forgets what does not fit: nothing is admitted that might not.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use postrider_domain::{RecordHeader, partitioner::partition_of};
use postrider_ingest::{EventSink, KafkaSink, SinkError};
use postrider_processor::LaneStatus;
use postrider_sandbox::{Admission, BacklogGuard};
use tokio::sync::watch;

/// Commits come about once a second; before that there is no more room than now.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A sink that answers "full" before the broker would drop something.
pub(super) struct GuardedSink {
    inner: KafkaSink,
    partitions: i32,
    guard: Mutex<BacklogGuard>,
}

impl GuardedSink {
    pub(super) fn new(inner: KafkaSink, partitions: i32, lanes: Vec<String>) -> Self {
        Self { inner, partitions, guard: Mutex::new(BacklogGuard::new(lanes)) }
    }

    /// Takes over a lane's commits until the lane ends.
    pub(super) async fn follow(self: Arc<Self>, lane: String, mut status: watch::Receiver<LaneStatus>) {
        while status.changed().await.is_ok() {
            let committed = status.borrow_and_update().committed.clone();
            let mut guard = self.guard();
            for (partition, position) in committed {
                guard.committed(&lane, partition, position);
            }
        }
    }

    /// The guard is plain arithmetic; a panic elsewhere leaves it as it was.
    fn guard(&self) -> MutexGuard<'_, BacklogGuard> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl EventSink for GuardedSink {
    async fn produce(&self, key: &str, value: Vec<u8>, headers: Vec<RecordHeader>) -> Result<(i32, i64), SinkError> {
        let partition = partition_of(key.as_bytes(), self.partitions);
        let in_headers = headers.iter().map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len));
        let bytes = key.len() + value.len() + in_headers.sum::<usize>();
        let admission = self.guard().admit(partition, bytes);
        match admission {
            Admission::Admitted => {}
            Admission::Full => return Err(SinkError::Full { retry_after: RETRY_AFTER }),
            Admission::TooLarge => return Err(SinkError::TooLarge),
        }
        let produced = self.inner.produce(key, value, headers).await;
        let mut guard = self.guard();
        match &produced {
            Ok((partition, offset)) => guard.produced(*partition, *offset, bytes),
            Err(_) => guard.failed(partition, bytes),
        }
        drop(guard);
        produced
    }

    fn ready(&self) -> bool {
        self.inner.ready()
    }
}
