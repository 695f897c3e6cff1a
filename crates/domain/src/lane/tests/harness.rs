//! A lane with hands: events in plain words, commands kept where a test can look at them, and a Kafka that answers
//! at once or only when it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::words::{Draft, START, hours, mail_settings, name_of, seconds};
use crate::{
    answer::Answer,
    dead_letter::DeadLetter,
    lane::{Attempt, Command, CommitPosition, Event, Lane, LaneSettings, Now, Report, Snapshot, Write, WriteProblem},
    ledger::{LedgerEntry, LedgerKey, LedgerRecord},
    start::{Committed, Positions},
    time::BootTime,
};

const BOOT: BootTime = BootTime(1_000_000);

/// See the module.
pub(super) struct LaneUnderTest {
    pub lane: Lane,
    pub settings: LaneSettings,
    elapsed: Duration,
    /// How far the wall clock was set back.
    pub set_back: Duration,
    /// Kafka acknowledges every write and commit at once; otherwise only what a test lets it.
    pub kafka_answers: bool,
    /// Attempts that run.
    pub attempts: Vec<Attempt>,
    /// How many attempts each recipient has seen.
    pub attempted: BTreeMap<String, u32>,
    /// Writes without an acknowledgement.
    pub writes: VecDeque<(u64, Write)>,
    /// The commit without an acknowledgement.
    pub commit: Option<Vec<CommitPosition>>,
    /// The durable ledger, with the partition.
    pub ledger: Vec<(i32, LedgerRecord)>,
    pub dead: Vec<DeadLetter>,
    pub committed: BTreeMap<i32, CommitPosition>,
    pub epochs: BTreeMap<i32, u64>,
    /// Low and high of the events topic.
    pub bounds: (i64, i64),
    /// Every other command, in words; a test takes them.
    pub said: Vec<String>,
    /// Every settled delivery, in words.
    pub settled: Vec<String>,
    pub reports: Vec<Report>,
}

impl LaneUnderTest {
    pub(super) fn new(settings: LaneSettings) -> Self {
        Self {
            lane: Lane::new(settings.clone()),
            settings,
            elapsed: Duration::ZERO,
            set_back: Duration::ZERO,
            kafka_answers: true,
            attempts: Vec::new(),
            attempted: BTreeMap::new(),
            writes: VecDeque::new(),
            commit: None,
            ledger: Vec::new(),
            dead: Vec::new(),
            committed: BTreeMap::new(),
            epochs: BTreeMap::new(),
            bounds: (0, 1_000_000),
            said: Vec::new(),
            settled: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Mail, partition 0 assigned, restored and reading from offset 0.
    pub(super) fn reading() -> Self {
        Self::reading_with(mail_settings())
    }

    pub(super) fn reading_with(settings: LaneSettings) -> Self {
        let mut lane = Self::new(settings);
        lane.assign(0);
        lane
    }

    pub(super) fn now(&self) -> Now {
        Now { wall: START.after(self.elapsed).before(self.set_back), boot: BOOT.after(self.elapsed), jitter: 1.0 }
    }

    pub(super) fn handle(&mut self, event: Event) {
        let commands = self.lane.handle(event, self.now());
        commands.into_iter().for_each(|command| self.obey(command));
        while self.kafka_answers && (self.commit.is_some() || !self.writes.is_empty()) {
            self.ack_all();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Restore { partition, epoch } => {
                self.epochs.insert(partition, epoch);
                self.said.push(format!("restore {partition}"));
            }
            Command::Forget { partition } => self.said.push(format!("forget {partition}")),
            Command::ReadFrom { partition, offset } => self.said.push(format!("read {partition} from {offset}")),
            Command::Attempt(attempt) => {
                *self.attempted.entry(attempt.delivery.recipient.to_string()).or_default() += 1;
                self.attempts.push(attempt);
            }
            Command::Recall(work) => self.said.push(format!("recall {}", self.recipient(work))),
            Command::Abort(work) => self.said.push(format!("abort {}", self.recipient(work))),
            Command::Write { token, write } => self.writes.push_back((token, write)),
            Command::Pause(partitions) => self.said.push(format!("pause {partitions:?}")),
            Command::Resume(partitions) => self.said.push(format!("resume {partitions:?}")),
            Command::Commit(positions) => {
                assert!(self.commit.is_none(), "one commit at a time");
                self.commit = Some(positions);
            }
            Command::Lease(_) => {}
            Command::Release(partitions) => self.said.push(format!("release {partitions:?}")),
            Command::Close => self.said.push("close".to_owned()),
            Command::Report(report) => self.note(report),
            Command::Done(result) => self.said.push(format!("done {result:?}")),
        }
    }

    fn note(&mut self, report: Report) {
        if let Report::Settled(settled) = &report {
            let who = settled.delivery.as_ref().map_or("record", |delivery| &delivery.recipient);
            let reason = settled.reason.map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default();
            self.settled.push(format!("{who} {}{reason} after {}", settled.outcome.as_str(), settled.attempts));
        }
        self.reports.push(report);
    }

    fn recipient(&self, work: u64) -> String {
        let attempt = self.attempts.iter().find(|attempt| attempt.work == work);
        attempt.map_or_else(|| "nobody".to_owned(), |attempt| attempt.delivery.recipient.to_string())
    }

    // ---- the group -------------------------------------------------------------------------------------------

    /// Assigned, restored from the durable ledger, and reading if Kafka answers.
    pub(super) fn assign(&mut self, partition: i32) {
        self.handle(Event::Assigned(vec![partition]));
        self.restore(partition);
    }

    /// The reader has read the partition's ledger.
    pub(super) fn restore(&mut self, partition: i32) {
        let epoch = self.epochs[&partition];
        let records: Vec<LedgerRecord> = self.ledger_of(partition);
        let (low, high) = self.bounds;
        let committed = self
            .committed
            .get(&partition)
            .map(|committed| Committed { position: committed.position, metadata: committed.metadata.clone() });
        let ledger_high = i64::try_from(records.len()).expect("a short ledger");
        self.handle(Event::Ledger { partition, epoch, records });
        let positions = Positions { committed, low, high, ledger_high, after_progress: None };
        self.handle(Event::Restored { partition, epoch, positions });
    }

    pub(super) fn ledger_of(&self, partition: i32) -> Vec<LedgerRecord> {
        self.ledger.iter().filter(|(owner, _)| *owner == partition).map(|(_, record)| record.clone()).collect()
    }

    /// The tail of partition 0's ledger brings a record that somebody else wrote.
    pub(super) fn tail(&mut self, key: LedgerKey, entry: Option<LedgerEntry>) {
        self.make_durable(Write::Ledger { partition: 0, key, entry });
        let record = self.ledger.last().expect("it was just written").1.clone();
        self.read_tail(record);
    }

    fn read_tail(&mut self, record: LedgerRecord) {
        self.handle(Event::Ledger { partition: 0, epoch: self.epochs[&0], records: vec![record] });
    }

    /// Another process takes over what is durable: a death without a word, or after a release.
    pub(super) fn successor(mut self) -> Self {
        self.lane = Lane::new(self.settings.clone());
        self.attempts.clear();
        self.writes.clear();
        self.commit = None;
        self.said.clear();
        self.settled.clear();
        self.reports.clear();
        self.kafka_answers = true;
        self.assign(0);
        self
    }

    // ---- records and answers ---------------------------------------------------------------------------------

    pub(super) fn polled(&mut self, drafts: impl IntoIterator<Item = Draft>) {
        let now = self.now().wall;
        let arrived = drafts.into_iter().map(|draft| draft.arrived(now)).collect();
        self.handle(Event::Polled(arrived));
    }

    /// Answers the running attempt to `recipient` (a mail's local part will do).
    #[track_caller]
    pub(super) fn answer(&mut self, recipient: &str, answer: Answer) {
        let work = self.take_attempt(recipient);
        self.handle(Event::Answered { work, answer });
    }

    /// The attempt could not be taken back: it has begun to write, and goes on.
    #[track_caller]
    pub(super) fn begun(&mut self, recipient: &str) {
        let at = self.running_at(recipient).expect("it runs");
        let work = self.attempts[at].work;
        self.handle(Event::Begun { work });
    }

    #[track_caller]
    fn take_attempt(&mut self, recipient: &str) -> u64 {
        let at = self.running_at(recipient);
        let at = at.unwrap_or_else(|| panic!("no attempt to {recipient} runs, only {:?}", self.running()));
        self.attempts.remove(at).work
    }

    fn running_at(&self, recipient: &str) -> Option<usize> {
        let domain = format!("{recipient}@example.com");
        self.attempts.iter().position(|attempt| [recipient, &domain].contains(&&*attempt.delivery.recipient))
    }

    /// The recipients of the attempts that run, without the mail domain.
    pub(super) fn running(&self) -> Vec<String> {
        let name = |attempt: &Attempt| attempt.delivery.recipient.replace("@example.com", "");
        self.attempts.iter().map(name).collect()
    }

    // ---- Kafka -----------------------------------------------------------------------------------------------

    /// Everything that is waiting is acknowledged, and what follows from it.
    pub(super) fn ack_all(&mut self) {
        while let Some((token, write)) = self.writes.pop_front() {
            self.take_write(token, write);
        }
        self.ack_commit();
    }

    fn ack(&mut self, token: u64) {
        let commands = self.lane.handle(Event::Written { token, result: Ok(()) }, self.now());
        commands.into_iter().for_each(|command| self.obey(command));
    }

    /// The oldest write is acknowledged; says which it was.
    #[track_caller]
    pub(super) fn ack_next(&mut self) -> String {
        let (token, write) = self.writes.pop_front().expect("a write waits");
        let name = name_of(&write);
        self.take_write(token, write);
        name
    }

    /// Durable, acknowledged, and, where it is a pointer, read back from the ledger's tail.
    fn take_write(&mut self, token: u64, write: Write) {
        self.make_durable(write.clone());
        self.ack(token);
        if let Write::Ledger { partition: 0, key, entry: entry @ Some(LedgerEntry::Parked(_)) } = write {
            let appended_at = self.now().wall;
            self.read_tail(LedgerRecord { key, entry, appended_at });
        }
    }

    pub(super) fn ack_commit(&mut self) {
        let Some(positions) = self.commit.take() else { return };
        for position in positions {
            self.committed.insert(position.partition, position);
        }
        let sent_at = self.now().boot;
        let commands = self.lane.handle(Event::Committed { result: Ok(sent_at) }, self.now());
        commands.into_iter().for_each(|command| self.obey(command));
    }

    /// The oldest write fails.
    #[track_caller]
    pub(super) fn fail_next(&mut self, problem: WriteProblem) -> u64 {
        let (token, _) = self.writes.pop_front().expect("a write waits");
        self.handle(Event::Written { token, result: Err(problem) });
        token
    }

    pub(super) fn make_durable(&mut self, write: Write) {
        let appended_at = self.now().wall;
        match write {
            Write::Ledger { partition, key, entry } => {
                self.ledger.push((partition, LedgerRecord { key, entry, appended_at }));
            }
            Write::DeadLetter(letter) => self.dead.push(Arc::unwrap_or_clone(letter)),
            Write::Replace { .. } => {}
        }
    }

    /// The writes that wait, in words.
    pub(super) fn waiting(&self) -> Vec<String> {
        self.writes.iter().map(|(_, write)| name_of(write)).collect()
    }

    /// The durable ledger of every partition, in words, without progress.
    pub(super) fn ledger_names(&self) -> Vec<String> {
        let name = |(partition, record): &(i32, LedgerRecord)| {
            name_of(&Write::Ledger { partition: *partition, key: record.key, entry: record.entry.clone() })
        };
        self.ledger.iter().map(name).filter(|name| !name.starts_with("progress")).collect()
    }

    pub(super) fn position(&self) -> Option<i64> {
        self.committed.get(&0).map(|committed| committed.position)
    }

    // ---- time and facts --------------------------------------------------------------------------------------

    /// Time passes in steps of a second at most, each with its tick.
    pub(super) fn advance(&mut self, mut wait: Duration) {
        while !wait.is_zero() {
            let step = wait.min(seconds(1));
            wait -= step;
            self.elapsed += step;
            self.handle(Event::Tick);
        }
    }

    /// The process stands still: time passes without a tick.
    pub(super) fn freeze(&mut self, wait: Duration) {
        self.elapsed += wait;
    }

    /// How long until the next attempt begins, to 100 ms; none within a day.
    pub(super) fn next_attempt_in(&mut self) -> Option<Duration> {
        let (before, from) = (self.attempts.len(), self.elapsed);
        while self.elapsed < from + hours(24) {
            self.advance(Duration::from_millis(100));
            if before < self.attempts.len() {
                return Some(self.elapsed - from);
            }
        }
        None
    }

    pub(super) fn take_said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    pub(super) fn count(&self, wanted: impl Fn(&Report) -> bool) -> usize {
        self.reports.iter().filter(|report| wanted(report)).count()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.lane.snapshot(self.now())
    }
}
