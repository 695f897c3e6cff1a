//! The email channel against relays that speak too early or mind being spoken to too early: every byte of the
//! conversation is written here, because the order of bytes is what counts.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report, in its helpers too")]

use std::time::Duration;

use postrider_channels::{
    Channel,
    email::{Deadlines, EmailChannel, EmailSettings, TlsMode},
};
use postrider_domain::{Address, Answer, Permit, Reason};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

mod email_fixture;
use email_fixture::{delivery, delivery_of, mail_to};

struct Relay(BufReader<TcpStream>);

impl Relay {
    async fn accept(listener: &TcpListener) -> Self {
        let mut relay = Self(BufReader::new(listener.accept().await.unwrap().0));
        relay.say("220 relay").await;
        relay
    }

    async fn say(&mut self, line: &str) {
        self.0.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
    }

    /// Hears one command, which must begin so, and answers it.
    async fn hear(&mut self, command: &str, reply: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        assert!(line.starts_with(command), "{line:?} instead of {command}");
        self.say(reply).await;
    }

    async fn up_to_the_message(&mut self) {
        self.hear("EHLO", "250 relay").await;
        self.hear("MAIL", "250 2.1.0 Ok").await;
        self.hear("RCPT", "250 2.1.5 Ok").await;
        self.hear("DATA", "354 Go ahead").await;
    }
}

async fn relay() -> (TcpListener, EmailChannel) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let from = Address { address: "no-reply@example.com".to_owned(), name: None };
    let port = listener.local_addr().unwrap().port();
    let mut settings = EmailSettings::new("127.0.0.1", port, TlsMode::None, from);
    settings.deadlines = Deadlines::all(Duration::from_secs(60));
    (listener, EmailChannel::new(settings).unwrap())
}

/// Sends a mail that is larger than what the kernel holds for a relay that reads one byte, then says `early`, then reads
/// the rest and refuses.
async fn answered_early(early: &str) -> Answer {
    let (listener, channel) = relay().await;
    let mut email = mail_to("ada@example.com");
    email.text = Some(format!("{}\n", "x".repeat(900)).repeat(20_000));
    let large = delivery_of("order-1", "ada@example.com", email);
    let permit = Permit::always();
    let conversation = async {
        let mut relay = Relay::accept(&listener).await;
        relay.up_to_the_message().await;
        relay.0.read_u8().await.unwrap();
        relay.say(early).await;
        let mut line = Vec::new();
        while relay.0.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) && line != b".\r\n" {
            line.clear();
        }
        if line == b".\r\n" {
            relay.say("554 5.7.1 Refused").await;
        }
        relay
    };
    let (answer, _relay) = tokio::join!(channel.attempt(&large, &permit), conversation);
    answer
}

/// Success is what is said after the final dot: a 250 that was there before it is none.
#[tokio::test]
async fn a_250_before_the_final_dot_is_no_success() {
    let answer = answered_early("250 2.0.0 Ok: queued").await;
    assert_eq!(
        (answer.result(), answer.failure().unwrap().reason),
        (Some("transient"), Reason::Protocol),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_refusal_before_the_final_dot_is_heard() {
    let answer = answered_early("552 5.3.4 Message too big").await;
    assert_eq!(
        (answer.result(), answer.failure().unwrap().reason),
        (Some("permanent"), Reason::TooLarge),
        "{answer:?}"
    );
}

/// Without PIPELINING every command waits for its reply (RFC 2920, 3.1); Exim cuts off who does not.
#[tokio::test]
async fn without_pipelining_no_command_is_written_ahead() {
    let (listener, channel) = relay().await;
    let conversation = async {
        let mut relay = Relay::accept(&listener).await;
        relay.hear("EHLO", "250 relay").await;
        relay.hear("MAIL", "250 2.1.0 Ok").await;
        relay.hear("RCPT", "550 5.1.1 No such user").await;
        let mut line = String::new();
        relay.0.read_line(&mut line).await.unwrap();
        assert_eq!((line.as_str(), relay.0.buffer()), ("RSET\r\n", &b""[..]));
        relay.say("250 2.0.0 Ok").await;
        relay.hear("MAIL", "250 2.1.0 Ok").await;
        relay.hear("RCPT", "550 5.1.1 No such user").await;
        relay
    };
    let attempts = async {
        for _ in 0..2 {
            let answer = channel.attempt(&delivery("order-1", "ada@example.com"), &Permit::always()).await;
            assert_eq!(answer.result(), Some("permanent"), "{answer:?}");
        }
    };
    tokio::join!(attempts, conversation);
}
