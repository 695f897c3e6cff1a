//! A record comes in: decode result, place, plan, screen, and either work in hand or settled at once.

use std::sync::Arc;

use super::{
    Arrived, Lane, Now, RecordResult, Report, Stage, Write,
    screening::{Admitted, Incoming},
    work::{Ending, State, Subject, Work},
    writes::Purpose,
};
use crate::{
    event::Notification,
    fingerprint::{ContentHash, Fingerprint},
    limits,
    outcome::{DeadReason, Outcome},
    partitioner::partition_of,
    plan::{Plan, Planned},
    record::Record,
};

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

    pub(super) fn bare_work(&self, record: &Arc<Record>, subject: Subject) -> Work {
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
            left_running: false,
            refused_after: None,
            deaths: None,
            marked: false,
            first_at: None,
            wanted_at: record.first_appended_at(),
            keep_until,
            last_answer: None,
            ending: None,
        }
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
