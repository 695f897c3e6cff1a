//! Letting go in order: finish, record what still runs, write the progress, commit, release.

use std::time::Duration;

use super::{
    Command, Lane, Now, Report,
    partition::{Drain, Partition, Phase},
    work::{State, WorkId},
};
use crate::time::BootTime;

/// After the drain's deadline a stop waits so much longer for Kafka's acknowledgements, then goes without them.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

impl Lane {
    /// The process is to end: every partition drains.
    pub(super) fn stop(&mut self, now: Now) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some(now.boot.after(self.settings.drain_timeout));
        let all: Vec<i32> = self.partitions.keys().copied().collect();
        self.begin_drain(&all, now);
    }

    pub(super) fn begin_drain(&mut self, numbers: &[i32], now: Now) {
        let until = now.boot.after(self.settings.drain_timeout);
        let mut idle = Vec::new();
        for number in numbers {
            let Some(partition) = self.partitions.get_mut(number) else { continue };
            match partition.phase {
                Phase::Reading => {
                    partition.phase = Phase::Draining(Drain::Finishing { until, recalled: false, settles: true });
                }
                Phase::Starting | Phase::Stopped => {
                    partition.phase = Phase::Draining(Drain::Finishing { until, recalled: false, settles: false });
                }
                Phase::Restoring | Phase::Refused => idle.push(*number),
                Phase::Draining(_) => {}
            }
        }
        self.release(&idle);
    }

    /// Moves every draining partition as far as it can go.
    pub(super) fn drain(&mut self, now: Now) {
        let draining: Vec<(i32, Drain)> = self
            .partitions
            .iter()
            .filter_map(|(number, partition)| match partition.phase {
                Phase::Draining(step) => Some((*number, step)),
                Phase::Restoring | Phase::Starting | Phase::Reading | Phase::Stopped | Phase::Refused => None,
            })
            .collect();
        for (number, step) in &draining {
            if let Drain::Finishing { until, recalled, settles } = *step {
                if self.has_finished(*number) {
                    self.finish(*number, settles, now);
                } else if until <= now.boot && !recalled {
                    self.call_back(*number, Drain::Finishing { until, recalled: true, settles }, now);
                }
            }
        }
        self.commit_drained(now);
        if let Some(deadline) = self.stopping.filter(|_| !self.closing) {
            self.close_when_quiet(deadline, now);
        }
    }

    /// Waits for what former assignments still send and write, but never longer than the deadline and a little.
    fn close_when_quiet(&mut self, deadline: BootTime, now: Now) {
        if deadline <= now.boot && !self.orphans_aborted {
            self.orphans_aborted = true;
            let orphans: Vec<WorkId> = self
                .work
                .iter()
                .filter(|(id, work)| work.is_running() && !self.is_ours(**id))
                .map(|(id, _)| *id)
                .collect();
            self.commands.extend(orphans.into_iter().map(Command::Abort));
        }
        let out_of_time = deadline.after(CLOSE_GRACE) <= now.boot;
        if out_of_time {
            let all: Vec<i32> = self.partitions.keys().copied().collect();
            self.release(&all); // not clean: the next owner takes it as a death
        }
        let is_quiet = self.running == 0 && self.writes.is_empty();
        if self.partitions.is_empty() && (is_quiet || out_of_time) {
            self.closing = true;
            self.commands.push(Command::Close);
        }
    }

    /// Nothing runs, and nothing of ours is still on its way to Kafka.
    pub(super) fn has_finished(&self, number: i32) -> bool {
        let quiet = |partition: &Partition| partition.running == 0 && partition.writing == 0;
        self.partitions.get(&number).is_some_and(quiet) && !self.has_letters(number)
    }

    fn finish(&mut self, number: i32, settles: bool, now: Now) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        if settles {
            partition.phase = Phase::Draining(Drain::Progress);
            // Whose lease is gone may have been followed already: by one that is at work, and may die.
            let clean = partition.is_beyond_suspicion() && self.commits.lease_holds(now.boot);
            self.write_progress(number, clean, now);
        } else if !self.is_committing(number) {
            self.release(&[number]); // a commit that lands later would take the next owner's back
        }
    }

    /// The wait is over: letters without room are the next owner's. At exit the sockets are closed; otherwise what has
    /// begun to write may go on, recorded.
    fn call_back(&mut self, number: i32, next: Drain, now: Now) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.phase = Phase::Draining(next);
        }
        self.hand_on_letters(number, now);
        let running: Vec<WorkId> = self
            .work
            .iter()
            .filter(|(_, work)| work.partition == number && work.state == State::Running)
            .map(|(id, _)| *id)
            .collect();
        self.report(Report::LeftRunning { partition: number, attempts: running.len() });
        let aborts = self.stopping.is_some();
        self.commands
            .extend(running.into_iter().map(|id| if aborts { Command::Abort(id) } else { Command::Recall(id) }));
    }

    /// An attempt that a drain no longer waits for: recorded as unknown, due at its own deadline, so that the new
    /// owner waits for our receipt before it tries.
    pub(super) fn begun(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.work.get_mut(&id).filter(|work| work.state == State::Running) else { return };
        let (number, epoch) = (work.partition, work.epoch);
        let due = now.wall.after(self.settings.attempt_deadline);
        work.state = State::LeftRunning { recorded: false };
        let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.epoch == epoch) else {
            return; // lost: no parking, the partition may be another's
        };
        if partition.is_reading() {
            work.state = State::Running;
            return; // recalled for a receipt that came too late: it goes on, and is answered as usual
        }
        work.state = State::LeftRunning { recorded: true };
        partition.running -= 1;
        work.attempts += 1;
        work.unknowns += 1;
        work.left_running = true;
        self.unmark(id, now); // whatever becomes of it, it is no death: the next owner meets the pointer
        self.park_unknown(id, due, now);
    }

    fn commit_drained(&mut self, now: Now) {
        let due = self.partitions.values().any(|partition| partition.phase == Phase::Draining(Drain::CommitDue));
        if !due || !self.may_commit() {
            return;
        }
        self.commit(|phase| *phase == Phase::Draining(Drain::CommitDue), now);
        for partition in self.partitions.values_mut() {
            if partition.phase == Phase::Draining(Drain::CommitDue) {
                partition.phase = Phase::Draining(Drain::Committing);
            }
        }
    }

    /// The partition goes: what was not settled stays open in Kafka, what still runs is an orphan.
    pub(super) fn release(&mut self, numbers: &[i32]) {
        for number in numbers {
            self.let_go(*number);
            self.commands.push(Command::Forget { partition: *number });
            self.report(Report::PartitionReleased(*number));
        }
        if !numbers.is_empty() {
            self.commands.push(Command::Release(numbers.to_vec()));
        }
    }

    /// Forgets a partition's state and all its work but what runs or is being settled.
    pub(super) fn let_go(&mut self, number: i32) {
        self.partitions.remove(&number);
        let idle: Vec<WorkId> = self
            .work
            .iter()
            .filter(|(_, work)| work.partition == number && matches!(work.state, State::Ready | State::Waiting(_)))
            .map(|(id, _)| *id)
            .collect();
        idle.into_iter().for_each(|id| self.drop_work(id));
        self.drop_letters(number);
        let work = &self.work;
        self.timers.retain(|(_, id)| work.contains_key(id));
    }
}
