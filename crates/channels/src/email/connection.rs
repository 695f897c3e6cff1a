//! A connection that was greeted, secured and authenticated, ready for one transaction after the other.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    dialogue::DialogueLine,
    fault::{FaultKind, Stage},
    reply::Reply,
    wire::{Wire, within},
};

/// How long a person who reads along waits for the relay's goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// What the relay offered in its answer to EHLO; nothing else is used.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Offers {
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// RFC 6531.
    pub(super) smtputf8: bool,
    /// RFC 6152.
    pub(super) eight_bit: bool,
    /// RFC 3207.
    pub(super) starttls: bool,
    /// RFC 1870: offered, and the limit in bytes if it named one.
    pub(super) size: Option<Option<usize>>,
    /// AUTH mechanisms, upper-cased.
    pub(super) auth: Vec<String>,
}

impl Offers {
    pub(super) fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next().unwrap_or_default() {
                "PIPELINING" => offers.pipelining = true,
                "SMTPUTF8" => offers.smtputf8 = true,
                "8BITMIME" => offers.eight_bit = true,
                "STARTTLS" => offers.starttls = true,
                "SIZE" => offers.size = Some(words.next().and_then(|size| size.parse().ok()).filter(|size| *size > 0)),
                "AUTH" => offers.auth.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        offers
    }
}

/// One connection. Whoever holds it owns it: dropping it at any point closes the socket, so a cancelled
/// attempt leaves nothing behind that another could read.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) offers: Offers,
    /// A refused transaction is still open on the relay's side: RSET comes first.
    pub(super) needs_reset: bool,
    messages: u32,
    idle_since: Instant,
}

impl Connection {
    pub(super) fn new(wire: Wire, offers: Offers) -> Self {
        Self { wire, offers, needs_reset: false, messages: 0, idle_since: Instant::now() }
    }

    /// Counts a message that was handed over.
    pub(super) fn count_message(&mut self) {
        self.messages += 1;
    }

    /// Whether it has carried its share.
    pub(super) fn is_spent(&self, messages_max: u32) -> bool {
        self.messages >= messages_max
    }

    /// It goes to rest now.
    pub(super) fn rest(&mut self) {
        self.idle_since = Instant::now();
    }

    /// How long it has been resting.
    pub(super) fn idle(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// Writes QUIT without waiting, and closes.
    pub(super) fn close(self) {
        self.wire.say_quit_and_close();
    }

    /// Says QUIT and hears the answer, for a dialogue that a person reads.
    pub(super) async fn quit(mut self) {
        self.wire.tell(|| DialogueLine::Sent("QUIT".to_owned()));
        let wire = &mut self.wire;
        let goodbye = async {
            wire.write(b"QUIT\r\n").await?;
            wire.reply().await
        };
        // The mail's fate is known, and somebody waits to read it; a relay that does not say goodbye changes nothing.
        drop::<Result<Reply, _>>(within(Stage::Mail, GOODBYE, goodbye).await);
    }

    /// Writes one command line (without its line end) and reads its reply.
    pub(super) async fn command(wire: &mut Wire, line: &str) -> Result<Reply, FaultKind> {
        wire.tell(|| DialogueLine::Sent(line.to_owned()));
        Self::command_unseen(wire, line).await
    }

    /// The same for a line that must not be shown.
    pub(super) async fn command_unseen(wire: &mut Wire, line: &str) -> Result<Reply, FaultKind> {
        wire.expect_nothing_unasked()?;
        wire.write(format!("{line}\r\n").as_bytes()).await?;
        wire.reply().await
    }
}
