//! What ingest counts.

use std::sync::Arc;

use postrider_telemetry::{metrics, metrics::buckets};

metrics! {
    /// The metrics of the HTTP API.
    pub struct IngestMetrics;
    /// HTTP requests answered, by route and status code. A connection too many counts as `other` and 503.
    ingest_requests_total: IntCounterVec["route", "code"],
    /// Time from a request's headers to its answer, in seconds.
    ingest_request_duration_seconds: HistogramVec["route"] in buckets::REQUEST,
    /// Time one event took until Kafka acknowledged or refused it, in seconds.
    ingest_produce_duration_seconds: Histogram in buckets::REQUEST,
    /// Events that came in with a known key, by source and result. A request refused as a whole counts as one.
    ingest_events_total: IntCounterVec["source", "result"],
}

/// The `route` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Single,
    Batch,
    OpenApi,
    Other,
}

impl Route {
    const ALL: [Self; 4] = [Self::Single, Self::Batch, Self::OpenApi, Self::Other];

    /// The label's value.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Single => "/v1/notifications",
            Self::Batch => "/v1/notifications/batch",
            Self::OpenApi => "/openapi.json",
            Self::Other => "other",
        }
    }

    /// Every status code it answers.
    fn codes(self) -> &'static [&'static str] {
        match self {
            Self::Single => &["202", "400", "401", "405", "408", "413", "415", "421", "422", "429", "503"],
            Self::Batch => &["202", "207", "400", "401", "405", "408", "413", "415", "421", "422", "429", "503"],
            Self::OpenApi => &["200", "405"],
            Self::Other => &["404", "503"],
        }
    }
}

/// The `result` label of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventResult {
    Accepted,
    Rejected,
    Unavailable,
}

impl EventResult {
    const ALL: [Self; 3] = [Self::Accepted, Self::Rejected, Self::Unavailable];

    /// The label's value.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
        }
    }
}

impl IngestMetrics {
    /// Creates every series at zero, so that `rate()` sees the very first failure.
    pub(crate) fn preset(&self, sources: &[Arc<str>]) {
        for route in Route::ALL {
            self.ingest_request_duration_seconds.with_label_values(&[route.as_str()]);
            for code in route.codes() {
                self.ingest_requests_total.with_label_values(&[route.as_str(), code]);
            }
        }
        for source in sources {
            for result in EventResult::ALL {
                self.ingest_events_total.with_label_values(&[source.as_ref(), result.as_str()]);
            }
        }
    }

    /// What counts a connection that was refused before a request was read from it.
    pub(crate) fn refused_connection(&self) -> impl Fn() + Send + Sync + 'static {
        let refused = self.ingest_requests_total.with_label_values(&[Route::Other.as_str(), "503"]);
        move || refused.inc()
    }

    /// Counts events of one source.
    pub(crate) fn events(&self, source: &str, result: EventResult, count: usize) {
        self.ingest_events_total.with_label_values(&[source, result.as_str()]).inc_by(count as u64);
    }
}
