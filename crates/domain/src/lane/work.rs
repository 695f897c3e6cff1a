//! One delivery in hand.

use std::sync::Arc;

use crate::{
    delivery::Delivery,
    fingerprint::{ContentHash, Fingerprint},
    outcome::{DeadReason, Outcome},
    record::Record,
    time::Timestamp,
};

/// Names a delivery in hand; never used again within one lane.
pub type WorkId = u64;

/// What is settled: a delivery, or a record that cannot be read or has none.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    Delivery { delivery: Delivery, destination: Option<usize> },
    Record { id: Fingerprint, event: Option<Arc<crate::event::Notification>> },
}

/// Where a delivery in hand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// In its destination's queue.
    Ready,
    /// Not before this time.
    Waiting(Timestamp),
    /// Its mark is being written; the attempt begins on the acknowledgement.
    Marking,
    /// An attempt runs.
    Running,
    /// An attempt runs that nobody waits for. `recorded`: the ledger says that its end is unknown; not so where the
    /// partition was lost.
    LeftRunning { recorded: bool },
    /// Its outcome is being made durable.
    Settling,
}

/// A pointer that a former owner left: its receipt may be in the ledger already and not yet read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inherited {
    /// As it was found.
    Found(Timestamp),
    /// Written again with a due time of its own; once that is read back, everything before it has been read, too.
    Rewritten { found: Timestamp, due: Timestamp },
}

/// How a delivery ends, decided but not yet durable.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    pub outcome: Outcome,
    pub dead: Option<(DeadReason, String)>,
    pub reason: Option<String>,
}

#[derive(Debug)]
pub(super) struct Work {
    pub partition: i32,
    pub epoch: u64,
    pub record: Arc<Record>,
    pub subject: Subject,
    pub content: ContentHash,
    pub state: State,
    pub attempts: u32,
    pub unknowns: u32,
    /// The pointer that records an unknown end is not durable yet: no further attempt before it is.
    pub pointer_pending: bool,
    /// A former owner's pointer that still has to be taken over.
    pub inherited: Option<Inherited>,
    /// A former owner left it running: our attempt may be a second copy, and nobody has counted it yet.
    pub left_running: bool,
    /// Deaths of a process that an attempt of ours may have caused; none: no mark needed.
    pub deaths: Option<u32>,
    /// A mark that this process wrote may stand in the ledger.
    pub marked: bool,
    pub first_at: Option<Timestamp>,
    /// The proofs that its destination works, when it was last refused in a way that concerns everybody.
    pub refused_after: Option<u64>,
    /// What latency and give-up count from.
    pub wanted_at: Timestamp,
    /// By then it must be settled, or its event leaves the topic.
    pub keep_until: Timestamp,
    pub last_answer: Option<String>,
    pub ending: Option<Ending>,
}

impl Work {
    pub(super) fn id(&self) -> Fingerprint {
        match &self.subject {
            Subject::Delivery { delivery, .. } => delivery.id,
            Subject::Record { id, .. } => *id,
        }
    }

    pub(super) fn delivery(&self) -> Option<&Delivery> {
        match &self.subject {
            Subject::Delivery { delivery, .. } => Some(delivery),
            Subject::Record { .. } => None,
        }
    }

    pub(super) fn destination(&self) -> Option<usize> {
        match &self.subject {
            Subject::Delivery { destination, .. } => *destination,
            Subject::Record { .. } => None,
        }
    }

    pub(super) fn event(&self) -> Option<&Arc<crate::event::Notification>> {
        match &self.subject {
            Subject::Delivery { delivery, .. } => Some(&delivery.event),
            Subject::Record { event, .. } => event.as_ref(),
        }
    }

    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.event().and_then(|event| event.expires_at)
    }

    /// A process has died during its attempt, whoever killed it.
    pub(super) fn may_have_killed(&self) -> bool {
        self.deaths.is_some_and(|deaths| 0 < deaths)
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::LeftRunning { .. })
    }
}
