//! One assigned partition.

use std::{collections::VecDeque, time::Duration};

use super::{room::Aside, work::WorkId};
use crate::{
    index::{ByFingerprint, LedgerIndex},
    limits,
    offsets::PartitionOffsets,
    time::{BootTime, Timestamp},
};

/// Where a partition stands between assignment and release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its ledger is being read.
    Restoring,
    /// The start is resolved; its progress and commit are not yet acknowledged.
    Starting,
    /// Records come.
    Reading,
    /// Stopped at a gap, until `offsets accept`.
    Stopped,
    /// Its topics break a promise.
    Refused,
    /// On the way out.
    Draining(Drain),
}

/// The steps of a drain, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    /// What runs may finish until then. `settles`: progress and commit follow; not so where nothing was read, or
    /// where the partition is stopped.
    Finishing { until: BootTime, recalled: bool, settles: bool },
    /// The last progress is being written.
    Progress,
    /// The last commit waits for its turn.
    CommitDue,
    /// The last commit is under way.
    Committing,
}

#[derive(Debug)]
pub(super) struct Partition {
    pub epoch: u64,
    pub phase: Phase,
    pub index: LedgerIndex,
    pub offsets: PartitionOffsets,
    /// Deliveries in hand, by identity: a twin is noticed here.
    pub in_hand: ByFingerprint<WorkId>,
    /// Paused because it holds as much as it may.
    pub full: bool,
    /// What was handed over since; its offsets are not yet open.
    pub aside: VecDeque<Aside>,
    /// Attempts that run and that a drain waits for.
    pub running: usize,
    /// Writes without an acknowledgement.
    pub writing: usize,
    /// Records appended up to then may have been in flight when a former owner died.
    pub suspect_until: Option<Timestamp>,
    /// A record was read that is younger: no suspects are left in the topic.
    pub suspects_read: bool,
    /// How many more attempts may be second copies after that death.
    pub suspects_left: usize,
    /// The progress that is durable.
    pub progress: Option<i64>,
    pub progress_pending: bool,
    /// When it was last written; not on the wall clock, which may be set back.
    pub progress_at: BootTime,
    /// When its cut was last written.
    pub cut_at: BootTime,
    pub committed: Option<i64>,
}

impl Partition {
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            phase: Phase::Restoring,
            index: LedgerIndex::default(),
            offsets: PartitionOffsets::starting_at(0),
            in_hand: ByFingerprint::default(),
            full: false,
            aside: VecDeque::new(),
            running: 0,
            writing: 0,
            suspect_until: None,
            suspects_read: false,
            suspects_left: 0,
            progress: None,
            progress_pending: false,
            progress_at: BootTime::default(),
            cut_at: BootTime::default(),
            committed: None,
        }
    }

    /// Whether its deliveries may be attempted.
    pub(super) fn is_reading(&self) -> bool {
        self.phase == Phase::Reading
    }

    /// Whether the ledger must say that somebody is: from the first progress to the last.
    pub(super) fn is_at_work(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Reading | Phase::Draining(Drain::Finishing { settles: true, .. }))
    }

    /// Nothing of what a former owner may have had in flight when it died is still to be attempted.
    pub(super) fn is_beyond_suspicion(&self) -> bool {
        self.suspect_until.is_none_or(|until| {
            self.suspects_read && self.offsets.oldest_open().is_none_or(|appended_at| until < appended_at)
        })
    }

    /// The position that may be committed now: no higher than what is settled, nor than the durable progress.
    pub(super) fn committable(&self) -> Option<i64> {
        match self.phase {
            Phase::Starting if self.progress_pending => None, // the next owner must learn that we were at work here
            Phase::Draining(Drain::Finishing { settles: false, .. }) => None,
            Phase::Starting | Phase::Reading | Phase::Draining(_) => {
                self.progress.map(|progress| progress.min(self.offsets.commit_position()))
            }
            Phase::Restoring | Phase::Stopped | Phase::Refused => None,
        }
    }

    /// Whether a progress record is due: the position moved beyond it, or retention would take it.
    pub(super) fn progress_due(&self, now: BootTime, every: Duration) -> bool {
        let moved = self.progress.is_none_or(|progress| progress < self.offsets.commit_position());
        let age = now.since(self.progress_at);
        !self.progress_pending && ((moved && every <= age) || limits::PROGRESS_RENEW_AFTER <= age)
    }
}
