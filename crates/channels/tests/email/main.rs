//! The email channel in conversation with a scripted relay: no anomaly is taken for success, none poisons the next
//! mail, and one that must not happen twice does not.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

mod anomalies;
#[path = "../email_fixture/mod.rs"]
mod email_fixture;
mod private;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use email_fixture::*;
use postrider_channels::{
    Channel,
    email::{Deadlines, DialogueLine, EmailChannel, EmailError, EmailSettings, TlsMode},
};
use postrider_domain::{Answer, Permit, Reason};
use postrider_testkit::smtp::{Act, CertificateName, SmtpOptions, SmtpServer, Stage, Tls};

const SOON: Duration = Duration::from_millis(150);

async fn attempt(channel: &EmailChannel, recipient: &str) -> Answer {
    channel.attempt(&delivery("order-1", recipient), &Permit::always()).await
}

#[track_caller]
fn check(answer: &Answer, result: &str, reason: Reason) {
    let failure = answer.failure().unwrap_or_else(|| panic!("no failure: {answer:?}"));
    assert_eq!((answer.result(), failure.reason), (Some(result), reason), "{answer:?}");
}

#[track_caller]
fn check_delivered(answer: &Answer) {
    assert_eq!(answer.result(), Some("delivered"), "{answer:?}");
}

#[tokio::test]
async fn a_kept_connection_carries_mail_after_mail_and_dots_arrive_as_written() {
    let server = SmtpServer::start().await.unwrap();
    let channel = channel(&server);
    for i in 0..20 {
        check_delivered(&attempt(&channel, &format!("u{i}@example.com")).await);
    }
    assert_eq!(server.connections_made(), 1);
    let mails = server.mails();
    assert_eq!(mails.len(), 20);
    assert_eq!(mails[3].recipients, ["u3@example.com"]);
    assert_eq!(mails[3].sender, "no-reply@example.com");
    let expected = format!("{}@example.com", delivery("order-1", "x@example.com").message_id_local());
    assert!(mails.iter().all(|mail| mail.message_id.as_deref() == Some(&expected)));
    assert!(mails[0].text().ends_with("Hello\r\n.dot\r\nbye\r\n"), "{}", mails[0].text());
}

/// Nagle's algorithm and delayed acknowledgements together cost 40 ms a mail; 100 mails would take four seconds.
#[tokio::test]
async fn no_mail_waits_for_a_delayed_acknowledgement() {
    let server = SmtpServer::start().await.unwrap();
    let channel = channel(&server);
    let start = Instant::now();
    for _ in 0..100 {
        check_delivered(&attempt(&channel, "ada@example.com").await);
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn connections_are_at_most_connections_max_and_close_when_idle() {
    let server =
        SmtpServer::start_with(SmtpOptions { delay_per_mail: Duration::from_millis(20), ..SmtpOptions::default() })
            .await
            .unwrap();
    let settings = EmailSettings { connections_max: 3, idle_max: SOON, ..settings(&server) };
    let channel = Arc::new(EmailChannel::new(settings).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..12 {
        let channel = Arc::clone(&channel);
        tasks.spawn(async move { attempt(&channel, &format!("u{i}@example.com")).await });
    }
    while let Some(answer) = tasks.join_next().await {
        check_delivered(&answer.unwrap());
    }
    assert_eq!(server.connections_made(), 3);
    until(|| server.connections_open() == 0).await;
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come true within 5 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_ends_after_its_share_of_mails() {
    let server = SmtpServer::start().await.unwrap();
    let settings = EmailSettings { messages_per_connection_max: 2, ..settings(&server) };
    let channel = EmailChannel::new(settings).unwrap();
    for _ in 0..6 {
        check_delivered(&attempt(&channel, "ada@example.com").await);
    }
    assert_eq!(server.connections_made(), 3);
}

#[tokio::test]
async fn a_refused_recipient_costs_neither_the_connection_nor_the_next_recipient() {
    for extensions in [vec!["PIPELINING".to_owned()], vec![]] {
        let server = SmtpServer::start_with(SmtpOptions { extensions, ..SmtpOptions::default() }).await.unwrap();
        let channel = channel(&server);
        server.on(Stage::Rcpt).recipient("bob@example.com").act(Act::reply("550 5.1.1 No such user"));
        check(&attempt(&channel, "bob@example.com").await, "permanent", Reason::UnknownRecipient);
        check_delivered(&attempt(&channel, "ada@example.com").await);
        server.on(Stage::Mail).times(1).act(Act::reply("451 4.3.0 Try again later"));
        check(&attempt(&channel, "ada@example.com").await, "transient", Reason::Unavailable);
        check_delivered(&attempt(&channel, "ada@example.com").await);
        server.on(Stage::Dot).times(1).act(Act::reply("554 5.7.1 Spam"));
        check(&attempt(&channel, "ada@example.com").await, "permanent", Reason::Policy);
        check_delivered(&attempt(&channel, "ada@example.com").await);
        assert_eq!((server.connections_made(), server.count()), (1, 3));
    }
}

#[tokio::test]
async fn what_the_relay_does_not_offer_is_not_used() {
    let extensions = vec!["SIZE 1000".to_owned()];
    let server = SmtpServer::start_with(SmtpOptions { extensions, ..SmtpOptions::default() }).await.unwrap();
    let channel = channel(&server);
    check(&attempt(&channel, "jürgen@example.com").await, "permanent", Reason::InvalidAddress);
    let mut email = mail_to("ada@example.com");
    email.text = Some("x\n".repeat(1_000));
    let large = delivery_of("order-1", "ada@example.com", email);
    check(&channel.attempt(&large, &Permit::always()).await, "permanent", Reason::TooLarge);
    check_delivered(&attempt(&channel, "ada@xn--mnchen-3ya.example").await);
    check_delivered(&attempt(&channel, "ada@münchen.example").await);
    assert_eq!(server.mails()[1].recipients, ["ada@xn--mnchen-3ya.example"]);
    assert_eq!(server.connections_made(), 1);
    let willing = SmtpServer::start().await.unwrap();
    let channel = email_fixture::channel(&willing);
    check_delivered(&attempt(&channel, "jürgen@example.com").await);
    assert_eq!(willing.mails()[0].recipients, ["jürgen@example.com"]);
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_transient_and_comes_back() {
    let server = SmtpServer::start().await.unwrap();
    let channel = channel(&server);
    check_delivered(&attempt(&channel, "ada@example.com").await);
    let address = server.address();
    drop(server);
    check(&attempt(&channel, "ada@example.com").await, "transient", Reason::Connect);
    let server = SmtpServer::start_on(address, SmtpOptions::default()).await.unwrap();
    check_delivered(&attempt(&channel, "ada@example.com").await);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn the_dialogue_shows_every_line_and_no_secret() {
    for mechanism in ["PLAIN", "LOGIN"] {
        let server = SmtpServer::start_with(SmtpOptions {
            credentials: Some(("postrider".to_owned(), PASSWORD.to_owned())),
            auth_mechanisms: vec![mechanism],
            ..SmtpOptions::default()
        })
        .await
        .unwrap();
        let channel = EmailChannel::new(with_credentials(settings(&server), PASSWORD)).unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = Arc::clone(&lines);
        let tell = Arc::new(move |line: DialogueLine| sink.lock().unwrap().push(line.to_string()));
        let delivery = delivery("order-1", "ada@example.com");
        check_delivered(&channel.attempt_with_dialogue(&delivery, &Permit::always(), tell).await);
        let text = lines.lock().unwrap().join("\n");
        for expected in [
            "< 220 localhost",
            "> EHLO [127.0.0.1]",
            "***",
            "> RCPT TO:<ada@example.com>",
            "> .",
            "< 250 2.0.0 Ok: queued",
            "> QUIT",
        ] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
        assert!(!text.contains("Y29ycmVjd") && !text.contains(PASSWORD) && !text.contains("cG9zdHJpZGVy"), "{text}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let from = || address("no-reply@example.com", None);
    let make = |change: fn(&mut EmailSettings)| {
        let mut settings = EmailSettings::new("localhost", 25, TlsMode::Implicit, from());
        change(&mut settings);
        EmailChannel::new(settings).map(drop).unwrap_err()
    };
    assert!(matches!(make(|settings| settings.host.clear()), EmailError::Host { .. }));
    assert!(matches!(make(|settings| settings.connections_max = 0), EmailError::NoConnections));
    assert!(matches!(make(|settings| settings.from.address.clear()), EmailError::From { .. }));
    assert!(matches!(make(|settings| settings.from.name = Some("a\nb".to_owned())), EmailError::FromName));
    assert!(matches!(make(|settings| settings.ca_file = Some("/nowhere/ca.pem".into())), EmailError::CaFile { .. }));
}
