//! What each address answers.

pub(crate) mod batch;
pub(crate) mod single;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response, StatusCode},
    routing::{get, post},
};

use crate::{
    app::App,
    call::Call,
    metrics::Route,
    openapi,
    parse::{Given, Rules},
    refusal::Refusal,
};

/// Every address there is.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(
            Route::Single.as_str(),
            post(single::post).fallback(|app, headers| not_allowed(app, headers, Route::Single, "POST")),
        )
        .route(
            Route::Batch.as_str(),
            post(batch::post).fallback(|app, headers| not_allowed(app, headers, Route::Batch, "POST")),
        )
        .route(
            Route::OpenApi.as_str(),
            get(openapi_document).fallback(|app, headers| not_allowed(app, headers, Route::OpenApi, "GET, HEAD")),
        )
        .fallback(not_found)
        .with_state(app)
}

async fn openapi_document(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::from(openapi::DOCUMENT));
    let json = axum::http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(axum::http::header::CONTENT_TYPE, json);
    *response.status_mut() = StatusCode::OK;
    Call::begin(&app, Route::OpenApi, &headers).end(Ok(response))
}

async fn not_found(State(app): State<Arc<App>>, headers: HeaderMap) -> Response<Body> {
    Call::begin(&app, Route::Other, &headers).end(Err(Refusal::NotFound))
}

async fn not_allowed(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    route: Route,
    allow: &'static str,
) -> Response<Body> {
    Call::begin(&app, route, &headers).end(Err(Refusal::MethodNotAllowed { allow }))
}
