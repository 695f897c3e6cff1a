//! After a death: what may have been in flight is marked before it is tried, and what may have killed already is tried
//! one at a time, so that the next death counts against its cause alone.

use super::{
    Lane, Now, Write,
    partition::Partition,
    work::{State, Work, WorkId},
    writes::Purpose,
};
use crate::{
    fingerprint::Fingerprint,
    ledger::{AttemptMark, LedgerClass, LedgerEntry, LedgerKey},
    limits,
    time::Timestamp,
};

/// Whose turn it is among those that may have killed. Everybody else passes them.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    work: Option<WorkId>,
    /// Its destination: the next turn is another one's, if there is one that waits.
    destination: usize,
}

impl Lane {
    /// A turn lasts until the attempt has ended and its mark is gone: a death after that is somebody else's.
    pub(super) fn quarantine_is_free(&self) -> bool {
        let held = self.quarantine.work.and_then(|id| self.work.get(&id));
        held.is_none_or(|work| !work.marked && !work.is_running())
    }

    /// When an attempt may begin whose death would be the last that is allowed.
    pub(super) fn last_trial(&self, work: &Work) -> Option<Timestamp> {
        let restored_at = self.partitions.get(&work.partition)?.suspect_until?;
        work.deaths.filter(|deaths| limits::DEATHS_MAX <= deaths + 1)?;
        Some(restored_at.after(limits::LAST_TRIAL_AFTER))
    }

    pub(super) fn dispatch_suspect(&mut self, now: Now) {
        let (last, count) = (self.quarantine.destination, self.destinations.len());
        for destination in (1..=count).map(|step| (last + step) % count) {
            while self.quarantine_is_free() && self.has_room(destination, now) {
                let Some(id) = self.destinations[destination].suspects.pop_front() else { break };
                self.try_start(id, destination, now);
            }
        }
    }

    /// Its attempt begins once the mark is durable.
    pub(super) fn mark(&mut self, id: WorkId, destination: usize, deaths: u32, now: Now) {
        let Some(work) = self.work.get_mut(&id) else { return };
        work.state = State::Marking;
        work.marked = true;
        if work.may_have_killed() {
            self.quarantine = Quarantine { work: Some(id), destination };
        }
        let key = LedgerKey { fingerprint: work.id(), class: LedgerClass::Mark };
        let partition = work.partition;
        let entry = Some(LedgerEntry::Mark(AttemptMark { deaths }));
        self.write(partition, Write::Ledger { partition, key, entry }, Purpose::Mark { work: id }, now);
    }

    /// The mark is durable: the attempt may begin, if nothing changed meanwhile.
    pub(super) fn marked(&mut self, id: WorkId, now: Now) {
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

    /// The attempt was answered, so it killed nobody: its mark must not count against it while it waits, nor the deaths
    /// before.
    pub(super) fn unmark(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.work.get_mut(&id).filter(|work| work.deaths.is_some()) else { return };
        work.deaths = Some(0);
        self.write_unmark(id, None, now);
    }

    /// The attempt never began: what is known of earlier ones stands as it stood.
    pub(super) fn unmark_untried(&mut self, id: WorkId, now: Now) {
        let Some(deaths) = self.work.get(&id).and_then(|work| work.deaths) else { return };
        let before = deaths.checked_sub(1).map(|deaths| LedgerEntry::Mark(AttemptMark { deaths }));
        self.write_unmark(id, before, now);
    }

    fn write_unmark(&mut self, id: WorkId, entry: Option<LedgerEntry>, now: Now) {
        let Some(work) = self.work.get(&id) else { return };
        let key = LedgerKey { fingerprint: work.id(), class: LedgerClass::Mark };
        let partition = work.partition;
        self.write(partition, Write::Ledger { partition, key, entry }, Purpose::Unmark { work: id }, now);
    }

    /// The mark is gone, unless the next attempt has written another meanwhile.
    pub(super) fn unmarked(&mut self, id: WorkId) {
        if let Some(work) = self.work.get_mut(&id) {
            work.marked &= !matches!(work.state, State::Ready | State::Waiting(_));
        }
    }

    /// The partition is lost, but this process lives: what it had marked there has killed nobody.
    pub(super) fn unmark_lost(&mut self, number: i32, now: Now) {
        let is_marked = |work: &Work| {
            work.partition == number && matches!(work.state, State::Marking | State::Running) && work.marked
        };
        let marked: Vec<WorkId> = self.work.iter().filter(|(_, work)| is_marked(work)).map(|(id, _)| *id).collect();
        marked.into_iter().for_each(|id| self.unmark(id, now));
    }

    /// A former owner lives and says so, late.
    pub(super) fn acquit(&mut self, number: i32, fingerprint: Fingerprint) {
        let in_hand = self.partitions.get(&number).and_then(|partition| partition.in_hand.get(&fingerprint)).copied();
        if let Some(work) = in_hand.and_then(|id| self.work.get_mut(&id)).filter(|work| !work.marked) {
            work.deaths = work.deaths.map(|_| 0);
        }
    }
}
