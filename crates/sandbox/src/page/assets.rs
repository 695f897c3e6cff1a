//! The page itself, embedded in the program: hand-written, nothing from elsewhere.

use axum::{
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{IntoResponse, Response},
};

const PAGE: &str = include_str!("../../assets/inbox.html");
const STYLE: &str = include_str!("../../assets/inbox.css");
const SCRIPT: &str = include_str!("../../assets/inbox.js");
const MRKDWN: &str = include_str!("../../assets/mrkdwn.js");

/// Our own files only; frames only from here (a link in a mail cannot pull another site into the page).
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A handler that serves the page with `curl` filled in.
pub(super) fn page<S: Clone + Send + Sync + 'static>(curl: &str) -> impl axum::handler::Handler<((),), S> {
    let html = PAGE.replace("{{curl}}", &escape(curl));
    move || {
        let html = html.clone();
        async move { serve("text/html; charset=utf-8", html) }
    }
}

pub(super) async fn style() -> Response {
    serve("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> Response {
    serve("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn mrkdwn() -> Response {
    serve("text/javascript; charset=utf-8", MRKDWN)
}

fn serve(content_type: &'static str, body: impl IntoResponse) -> Response {
    ([(CONTENT_SECURITY_POLICY, PAGE_POLICY), (CONTENT_TYPE, content_type)], body).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
