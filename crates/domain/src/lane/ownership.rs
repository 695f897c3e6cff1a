//! Partitions come and go: assignment, restore, gaps, revoke and loss.

use super::{
    Command, Lane, Now, Report, Write,
    partition::{Partition, Phase},
    room::Aside,
    work::{State, WorkId},
    writes::Purpose,
};
use crate::{
    fingerprint::Fingerprint,
    ledger::{Control, LedgerClass, LedgerEntry, LedgerKey, LedgerRecord},
    limits,
    offsets::PartitionOffsets,
    start::{Gap, Past, Positions, resolve},
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
        self.contradict(number, records, now);
        let is_unmark = |record: &&LedgerRecord| record.key.class == LedgerClass::Mark && record.entry.is_none();
        records.iter().filter(is_unmark).for_each(|record| self.acquit(number, record.key.fingerprint));
    }

    /// A former owner that was cut off says, late, that nobody was at work when it let go. We are: if we die now, the next
    /// owner must learn of it.
    fn contradict(&mut self, number: i32, records: &[LedgerRecord], now: Now) {
        let is_clean = |record: &LedgerRecord| matches!(&record.entry, Some(LedgerEntry::Progress(it)) if it.clean);
        let is_at_work = self.partitions.get(&number).is_some_and(Partition::is_at_work);
        if is_at_work && records.iter().any(is_clean) {
            self.write_progress(number, false, now);
        }
    }

    /// The operator has accepted a gap: look again, once nothing of the old assignment runs any more. One that reads has
    /// used its accept or never needed it: it is deleted, so that it opens no later gap. Before it the cut that it
    /// released, and no earlier: until the commit is back, only the cut keeps the next owner from reading on behind it.
    pub(super) fn look_at_accepts(&mut self, now: Now) {
        let accepted = self.partitions.iter().filter(|(_, partition)| partition.index.accepted.is_some());
        let accepted: Vec<i32> = accepted.map(|(number, _)| *number).collect();
        for number in accepted {
            // A commit of before that landed later would take the next owner's back.
            let has_finished = self.has_finished(number) && !self.is_committing(number);
            let Some(partition) = self.partitions.get_mut(&number) else { continue };
            match partition.phase {
                Phase::Stopped if has_finished => {
                    self.commands.push(Command::Forget { partition: number });
                    self.restore(number);
                }
                Phase::Reading => {
                    partition.index.accepted = None;
                    if partition.index.cut.take().is_some() {
                        self.forget_control(number, LedgerKey::cut(), now);
                    }
                    self.forget_control(number, LedgerKey::accept(), now);
                }
                Phase::Stopped | Phase::Restoring | Phase::Starting | Phase::Refused | Phase::Draining(_) => {}
            }
        }
    }

    fn forget_control(&mut self, number: i32, key: LedgerKey, now: Now) {
        let write = Write::Ledger { partition: number, key, entry: None };
        self.write(number, write, Purpose::Aside, now);
    }

    /// Retention must not take the cut of a partition that stands still.
    pub(super) fn renew_cuts(&mut self, now: Now) {
        let is_due = |partition: &Partition| {
            let stopped = matches!(partition.phase, Phase::Stopped) && partition.index.cut.is_some();
            stopped && limits::PROGRESS_RENEW_AFTER <= now.boot.since(partition.cut_at)
        };
        let due = self.partitions.iter().filter(|(_, partition)| is_due(partition));
        let due: Vec<i32> = due.map(|(number, _)| *number).collect();
        due.into_iter().for_each(|number| self.write_cut(number, now));
    }

    /// What stopped here a later owner may not see: it finds this and stops too.
    fn write_cut(&mut self, number: i32, now: Now) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        let Some(position) = partition.index.cut else { return };
        partition.cut_at = now.boot;
        let entry = Some(LedgerEntry::Control(Control::Cut { position }));
        self.write(number, Write::Ledger { partition: number, key: LedgerKey::cut(), entry }, Purpose::Aside, now);
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
        // As many may have run as may have waited for their receipts.
        let suspects = 2 * self.settings.in_flight_max;
        let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.epoch == epoch) else {
            return;
        };
        let progress = partition.index.progress;
        let past = partition.index.past();
        let is_gap = resolve(positions, Past { accepted: None, ..past }, start).is_err();
        match resolve(positions, past, start) {
            Err(gap) => self.stop_at(number, gap, now),
            Ok(position) => {
                partition.offsets = PartitionOffsets::starting_at(position);
                partition.phase = Phase::Starting;
                // An accepted position may lie below a progress of a topic that is no more.
                partition.progress = past.progress.filter(|_| !is_gap);
                partition.index.progress = progress.filter(|_| !is_gap);
                if progress.is_some_and(|progress| !progress.clean) {
                    partition.suspect_until = Some(now.wall);
                    partition.suspects_left = suspects;
                }
                self.write_progress(number, false, now);
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
    pub(super) fn out_of_range(&mut self, number: i32, position: i64, (low, end): (i64, i64), now: Now) {
        if let Some(partition) = self.partitions.get(&number).filter(|partition| partition.is_reading()) {
            let (open, handed_over) = (partition.offsets.commit_position(), partition.offsets.next_unread());
            // What waits below has vanished too, and an accept forgets it: the line and the accept's plan name it.
            let handed_over = if handed_over < low { open } else { handed_over };
            self.stop_at(number, Gap::while_reading(position, handed_over, low, end), now);
        }
    }

    /// Loud, and nothing moves until an operator accepts: no reading, no commit. What runs may finish.
    fn stop_at(&mut self, number: i32, gap: Gap, now: Now) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.phase = Phase::Stopped;
            let accepted = partition.index.accepted.take();
            partition.index.cut = gap.cut_at().or(partition.index.cut);
            self.report(Report::PartitionStopped { partition: number, gap });
            self.write_cut(number, now);
            if accepted.is_some() {
                self.forget_control(number, LedgerKey::accept(), now); // it came before: it is not for this gap
            }
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
