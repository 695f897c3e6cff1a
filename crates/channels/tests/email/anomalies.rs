//! Relays that hang, drip, close, talk out of turn or talk nonsense.

use super::*;

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
