use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::*;
use crate::inbox::{Body, InboxLimits, Mail};

struct Client {
    stream: BufReader<TcpStream>,
}

async fn server(limits: SmtpLimits) -> (CatchAll, Inbox) {
    let inbox = Inbox::new(InboxLimits::default(), Arc::new(|| 0));
    let server = CatchAll::start(SocketAddr::from(([127, 0, 0, 1], 0)), inbox.clone(), limits).await.unwrap();
    (server, inbox)
}

impl Client {
    async fn connect(server: &CatchAll) -> Self {
        let mut client = Self { stream: BufReader::new(TcpStream::connect(server.address()).await.unwrap()) };
        client.expect("220").await;
        client
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next reply, all its lines, which has to begin with `code`.
    #[track_caller]
    fn expect(&mut self, code: &'static str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let mut reply = String::new();
            loop {
                let mut line = Vec::new();
                while !line.ends_with(b"\n") {
                    line.push(
                        self.stream.read_u8().await.unwrap_or_else(|_| panic!("closed, wanted {code}: {caller}")),
                    );
                }
                let line = String::from_utf8(line).unwrap();
                assert!(line.starts_with(code), "{caller} wanted {code}, got {line}");
                reply.push_str(&line);
                if line.as_bytes().get(3) != Some(&b'-') {
                    return reply;
                }
            }
        }
    }

    async fn say(&mut self, line: &str, code: &'static str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.expect(code).await
    }

    async fn begin_data(&mut self) {
        self.say("EHLO test", "250").await;
        self.say("MAIL FROM:<a@example.com>", "250").await;
        self.say("RCPT TO:<b@example.com>", "250").await;
        self.say("DATA", "354").await;
    }

    async fn expect_close(&mut self) {
        assert_eq!(self.stream.read(&mut [0; 8]).await.unwrap(), 0, "still open");
    }
}

fn mails(inbox: &Inbox) -> Vec<Mail> {
    let of = |body: &Body| match body {
        Body::Mail(mail) => mail.clone(),
        Body::Slack(_) => panic!("no Slack here"),
    };
    inbox.since(0).0.iter().map(|message| of(&message.body)).collect()
}

#[tokio::test]
async fn a_conversation_step_by_step() {
    let (server, inbox) = server(SmtpLimits::default()).await;
    let mut client = Client::connect(&server).await;
    client.say("MAIL FROM:<a@example.com>", "503").await;
    let offers = client.say("EHLO test", "250").await;
    for offer in ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 26214400"] {
        assert!(offers.contains(offer), "{offers}");
    }
    client.say("DATA", "503").await;
    client.say("RCPT TO:<b@example.com>", "503").await;
    client.say("MAIL FROM:<a@example.com> SIZE=99999999", "552").await;
    client.say("MAIL FROM:<a@example.com> BODY=8BITMIME SMTPUTF8", "250").await;
    client.say("DATA", "554").await;
    client.say("RCPT TO:<forgotten@example.com>", "250").await;
    client.say("RSET", "250").await;
    client.say("MAIL FROM:<a@example.com>", "250").await;
    client.say("MAIL FROM:<a@example.com>", "503").await;
    client.say("RCPT TO:<jürgen@example.com>", "250").await;
    client.say("RCPT TO:<c@example.com>", "250").await;
    client.say("NOOP", "250").await;
    client.say("DATA", "354").await;
    client.send("Subject: hi\r\n\r\n..one dot\r\n...two dots\r\n.\r\n").await;
    client.expect("250").await;
    client.say("nonsense", "500").await;
    client.say("QUIT", "221").await;
    client.expect_close().await;

    let mails = mails(&inbox);
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].from, "a@example.com");
    assert_eq!(mails[0].to, ["jürgen@example.com", "c@example.com"]);
    assert_eq!(&mails[0].raw[..], b"Subject: hi\r\n\r\n.one dot\r\n..two dots\r\n");
}

#[tokio::test]
async fn pipelined_commands_and_two_mails_in_one_write() {
    let (server, inbox) = server(SmtpLimits::default()).await;
    let mut client = Client::connect(&server).await;
    let mail = "MAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n";
    client.send(format!("EHLO x\r\n{mail}first\r\n.\r\n{mail}second\r\n.\r\nQUIT\r\n")).await;
    for code in ["250", "250", "250", "354", "250", "250", "250", "354", "250", "221"] {
        client.expect(code).await;
    }
    let bodies: Vec<_> = mails(&inbox).into_iter().map(|mail| mail.raw).collect();
    assert_eq!(bodies, ["first\r\n", "second\r\n"]);
}

#[tokio::test]
async fn only_a_dot_between_two_crlf_ends_a_mail() {
    let (server, inbox) = server(SmtpLimits::default()).await;
    let mut client = Client::connect(&server).await;
    client.begin_data().await;
    let smuggled = "a\n.\nMAIL FROM:<evil@example.com>\r.\r\n.\n";
    for byte in format!("{smuggled}\r\n.\r\n").into_bytes() {
        client.send([byte]).await;
    }
    client.expect("250").await;
    client.say("NOOP", "250").await;
    assert_eq!(mails(&inbox)[0].raw, "a\n.\nMAIL FROM:<evil@example.com>\r.\r\n\n\r\n");
}

#[tokio::test]
async fn an_oversize_mail_is_refused_and_the_next_one_is_taken() {
    let limits = SmtpLimits { message_bytes_max: 100_000, ..SmtpLimits::default() };
    let (server, inbox) = server(limits).await;
    let mut client = Client::connect(&server).await;
    for body in ["x\r\n".repeat(50_000), "x".repeat(300_000)] {
        client.begin_data().await;
        client.send(format!("{body}\r\n.\r\n")).await;
        client.expect("552").await;
    }
    client.begin_data().await;
    client.send("small\r\n.\r\n").await;
    client.expect("250").await;
    assert_eq!(mails(&inbox).len(), 1);
}

#[tokio::test]
async fn a_line_longer_than_any_buffer_arrives_whole() {
    let (server, inbox) = server(SmtpLimits::default()).await;
    let mut client = Client::connect(&server).await;
    client.begin_data().await;
    let line = format!("{}.\r.\n", "x.".repeat(200_000));
    client.send(format!("..{line}\r\n.\r\n")).await;
    client.expect("250").await;
    let expected = format!(".{line}\r\n");
    assert!(mails(&inbox)[0].raw == expected, "{} of {} bytes", mails(&inbox)[0].raw.len(), expected.len());
}

#[tokio::test]
async fn what_is_being_received_is_bounded_over_all_connections() {
    let limits = SmtpLimits { receiving_bytes_max: 100_000, ..SmtpLimits::default() };
    let (server, inbox) = server(limits).await;
    let mut slow = Client::connect(&server).await;
    slow.begin_data().await;
    slow.send("x\r\n".repeat(30_000)).await;
    let mut other = Client::connect(&server).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        other.begin_data().await;
        other.send(format!("{}.\r\n", "y\r\n".repeat(10_000))).await;
        let reply = other.expect("").await;
        if reply.starts_with("452") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "never refused: {reply}");
    }
    let before = mails(&inbox).len();
    slow.send(".\r\n").await;
    slow.expect("250").await;
    other.begin_data().await;
    other.send(format!("{}.\r\n", "y\r\n".repeat(10_000))).await;
    other.expect("250").await;
    assert_eq!(mails(&inbox).len(), before + 2);
}

#[tokio::test]
async fn slow_clients_are_cut_even_if_they_drip() {
    let short = Duration::from_millis(200);
    let limits = SmtpLimits { command_timeout: short, data_timeout: short, ..SmtpLimits::default() };
    let (server, inbox) = server(limits).await;
    let mut silent = Client::connect(&server).await;
    silent.expect("421").await;
    silent.expect_close().await;

    let mut dripping = Client::connect(&server).await;
    dripping.begin_data().await;
    let cut = async {
        while dripping.stream.write_all(b"x\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), cut).await.expect("a dripping client is cut");
    assert_eq!(inbox.counts().mails, 0);
}

#[tokio::test]
async fn one_connection_too_many_is_turned_away() {
    let (server, _inbox) = server(SmtpLimits { connections_max: 1, ..SmtpLimits::default() }).await;
    let mut first = Client::connect(&server).await;
    let mut second = Client { stream: BufReader::new(TcpStream::connect(server.address()).await.unwrap()) };
    second.expect("421").await;
    first.say("QUIT", "221").await;
    first.expect_close().await;
}

#[tokio::test]
async fn endless_lines_and_endless_mistakes_end_the_conversation() {
    let (server, _inbox) = server(SmtpLimits::default()).await;
    let mut client = Client::connect(&server).await;
    client.send("x".repeat(5_000)).await;
    client.expect("500").await;
    let mut client = Client::connect(&server).await;
    for _ in 0..50 {
        client.say("nonsense", "500").await;
    }
    client.expect("421").await;
    client.expect_close().await;
}

#[tokio::test]
async fn only_loopback_is_listened_on() {
    let inbox = Inbox::new(InboxLimits::default(), Arc::new(|| 0));
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = CatchAll::start(everywhere, inbox, SmtpLimits::default()).await.unwrap_err();
    assert!(error.to_string().contains("use 127.0.0.1"), "{error}");
}
