//! A destination: its queues, its gates, and what an answer says of everybody who goes the same way.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    Lane, Now, Report,
    doubt::{Doubts, Proofs},
    stops::Stops,
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
    /// When it was stopped before.
    stops: Stops,
    /// Answers that showed that it works.
    proofs: Proofs,
    /// Who was told of a limit without a time.
    limited: Doubts,
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
            stops: Stops::default(),
            proofs: Proofs::default(),
            limited: Doubts::default(),
        }
    }

    /// How long it has been stopped since then: nobody gives up because of it.
    pub(super) fn stopped_after(&self, then: Timestamp, now: Timestamp) -> Duration {
        let current = self.stopped_since.map(|from| now.since(from.max(then)));
        self.stops.since(then) + current.unwrap_or_default()
    }

    /// Stopped or throttled.
    pub(super) fn is_gated(&self, now: Timestamp) -> bool {
        self.stopped_since.is_some() || now < self.throttled_until
    }

    /// The queue that this work stands in when it is ready.
    pub(super) fn queue_of(&mut self, work: &Work) -> &mut VecDeque<WorkId> {
        if work.may_have_killed() { &mut self.suspects } else { &mut self.ready }
    }

    /// Who goes next. While it is stopped that is the latest who was not asked yet: many before it may be refused for the
    /// same cause, and one that is served ends the stop.
    pub(super) fn next_ready(&mut self, was_asked: impl Fn(&WorkId) -> bool) -> Option<WorkId> {
        let fresh = self.stopped_since.and_then(|_| self.ready.iter().rposition(|id| !was_asked(id)));
        match fresh {
            Some(at) => self.ready.remove(at),
            None => self.ready.pop_front(),
        }
    }

    fn works_again(&mut self, now: Timestamp) {
        if let Some(from) = self.stopped_since.take() {
            self.stops.add(from, now);
        }
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled_until = self.throttled_until.max(until);
    }

    pub(super) fn takes_one(&self, now: Timestamp) -> bool {
        let open = self.throttled_until <= now && (self.stopped_since.is_none() || self.probe_at <= now);
        open && self.running < self.capacity
    }
}

impl Lane {
    /// What it was told may be its own trouble: a refusal of us is, once others were served since it was last told so, or by
    /// a recipient's name once anybody was; a limit at a recipient's name, once others were served since. Not while the
    /// destination is stopped: nobody pays for that. A limit with a time is the destination's word.
    pub(super) fn blame(&mut self, id: WorkId, answer: Answer, now: Now) -> Answer {
        let Some((at, recipient)) = self.way_of(id) else { return answer };
        let gate = &mut self.destinations[at];
        match answer {
            Answer::Misconfigured { failure } => {
                let before = self.work.get_mut(&id).and_then(|work| work.refused_after.replace(gate.proofs.count()));
                let is_own =
                    if failure.at_recipient { Some(0) } else { before }.is_some_and(|n| n < gate.proofs.count());
                if gate.stopped_since.is_none() && is_own {
                    return Answer::Transient { failure, retry_after: None };
                }
                Answer::Misconfigured { failure }
            }
            Answer::Throttled { failure, retry_after: None } if failure.at_recipient => {
                gate.limited.note(&recipient, &gate.proofs, now.wall);
                if gate.stopped_since.is_none() && gate.limited.is_own(&recipient) {
                    return Answer::Transient { failure, retry_after: None };
                }
                Answer::Throttled { failure, retry_after: None }
            }
            answer => answer,
        }
    }

    /// A gate follows from every answer: throttled, stopped, or working again.
    pub(super) fn open_or_close_gate(&mut self, id: WorkId, answer: &Answer, now: Now) {
        let Some((at, recipient)) = self.way_of(id) else { return };
        let delay_min = self.settings.retry.delay_min;
        let gate = &mut self.destinations[at];
        match answer {
            Answer::Throttled { retry_after: Some(wait), .. } => gate.throttle(now.wall.after(*wait)),
            Answer::Throttled { retry_after: None, failure } => {
                if !failure.at_recipient || gate.limited.is_everybodys(&recipient, &gate.proofs, now.wall) {
                    gate.throttle(now.wall.after(delay_min));
                }
            }
            Answer::Misconfigured { failure } => self.stop_destination(at, failure, now),
            Answer::Delivered { .. } => self.proved(at, &recipient, now),
            Answer::Permanent { failure } | Answer::Transient { failure, .. } if proves(failure.reason) => {
                self.proved(at, &recipient, now);
            }
            Answer::Permanent { .. } => gate.probe_at = now.wall, // perhaps it was never asked: the next may ask
            Answer::Transient { .. } | Answer::Unknown { .. } | Answer::NotPermitted => {}
        }
    }

    /// It is asked once more at once, by another delivery if there is one, then every minute.
    fn stop_destination(&mut self, at: usize, failure: &Failure, now: Now) {
        let gate = &mut self.destinations[at];
        if gate.stopped_since.is_some() {
            gate.probe_at = now.wall.after(limits::PROBE_EVERY);
        } else {
            gate.stopped_since = Some(now.wall);
            gate.probe_at = now.wall;
            let destination = gate.name.clone();
            self.report(Report::DestinationStopped { destination, failure: failure.clone() });
        }
    }

    /// How long a delivery stands back that met what may concern everybody: the others ask meanwhile. Is it
    /// the only one, it asks less and less often.
    pub(super) fn stands_back(&self, id: WorkId, now: Now) -> Duration {
        let delay_min = self.settings.retry.delay_min;
        let Some((at, recipient)) = self.way_of(id) else { return delay_min };
        let gate = &self.destinations[at];
        if gate.stopped_since.is_some() {
            return limits::PROBE_EVERY;
        }
        gate.limited.lasted(&recipient, now.wall).min(limits::PROBE_EVERY).max(delay_min)
    }

    /// Its destination is stopped or throttled.
    pub(super) fn is_gated(&self, id: WorkId, now: Now) -> bool {
        self.way_of(id).is_some_and(|(at, _)| self.destinations[at].is_gated(now.wall))
    }

    /// The destination that this work goes to, and whom it shall reach.
    fn way_of(&self, id: WorkId) -> Option<(usize, Arc<str>)> {
        let work = self.work.get(&id)?;
        Some((work.destination()?, Arc::clone(&work.delivery()?.recipient)))
    }

    fn proved(&mut self, at: usize, recipient: &Arc<str>, now: Now) {
        let gate = &mut self.destinations[at];
        gate.proofs.add(recipient);
        gate.limited.dispel(recipient);
        if gate.stopped_since.is_some() {
            gate.works_again(now.wall);
            let name = gate.name.clone();
            self.report(Report::DestinationResumed(name));
        }
    }
}

/// Failures that show that a destination works: it has let us in, looked at the recipient, and its trouble is there. All
/// others may come before our credentials are looked at, without asking the provider at all, or be about us.
fn proves(reason: Reason) -> bool {
    matches!(reason, Reason::UnknownRecipient | Reason::MailboxFull | Reason::TryLater)
}
