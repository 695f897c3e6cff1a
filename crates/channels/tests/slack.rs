//! The Slack channel against a scripted Slack, over real HTTP.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

mod slack_fixture;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use postrider_channels::{
    Channel,
    slack::{SlackChannel, SlackDestination},
};
use postrider_domain::{Answer, Permit, Reason, Secret};
use postrider_testkit::slack::{Reply, SlackServer};
use slack_fixture::{PATIENCE, SALES, TOKEN, WEBHOOK, channel, delivery, settings};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the destination answers when the server is scripted so; `posted` counts copies in the channel.
async fn answered(destination: &str, reply: Reply) -> (Answer, usize) {
    let server = SlackServer::start().await.unwrap();
    let key = if destination == "sales" { SALES } else { WEBHOOK };
    server.script(key, [reply]);
    let answer = channel(&server).attempt(&delivery(destination), &Permit::always()).await;
    assert_no_secret(&answer);
    (answer, server.posted(key).len())
}

#[track_caller]
fn assert_no_secret(answer: &Answer) {
    let text = format!("{answer:?}");
    assert!(!text.contains(WEBHOOK) && !text.contains(TOKEN), "{text}");
}

#[track_caller]
fn assert_failed(answer: &Answer, result: &str, reason: Reason) {
    let found = (answer.result(), answer.failure().map(|failure| failure.reason));
    assert_eq!(found, (Some(result), Some(reason)), "{answer:?}");
}

#[tokio::test]
async fn a_webhook_gets_the_message_and_ok_is_delivered() {
    let server = SlackServer::start().await.unwrap();
    let answer = channel(&server).attempt(&delivery("ops"), &Permit::always()).await;
    assert_eq!(answer, Answer::Delivered { reply: "ok".into() });
    let messages = server.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(messages[0].destination, WEBHOOK);
    assert_eq!(messages[0].body, serde_json::json!({ "text": "Order &lt;1017&gt; shipped" }));
    assert_eq!(messages[0].headers["content-type"], "application/json; charset=utf-8");
    assert!(!messages[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_web_api_gets_token_channel_and_metadata() {
    let server = SlackServer::start().await.unwrap();
    let answer = channel(&server).attempt(&delivery("sales"), &Permit::always()).await;
    assert_eq!(answer, Answer::Delivered { reply: "ok ts=1503435956.000247".into() });
    let messages = server.wait_for(1, PATIENCE).await.unwrap();
    assert_eq!(messages[0].path, "/api/chat.postMessage");
    assert_eq!(messages[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(messages[0].body["channel"], SALES);
    assert_eq!(messages[0].body["metadata"]["event_payload"]["event_key"], "order-1017");
}

#[tokio::test]
async fn a_200_without_ok_is_a_failure() {
    let (answer, _) = answered("sales", Reply::api_error("channel_not_found")).await;
    assert_failed(&answer, "permanent", Reason::UnknownRecipient);
    let (answer, _) = answered("sales", Reply::api_error("invalid_auth")).await;
    assert_failed(&answer, "misconfigured", Reason::Auth);
    let (answer, _) = answered("ops", Reply::html(200)).await;
    assert_failed(&answer, "transient", Reason::Protocol);
    let (answer, _) = answered("ops", Reply::Oversize { bytes: (1 << 20) + 1 }).await;
    assert_failed(&answer, "unknown", Reason::Protocol);
    assert!(answer.failure().unwrap().answer.contains("far larger"), "{answer:?}");
}

/// The longest text that is taken, escaped and echoed in `blocks` as well: it was posted, and must not be sent again.
#[tokio::test]
async fn a_reply_that_echoes_the_longest_message_is_read_to_its_end() {
    let text = "\\u00e4".repeat(40_000);
    let blocks = format!(r#"[{{"type":"rich_text","elements":[{{"type":"text","text":"{text}"}}]}}]"#);
    let body = format!(r#"{{"ok":true,"ts":"1.1","message":{{"text":"{text}","blocks":{blocks}}}}}"#);
    let (answer, _) = answered("sales", Reply::Status { status: 200, headers: Vec::new(), body }).await;
    assert_eq!(answer, Answer::Delivered { reply: "ok ts=1.1".into() });
}

#[tokio::test]
async fn a_429_says_for_how_long_up_to_an_hour() {
    let waits = |answer: &Answer| match answer {
        Answer::Throttled { retry_after, .. } => *retry_after,
        other => panic!("{other:?}"),
    };
    let (answer, posted) = answered("ops", Reply::throttled(30)).await;
    assert_eq!((waits(&answer), posted), (Some(Duration::from_secs(30)), 0));
    let (answer, _) = answered("sales", Reply::throttled(9_999_999)).await;
    assert_eq!(waits(&answer), Some(Duration::from_secs(3_600)));
    for (hint, date, seconds) in [
        ("99999999999999999999999", None, Some(3_600)),
        ("1.5", None, Some(2)),
        ("Sun, 06 Nov 1994 08:50:07 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(30)),
        ("soon", None, None),
    ] {
        let date = date.map(|date| ("date".to_owned(), date.to_owned()));
        let headers = [("retry-after".to_owned(), hint.to_owned())].into_iter().chain(date).collect();
        let (answer, _) = answered("ops", Reply::Status { status: 429, headers, body: String::new() }).await;
        assert_eq!(waits(&answer), seconds.map(Duration::from_secs), "{hint}");
    }
}

#[tokio::test]
async fn replies_that_are_lost_after_the_message_are_unknown() {
    for reply in [Reply::Hang, Reply::Drip { every: Duration::from_millis(100) }, Reply::CloseAfterReading] {
        let began = Instant::now();
        let (answer, posted) = answered("ops", reply.clone()).await;
        assert_eq!((answer.result(), posted), (Some("unknown"), 1), "{reply:?}: {answer:?}");
        assert!(began.elapsed() < PATIENCE, "{reply:?} outlived the deadline");
    }
    let (answer, _) = answered("ops", Reply::Garbage).await;
    assert_failed(&answer, "unknown", Reason::LostReply);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = SlackServer::start().await.unwrap();
    let (answer, _) = answered("sales", Reply::redirect(&elsewhere.webhook_url("trap"))).await;
    assert_failed(&answer, "misconfigured", Reason::Protocol);
    assert!(elsewhere.messages().is_empty());
}

#[tokio::test]
async fn nobody_there_is_transient_and_nothing_has_begun() {
    let server = SlackServer::start().await.unwrap();
    let channel = channel(&server);
    drop(server);
    let permit = Permit::always();
    let deadline = Instant::now() + PATIENCE;
    // The port is closed as soon as the server's task has ended; until then a connection may still be taken.
    loop {
        let answer = channel.attempt(&delivery("ops"), &permit).await;
        assert_no_secret(&answer);
        if answer.failure().is_some_and(|failure| failure.reason == Reason::Connect) {
            assert_failed(&answer, "transient", Reason::Connect);
            break;
        }
        assert!(Instant::now() < deadline, "{answer:?}");
    }
    assert!(permit.revoke(), "a refused connection must not count as begun");
}

#[tokio::test]
async fn a_refused_permit_writes_no_message() {
    let server = SlackServer::start().await.unwrap();
    let channel = channel(&server);
    assert_eq!(channel.attempt(&delivery("ops"), &Permit::new(|| false)).await, Answer::NotPermitted);
    let revoked = Permit::always();
    assert!(revoked.revoke());
    assert_eq!(channel.attempt(&delivery("sales"), &revoked).await, Answer::NotPermitted);
    // A message that is read proves that the two before it were not.
    let answer = channel.attempt(&delivery("ops"), &Permit::always()).await;
    assert_eq!(answer.result(), Some("delivered"));
    assert_eq!(server.wait_for(1, PATIENCE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn one_that_hangs_does_not_hold_up_the_others() {
    let server = SlackServer::start().await.unwrap();
    server.always(WEBHOOK, Reply::Hang);
    let channel = channel(&server);
    let (ops, sales) = (delivery("ops"), delivery("sales"));
    let (first, second) = (Permit::always(), Permit::always());
    tokio::select! {
        biased;
        answer = channel.attempt(&ops, &first) => panic!("the hanging one was first: {answer:?}"),
        answer = channel.attempt(&sales, &second) => assert_eq!(answer.result(), Some("delivered")),
    }
}

#[tokio::test]
async fn a_dropped_attempt_leaves_no_reply_to_the_next() {
    let server = SlackServer::start().await.unwrap();
    server
        .script(WEBHOOK, [Reply::Late { after: Duration::from_millis(100) }, Reply::webhook_error(404, "no_service")]);
    let channel = channel(&server);
    let (first, permit) = (delivery("ops"), Permit::always());
    tokio::select! {
        answer = channel.attempt(&first, &permit) => panic!("it was answered: {answer:?}"),
        read = server.wait_for(1, PATIENCE) => { read.unwrap(); }
    }
    let answer = channel.attempt(&delivery("ops"), &Permit::always()).await;
    assert_failed(&answer, "misconfigured", Reason::Auth);
}

#[tokio::test]
async fn an_end_that_echoes_our_secrets_is_not_quoted() {
    let url = format!("/services/T00000000/B00000000/{WEBHOOK}");
    for (destination, status, secret) in [("ops", 404, url.as_str()), ("sales", 500, TOKEN)] {
        let echo = format!("Cannot POST {secret}, sorry");
        let (answer, _) = answered(destination, Reply::webhook_error(status, &echo)).await;
        let words = answer.failure().unwrap().answer.clone();
        assert!(words.starts_with(&format!("HTTP {status}: Cannot POST ***, sorry")), "{words}");
    }
}

/// An https destination whose other end is ours; `handshake` plays the server.
async fn over_tls<F: Future<Output = ()> + Send + 'static>(handshake: impl FnOnce(TcpStream) -> F) -> (Answer, Permit) {
    let server = SlackServer::start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/services/{WEBHOOK}", listener.local_addr().unwrap().port());
    let mut settings = settings(&server);
    settings.destinations.insert("ops".into(), SlackDestination::Webhook { url: Secret::new(url) });
    let channel = SlackChannel::new(&settings).unwrap();
    let (delivery, permit) = (delivery("ops"), Permit::always());
    let answer = {
        let server = async { handshake(listener.accept().await.unwrap().0).await };
        let (answer, ()) = tokio::join!(channel.attempt(&delivery, &permit), server);
        answer
    };
    assert_no_secret(&answer);
    (answer, permit)
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_ours_to_mend() {
    let (answer, permit) = over_tls(|stream| async {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()).into();
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![own.cert.der().clone()], key).unwrap();
        let accepted = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config)).accept(stream).await;
        assert!(accepted.is_err(), "the client trusts anyone");
    })
    .await;
    assert_failed(&answer, "misconfigured", Reason::Tls);
    assert!(permit.revoke(), "nothing was written");
}

#[tokio::test]
async fn an_end_that_speaks_no_tls_is_transient() {
    let (answer, _) = over_tls(|mut stream| async move {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.unwrap();
    })
    .await;
    assert_failed(&answer, "transient", Reason::Tls);
}

/// The deadline takes the connecting too, and until the connection stands the permit can be taken back.
#[tokio::test]
async fn a_handshake_that_hangs_reaches_nobody() {
    let (answer, permit) = over_tls(|mut stream| async move {
        stream.read_to_end(&mut Vec::new()).await.unwrap(); // until the client gives up
    })
    .await;
    assert_failed(&answer, "transient", Reason::Timeout);
    assert!(permit.revoke(), "nothing was written");
}

#[tokio::test]
async fn the_dialogue_shows_message_and_reply_but_no_secret() {
    let server = SlackServer::start().await.unwrap();
    server.script(WEBHOOK, [Reply::throttled(7)]);
    let channel = channel(&server);
    for destination in ["ops", "sales"] {
        let (lines, sink) = slack_fixture::sink();
        channel.attempt_with_dialogue(&delivery(destination), &Permit::always(), sink).await;
        let text = lines.lock().unwrap().join("\n");
        assert!(text.contains("> POST http://127.0.0.1:") && text.contains("Order &lt;1017&gt; shipped"), "{text}");
        assert!(!text.contains(WEBHOOK) && !text.contains(TOKEN), "{text}");
        let expected =
            if destination == "ops" { "< HTTP 429\n< retry-after: 7\n< rate_limited" } else { "< HTTP 200\n< {" };
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn debug_output_and_set_up_errors_hold_no_secret() {
    let server = SlackServer::start().await.unwrap();
    let mut settings = settings(&server);
    let channel = SlackChannel::new(&settings).unwrap();
    let names: Vec<_> = channel.destinations().into_iter().map(|d| (d.name.to_string(), d.capacity)).collect();
    assert_eq!(names, [("ops".to_owned(), 1), ("sales".to_owned(), 1)]);
    let text = format!("{channel:?} {settings:?}");
    assert!(!text.contains(WEBHOOK) && !text.contains(TOKEN), "{text}");
    let url = Secret::new(WEBHOOK);
    settings.destinations.insert("bad".into(), SlackDestination::Webhook { url });
    let error = SlackChannel::new(&settings).unwrap_err();
    assert!(error.to_string().contains("`bad`") && !format!("{error:?}").contains(WEBHOOK), "{error:?}");
}
