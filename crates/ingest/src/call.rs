//! One request from its headers to its answer: whose it is, how long it took, what is counted and logged.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    http::{
        HeaderMap, Response,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};

use crate::{
    accept::Accepted,
    app::App,
    metrics::{EventResult, Route},
    refusal::Refusal,
    trace::Trace,
};

/// A request that is being answered.
pub(crate) struct Call<'a> {
    app: &'a App,
    route: Route,
    started: Instant,
    source: Option<Arc<str>>,
    /// Its trace.
    pub(crate) trace: Trace,
}

impl<'a> Call<'a> {
    /// Looks at who is calling.
    pub(crate) fn begin(app: &'a App, route: Route, headers: &HeaderMap) -> Self {
        Self { app, route, started: Instant::now(), source: app.keys.source(headers), trace: Trace::of(headers) }
    }

    /// The caller's source.
    ///
    /// # Errors
    /// `Unauthorized`, or without configured keys `Misdirected`.
    pub(crate) fn source(&self) -> Result<&str, Refusal> {
        self.source.as_deref().ok_or_else(|| self.app.keys.refusal())
    }

    /// Counts and logs what came of it. A refusal is one line; an accepted event is one only at debug.
    pub(crate) fn end(self, answer: Result<Response<Body>, Refusal>) -> Response<Body> {
        let response = answer.unwrap_or_else(|refusal| self.refuse(refusal));
        let route = self.route.as_str();
        let metrics = &self.app.metrics;
        metrics.ingest_requests_total.with_label_values(&[route, response.status().as_str()]).inc();
        metrics
            .ingest_request_duration_seconds
            .with_label_values(&[route])
            .observe(self.started.elapsed().as_secs_f64());
        response
    }

    /// Counts the refused events of a batch and logs them as one line; the accepted ones are counted already.
    pub(crate) fn count_batch(&self, results: &[Result<Accepted, Refusal>]) {
        let refusals: Vec<&Refusal> = results.iter().filter_map(|result| result.as_ref().err()).collect();
        let (Some(source), Some(first)) = (self.source.as_deref(), refusals.first()) else { return };
        for refusal in &refusals {
            self.app.metrics.events(source, result_of(refusal), 1);
        }
        let unavailable = refusals.iter().find_map(|refusal| refusal.cause());
        tracing::info!(
            event.source = source,
            events = results.len(),
            refused = refusals.len(),
            status = first.status().as_u16(),
            error = unavailable,
            trace_id = self.trace.id(),
            "events of a batch were refused"
        );
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        let source = self.source.as_deref();
        if let Some(source) = source {
            self.app.metrics.events(source, result_of(&refusal), 1);
        }
        tracing::info!(
            route = self.route.as_str(),
            status = refusal.status().as_u16(),
            event.source = source,
            event.key = refusal.event_key(),
            problems = refusal.problems(),
            error = refusal.cause(),
            trace_id = self.trace.id(),
            duration_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "a request was refused"
        );
        refusal.into_response()
    }
}

/// How a refused event is counted.
fn result_of(refusal: &Refusal) -> EventResult {
    if refusal.retry_after().is_some() { EventResult::Unavailable } else { EventResult::Rejected }
}

/// The request's media type, if it is one of `supported` and the body is not compressed.
///
/// # Errors
/// `UnsupportedMediaType`.
pub(crate) fn media_type(
    headers: &HeaderMap,
    supported: &[&'static str],
    all: &'static str,
) -> Result<&'static str, Refusal> {
    let refusal = Refusal::UnsupportedMediaType { supported: all };
    // Every header of that name: together they are one list of codings (RFC 9110, 5.3).
    if headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(refusal);
    }
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    supported.iter().copied().find(|name| essence.eq_ignore_ascii_case(name)).ok_or(refusal)
}
