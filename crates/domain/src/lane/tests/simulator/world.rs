//! The world: Kafka, the group, the provider and two processes. `play` does one thing to it.

use std::{collections::HashSet, sync::Arc};

use super::{
    Action,
    checks::past,
    kafka::{Kafka, PARTITIONS, wall},
    process::{Process, Queue, Running},
};
use crate::{
    fingerprint::Fingerprint,
    index::ByFingerprint,
    lane::{Command, CommitPosition, Event, LaneSettings, Now, Report, WorkId, Write, WriteProblem},
    ledger::{LedgerEntry, LedgerRecord},
    start::Positions,
    time::BootTime,
};

use super::super::words::{
    delivered, mail_settings, minutes, misconfigured, permanent, seconds, throttled, transient, unknown,
};

pub(super) const PROCESSES: usize = 2;

#[derive(Debug)]
pub(super) struct World {
    pub settings: LaneSettings,
    pub millis: u64,
    pub long_waits_left: u32,
    pub kafka: Kafka,
    pub processes: [Process; PROCESSES],
    /// Who holds a partition, as the group sees it.
    pub owners: [Option<usize>; PARTITIONS],
    pub revoking: [bool; PARTITIONS],
    pub stopped: [bool; PARTITIONS],
    /// Copies that reached the person.
    pub copies: ByFingerprint<u32>,
    /// What excuses a further copy.
    pub causes: ByFingerprint<u32>,
    /// Settled by a process that had lost the partition: the owner may have come to another end.
    pub contested: HashSet<Fingerprint>,
}

impl World {
    pub(super) fn new() -> Self {
        let mut settings = mail_settings();
        settings.partitions = 2;
        settings.in_flight_max = 6;
        settings.destinations[0].1 = 6;
        settings.retry.give_up_after = minutes(10);
        let process = || Process::new(&settings);
        let mut world = Self {
            kafka: Kafka::new(settings.planner.clone()),
            processes: [process(), process()],
            settings,
            millis: 0,
            long_waits_left: 2,
            owners: [None, None],
            revoking: [false; PARTITIONS],
            stopped: [false; PARTITIONS],
            copies: ByFingerprint::default(),
            causes: ByFingerprint::default(),
            contested: HashSet::new(),
        };
        world.assign(0, 0);
        world.assign(1, 1);
        (0..PROCESSES).for_each(|at| world.flow(at, 0));
        world
    }

    pub(super) fn now(&self) -> Now {
        Now { wall: wall(self.millis), boot: BootTime(1_000_000 + self.millis), jitter: 1.0 }
    }

    pub(super) fn play(&mut self, action: Action) {
        match action {
            Action::Append { p, key, shape } => self.kafka.append(p, key, shape, wall(self.millis)),
            Action::Poll { at, count } => self.poll(at, count, true),
            Action::Begin { at, which } => self.with_attempt(at, which, Self::begin),
            Action::Reach { at, which } => self.with_attempt(at, which, Self::reach),
            Action::Answer { at, which, how } => self.with_attempt(at, which, |world, at, i| world.answer(at, i, how)),
            Action::Durable { at, which, count } => {
                let Some(queue) = self.processes[at].queue(which) else { return };
                (0..count).for_each(|_| self.make_durable(at, queue));
            }
            Action::Acknowledge { at, count } => (0..count).for_each(|_| self.acknowledge(at)),
            Action::TimeOut { at, which, written } => self.time_out(at, which, written),
            Action::Commit { at, applied, answered } => self.end_commit(at, applied, answered),
            Action::Tail { at } => self.tail(at),
            Action::Restore { at } => self.restore(at),
            Action::Reply { at } => self.reply(at),
            Action::Flow { at, how } => self.flow(at, how),
            Action::Advance { millis } => self.wait(millis),
            Action::Assign { p, at } => self.assign(p, at),
            Action::Revoke { p } => self.revoke(p),
            Action::Steal { at } => self.steal(at),
            Action::HandOver { p, millis } => self.hand_over(p, millis),
            Action::Rejoin { at } => self.rejoin(at),
            Action::Lost { at } => self.lost(at),
            Action::Crash { at, chance } => self.crash(at, chance),
            Action::Stop { at } => self.stop(at),
            Action::MoveCommit { p, to } => self.move_commit(p, to),
            Action::DropHead { p, count } => {
                self.kafka.low[p] = (self.kafka.low[p] + count).min(self.kafka.end(p));
            }
            Action::Cut { p } => self.cut(p),
            Action::Accept { p } => self.accept(p),
        }
    }

    pub(super) fn feed(&mut self, at: usize, event: Event) {
        let now = self.now();
        let commands = self.processes[at].lane.handle(event, now);
        for command in commands {
            self.obey(at, command);
        }
    }

    pub(super) fn obey(&mut self, at: usize, command: Command) {
        let process = &mut self.processes[at];
        match command {
            Command::Restore { partition, epoch } => {
                process.forget(index(partition));
                process.restoring.insert(index(partition), epoch);
            }
            Command::Forget { partition } => process.forget(index(partition)),
            Command::ReadFrom { partition, offset } => self.read_from(at, index(partition), offset),
            Command::Attempt(attempt) => process.running.push(Running {
                work: attempt.work,
                id: attempt.delivery.id,
                begun: false,
                reached: false,
                until: wall(self.millis).after(self.settings.attempt_deadline),
            }),
            Command::Recall(work) => self.recall(at, work),
            Command::Abort(work) => self.abort(at, work),
            Command::Write { token, write } => process.produce(token, write),
            Command::Pause(partitions) => process.paused.extend(partitions.into_iter().map(index)),
            Command::Resume(partitions) => process.paused.retain(|p| !partitions.contains(&number(*p))),
            Command::Commit(positions) => {
                assert!(process.commit.is_none(), "one commit at a time");
                process.commit = Some((BootTime(1_000_000 + self.millis), positions));
            }
            Command::Lease(until) => process.lease_until = until,
            Command::Release(partitions) => partitions.into_iter().for_each(|p| self.released(at, index(p))),
            Command::Close => self.close(at),
            Command::Report(Report::PartitionStopped { partition, .. }) => self.stopped[index(partition)] = true,
            Command::Report(_) => {}
            Command::Done(result) => panic!("it stops by itself: {result:?}"),
        }
    }

    // ---- records and attempts --------------------------------------------------------------------------------

    /// `under_way`: it comes although it was to pause, because the source had handed it over before it heard of that.
    pub(super) fn poll(&mut self, at: usize, count: usize, under_way: bool) {
        let mut arrived = Vec::new();
        for (p, next) in self.processes[at].reads.clone() {
            if next < self.kafka.low[p] {
                self.processes[at].reads.remove(&p);
                let (low, end) = (self.kafka.low[p], i64::try_from(self.kafka.topic[p].len()).expect("few"));
                self.feed(at, Event::OutOfRange { partition: number(p), position: next, low, end });
                continue;
            }
            let records = self.kafka.topic[p].iter().skip(usize::try_from(next).expect("an offset")).take(count);
            let before = arrived.len();
            if under_way || !self.processes[at].paused.contains(&p) {
                arrived.extend(records.map(|entry| entry.arrived.clone()));
            }
            let read = i64::try_from(arrived.len() - before).expect("few");
            self.processes[at].reads.insert(p, next + read);
        }
        if !arrived.is_empty() {
            self.feed(at, Event::Polled(arrived));
        }
    }

    pub(super) fn with_attempt(&mut self, at: usize, which: usize, act: impl FnOnce(&mut Self, usize, usize)) {
        let running = self.processes[at].running.len();
        if 0 < running {
            act(self, at, which % running);
        }
    }

    /// The permit is asked: without a lease nothing begins.
    pub(super) fn begin(&mut self, at: usize, i: usize) {
        let now = self.now();
        let process = &mut self.processes[at];
        if process.running[i].begun {
            return;
        }
        if now.boot < process.lease_until {
            process.running[i].begun = true;
            let twice = process.exposed.insert(process.running[i].id, None);
            assert!(twice.is_none(), "P2: begun while an earlier attempt of this process may still reach the person");
        } else {
            let work = process.running.remove(i).work;
            self.feed(at, Event::Answered { work, answer: crate::Answer::NotPermitted });
        }
    }

    /// The provider takes the message.
    pub(super) fn reach(&mut self, at: usize, i: usize) {
        let running = &mut self.processes[at].running[i];
        if running.begun && !running.reached {
            running.reached = true;
            let id = running.id;
            self.count_copy(id);
        }
    }

    pub(super) fn answer(&mut self, at: usize, i: usize, how: u8) {
        let (begun, id) = (self.processes[at].running[i].begun, self.processes[at].running[i].id);
        if begun && matches!(how, 0..5) {
            self.reach(at, i);
        }
        let running = self.processes[at].running.remove(i);
        let answer = match how {
            0..5 if running.reached => delivered(),
            5 if begun => unknown(),
            _ if running.reached => unknown(),
            6 => throttled(seconds(20)),
            7 => permanent(),
            8 => misconfigured(),
            _ => transient(),
        };
        match answer {
            crate::Answer::Delivered { .. } => {}
            crate::Answer::Unknown { .. } => self.excuse(at, id),
            _ => drop(self.processes[at].exposed.remove(&id)),
        }
        self.feed(at, Event::Answered { work: running.work, answer });
    }

    pub(super) fn recall(&mut self, at: usize, work: WorkId) {
        let process = &mut self.processes[at];
        let Some(i) = process.running.iter().position(|running| running.work == work) else { return };
        if process.running[i].begun {
            process.replies.push_back(Event::Begun { work });
        } else {
            process.running.remove(i);
            process.replies.push_back(Event::Answered { work, answer: crate::Answer::NotPermitted });
        }
    }

    pub(super) fn abort(&mut self, at: usize, work: WorkId) {
        let process = &mut self.processes[at];
        let Some(i) = process.running.iter().position(|running| running.work == work) else { return };
        let running = process.running.remove(i);
        let answer = if running.begun { unknown() } else { crate::Answer::NotPermitted };
        process.replies.push_back(Event::Answered { work, answer });
        if running.begun {
            self.excuse(at, running.id);
        }
    }

    pub(super) fn reply(&mut self, at: usize) {
        let Some(event) = self.processes[at].replies.pop_front() else { return };
        if let Event::Begun { work } = &event {
            let due = wall(self.millis).after(self.settings.attempt_deadline);
            let process = &mut self.processes[at];
            if let Some(running) = process.running.iter().find(|running| running.work == *work)
                && let Some(exposed) = process.exposed.get_mut(&running.id)
            {
                *exposed = Some(due);
            }
        }
        self.feed(at, event);
    }

    // ---- what becomes durable --------------------------------------------------------------------------------

    pub(super) fn make_durable(&mut self, at: usize, queue: Queue) {
        if let Some((token, write)) = self.processes[at].pop(queue) {
            self.apply(at, token, write);
            self.processes[at].acknowledgements.push_back(token);
        }
    }

    pub(super) fn apply(&mut self, at: usize, token: u64, write: Write) {
        let now = wall(self.millis);
        match write {
            Write::Ledger { partition, key, entry } => {
                let p = index(partition);
                match &entry {
                    Some(LedgerEntry::Receipt(_)) => {
                        self.check_outcome(at, p, token, key.fingerprint);
                        self.processes.iter_mut().for_each(|process| {
                            process.exposed.remove(&key.fingerprint);
                        });
                    }
                    Some(LedgerEntry::Progress(progress)) => {
                        let is_current = self.processes[at].is_current(p, token);
                        self.check_progress(at, p, progress.position, is_current);
                    }
                    Some(LedgerEntry::Parked(_) | LedgerEntry::Mark(_) | LedgerEntry::Control(_)) | None => {}
                }
                self.kafka.append_ledger(p, LedgerRecord { key, entry, appended_at: now });
            }
            Write::DeadLetter(letter) => {
                self.contest(at, index(letter.partition), token, letter.id);
                self.kafka.dead.push(Arc::unwrap_or_clone(letter));
            }
            Write::Replace { record, partition, .. } => self.kafka.replace(&record, partition, now),
        }
    }

    /// A write of a former assignment may land after the partition has come back.
    pub(super) fn contest(&mut self, at: usize, p: usize, token: u64, id: Fingerprint) {
        if self.owners[p] != Some(at) || !self.processes[at].is_current(p, token) {
            self.contested.insert(id);
        }
    }

    pub(super) fn acknowledge(&mut self, at: usize) {
        if let Some(token) = self.processes[at].acknowledgements.pop_front() {
            self.feed(at, Event::Written { token, result: Ok(()) });
        }
    }

    pub(super) fn time_out(&mut self, at: usize, which: usize, written: bool) {
        let Some(queue) = self.processes[at].queue(which) else { return };
        let Some((token, write)) = self.processes[at].pop(queue) else { return };
        if written {
            self.apply(at, token, write);
        }
        self.feed(at, Event::Written { token, result: Err(WriteProblem::TimedOut) });
    }

    /// Of an expelled member nothing is taken.
    pub(super) fn end_commit(&mut self, at: usize, applied: bool, answered: bool) {
        let Some((sent_at, positions)) = self.processes[at].commit.take() else { return };
        let refused = std::mem::take(&mut self.processes[at].commit_refused);
        let applied = applied && !refused && self.processes[at].stolen.is_empty();
        if applied {
            positions.iter().for_each(|position| self.apply_commit(at, position));
            self.processes[at].proven_at = sent_at.max(self.processes[at].proven_at);
        }
        let result = if applied && answered { Ok(sent_at) } else { Err("no answer".to_owned()) };
        self.feed(at, Event::Committed { result });
    }

    pub(super) fn apply_commit(&mut self, at: usize, commit: &CommitPosition) {
        let p = index(commit.partition);
        self.check_commit(at, p, commit.position);
        self.kafka.committed[p] =
            Some(crate::start::Committed { position: commit.position, metadata: commit.metadata.clone() });
    }

    pub(super) fn tail(&mut self, at: usize) {
        for (p, (epoch, next)) in self.processes[at].tails.clone() {
            let records = self.kafka.ledger[p][next..].to_vec();
            if !records.is_empty() {
                self.processes[at].tails.insert(p, (epoch, next + records.len()));
                self.feed(at, Event::Ledger { partition: number(p), epoch, records });
            }
        }
    }

    pub(super) fn restore(&mut self, at: usize) {
        let Some((p, epoch)) = self.processes[at].restoring.pop_first() else { return };
        let records = self.kafka.ledger[p].clone();
        let past = past(&records);
        let ledger_high = i64::try_from(records.len()).expect("a short ledger");
        self.processes[at].tails.insert(p, (epoch, records.len()));
        self.processes[at].fences[p] = self.processes[at].youngest;
        self.processes[at].progress[p] = self.kafka.progress(p);
        self.feed(at, Event::Ledger { partition: number(p), epoch, records });
        let positions = Positions {
            committed: self.kafka.committed[p].clone(),
            low: self.kafka.low[p],
            high: self.kafka.end(p),
            ledger_high,
            after_progress: None,
        };
        self.feed(at, Event::Restored { partition: number(p), epoch, positions });
        self.check_restored(at, p, past);
    }
}

pub(super) fn index(partition: i32) -> usize {
    usize::try_from(partition).expect("0 or 1")
}

pub(super) fn number(p: usize) -> i32 {
    i32::try_from(p).expect("0 or 1")
}
