//! The one way of writing: an idempotent producer with acks=all, a thread that serves its reports, and a thread that
//! asks the cluster for its partitions and whether it is there.

mod probe;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError as RdKafkaError, RDKafkaErrorCode},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext},
};
use tokio::sync::{mpsc::UnboundedSender, oneshot, watch};

use crate::{
    KafkaError, KafkaSettings,
    client::{self, Health, start_thread},
    error::describe,
    writer::{Write, WriteEvent, WriteFailure, WriteFailureKind},
};

/// Writes kept aside while librdkafka's queue is full; beyond it a write is answered `TimedOut` at once.
const WAITING_MAX: usize = 100_000;
/// The most librdkafka may hold, in KiB.
const QUEUE_KIB: &str = "131072";

pub(crate) struct OutletSettings {
    pub(crate) client_id: String,
    pub(crate) message_max_bytes: usize,
    /// After which an unacknowledged write is given up as `TimedOut`.
    pub(crate) delivery_timeout: Duration,
    pub(crate) linger: Duration,
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

type Client = BaseProducer<OutletContext>;

/// See the module. Dropping it flushes nothing: its user has waited for what matters.
#[derive(Debug)]
pub(crate) struct Outlet {
    shared: Arc<Shared>,
    wake: mpsc::Sender<()>,
}

struct Waiting {
    since: Instant,
    write: Write,
    reply: Box<Reply>,
}

struct Shared {
    config: ClientConfig,
    client: RwLock<Arc<Client>>,
    waiting: Mutex<VecDeque<Waiting>>,
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

    /// Hands the write to librdkafka, or keeps it while that is full.
    fn send(&self, write: Write, reply: Box<Reply>, since: Instant) {
        let client = self.client();
        let Err((error, reply)) = produce(&client, &write, reply) else { return };
        let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
        if full && since.elapsed() < self.delivery_timeout {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() < WAITING_MAX {
                waiting.push_back(Waiting { since, write, reply });
                return;
            }
        }
        reply.answer(Err(refusal(&error, client.client().fatal_error().is_some())));
    }

    /// Serves delivery reports until the handle is gone.
    fn serve(&self) {
        while !self.stopped() {
            let client = self.client();
            client.poll(Duration::from_millis(50));
            self.send_waiting();
            if let Some((code, detail)) = client.client().fatal_error() {
                self.replace(&code, &detail);
            }
        }
    }

    /// As many as were waiting when it began, so that a full queue does not spin.
    fn send_waiting(&self) {
        let count = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len();
        for _ in 0..count {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
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

fn config(kafka: &KafkaSettings, settings: &OutletSettings) -> ClientConfig {
    let (timeout, linger) =
        (settings.delivery_timeout.as_millis().to_string(), settings.linger.as_millis().to_string());
    let largest = settings.message_max_bytes.max(1_000_000).to_string();
    let overrides = [
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("partitioner", "murmur2_random"),
        ("compression.type", "lz4"),
        ("delivery.timeout.ms", timeout.as_str()),
        ("linger.ms", linger.as_str()),
        ("message.max.bytes", largest.as_str()),
        ("queue.buffering.max.kbytes", QUEUE_KIB),
        ("queue.buffering.max.messages", "100000"),
    ];
    kafka.client_config(&settings.client_id, &overrides)
}

fn create(config: &ClientConfig) -> Result<Client, KafkaError> {
    config
        .create_with_context(OutletContext::default())
        .map_err(|source| KafkaError::Client { purpose: "writing", source })
}

fn produce(client: &Client, write: &Write, reply: Box<Reply>) -> Result<(), (RdKafkaError, Box<Reply>)> {
    let mut record = BaseRecord::<[u8], [u8], Box<Reply>>::with_opaque_to(&write.topic, reply);
    record.partition = write.partition;
    record.key = write.key.as_deref();
    record.payload = write.value.as_deref();
    if !write.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(write.headers.len());
        record.headers = Some(write.headers.iter().fold(headers, |headers, header| {
            headers.insert(Header { key: &header.name, value: header.value.as_deref() })
        }));
    }
    client.send(record).map_err(|(error, record)| (error, record.delivery_opaque))
}

/// What a refused or unreported write means.
fn refusal(error: &RdKafkaError, client_is_dead: bool) -> Refusal {
    let code = error.rdkafka_error_code();
    let kind = match code {
        _ if client_is_dead => WriteFailureKind::Fatal,
        Some(code) => failure_kind(code),
        None => WriteFailureKind::Refused,
    };
    Refusal { failure: WriteFailure { kind, detail: describe(error) }, code }
}

fn failure_kind(code: RDKafkaErrorCode) -> WriteFailureKind {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Fatal | Code::Fenced => WriteFailureKind::Fatal,
        Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidMessage
        | Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::PolicyViolation
        | Code::InvalidArgument
        | Code::UnsupportedCompressionType
        | Code::UnsupportedForMessageFormat => WriteFailureKind::Refused,
        // Everything else passes, or its end is not known: writing it again is right.
        _ => WriteFailureKind::TimedOut,
    }
}

#[derive(Debug, Default)]
struct OutletContext {
    health: Health,
}

impl ClientContext for OutletContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        client::log(level, fac, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        self.health.note(&error, reason);
    }
}

impl ProducerContext for OutletContext {
    type DeliveryOpaque = Box<Reply>;

    fn delivery(&self, result: &DeliveryResult<'_>, reply: Box<Reply>) {
        match result {
            Ok(message) => {
                self.health.set_down(false);
                reply.answer(Ok((message.partition(), message.offset())));
            }
            Err((error, _)) => reply.answer(Err(refusal(error, false))),
        }
    }
}
