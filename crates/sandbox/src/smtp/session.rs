//! One client's conversation.

use std::sync::Arc;

use tokio::{net::TcpStream, time::timeout};

use super::{
    Receiving, SmtpLimits,
    command::{self, Command},
    wire::{Data, Gone, Wire},
};
use crate::inbox::{Inbox, Mail};

/// Mistakes after which a client is shown the door.
const MISTAKES_MAX: u32 = 50;

pub(super) struct Session {
    wire: Wire,
    inbox: Inbox,
    limits: SmtpLimits,
    receiving: Arc<Receiving>,
    greeted: bool,
    /// The sender and the recipients so far, from MAIL on.
    envelope: Option<(String, Vec<String>)>,
    mistakes: u32,
}

/// Whether the conversation goes on.
enum Next {
    Listen,
    ReceiveData,
    HangUp,
}

impl Session {
    pub(super) fn new(stream: TcpStream, inbox: Inbox, limits: SmtpLimits, receiving: Arc<Receiving>) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "a mail connection of the sandbox stays without TCP_NODELAY");
        }
        Self { wire: Wire::new(stream), inbox, limits, receiving, greeted: false, envelope: None, mistakes: 0 }
    }

    /// Talks until one of both hangs up.
    pub(super) async fn run(mut self) {
        match self.converse().await {
            Ok(()) | Err(Gone::Closed) => return,
            Err(Gone::LineTooLong) => self.wire.reply("500 5.5.6 line too long, good bye"),
        }
        self.last_words().await;
    }

    async fn converse(&mut self) -> Result<(), Gone> {
        self.wire.reply("220 localhost ESMTP Postrider sandbox, everything is welcome");
        loop {
            let Ok(line) = timeout(self.limits.command_timeout, self.wire.line()).await else {
                self.wire.reply("421 4.4.2 you took too long, good bye");
                self.last_words().await;
                return Ok(());
            };
            match self.answer(&line?) {
                Next::Listen => {}
                Next::ReceiveData => {
                    let Ok(done) = timeout(self.limits.data_timeout, self.receive()).await else {
                        self.wire.reply("421 4.4.2 the message took too long, good bye");
                        self.last_words().await;
                        return Ok(());
                    };
                    done?;
                }
                Next::HangUp => {
                    self.last_words().await;
                    return Ok(());
                }
            }
        }
    }

    fn answer(&mut self, line: &[u8]) -> Next {
        match command::parse(line) {
            Err(refusal) => self.refuse(refusal),
            Ok(Command::Ehlo) => self.greet(true),
            Ok(Command::Helo) => self.greet(false),
            Ok(Command::Mail { from, size }) => self.mail(from, size),
            Ok(Command::Rcpt { to }) => self.rcpt(to),
            Ok(Command::Data) => match &self.envelope {
                Some((_, recipients)) if !recipients.is_empty() => Next::ReceiveData,
                Some(_) => self.refuse("554 5.5.1 no recipient was accepted"),
                None => self.refuse("503 5.5.1 MAIL first"),
            },
            Ok(Command::Rset) => {
                self.envelope = None;
                self.say("250 2.0.0 forgotten")
            }
            Ok(Command::Noop) => self.say("250 2.0.0 nothing done"),
            Ok(Command::Vrfy) => self.say("252 2.1.5 everybody lives here"),
            Ok(Command::Help) => self.say("214 2.0.0 EHLO MAIL RCPT DATA RSET NOOP QUIT"),
            Ok(Command::Quit) => {
                self.wire.reply("221 2.0.0 good bye");
                Next::HangUp
            }
        }
    }

    fn greet(&mut self, extended: bool) -> Next {
        self.greeted = true;
        self.envelope = None;
        if !extended {
            return self.say("250 localhost");
        }
        let size = self.limits.message_bytes_max;
        self.say(&format!(
            "250-localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE {size}"
        ))
    }

    fn mail(&mut self, from: String, size: Option<usize>) -> Next {
        if !self.greeted {
            return self.refuse("503 5.5.1 EHLO first");
        }
        if self.envelope.is_some() {
            return self.refuse("503 5.5.1 one mail after the other: RSET, or finish this one");
        }
        if size.is_some_and(|size| size > self.limits.message_bytes_max) {
            return self.refuse("552 5.3.4 larger than this sandbox takes");
        }
        self.envelope = Some((from, Vec::new()));
        self.say("250 2.1.0 sender welcome")
    }

    fn rcpt(&mut self, to: String) -> Next {
        let recipients_max = self.limits.recipients_max;
        match &mut self.envelope {
            None => self.refuse("503 5.5.1 MAIL first"),
            Some((_, recipients)) if recipients.len() >= recipients_max => self.refuse("452 4.5.3 too many recipients"),
            Some((_, recipients)) => {
                recipients.push(to);
                self.say("250 2.1.5 recipient welcome")
            }
        }
    }

    async fn receive(&mut self) -> Result<(), Gone> {
        self.wire.reply("354 the message, please; end with a dot on a line of its own");
        self.wire.flush().await?;
        let data = self.wire.data(self.limits.message_bytes_max, &self.receiving).await?;
        let (from, to) = self.envelope.take().unwrap_or_default();
        match data {
            Data::Complete(raw) => {
                let id = self.inbox.keep_mail(Mail { from, to, raw });
                self.wire.reply(&format!("250 2.0.0 kept as {id}"));
            }
            Data::TooLarge => self.wire.reply("552 5.3.4 larger than this sandbox takes"),
            Data::NoRoom => self.wire.reply("452 4.3.1 too much at once, come again later"),
        }
        Ok(())
    }

    fn say(&mut self, reply: &str) -> Next {
        self.wire.reply(reply);
        Next::Listen
    }

    fn refuse(&mut self, reply: &str) -> Next {
        self.wire.reply(reply);
        self.mistakes += 1;
        if self.mistakes < MISTAKES_MAX {
            return Next::Listen;
        }
        self.wire.reply("421 4.7.0 too many mistakes, good bye");
        Next::HangUp
    }

    /// Sends what is queued before hanging up, but not for longer than a client may think about a command.
    async fn last_words(&mut self) {
        if !matches!(timeout(self.limits.command_timeout, self.wire.flush()).await, Ok(Ok(()))) {
            tracing::debug!("a mail client of the sandbox was gone before our last words");
        }
    }
}
