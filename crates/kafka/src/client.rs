//! What all clients share: librdkafka's log lines as ours, and the clock of the lease.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use postrider_domain::time::BootTime;
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError as RdKafkaError, RDKafkaErrorCode},
};

use crate::error::describe;

/// Now, on the clock that never jumps and runs through suspend.
#[must_use]
pub fn boot_time() -> BootTime {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let millis = u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
    BootTime(seconds.saturating_mul(1_000).saturating_add(millis))
}

/// What librdkafka reported of the cluster since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Health {
    down: AtomicBool,
}

impl Health {
    /// All brokers are known to be away.
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Acquire)
    }

    /// Something was answered, or everything went away.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Release);
    }
}

/// The context of clients without callbacks of their own, and the part of the others'.
#[derive(Debug, Default)]
pub(crate) struct PlainContext {
    pub(crate) health: Health,
}

impl ClientContext for PlainContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        log(level, fac, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        self.health.note(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for PlainContext {}

impl Health {
    /// Takes in what librdkafka says through its error callback.
    pub(crate) fn note(&self, error: &RdKafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.set_down(true);
        }
        tracing::debug!(error = %describe(error), reason, "Kafka client error");
    }
}

/// Lets a text pass at most once in half a minute: librdkafka repeats a fault with every poll.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<Vec<(String, Instant)>>);

impl Quiet {
    /// Whether it has not been said of late.
    pub(crate) fn is_news(&self, text: &str) -> bool {
        const AGAIN_AFTER: Duration = Duration::from_secs(30);
        const TEXTS_MAX: usize = 8;
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|(_, at)| at.elapsed() < AGAIN_AFTER);
        let is_news = said.len() < TEXTS_MAX && !said.iter().any(|(known, _)| known == text);
        if is_news {
            said.push((text.to_owned(), Instant::now()));
        }
        is_news
    }
}

/// librdkafka repeats connection faults by the second, so they are debug lines; what matters comes as an event.
pub(crate) fn log(level: RDKafkaLogLevel, fac: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility = fac, "Kafka client: {message}");
        }
        RDKafkaLogLevel::Error if !matches!(fac, "FAIL" | "ERROR") => {
            tracing::warn!(facility = fac, "Kafka client: {message}");
        }
        RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning
        | RDKafkaLogLevel::Notice
        | RDKafkaLogLevel::Info
        | RDKafkaLogLevel::Debug => tracing::debug!(facility = fac, "Kafka client: {message}"),
    }
}

/// How long a request on a client's own thread may take.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts a named thread.
pub(crate) fn start_thread(
    name: &str,
    purpose: &'static str,
    body: impl FnOnce() + Send + 'static,
) -> Result<(), crate::KafkaError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map(drop)
        .map_err(|source| crate::KafkaError::Thread { purpose, source })
}
