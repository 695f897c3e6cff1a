//! Progress, commit and lease: the position that moves, and the proof that we are still a member.

use std::time::Duration;

use super::{
    Command, CommitPosition, Lane, Now, Report, Write,
    partition::{Drain, Phase},
    writes::Purpose,
};
use crate::{
    ledger::{LedgerEntry, LedgerKey, Progress},
    limits,
    start::commit_metadata,
    time::BootTime,
};

/// The commit under way and what the last one proved. One at a time, so that an answer has one question.
#[derive(Debug, Default)]
pub(super) struct Commits {
    under_way: Option<Vec<(i32, u64, i64)>>,
    tried_at: BootTime,
    lease_until: BootTime,
}

impl Commits {
    /// Whether membership was proven recently.
    pub(super) fn lease_holds(&self, now: BootTime) -> bool {
        now < self.lease_until
    }
}

impl Lane {
    pub(super) fn commit_if_due(&mut self, now: Now) {
        self.write_due_progress(now);
        let since_last = now.boot.since(self.commits.tried_at);
        let moved = self.partitions.values().any(|partition| {
            partition.committable().is_some_and(|position| partition.committed != Some(position))
                && !matches!(partition.phase, Phase::Draining(_))
        });
        let renewal = self.settings.session_timeout / 3 <= since_last || !self.commits.lease_holds(now.boot);
        let starting = self.partitions.values().any(|partition| partition.phase == Phase::Starting);
        let eager = starting || !self.commits.lease_holds(now.boot);
        let pause = if eager { limits::COMMIT_EAGERLY } else { limits::COMMIT_EVERY };
        if self.commits.under_way.is_none() && pause <= since_last && (moved || renewal) {
            self.commit(
                |phase| matches!(phase, Phase::Starting | Phase::Reading | Phase::Draining(Drain::Finishing { .. })),
                now,
            );
        }
    }

    fn write_due_progress(&mut self, now: Now) {
        let due: Vec<i32> = self
            .partitions
            .iter()
            .filter(|(_, partition)| partition.is_reading() && partition.progress_due(now.boot, limits::COMMIT_EVERY))
            .map(|(number, _)| *number)
            .collect();
        due.into_iter().for_each(|number| self.write_progress(number, false, now));
    }

    /// Progress never decreases, also where the lane reads again from an earlier offset.
    pub(super) fn write_progress(&mut self, number: i32, clean: bool, now: Now) {
        let on_its_way = self.progress_on_its_way(number);
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        let in_ledger = partition.index.progress.map(|progress| progress.position);
        let known = partition.progress.max(in_ledger).max(on_its_way);
        let settled = partition.offsets.commit_position();
        let position = known.map_or(settled, |known| known.max(settled));
        partition.progress_pending = true;
        partition.progress_at = now.boot;
        let entry = Some(LedgerEntry::Progress(Progress { position, clean }));
        let write = Write::Ledger { partition: number, key: LedgerKey::progress(), entry };
        self.write(number, write, Purpose::Progress { position }, now);
    }

    /// A progress that a former assignment of ours has written and that is not acknowledged yet.
    fn progress_on_its_way(&self, number: i32) -> Option<i64> {
        self.writes.values().filter_map(|write| write.progress_of(number)).max()
    }

    pub(super) fn progressed(&mut self, number: i32, position: i64, now: Now) {
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        partition.progress = Some(position);
        partition.progress_pending = false;
        match partition.phase {
            Phase::Starting => self.commit_if_due(now),
            Phase::Draining(Drain::Progress) => partition.phase = Phase::Draining(Drain::CommitDue),
            Phase::Restoring | Phase::Reading | Phase::Stopped | Phase::Refused | Phase::Draining(_) => {}
        }
    }

    /// Commits every partition whose phase is chosen, at what is safe now.
    pub(super) fn commit(&mut self, chosen: impl Fn(&Phase) -> bool, now: Now) {
        let under_way: Vec<(i32, u64, i64)> = self
            .partitions
            .iter()
            .filter(|(_, partition)| chosen(&partition.phase))
            .filter_map(|(number, partition)| Some((*number, partition.epoch, partition.committable()?)))
            .collect();
        if under_way.is_empty() {
            return;
        }
        let positions = under_way
            .iter()
            .map(|(partition, _, position)| CommitPosition {
                partition: *partition,
                position: *position,
                metadata: commit_metadata(*position),
            })
            .collect();
        self.commits.tried_at = now.boot;
        self.commits.under_way = Some(under_way);
        self.commands.push(Command::Commit(positions));
    }

    /// Whether a commit of this partition is under way.
    pub(super) fn is_committing(&self, number: i32) -> bool {
        self.commits.under_way.iter().flatten().any(|(partition, ..)| *partition == number)
    }

    pub(super) fn may_commit(&self) -> bool {
        self.commits.under_way.is_none()
    }

    pub(super) fn committed(&mut self, result: Result<BootTime, String>, now: Now) {
        let under_way = self.commits.under_way.take().unwrap_or_default();
        let acknowledged = result.is_ok();
        if let Ok(sent_at) = &result {
            self.prove(*sent_at);
        }
        for (number, epoch, position) in under_way {
            self.committed_one(number, epoch, position, acknowledged);
        }
        self.report(Report::Committed(result.map(drop)));
        self.commit_if_due(now);
    }

    /// The lease counts from the commit's sending: from then on the group knew us as a member.
    fn prove(&mut self, sent_at: BootTime) {
        let term: Duration = self.settings.session_timeout * 2 / 3;
        self.commits.lease_until = self.commits.lease_until.max(sent_at.after(term));
        self.commands.push(Command::Lease(self.commits.lease_until));
    }

    fn committed_one(&mut self, number: i32, epoch: u64, position: i64, acknowledged: bool) {
        let Some(partition) = self.partitions.get_mut(&number).filter(|partition| partition.epoch == epoch) else {
            return;
        };
        if acknowledged {
            partition.committed = Some(position);
        }
        match partition.phase {
            Phase::Starting if acknowledged => {
                partition.phase = Phase::Reading;
                let offset = partition.offsets.next_unread();
                let receipts = partition.index.len();
                let unclean = partition.suspect_until.is_some();
                self.commands.push(Command::ReadFrom { partition: number, offset });
                self.report(Report::PartitionReading { partition: number, position: offset, receipts, unclean });
            }
            // Refused or not, the partition goes: what is not committed is read again and suppressed by its receipts.
            Phase::Draining(Drain::Committing) => self.release(&[number]),
            Phase::Starting
            | Phase::Restoring
            | Phase::Reading
            | Phase::Stopped
            | Phase::Refused
            | Phase::Draining(_) => {}
        }
    }
}
