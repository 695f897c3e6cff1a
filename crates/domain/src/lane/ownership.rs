//! Partitions come and go: assignment, restore, gaps, revoke and loss.

use super::{
    Command, Lane, Now, Report, Write,
    partition::{Partition, Phase},
    room::Aside,
    settle::Purpose,
    work::{State, WorkId},
};
use crate::{
    fingerprint::Fingerprint,
    ledger::{LedgerClass, LedgerEntry, LedgerKey, LedgerRecord},
    offsets::PartitionOffsets,
    start::{Gap, Positions, resolve},
};

impl Lane {
    pub(super) fn assigned(&mut self, numbers: &[i32]) {
        if self.stopping.is_some() {
            self.commands.push(Command::Release(numbers.to_vec()));
            return;
        }
        numbers.iter().for_each(|number| self.restore(*number));
    }

    /// Everything of an assignment begins with its epoch: what an older one began closes nothing.
    fn restore(&mut self, number: i32) {
        let epoch = self.next_id();
        self.let_go(number);
        self.partitions.insert(number, Partition::new(epoch));
        self.commands.push(Command::Restore { partition: number, epoch });
    }

    pub(super) fn ledger(&mut self, number: i32, epoch: u64, records: &[LedgerRecord], now: Now) {
        let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.epoch == epoch) else {
            return;
        };
        records.iter().for_each(|record| partition.index.apply(record));
        if partition.phase == Phase::Restoring {
            return;
        }
        // A former owner's late receipt for something that waits here.
        for record in records.iter().filter(|record| matches!(record.entry, Some(LedgerEntry::Receipt(_)))) {
            self.yield_twin(number, record.key.fingerprint, now);
        }
        let is_unmark = |record: &&LedgerRecord| record.key.class == LedgerClass::Mark && record.entry.is_none();
        records.iter().filter(is_unmark).for_each(|record| self.acquit(number, record.key.fingerprint));
    }

    /// The operator has accepted a gap: look again, once nothing of the old assignment runs any more. An accept that
    /// nobody needs is deleted, so that it opens no later gap.
    pub(super) fn look_at_accepts(&mut self, now: Now) {
        let accepted = self.partitions.iter().filter(|(_, partition)| partition.index.accepted.is_some());
        let accepted: Vec<i32> = accepted.map(|(number, _)| *number).collect();
        for number in accepted {
            let Some(partition) = self.partitions.get_mut(&number) else { continue };
            match partition.phase {
                Phase::Stopped(gap) if partition.running == 0 && partition.writing == 0 => {
                    self.commands.push(Command::Forget { partition: number });
                    self.restore(number);
                    if let Some(partition) = self.partitions.get_mut(&number) {
                        partition.stopped_before = Some(gap);
                    }
                }
                Phase::Reading => {
                    partition.index.accepted = None;
                    self.forget_accept(number, now);
                }
                Phase::Stopped(_) | Phase::Restoring | Phase::Starting | Phase::Refused | Phase::Draining(_) => {}
            }
        }
    }

    fn forget_accept(&mut self, number: i32, now: Now) {
        let write = Write::Ledger { partition: number, key: LedgerKey::accept(), entry: None };
        self.write(number, write, Purpose::Aside, now);
    }

    /// The receipt of what an earlier assignment of ours began has become durable.
    pub(super) fn yield_twin(&mut self, number: i32, fingerprint: Fingerprint, now: Now) {
        let twin = self.partitions.get(&number).and_then(|partition| partition.in_hand.get(&fingerprint)).copied();
        let Some(id) = twin else { return };
        match self.work.get(&id).map(|work| work.state) {
            Some(State::Ready | State::Waiting(_)) => self.yield_to_receipt(id, now),
            // The ledger's tail was late. What has not begun to write is taken back, and yields when it is ready again.
            Some(State::Running) => self.commands.push(Command::Recall(id)),
            Some(State::Marking | State::LeftRunning { .. } | State::Settling) | None => {}
        }
    }

    pub(super) fn yield_to_receipt(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.work.get(&id) else { return };
        let (number, offset, fingerprint) = (work.partition, work.record.position.offset, work.id());
        self.report(Report::Suppressed(super::Stage::Ledger));
        self.drop_work(id);
        let key = LedgerKey { fingerprint, class: LedgerClass::Parked };
        let write = Write::Ledger { partition: number, key, entry: None };
        self.write(number, write, Purpose::Offset { offset }, now);
    }

    pub(super) fn restored(&mut self, number: i32, epoch: u64, positions: &Positions, now: Now) {
        let start = self.settings.start;
        let suspects = self.settings.in_flight_max;
        let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.epoch == epoch) else {
            return;
        };
        let progress = partition.index.progress;
        // An accept is looked at once: used up, or of no use. The next one comes by the ledger's tail.
        let accepted = partition.index.accepted.take();
        let settled = progress.map(|progress| progress.position);
        let reads_again = accepted.is_some() && partition.stopped_before.is_some_and(Gap::wants_reading_again);
        let is_gap = reads_again || resolve(positions, settled, None, start).is_err();
        let found = if reads_again { Ok(positions.low) } else { resolve(positions, settled, accepted, start) };
        match found {
            Err(gap) => self.stop_at(number, gap),
            Ok(position) => {
                partition.offsets = PartitionOffsets::starting_at(position);
                partition.phase = Phase::Starting;
                // An accepted position may lie below a progress of a topic that is no more.
                partition.progress = settled.filter(|_| !is_gap);
                partition.index.progress = progress.filter(|_| !is_gap);
                if progress.is_some_and(|progress| !progress.clean) {
                    partition.suspect_until = Some(now.wall);
                    partition.suspects_left = suspects;
                }
                self.write_progress(number, false, now);
                if accepted.is_some() {
                    self.forget_accept(number, now);
                }
            }
        }
    }

    pub(super) fn refused(&mut self, number: i32, epoch: u64, detail: String) {
        if let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.epoch == epoch) {
            partition.phase = Phase::Refused;
            self.report(Report::PartitionRefused { partition: number, detail });
        }
    }

    /// Markers of transactions at the end count as done. Left unpassed they would be a gap once retention takes them.
    pub(super) fn passed(&mut self, number: i32, position: i64) {
        if let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.is_reading()) {
            if partition.full {
                partition.aside.push_back(Aside::Passed(position));
            } else {
                partition.offsets.pass_to(position);
            }
        }
    }

    /// Retention or a truncation overtook us: what was not read may be gone.
    pub(super) fn out_of_range(&mut self, number: i32, position: i64, (low, end): (i64, i64)) {
        if let Some(partition) = self.partitions.get(&number).filter(|partition| partition.is_reading()) {
            let handed_over = partition.offsets.next_unread();
            self.stop_at(number, Gap::while_reading(position, handed_over, low, end));
        }
    }

    /// Loud, and nothing moves until an operator accepts: no reading, no commit. What runs may finish.
    fn stop_at(&mut self, number: i32, gap: Gap) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.phase = Phase::Stopped(gap);
            partition.index.accepted = None; // an accept that came before is not for this gap
            self.report(Report::PartitionStopped { partition: number, gap });
        }
    }

    pub(super) fn revoked(&mut self, numbers: &[i32], now: Now) {
        let (held, unknown): (Vec<i32>, Vec<i32>) =
            numbers.iter().partition(|number| self.partitions.contains_key(number));
        self.begin_drain(&held, now);
        if !unknown.is_empty() {
            self.commands.push(Command::Release(unknown));
        }
    }

    /// No commit, no parking: the partitions may be another's already. Attempts that have not begun to write are
    /// taken back; the receipt of one that has is still a fact.
    pub(super) fn lost(&mut self, numbers: &[i32], now: Now) {
        for number in numbers {
            self.unmark_lost(*number, now);
            let running: Vec<WorkId> = self
                .work
                .iter()
                .filter(|(_, work)| work.partition == *number && work.state == State::Running)
                .map(|(id, _)| *id)
                .collect();
            self.commands.extend(running.into_iter().map(Command::Recall));
            if self.partitions.contains_key(number) {
                self.let_go(*number);
                self.commands.push(Command::Forget { partition: *number });
                self.report(Report::PartitionReleased(*number));
            }
        }
    }
}
