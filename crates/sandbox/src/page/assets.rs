//! The page itself, embedded in the program: hand-written, nothing from elsewhere.

use axum::{
    extract::Path,
    http::StatusCode,
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{IntoResponse, Response},
};

const PAGE: &str = include_str!("../../assets/inbox.html");
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Everything the page asks for: name, type, text.
const ASSETS: [(&str, &str, &str); 5] = [
    ("inbox.css", "text/css; charset=utf-8", include_str!("../../assets/inbox.css")),
    ("inbox.js", JAVASCRIPT, include_str!("../../assets/inbox.js")),
    ("dom.js", JAVASCRIPT, include_str!("../../assets/dom.js")),
    ("mail.js", JAVASCRIPT, include_str!("../../assets/mail.js")),
    ("slack.js", JAVASCRIPT, include_str!("../../assets/slack.js")),
];

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

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some(&(_, content_type, text)) => serve(content_type, text),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn serve(content_type: &'static str, body: impl IntoResponse) -> Response {
    ([(CONTENT_SECURITY_POLICY, PAGE_POLICY), (CONTENT_TYPE, content_type)], body).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
