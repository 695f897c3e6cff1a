//! What follows from an attempt's answer.

use super::{
    Lane, Now, Report, Write,
    admit::dead,
    work::{Ending, State, WorkId},
    writes::Purpose,
};
use crate::{
    answer::{Answer, Failure, Reason},
    ledger::{LedgerClass, LedgerEntry, LedgerKey, Parked},
    outcome::{DeadReason, Outcome},
    retry::Next,
    time::Timestamp,
};

/// Why a pointer was written: an attempt that its owner could not wait for.
pub(super) const LEFT_RUNNING: &str = "left_running";

impl Lane {
    pub(super) fn answered(&mut self, id: WorkId, answer: Answer, now: Now) {
        let Some(work) = self.work.get_mut(&id).filter(|work| work.is_running()) else { return };
        if let Some(failure) = answer.failure() {
            work.last_answer = Some(failure.answer.clone());
        }
        let answer = self.blame(id, answer, now);
        self.vacate(id);
        self.open_or_close_gate(id, &answer, now);
        if self.is_ours(id) {
            self.decide(id, answer, now);
        } else {
            self.settle_orphan(id, answer, now);
        }
    }

    /// Whether the partition is still held under the assignment that began this work, and waits for it.
    pub(super) fn is_ours(&self, id: WorkId) -> bool {
        self.work.get(&id).is_some_and(|work| {
            let held = self.partitions.get(&work.partition).is_some_and(|partition| partition.epoch == work.epoch);
            held && !matches!(work.state, State::LeftRunning { .. })
        })
    }

    fn decide(&mut self, id: WorkId, answer: Answer, now: Now) {
        match answer {
            Answer::Delivered { reply } => {
                if let Some(work) = self.work.get_mut(&id) {
                    work.attempts += 1;
                    work.last_answer = Some(reply);
                }
                self.end(id, Ending { outcome: Outcome::Delivered, dead: None, reason: None }, now);
            }
            Answer::NotPermitted => {
                self.unmark_untried(id, now);
                self.make_ready_first(id);
            }
            Answer::Misconfigured { .. } => {
                self.unmark(id, now);
                self.wait_until(id, now.wall.after(self.stands_back(id, now)));
            }
            Answer::Throttled { failure, .. } => {
                self.unmark(id, now);
                self.hold(id, &failure, now);
            }
            Answer::Permanent { failure } => {
                self.burn(id);
                self.end(id, dead(dead_reason(failure.reason), failure.answer), now);
            }
            Answer::Transient { failure, retry_after } => {
                self.burn(id);
                self.unmark(id, now);
                self.retry(id, &failure, retry_after, now);
            }
            Answer::Unknown { failure } => self.risk(id, &failure, now),
        }
    }

    fn burn(&mut self, id: WorkId) {
        if let Some(work) = self.work.get_mut(&id) {
            work.attempts += 1;
        }
    }

    /// Throttled: the destination waits, the delivery behind the others: one that alone is throttled again and again must
    /// not stand in front of them. It waits by itself while the others are served. And not for ever.
    fn hold(&mut self, id: WorkId, failure: &Failure, now: Now) {
        let is_gated = self.is_gated(id, now);
        match self.next_attempt(id, None, now) {
            Next::After(_) if !is_gated => self.wait_until(id, now.wall.after(self.stands_back(id, now))),
            Next::After(_) => self.make_ready(id),
            Next::GiveUp => self.end(id, dead(DeadReason::GaveUp, failure.answer.clone()), now),
        }
    }

    fn retry(&mut self, id: WorkId, failure: &Failure, hint: Option<std::time::Duration>, now: Now) {
        match self.next_attempt(id, hint, now) {
            Next::After(wait) => self.wait_until(id, now.wall.after(wait)),
            Next::GiveUp => self.end(id, dead(DeadReason::GaveUp, failure.answer.clone()), now),
        }
    }

    fn next_attempt(&self, id: WorkId, hint: Option<std::time::Duration>, now: Now) -> Next {
        let Some(work) = self.work.get(&id) else { return Next::GiveUp };
        let stopped = work.destination().map(|at| self.destinations[at].stopped_after(work.wanted_at, now.wall));
        let waited = now.wall.since(work.wanted_at).saturating_sub(stopped.unwrap_or_default());
        self.settings.retry.next_attempt(work.attempts, waited, hint, now.jitter)
    }

    /// Lost reply: the person may have it. Tried again only as often as the operator allows, and the risk taken is
    /// in the ledger before it is taken again.
    fn risk(&mut self, id: WorkId, failure: &Failure, now: Now) {
        self.report(Report::Ambiguous);
        self.burn(id);
        self.unmark(id, now);
        let Some(work) = self.work.get_mut(&id) else { return };
        work.unknowns += 1;
        if self.settings.retry.unknown_retries < work.unknowns {
            self.end(id, dead(DeadReason::Unknown, failure.answer.clone()), now);
            return;
        }
        let leaving = self.stopping.is_some() || !self.partitions[&self.work[&id].partition].is_reading();
        let due = match self.next_attempt(id, None, now) {
            _ if leaving => now.wall,
            Next::After(wait) => now.wall.after(wait),
            Next::GiveUp => {
                self.end(id, dead(DeadReason::GaveUp, failure.answer.clone()), now);
                return;
            }
        };
        self.park_unknown(id, due, now);
        self.wait_until(id, due);
    }

    /// The ledger's trace of an attempt whose end nobody knows.
    pub(super) fn park_unknown(&mut self, id: WorkId, due: Timestamp, now: Now) {
        let Some(work) = self.work.get(&id) else { return };
        let parked = Parked {
            due,
            offset: work.record.position.offset,
            attempts: work.attempts,
            unknowns: work.unknowns,
            reason: if work.left_running { LEFT_RUNNING } else { "unknown" }.to_owned(),
        };
        let key = LedgerKey { fingerprint: work.id(), class: LedgerClass::Parked };
        let partition = work.partition;
        let write = Write::Ledger { partition, key, entry: Some(LedgerEntry::Parked(parked)) };
        if let Some(work) = self.work.get_mut(&id) {
            work.pointer_pending = true;
        }
        self.write(partition, write, Purpose::Pointer { work: id }, now);
    }

    /// The partition went away while it ran: a delivered one is a fact and gets its receipt, the rest is the new
    /// owner's business.
    fn settle_orphan(&mut self, id: WorkId, answer: Answer, now: Now) {
        let recorded = self.work.get(&id).is_some_and(|work| work.state == State::LeftRunning { recorded: true });
        match answer {
            Answer::Delivered { reply } => {
                if let Some(work) = self.work.get_mut(&id) {
                    work.attempts += u32::from(!recorded);
                    work.last_answer = Some(reply);
                }
                self.end(id, Ending { outcome: Outcome::Delivered, dead: None, reason: None }, now);
            }
            Answer::Unknown { .. } => {
                self.report(Report::Ambiguous);
                self.drop_work(id);
            }
            Answer::NotPermitted
            | Answer::Transient { .. }
            | Answer::Throttled { .. }
            | Answer::Permanent { .. }
            | Answer::Misconfigured { .. } => self.drop_work(id),
        }
    }
}

fn dead_reason(reason: Reason) -> DeadReason {
    match reason {
        Reason::InvalidAddress => DeadReason::InvalidAddress,
        Reason::InvalidMessage => DeadReason::InvalidMessage,
        Reason::Bug => DeadReason::Bug,
        Reason::Connect
        | Reason::Timeout
        | Reason::Disconnected
        | Reason::Tls
        | Reason::Auth
        | Reason::Protocol
        | Reason::RateLimited
        | Reason::Unavailable
        | Reason::MailboxFull
        | Reason::TryLater
        | Reason::UnknownRecipient
        | Reason::Forbidden
        | Reason::SenderRejected
        | Reason::Policy
        | Reason::TooLarge
        | Reason::LostReply
        | Reason::Other => DeadReason::Rejected,
    }
}
