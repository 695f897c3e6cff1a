//! Making an outcome durable: dead letter, then receipt, then the offset closes.

use super::{
    Command, Lane, Now, Report, Settled, Stop, Write, WriteProblem,
    partition::Partition,
    work::{Ending, State, WorkId},
};
use crate::{
    dead_letter::{DeadLetter, cut},
    fingerprint::Fingerprint,
    index::Known,
    ledger::{LedgerClass, LedgerEntry, LedgerKey, Receipt},
    outcome::Outcome,
    record::Record,
    time::BootTime,
};

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

    /// The outcome is decided: make it durable.
    pub(super) fn end(&mut self, id: WorkId, ending: Ending, now: Now) {
        let Some(work) = self.work.get_mut(&id) else { return };
        work.state = State::Settling;
        work.first_at.get_or_insert(now.wall);
        let is_dead = ending.dead.is_some();
        work.ending = Some(ending);
        if is_dead {
            self.letters.push(id);
        } else {
            self.write_receipt(id, now);
        }
    }

    pub(super) fn dead_letter(&self, id: WorkId, now: Now) -> Option<(i32, DeadLetter)> {
        let work = self.work.get(&id)?;
        let (reason, detail) = work.ending.as_ref()?.dead.clone()?;
        let event = work.event();
        let letter = DeadLetter {
            id: work.id(),
            lane: self.settings.name.as_str().to_owned(),
            reason,
            detail,
            source: event.map(|event| cut(&event.source)),
            event_key: event.map(|event| cut(&event.event_key)),
            event_type: event.map(|event| cut(&event.event_type)),
            channel: work.delivery().map(|delivery| delivery.channel),
            recipient: work.delivery().map(|delivery| cut(&delivery.recipient)),
            attempts: work.attempts,
            first_at: work.first_at.unwrap_or(now.wall),
            last_at: now.wall,
            last_answer: work.last_answer.clone(),
            topic: self.settings.topic.clone(),
            partition: work.record.position.partition,
            offset: work.record.position.offset,
            key: work.record.key.clone(),
            value: work.record.value.clone(),
            headers: work.record.headers.clone(),
        };
        Some((work.partition, letter))
    }

    fn write_receipt(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.work.get(&id) else { return };
        let Some(ending) = &work.ending else { return };
        let receipt = Receipt {
            outcome: ending.outcome,
            content: work.content,
            attempts: work.attempts,
            first_at: work.first_at.unwrap_or(now.wall),
            last_at: now.wall,
            offset: work.record.position.offset,
            reason: ending.reason.clone(),
            answer: work.last_answer.clone(),
        };
        let key = LedgerKey { fingerprint: work.id(), class: LedgerClass::Receipt };
        let partition = work.partition;
        let write = Write::Ledger { partition, key, entry: Some(LedgerEntry::Receipt(receipt)) };
        self.write(partition, write, Purpose::Receipt { work: id }, now);
    }

    /// The receipt is durable: count it, close the offset, forget the work.
    fn settled(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.work.remove(&id) else { return };
        let Some(ending) = &work.ending else { return };
        self.report(Report::Settled(Box::new(Settled {
            delivery: work.delivery().cloned(),
            position: work.record.position,
            outcome: ending.outcome,
            reason: ending.dead.as_ref().map(|(reason, _)| *reason),
            attempts: work.attempts,
            latency: now.wall.since(work.wanted_at),
        })));
        let fingerprint = work.id();
        self.end_attempt(id, fingerprint);
        let Some(partition) = self.partitions.get_mut(&work.partition) else {
            return; // another's by now: the receipt is written, the offset is theirs
        };
        partition.index.settle(fingerprint, Known::new(ending.outcome, work.content, now.wall));
        if partition.epoch != work.epoch {
            self.yield_twin(work.partition, fingerprint, now);
            return; // ours again under a later assignment, which has its own work for it
        }
        partition.in_hand.remove(&fingerprint);
        if partition.index.has_pointer(&fingerprint) || 0 < work.unknowns {
            let key = LedgerKey { fingerprint, class: LedgerClass::Parked };
            let write = Write::Ledger { partition: work.partition, key, entry: None };
            self.write(work.partition, write, Purpose::Aside, now);
        }
        self.close(work.partition, work.record.position.offset, now);
    }

    fn close(&mut self, number: i32, offset: i64, now: Now) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.offsets.settle_one(offset);
        }
        self.resume_if_room(number, now);
    }

    /// Nothing of this work can reach anybody any more.
    fn end_attempt(&mut self, id: WorkId, fingerprint: Fingerprint) {
        if self.attempted.get(&fingerprint) == Some(&id) {
            self.attempted.remove(&fingerprint);
        }
    }

    /// The mark is durable: the attempt may begin, if nothing changed meanwhile.
    fn marked(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.work.get(&id).filter(|work| work.state == State::Marking) else { return };
        let held = self.partitions.get(&work.partition).filter(|held| held.epoch == work.epoch);
        let (is_held, is_reading) = (held.is_some(), held.is_some_and(Partition::is_reading));
        let has_receipt = held.is_some_and(|held| held.index.receipt(&work.id()).is_some());
        let may_begin = is_reading && !has_receipt && self.held_back(now).is_none() && self.stopping.is_none();
        if may_begin {
            self.attempt(id, now);
            return;
        }
        self.vacate(id);
        if is_held {
            self.unmark_untried(id, now);
            self.make_ready_first(id);
        } else {
            self.drop_work(id);
        }
    }

    /// A duplicate far younger than its receipt: the window counts from the latest copy.
    pub(super) fn renew_receipt(&mut self, record: &Record, id: Fingerprint, now: Now) {
        let number = record.position.partition;
        let Some(known) = self.partitions.get(&number).and_then(|partition| partition.index.receipt(&id)) else {
            return;
        };
        let receipt = Receipt {
            outcome: known.outcome,
            content: known.content,
            attempts: 0,
            first_at: known.appended_at(),
            last_at: known.appended_at(),
            offset: record.position.offset,
            reason: Some("renewed for a later copy of the event".to_owned()),
            answer: None,
        };
        let key = LedgerKey { fingerprint: id, class: LedgerClass::Receipt };
        let write = Write::Ledger { partition: number, key, entry: Some(LedgerEntry::Receipt(receipt)) };
        self.write(number, write, Purpose::Offset { offset: record.position.offset }, now);
    }

    /// Forgets work that is no longer ours to settle.
    pub(super) fn drop_work(&mut self, id: WorkId) {
        let Some(work) = self.work.remove(&id) else { return };
        self.end_attempt(id, work.id());
        if let Some(partition) = self.partitions.get_mut(&work.partition).filter(|held| held.epoch == work.epoch)
            && partition.in_hand.get(&work.id()) == Some(&id)
        {
            partition.in_hand.remove(&work.id());
        }
    }
}
