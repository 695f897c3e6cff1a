//! The consumer that is in the group. It is assigned partitions and commits; it fetches nothing, because it answers
//! every assignment with an empty list.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use postrider_domain::Timestamp;
use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError as RdKafkaError, KafkaResult, RDKafkaErrorCode},
    types::RDKafkaRespErr,
};

use super::{CommitPosition, SourceSettings};
use crate::{
    KafkaError, KafkaSettings,
    client::{self, Quiet},
    error::describe,
    groups::position_list,
    times::first_since,
};

/// For a commit that is still on its way when the group is left.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// What the callbacks saw.
#[derive(Debug)]
pub(super) enum Notice {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    Lost(Vec<i32>),
    Down(String),
    Fatal(String),
}

#[derive(Default)]
struct MemberContext {
    notices: Mutex<VecDeque<Notice>>,
    closing: AtomicBool,
}

impl MemberContext {
    fn note(&self, notice: Notice) {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).push_back(notice);
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        client::log(level, fac, message);
    }

    fn error(&self, error: RdKafkaError, reason: &str) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => self.note(Notice::Down(reason.to_owned())),
            Some(RDKafkaErrorCode::Fatal) => self.note(Notice::Fatal(format!("{}: {reason}", describe(&error)))),
            _ => tracing::debug!(error = %describe(&error), reason, "group member error"),
        }
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
        let nothing = TopicPartitionList::new();
        let answered = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.note(Notice::Assigned(partitions));
            consumer.incremental_assign(&nothing)
        } else if consumer.assignment_lost() {
            self.note(Notice::Lost(partitions));
            consumer.incremental_unassign(&nothing)
        } else if self.closing.load(Ordering::Acquire) {
            consumer.incremental_unassign(&nothing)
        } else {
            self.note(Notice::Revoked(partitions)); // answered by `Member::release`
            Ok(())
        };
        if let Err(error) = answered {
            self.note(Notice::Fatal(format!("the rebalance was not taken: {error}")));
        }
    }
}

pub(super) struct Member {
    consumer: Arc<BaseConsumer<MemberContext>>,
    topic: String,
    quiet: Quiet,
}

pub(super) fn config(kafka: &KafkaSettings, settings: &SourceSettings) -> ClientConfig {
    let overrides = [
        ("group.id", settings.group.as_str()),
        ("group.protocol", "classic"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "error"),
    ];
    kafka.client_config(&settings.client_id, &overrides)
}

impl Member {
    /// Joins the group.
    pub(super) fn join(kafka: &KafkaSettings, settings: &SourceSettings) -> Result<Self, KafkaError> {
        let consumer: BaseConsumer<MemberContext> = config(kafka, settings)
            .create_with_context(MemberContext::default())
            .map_err(|source| KafkaError::Client { purpose: "a lane's membership", source })?;
        consumer
            .subscribe(&[&settings.topic])
            .map_err(|source| KafkaError::request(format!("subscribe to {}", settings.topic), source))?;
        Ok(Self { consumer: Arc::new(consumer), topic: settings.topic.clone(), quiet: Quiet::default() })
    }

    /// Serves callbacks; never waits. What they saw, in order.
    pub(super) fn poll(&self) -> VecDeque<Notice> {
        // One callback a call at most; a few calls, so that a burst does not wait for the next round.
        for _ in 0..4 {
            if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
                self.note_error(&error);
            }
        }
        std::mem::take(&mut self.consumer.context().notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_error(&self, error: &RdKafkaError) {
        let context = self.consumer.context();
        match error {
            RdKafkaError::MessageConsumptionFatal(_) => context.note(Notice::Fatal(describe(error))),
            _ if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) => {
                context.note(Notice::Down(describe(error)));
            }
            _ if self.quiet.is_news(&describe(error)) => {
                tracing::warn!(topic = %self.topic, error = %describe(error), "the group member reports an error");
            }
            _ => {}
        }
    }

    /// The first offset of each partition that was appended at its time or later. Waits up to `patience`.
    pub(super) fn first_since(
        &self,
        times: &[(i32, Timestamp)],
        patience: Duration,
    ) -> KafkaResult<Vec<(i32, KafkaResult<Option<i64>>)>> {
        first_since(&self.consumer, &self.topic, times, patience)
    }

    /// First offset and end of a partition. Waits up to `patience`. Asked here and not of the fetcher, because a broker
    /// answers one request of a connection after the other: there it would wait behind an idle fetch, each time.
    pub(super) fn watermarks(&self, partition: i32, patience: Duration) -> KafkaResult<(i64, i64)> {
        self.consumer.fetch_watermarks(&self.topic, partition, patience)
    }

    /// Commits and waits for the answer; to be called on another thread than [`Member::poll`].
    pub(super) fn committer(&self) -> impl Fn(&[CommitPosition]) -> Result<(), RdKafkaError> + Send + 'static {
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        move |positions| consumer.commit(&position_list(&topic, positions)?, CommitMode::Sync)
    }

    /// Answers the revoke that waits.
    pub(super) fn release(&self) -> Result<(), RdKafkaError> {
        self.consumer.incremental_unassign(&TopicPartitionList::new())
    }

    /// Whether the cluster answers within `patience`.
    pub(super) fn broker_answers(&self, patience: Duration) -> bool {
        self.consumer.fetch_metadata(Some(&self.topic), patience).is_ok()
    }

    /// Leaves the group; what is still owned is given up. Blocks until the coordinator has heard of it, at most some seconds.
    pub(super) fn leave(self, revoke_waits: bool) {
        self.consumer.context().closing.store(true, Ordering::Release);
        if revoke_waits && let Err(error) = self.release() {
            tracing::warn!(%error, "the last revoke was not answered");
        }
        self.consumer.unsubscribe();
        let deadline = Instant::now() + LEAVE_WITHIN;
        // The commit thread lets go of the consumer a moment after its last answer.
        while Arc::strong_count(&self.consumer) > 1 && Instant::now() < deadline {
            drop(self.consumer.poll(Duration::from_millis(10)));
        }
        // The end of the consumer closes it: it answers what is still asked and leaves. With a commit that is never
        // answered it is left to the end of the process.
        if Arc::strong_count(&self.consumer) > 1 {
            std::mem::forget(self.consumer);
        }
    }
}
