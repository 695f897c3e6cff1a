//! The thread of a source: orders in, events out, one small step after the other; nothing in it waits for long.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::{Duration, Instant},
};

use postrider_domain::Timestamp;
use rdkafka::error::KafkaResult;
use tokio::sync::mpsc::Sender;

use super::{
    Order, SourceEvent, SourceSettings,
    commits::Commits,
    fetcher::{Fetcher, Haul, Reading},
    member::{Member, Notice},
    outbox::Outbox,
    watch::{Look, Stalled, Watch},
};
use crate::{KafkaError, KafkaSettings};

/// How long it waits for records before it looks for orders again.
const IDLE: Duration = Duration::from_millis(10);
/// How often the lane's channel is tried again while it is full.
const BLOCKED: Duration = Duration::from_millis(2);
/// From then on it is the lane that is slow, and no partition stands still.
const BLOCKED_LONG: Duration = Duration::from_secs(1);
/// At the end, for commits that are on their way.
const COMMIT_ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// For a partition's first offset and end.
const PATIENCE: Duration = Duration::from_millis(500);
/// Times of one partition are those of its leaders, whose clocks differ a little.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);
const PROBE_EVERY_WHILE_DOWN: Duration = Duration::from_secs(1);

/// Why the thread goes on or ends.
enum Step {
    GoOn,
    Leave,
    Fail(String),
}

pub(super) struct SourceThread {
    member: Member,
    fetcher: Fetcher,
    orders: Receiver<Order>,
    outbox: Outbox,
    commits: Commits,
    watch: Watch,
    /// Ours and not asked back.
    readable: BTreeSet<i32>,
    /// Asked back and not yet released; none: no revoke waits.
    asked_back: Option<BTreeSet<i32>>,
    /// Since when the lane's channel is full.
    blocked: Option<Instant>,
    /// Set while all brokers are away: when to look again.
    down: Option<Instant>,
}

impl SourceThread {
    pub(super) fn new(
        kafka: &KafkaSettings,
        settings: &SourceSettings,
        orders: Receiver<Order>,
        events: Sender<SourceEvent>,
    ) -> Result<Self, KafkaError> {
        let fetcher = Fetcher::new(kafka, settings)?;
        let member = Member::join(kafka, settings)?;
        Ok(Self {
            commits: Commits::start(member.committer())?,
            fetcher,
            member,
            orders,
            outbox: Outbox::new(events),
            watch: Watch::new(),
            readable: BTreeSet::new(),
            asked_back: None,
            blocked: None,
            down: None,
        })
    }

    pub(super) fn run(mut self) {
        let end = loop {
            match self.step() {
                Step::GoOn => {}
                end => break end,
            }
        };
        let Self { member, fetcher, mut outbox, commits, asked_back, .. } = self;
        drop(fetcher);
        let (events, answered) = commits.finish(COMMIT_ANSWERED_WITHIN);
        events.into_iter().for_each(|event| outbox.news(event));
        if !answered {
            tracing::warn!("the last commit was not answered before the group was left");
        }
        member.leave(asked_back.is_some());
        outbox.finish(match end {
            Step::Fail(detail) => SourceEvent::Fatal(KafkaError::Fatal { purpose: "a lane's source", detail }),
            Step::GoOn | Step::Leave => SourceEvent::Closed,
        });
    }

    /// One round: orders, group, commits, lane, records, a look from outside.
    fn step(&mut self) -> Step {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Close) | Err(TryRecvError::Disconnected) => return Step::Leave,
                Ok(order) => self.obey(order),
                Err(TryRecvError::Empty) => break,
            }
        }
        for notice in self.member.poll() {
            if let Some(detail) = self.heed(notice) {
                return Step::Fail(detail);
            }
        }
        if let Some(event) = self.commits.pump() {
            if matches!(&event, SourceEvent::Committed { result: Ok(_), .. }) {
                self.available();
            }
            self.outbox.news(event);
        }
        if self.outbox.flush().is_err() {
            return Step::Leave;
        }
        let step = if self.outbox.has_room() { self.fetch() } else { self.wait_for_room() };
        self.look_from_outside();
        step
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::ReadFrom { partition, offset } if self.readable.contains(&partition) => {
                self.outbox.forget(&[partition]);
                report("start reading", self.fetcher.read_from(partition, offset));
            }
            Order::ReadFrom { partition, .. } => {
                tracing::debug!(partition, "not read: the partition is no longer ours");
            }
            Order::Pause(partitions) => report("pause", self.fetcher.pause(&partitions)),
            Order::Resume(partitions) => report("resume", self.fetcher.resume(&partitions)),
            Order::Commit(positions) => {
                if let Some(event) = self.commits.push(positions) {
                    self.outbox.news(event);
                }
            }
            Order::Release(partitions) => self.release(&partitions),
            Order::Close => {} // ends the loop before it comes here
        }
    }

    /// Lets the revoke go on once nothing of it is held any more.
    fn release(&mut self, partitions: &[i32]) {
        let Some(held) = &mut self.asked_back else { return };
        held.retain(|partition| !partitions.contains(partition));
        if held.is_empty() {
            self.asked_back = None;
            report("give partitions back", self.member.release());
        }
    }

    /// Takes in what the group said. Words, if the client is dead.
    fn heed(&mut self, notice: Notice) -> Option<String> {
        match notice {
            Notice::Assigned(partitions) => {
                self.readable.extend(&partitions);
                self.outbox.news(SourceEvent::Assigned(partitions));
            }
            Notice::Revoked(partitions) => {
                self.give_up(&partitions);
                self.asked_back = Some(partitions.iter().copied().collect());
                self.outbox.news(SourceEvent::Revoked(partitions));
                self.release(&[]); // a revoke of nothing needs no answer
            }
            Notice::Lost(partitions) => {
                self.give_up(&partitions);
                self.asked_back = None;
                self.commits.forget(&partitions).into_iter().for_each(|event| self.outbox.news(event));
                self.outbox.news(SourceEvent::Lost(partitions));
            }
            Notice::Down(detail) if self.down.is_none() => {
                self.down = Some(Instant::now() + PROBE_EVERY_WHILE_DOWN);
                self.outbox.news(SourceEvent::Unavailable { detail });
            }
            Notice::Down(_) => {}
            Notice::Fatal(detail) => return Some(detail),
        }
        None
    }

    fn give_up(&mut self, partitions: &[i32]) {
        self.readable.retain(|partition| !partitions.contains(partition));
        self.outbox.forget(partitions);
        report("stop reading", self.fetcher.stop(partitions));
    }

    fn available(&mut self) {
        if self.down.take().is_some() {
            self.outbox.news(SourceEvent::Available);
        }
    }

    /// Takes records in; also the pause between two rounds when there are none.
    fn fetch(&mut self) -> Step {
        self.blocked = None;
        let Haul { records, at_end, passed, refused, fatal } = self.fetcher.poll(IDLE);
        if let Some(detail) = fatal {
            return Step::Fail(detail);
        }
        if !records.is_empty() || at_end {
            self.available();
        }
        // Before the records: those of the same partition lie above.
        for (partition, position) in passed {
            self.outbox.news(SourceEvent::Passed { partition, position });
        }
        self.outbox.records(records);
        refused.into_iter().for_each(|partition| self.refused(partition));
        Step::GoOn
    }

    /// Never read on from there by ourselves: other records may stand where some were read.
    fn refused(&mut self, partition: i32) {
        let Some(position) = self.fetcher.reading.get(&partition).map(|reading| reading.next) else { return };
        // Without an answer it is refused again with the next statistics.
        let Ok((low, end)) = self.member.watermarks(partition, PATIENCE) else { return };
        report("stop reading", self.fetcher.stop(&[partition]));
        self.outbox.news(SourceEvent::OutOfRange { partition, position, low, end });
    }

    /// While the lane takes nothing for long, nothing is behind.
    fn wait_for_room(&mut self) -> Step {
        if BLOCKED_LONG < self.blocked.get_or_insert_with(Instant::now).elapsed() {
            self.watch.forget();
        }
        match self.orders.recv_timeout(BLOCKED) {
            Ok(Order::Close) | Err(RecvTimeoutError::Disconnected) => return Step::Leave,
            Ok(order) => self.obey(order),
            Err(RecvTimeoutError::Timeout) => {}
        }
        Step::GoOn
    }

    fn look_from_outside(&mut self) {
        if let Some(at) = self.down {
            if at <= Instant::now() {
                self.down = Some(Instant::now() + PROBE_EVERY_WHILE_DOWN);
                if self.member.broker_answers(IDLE * 50) {
                    self.available();
                }
            }
        } else if self.watch.is_due() {
            let look =
                self.watch.look(&self.fetcher.reading, |partition| self.member.watermarks(partition, PATIENCE).ok());
            self.take_look(look);
            self.look_for_another_topic();
        }
    }

    /// A topic that was made anew, and filled beyond the position before anybody noticed, looks to librdkafka like the one
    /// that was read. But where a record was handed out, others stand that were appended later.
    fn look_for_another_topic(&mut self) {
        let reading = &mut self.fetcher.reading;
        let anchored =
            |(partition, reading): (&i32, &Reading)| Some((*partition, reading.anchor?.1.after(CLOCKS_DIFFER)));
        let times: Vec<(i32, Timestamp)> = reading.iter().filter_map(anchored).collect();
        let found = if times.is_empty() { Ok(Vec::new()) } else { self.member.first_since(&times, PATIENCE) };
        let found: BTreeMap<i32, _> = found.unwrap_or_default().into_iter().collect();
        let mut others = Vec::new();
        for (partition, reading) in reading {
            match (reading.anchor, found.get(partition)) {
                (Some((offset, _)), Some(Ok(Some(first)))) if *first <= offset => others.push(*partition),
                (Some(_), None | Some(Err(_))) => {} // not answered: asked again
                (Some(_), Some(Ok(_))) | (None, _) => reading.anchor = reading.last,
            }
        }
        others.into_iter().for_each(|partition| self.refused(partition));
    }

    fn take_look(&mut self, look: Look) {
        for Stalled { partition, next, end, again } in look.stalled {
            if again {
                tracing::error!(
                    partition,
                    position = next,
                    "no record for a minute although there are more; starting over"
                );
            }
            report("start over", self.fetcher.read_from(partition, next));
            if let Some(reading) = self.fetcher.reading.get_mut(&partition) {
                reading.proves = Some(end);
            }
        }
        if !look.ends.is_empty() {
            self.outbox.news(SourceEvent::Ends(look.ends));
        }
    }
}

/// librdkafka refuses these only for arguments that are wrong, which would be a bug worth a line.
fn report(act: &str, result: KafkaResult<()>) {
    if let Err(error) = result {
        tracing::error!(%error, "cannot {act}");
    }
}
