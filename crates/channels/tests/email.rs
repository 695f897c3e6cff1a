//! The email channel in conversation with a scripted relay: no anomaly is taken for success, none poisons the next
//! mail, and one that must not happen twice does not.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

mod email_fixture;

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

/// Every stage: what hangs ends at that stage's deadline, what drips too, what closes or talks nonsense is no success,
/// and the connection is not used again.
#[tokio::test]
async fn anomalies_before_the_final_dot_are_transient_and_end_the_connection() {
    for stage in [Stage::Greeting, Stage::Ehlo, Stage::Mail, Stage::Rcpt, Stage::Data] {
        for (act, reason) in [
            (Act::Hang, Reason::Timeout),
            (Act::Drip(Duration::from_millis(100)), Reason::Timeout),
            (Act::Close, Reason::Disconnected),
            (Act::Raw(b"HTTP/1.1 400 Bad Request\r\n".to_vec()), Reason::Protocol),
            (Act::Raw(vec![0xff; 10_000]), Reason::Protocol),
        ] {
            let server = SmtpServer::start().await.unwrap();
            let deadlines = Deadlines { connect: Duration::from_secs(5), ..Deadlines::all(SOON) };
            let channel = EmailChannel::new(EmailSettings { deadlines, ..settings(&server) }).unwrap();
            server.on(stage).times(1).act(act.clone());
            let start = Instant::now();
            let answer = attempt(&channel, "ada@example.com").await;
            check(&answer, "transient", reason);
            assert!(start.elapsed() < Duration::from_secs(3), "{stage:?} {act:?} took {:?}", start.elapsed());
            check_delivered(&attempt(&channel, "ada@example.com").await);
            assert_eq!((server.connections_made(), server.count()), (2, 1), "{stage:?} {act:?}");
        }
    }
}

#[tokio::test]
async fn after_the_final_dot_only_an_undisturbed_2xx_is_success() {
    for act in [
        Act::Hang,
        Act::Drip(Duration::from_millis(100)),
        Act::Close,
        Act::StoreAndClose,
        Act::Raw(b"garbage\r\n".to_vec()),
        Act::reply("354 go on"),
        Act::Raw(b"250-ok\r\n554 no\r\n".to_vec()),
        Act::Raw(b"250 ok\r\n554 refused\r\n".to_vec()),
    ] {
        let server = SmtpServer::start().await.unwrap();
        let channel =
            EmailChannel::new(EmailSettings { deadlines: Deadlines::all(SOON), ..settings(&server) }).unwrap();
        check_delivered(&attempt(&channel, "ada@example.com").await);
        server.on(Stage::Dot).times(1).act(act.clone());
        let answer = attempt(&channel, "ada@example.com").await;
        check(&answer, "unknown", Reason::LostReply);
        check_delivered(&attempt(&channel, "ada@example.com").await);
        assert_eq!(server.connections_made(), 2, "{act:?}");
    }
}

#[tokio::test]
async fn success_with_a_goodbye_behind_it_is_success_on_a_connection_that_ends() {
    // Whole, or as much of it as came in the same packet.
    for goodbye in ["421 4.7.0 That was the last one\r\n", "421 4.7.0 That", "42"] {
        let server = SmtpServer::start().await.unwrap();
        let channel = channel(&server);
        server.on(Stage::Dot).times(1).act(Act::AndThen(goodbye.into()));
        check_delivered(&attempt(&channel, "ada@example.com").await);
        check_delivered(&attempt(&channel, "ada@example.com").await);
        assert_eq!(server.connections_made(), 2);
    }
}

/// The relay offered SMTPUTF8 and then will not have it: that one mail's trouble, and no misconfiguration of ours.
#[tokio::test]
async fn a_refused_address_beyond_ascii_stops_nobody() {
    for reply in [
        "555 5.5.4 Unsupported option: SMTPUTF8",
        "553 5.6.7 Internationalized address not supported",
        "550 5.6.7 Non-ASCII addresses not permitted for that sender",
    ] {
        let server = SmtpServer::start().await.unwrap();
        let channel = channel(&server);
        server.on(Stage::Mail).times(1).act(Act::reply(reply));
        check(&attempt(&channel, "jürgen@example.com").await, "permanent", Reason::InvalidAddress);
        check_delivered(&attempt(&channel, "ada@example.com").await);
        assert_eq!(server.connections_made(), 1, "it is still good");
    }
}

/// What it says of everybody is no word on SMTPUTF8, though it meets a mail that has it.
#[tokio::test]
async fn a_refused_sender_is_not_blamed_on_an_address_beyond_ascii() {
    for (reply, reason) in [
        ("553 5.7.1 <shop@example.com>: Sender address rejected: not owned by user", Reason::SenderRejected),
        ("501 5.1.8 Sender address rejected: Domain not found", Reason::SenderRejected),
        ("504 5.7.1 <x>: Helo command rejected: need fully-qualified hostname", Reason::Forbidden),
        ("553 5.7.1 Authentication required", Reason::Auth),
    ] {
        let server = SmtpServer::start().await.unwrap();
        server.on(Stage::Mail).act(Act::reply(reply));
        check(&attempt(&channel(&server), "jürgen@example.com").await, "misconfigured", reason);
    }
}

/// A stray reply must not be read as the answer to the next command.
#[tokio::test]
async fn replies_that_nobody_asked_for_end_the_connection() {
    for stage in [Stage::Rcpt, Stage::Data] {
        let server = SmtpServer::start().await.unwrap();
        let channel = channel(&server);
        server.on(stage).times(1).act(Act::AndThen(b"250 2.0.0 Ok: queued\r\n".to_vec()));
        server.on(Stage::Dot).act(Act::reply("554 5.7.1 Refused"));
        let answer = attempt(&channel, "ada@example.com").await;
        check(&answer, "transient", Reason::Protocol);
        assert_eq!(server.count(), 0);
    }
}

/// Only 354 asks for the message: whatever else DATA is answered with, nothing of it is written.
#[tokio::test]
async fn nothing_but_354_asks_for_the_message() {
    for reply in ["250 2.0.0 Ok: queued", "334 go on", "503 5.5.1 Bad sequence"] {
        let server = SmtpServer::start().await.unwrap();
        let channel = channel(&server);
        server.on(Stage::Data).times(1).act(Act::reply(reply));
        let permit = Permit::always();
        let answer = channel.attempt(&delivery("order-1", "ada@example.com"), &permit).await;
        check(&answer, "transient", Reason::Protocol);
        assert!(!permit.begun());
        check_delivered(&attempt(&channel, "ada@example.com").await);
        assert_eq!((server.count(), server.connections_made()), (1, 2), "{reply}");
    }
}

/// What the relay says while a connection rests would be read as the answer to the next mail's first command.
#[tokio::test]
async fn a_resting_connection_that_spoke_is_not_used_again() {
    let server = SmtpServer::start().await.unwrap();
    let channel = channel(&server);
    let stray = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n".to_vec();
    server.on(Stage::Dot).times(1).act(Act::AndLater(Duration::from_millis(1), stray));
    check_delivered(&attempt(&channel, "ada@example.com").await);
    until(|| server.connections_open() == 0).await;
    check_delivered(&attempt(&channel, "ada@example.com").await);
    assert_eq!((server.count(), server.connections_made()), (2, 2));
}

#[tokio::test]
async fn a_connection_that_the_relay_closed_while_idle_costs_no_attempt() {
    let server = SmtpServer::start().await.unwrap();
    let channel = channel(&server);
    for stage in [Stage::Dot, Stage::Mail] {
        check_delivered(&attempt(&channel, "ada@example.com").await);
        let act = if stage == Stage::Dot { Act::AnswerAndClose } else { Act::Close };
        server.on(stage).times(1).act(act);
        check_delivered(&attempt(&channel, "ada@example.com").await);
    }
    check_delivered(&attempt(&channel, "ada@example.com").await);
    server.on(Stage::Mail).times(1).act(Act::ReplyAndClose("421 4.4.2 Idle for too long".to_owned()));
    check_delivered(&attempt(&channel, "ada@example.com").await);
}

#[tokio::test]
async fn a_421_on_a_fresh_connection_is_an_answer() {
    let server = SmtpServer::start().await.unwrap();
    let channel = channel(&server);
    server.on(Stage::Greeting).times(1).act(Act::ReplyAndClose("421 4.7.0 Too many connections".to_owned()));
    check(&attempt(&channel, "ada@example.com").await, "throttled", Reason::RateLimited);
    server.on(Stage::Mail).times(1).act(Act::ReplyAndClose("421 4.3.2 Shutting down".to_owned()));
    check(&attempt(&channel, "ada@example.com").await, "transient", Reason::Unavailable);
    check_delivered(&attempt(&channel, "ada@example.com").await);
}

/// A cancelled attempt leaves a half-spoken conversation; the next mail must not read its replies.
#[tokio::test]
async fn a_dropped_attempt_takes_its_connection_with_it() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body, Stage::Dot] {
        let server = SmtpServer::start().await.unwrap();
        let channel = channel(&server);
        check_delivered(&attempt(&channel, "ada@example.com").await);
        server.on(stage).times(1).act(if stage == Stage::Body { Act::Hang } else { Act::Delay(SOON) });
        server.on(Stage::Dot).recipient("bob@example.com").act(Act::reply("554 5.7.1 Refused"));
        let cut = tokio::time::timeout(SOON / 3, attempt(&channel, "ada@example.com")).await;
        assert!(cut.is_err(), "{stage:?} was to hang");
        check(&attempt(&channel, "bob@example.com").await, "permanent", Reason::Policy);
        check_delivered(&attempt(&channel, "ada@example.com").await);
        assert_eq!(server.connections_made(), 2, "{stage:?}");
    }
}

#[tokio::test]
async fn without_a_permit_nothing_of_the_message_is_written() {
    let server = SmtpServer::start().await.unwrap();
    let channel = channel(&server);
    let refused = Permit::new(|| false);
    let answer = channel.attempt(&delivery("order-1", "ada@example.com"), &refused).await;
    assert_eq!(answer, Answer::NotPermitted);
    assert!(refused.revoke(), "it never began");
    check_delivered(&attempt(&channel, "ada@example.com").await);
    assert_eq!((server.count(), server.connections_made()), (1, 2));
    // A refusal at RCPT comes before the permit is asked.
    server.on(Stage::Rcpt).act(Act::reply("550 5.1.1 No such user"));
    let permit = Permit::always();
    drop(channel.attempt(&delivery("order-1", "bob@example.com"), &permit).await);
    assert!(!permit.begun());
}

/// The relay stops reading in the middle of a large message: the body's deadline ends it, and because the final dot never
/// left, it is no unknown.
#[tokio::test]
async fn a_message_that_does_not_get_through_whole_is_transient() {
    let server = SmtpServer::start().await.unwrap();
    let channel = EmailChannel::new(EmailSettings {
        deadlines: Deadlines { body: SOON, ..Deadlines::all(Duration::from_secs(5)) },
        ..settings(&server)
    })
    .unwrap();
    let mut email = mail_to("ada@example.com");
    email.text = Some("0123456789abcdef\n".repeat(2_000_000));
    let large = delivery_of("order-1", "ada@example.com", email);
    server.on(Stage::Body).times(1).act(Act::Hang);
    check(&channel.attempt(&large, &Permit::always()).await, "transient", Reason::Timeout);
    server.on(Stage::Body).times(1).act(Act::ReplyAndClose("552 5.3.4 Message too big".to_owned()));
    let answer = channel.attempt(&large, &Permit::always()).await;
    assert!(matches!(answer.result(), Some("permanent" | "transient")), "{answer:?}");
    check_delivered(&attempt(&channel, "ada@example.com").await);
    assert_eq!(server.count(), 1);
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

async fn server(tls: Tls, credentials: bool) -> SmtpServer {
    let credentials = credentials.then(|| ("postrider".to_owned(), PASSWORD.to_owned()));
    SmtpServer::start_with(SmtpOptions { tls, credentials, ..SmtpOptions::default() }).await.unwrap()
}

#[tokio::test]
async fn tls_and_credentials_in_every_combination() {
    for (offered, mode) in [(Tls::Starttls, TlsMode::Starttls), (Tls::Implicit, TlsMode::Implicit)] {
        for mechanism in ["PLAIN", "LOGIN"] {
            let server = SmtpServer::start_with(SmtpOptions {
                tls: offered,
                credentials: Some(("postrider".to_owned(), PASSWORD.to_owned())),
                auth_mechanisms: vec![mechanism],
                ..SmtpOptions::default()
            })
            .await
            .unwrap();
            let channel = EmailChannel::new(with_credentials(with_tls(&server, mode), PASSWORD)).unwrap();
            for _ in 0..3 {
                check_delivered(&attempt(&channel, "ada@example.com").await);
            }
            let mails = server.mails();
            assert!(mails.iter().all(|mail| mail.tls && mail.username.as_deref() == Some("postrider")));
            assert_eq!(server.connections_made(), 1);
        }
    }
}

#[tokio::test]
async fn what_is_ours_to_mend_is_misconfigured_and_says_what_to_do() {
    let plain = server(Tls::None, true).await;
    let wrong = EmailChannel::new(with_credentials(settings(&plain), "wrong password")).unwrap();
    let answer = attempt(&wrong, "ada@example.com").await;
    check(&answer, "misconfigured", Reason::Auth);
    let text = &answer.failure().unwrap().answer;
    assert!(text.contains("email.password_file") && !text.contains("wrong password"), "{text}");
    let missing = EmailChannel::new(settings(&plain)).unwrap();
    check(&attempt(&missing, "ada@example.com").await, "misconfigured", Reason::Auth);

    let none = SmtpServer::start().await.unwrap();
    let unwanted = EmailChannel::new(with_credentials(settings(&none), PASSWORD)).unwrap();
    check(&attempt(&unwanted, "ada@example.com").await, "misconfigured", Reason::Auth);
    let secured = server(Tls::Starttls, false).await;
    let no_starttls = EmailSettings { port: none.port(), ..with_tls(&secured, TlsMode::Starttls) };
    let answer = attempt(&EmailChannel::new(no_starttls).unwrap(), "ada@example.com").await;
    check(&answer, "misconfigured", Reason::Tls);
    assert!(answer.failure().unwrap().answer.contains("does not offer STARTTLS"));
    let not_tls = EmailSettings { port: none.port(), ..with_tls(&secured, TlsMode::Implicit) };
    check(&attempt(&EmailChannel::new(not_tls).unwrap(), "ada@example.com").await, "misconfigured", Reason::Tls);

    for (mode, tls) in [(TlsMode::Starttls, Tls::Starttls), (TlsMode::Implicit, Tls::Implicit)] {
        let options = SmtpOptions { tls, certificate: CertificateName::Wrong, ..SmtpOptions::default() };
        let other = SmtpServer::start_with(options).await.unwrap();
        let answer = attempt(&EmailChannel::new(with_tls(&other, mode)).unwrap(), "ada@example.com").await;
        check(&answer, "misconfigured", Reason::Tls);
        assert!(answer.failure().unwrap().answer.contains("email.host"), "{answer:?}");
        let untrusted = EmailSettings { ca_file: Some(secured.ca_file()), ..with_tls(&other, mode) };
        check(&attempt(&EmailChannel::new(untrusted).unwrap(), "ada@example.com").await, "misconfigured", Reason::Tls);
    }
}

#[tokio::test]
async fn a_relay_that_quotes_the_password_is_not_quoted() {
    let server = server(Tls::None, true).await;
    let token = "AHBvc3RyaWRlcgBjb3JyZWN0IGhvcnNlIGJhdHRlcnk=";
    server.on(Stage::Auth).act(Act::Reply(format!("535 5.7.8 Bad command: AUTH PLAIN {token} ({PASSWORD})")));
    let channel = EmailChannel::new(with_credentials(settings(&server), PASSWORD)).unwrap();
    let answer = attempt(&channel, "ada@example.com").await;
    check(&answer, "misconfigured", Reason::Auth);
    let text = &answer.failure().unwrap().answer;
    assert!(text.contains("AUTH PLAIN *** (***)"), "{text}");
}

/// Bytes smuggled in before the handshake must not be read as if they had come through it.
#[tokio::test]
async fn nothing_said_before_the_handshake_survives_it() {
    let server = server(Tls::Starttls, false).await;
    server.on(Stage::Starttls).act(Act::AndThen(b"250 injected\r\n".to_vec()));
    let channel = EmailChannel::new(with_tls(&server, TlsMode::Starttls)).unwrap();
    check(&attempt(&channel, "ada@example.com").await, "transient", Reason::Protocol);
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
