//! Starting and stopping the HTTP API.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use postrider_telemetry::{
    Registry,
    http::{HttpError, HttpLimits, HttpServer, Overload},
    prometheus,
};

use crate::{
    app::App,
    handlers,
    metrics::IngestMetrics,
    refusal::{self, Refusal},
    settings::IngestSettings,
    sink::EventSink,
};

/// A client that does not read its answer is let go after this long.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the HTTP API could not start.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The settings do not fit together: a configuration error.
    #[error("the settings of ingest are not usable: {}", problems.join("; "))]
    Settings {
        /// All of them.
        problems: Vec<String>,
    },
    /// The address cannot be listened on.
    #[error("cannot serve the HTTP API")]
    Listen(#[source] HttpError),
    /// Its metrics are registered already: two APIs on one registry.
    #[error("cannot register the metrics of ingest")]
    Metrics(#[source] prometheus::Error),
}

/// The HTTP API in front of Kafka.
#[derive(Debug)]
pub struct Ingest;

impl Ingest {
    /// Checks the settings, listens and serves in tasks of its own. Inside a tokio runtime.
    ///
    /// # Errors
    /// See [`IngestError`]; settings are checked before a socket opens.
    pub async fn start(
        settings: IngestSettings,
        sink: Arc<dyn EventSink>,
        registry: &Registry,
    ) -> Result<RunningIngest, IngestError> {
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(IngestError::Settings { problems });
        }
        let metrics = IngestMetrics::register(registry).map_err(IngestError::Metrics)?;
        let listen = settings.listen;
        let limits = HttpLimits {
            connections_max: settings.limits.connections_max,
            header_timeout: settings.limits.header_timeout,
            body_timeout: settings.limits.body_timeout,
            stall_timeout: STALL_TIMEOUT,
            drain_timeout: settings.limits.drain_timeout,
        };
        let overload = overload(&metrics);
        let router = handlers::router(Arc::new(App::new(settings, sink, metrics)));
        let server = HttpServer::bind_with(listen, router, limits, overload).await.map_err(IngestError::Listen)?;
        Ok(RunningIngest { server })
    }
}

/// A connection too many is told what every other 503 says, and counted with them.
fn overload(metrics: &IngestMetrics) -> Overload {
    let body = serde_json::to_string(&Refusal::TooManyConnections.document());
    let body = body.expect("our own answers have text keys only");
    Overload::new(refusal::PROBLEM_JSON, &body, refusal::RETRY_AFTER, metrics.refused_connection())
}

/// A running HTTP API; dropping it closes every connection at once.
#[derive(Debug)]
pub struct RunningIngest {
    server: HttpServer,
}

impl RunningIngest {
    /// Where it listens; the real port, if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Stops accepting, lets requests in flight finish up to the drain timeout, then closes what is left.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}
