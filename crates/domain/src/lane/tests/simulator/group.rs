//! What happens to whole processes: the group's decisions, deaths, operators, time.

use std::time::Duration;

use super::{
    kafka::{PARTITIONS, wall},
    process::{Process, Queue},
    world::{PROCESSES, World, number},
};
use crate::{
    fingerprint::Fingerprint,
    lane::{Command, Event},
    ledger::{Control, LedgerEntry, LedgerKey, LedgerRecord},
    time::BootTime,
};

impl World {
    pub(super) fn assign(&mut self, p: usize, at: usize) {
        let process = &mut self.processes[at];
        if self.owners[p].is_none() && process.stolen.is_empty() && !process.stopping {
            self.owners[p] = Some(at);
            process.proven_at = process.proven_at.max(BootTime(1_000_000 + self.millis));
            self.feed(at, Event::Assigned(vec![number(p)]));
        }
    }

    pub(super) fn revoke(&mut self, p: usize) {
        if let Some(at) = self.owners[p].filter(|_| !self.revoking[p]) {
            self.revoking[p] = true;
            self.feed(at, Event::Revoked(vec![number(p)]));
        }
    }

    pub(super) fn released(&mut self, at: usize, p: usize) {
        if self.owners[p] == Some(at) {
            self.owners[p] = None;
            self.revoking[p] = false;
        }
    }

    /// The group heard nothing for a session; by then the lease has long run out.
    pub(super) fn steal(&mut self, at: usize) {
        let held: Vec<usize> = (0..PARTITIONS).filter(|p| self.owners[*p] == Some(at)).collect();
        if held.is_empty() {
            return;
        }
        let expelled = self.processes[at].proven_at.after(self.settings.session_timeout);
        let wait = expelled.since(self.now().boot);
        self.pass(u64::try_from(wait.as_millis()).expect("a session"), Some(at));
        assert!(self.processes[at].lease_until <= self.now().boot, "P2: the lease outlives the session");
        for p in &held {
            self.owners[*p] = None;
            self.revoking[*p] = false;
        }
        self.processes[at].stolen = held;
        self.excuse_all(at);
    }

    pub(super) fn lost(&mut self, at: usize) {
        let stolen = self.processes[at].stolen.clone();
        if !stolen.is_empty() {
            let process = &mut self.processes[at];
            process.commit_refused = process.commit.is_some(); // it is of the old generation
            process.stolen.clear();
            self.feed(at, Event::Lost(stolen.into_iter().map(number).collect()));
        }
    }

    pub(super) fn hand_over(&mut self, p: usize, millis: u64) {
        let Some(from) = self.owners[p] else { return };
        self.revoke(p);
        self.pass(20_500, None);
        self.errands(from);
        self.assign(p, 1 - from);
        self.errands(1 - from);
        for millis in [millis, 300] {
            self.pass(millis, None);
            self.errands(1 - from);
        }
    }

    pub(super) fn rejoin(&mut self, at: usize) {
        self.steal(at);
        let held = self.processes[at].stolen.clone();
        self.lost(at);
        held.into_iter().for_each(|p| self.assign(p, at));
        self.errands(at);
        self.pass(200, None);
        self.errands(at);
    }

    /// The process dies. Of what was produced a part of each partition is durable, begun attempts went through or
    /// did not.
    pub(super) fn crash(&mut self, at: usize, chance: u32) {
        let queues: Vec<Queue> = self.processes[at].queues.keys().copied().collect();
        for (i, queue) in queues.into_iter().enumerate() {
            let durable = chance.rotate_right(u32::try_from(4 * i).expect("few")) % 5;
            (0..durable).for_each(|_| self.make_durable(at, queue));
        }
        self.excuse_all(at);
        for i in 0..self.processes[at].running.len() {
            if chance.rotate_left(u32::try_from(i).expect("few")) & 1 == 1 {
                self.reach(at, i);
            }
        }
        for p in 0..PARTITIONS {
            self.released(at, p);
        }
        self.processes[at] = Process::new(&self.settings);
    }

    pub(super) fn stop(&mut self, at: usize) {
        self.processes[at].stopping = true;
        self.feed(at, Event::Stop);
    }

    /// It has let everything go, or its time is up: what is not durable now never will be.
    pub(super) fn close(&mut self, at: usize) {
        let now = self.now();
        let commands = self.processes[at].lane.handle(Event::Closed, now);
        assert!(matches!(commands.as_slice(), [Command::Done(Ok(()))]), "{commands:?}");
        self.crash(at, 0);
    }

    /// An operator's tool moves an empty group's offset, or Kafka forgets it.
    pub(super) fn move_commit(&mut self, p: usize, to: usize) {
        if self.owners[p].is_none() {
            let position = i64::try_from(to).expect("small") - 1;
            self.kafka.committed[p] = (0 <= position).then(|| crate::start::Committed {
                position: position.min(self.kafka.end(p)),
                metadata: String::new(),
            });
        }
    }

    pub(super) fn cut(&mut self, p: usize) {
        let Some(at) = self.owners[p] else { return };
        let Some(position) = self.processes[at].reads.remove(&p) else { return };
        let (low, end) = (self.kafka.low[p], self.kafka.end(p));
        self.feed(at, Event::OutOfRange { partition: number(p), position, low, end });
    }

    /// An operator accepts that what left the topic is gone; what is still there is to be sent.
    pub(super) fn accept(&mut self, p: usize) {
        if !self.stopped[p] {
            return;
        }
        let low = self.kafka.low[p];
        self.kafka.excused[p] = self.kafka.excused[p].max(low);
        self.kafka.accepts[p] += 1;
        let position = self.kafka.lowest_unsettled(p).max(low);
        let entry = Some(LedgerEntry::Control(Control::Accept { position }));
        let record = LedgerRecord { key: LedgerKey::accept(), entry, appended_at: wall(self.millis) };
        self.kafka.append_ledger(p, record);
    }

    // ---- time ------------------------------------------------------------------------------------------------

    pub(super) fn wait(&mut self, millis: u64) {
        const LONG: Duration = Duration::from_secs(24 * 3600);
        if LONG < Duration::from_millis(millis) {
            if self.long_waits_left == 0 {
                return;
            }
            self.long_waits_left -= 1;
        }
        self.pass(millis, None);
    }

    /// Time passes; attempts end by their deadline. `cut_off` notices nothing.
    pub(super) fn pass(&mut self, millis: u64, cut_off: Option<usize>) {
        (0..PROCESSES).for_each(|at| {
            while !self.processes[at].replies.is_empty() {
                self.reply(at)
            }
        });
        self.millis += millis;
        for at in 0..PROCESSES {
            while let Some(i) = self.processes[at].running.iter().position(|running| running.until <= wall(self.millis))
            {
                self.answer(at, i, if self.processes[at].running[i].begun { 5 } else { 9 });
            }
            let overdue = |(id, due): (&Fingerprint, &Option<crate::Timestamp>)| {
                due.is_some_and(|due| due <= wall(self.millis)).then_some(*id)
            };
            let overdue: Vec<Fingerprint> = self.processes[at].exposed.iter().filter_map(overdue).collect();
            overdue.into_iter().for_each(|id| self.excuse(at, id));
        }
        (0..PROCESSES).filter(|at| cut_off != Some(*at)).for_each(|at| self.feed(at, Event::Tick));
    }

    /// A healthy stretch of one process; its attempts end as said.
    pub(super) fn flow(&mut self, at: usize, how: u8) {
        for _ in 0..3 {
            self.errands(at);
            for _ in 0..self.processes[at].running.len() {
                let Some(work) = self.processes[at].running.first().map(|running| running.work) else { break };
                self.begin(at, 0);
                if self.processes[at].running.first().is_some_and(|running| running.work == work) {
                    self.answer(at, 0, how);
                }
            }
        }
    }

    /// Everything between the process and Kafka is done; its attempts run on.
    fn errands(&mut self, at: usize) {
        for _ in 0..4 {
            self.restore(at);
            while !self.processes[at].replies.is_empty() {
                self.reply(at);
            }
            while let Some(queue) = self.processes[at].queue(0) {
                self.make_durable(at, queue);
            }
            while !self.processes[at].acknowledgements.is_empty() {
                self.acknowledge(at);
            }
            self.end_commit(at, true, true);
            self.tail(at);
            self.poll(at, 8, false);
        }
    }
}
