//! What has to be durable: written again until it is acknowledged, and what each acknowledgement leads to.

use super::{Command, Lane, Now, Report, Stop, Write, WriteProblem, work::WorkId};
use crate::{outcome::Outcome, time::BootTime};

/// What a write is for, once it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The dead letter of this work: its receipt comes next.
    DeadLetter { work: WorkId },
    /// The receipt of this work: it is settled.
    Receipt { work: WorkId },
    /// The mark of this work: its attempt may begin.
    Mark { work: WorkId },
    /// The end of this work's mark.
    Unmark { work: WorkId },
    /// The pointer of this work: its unknown end is on record.
    Pointer { work: WorkId },
    /// One delivery of the record at this offset is done with.
    Offset { offset: i64 },
    /// The partition's progress.
    Progress { position: i64 },
    /// Nothing waits for it but a drain.
    Aside,
}

impl Purpose {
    fn is_receipt(self) -> bool {
        matches!(self, Self::Receipt { .. })
    }
}

#[derive(Debug)]
pub(super) struct PendingWrite {
    pub since: BootTime,
    partition: i32,
    epoch: u64,
    purpose: Purpose,
    write: Write,
    overdue: bool,
}

impl PendingWrite {
    /// The position, if it is a progress of that partition.
    pub(super) fn progress_of(&self, number: i32) -> Option<i64> {
        match self.purpose {
            Purpose::Progress { position } if self.partition == number => Some(position),
            Purpose::Progress { .. }
            | Purpose::DeadLetter { .. }
            | Purpose::Receipt { .. }
            | Purpose::Mark { .. }
            | Purpose::Unmark { .. }
            | Purpose::Pointer { .. }
            | Purpose::Offset { .. }
            | Purpose::Aside => None,
        }
    }
}

impl Lane {
    pub(super) fn write(&mut self, partition: i32, write: Write, purpose: Purpose, now: Now) {
        let token = self.next_id();
        let epoch = self.partitions.get_mut(&partition).map_or(0, |held| {
            held.writing += 1;
            held.epoch
        });
        let pending = PendingWrite { since: now.boot, partition, epoch, purpose, write: write.clone(), overdue: false };
        self.writes.insert(token, pending);
        self.receipts_awaited += usize::from(purpose.is_receipt());
        self.commands.push(Command::Write { token, write });
    }

    pub(super) fn written(&mut self, token: u64, result: Result<(), WriteProblem>, now: Now) {
        match result {
            Ok(()) => self.acknowledged(token, now),
            Err(WriteProblem::TimedOut) => self.timed_out(token),
            Err(WriteProblem::Refused(detail)) => self.write_refused(token, detail, now),
            Err(WriteProblem::Fatal(detail)) => self.commands.push(Command::Done(Err(Stop::Fatal(detail)))),
        }
    }

    /// Without its receipts and dead letters a lane cannot go on. A misplaced record that its own partition will not
    /// take (the copy is a little larger) is one record's trouble: it is kept as a dead letter.
    fn write_refused(&mut self, token: u64, detail: String, now: Now) {
        let Some(Write::Replace { record, .. }) = self.writes.get(&token).map(|pending| pending.write.clone()) else {
            self.commands.push(Command::Done(Err(Stop::Refused(detail))));
            return;
        };
        let Some(pending) = self.take_write(token) else { return };
        let held = self.partitions.get_mut(&pending.partition).filter(|held| held.epoch == pending.epoch);
        if let Some(partition) = held {
            partition.writing -= 1;
            self.keep_misplaced(&record, &detail, now);
        }
    }

    fn take_write(&mut self, token: u64) -> Option<PendingWrite> {
        let pending = self.writes.remove(&token)?;
        self.writes_overdue -= usize::from(pending.overdue);
        self.receipts_awaited -= usize::from(pending.purpose.is_receipt());
        self.letters.is_gone(&pending.write);
        Some(pending)
    }

    /// Never given up: what is not acknowledged is produced again, and no new attempt begins meanwhile. With the next tick:
    /// a writer that has no room says so at once, and nothing but its answers would be heard.
    fn timed_out(&mut self, token: u64) {
        let Some(pending) = self.writes.get_mut(&token) else { return };
        self.writes_overdue += usize::from(!pending.overdue);
        pending.overdue = true;
        if matches!(pending.write, Write::Ledger { .. }) {
            self.report(Report::LedgerWritten { acknowledged: false });
        }
        self.writes_timed_out.push(token);
    }

    pub(super) fn write_again(&mut self) {
        for token in std::mem::take(&mut self.writes_timed_out) {
            if !self.is_still_wanted(token) {
                self.abandon(token);
            } else if let Some(pending) = self.writes.get(&token) {
                self.commands.push(Command::Write { token, write: pending.write.clone() });
            }
        }
    }

    /// Of a partition that is no longer ours under that assignment only what was really sent is worth writing down:
    /// anything else could contradict the new owner.
    fn is_still_wanted(&self, token: u64) -> bool {
        let Some(pending) = self.writes.get(&token) else { return false };
        let held = self.partitions.get(&pending.partition).is_some_and(|held| held.epoch == pending.epoch);
        held || matches!(pending.purpose, Purpose::Receipt { work } if self.was_delivered(work))
    }

    fn was_delivered(&self, id: WorkId) -> bool {
        let ending = self.work.get(&id).and_then(|work| work.ending.as_ref());
        ending.is_some_and(|ending| ending.outcome == Outcome::Delivered)
    }

    fn abandon(&mut self, token: u64) {
        let Some(pending) = self.take_write(token) else { return };
        match pending.purpose {
            Purpose::DeadLetter { work } | Purpose::Receipt { work } => self.drop_work(work),
            Purpose::Mark { work } => {
                self.vacate(work);
                self.drop_work(work);
            }
            Purpose::Unmark { .. }
            | Purpose::Pointer { .. }
            | Purpose::Offset { .. }
            | Purpose::Progress { .. }
            | Purpose::Aside => {}
        }
    }

    fn acknowledged(&mut self, token: u64, now: Now) {
        let Some(pending) = self.take_write(token) else { return };
        let held = self.partitions.get_mut(&pending.partition).filter(|held| held.epoch == pending.epoch);
        let is_held = held.is_some();
        if let Some(partition) = held {
            partition.writing -= 1;
        }
        if matches!(pending.write, Write::Ledger { .. }) {
            self.report(Report::LedgerWritten { acknowledged: true });
        }
        match pending.purpose {
            Purpose::DeadLetter { work } if self.is_ours(work) => self.write_receipt(work, now),
            Purpose::DeadLetter { work } => self.drop_work(work), // the new owner decides for itself
            Purpose::Receipt { work } => self.settled(work, now),
            Purpose::Mark { work } => self.marked(work, now),
            Purpose::Unmark { work } => self.unmarked(work),
            Purpose::Pointer { work } => {
                if let Some(work) = self.work.get_mut(&work) {
                    work.pointer_pending = false;
                }
            }
            Purpose::Offset { offset } if is_held => self.close(pending.partition, offset, now),
            Purpose::Progress { position } if is_held => self.progressed(pending.partition, position, now),
            Purpose::Offset { .. } | Purpose::Progress { .. } | Purpose::Aside => {}
        }
    }
}
