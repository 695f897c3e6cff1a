//! Commits, one after the other, on a small thread of their own: librdkafka's binding never reports the end of an
//! asynchronous commit, so each is a synchronous one that blocks nobody else.

use std::{
    collections::VecDeque,
    sync::mpsc,
    time::{Duration, Instant},
};

use postrider_domain::time::BootTime;
use rdkafka::error::{KafkaError as RdKafkaError, RDKafkaErrorCode};

use super::{CommitFailure, CommitFailureKind, CommitPosition, SourceEvent};
use crate::{
    KafkaError,
    client::{boot_time, start_thread},
    error::describe,
};

/// Commits waiting for their turn. The lane sends one a second; a queue this long means nobody is answering.
const QUEUED_MAX: usize = 64;

pub(super) struct Commits {
    orders: mpsc::Sender<Vec<CommitPosition>>,
    answers: mpsc::Receiver<SourceEvent>,
    queued: VecDeque<Vec<CommitPosition>>,
    /// One is with the thread. Only one, so that those behind it can still be taken back.
    open: bool,
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
        Ok(Self { orders, answers, queued: VecDeque::new(), open: false })
    }

    /// Takes the commit; the event of one that cannot even wait its turn.
    pub(super) fn push(&mut self, positions: Vec<CommitPosition>) -> Option<SourceEvent> {
        if self.queued.len() < QUEUED_MAX {
            self.queued.push_back(positions);
            return None;
        }
        Some(unsent(&positions, CommitFailureKind::Transient, "earlier commits have not been answered yet"))
    }

    /// The event of a commit that has ended, and the next one on its way.
    pub(super) fn pump(&mut self) -> Option<SourceEvent> {
        let event = self.answers.try_recv().ok();
        self.open &= event.is_none();
        self.send_next();
        event
    }

    fn send_next(&mut self) {
        if !self.open
            && let Some(positions) = self.queued.pop_front()
        {
            self.open = self.orders.send(positions).is_ok();
        }
    }

    /// Takes back what waits for these partitions: sent later, it would go out under another generation, over the head of
    /// the new owner. The events of commits of which nothing is left.
    pub(super) fn forget(&mut self, partitions: &[i32]) -> Vec<SourceEvent> {
        let mut events = Vec::new();
        self.queued.retain_mut(|positions| {
            let before = positions.clone();
            positions.retain(|position| !partitions.contains(&position.partition));
            let emptied = positions.is_empty();
            if emptied {
                events.push(unsent(&before, CommitFailureKind::Fenced, "the partition is no longer ours"));
            }
            !emptied
        });
        events
    }

    /// Sends what waits and hears the answers, for `patience` at most. Their events; the second: all were answered.
    pub(super) fn finish(mut self, patience: Duration) -> (Vec<SourceEvent>, bool) {
        let (mut events, deadline) = (Vec::new(), Instant::now() + patience);
        loop {
            self.send_next();
            if !self.open {
                return (events, true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.answers.recv_timeout(left) else { return (events, false) };
            self.open = false;
            events.push(event);
        }
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

fn unsent(positions: &[CommitPosition], kind: CommitFailureKind, detail: &str) -> SourceEvent {
    let failure = CommitFailure { kind, positions: numbers(positions), detail: detail.to_owned() };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn position(partition: i32) -> CommitPosition {
        CommitPosition { partition, position: 1, metadata: String::new() }
    }

    #[test]
    fn what_waits_behind_a_stuck_commit_is_taken_back_for_lost_partitions() {
        let (unblock, blocked) = mpsc::channel::<()>();
        let mut commits = Commits::start(move |_| {
            blocked.recv().ok();
            Ok(())
        })
        .unwrap();
        assert!(commits.push(vec![position(0)]).is_none());
        assert!(commits.pump().is_none());
        assert!(commits.push(vec![position(0), position(1)]).is_none());
        assert!(commits.push(vec![position(0)]).is_none());

        let taken_back = commits.forget(&[0]);
        let [SourceEvent::Committed { result: Err(failure), .. }] = &taken_back[..] else { panic!("{taken_back:?}") };
        assert_eq!(failure.kind, CommitFailureKind::Fenced);
        drop(unblock);
        let (events, answered) = commits.finish(Duration::from_secs(10));
        assert!(answered);
        let sent: Vec<_> = events
            .into_iter()
            .map(|event| match event {
                SourceEvent::Committed { result, .. } => result.unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(sent, [vec![(0, 1)], vec![(1, 1)]]);
    }
}
