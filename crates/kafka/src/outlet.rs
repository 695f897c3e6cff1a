//! The one way of writing: an idempotent producer with acks=all, a thread that serves its reports, and a thread that
//! asks the cluster for its partitions and whether it is there.

mod backend;
mod probe;
mod waiting;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use backend::{Client, produce, refusal};
pub(crate) use backend::{config, create};
use rdkafka::{ClientConfig, error::RDKafkaErrorCode, producer::Producer as _};
use tokio::sync::{mpsc::UnboundedSender, oneshot, watch};
use waiting::{Waiting, WaitingList};

use crate::{
    KafkaError, KafkaSettings,
    client::start_thread,
    writer::{Write, WriteEvent, WriteFailure},
};

/// Reports are served as they come; every so often the thread looks up, for a full queue, a fatal error and its end. Not
/// oftener: rdkafka spins through the last millisecond of each turn, and 20 a second are 2 % of a core in an idle process.
const SERVE_FOR: Duration = Duration::from_millis(250);

pub(crate) struct OutletSettings {
    pub(crate) client_id: String,
    pub(crate) message_max_bytes: usize,
    /// After which an unacknowledged write is given up as `TimedOut`.
    pub(crate) delivery_timeout: Duration,
    pub(crate) linger: Duration,
    /// Requests on their way to one broker, unless the user's properties say; 1 to 5, which is the most an idempotent
    /// producer may have.
    pub(crate) requests_max: u8,
}

/// Who hears the end of a write.
#[derive(Debug)]
pub(crate) enum Reply {
    Event { token: u64, events: UnboundedSender<WriteEvent> },
    Once(oneshot::Sender<Result<(i32, i64), Refusal>>),
}

/// A write that was not acknowledged, with librdkafka's code where there is one.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) failure: WriteFailure,
    pub(crate) code: Option<RDKafkaErrorCode>,
}

impl Reply {
    /// Nobody listening any more is the listener's choice.
    fn answer(self, result: Result<(i32, i64), Refusal>) {
        match self {
            Self::Event { token, events } => {
                drop(events.send(WriteEvent { token, result: result.map_err(|refusal| refusal.failure) }));
            }
            Self::Once(sender) => drop(sender.send(result)),
        }
    }
}

/// See the module. Dropping it flushes nothing: its user has waited for what matters.
#[derive(Debug)]
pub(crate) struct Outlet {
    shared: Arc<Shared>,
    wake: mpsc::Sender<()>,
}

struct Shared {
    config: ClientConfig,
    client: RwLock<Arc<Client>>,
    waiting: Mutex<WaitingList>,
    partitions: Mutex<HashMap<String, Option<i32>>>,
    /// Counts the probes that have ended.
    probes: watch::Sender<u64>,
    answers: AtomicBool,
    stop: AtomicBool,
    delivery_timeout: Duration,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

impl Outlet {
    pub(crate) fn start(kafka: &KafkaSettings, settings: &OutletSettings) -> Result<Self, KafkaError> {
        let config = config(kafka, settings);
        let shared = Arc::new(Shared {
            client: RwLock::new(Arc::new(create(&config)?)),
            config,
            waiting: Mutex::default(),
            partitions: Mutex::default(),
            probes: watch::Sender::new(0),
            answers: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            delivery_timeout: settings.delivery_timeout,
        });
        let (wake, woken) = mpsc::channel();
        let (serving, probing) = (Arc::clone(&shared), Arc::clone(&shared));
        start_thread(&settings.client_id, "a producer", move || serving.serve())?;
        start_thread(&format!("probe {}", settings.client_id), "a producer", move || probe::run(&probing, &woken))?;
        Ok(Self { shared, wake })
    }

    /// Takes a write; never blocks.
    pub(crate) fn send(&self, write: Write, reply: Reply) {
        self.shared.send(write, Box::new(reply), Instant::now());
    }

    pub(crate) fn is_down(&self) -> bool {
        self.shared.client().context().health.is_down()
    }

    pub(crate) fn answers(&self) -> bool {
        self.shared.answers.load(Ordering::Acquire) && !self.is_down()
    }

    /// How many partitions the topic had when the cluster was last asked, which is every few seconds once somebody wants to
    /// know. Never waits; none: unknown, or no such topic.
    pub(crate) fn last_partitions(&self, topic: &str) -> Option<i32> {
        let known = self.shared.known_partitions(topic);
        if known.is_none() {
            self.shared.want_partitions(topic);
        }
        known
    }

    /// How many partitions the topic has; none: unknown after `patience`, or no such topic.
    pub(crate) async fn partitions(&self, topic: &str, patience: Duration) -> Option<i32> {
        if let Some(count) = self.shared.known_partitions(topic) {
            return Some(count);
        }
        let mut probes = self.shared.probes.subscribe();
        self.shared.want_partitions(topic);
        if self.wake.send(()).is_err() {
            return None; // the prober has ended
        }
        let found = async {
            // The first probe that ends may have begun before the topic was asked for.
            for _ in 0..2 {
                probes.changed().await.ok()?;
                if let Some(count) = self.shared.known_partitions(topic) {
                    return Some(count);
                }
            }
            None
        };
        tokio::time::timeout(patience, found).await.ok()?
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}

impl Shared {
    fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn known_partitions(&self, topic: &str) -> Option<i32> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied().flatten()
    }

    fn want_partitions(&self, topic: &str) {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner).entry(topic.to_owned()).or_insert(None);
    }

    fn waiting(&self) -> MutexGuard<'_, WaitingList> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the write to librdkafka, or keeps it while that is full; what finds no room is answered `TimedOut` at once.
    fn send(&self, write: Write, reply: Box<Reply>, since: Instant) {
        let client = self.client();
        let Err((error, mut reply)) = produce(&client, &write, reply) else { return };
        let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
        if full && since.elapsed() < self.delivery_timeout {
            match self.waiting().push(Waiting { since, write, reply }) {
                Ok(()) => return,
                Err(refused) => reply = refused,
            }
        }
        reply.answer(Err(refusal(&error, client.client().fatal_error().is_some())));
    }

    /// Serves delivery reports until the handle is gone.
    fn serve(&self) {
        while !self.stopped() {
            let client = self.client();
            client.poll(SERVE_FOR);
            self.send_waiting();
            if let Some((code, detail)) = client.client().fatal_error() {
                self.replace(&code, &detail);
            }
        }
    }

    /// As many as were waiting when it began, so that a full queue does not spin.
    fn send_waiting(&self) {
        let count = self.waiting().len();
        for _ in 0..count {
            let next = self.waiting().pop();
            let Some(Waiting { since, write, reply }) = next else { return };
            self.send(write, reply, since);
        }
    }

    /// A new client for one that failed for good. What the old one held is reported as failed by its end.
    fn replace(&self, code: &RDKafkaErrorCode, detail: &str) {
        tracing::error!(code = ?code, detail, "the Kafka producer failed for good and is replaced");
        match create(&self.config) {
            Ok(fresh) => *self.client.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh),
            Err(error) => {
                tracing::error!(%error, "no new Kafka producer; trying again");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}
