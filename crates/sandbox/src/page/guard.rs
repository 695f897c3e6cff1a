//! What keeps other web pages, and the mails themselves, away from the inbox.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Nothing from anywhere: what every answer has that does not ask for more.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

/// Refuses requests that name another host than this machine. A web page elsewhere could otherwise point its own
/// name at 127.0.0.1 and read the inbox as its own.
pub(super) async fn local_names_only(request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_local(host) {
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

fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let lower = bare.to_ascii_lowercase();
    lower == "localhost" || lower.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_machine_s_names_pass() {
        for (host, passes) in [
            ("localhost:8025", true),
            ("LOCALHOST", true),
            ("postrider.localhost:8025", true),
            ("127.0.0.1:8025", true),
            ("[::1]:8025", true),
            ("192.168.0.7:8025", true),
            ("evil.example:8025", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_local(host), passes, "{host}");
        }
    }
}
