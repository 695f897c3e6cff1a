//! The page's server over HTTP: the JSON, the files, the live stream and the Slack endpoint.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod samples;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use postrider_sandbox::{Inbox, InboxLimits, InboxPage};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const NOW: i64 = 1_790_000_000_000;

async fn page() -> (InboxPage, Inbox) {
    let inbox = Inbox::new(InboxLimits::default(), Arc::new(|| NOW));
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    (InboxPage::start(listen, inbox.clone(), "curl '<here>'".to_owned()).await.unwrap(), inbox)
}

/// One request on a connection of its own; the whole answer.
async fn ask(page: &InboxPage, request: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(page.address()).await.unwrap();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("an answer in time").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(page: &InboxPage, path: &str) -> String {
    ask(page, &format!("GET {path}"), "", "").await
}

fn assert_has(answer: &str, parts: &[&str]) {
    for part in parts {
        assert!(answer.contains(part), "no {part:?} in {answer}");
    }
}

#[tokio::test]
async fn mails_are_listed_shown_and_cleared() {
    let (page, inbox) = page().await;
    samples::fill(&inbox);
    assert_has(&get(&page, "/").await, &["200 OK", "script-src 'self'", "curl '&lt;here&gt;'"]);
    assert_has(&get(&page, "/api/messages?after=6").await, &["\"id\":7", "\"id\":8", "\"last_id\":8"]);
    assert!(!get(&page, "/api/messages?after=7").await.contains("\"id\":7"));
    assert_has(&get(&page, "/api/messages/8").await, &["\"to\":[\"ada@example.com\"]", "invoice-1017.pdf"]);
    assert_has(&get(&page, "/api/messages/8/raw").await, &["text/plain", "nosniff", "boundary=m"]);
    assert_has(&get(&page, "/api/messages/6").await, &["\"channel\":\"slack\"", "\"type\":\"divider\""]);
    assert_has(&get(&page, "/api/messages/9").await, &["404"]);
    assert_has(&get(&page, "/api/messages/3/html").await, &["404"]);
    assert_has(&ask(&page, "DELETE /api/messages", "", "").await, &["204"]);
    assert_has(&get(&page, "/api/messages").await, &["\"messages\":[]", "\"first_id\":9"]);
    assert_has(&get(&page, "/api/messages/8").await, &["404"]);
}

#[tokio::test]
async fn what_comes_by_mail_is_served_in_chains() {
    let (page, inbox) = page().await;
    let id = samples::hostile_mail(&inbox);
    let html = get(&page, &format!("/api/messages/{id}/html")).await;
    assert_has(&html, &["default-src 'none'", "sandbox allow-popups", "form-action 'none'", "nosniff"]);
    assert!(!html.contains("allow-scripts") && !html.contains("allow-same-origin"));
    let file = get(&page, &format!("/api/messages/{id}/attachments/0")).await;
    assert_has(&file, &["content-type: application/octet-stream", "content-disposition: attachment; ", "nosniff"]);
    let mut stream = TcpStream::connect(page.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_has(&answer, &["421", "localhost or an IP address"]);
}

/// In a container's network Slack's endpoint has a name; what was caught is still shown to local names only.
#[tokio::test]
async fn anywhere_slack_answers_to_every_name_and_the_page_does_not() {
    let inbox = Inbox::new(InboxLimits::default(), Arc::new(|| 1_790_000_000_000));
    let listen = SocketAddr::from(([0, 0, 0, 0], 0));
    assert!(InboxPage::start(listen, inbox.clone(), String::new()).await.is_err(), "not without being asked for");
    // Bound to loopback all the same: a test opens nothing to others.
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let page = InboxPage::start_anywhere(listen, inbox.clone(), String::new()).await.unwrap();
    for (request, expected) in [
        (
            "POST /slack/webhook/ops HTTP/1.1\r\nHost: slack:8025\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{\"text\":\"now\"}",
            "200",
        ),
        ("GET /api/messages HTTP/1.1\r\nHost: slack:8025\r\nConnection: close\r\n\r\n", "421"),
    ] {
        let mut stream = TcpStream::connect(page.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{request}: {answer}");
    }
    assert_eq!(inbox.counts().slack, 1);
}

#[tokio::test]
async fn slack_is_answered_as_slack_answers() {
    let (page, inbox) = page().await;
    let webhook = "POST /slack/webhook/ops";
    let api = "POST /slack/api/chat.postMessage";
    let token = "Authorization: Bearer xoxb-1\r\n";
    let too_many = format!(r#"{{"blocks":[{}]}}"#, vec![r#"{"type":"divider"}"#; 51].join(","));
    for (request, headers, body, expected) in [
        (webhook, "", r#"{"text":"hello"}"#, "200 OK ok"),
        (webhook, "", r#"{"blocks":[{"type":"divider"}]}"#, "200 OK ok"),
        (webhook, "", "not json", "400 Bad Request invalid_payload"),
        (webhook, "", r#"["text"]"#, "400 Bad Request invalid_payload"),
        (webhook, "", r#"{"text":""}"#, "400 Bad Request no_text"),
        (webhook, "", r#"{"text":"x","blocks":{}}"#, "400 Bad Request invalid_blocks"),
        (webhook, "", &too_many, "400 Bad Request invalid_blocks"),
        (api, token, r#"{"channel":"C1","text":"hello"}"#, r#"200 OK {"channel":"C1","message""#),
        (api, "", r#"{"channel":"C1","text":"hello"}"#, r#"200 OK {"error":"not_authed","ok":false}"#),
        (api, token, "not json", r#"200 OK {"error":"invalid_json","ok":false}"#),
        (api, token, r#"{"text":"hello"}"#, r#"200 OK {"error":"channel_not_found","ok":false}"#),
        (api, token, r#"{"channel":"C1"}"#, r#"200 OK {"error":"no_text","ok":false}"#),
    ] {
        let answer = ask(&page, request, headers, body).await;
        let (head, said) = answer.split_once("\r\n\r\n").unwrap();
        let got = format!("{} {said}", head.lines().next().unwrap().trim_start_matches("HTTP/1.1 "));
        assert!(got.starts_with(expected), "{body}: wanted {expected}, got {got}");
    }
    assert_has(&get(&page, "/api/messages").await, &["\"mails\":0,\"slack\":3", "\"title\":\"hello\""]);
    assert_eq!(inbox.counts().slack, 3);
}

#[tokio::test]
async fn open_pages_hear_of_messages_as_they_arrive() {
    let (page, inbox) = page().await;
    samples::plain(&inbox, 1);
    let mut stream = TcpStream::connect(page.address()).await.unwrap();
    stream.write_all(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut heard = String::new();
    wait_for(&mut stream, &mut heard, "\"title\":\"Issue 1\"").await;
    samples::plain(&inbox, 2);
    wait_for(&mut stream, &mut heard, "\"title\":\"Issue 2\"").await;
    assert_eq!(heard.matches("Issue 1\"").count(), 1, "told once: {heard}");
    inbox.clear();
    wait_for(&mut stream, &mut heard, "\"first_id\":3").await;

    (0..5_000).for_each(|n| samples::plain(&inbox, n));
    wait_for(&mut stream, &mut heard, "\"title\":\"Issue 4999\"").await;
    let events = heard.matches("data:").count();
    assert!(events < 10, "5,000 mails at once are a few updates, not {events}");
}

#[tokio::test]
async fn a_page_that_reconnects_goes_on_where_it_was() {
    let (page, inbox) = page().await;
    samples::plain(&inbox, 1);
    samples::plain(&inbox, 2);
    for (last, expects_first) in [(format!("{NOW}-1"), false), ("12-1".to_owned(), true), ("x".to_owned(), true)] {
        let mut stream = TcpStream::connect(page.address()).await.unwrap();
        let request = format!("GET /api/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {last}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut heard = String::new();
        wait_for(&mut stream, &mut heard, "Issue 2").await;
        assert_eq!(heard.contains("\"title\":\"Issue 1\""), expects_first, "{last}: {heard}");
    }
}

async fn wait_for(stream: &mut TcpStream, heard: &mut String, text: &str) {
    let read = async {
        let mut bytes = vec![0; 64 * 1024];
        while !heard.contains(text) {
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "closed before {text:?}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    timeout(Duration::from_secs(20), read).await.unwrap_or_else(|_| panic!("{text:?} did not come"));
}
