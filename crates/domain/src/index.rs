//! The ledger's cache: what one partition's ledger says, in about 40 bytes a receipt.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use crate::{
    fingerprint::{ContentHash, Fingerprint},
    ledger::{AttemptMark, Control, LedgerClass, LedgerEntry, LedgerKey, LedgerRecord, Parked},
    outcome::Outcome,
    start::Past,
    time::Timestamp,
};

/// What memory keeps of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// How it ended.
    pub outcome: Outcome,
    /// What was asked to be sent.
    pub content: ContentHash,
    appended_seconds: u32,
}

impl Known {
    /// A receipt appended at that time (kept to the second).
    #[must_use]
    pub fn new(outcome: Outcome, content: ContentHash, appended_at: Timestamp) -> Self {
        Self { outcome, content, appended_seconds: u32::try_from(appended_at.0 / 1000).unwrap_or(0) }
    }

    /// When the receipt was appended.
    #[must_use]
    pub fn appended_at(self) -> Timestamp {
        Timestamp(i64::from(self.appended_seconds) * 1000)
    }
}

/// Fingerprints are hashes already: half of their bytes serve as the table's hash.
#[derive(Debug, Default)]
pub struct FingerprintHasher(u64);

impl Hasher for FingerprintHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks_exact(8) {
            self.0 ^= chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        }
    }

    fn write_usize(&mut self, _: usize) {} // the array's length: always 16
}

/// A table keyed by fingerprint.
pub type ByFingerprint<V> = HashMap<Fingerprint, V, BuildHasherDefault<FingerprintHasher>>;

/// What a partition's ledger says. A receipt beats a parked pointer whichever comes first.
#[derive(Debug, Default)]
pub struct LedgerIndex {
    receipts: ByFingerprint<Known>,
    parked: ByFingerprint<Parked>,
    marks: ByFingerprint<AttemptMark>,
    /// How far the partition has been settled.
    pub progress: Option<crate::ledger::Progress>,
    /// A standing `offsets accept`.
    pub accepted: Option<i64>,
    /// How far had been read when the topic lost its end, if that stands.
    pub cut: Option<i64>,
}

impl LedgerIndex {
    /// Takes one record of the ledger in, in the ledger's order.
    pub fn apply(&mut self, record: &LedgerRecord) {
        let fingerprint = record.key.fingerprint;
        match &record.entry {
            Some(LedgerEntry::Receipt(receipt)) => {
                self.settle(fingerprint, Known::new(receipt.outcome, receipt.content, record.appended_at));
            }
            Some(LedgerEntry::Parked(parked)) => {
                self.parked.insert(fingerprint, parked.clone());
            }
            Some(LedgerEntry::Mark(mark)) => {
                self.marks.insert(fingerprint, *mark);
            }
            Some(LedgerEntry::Progress(progress)) => self.progress = Some(*progress),
            Some(LedgerEntry::Control(Control::Accept { position })) => self.accepted = Some(*position),
            Some(LedgerEntry::Control(Control::Cut { position })) => self.cut = Some(*position),
            None => self.forget(record.key),
        }
    }

    fn forget(&mut self, key: LedgerKey) {
        let fingerprint = key.fingerprint;
        match key.class {
            LedgerClass::Receipt => drop(self.receipts.remove(&fingerprint)),
            LedgerClass::Parked => drop(self.parked.remove(&fingerprint)),
            LedgerClass::Mark => drop(self.marks.remove(&fingerprint)),
            LedgerClass::Progress => self.progress = None,
            LedgerClass::Control if key == LedgerKey::accept() => self.accepted = None,
            LedgerClass::Control if key == LedgerKey::cut() => self.cut = None,
            LedgerClass::Control => {}
        }
    }

    /// What it says of where to go on.
    #[must_use]
    pub fn past(&self) -> Past {
        let progress = self.progress.map(|progress| progress.position);
        Past { progress, cut: self.cut, accepted: self.accepted }
    }

    /// A receipt is durable. What was parked or marked of it no longer counts.
    pub fn settle(&mut self, fingerprint: Fingerprint, known: Known) {
        self.receipts.insert(fingerprint, known);
        self.marks.remove(&fingerprint);
    }

    /// The receipt, if there is one.
    #[must_use]
    pub fn receipt(&self, fingerprint: &Fingerprint) -> Option<Known> {
        self.receipts.get(fingerprint).copied()
    }

    /// The parked pointer, unless a receipt beats it.
    #[must_use]
    pub fn parked(&self, fingerprint: &Fingerprint) -> Option<&Parked> {
        self.parked.get(fingerprint).filter(|_| !self.receipts.contains_key(fingerprint))
    }

    /// Whether a parked pointer still stands in the ledger and wants a tombstone.
    #[must_use]
    pub fn has_pointer(&self, fingerprint: &Fingerprint) -> bool {
        self.parked.contains_key(fingerprint)
    }

    /// The attempt mark, if there is one.
    #[must_use]
    pub fn mark(&self, fingerprint: &Fingerprint) -> Option<AttemptMark> {
        self.marks.get(fingerprint).copied()
    }

    /// Forgets receipts and pointers that retention has taken from the ledger.
    pub fn forget_before(&mut self, window_start: Timestamp) {
        self.receipts.retain(|_, known| window_start <= known.appended_at());
        self.parked.retain(|_, parked| window_start <= parked.due); // it was appended earlier still
    }

    /// Receipts held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.receipts.len()
    }

    /// Whether no receipt is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Receipt;

    fn record(class: LedgerClass, entry: Option<LedgerEntry>) -> LedgerRecord {
        LedgerRecord {
            key: LedgerKey { fingerprint: Fingerprint([7; 16]), class },
            entry,
            appended_at: Timestamp(5000),
        }
    }

    fn receipt() -> LedgerRecord {
        let receipt = Receipt {
            outcome: Outcome::Delivered,
            content: ContentHash(1),
            attempts: 1,
            first_at: Timestamp(1),
            last_at: Timestamp(2),
            offset: 3,
            reason: None,
            answer: None,
        };
        record(LedgerClass::Receipt, Some(LedgerEntry::Receipt(receipt)))
    }

    fn parked() -> LedgerRecord {
        let parked = Parked { due: Timestamp(9), offset: 3, attempts: 1, unknowns: 1, reason: "unknown".into() };
        record(LedgerClass::Parked, Some(LedgerEntry::Parked(parked)))
    }

    #[test]
    fn a_receipt_beats_a_parked_pointer_in_any_order() {
        for order in [[receipt(), parked()], [parked(), receipt()]] {
            let mut index = LedgerIndex::default();
            order.iter().for_each(|record| index.apply(record));
            assert_eq!(index.receipt(&Fingerprint([7; 16])).map(|known| known.outcome), Some(Outcome::Delivered));
            assert_eq!(index.parked(&Fingerprint([7; 16])), None);
        }
    }

    #[test]
    fn a_tombstone_removes_its_own_class_only() {
        let mut index = LedgerIndex::default();
        index.apply(&receipt());
        index.apply(&parked());
        index.apply(&record(LedgerClass::Parked, None));
        assert!(!index.has_pointer(&Fingerprint([7; 16])));
        assert_eq!(index.len(), 1);
        index.forget_before(Timestamp(6000));
        assert!(index.is_empty());
    }

    #[test]
    fn a_receipt_takes_28_bytes() {
        assert_eq!(size_of::<(Fingerprint, Known)>(), 28);
    }
}
