//! `POST /v1/notifications/batch`: many events in one request, each with its own result.
//!
//! 202 if all were accepted; 207 if they fared differently or some are not valid; 429 or 503 if nothing was accepted
//! because there was no room or no Kafka, so that a client which only looks at the status sends it again.

mod answer;

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response},
};
use futures_util::future::join_all;
use postrider_domain::Notification;
use postrider_telemetry::clock;

pub use self::answer::{AcceptedItem, BatchAnswer, BatchProblem, ItemResult};
use super::{App, Call, Given, Refusal, Route, Rules};
use crate::{
    accept::accept,
    call::media_type,
    parse::{self, json::Document},
};

/// Events in one batch.
pub const ITEMS_MAX: usize = 1_000;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// One event of the batch, as far as it could be read.
type Item = Result<Notification, Refusal>;

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
    let read = if kind == NDJSON { read_lines } else { read_array };
    let items = read(&body.bytes, Given { source, header_key: None, now: clock::wall() }, &app.rules)?;
    let _room = app.room_for(items.iter().filter(|item| item.is_ok()).count())?;
    let results = join_all(items.into_iter().map(async |item| accept(app, item?, &call.trace).await)).await;
    call.count_batch(&results);
    Ok(answer::respond(results))
}

/// Each item of the array, in order.
fn read_array(body: &Bytes, given: Given<'_>, rules: &Rules) -> Result<Vec<Item>, Refusal> {
    let (mut items, mut count) = (Vec::new(), 0);
    let is_array = Document::read_each(body, |item| {
        count += 1;
        if count <= ITEMS_MAX {
            items.push(item.map_err(Refusal::from).and_then(|item| check(item, given, rules)));
        }
    });
    if !is_array.map_err(Refusal::not_json)? {
        let document = Document::read(body)?;
        return Err(Refusal::invalid("", format!("must be an array of events, not {}", document.json.kind())));
    }
    check_count(count)?;
    Ok(items)
}

fn check(document: Document<'_>, given: Given<'_>, rules: &Rules) -> Item {
    parse::notification(document, given, rules).map_err(Refusal::Invalid)
}

/// Each line that is not blank, in order; one that is not JSON spoils only itself.
fn read_lines(body: &Bytes, given: Given<'_>, rules: &Rules) -> Result<Vec<Item>, Refusal> {
    let lines = || body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    check_count(lines().count())?;
    Ok(lines().map(|line| check(Document::read(line)?, given, rules)).collect())
}

fn check_count(count: usize) -> Result<(), Refusal> {
    match count {
        0 => Err(Refusal::invalid("", "has no events")),
        1..=ITEMS_MAX => Ok(()),
        _ => Err(Refusal::invalid("", format!("has {count} events; at most {ITEMS_MAX} are allowed in one batch"))),
    }
}
