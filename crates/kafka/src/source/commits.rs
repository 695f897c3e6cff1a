//! Commits one at a time, so that every answer belongs to a known sending.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use postrider_domain::time::BootTime;
use rdkafka::error::RDKafkaErrorCode;

use super::{CommitFailure, CommitFailureKind, CommitPosition, SourceEvent, member::Member};
use crate::{client::boot_time, error::describe};

/// librdkafka answers every commit; should it not, the next one must not wait for ever.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

struct InFlight {
    sent_at: BootTime,
    since: Instant,
    positions: Vec<(i32, i64)>,
}

/// What the broker said of a commit: the kind and words of a failure.
pub(super) type CommitAnswer = Result<(), (CommitFailureKind, String)>;

#[derive(Default)]
pub(super) struct Commits {
    queued: VecDeque<Vec<CommitPosition>>,
    in_flight: Option<InFlight>,
}

impl Commits {
    pub(super) fn push(&mut self, positions: Vec<CommitPosition>) {
        self.queued.push_back(positions);
    }

    /// Sends the next one if none is on its way. The event of one that ended without an answer.
    pub(super) fn pump(&mut self, member: &Member) -> Option<SourceEvent> {
        if let Some(in_flight) = &self.in_flight {
            if in_flight.since.elapsed() < ANSWER_WITHIN {
                return None;
            }
            let failure = (CommitFailureKind::Transient, "the commit was not answered".to_owned());
            return self.answered(Err(failure));
        }
        let positions = self.queued.pop_front()?;
        let numbers = positions.iter().map(|position| (position.partition, position.position)).collect();
        self.in_flight = Some(InFlight { sent_at: boot_time(), since: Instant::now(), positions: numbers });
        let error = member.commit(&positions).err()?;
        self.answered(Err((failure_kind(error.rdkafka_error_code()), describe(&error))))
    }

    /// The event of the commit on its way; none if that was given up already.
    pub(super) fn answered(&mut self, answer: CommitAnswer) -> Option<SourceEvent> {
        let InFlight { sent_at, positions, .. } = self.in_flight.take()?;
        let result = match answer {
            Ok(()) => Ok(positions),
            Err((kind, detail)) => Err(CommitFailure { kind, positions, detail }),
        };
        Some(SourceEvent::Committed { sent_at, result })
    }
}

/// What a refusal means for the lane.
pub(super) fn failure_kind(code: Option<RDKafkaErrorCode>) -> CommitFailureKind {
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
