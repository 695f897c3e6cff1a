//! What all requests share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    body::BodyReader, keys::Keys, metrics::IngestMetrics, parse::Rules, refusal::Refusal, settings::IngestSettings,
    sink::EventSink,
};

/// What all requests share.
pub(crate) struct App {
    pub(crate) keys: Keys,
    pub(crate) rules: Rules,
    pub(crate) bodies: BodyReader,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) metrics: IngestMetrics,
    /// One permit for each event that may be on its way to the sink.
    events: Arc<Semaphore>,
}

impl App {
    /// `settings` have been checked.
    pub(crate) fn new(settings: IngestSettings, sink: Arc<dyn EventSink>, metrics: IngestMetrics) -> Self {
        let keys = Keys::new(&settings.keys);
        metrics.preset(&keys.sources());
        Self {
            keys,
            rules: Rules {
                not_before_max: settings.not_before_max,
                channels: settings.channels,
                slack_destinations: settings.slack_destinations,
            },
            bodies: BodyReader::new(settings.body_max, settings.limits.body_bytes_max),
            sink,
            metrics,
            events: Arc::new(Semaphore::new(settings.limits.events_max.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Room for `count` events on their way to the sink, given back when the permit is dropped. Never waits.
    ///
    /// # Errors
    /// `Busy`: too many are on their way.
    pub(crate) fn room_for(&self, count: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Arc::clone(&self.events).try_acquire_many_owned(count).map_err(|_| Refusal::busy(None))
    }
}
