//! `POST /v1/notifications/batch`: many events in one request, each with its own result.
//!
//! 202 if all were accepted; 207 if they fared differently or some are not valid; 429 or 503 if nothing was accepted
//! because there was no room or no Kafka, so that a client which only looks at the status sends it again.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header::RETRY_AFTER},
};
use futures_util::future::join_all;
use postrider_telemetry::clock;
use serde::Serialize;
use utoipa::ToSchema;

use super::{App, Call, Given, Refusal, Route};
use crate::{
    accept::{Accepted, accept},
    call::{media_type, result_of},
    parse::{self, json::Json},
    refusal::{ProblemDocument, json},
};

/// Events in one batch.
pub const ITEMS_MAX: usize = 1_000;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// The answer to a batch: one result per event, in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// One for each event, in the order of the request.
    pub results: Vec<ItemResult>,
}

/// The answer to a batch of which nothing was acknowledged: send all of it again.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchProblem {
    /// What happened.
    #[serde(flatten)]
    pub problem: ProblemDocument,
    /// One for each event, in the order of the request.
    pub results: Vec<ItemResult>,
}

/// What became of one event; `status` says which of the two it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ItemResult {
    /// Acknowledged by Kafka.
    Accepted(AcceptedItem),
    /// Not accepted; pointers are relative to the event.
    Refused(ProblemDocument),
}

/// An accepted event of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedItem {
    /// Always 202.
    pub status: u16,
    /// Where it is.
    #[serde(flatten)]
    pub accepted: Accepted,
}

/// Answers one request.
pub(crate) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response<Body> {
    let call = Call::begin(&app, Route::Batch, &headers);
    let answer = answer(&app, &call, &headers, body).await;
    call.end(answer)
}

async fn answer(app: &App, call: &Call<'_>, headers: &HeaderMap, body: Body) -> Result<Response<Body>, Refusal> {
    let source = call.source()?;
    let kind = media_type(headers, &[JSON, NDJSON], "application/json (an array) or application/x-ndjson")?;
    if headers.contains_key("idempotency-key") {
        let detail = "an Idempotency-Key header belongs to a single event: give each event of a batch its event_key";
        return Err(Refusal::invalid("", detail));
    }
    let body = app.bodies.read(headers, body).await?;
    let items = if kind == NDJSON { read_lines(&body.bytes)? } else { read_array(&body.bytes)? };
    let _room = app.room_for(items.len())?;
    let now = clock::wall();
    let results = join_all(items.into_iter().map(|item| async move {
        let event = parse::notification(&item?, Given { source, header_key: None, now }, &app.rules);
        accept(app, event.map_err(Refusal::Invalid)?, &call.trace).await
    }));
    let results = results.await;
    for refusal in results.iter().filter_map(|result| result.as_ref().err()) {
        app.metrics.events(source, result_of(refusal), 1);
    }
    let refused = results.iter().filter(|result| result.is_err()).count();
    if refused > 0 {
        let events = results.len();
        tracing::info!(
            event.source = source,
            events,
            refused,
            trace_id = call.trace.id(),
            "a batch was refused in part"
        );
    }
    Ok(respond(results))
}

/// Each item of the array, in order.
fn read_array(body: &[u8]) -> Result<Vec<Result<Json<'_>, Refusal>>, Refusal> {
    let tree = Json::read(body).map_err(|error| Refusal::NotJson { detail: error.to_string() })?;
    let Json::List(items) = tree else {
        return Err(Refusal::invalid("", format!("must be an array of events, not {}", tree.kind())));
    };
    check_count(items.len())?;
    Ok(items.into_iter().map(Ok).collect())
}

/// Each line that is not blank, in order; one that is not JSON spoils only itself.
fn read_lines(body: &[u8]) -> Result<Vec<Result<Json<'_>, Refusal>>, Refusal> {
    let lines = || body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    check_count(lines().count())?;
    let read = |line| Json::read(line).map_err(|error| Refusal::NotJson { detail: error.to_string() });
    Ok(lines().map(read).collect())
}

fn check_count(count: usize) -> Result<(), Refusal> {
    match count {
        0 => Err(Refusal::invalid("", "has no events")),
        1..=ITEMS_MAX => Ok(()),
        _ => Err(Refusal::invalid("", format!("has {count} events; at most {ITEMS_MAX} are allowed in one batch"))),
    }
}

fn respond(results: Vec<Result<Accepted, Refusal>>) -> Response<Body> {
    let retry_after = results.iter().filter_map(|result| result.as_ref().err()?.retry_after()).max();
    let status = status(&results);
    let results = results.into_iter().map(|result| match result {
        Ok(accepted) => ItemResult::Accepted(AcceptedItem { status: StatusCode::ACCEPTED.as_u16(), accepted }),
        Err(refusal) => ItemResult::Refused(refusal.document()),
    });
    let results: Vec<ItemResult> = results.collect();
    let mut response = if status.is_success() {
        json(status, JSON, &BatchAnswer { results })
    } else {
        json(status, "application/problem+json", &BatchProblem { problem: nothing_acknowledged(status), results })
    };
    if let Some(wait) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

fn nothing_acknowledged(status: StatusCode) -> ProblemDocument {
    ProblemDocument {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: "no event of the batch was acknowledged: send all of them again, each with its event_key from results"
            .to_owned(),
        errors: Vec::new(),
        event_key: None,
        accepted: None,
    }
}

/// The status of the whole answer.
fn status(results: &[Result<Accepted, Refusal>]) -> StatusCode {
    let mut status = StatusCode::ACCEPTED;
    if results.iter().all(Result::is_ok) {
        return status;
    }
    for result in results {
        match result {
            Err(refusal) if refusal.retry_after().is_some() => status = status.max(refusal.status()),
            _ => return StatusCode::MULTI_STATUS,
        }
    }
    status
}
