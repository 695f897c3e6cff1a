//! A lane's end of a source, and waiting with a deadline.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use postrider_domain::Record;
use postrider_kafka::{CommitFailure, CommitPosition, KafkaSettings, Source, SourceEvent, SourceSettings};
use postrider_testkit::kafka::RealKafka;
use tokio::sync::mpsc::{Receiver, channel, error::TryRecvError};

pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) fn settings(bootstrap_servers: &str) -> KafkaSettings {
    let properties = [("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "300")];
    KafkaSettings {
        bootstrap_servers: bootstrap_servers.to_owned(),
        properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    }
}

/// Calls `step` until it gives something.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = step() {
            return found;
        }
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A source and everything it has said.
pub(crate) struct Lane {
    pub(crate) source: Source,
    events: Receiver<SourceEvent>,
    pub(crate) owned: Vec<i32>,
    pub(crate) revoked: Vec<Vec<i32>>,
    pub(crate) lost: Vec<i32>,
    pub(crate) records: Vec<Record>,
    pub(crate) commits: Vec<Result<Vec<(i32, i64)>, CommitFailure>>,
    pub(crate) ends: BTreeMap<i32, i64>,
    pub(crate) passed: Vec<(i32, i64)>,
    /// Partition, position, low and end.
    pub(crate) out_of_range: Vec<(i32, i64, i64, i64)>,
    pub(crate) availability: Vec<bool>,
    pub(crate) closed: bool,
    /// Read every assigned partition from its start at once.
    pub(crate) reads_at_once: bool,
}

impl Lane {
    pub(crate) fn join(bootstrap_servers: &str, group: &str, topic: &str) -> Self {
        Self::with_room(bootstrap_servers, group, topic, 64)
    }

    pub(crate) fn with_room(bootstrap_servers: &str, group: &str, topic: &str, room: usize) -> Self {
        let (sender, events) = channel(room);
        let names = SourceSettings { group: group.to_owned(), topic: topic.to_owned(), client_id: "test".to_owned() };
        Self {
            source: Source::start(&settings(bootstrap_servers), names, sender).unwrap(),
            events,
            owned: Vec::new(),
            revoked: Vec::new(),
            lost: Vec::new(),
            records: Vec::new(),
            commits: Vec::new(),
            ends: BTreeMap::new(),
            passed: Vec::new(),
            out_of_range: Vec::new(),
            availability: Vec::new(),
            closed: false,
            reads_at_once: true,
        }
    }

    /// Takes in everything that has been said.
    pub(crate) fn listen(&mut self) {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.hear(event),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    assert!(self.closed, "the thread ended without a word");
                    return;
                }
            }
        }
    }

    fn hear(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Assigned(partitions) => {
                for partition in &partitions {
                    assert!(!self.owned.contains(partition));
                    if self.reads_at_once {
                        self.source.read_from(*partition, 0);
                    }
                }
                self.owned.extend(partitions);
            }
            SourceEvent::Revoked(partitions) => self.revoked.push(partitions),
            SourceEvent::Lost(partitions) => {
                self.owned.retain(|partition| !partitions.contains(partition));
                self.lost.extend(partitions);
            }
            SourceEvent::Records(records) => {
                assert!(records.iter().all(|record| self.owned.contains(&record.position.partition)));
                self.records.extend(records);
            }
            SourceEvent::Committed { result, .. } => self.commits.push(result),
            SourceEvent::Ends(ends) => self.ends.extend(ends),
            SourceEvent::Passed { partition, position } => self.passed.push((partition, position)),
            SourceEvent::OutOfRange { partition, position, low, end } => {
                self.out_of_range.push((partition, position, low, end));
            }
            SourceEvent::Unavailable { .. } => self.availability.push(false),
            SourceEvent::Available => self.availability.push(true),
            SourceEvent::Closed => self.closed = true,
            SourceEvent::Fatal(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    pub(crate) fn until<T>(&mut self, what: &str, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        until(what, || {
            self.listen();
            found(self)
        })
    }

    #[track_caller]
    pub(crate) fn until_owns(&mut self, count: usize) {
        self.until("partitions assigned", |lane| (lane.owned.len() == count).then_some(()));
    }

    pub(crate) fn offsets(&self, partition: i32) -> Vec<i64> {
        let of_it = self.records.iter().filter(|record| record.position.partition == partition);
        of_it.map(|record| record.position.offset).collect()
    }

    #[track_caller]
    pub(crate) fn commit(
        &mut self,
        partition: i32,
        position: i64,
        metadata: &str,
    ) -> Result<Vec<(i32, i64)>, CommitFailure> {
        self.commits.clear();
        self.source.commit(vec![CommitPosition { partition, position, metadata: metadata.to_owned() }]);
        self.until("commit answered", |lane| lane.commits.pop())
    }
}

/// A topic of its own with a group to match.
pub(crate) fn topic(kafka: &RealKafka, name: &str, partitions: i32, config: &[(&str, &str)]) -> (String, String) {
    let topic = kafka.unique(name);
    kafka.create_topic(&topic, partitions, config).unwrap();
    let group = format!("{topic}.group");
    (topic, group)
}

/// Bytes no codec can shrink.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..count).map(next).collect()
}
