//! The lane's brain: a pure state machine. Events go in, commands come out; it never waits, reads no clock and
//! draws no random number. The shell around it carries the commands out and reports back with further events.
//!
//! The order that everything hangs on: dead letter acknowledged, receipt acknowledged, offset closed, commit moved to
//! the lowest open offset. What an assignment began is fenced by its epoch: an answer that comes after the
//! partition went away may still write its receipt, and closes nothing.

mod admit;
mod answers;
mod command;
mod commit;
mod destination;
mod dispatch;
mod doubt;
mod drain;
mod event;
mod letters;
mod ownership;
mod partition;
mod report;
mod room;
mod screening;
mod settings;
mod settle;
mod snapshot;
mod stops;
mod suspects;
#[cfg(test)]
mod tests;
mod work;
mod writes;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use command::{Attempt, Command, CommitPosition, Stop, Write};
pub use event::{Arrived, Event, Now, Unreadable, WriteProblem};
pub use report::{PauseReason, RecordResult, Report, Settled, Stage};
pub use settings::LaneSettings;
pub use snapshot::{PartitionView, Snapshot};
pub use work::WorkId;

use self::{
    commit::Commits, destination::DestinationState, letters::Letters, partition::Partition, room::Bounds,
    suspects::Quarantine, work::Work, writes::PendingWrite,
};
use crate::{
    index::ByFingerprint,
    time::{BootTime, Timestamp},
};

/// One lane in one process: its partitions, its work in hand, its destinations.
#[derive(Debug)]
pub struct Lane {
    settings: LaneSettings,
    bounds: Bounds,
    partitions: BTreeMap<i32, Partition>,
    work: HashMap<WorkId, Work>,
    timers: BTreeSet<(Timestamp, WorkId)>,
    destinations: Vec<DestinationState>,
    /// Writes without an acknowledgement, oldest first: tokens only grow.
    writes: BTreeMap<u64, PendingWrite>,
    /// How many of them are receipts.
    receipts_awaited: usize,
    /// How many of them Kafka has timed out on at least once.
    writes_overdue: usize,
    /// Those that are produced again with the next tick.
    writes_timed_out: Vec<u64>,
    letters: Letters,
    commits: Commits,
    running: usize,
    /// Whose attempt may still reach somebody, by identity: a twin under a later assignment waits for its end.
    attempted: ByFingerprint<WorkId>,
    quarantine: Quarantine,
    last_id: u64,
    stopping: Option<BootTime>,
    closing: bool,
    orphans_aborted: bool,
    swept_at: Timestamp,
    commands: Vec<Command>,
}

impl Lane {
    /// A lane without partitions.
    #[must_use]
    pub fn new(settings: LaneSettings) -> Self {
        let destinations = settings.destinations.iter().cloned().map(DestinationState::new).collect();
        Self {
            settings,
            bounds: Bounds::default(),
            partitions: BTreeMap::new(),
            work: HashMap::new(),
            timers: BTreeSet::new(),
            destinations,
            writes: BTreeMap::new(),
            receipts_awaited: 0,
            writes_overdue: 0,
            writes_timed_out: Vec::new(),
            letters: Letters::default(),
            commits: Commits::default(),
            running: 0,
            attempted: ByFingerprint::default(),
            quarantine: Quarantine::default(),
            last_id: 0,
            stopping: None,
            closing: false,
            orphans_aborted: false,
            swept_at: Timestamp::default(),
            commands: Vec::new(),
        }
    }

    /// Takes one event in and says what is to be done.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Command> {
        match event {
            Event::Assigned(partitions) => self.assigned(&partitions),
            Event::Ledger { partition, epoch, records } => self.ledger(partition, epoch, &records, now),
            Event::Restored { partition, epoch, positions } => self.restored(partition, epoch, &positions, now),
            Event::Kept { events, receipts } => {
                self.settings.retention = events;
                self.settings.window = receipts;
            }
            Event::Refused { partition, epoch, detail } => self.refused(partition, epoch, detail),
            Event::Polled(arrived) => arrived.into_iter().for_each(|record| self.arrive(record, now)),
            Event::Answered { work, answer } => self.answered(work, answer, now),
            Event::Begun { work } => self.begun(work, now),
            Event::Written { token, result } => self.written(token, result, now),
            Event::Committed { result } => self.committed(result, now),
            Event::Passed { partition, position } => self.passed(partition, position),
            Event::OutOfRange { partition, position, low, end } => {
                self.out_of_range(partition, position, (low, end), now)
            }
            Event::Revoked(partitions) => self.revoked(&partitions, now),
            Event::Lost(partitions) => self.lost(&partitions, now),
            Event::Tick => self.tick(now),
            Event::Stop => self.stop(now),
            Event::Closed => self.commands.push(Command::Done(Ok(()))),
        }
        self.dispatch(now);
        self.bury(now);
        self.drain(now);
        std::mem::take(&mut self.commands)
    }

    fn tick(&mut self, now: Now) {
        self.write_again();
        self.wake(now);
        self.look_for_room(now);
        self.look_at_accepts(now);
        self.renew_cuts(now);
        self.commit_if_due(now);
        self.sweep(now);
    }

    /// Once an hour: what retention has taken from the ledger is forgotten here too.
    fn sweep(&mut self, now: Now) {
        const SWEEP_EVERY: std::time::Duration = std::time::Duration::from_secs(3600);
        if now.wall.since(self.swept_at) < SWEEP_EVERY {
            return;
        }
        self.swept_at = now.wall;
        let window_start = now.wall.before(self.settings.window);
        self.partitions.values_mut().for_each(|partition| partition.index.forget_before(window_start));
    }

    fn report(&mut self, report: Report) {
        self.commands.push(Command::Report(report));
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
