//! One planned delivery against what is known of it: the ledger, what is in flight, what former owners left.

use std::sync::Arc;

use super::{
    Lane, Now, Report, Stage,
    admit::dead,
    answers::LEFT_RUNNING,
    work::{Ending, Inherited, State, Subject, Work},
};
use crate::{
    delivery::Delivery,
    event::Notification,
    fingerprint::{ContentHash, Fingerprint},
    limits,
    outcome::{DeadReason, Outcome},
    plan::{Planned, Verdict},
    record::Record,
    screen::{Knowledge, Screened, screen},
};

/// What follows from one planned delivery: work in hand, a receipt to renew, or nothing.
pub(super) enum Admitted {
    Work(Box<Work>),
    Renewal(Fingerprint),
    Nothing,
}

/// An event as it stands in its record.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub record: &'a Arc<Record>,
    pub event: &'a Arc<Notification>,
    pub content: ContentHash,
    /// Shared by all deliveries: its writer decides how long it is.
    pub trace_parent: Option<&'a Arc<str>>,
}

impl Lane {
    pub(super) fn screen_one(&mut self, incoming: Incoming<'_>, planned: Planned, now: Now) -> Admitted {
        let channel = self.settings.planner.channel;
        let id = Fingerprint::of_delivery(incoming.event, channel, &planned.recipient, None);
        let mut work = self.new_work(incoming, &planned, id);
        work.ending = match planned.verdict {
            Verdict::Send => None,
            Verdict::Skip => {
                let reason = Some("recipient not allowed".to_owned());
                Some(Ending { outcome: Outcome::Skipped, dead: None, reason })
            }
            Verdict::Doomed(reason, detail) => Some(dead(reason, detail)),
        };
        match self.screen(&work, now) {
            Screened::Send => self.admit_work(work),
            Screened::AlreadySettled { renew } => self.suppress_settled(&work, renew, now),
            Screened::InFlight => self.suppress_twin(&work),
            Screened::TooOld => {
                work.ending = Some(dead(
                    DeadReason::TooOld,
                    "older than the dedupe window: it cannot be proven unsent".to_owned(),
                ));
                self.admit_work(work)
            }
            Screened::Conflict => self.conflict(work, incoming.event, now),
        }
    }

    /// The same key with other content: a receipt and a dead letter of its own, so that it overwrites nothing.
    fn conflict(&mut self, mut work: Work, event: &Arc<Notification>, now: Now) -> Admitted {
        let salt = format!("conflict:{:08x}", work.content.0);
        if let Subject::Delivery { delivery, .. } = &mut work.subject {
            delivery.id = Fingerprint::of_delivery(event, delivery.channel, &delivery.recipient, Some(&salt));
        }
        match self.screen(&work, now) {
            Screened::AlreadySettled { renew } => self.suppress_settled(&work, renew, now),
            Screened::InFlight => self.suppress_twin(&work),
            Screened::Send | Screened::TooOld | Screened::Conflict => {
                let detail = "the same event key came before with other content; it was not sent".to_owned();
                work.ending = Some(dead(DeadReason::KeyConflict, detail));
                self.admit_work(work)
            }
        }
    }

    /// A pointer whose receipt its writer could still write, but no more: it would outlive the receipt, and be taken for
    /// the pointer of the key's next use.
    fn suppress_settled(&mut self, work: &Work, renew: bool, now: Now) -> Admitted {
        let fingerprint = work.id();
        self.report(Report::Suppressed(Stage::Ledger));
        if self.partitions[&work.partition].index.has_pointer(&fingerprint) {
            self.forget_pointer(work.partition, fingerprint, now);
        }
        if renew { Admitted::Renewal(fingerprint) } else { Admitted::Nothing }
    }

    /// A twin counts as seen at once: its elder's offset lies below and is open until it is settled.
    fn suppress_twin(&mut self, work: &Work) -> Admitted {
        let parked = self.partitions[&work.partition].index.parked(&work.id()).is_some();
        self.report(Report::Suppressed(if parked { Stage::Parked } else { Stage::InFlight }));
        Admitted::Nothing
    }

    fn screen(&self, work: &Work, now: Now) -> Screened {
        let partition = &self.partitions[&work.partition];
        let in_hand = partition.in_hand.get(&work.id()).and_then(|id| self.work.get(id));
        let known =
            Knowledge { receipt: partition.index.receipt(&work.id()), in_flight: in_hand.map(|twin| twin.content) };
        // A record that asks for nothing to be sent needs no proof that it was not sent.
        let appended_at = if work.ending.is_some() { now.wall } else { work.record.first_appended_at() };
        screen(known, work.content, appended_at, now.wall.before(self.settings.window))
    }

    fn new_work(&self, incoming: Incoming<'_>, planned: &Planned, id: Fingerprint) -> Work {
        let Incoming { record, event, content, trace_parent } = incoming;
        let delivery = Delivery {
            id,
            channel: self.settings.planner.channel,
            destination: planned.destination.clone(),
            recipient: Arc::clone(&planned.recipient),
            salt: None,
            event: Arc::clone(event),
            trace_parent: trace_parent.cloned(),
        };
        let destination = self.destinations.iter().position(|known| known.name == planned.destination);
        let wanted_at = record.first_appended_at().max(event.not_before.unwrap_or_default());
        let subject = Subject::Delivery { delivery, destination };
        Work { wanted_at, content, ..self.bare_work(record, subject) }
    }

    /// What former owners left in the ledger: a pointer to wait for, a mark of attempts that were never answered.
    fn admit_work(&mut self, mut work: Work) -> Admitted {
        let Some(partition) = self.partitions.get(&work.partition) else { return Admitted::Nothing };
        let id = work.id();
        if work.ending.is_none()
            && let Some(parked) = partition.index.parked(&id)
        {
            work.attempts = parked.attempts;
            work.unknowns = parked.unknowns;
            work.state = State::Waiting(parked.due);
            work.inherited = Some(Inherited::Found(parked.due));
            work.left_running = parked.reason == LEFT_RUNNING;
        }
        let suspect = partition.suspect_until.is_some_and(|until| work.record.appended_at <= until);
        if work.ending.is_none() && suspect {
            work.deaths = Some(partition.index.mark(&id).map_or(0, |mark| mark.deaths + 1));
        }
        if let Some(deaths) = work.deaths.filter(|deaths| limits::DEATHS_MAX <= *deaths) {
            let detail = format!("the process died {deaths} times while it was being sent");
            work.ending = Some(dead(DeadReason::CrashLoop, detail));
        }
        Admitted::Work(Box::new(work))
    }
}
