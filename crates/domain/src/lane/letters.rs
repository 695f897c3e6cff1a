//! Dead letters on their way. Each carries its whole record, and one record may end in a thousand of them, so only so many
//! bytes of them wait for Kafka's acknowledgement at once. The others wait for room; their offsets are open.

use std::collections::VecDeque;

use super::{
    Lane, Now, Write,
    work::{Work, WorkId},
    writes::Purpose,
};

/// What is decided and not yet durable.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// Whose letters wait for room.
    waiting: VecDeque<WorkId>,
    /// Bytes of the letters that are not acknowledged.
    bytes: usize,
}

impl Letters {
    pub(super) fn push(&mut self, id: WorkId) {
        self.waiting.push_back(id);
    }

    /// The write is acknowledged, or given up.
    pub(super) fn is_gone(&mut self, write: &Write) {
        if let Write::DeadLetter(letter) = write {
            self.bytes -= letter.size();
        }
    }
}

impl Lane {
    /// Writes what there is room for.
    pub(super) fn bury(&mut self, now: Now) {
        while self.letters.bytes < self.bounds.letter_bytes {
            let Some(id) = self.letters.waiting.pop_front() else { return };
            let Some((partition, letter)) = self.dead_letter(id, now) else { continue };
            self.letters.bytes += letter.size();
            self.write(partition, Write::DeadLetter(letter.into()), Purpose::DeadLetter { work: id }, now);
        }
    }

    /// Whether letters of this partition wait for room.
    pub(super) fn has_letters(&self, number: i32) -> bool {
        self.letters.waiting.iter().any(|id| self.work.get(id).is_some_and(|work| work.partition == number))
    }

    /// Forgets the letters of this partition that wait for room: their deliveries stay open, and the next owner decides
    /// for itself.
    pub(super) fn drop_letters(&mut self, number: i32) {
        self.take_letters(number).into_iter().for_each(|id| self.drop_work(id));
    }

    /// As [`drop_letters`](Self::drop_letters), while the partition is still ours: how often a lost reply was risked is
    /// put on record, or the next owner would risk it anew; and a mark goes, for what was answered has killed nobody.
    pub(super) fn hand_on_letters(&mut self, number: i32, now: Now) {
        for id in self.take_letters(number) {
            if self.work.get(&id).is_some_and(|work| work.marked) {
                self.unmark(id, now);
            }
            if self.work.get(&id).is_some_and(|work| 0 < work.unknowns) {
                self.park_unknown(id, now.wall, now);
            }
            self.drop_work(id);
        }
    }

    fn take_letters(&mut self, number: i32) -> Vec<WorkId> {
        let work = &self.work;
        let is_of = |work: &Work| work.partition == number;
        let (taken, left): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.letters.waiting).into_iter().partition(|id| work.get(id).is_some_and(is_of));
        self.letters.waiting = left;
        taken.into()
    }
}
