//! Making an outcome durable: dead letter, then receipt, then the offset closes.

use super::{
    Lane, Now, Report, Settled, Write,
    work::{Ending, State, WorkId},
    writes::Purpose,
};
use crate::{
    dead_letter::{DeadLetter, cut},
    fingerprint::Fingerprint,
    index::Known,
    ledger::{LedgerClass, LedgerEntry, LedgerKey, Receipt},
    record::Record,
};

impl Lane {
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

    pub(super) fn write_receipt(&mut self, id: WorkId, now: Now) {
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
    pub(super) fn settled(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.work.remove(&id) else { return };
        let Some(ending) = &work.ending else { return };
        self.report(Report::Settled(Box::new(Settled {
            delivery: work.delivery().cloned(),
            event: work.event().cloned(),
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
            self.forget_pointer(work.partition, fingerprint, now);
        }
        self.close(work.partition, work.record.position.offset, now);
    }

    pub(super) fn forget_pointer(&mut self, number: i32, fingerprint: Fingerprint, now: Now) {
        let key = LedgerKey { fingerprint, class: LedgerClass::Parked };
        self.write(number, Write::Ledger { partition: number, key, entry: None }, Purpose::Aside, now);
    }

    pub(super) fn close(&mut self, number: i32, offset: i64, now: Now) {
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.offsets.settle_one(offset);
        }
        self.resume_if_room(number, now);
    }

    /// Nothing of this work can reach anybody any more.
    pub(super) fn end_attempt(&mut self, id: WorkId, fingerprint: Fingerprint) {
        if self.attempted.get(&fingerprint) == Some(&id) {
            self.attempted.remove(&fingerprint);
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
