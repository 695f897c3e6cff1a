//! What keeps other web pages, and the mails themselves, away from the inbox.

use axum::{
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use postrider_telemetry::http;

/// Nothing from anywhere: what every answer has that does not ask for more.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

/// Refuses requests that name another host than this machine. A web page elsewhere could otherwise point its own
/// name at 127.0.0.1 and read the inbox as its own.
pub(super) async fn local_names_only(request: Request, next: Next) -> Response {
    if http::names_this_machine(request.headers()) {
        next.run(request).await
    } else {
        let says = "this inbox answers to localhost or an IP address only; open it by one of these";
        (StatusCode::MISDIRECTED_REQUEST, says).into_response()
    }
}

/// Adds the strictest headers wherever the answer has none of its own.
pub(super) async fn safe_by_default(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
