//! The admin listener: `/metrics`, `/healthz`, `/readyz`.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Registry, TextEncoder};

use crate::http::{HttpError, HttpLimits, HttpServer};

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const INDEX: &str = "Postrider's admin listener\n\n\
    /metrics  for Prometheus\n\
    /healthz  200 while this process works; asks neither Kafka nor a provider\n\
    /readyz   200 when it can do its part, else 503 with the reasons\n";

/// Few clients belong here; a crowd must not take memory from the deliveries.
const LIMITS: HttpLimits = HttpLimits {
    connections_max: 64,
    header_timeout: Duration::from_secs(5),
    body_timeout: Duration::from_secs(5),
    stall_timeout: Duration::from_secs(10),
    drain_timeout: Duration::from_secs(2),
};

/// Whether the process can do its part; the text says why not, one reason a line, without a secret.
type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The running admin listener; dropping it closes it.
#[derive(Debug)]
pub struct AdminServer {
    server: HttpServer,
}

impl AdminServer {
    /// Listens and answers in tasks of its own. `readiness` is asked at each `/readyz`; it must answer from memory.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(
        listen: SocketAddr,
        registry: Registry,
        readiness: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Result<Self, HttpError> {
        let readiness: Readiness = Arc::new(readiness);
        let router = Router::new()
            .route("/", get(|| async { INDEX }))
            .route("/metrics", get(metrics).with_state(registry))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready).with_state(readiness));
        Ok(Self { server: HttpServer::bind(listen, router, LIMITS).await? })
    }

    /// Where it listens; the real port, if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Stops listening and lets a scrape in flight finish, for 2 s at most.
    pub async fn shutdown(self) {
        self.server.shutdown().await;
    }
}

async fn metrics(State(registry): State<Registry>) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => ([(CONTENT_TYPE, METRICS_TYPE)], text).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot encode the metrics: {error}\n")).into_response()
        }
    }
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    match readiness() {
        Ok(()) => "ok\n".into_response(),
        Err(reasons) => {
            let mut text = String::from("not ready\n");
            for reason in reasons.lines() {
                writeln!(text, "- {reason}").expect("a String takes every text");
            }
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}
