//! The answer to a batch.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    accept::Accepted,
    refusal::{ProblemDocument, Refusal, json},
};

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
    /// One for each event, in the order of the request; left out where the request was not read.
    #[schema(required = false)]
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

/// The whole answer.
pub(crate) fn respond(results: Vec<Result<Accepted, Refusal>>) -> Response<Body> {
    let retry_after = results.iter().filter_map(|result| result.as_ref().err()?.retry_after()).max();
    let status = status(&results);
    let results = results.into_iter().map(|result| match result {
        Ok(accepted) => ItemResult::Accepted(AcceptedItem { status: StatusCode::ACCEPTED.as_u16(), accepted }),
        Err(refusal) => ItemResult::Refused(refusal.document()),
    });
    let results: Vec<ItemResult> = results.collect();
    let mut response = if status.is_success() {
        json(status, "application/json", &BatchAnswer { results })
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

/// The status of the whole answer: the one that lets a client which looks at nothing else do the right thing.
fn status(results: &[Result<Accepted, Refusal>]) -> StatusCode {
    let refusals: Vec<&Refusal> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    let all_may_come_again = refusals.len() == results.len() && refusals.iter().all(|r| r.retry_after().is_some());
    if refusals.is_empty() {
        StatusCode::ACCEPTED
    } else if all_may_come_again {
        refusals.iter().map(|refusal| refusal.status()).max().unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
    } else {
        StatusCode::MULTI_STATUS
    }
}
