//! A destination: its queues, its gates, and what an answer says of everybody who goes the same way.

use std::{collections::VecDeque, time::Duration};

use super::{
    Lane, Now, Report,
    work::{Work, WorkId},
};
use crate::{
    answer::{Answer, Failure, Reason},
    ids::DestinationName,
    limits,
    time::Timestamp,
};

/// A destination's queue and its gates. A gate holds back this destination alone.
#[derive(Debug)]
pub(super) struct DestinationState {
    pub name: DestinationName,
    pub capacity: usize,
    pub running: usize,
    pub ready: VecDeque<WorkId>,
    /// Those that may have killed a process: they wait for their turn, one at a time over all destinations.
    pub suspects: VecDeque<WorkId>,
    /// The provider asked us to hold off until then.
    pub throttled_until: Timestamp,
    /// Misconfigured since then.
    pub stopped_since: Option<Timestamp>,
    /// When a stopped destination is tried again.
    pub probe_at: Timestamp,
    /// All the time it was stopped before.
    pub stopped_total: Duration,
    /// Answers that showed that it works.
    proofs: u64,
    /// One delivery was refused for what may be everybody's trouble, and no proof came since.
    doubted: bool,
}

impl DestinationState {
    pub(super) fn new((name, capacity): (DestinationName, usize)) -> Self {
        Self {
            name,
            capacity: capacity.max(1),
            running: 0,
            ready: VecDeque::new(),
            suspects: VecDeque::new(),
            throttled_until: Timestamp::default(),
            stopped_since: None,
            probe_at: Timestamp::default(),
            stopped_total: Duration::ZERO,
            proofs: 0,
            doubted: false,
        }
    }

    /// How long it has been stopped, all in all: nobody gives up because of it.
    pub(super) fn stopped_for(&self, now: Timestamp) -> Duration {
        self.stopped_total + self.stopped_since.map(|since| now.since(since)).unwrap_or_default()
    }

    /// Stopped or throttled.
    pub(super) fn is_gated(&self, now: Timestamp) -> bool {
        self.stopped_since.is_some() || now < self.throttled_until
    }

    /// The queue that this work stands in when it is ready.
    pub(super) fn queue_of(&mut self, work: &Work) -> &mut VecDeque<WorkId> {
        if work.may_have_killed() { &mut self.suspects } else { &mut self.ready }
    }

    pub(super) fn takes_one(&self, now: Timestamp) -> bool {
        let open = self.throttled_until <= now && (self.stopped_since.is_none() || self.probe_at <= now);
        open && self.running < self.capacity
    }
}

impl Lane {
    /// What is said of everybody is this delivery's own trouble once others were served since it was first told so: a
    /// relay may want credentials, or have a limit, for one recipient alone. A limit with a time is the destination's word.
    pub(super) fn blame(&mut self, id: WorkId, answer: Answer) -> Answer {
        let Some(work) = self.work.get_mut(&id) else { return answer };
        let Some(destination) = work.destination().map(|at| &self.destinations[at]) else { return answer };
        let (said_at, failure) = match &answer {
            Answer::Misconfigured { failure } => (&mut work.refused_at, failure),
            Answer::Throttled { failure, retry_after: None } => (&mut work.throttled_at, failure),
            Answer::Throttled { .. }
            | Answer::Delivered { .. }
            | Answer::Transient { .. }
            | Answer::Permanent { .. }
            | Answer::Unknown { .. }
            | Answer::NotPermitted => return answer,
        };
        if *said_at.get_or_insert(destination.proofs) < destination.proofs {
            return Answer::Transient { failure: failure.clone(), retry_after: None };
        }
        answer
    }

    /// A gate follows from every answer: throttled, stopped, or working again.
    pub(super) fn open_or_close_gate(&mut self, id: WorkId, answer: &Answer, now: Now) {
        let Some(at) = self.work.get(&id).and_then(Work::destination) else { return };
        let delay_min = self.settings.retry.delay_min;
        let gate = &mut self.destinations[at];
        match answer {
            Answer::Throttled { retry_after, .. } => {
                let until = now.wall.after(retry_after.unwrap_or(delay_min));
                gate.throttled_until = gate.throttled_until.max(until);
                self.resume_destination(at, now);
            }
            Answer::Misconfigured { failure } => self.refused_by(at, failure, now),
            Answer::Transient { failure, .. } if proves_nothing(failure.reason) => {}
            Answer::Permanent { failure } if proves_nothing(failure.reason) => {
                gate.probe_at = now.wall; // perhaps it was never asked: the next may ask
            }
            Answer::Delivered { .. } | Answer::Permanent { .. } | Answer::Unknown { .. } | Answer::Transient { .. } => {
                gate.proofs += 1;
                self.resume_destination(at, now);
            }
            Answer::NotPermitted => {}
        }
    }

    /// One that worked before stops at the second refusal in a row: the first may concern one recipient. Stopped, it is
    /// asked once more at once, by another delivery if there is one, then every minute.
    fn refused_by(&mut self, at: usize, failure: &Failure, now: Now) {
        let gate = &mut self.destinations[at];
        if gate.stopped_since.is_some() {
            gate.probe_at = now.wall.after(limits::PROBE_EVERY);
        } else if 0 < gate.proofs && !gate.doubted {
            gate.doubted = true;
        } else {
            gate.stopped_since = Some(now.wall);
            gate.probe_at = now.wall;
            let destination = gate.name.clone();
            self.report(Report::DestinationStopped { destination, failure: failure.clone() });
        }
    }

    /// How long a delivery that was refused for everybody's sake stands back: the others ask meanwhile.
    pub(super) fn stands_back(&self, id: WorkId) -> Duration {
        let at = self.work.get(&id).and_then(Work::destination);
        let is_stopped = at.is_some_and(|at| self.destinations[at].stopped_since.is_some());
        if is_stopped { limits::PROBE_EVERY } else { self.settings.retry.delay_min }
    }

    fn resume_destination(&mut self, at: usize, now: Now) {
        let gate = &mut self.destinations[at];
        gate.doubted = false;
        if gate.stopped_since.is_some() {
            gate.stopped_total = gate.stopped_for(now.wall);
            gate.stopped_since = None;
            let name = gate.name.clone();
            self.report(Report::DestinationResumed(name));
        }
    }
}

/// Failures that come before our credentials are looked at, or that may be found without asking the provider at all: they
/// do not show that a destination works.
fn proves_nothing(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Connect
            | Reason::Timeout
            | Reason::Disconnected
            | Reason::Tls
            | Reason::Auth
            | Reason::Protocol
            | Reason::RateLimited
            | Reason::InvalidMessage
            | Reason::InvalidAddress
            | Reason::Bug
    )
}
