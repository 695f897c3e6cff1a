//! Kept connections: at most `connections_max` at once, the most recently used first, so that the others grow old
//! and are closed when load falls.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    connection::Connection, dialogue::DialogueSink, fault::Fault, session, settings::EmailSettings, tls::Connector,
    transaction::Done,
};

/// The connections to one relay.
pub(super) struct Pool {
    settings: Arc<EmailSettings>,
    connector: Connector,
    slots: Semaphore,
    /// Clean and idle, the longest idle first.
    kept: Mutex<Vec<Connection>>,
    /// The one task that closes what was idle too long; dies with the pool.
    janitor: Mutex<JoinSet<()>>,
}

/// The right to hold one connection.
pub(super) struct Slot<'a> {
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Slot<'_> {
    /// A fresh connection.
    pub(super) async fn connect(&self) -> Result<Connection, Fault> {
        self.pool.connect_apart(None).await
    }
}

impl Pool {
    pub(super) fn new(settings: Arc<EmailSettings>, connector: Connector) -> Arc<Self> {
        Arc::new(Self {
            slots: Semaphore::new(settings.connections_max.min(Semaphore::MAX_PERMITS)),
            settings,
            connector,
            kept: Mutex::default(),
            janitor: Mutex::default(),
        })
    }

    /// Waits for a free slot, at most the connect deadline: the lane does not start more attempts than there are
    /// slots, so a wait means somebody else uses the channel too.
    pub(super) async fn slot(&self) -> Option<Slot<'_>> {
        let permit = timeout(self.settings.deadlines.connect, self.slots.acquire()).await.ok()?.ok()?;
        Some(Slot { pool: self, _permit: permit })
    }

    /// The most recently used connection that is still quiet and not too old.
    pub(super) fn take_kept(&self) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut connection) = kept.pop() {
            if connection.idle() > self.settings.idle_max {
                connection.close();
            } else if connection.wire.look_quiet().is_ok() {
                return Some(connection);
            }
        }
        None
    }

    /// A connection outside the count.
    pub(super) async fn connect_apart(&self, sink: Option<DialogueSink>) -> Result<Connection, Fault> {
        session::open(&self.settings, &self.connector, sink).await
    }

    /// Keeps what a finished transaction leaves undisturbed; closes the rest.
    pub(super) fn keep(self: &Arc<Self>, connection: Connection, done: &Done) {
        match done {
            Done::Accepted { closing: false, .. } => self.keep_clean(connection),
            Done::Accepted { closing: true, .. } | Done::NotPermitted => drop(connection),
        }
    }

    /// Keeps a connection on which nothing unexpected happened.
    pub(super) fn keep_clean(self: &Arc<Self>, mut connection: Connection) {
        if connection.is_spent(self.settings.messages_per_connection_max) {
            connection.close();
            return;
        }
        connection.rest();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        self.wake_janitor();
    }

    fn wake_janitor(self: &Arc<Self>) {
        let mut janitor = self.janitor.lock().unwrap_or_else(PoisonError::into_inner);
        while janitor.try_join_next().is_some() {}
        if janitor.is_empty() {
            janitor.spawn(close_idle(Arc::downgrade(self), self.settings.idle_max));
        }
    }

    /// Closes what was idle too long. `false`: nothing is kept any more.
    fn close_old(&self) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let old = kept.partition_point(|connection| connection.idle() >= self.settings.idle_max);
        kept.drain(..old).for_each(Connection::close);
        !kept.is_empty()
    }
}

/// Ends when there is nothing left to watch; the next kept connection starts it again.
async fn close_idle(pool: Weak<Pool>, idle_max: Duration) {
    let pause = (idle_max / 2).max(Duration::from_millis(10));
    loop {
        sleep(pause).await;
        if !pool.upgrade().is_some_and(|pool| pool.close_old()) {
            return;
        }
    }
}
