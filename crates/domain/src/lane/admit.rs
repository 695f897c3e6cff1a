//! A record comes in: decode result, place, plan, screen, and either work in hand or settled at once.

use std::sync::Arc;

use super::{
    Arrived, Lane, Now, RecordResult, Report, Stage, Write,
    settle::Purpose,
    work::{Ending, Inherited, State, Subject, Work},
};
use crate::{
    delivery::Delivery,
    event::Notification,
    fingerprint::{ContentHash, Fingerprint},
    limits,
    outcome::{DeadReason, Outcome},
    partitioner::partition_of,
    plan::{Plan, Planned, Verdict},
    record::Record,
    screen::{Knowledge, Screened, screen},
};

/// What follows from one planned delivery: work in hand, a receipt to renew, or nothing.
enum Admitted {
    Work(Box<Work>),
    Renewal(Fingerprint),
    Nothing,
}

/// An event as it stands in its record.
#[derive(Clone, Copy)]
struct Incoming<'a> {
    record: &'a Arc<Record>,
    event: &'a Arc<Notification>,
    content: ContentHash,
    /// Shared by all deliveries: its writer decides how long it is.
    trace_parent: Option<&'a Arc<str>>,
}

impl Lane {
    pub(super) fn admit(&mut self, arrived: Arrived, now: Now) {
        let record = arrived.record;
        let place = record.position;
        match self.partitions.get(&place.partition) {
            Some(partition) if partition.is_reading() && !partition.offsets.has_read(place.offset) => {}
            _ => return, // not ours any more, or handed over twice
        }
        match arrived.event {
            Ok(event) => match self.home_of(&event) {
                home if home == place.partition => self.admit_event(&record, &event, now),
                home => self.replace(record, &event, home, now),
            },
            Err(unreadable) => {
                self.report(Report::Record(RecordResult::Malformed));
                self.refuse_record(&record, None, dead(unreadable.reason, unreadable.detail), now);
            }
        }
        self.pause_if_full(place.partition);
    }

    fn home_of(&self, event: &Notification) -> i32 {
        partition_of(event.event_key.as_bytes(), self.settings.partitions)
    }

    /// Misplaced: it would escape dedupe here. Produced again where its key belongs; open until that is durable.
    fn replace(&mut self, record: Arc<Record>, event: &Notification, home: i32, now: Now) {
        let place = record.position;
        self.report(Report::Misplaced(place));
        self.begin(&record, 1);
        let write = Write::Replace { record, key: event.event_key.clone(), partition: home };
        self.write(place.partition, write, Purpose::Offset { offset: place.offset }, now);
    }

    fn admit_event(&mut self, record: &Arc<Record>, event: &Arc<Notification>, now: Now) {
        match self.settings.planner.plan(event) {
            Plan::NotForLane => {
                self.report(Report::Record(RecordResult::NotForLane));
                self.begin(record, 0);
            }
            Plan::Refused(reason, detail) => {
                self.report(Report::Record(RecordResult::Planned));
                self.refuse_record(record, Some(Arc::clone(event)), dead(reason, detail), now);
            }
            Plan::Deliveries(planned) => self.admit_deliveries(record, event, planned, now),
        }
    }

    fn admit_deliveries(&mut self, record: &Arc<Record>, event: &Arc<Notification>, planned: Vec<Planned>, now: Now) {
        let trace_parent =
            record.header("traceparent").and_then(|value| std::str::from_utf8(value).ok()).map(Arc::from);
        let content = ContentHash::of(event, self.settings.planner.channel);
        let incoming = Incoming { record, event, content, trace_parent: trace_parent.as_ref() };
        let too_old = record.first_appended_at() < now.wall.before(self.settings.window);
        self.report(Report::Record(if too_old { RecordResult::TooOld } else { RecordResult::Planned }));
        let admitted: Vec<_> = planned.into_iter().map(|planned| self.screen_one(incoming, planned, now)).collect();
        let open = admitted.iter().filter(|admitted| !matches!(admitted, Admitted::Nothing)).count();
        self.begin(record, open);
        for admitted in admitted {
            match admitted {
                Admitted::Work(work) => self.take_in_hand(*work, now),
                Admitted::Renewal(id) => self.renew_receipt(record, id, now),
                Admitted::Nothing => {}
            }
        }
    }

    fn screen_one(&mut self, incoming: Incoming<'_>, planned: Planned, now: Now) -> Admitted {
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
            Screened::AlreadySettled { renew } => {
                self.report(Report::Suppressed(Stage::Ledger));
                if renew { Admitted::Renewal(id) } else { Admitted::Nothing }
            }
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
            Screened::AlreadySettled { renew } => {
                self.report(Report::Suppressed(Stage::Ledger));
                if renew { Admitted::Renewal(work.id()) } else { Admitted::Nothing }
            }
            Screened::InFlight => self.suppress_twin(&work),
            Screened::Send | Screened::TooOld | Screened::Conflict => {
                let detail = "the same event key came before with other content; it was not sent".to_owned();
                work.ending = Some(dead(DeadReason::KeyConflict, detail));
                self.admit_work(work)
            }
        }
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
        let stopped_before = destination.map(|at| self.destinations[at].stopped_for(wanted_at)).unwrap_or_default();
        let subject = Subject::Delivery { delivery, destination };
        Work { wanted_at, stopped_before, content, ..self.bare_work(record, subject) }
    }

    fn bare_work(&self, record: &Arc<Record>, subject: Subject) -> Work {
        // A segment rolls within the hour: the event may leave the topic that much after its retention, not before.
        let keep_until = record.appended_at.after(self.settings.retention).before(limits::KEEP_MARGIN);
        Work {
            partition: record.position.partition,
            epoch: self.partitions[&record.position.partition].epoch,
            record: Arc::clone(record),
            subject,
            content: ContentHash(0),
            state: State::Ready,
            attempts: 0,
            unknowns: 0,
            pointer_pending: false,
            inherited: None,
            deaths: None,
            marked: false,
            first_at: None,
            wanted_at: record.first_appended_at(),
            stopped_before: std::time::Duration::ZERO,
            keep_until,
            last_answer: None,
            ending: None,
        }
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

    /// A record that is settled as a whole, under the fingerprint of its place.
    fn refuse_record(&mut self, record: &Arc<Record>, event: Option<Arc<Notification>>, ending: Ending, now: Now) {
        let id = Fingerprint::of_position(&self.settings.name, &self.settings.topic, record.position);
        let mut work = self.bare_work(record, Subject::Record { id, event });
        work.ending = Some(ending);
        if self.partitions[&record.position.partition].index.receipt(&id).is_some() {
            self.report(Report::Suppressed(Stage::Ledger));
            self.begin(record, 0);
            return;
        }
        self.begin(record, 1);
        self.take_in_hand(work, now);
    }

    /// A misplaced record that could not be put where it belongs; its offset is open already.
    pub(super) fn keep_misplaced(&mut self, record: &Arc<Record>, detail: &str, now: Now) {
        let id = Fingerprint::of_position(&self.settings.name, &self.settings.topic, record.position);
        let mut work = self.bare_work(record, Subject::Record { id, event: None });
        let detail = format!("it stands in another partition than its key's, which does not take it: {detail}");
        work.ending = Some(dead(DeadReason::Misplaced, detail));
        self.take_in_hand(work, now);
    }

    fn begin(&mut self, record: &Record, deliveries: usize) {
        if let Some(partition) = self.partitions.get_mut(&record.position.partition) {
            // The bytes as they came and, about as large, what was decoded from them.
            partition.offsets.begin(record.position.offset, deliveries, record.appended_at, 2 * record.size());
            partition.suspects_read |= partition.suspect_until.is_some_and(|until| until < record.appended_at);
        }
    }

    fn take_in_hand(&mut self, work: Work, now: Now) {
        let id = self.next_id();
        if let Some(partition) = self.partitions.get_mut(&work.partition) {
            partition.in_hand.insert(work.id(), id);
        }
        let not_before = work.event().and_then(|event| event.not_before).filter(|due| now.wall < *due);
        let (ending, state, last_trial) = (work.ending.clone(), work.state, self.last_trial(&work));
        let too_far = not_before.is_some_and(|due| work.keep_until < due);
        self.work.insert(id, work);
        if let Some(ending) = ending {
            self.end(id, ending, now);
        } else if too_far {
            let detail = "not_before lies further ahead than the events topic keeps the event".to_owned();
            self.end(id, dead(DeadReason::TooFarAhead, detail), now);
        } else {
            let parked_until = if let State::Waiting(due) = state { Some(due) } else { None };
            match not_before.max(parked_until).max(last_trial.filter(|due| now.wall < *due)) {
                Some(due) => self.wait_until(id, due),
                None => self.make_ready(id),
            }
        }
    }
}

pub(super) fn dead(reason: DeadReason, detail: String) -> Ending {
    Ending { outcome: Outcome::Dead, reason: Some(reason.as_str().to_owned()), dead: Some((reason, detail)) }
}
