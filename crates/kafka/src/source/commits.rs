//! Commits, one after the other, on a small thread of their own: librdkafka's binding never reports the end of an
//! asynchronous commit, so each is a synchronous one that blocks nobody else.

use std::{sync::mpsc, time::Duration};

use postrider_domain::time::BootTime;
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode};

use super::{CommitFailure, CommitFailureKind, CommitPosition, SourceEvent};
use crate::{
    KafkaError,
    client::{boot_time, start_thread},
    error::describe,
};

/// Commits waiting for their turn. The lane sends one a second; a queue this long means nobody is answering.
const OPEN_MAX: usize = 64;

pub(super) struct Commits {
    orders: mpsc::Sender<Vec<CommitPosition>>,
    answers: mpsc::Receiver<SourceEvent>,
    open: usize,
}

impl Commits {
    /// Starts the thread. It ends with this, after the commit that is on its way. `commit` is called on it and may block.
    pub(super) fn start(
        commit: impl Fn(&[CommitPosition]) -> Result<(), RdKafkaError> + Send + 'static,
    ) -> Result<Self, KafkaError> {
        let (orders, inbox) = mpsc::channel::<Vec<CommitPosition>>();
        let (outbox, answers) = mpsc::channel();
        start_thread("commits", "a lane's commits", move || {
            for positions in inbox {
                let sent_at = boot_time();
                let result = commit(&positions);
                if outbox.send(committed(sent_at, &positions, result)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { orders, answers, open: 0 })
    }

    /// Sends the commit; the event of one that cannot even wait its turn.
    pub(super) fn push(&mut self, positions: Vec<CommitPosition>) -> Option<SourceEvent> {
        if self.open < OPEN_MAX {
            self.open += 1;
            return self.orders.send(positions).is_err().then(|| unreachable_thread(&[]));
        }
        Some(unreachable_thread(&positions))
    }

    /// The event of a commit that has ended.
    pub(super) fn next(&mut self) -> Option<SourceEvent> {
        let event = self.answers.try_recv().ok()?;
        self.open = self.open.saturating_sub(1);
        Some(event)
    }

    /// Waits for the commits on their way, up to `patience` each. Their events; the second: all have ended.
    pub(super) fn finish(mut self, patience: Duration) -> (Vec<SourceEvent>, bool) {
        let mut events = Vec::new();
        while 0 < self.open {
            let Ok(event) = self.answers.recv_timeout(patience) else { return (events, false) };
            self.open -= 1;
            events.push(event);
        }
        (events, true)
    }
}

fn committed(sent_at: BootTime, positions: &[CommitPosition], result: Result<(), RdKafkaError>) -> SourceEvent {
    let numbers = numbers(positions);
    let result = result.map(|()| numbers.clone()).map_err(|error| CommitFailure {
        kind: failure_kind(error.rdkafka_error_code()),
        positions: numbers,
        detail: describe(&error),
    });
    SourceEvent::Committed { sent_at, result }
}

fn unreachable_thread(positions: &[CommitPosition]) -> SourceEvent {
    let detail = "earlier commits have not been answered yet".to_owned();
    let failure = CommitFailure { kind: CommitFailureKind::Transient, positions: numbers(positions), detail };
    SourceEvent::Committed { sent_at: boot_time(), result: Err(failure) }
}

fn numbers(positions: &[CommitPosition]) -> Vec<(i32, i64)> {
    positions.iter().map(|position| (position.partition, position.position)).collect()
}

/// What a refusal means for the lane.
fn failure_kind(code: Option<RDKafkaErrorCode>) -> CommitFailureKind {
    use RDKafkaErrorCode as Code;
    match code {
        Some(Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId | Code::StaleMemberEpoch) => {
            CommitFailureKind::Fenced
        }
        Some(
            Code::GroupAuthorizationFailed
            | Code::TopicAuthorizationFailed
            | Code::OffsetMetadataTooLarge
            | Code::InvalidCommitOffsetSize
            | Code::UnknownTopicOrPartition,
        ) => CommitFailureKind::Refused,
        Some(_) | None => CommitFailureKind::Transient,
    }
}
