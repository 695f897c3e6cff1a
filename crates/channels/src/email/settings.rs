//! What the email channel is told, as checked values.

use std::{io, path::PathBuf, time::Duration};

use postrider_domain::{
    Address, Secret,
    address::{AddressProblem, normalise},
};

/// How the connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain greeting, then STARTTLS, which the relay must offer (usually port 587).
    Starttls,
    /// TLS from the first byte (usually port 465).
    Implicit,
    /// No TLS: credentials and mails are readable on the way.
    None,
}

/// What the relay knows us by.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// Where the relay is and how to talk to it.
#[derive(Debug, Clone)]
pub struct EmailSettings {
    /// Name or address; its certificate must be for this name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is secured.
    pub tls: TlsMode,
    /// PEM file with the only authorities to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Without them no AUTH is spoken.
    pub credentials: Option<Credentials>,
    /// The sender of mails that name none.
    pub from: Address,
    /// Connections at once, at least 1: also the destination's capacity.
    pub connections_max: usize,
    /// How long each stage may take.
    pub deadlines: Deadlines,
    /// A kept connection that was idle for this long is closed. Below what relays allow themselves (RFC 5321: five
    /// minutes), so that a connection is rarely found dead; one that is costs a reconnect, no attempt.
    pub idle_max: Duration,
    /// Mails over one connection before it is closed, so that load spreads again over a relay's hosts.
    pub messages_per_connection_max: u32,
}

impl EmailSettings {
    /// Settings with the defaults: 20 connections, idle for at most 30 s, 1,000 mails each.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, tls: TlsMode, from: Address) -> Self {
        Self {
            host: host.into(),
            port,
            tls,
            ca_file: None,
            credentials: None,
            from,
            connections_max: 20,
            deadlines: Deadlines::default(),
            idle_max: Duration::from_secs(30),
            messages_per_connection_max: 1_000,
        }
    }

    /// # Errors
    /// The first thing that cannot work.
    pub(super) fn check(&self) -> Result<(), EmailError> {
        if self.host.is_empty() || self.host.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(EmailError::Host { host: self.host.clone() });
        }
        if self.connections_max == 0 || self.messages_per_connection_max == 0 {
            return Err(EmailError::NoConnections);
        }
        normalise(&self.from.address).map_err(|source| EmailError::From { source })?;
        if self.from.name.as_ref().is_some_and(|name| name.contains(char::is_control)) {
            return Err(EmailError::FromName);
        }
        match &self.credentials {
            Some(credentials)
                if credentials.username.contains('\0') || credentials.password.reveal().contains('\0') =>
            {
                Err(EmailError::Credentials)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// How long each stage may take. RFC 5321 (4.5.3.2) allows five minutes for most of them, thinking of any host on
/// the internet; a relay of one's own answers in milliseconds, and each stage that hangs holds a connection.
/// Up to the body a passed deadline is harmless, the mail is tried again, so those are short. After the
/// final dot it is not: giving up early turns a slow success into a second copy, so that one is long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadlines {
    /// Name resolution and TCP connect; also the wait for a free connection. Default 10 s.
    pub connect: Duration,
    /// The relay's 220. Default 30 s: some wait on purpose to shake off spammers.
    pub greeting: Duration,
    /// EHLO, each time. Default 30 s.
    pub ehlo: Duration,
    /// STARTTLS and the handshake. Default 30 s.
    pub tls: Duration,
    /// The whole AUTH dialogue. Default 30 s.
    pub auth: Duration,
    /// MAIL FROM. Default 30 s.
    pub mail: Duration,
    /// RCPT TO. Default 60 s: relays that verify recipients look them up here.
    pub rcpt: Duration,
    /// DATA, up to the 354. Default 30 s.
    pub data: Duration,
    /// Writing the message. Default 3 min: 25 MiB at a megabit a second.
    pub body: Duration,
    /// The reply to the final dot. Default 5 min: content scanners work here; RFC 5321 would wait 10.
    pub reply: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            greeting: seconds(30),
            ehlo: seconds(30),
            tls: seconds(30),
            auth: seconds(30),
            mail: seconds(30),
            rcpt: seconds(60),
            data: seconds(30),
            body: seconds(180),
            reply: seconds(300),
        }
    }
}

impl Deadlines {
    /// The same short deadline for every stage, for tests and trials.
    #[must_use]
    pub fn all(deadline: Duration) -> Self {
        Self {
            connect: deadline,
            greeting: deadline,
            ehlo: deadline,
            tls: deadline,
            auth: deadline,
            mail: deadline,
            rcpt: deadline,
            data: deadline,
            body: deadline,
            reply: deadline,
        }
    }

    /// All stages together: a wait for a connection, a stale connection first, then a fresh one to the end.
    pub(super) fn attempt(&self) -> Duration {
        let setup = self.connect * 2 + self.greeting + self.ehlo * 2 + self.tls * 2 + self.auth;
        let envelope = (self.mail + self.rcpt) * 2 + self.data;
        setup + envelope + self.body + self.reply
    }
}

/// Why an email channel cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// Not a host.
    #[error("email.host {host:?} is no host name: give the mail relay's name, for example smtp.example.com")]
    Host {
        /// As given.
        host: String,
    },
    /// Nothing could ever be sent.
    #[error("email.connections_max and the mails per connection must be at least 1")]
    NoConnections,
    /// Not an address.
    #[error("email.from is no sender: write Name <local@domain>")]
    From {
        /// What is wrong with the address.
        #[source]
        source: AddressProblem,
    },
    /// A header would break.
    #[error("the name in email.from has a control character")]
    FromName,
    /// AUTH cannot carry them.
    #[error("email.username or the password has a NUL character, which SMTP cannot carry")]
    Credentials,
    /// The file of authorities cannot be used.
    #[error("cannot read certificates from email.ca_file {}: it must be a PEM file", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS to the mail relay: name the authorities to trust in email.ca_file")]
    Tls {
        /// Why.
        #[source]
        source: rustls::Error,
    },
}
