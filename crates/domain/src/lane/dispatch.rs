//! Who is attempted next: a queue for each destination, gates, and the one place that waits.

use std::time::Duration;

use super::{
    Attempt, Command, Lane, Now, PauseReason, Report,
    admit::dead,
    work::{Ending, Inherited, State, WorkId},
};
use crate::{
    limits,
    outcome::{DeadReason, Outcome},
    time::Timestamp,
};

/// What waits for the end of an attempt under a former assignment, or for its own pointer, looks again so soon.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

impl Lane {
    pub(super) fn make_ready(&mut self, id: WorkId) {
        if let Some(work) = self.work.get_mut(&id) {
            work.state = State::Ready;
            if let Some(destination) = work.destination() {
                self.destinations[destination].queue_of(work).push_back(id);
            }
        }
    }

    /// Back to the head of its queue: it was not to blame.
    pub(super) fn make_ready_first(&mut self, id: WorkId) {
        if let Some(work) = self.work.get_mut(&id) {
            work.state = State::Ready;
            if let Some(destination) = work.destination() {
                self.destinations[destination].queue_of(work).push_front(id);
            }
        }
    }

    pub(super) fn wait_until(&mut self, id: WorkId, due: Timestamp) {
        if let Some(work) = self.work.get_mut(&id) {
            // While a former owner may still send it, nothing else ends it.
            let theirs = if let Some(Inherited::Found(until)) = work.inherited { until } else { Timestamp::default() };
            let wake = due.min(work.expires_at().unwrap_or(due)).min(work.keep_until).max(theirs);
            work.state = State::Waiting(due);
            self.timers.insert((wake, id));
        }
    }

    /// Everything whose time has come; what expired meanwhile is settled when it is looked at for sending.
    pub(super) fn wake(&mut self, now: Now) {
        while let Some((wake, id)) = self.timers.first().copied().filter(|(wake, _)| *wake <= now.wall) {
            self.timers.remove(&(wake, id));
            match self.work.get(&id).map(|work| work.state) {
                Some(State::Waiting(_)) => self.make_ready(id),
                Some(State::Ready | State::Marking | State::Running | State::LeftRunning { .. } | State::Settling)
                | None => {}
            }
        }
        self.settle_overdue(now);
    }

    /// What stands behind a closed gate, or behind another suspect, may expire or be about to leave the topic.
    fn settle_overdue(&mut self, now: Now) {
        for destination in 0..self.destinations.len() {
            let gate = &self.destinations[destination];
            let is_gated = gate.is_gated(now.wall);
            if !is_gated && gate.suspects.is_empty() {
                continue;
            }
            let gated = is_gated.then_some(&gate.ready).into_iter().flatten();
            let held = gate.suspects.iter().chain(gated).copied();
            let overdue: Vec<WorkId> = held.filter(|id| self.overdue(*id, now).is_some()).collect();
            for id in overdue {
                if let Some(ending) = self.overdue(id, now) {
                    self.end(id, ending, now);
                }
            }
            let (work, gate) = (&self.work, &mut self.destinations[destination]);
            let is_ready = |id: &WorkId| work.get(id).is_some_and(|work| work.state == State::Ready);
            gate.ready.retain(is_ready);
            gate.suspects.retain(is_ready);
        }
    }

    fn overdue(&self, id: WorkId, now: Now) -> Option<Ending> {
        let work = self.work.get(&id)?;
        if work.state != State::Ready || work.inherited.is_some() {
            return None; // a former owner's receipt may say otherwise
        }
        if work.expires_at().is_some_and(|expires_at| expires_at <= now.wall) {
            return Some(Ending { outcome: Outcome::Expired, dead: None, reason: None });
        }
        if self.settings.retry.unknown_retries < work.unknowns {
            return Some(dead(DeadReason::Unknown, "the provider's reply was lost, and no receipt came since".into()));
        }
        let attempted_or_gated =
            0 < work.attempts || work.destination().is_some_and(|at| self.destinations[at].is_gated(now.wall));
        (attempted_or_gated && work.keep_until <= now.wall).then(|| {
            dead(DeadReason::Retention, "its event was about to leave the topic before it could be settled".into())
        })
    }

    /// Why no attempt may begin on this lane, if so.
    pub(super) fn held_back(&self, now: Now) -> Option<PauseReason> {
        if !self.commits.lease_holds(now.boot) {
            return Some(PauseReason::Lease);
        }
        let waited = self.writes.first_key_value().map(|(_, write)| now.boot.since(write.since));
        (0 < self.writes_overdue || waited.is_some_and(|waited| limits::RECEIPT_WAIT_MAX < waited))
            .then_some(PauseReason::Unavailable)
    }

    pub(super) fn dispatch(&mut self, now: Now) {
        if self.stopping.is_some() || self.held_back(now).is_some() {
            return;
        }
        self.dispatch_suspect(now);
        for destination in 0..self.destinations.len() {
            while self.has_room(destination, now) {
                let Some(id) = self.destinations[destination].ready.pop_front() else { break };
                self.try_start(id, destination, now);
            }
        }
    }

    pub(super) fn has_room(&self, destination: usize, now: Now) -> bool {
        self.running < self.settings.in_flight_max && self.destinations[destination].takes_one(now.wall)
    }

    pub(super) fn try_start(&mut self, id: WorkId, destination: usize, now: Now) {
        if !self.takes_over(id, now) {
            return;
        }
        if let Some(ending) = self.overdue(id, now) {
            self.end(id, ending, now);
        } else {
            self.start(id, destination, now);
        }
    }

    /// Whether nothing of a former owner stands in the way. Its pointer is written again first and waited for on the
    /// ledger's tail: a receipt that it still wrote stands before that, so it has been read by then.
    fn takes_over(&mut self, id: WorkId, now: Now) -> bool {
        let Some(work) = self.work.get_mut(&id).filter(|work| work.state == State::Ready) else { return false };
        let read_back = self.partitions.get(&work.partition).and_then(|held| held.index.parked(&work.id()));
        match (work.inherited, read_back) {
            (None, _) | (Some(_), None) => return true, // nothing there, or a receipt, which `start` looks at
            (Some(Inherited::Rewritten(due)), Some(parked)) if parked.due == due => {
                work.inherited = None;
                return true;
            }
            (Some(Inherited::Rewritten(_)), Some(_)) => {}
            (Some(Inherited::Found(found)), Some(_)) => {
                let due = now.wall.max(found.after(Duration::from_millis(1)));
                work.inherited = Some(Inherited::Rewritten(due));
                self.park_unknown(id, due, now);
            }
        }
        self.wait_until(id, now.wall.after(LOOK_AGAIN_AFTER));
        false
    }

    fn start(&mut self, id: WorkId, destination: usize, now: Now) {
        let Some(work) = self.work.get_mut(&id).filter(|work| work.state == State::Ready) else { return };
        let Some(partition) = self.partitions.get_mut(&work.partition).filter(|partition| partition.is_reading())
        else {
            return; // draining: it stays open and is dropped with the partition
        };
        let fingerprint = work.id();
        if partition.index.receipt(&fingerprint).is_some() {
            self.yield_to_receipt(id, now);
            return;
        }
        if work.pointer_pending || self.attempted.get(&fingerprint).is_some_and(|other| *other != id) {
            self.wait_until(id, now.wall.after(LOOK_AGAIN_AFTER));
            return;
        }
        if self.destinations[destination].stopped_since.is_some() {
            self.destinations[destination].probe_at = now.wall.after(limits::PROBE_EVERY);
        }
        self.destinations[destination].running += 1;
        self.running += 1;
        partition.running += 1;
        match work.deaths {
            None => self.attempt(id, now),
            Some(deaths) => self.mark(id, destination, deaths, now),
        }
    }

    /// The attempt itself; its place in the counts is taken already.
    pub(super) fn attempt(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.work.get_mut(&id) else { return };
        work.state = State::Running;
        self.attempted.insert(work.id(), id);
        let suspect = work.deaths.is_some() && work.first_at.is_none();
        work.first_at.get_or_insert(now.wall);
        let Some(delivery) = work.delivery().cloned() else { return };
        let (number, position) = (work.attempts + 1, work.record.position);
        let partition = work.partition;
        if suspect
            && let Some(partition) = self.partitions.get_mut(&partition)
            && let Some(left) = partition.suspects_left.checked_sub(1)
        {
            partition.suspects_left = left;
            self.report(Report::Ambiguous);
        }
        self.commands.push(Command::Attempt(Attempt { work: id, delivery, number, position }));
    }

    /// Gives back the place an attempt took.
    pub(super) fn vacate(&mut self, id: WorkId) {
        let Some(work) = self.work.get(&id) else { return };
        self.running -= 1;
        if let Some(destination) = work.destination() {
            self.destinations[destination].running -= 1;
        }
        let waited_for = !matches!(work.state, State::LeftRunning { .. });
        let (partition, epoch) = (work.partition, work.epoch);
        if let Some(partition) = self.partitions.get_mut(&partition).filter(|known| known.epoch == epoch && waited_for)
        {
            partition.running -= 1;
        }
    }
}
