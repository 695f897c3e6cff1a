//! Asks the cluster every few seconds for the partitions of the topics written to. The answer is also the sign
//! that it is there.

use std::{
    sync::{PoisonError, atomic::Ordering, mpsc},
    time::Duration,
};

use rdkafka::producer::Producer as _;

use super::Shared;
use crate::client::REQUEST_TIMEOUT;

const EVERY: Duration = Duration::from_secs(5);
const EVERY_WHILE_DOWN: Duration = Duration::from_millis(500);

/// Until the outlet is dropped.
pub(super) fn run(shared: &Shared, woken: &mpsc::Receiver<()>) {
    while !shared.stopped() {
        let answered = probe(shared);
        shared.answers.store(answered, Ordering::Release);
        shared.client().context().health.set_down(!answered);
        shared.probes.send_modify(|count| *count += 1);
        match woken.recv_timeout(if answered { EVERY } else { EVERY_WHILE_DOWN }) {
            Ok(()) | Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
        while woken.try_recv().is_ok() {}
    }
}

/// `true`: the cluster answered.
fn probe(shared: &Shared) -> bool {
    let topics: Vec<String> =
        shared.partitions.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
    if topics.is_empty() {
        return shared.client().client().fetch_metadata(None, REQUEST_TIMEOUT).is_ok();
    }
    topics.iter().all(|topic| probe_topic(shared, topic))
}

fn probe_topic(shared: &Shared, topic: &str) -> bool {
    let client = shared.client();
    let Ok(metadata) = client.client().fetch_metadata(Some(topic), REQUEST_TIMEOUT) else { return false };
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let count = found.and_then(|found| i32::try_from(found.partitions().len()).ok()).filter(|count| *count > 0);
    shared.partitions.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.to_owned(), count);
    true
}
