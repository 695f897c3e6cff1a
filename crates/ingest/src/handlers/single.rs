//! `POST /v1/notifications`: one event.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Response, StatusCode},
};
use postrider_domain::Notification;
use postrider_telemetry::clock;

use super::{App, Call, Given, Refusal, Route, Rules};
use crate::{
    accept::accept,
    call::media_type,
    parse::{self, json::Document},
    refusal::json,
};

const KEY_HEADER: &str = "idempotency-key";

/// Answers one request.
pub(crate) async fn post(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Response<Body> {
    let call = Call::begin(&app, Route::Single, &headers);
    let answer = answer(&app, &call, &headers, body).await;
    call.end(answer)
}

async fn answer(app: &App, call: &Call<'_>, headers: &HeaderMap, body: Body) -> Result<Response<Body>, Refusal> {
    let source = call.source()?;
    media_type(headers, &["application/json"], "application/json")?;
    let body = app.bodies.read(headers, body).await?;
    let event = read(&body.bytes, source, headers, &app.rules)?;
    let _room = app.room_for(1).map_err(|_| Refusal::busy(Some(event.event_key.clone())))?;
    let accepted = accept(app, event, &call.trace).await?;
    Ok(json(StatusCode::ACCEPTED, "application/json", &accepted))
}

fn read(body: &[u8], source: &str, headers: &HeaderMap, rules: &Rules) -> Result<Notification, Refusal> {
    let header_key = header_key(headers)?;
    let document = Document::read(body)?;
    parse::notification(document, Given { source, header_key, now: clock::wall() }, rules).map_err(Refusal::Invalid)
}

/// The `Idempotency-Key`. The quotes of its standard form are not part of the key.
fn header_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.any(|other| other != value) {
        return Err(Refusal::invalid("/event_key", "the Idempotency-Key header is given twice, with different values"));
    }
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Refusal::invalid("/event_key", "the Idempotency-Key header is not UTF-8"))?;
    let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Ok(Some(unquoted.unwrap_or(text)))
}
