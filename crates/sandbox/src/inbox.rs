//! The bounded store of everything that was caught.

pub(crate) mod mail;
pub(crate) mod summary;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::watch;

use self::summary::Summary;

/// Where the inbox gets the time of day, in milliseconds since the Unix epoch; handed in, so that tests can stop it.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How much is kept; beyond either the oldest message goes.
#[derive(Debug, Clone, Copy)]
pub struct InboxLimits {
    /// Messages.
    pub messages_max: usize,
    /// Bytes of raw messages.
    pub bytes_max: usize,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self { messages_max: 1_000, bytes_max: 256 * 1024 * 1024 }
    }
}

/// What one SMTP transaction brought.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The envelope's sender; empty for bounces.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Header and body as received, dots unstuffed.
    pub raw: Bytes,
}

/// What one Slack request brought.
#[derive(Debug, Clone)]
pub struct Slack {
    /// The webhook's name, or the channel of `chat.postMessage`.
    pub destination: String,
    /// `webhook` or `chat.postMessage`.
    pub method: &'static str,
    /// The payload as received, JSON.
    pub raw: Bytes,
}

/// What came.
#[derive(Debug, Clone)]
pub enum Body {
    /// A mail.
    Mail(Mail),
    /// A Slack message.
    Slack(Slack),
}

/// One caught message.
#[derive(Debug)]
pub struct Message {
    /// Counts up from 1 in order of arrival; never used again, not even after a clear.
    pub id: u64,
    /// When it was complete, in milliseconds since the Unix epoch.
    pub received_at: i64,
    /// What came.
    pub body: Body,
    summary: OnceLock<Summary>,
}

/// The inbox in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InboxCounts {
    /// Mails since the start.
    pub mails: u64,
    /// Slack messages since the start.
    pub slack: u64,
    /// Of both, how many made room for newer ones.
    pub dropped: u64,
    /// Kept now.
    pub kept: usize,
    /// The id of the oldest that may be kept; all below are gone.
    pub first_id: u64,
    /// The id of the newest; 0 if none ever came.
    pub last_id: u64,
}

/// The store, shared by the servers that fill it and the page that shows it. Cheap to clone.
#[derive(Clone)]
pub struct Inbox {
    shared: Arc<Shared>,
}

struct Shared {
    limits: InboxLimits,
    clock: Clock,
    started_at: i64,
    store: Mutex<Store>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Store {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    mails: u64,
    slack: u64,
    dropped: u64,
    last_id: u64,
}

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub fn new(limits: InboxLimits, clock: Clock) -> Self {
        let started_at = clock();
        let (changes, _) = watch::channel(0);
        Self { shared: Arc::new(Shared { limits, clock, started_at, store: Mutex::default(), changes }) }
    }

    /// Keeps a mail; its id.
    pub fn keep_mail(&self, mail: Mail) -> u64 {
        self.keep(Body::Mail(mail))
    }

    /// Keeps a Slack message; its id.
    pub fn keep_slack(&self, slack: Slack) -> u64 {
        self.keep(Body::Slack(slack))
    }

    /// The message of that id, if it is still kept.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<Message>> {
        let store = self.store();
        // Ids are consecutive within the store: they count up, and only a prefix is ever removed.
        let first = store.messages.front()?.id;
        store.messages.get(usize::try_from(id.checked_sub(first)?).ok()?).cloned()
    }

    /// What is kept with an id above `after`, oldest first, and the counts that go with it.
    #[must_use]
    pub fn since(&self, after: u64) -> (Vec<Arc<Message>>, InboxCounts) {
        let store = self.store();
        let newer = store.messages.partition_point(|message| message.id <= after);
        (store.messages.range(newer..).cloned().collect(), store.counts())
    }

    /// The inbox in numbers.
    #[must_use]
    pub fn counts(&self) -> InboxCounts {
        self.store().counts()
    }

    /// Forgets all messages; ids go on.
    pub fn clear(&self) {
        {
            let mut store = self.store();
            store.messages.clear();
            store.bytes = 0;
        }
        self.changed();
    }

    /// When this inbox was made; tells two runs apart.
    pub(crate) fn started_at(&self) -> i64 {
        self.shared.started_at
    }

    /// Ticks after every change; changes in between fall together.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// The time of day.
    pub(crate) fn now(&self) -> i64 {
        (self.shared.clock)()
    }

    fn keep(&self, body: Body) -> u64 {
        let received_at = self.now();
        let id = self.store().keep(body, received_at, self.shared.limits);
        self.changed();
        id
    }

    fn changed(&self) {
        self.shared.changes.send_modify(|change| *change += 1);
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // The store is consistent between any two statements that can panic, so a poisoned lock is as good as new.
        self.shared.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Message {
    /// Bytes of the raw message.
    #[must_use]
    pub fn size(&self) -> usize {
        self.raw().len()
    }

    /// The message as received.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        match &self.body {
            Body::Mail(mail) => &mail.raw,
            Body::Slack(slack) => &slack.raw,
        }
    }

    /// Its line in the list; worked out once, and only when somebody looks.
    pub(crate) fn summary(&self) -> &Summary {
        self.summary.get_or_init(|| Summary::of(self))
    }
}

impl Store {
    fn keep(&mut self, body: Body, received_at: i64, limits: InboxLimits) -> u64 {
        match &body {
            Body::Mail(_) => self.mails += 1,
            Body::Slack(_) => self.slack += 1,
        }
        self.last_id += 1;
        let message = Message { id: self.last_id, received_at, body, summary: OnceLock::new() };
        self.bytes += message.size();
        self.messages.push_back(Arc::new(message));
        while self.messages.len() > limits.messages_max || self.bytes > limits.bytes_max {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.size();
            self.dropped += 1;
        }
        self.last_id
    }

    fn counts(&self) -> InboxCounts {
        InboxCounts {
            mails: self.mails,
            slack: self.slack,
            dropped: self.dropped,
            kept: self.messages.len(),
            first_id: self.messages.front().map_or(self.last_id + 1, |message| message.id),
            last_id: self.last_id,
        }
    }
}

#[cfg(test)]
mod tests;
