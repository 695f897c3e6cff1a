//! A scripted SMTP server: takes every mail, fast, and records exactly what it accepted; rules make it misbehave
//! at any stage, for any recipient, on any connection.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use std::time::Duration;
//! use postrider_testkit::smtp::{Act, SmtpServer, Stage};
//!
//! let server = SmtpServer::start().await?;
//! server.on(Stage::Rcpt).recipient("bob@example.com").times(1).act(Act::reply("450 4.2.0 Greylisted"));
//! // … point the channel at server.address() …
//! let mails = server.wait_for(2, Duration::from_secs(5)).await?;
//! assert_eq!(mails[0].recipients, ["ada@example.com"]);
//! # Ok(())
//! # }
//! ```

mod bytes;
mod mail;
mod script;
mod session;
mod tls;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};

pub use self::{
    mail::Mail,
    script::{Act, RuleBuilder, Stage},
    tls::CertificateName,
};
use self::{mail::Mails, script::Script, session::Session, tls::Certificate};

/// Whether and how the server speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// Never.
    #[default]
    None,
    /// Offers STARTTLS; AUTH only after it.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// What a server is like from the start.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// TLS mode.
    pub tls: Tls,
    /// The name its certificate is for.
    pub certificate: CertificateName,
    /// Offers AUTH PLAIN and LOGIN and demands these.
    pub credentials: Option<(String, String)>,
    /// AUTH mechanisms to offer.
    pub auth_mechanisms: Vec<&'static str>,
    /// Connections beyond these are greeted with 421.
    pub connections_max: usize,
    /// Extensions in the answer to EHLO, one a line.
    pub extensions: Vec<String>,
    /// Waits this long before it answers the final dot.
    pub delay_per_mail: Duration,
    /// Keeps the mails' bytes; off for runs of many thousands that only count.
    pub keep_data: bool,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self {
            tls: Tls::None,
            certificate: CertificateName::Localhost,
            credentials: None,
            auth_mechanisms: vec!["PLAIN", "LOGIN"],
            connections_max: usize::MAX,
            extensions: ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 52428800", "ENHANCEDSTATUSCODES"]
                .map(str::to_owned)
                .to_vec(),
            delay_per_mail: Duration::ZERO,
            keep_data: true,
        }
    }
}

/// What all connections share.
struct Shared {
    options: SmtpOptions,
    script: Script,
    mails: Mails,
    certificate: Option<Certificate>,
    connections_made: AtomicU64,
    connections_open: AtomicUsize,
}

/// A running server. Dropping it closes everything.
pub struct SmtpServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl SmtpServer {
    /// A plain catch-all server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// The port cannot be bound.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(SmtpOptions::default()).await
    }

    /// A server with options.
    ///
    /// # Errors
    /// The port cannot be bound, or no certificate can be made.
    pub async fn start_with(options: SmtpOptions) -> anyhow::Result<Self> {
        Self::start_on("127.0.0.1:0".parse()?, options).await
    }

    /// A server on a given address, for one that comes back after it was gone.
    ///
    /// # Errors
    /// The port cannot be bound, or no certificate can be made.
    pub async fn start_on(address: SocketAddr, options: SmtpOptions) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot bind {address}"))?;
        let address = listener.local_addr()?;
        let certificate = match options.tls {
            Tls::None => None,
            Tls::Starttls | Tls::Implicit => Some(Certificate::new(options.certificate)?),
        };
        let shared = Arc::new(Shared {
            options,
            script: Script::default(),
            mails: Mails::default(),
            certificate,
            connections_made: AtomicU64::new(0),
            connections_open: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The PEM file of the authority that issued its certificate.
    ///
    /// # Panics
    /// If the server speaks no TLS.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.shared.certificate.as_ref().expect("the server was started with TLS").ca_file()
    }

    /// Begins a rule for a stage; the youngest rule that fits acts.
    #[must_use]
    pub fn on(&self, stage: Stage) -> RuleBuilder<'_> {
        self.shared.script.on(stage)
    }

    /// Forgets all rules.
    pub fn behave(&self) {
        self.shared.script.clear();
    }

    /// All mails recorded so far, in the order they were accepted.
    #[must_use]
    pub fn mails(&self) -> Vec<Arc<Mail>> {
        self.shared.mails.all()
    }

    /// How many mails are recorded.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.mails.count()
    }

    /// Connections made since the start.
    #[must_use]
    pub fn connections_made(&self) -> u64 {
        self.shared.connections_made.load(Ordering::Acquire)
    }

    /// Connections open now.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.shared.connections_open.load(Ordering::Acquire)
    }

    /// Waits until at least `count` mails are recorded.
    ///
    /// # Errors
    /// They did not come within `deadline`.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> anyhow::Result<Vec<Arc<Mail>>> {
        let end = Instant::now() + deadline;
        loop {
            let changed = self.shared.mails.changed();
            if self.count() >= count {
                return Ok(self.mails());
            }
            if tokio::time::timeout_at(end, changed).await.is_err() {
                bail!("{} of {count} mails came within {deadline:?}", self.count());
            }
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        while sessions.try_join_next().is_some() {}
        // An accept that fails (the peer is gone already) concerns nobody but that peer.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let number = shared.connections_made.fetch_add(1, Ordering::AcqRel) + 1;
        sessions.spawn(Session::serve(stream, number, Arc::clone(&shared)));
    }
}
