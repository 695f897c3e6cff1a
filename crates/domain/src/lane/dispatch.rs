//! Who is attempted next: a queue for each destination, gates, and the one place that waits.

use std::time::Duration;

use super::{
    Attempt, Command, Lane, Now, PauseReason, Report,
    admit::dead,
    answers::LEFT_RUNNING,
    partition::Phase,
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
        let last_trial = self.work.get(&id).and_then(|work| self.last_trial(work)).unwrap_or_default();
        if let Some(work) = self.work.get_mut(&id) {
            // While a former owner may still send it, nothing else ends it.
            let theirs = if let Some(Inherited::Found(until)) = work.inherited { until } else { Timestamp::default() };
            let at_last = work.keep_until.max(last_trial);
            let wake = due.min(work.expires_at().unwrap_or(due)).min(at_last).max(theirs);
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
            let is_held = is_gated || !self.quarantine_is_free();
            if !is_gated && gate.suspects.is_empty() {
                continue;
            }
            let gated = is_gated.then_some(&gate.ready).into_iter().flatten();
            let held = gate.suspects.iter().chain(gated).copied();
            let overdue: Vec<WorkId> = held.filter(|id| self.overdue(*id, is_held, now).is_some()).collect();
            for id in overdue {
                if let Some(ending) = self.overdue(id, is_held, now).filter(|_| self.takes_over(id, now)) {
                    self.end(id, ending, now);
                }
            }
            let (work, gate) = (&self.work, &mut self.destinations[destination]);
            let is_ready = |id: &WorkId| work.get(id).is_some_and(|work| work.state == State::Ready);
            gate.ready.retain(is_ready);
            gate.suspects.retain(is_ready);
        }
    }

    /// How it ends without a further attempt, if so. What comes late, was never attempted, and that nothing holds up,
    /// is attempted.
    fn overdue(&self, id: WorkId, is_held: bool, now: Now) -> Option<Ending> {
        let work = self.work.get(&id).filter(|work| work.state == State::Ready)?;
        if work.expires_at().is_some_and(|expires_at| expires_at <= now.wall) {
            return Some(Ending { outcome: Outcome::Expired, dead: None, reason: None });
        }
        if self.settings.retry.unknown_retries < work.unknowns {
            return Some(dead(DeadReason::Unknown, "the provider's reply was lost, and no receipt came since".into()));
        }
        ((work.first_at.is_some() || is_held) && work.keep_until <= now.wall).then(|| {
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
                let asked = |id: &WorkId| self.work.get(id).is_some_and(|work| work.first_at.is_some());
                let Some(id) = self.destinations[destination].next_ready(asked) else { break };
                self.try_start(id, destination, now);
            }
        }
    }

    /// What runs, and beside it what has ended and waits for its receipt, is what a death can make come twice.
    pub(super) fn has_room(&self, destination: usize, now: Now) -> bool {
        let most = self.settings.in_flight_max;
        self.running < most && self.receipts_awaited < most && self.destinations[destination].takes_one(now.wall)
    }

    pub(super) fn try_start(&mut self, id: WorkId, destination: usize, now: Now) {
        if !self.takes_over(id, now) {
            return;
        }
        let is_held = self.destinations[destination].is_gated(now.wall);
        if let Some(ending) = self.overdue(id, is_held, now) {
            self.end(id, ending, now);
        } else {
            self.start(id, destination, now);
        }
    }

    /// Whether it is ours to decide: no receipt has come, and nothing of a former owner stands in the way. Its pointer is
    /// written again first and waited for on the ledger's tail: a receipt that it still wrote stands before that, so it
    /// has been read by then.
    fn takes_over(&mut self, id: WorkId, now: Now) -> bool {
        let Some(work) = self.work.get_mut(&id).filter(|work| work.state == State::Ready) else { return false };
        let held = self.partitions.get(&work.partition);
        let Some(partition) = held.filter(|held| !matches!(held.phase, Phase::Draining(_))) else {
            return false; // it stays open and is dropped with the partition
        };
        if partition.index.receipt(&work.id()).is_some() {
            self.yield_to_receipt(id, now);
            return false;
        }
        let (Some(inherited), Some(parked)) = (work.inherited, partition.index.parked(&work.id())) else {
            work.inherited = None;
            return true;
        };
        let mut look_at = now.wall.after(LOOK_AGAIN_AFTER);
        match inherited {
            Inherited::Rewritten { due, .. } if parked.due == due => {
                work.inherited = None;
                return true;
            }
            Inherited::Rewritten { found, .. } if parked.due == found => {} // ours has not been read yet
            Inherited::Found(found) if parked.due == found => {
                let due = now.wall.max(found.after(Duration::from_millis(1)));
                work.inherited = Some(Inherited::Rewritten { found, due });
                self.park_unknown(id, due, now);
            }
            Inherited::Rewritten { .. } | Inherited::Found(_) => {
                // Another one of theirs, late: what it tells of may still be under way.
                work.attempts = work.attempts.max(parked.attempts);
                work.unknowns = work.unknowns.max(parked.unknowns);
                work.left_running |= parked.reason == LEFT_RUNNING;
                work.inherited = Some(Inherited::Found(parked.due));
                look_at = look_at.max(parked.due);
            }
        }
        self.wait_until(id, look_at);
        false
    }

    fn start(&mut self, id: WorkId, destination: usize, now: Now) {
        let Some(work) = self.work.get_mut(&id).filter(|work| work.state == State::Ready) else { return };
        let Some(partition) = self.partitions.get_mut(&work.partition).filter(|partition| partition.is_reading())
        else {
            return; // stopped: it stays open and is dropped with the partition
        };
        if work.pointer_pending || self.attempted.get(&work.id()).is_some_and(|other| *other != id) {
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
        let left_running = std::mem::take(&mut work.left_running);
        work.first_at.get_or_insert(now.wall);
        let Some(delivery) = work.delivery().cloned() else { return };
        let (number, position) = (work.attempts + 1, work.record.position);
        let partition = work.partition;
        if left_running {
            self.report(Report::Ambiguous);
            self.park_unknown(id, now.wall, now); // counted: the pointer says so to whoever comes next
        } else if suspect
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
