//! The promises, checked.

use super::{
    kafka::PARTITIONS,
    world::{PROCESSES, World, number},
};
use crate::{
    dead_letter::DeadLetter, fingerprint::Fingerprint, index::LedgerIndex, ledger::LedgerRecord, outcome::Outcome,
    start::Past,
};

/// What a ledger says of where to go on.
pub(super) fn past(records: &[LedgerRecord]) -> Past {
    let mut index = LedgerIndex::default();
    records.iter().for_each(|record| index.apply(record));
    index.past()
}

impl World {
    /// P2.
    pub(super) fn count_copy(&mut self, id: Fingerprint) {
        let copies = self.copies.entry(id).or_default();
        *copies += 1;
        let causes = self.causes.get(&id).copied().unwrap_or_default();
        assert!(*copies <= 1 + causes, "P2: copy {copies} of {id} with {causes} causes");
    }

    /// An attempt that may have reached the person ends without a durable receipt: the next copy has a cause.
    pub(super) fn excuse(&mut self, at: usize, id: Fingerprint) {
        if self.processes[at].exposed.remove(&id).is_some() {
            *self.causes.entry(id).or_default() += 1;
        }
    }

    pub(super) fn excuse_all(&mut self, at: usize) {
        let exposed: Vec<Fingerprint> = self.processes[at].exposed.keys().copied().collect();
        exposed.into_iter().for_each(|id| self.excuse(at, id));
    }

    /// P1: while an attempt that a drain left running may still be delivered, the next owner waits for its receipt,
    /// unless an earlier copy of its own is a fact.
    pub(super) fn check_outcome(&mut self, at: usize, p: usize, token: u64, id: Fingerprint) {
        let now = self.now().wall;
        let is_awaited =
            |from: usize| self.processes[from].exposed.get(&id).copied().flatten().is_some_and(|due| now < due);
        let is_hasty = is_awaited(1 - at) && self.owners[p] == Some(at);
        assert!(!is_hasty || self.is_excused(id), "P1: {id} is settled while its former owner may still send it");
        if !is_awaited(at) {
            self.contest(at, p, token, id);
        }
    }

    fn is_excused(&self, id: Fingerprint) -> bool {
        self.causes.contains_key(&id) || self.contested.contains(&id)
    }

    /// P3.
    pub(super) fn check_commit(&mut self, at: usize, p: usize, position: i64) {
        assert_eq!(self.owners[p], Some(at), "a commit for a partition that is another's");
        let unsettled = self.kafka.lowest_unsettled(p);
        assert!(position <= unsettled, "P3: partition {p} commits {position}, but {unsettled} is not settled");
        let progress = self.kafka.progress_max(p);
        assert!(progress.is_some_and(|progress| position <= progress), "committed {position} beyond {progress:?}");
    }

    /// P3, and what P6 rests on: a commit from outside is trusted up to the progress.
    pub(super) fn check_progress(&mut self, at: usize, p: usize, position: i64, is_current: bool) {
        let unsettled = self.kafka.lowest_unsettled(p);
        assert!(position <= unsettled, "P3: partition {p} has progress {position}, but {unsettled} is not settled");
        if is_current && self.owners[p] == Some(at) && self.kafka.accepts[p] == 0 {
            let known = self.processes[at].progress[p];
            assert!(known.is_none_or(|known| known <= position), "progress falls from {known:?} to {position}");
            self.processes[at].progress[p] = Some(position);
        }
    }

    /// P6.
    pub(super) fn read_from(&mut self, at: usize, p: usize, offset: i64) {
        let unsettled = self.kafka.lowest_unsettled(p);
        assert!(offset <= unsettled, "P6: partition {p} is read from {offset}, but {unsettled} is not settled");
        self.stopped[p] = false;
        self.processes[at].paused.remove(&p);
        self.processes[at].reads.insert(p, offset);
    }

    /// P6: a cut that nobody accepted stops every owner.
    pub(super) fn check_restored(&self, at: usize, p: usize, past: Past) {
        let snapshot = self.processes[at].lane.snapshot(self.now());
        let held = snapshot.partitions.iter().find(|held| held.partition == number(p));
        let must_stop = past.cut.is_some() && past.accepted.is_none();
        assert!(!must_stop || held.is_none_or(|held| held.stopped), "P6: partition {p} is read on behind {past:?}");
    }

    /// Quiet weather: one healthy owner, everything is answered, an operator looks after gaps.
    pub(super) fn calm_down(&mut self) {
        for _ in 0..2_000 {
            for at in 0..PROCESSES {
                self.lost(at);
                self.flow(at, 0);
            }
            for p in 0..PARTITIONS {
                match self.owners[p] {
                    None => self.assign(p, 0),
                    Some(0) => {}
                    Some(_) => self.revoke(p),
                }
                self.accept_once(p);
            }
            if self.is_over() {
                return;
            }
            let quiet = self.processes.iter().all(super::process::Process::is_quiet);
            self.pass(if quiet { 5_000 } else { 200 }, None);
        }
        panic!("P1: not everything is settled after hours of calm: {self:#?}");
    }

    /// A standing accept that was not looked at yet is enough.
    fn accept_once(&mut self, p: usize) {
        let quiet = self.processes.iter().all(|process| process.restoring.is_empty());
        if self.stopped[p] && quiet {
            self.accept(p);
        }
    }

    fn is_over(&mut self) -> bool {
        (0..PARTITIONS).all(|p| {
            let end = self.kafka.end(p);
            let committed = self.kafka.committed[p].as_ref().map(|committed| committed.position);
            self.owners[p] == Some(0)
                && self.processes[0].reads.get(&p) == Some(&end)
                && self.kafka.lowest_unsettled(p) == end
                && committed == Some(end)
        })
    }

    /// P1, P2 and P4 in the end.
    pub(super) fn check_the_end(&mut self) {
        for (id, outcomes) in &self.kafka.outcomes {
            let excused = self.is_excused(*id);
            assert!(outcomes.len() == 1 || excused, "{id} ended as {outcomes:?}");
            let copies = self.copies.get(id).copied().unwrap_or_default();
            if outcomes.contains(&Outcome::Delivered) {
                assert!(0 < copies, "P4: {id} is delivered, but nobody has it");
            }
            if outcomes.contains(&Outcome::Expired) {
                assert!(copies == 0 || excused, "{id} expired, although it was delivered");
            }
            if outcomes.contains(&Outcome::Dead) {
                let letters = self.kafka.dead.iter().filter(|letter| letter.id == *id).count();
                assert!(0 < letters, "P1: {id} is dead without a dead letter");
                assert!(copies == 0 || excused, "{id} is dead, although it was delivered");
            }
        }
        // Where an operator accepted a gap, or an owner was expelled, what it conflicted with may never have come.
        let is_void = |letter: &DeadLetter| {
            0 < self.kafka.accepts[super::world::index(letter.partition)] || self.contested.contains(&letter.id)
        };
        for letter in self.kafka.dead.iter().filter(|letter| !is_void(letter)) {
            assert!(self.kafka.receipts.contains_key(&letter.id), "a dead letter without a receipt");
        }
    }
}
