//! The whole way of an event, on one page.
//!
//! ```text
//! source ─ records ─▶ read ─▶ lane.handle ─┬─ Attempt ─▶ channel ─ answer ──────────┐
//!                              ▲           ├─ Write: dead letter, receipt ─▶ Kafka ─┤
//!                              │           ├─ Commit, Pause, Resume, Release ─▶ source
//!                              └─ events ◀─┴────────────── acknowledgements ◀────────┘
//! ```
//!
//! The lane decides, this file obeys. The order that everything hangs on is the lane's: dead letter acknowledged,
//! receipt acknowledged, offset closed, commit moved to the lowest open offset.

use std::time::Duration;

use postrider_domain::{
    lane::{Command, Event, Lane},
    time::BootTime,
};
use postrider_kafka::{Ledger, LedgerEvent, Source, SourceEvent};
use postrider_telemetry::clock;
use postrider_wire::NotificationReader;

use crate::{
    attempts::{Attempts, Ended},
    error::LaneError,
    gatekeeper::Gatekeeper,
    inputs::{Input, Inputs, checked, commit_position, now, positions, written},
    lease::Lease,
    observer::Observer,
    outputs::Outputs,
    reader::read,
    rounds::Rounds,
};

/// One lane: the pure brain and the hands that obey it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub name: String,
    pub lane: Lane,
    pub inputs: Inputs,
    pub source: Source,
    pub ledger: Ledger,
    pub gatekeeper: Gatekeeper,
    pub attempts: Attempts,
    pub lease: Lease,
    pub outputs: Outputs,
    pub reader: NotificationReader,
    pub observer: Observer,
    pub rounds: Rounds,
    pub joined: bool,
    /// How long a shutdown may take before what is left is given up.
    pub stop_within: Duration,
    pub stop_by: Option<BootTime>,
    /// What a drain ends with.
    pub end: Result<(), LaneError>,
}

impl Pipeline {
    pub(crate) async fn run(mut self) -> Result<(), LaneError> {
        loop {
            let input = self.inputs.next().await;
            let Some(event) = self.understand(input)? else { continue };
            for command in self.lane.handle(event, now()) {
                if let Some(end) = self.obey(command) {
                    return end;
                }
            }
        }
    }

    /// Carries out one command; most answer with an event later. `Some`: the lane has ended.
    fn obey(&mut self, command: Command) -> Option<Result<(), LaneError>> {
        match command {
            Command::Restore { partition, epoch } => self.gatekeeper.check(partition, epoch),
            Command::Forget { partition } => {
                self.gatekeeper.forget(partition);
                self.ledger.forget(partition);
            }
            Command::ReadFrom { partition, offset } => self.source.read_from(partition, offset),
            Command::Attempt(attempt) => self.attempts.start(attempt, self.lease.permit()),
            Command::Recall(work) => self.attempts.recall(work),
            Command::Abort(work) => self.attempts.abort(work),
            Command::Write { token, write } => self.outputs.write(token, write),
            Command::Pause(partitions) => self.source.pause(partitions),
            Command::Resume(partitions) => self.source.resume(partitions),
            Command::Commit(positions) => self.source.commit(positions.into_iter().map(commit_position).collect()),
            Command::Lease(until) => self.lease.extend(until),
            Command::Release(partitions) => self.source.release(partitions),
            Command::Close => self.source.close(),
            Command::Report(report) => self.observer.report(&report),
            Command::Done(result) => {
                let result = result.map_err(|stop| LaneError::stopped(&self.name, stop));
                return Some(result.and(std::mem::replace(&mut self.end, Ok(()))));
            }
        }
        None
    }

    /// What came in, as the lane's event; `None` where it concerns the shell alone.
    fn understand(&mut self, input: Input) -> Result<Option<Event>, LaneError> {
        Ok(match input {
            Input::Stop => Some(self.stop()),
            Input::Ended(Ended::Begun { work }) => Some(Event::Begun { work }),
            Input::Ended(Ended::Answered { work, answer, took }) => {
                if let Some(attempt) = self.attempts.finish(work) {
                    self.observer.attempted(&attempt, &answer, took);
                }
                Some(Event::Answered { work, answer })
            }
            Input::Written(event) => Some(written(event)),
            Input::Checked(found) if !self.gatekeeper.is_wanted(&found) => None,
            Input::Checked(found) => {
                if found.result.is_ok() {
                    self.ledger.restore(found.partition, found.epoch);
                }
                Some(checked(found))
            }
            Input::Tick => self.tick()?,
            Input::Ledger(event) => self.ledger_event(event),
            Input::Source(event) => self.source_event(event)?,
            Input::Dead(thread) => return Err(LaneError::ThreadDied { lane: self.name.clone(), thread }),
        })
    }

    /// Begins the drain that ends the lane.
    fn stop(&mut self) -> Event {
        self.stop_by.get_or_insert(clock::boot().after(self.stop_within));
        Event::Stop
    }

    fn tick(&mut self) -> Result<Option<Event>, LaneError> {
        let now = now();
        if self.stop_by.is_some_and(|stop_by| stop_by < now.boot) {
            return Err(LaneError::DrainTimeout { lane: self.name.clone() });
        }
        self.observer.heed_clock(now);
        match self.rounds.make(now, &self.lane, self.joined, &self.outputs) {
            Err(end) if self.stop_by.is_none() => {
                self.end = Err(end);
                Ok(Some(self.stop()))
            }
            Ok(()) | Err(_) => Ok(Some(Event::Tick)),
        }
    }

    fn ledger_event(&mut self, event: LedgerEvent) -> Option<Event> {
        match event {
            LedgerEvent::Records { partition, epoch, records } => Some(Event::Ledger { partition, epoch, records }),
            LedgerEvent::Restored { partition, epoch, positions: found } => {
                Some(Event::Restored { partition, epoch, positions: positions(found) })
            }
            LedgerEvent::Failed { partition, detail, .. } => {
                self.observer.cannot_restore(partition, &detail);
                None
            }
        }
    }

    fn source_event(&mut self, event: SourceEvent) -> Result<Option<Event>, LaneError> {
        Ok(match event {
            SourceEvent::Assigned(partitions) => {
                self.joined = true;
                self.observer.rebalanced("assigned", &partitions);
                Some(Event::Assigned(partitions))
            }
            SourceEvent::Revoked(partitions) => {
                self.observer.rebalanced("revoked", &partitions);
                Some(Event::Revoked(partitions))
            }
            SourceEvent::Lost(partitions) => {
                self.observer.rebalanced("lost", &partitions);
                Some(Event::Lost(partitions))
            }
            SourceEvent::Records(records) => {
                Some(Event::Polled(records.into_iter().map(|record| read(&self.reader, record)).collect()))
            }
            SourceEvent::Committed { sent_at, result } => {
                Some(Event::Committed { result: result.map(|_| sent_at).map_err(|failure| failure.detail) })
            }
            SourceEvent::Passed { partition, position } => Some(Event::Passed { partition, position }),
            SourceEvent::OutOfRange { partition, position, low, end } => {
                Some(Event::OutOfRange { partition, position, low, end })
            }
            SourceEvent::Ends(ends) => {
                self.rounds.gauges.ends(ends);
                None
            }
            SourceEvent::Unavailable { detail } => {
                self.observer.kafka_gone(&detail);
                None
            }
            SourceEvent::Available => {
                self.observer.kafka_back();
                None
            }
            SourceEvent::Closed => Some(Event::Closed),
            SourceEvent::Fatal(source) => return Err(LaneError::kafka(&self.name, source)),
        })
    }
}
