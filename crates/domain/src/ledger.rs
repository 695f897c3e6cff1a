//! What the ledger holds: receipts, parked pointers, attempt marks, progress and controls.

use crate::{
    fingerprint::{ContentHash, Fingerprint},
    outcome::Outcome,
    time::Timestamp,
};

/// What a ledger record says; the last byte of its key. Classes have keys of their own, so that compaction
/// never lets a late `Parked` of a former owner replace a `Receipt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LedgerClass {
    /// A final outcome.
    Receipt,
    /// Waiting for a stated time.
    Parked,
    /// An attempt is about to begin (written only after an unclean start).
    Mark,
    /// How far the partition has been settled.
    Progress,
    /// An order that stands: an operator's accept, an owner's cut.
    Control,
}

impl LedgerClass {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Receipt, Self::Parked, Self::Mark, Self::Progress, Self::Control];

    /// The class byte in the key.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Receipt => b'R',
            Self::Parked => b'P',
            Self::Mark => b'M',
            Self::Progress => b'G',
            Self::Control => b'C',
        }
    }

    /// The class of that byte; a later version's class is none of ours and is passed over.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.byte() == byte)
    }
}

/// A ledger record's key: 16 bytes of fingerprint and the class byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerKey {
    /// The delivery; for progress and controls a fixed name's fingerprint.
    pub fingerprint: Fingerprint,
    /// What the record says of it.
    pub class: LedgerClass,
}

impl LedgerKey {
    /// The 17 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(&self.fingerprint.0);
        bytes[16] = self.class.byte();
        bytes
    }

    /// The key of those bytes, if they are one of ours.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (class, fingerprint) = bytes.split_last()?;
        Some(Self { fingerprint: Fingerprint(fingerprint.try_into().ok()?), class: LedgerClass::from_byte(*class)? })
    }

    /// The key of a partition's progress.
    #[must_use]
    pub fn progress() -> Self {
        Self { fingerprint: Fingerprint([0; 16]), class: LedgerClass::Progress }
    }

    /// The key of a partition's standing `accept`.
    #[must_use]
    pub fn accept() -> Self {
        Self { fingerprint: Fingerprint([0; 16]), class: LedgerClass::Control }
    }

    /// The key of a partition's standing [`Control::Cut`].
    #[must_use]
    pub fn cut() -> Self {
        Self { fingerprint: Fingerprint([1; 16]), class: LedgerClass::Control }
    }
}

/// A final outcome, durable once acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// How it ended.
    pub outcome: Outcome,
    /// What was asked to be sent; another hash under the same key is a conflict.
    pub content: ContentHash,
    /// Attempts that were made.
    pub attempts: u32,
    /// When the first attempt began, or when it was settled without one.
    pub first_at: Timestamp,
    /// When it was settled.
    pub last_at: Timestamp,
    /// The event's offset in the events topic.
    pub offset: i64,
    /// Why, for a `dead` one (a [`crate::DeadReason`]) or a `skipped` one.
    pub reason: Option<String>,
    /// The provider's last words.
    pub answer: Option<String>,
}

/// Not settled: due again at a stated time. Also the trace of an attempt whose end is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Not to be attempted before.
    pub due: Timestamp,
    /// Where the event is read back from.
    pub offset: i64,
    /// Attempts so far.
    pub attempts: u32,
    /// How many of them ended unknown.
    pub unknowns: u32,
    /// Why it waits.
    pub reason: String,
}

/// An attempt is about to begin although a former process died: the count of deaths it may have caused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptMark {
    /// Deaths before this attempt.
    pub deaths: u32,
}

/// How far a partition has been settled. Written before each commit, never decreasing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Every record below it is settled or parked.
    pub position: i64,
    /// The owner let go in order: nothing was in flight. Otherwise the next owner marks its attempts.
    pub clean: bool,
}

/// An order that stands in the ledger, for every owner to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Go on at this position behind a gap.
    Accept {
        /// Where to go on.
        position: i64,
    },
    /// An owner's: the topic lost its end, so nobody reads before somebody accepts. A later owner could not see it, once
    /// the topic has grown again.
    Cut {
        /// How far had been read.
        position: i64,
    },
}

/// The value of a ledger record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerEntry {
    /// See [`Receipt`].
    Receipt(Receipt),
    /// See [`Parked`].
    Parked(Parked),
    /// See [`AttemptMark`].
    Mark(AttemptMark),
    /// See [`Progress`].
    Progress(Progress),
    /// See [`Control`].
    Control(Control),
}

/// A record read from the ledger. `entry` is none for a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRecord {
    /// Its key.
    pub key: LedgerKey,
    /// What it says; none: deleted.
    pub entry: Option<LedgerEntry>,
    /// When the broker appended it.
    pub appended_at: Timestamp,
}
