//! One connection's conversation, from the server's side. Answers to pipelined commands leave in one write.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use super::{
    Shared, Tls,
    bytes::{decode_base64, find, last_line, path, unstuff},
    mail::Mail,
    script::{Act, Stage},
};

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// What one connection remembers.
pub(super) struct Session {
    shared: Arc<Shared>,
    socket: Box<dyn Socket>,
    number: u64,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    tls: bool,
    username: Option<String>,
    sender: Option<String>,
    recipients: Vec<String>,
}

/// Whether the conversation goes on.
enum Next {
    GoOn,
    StartTls,
    Close,
}

/// Counts the connection out however it ends.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Session {
    pub(super) async fn serve(stream: TcpStream, number: u64, shared: Arc<Shared>) {
        let open = shared.connections_open.fetch_add(1, Ordering::AcqRel) + 1;
        let _open = Open(Arc::clone(&shared));
        // A connection that breaks is what many tests are about; the mails tell what matters.
        drop::<io::Result<()>>(Self::talk(stream, number, shared, open).await);
    }

    async fn talk(stream: TcpStream, number: u64, shared: Arc<Shared>, open: usize) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let is_implicit = shared.options.tls == Tls::Implicit;
        let mut session = Self {
            socket: Box::new(stream),
            number,
            incoming: Vec::with_capacity(16 * 1024),
            outgoing: Vec::with_capacity(1024),
            tls: false,
            username: None,
            sender: None,
            recipients: Vec::new(),
            shared,
        };
        if is_implicit {
            session = session.secure().await?;
        }
        if open > session.shared.options.connections_max {
            session.outgoing.extend_from_slice(b"421 4.7.0 Too many connections\r\n");
            return session.flush().await;
        }
        let greeting = session.answer(Stage::Greeting, "220 localhost ESMTP test").await?;
        if matches!(greeting, Next::Close) {
            return session.flush().await;
        }
        loop {
            let Some(line) = session.line().await? else { return Ok(()) };
            match session.command(&line).await? {
                Next::GoOn => {}
                Next::Close => return session.flush().await,
                Next::StartTls => session = session.secure().await?,
            }
        }
    }

    async fn secure(mut self) -> io::Result<Self> {
        self.flush().await?;
        let acceptor = self.shared.certificate.as_ref().expect("TLS has a certificate").acceptor().clone();
        let socket = Box::new(acceptor.accept(self.socket).await?);
        Ok(Self { socket, tls: true, username: None, sender: None, recipients: Vec::new(), ..self })
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.outgoing.is_empty() {
            self.socket.write_all(&self.outgoing).await?;
            self.socket.flush().await?;
            self.outgoing.clear();
        }
        Ok(())
    }

    /// Reads more; what is owed is written first. `false` at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.flush().await?;
        self.incoming.reserve(16 * 1024);
        Ok(self.socket.read_buf(&mut self.incoming).await? > 0)
    }

    async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.incoming.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&self.incoming[..end]).trim_end().to_owned();
                self.incoming.drain(..=end);
                return Ok(Some(line));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" => {
                self.reset();
                let hello = self.hello();
                self.answer(Stage::Ehlo, &hello).await
            }
            "STARTTLS" if self.shared.options.tls == Tls::Starttls && !self.tls => {
                match self.answer(Stage::Starttls, "220 2.0.0 Ready to start TLS").await? {
                    Next::GoOn if self.outgoing.starts_with(b"220") => Ok(Next::StartTls),
                    next => Ok(next),
                }
            }
            "AUTH" => self.auth(line).await,
            "MAIL" => self.mail(line).await,
            "RCPT" => self.rcpt(line).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.reset();
                self.answer(Stage::Rset, "250 2.0.0 Ok").await
            }
            "NOOP" => Ok(self.say("250 2.0.0 Ok")),
            "QUIT" => {
                self.say("221 2.0.0 Bye");
                Ok(Next::Close)
            }
            _ => Ok(self.say("502 5.5.2 Command not recognized")),
        }
    }

    fn say(&mut self, text: &str) -> Next {
        self.outgoing.extend_from_slice(text.as_bytes());
        self.outgoing.extend_from_slice(b"\r\n");
        Next::GoOn
    }

    fn reset(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    fn hello(&self) -> String {
        let options = &self.shared.options;
        let mut lines = vec!["localhost".to_owned()];
        lines.extend(options.extensions.iter().cloned());
        if options.tls == Tls::Starttls && !self.tls {
            lines.push("STARTTLS".to_owned());
        } else if options.credentials.is_some() {
            lines.push(format!("AUTH {}", options.auth_mechanisms.join(" ")));
        }
        let last = lines.len() - 1;
        let line = |(i, line): (usize, String)| format!("250{}{line}", if i == last { ' ' } else { '-' });
        lines.into_iter().enumerate().map(line).collect::<Vec<_>>().join("\r\n")
    }

    async fn mail(&mut self, line: &str) -> io::Result<Next> {
        if self.shared.options.credentials.is_some() && self.username.is_none() {
            return Ok(self.say("530 5.7.0 Authentication required"));
        }
        if self.sender.is_some() {
            return Ok(self.say("503 5.5.1 Nested MAIL command"));
        }
        let next = self.answer(Stage::Mail, "250 2.1.0 Ok").await?;
        if self.accepted_last() {
            self.sender = Some(path(line));
        }
        Ok(next)
    }

    async fn rcpt(&mut self, line: &str) -> io::Result<Next> {
        if self.sender.is_none() {
            return Ok(self.say("503 5.5.1 Need MAIL command"));
        }
        self.recipients.push(path(line));
        let next = self.answer(Stage::Rcpt, "250 2.1.5 Ok").await?;
        if !self.accepted_last() {
            self.recipients.pop();
        }
        Ok(next)
    }

    async fn data(&mut self) -> io::Result<Next> {
        if self.recipients.is_empty() {
            return Ok(self.say("503 5.5.1 Need RCPT command"));
        }
        match self.answer(Stage::Data, "354 End data with <CR><LF>.<CR><LF>").await? {
            Next::GoOn if last_line(&self.outgoing).is_none_or(|line| line.starts_with(b"354")) => {}
            next => return Ok(next),
        }
        match self.shared.script.act(Stage::Body, self.number, &self.recipients) {
            Some(Act::Hang) => {
                self.flush().await?;
                std::future::pending::<()>().await;
            }
            Some(Act::Close | Act::StoreAndClose) => return Ok(Next::Close),
            Some(Act::ReplyAndClose(text)) => {
                self.flush().await?;
                self.say(&text);
                return Ok(Next::Close);
            }
            Some(_) | None => {}
        }
        let Some(data) = self.message().await? else { return Ok(Next::Close) };
        self.dot(data).await
    }

    /// The message with its dots removed; `None` if the connection ended before the final dot.
    async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            let found = if self.incoming.starts_with(b".\r\n") {
                Some((0, 3))
            } else {
                find(&self.incoming, searched, b"\r\n.\r\n").map(|at| (at + 2, at + 5))
            };
            if let Some((end, next)) = found {
                let data = unstuff(&self.incoming[..end]);
                self.incoming.drain(..next);
                return Ok(Some(data));
            }
            searched = self.incoming.len().saturating_sub(4);
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    async fn dot(&mut self, data: Vec<u8>) -> io::Result<Next> {
        let received_at = Instant::now();
        if self.shared.options.delay_per_mail > Duration::ZERO {
            sleep(self.shared.options.delay_per_mail).await;
        }
        let mut mail = Mail {
            sender: self.sender.take().unwrap_or_default(),
            recipients: std::mem::take(&mut self.recipients),
            size: data.len(),
            message_id: Mail::find_message_id(&data),
            data: if self.shared.options.keep_data { data } else { Vec::new() },
            connection: self.number,
            tls: self.tls,
            username: self.username.clone(),
            answered: true,
            received_at,
        };
        match self.shared.script.act(Stage::Dot, self.number, &mail.recipients) {
            Some(Act::Reply(text)) if !text.starts_with('2') => Ok(self.say(&text)),
            Some(Act::StoreAndClose) => {
                mail.answered = false;
                self.shared.mails.push(mail);
                Ok(Next::Close)
            }
            Some(act @ (Act::Close | Act::Hang | Act::Raw(_) | Act::ReplyAndClose(_))) => {
                self.perform(act, "250 2.0.0 Ok: queued").await
            }
            Some(act) => {
                self.shared.mails.push(mail);
                self.perform(act, "250 2.0.0 Ok: queued").await
            }
            None => {
                self.shared.mails.push(mail);
                Ok(self.say("250 2.0.0 Ok: queued"))
            }
        }
    }

    async fn auth(&mut self, line: &str) -> io::Result<Next> {
        let mut words = line.split(' ').skip(1);
        let mechanism = words.next().unwrap_or_default().to_ascii_uppercase();
        let given = match mechanism.as_str() {
            "PLAIN" => {
                let token = match words.next() {
                    Some(token) => token.to_owned(),
                    None => self.ask("334 ").await?,
                };
                let decoded = decode_base64(&token);
                let mut parts = decoded.split('\0').skip(1).map(str::to_owned);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            "LOGIN" => {
                let username = decode_base64(&self.ask("334 VXNlcm5hbWU6").await?);
                (username, decode_base64(&self.ask("334 UGFzc3dvcmQ6").await?))
            }
            _ => return Ok(self.say("504 5.7.4 Unrecognized authentication type")),
        };
        if self.shared.options.credentials.as_ref() != Some(&given) {
            return Ok(self.say("535 5.7.8 Authentication credentials invalid"));
        }
        let next = self.answer(Stage::Auth, "235 2.7.0 Authentication successful").await?;
        if self.accepted_last() {
            self.username = Some(given.0);
        }
        Ok(next)
    }

    async fn ask(&mut self, prompt: &str) -> io::Result<String> {
        self.say(prompt);
        self.line().await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    async fn answer(&mut self, stage: Stage, usual: &str) -> io::Result<Next> {
        match self.shared.script.act(stage, self.number, &self.recipients) {
            Some(act) => self.perform(act, usual).await,
            None => Ok(self.say(usual)),
        }
    }

    async fn perform(&mut self, act: Act, usual: &str) -> io::Result<Next> {
        match act {
            Act::Reply(text) => Ok(self.say(&text)),
            Act::ReplyAndClose(text) => {
                self.say(&text);
                Ok(Next::Close)
            }
            Act::Delay(delay) => {
                self.flush().await?;
                sleep(delay).await;
                Ok(self.say(usual))
            }
            Act::Hang => {
                self.flush().await?;
                std::future::pending().await
            }
            Act::Drip(pause) => {
                self.flush().await?;
                for byte in format!("{usual}\r\n").bytes() {
                    self.socket.write_all(&[byte]).await?;
                    self.socket.flush().await?;
                    sleep(pause).await;
                }
                Ok(Next::GoOn)
            }
            Act::Close | Act::StoreAndClose => {
                self.outgoing.clear();
                Ok(Next::Close)
            }
            Act::Raw(bytes) => {
                self.outgoing.extend_from_slice(&bytes);
                Ok(Next::GoOn)
            }
            Act::AndThen(bytes) => {
                self.say(usual);
                self.outgoing.extend_from_slice(&bytes);
                Ok(Next::GoOn)
            }
            Act::AndLater(pause, bytes) => {
                self.say(usual);
                self.flush().await?;
                sleep(pause).await;
                self.outgoing.extend_from_slice(&bytes);
                Ok(Next::Close)
            }
            Act::AnswerAndClose => {
                self.say(usual);
                Ok(Next::Close)
            }
        }
    }

    /// Whether the last answer that was put out, and not yet written, was a 2xx; a dripped one was written and was
    /// the usual one.
    fn accepted_last(&self) -> bool {
        last_line(&self.outgoing).is_none_or(|line| line.starts_with(b"2"))
    }
}
