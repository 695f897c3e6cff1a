//! What is durable: the events topic, the ledger, the dead letters and the group's offsets.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use super::super::words::{START, mail, seconds};
use crate::{
    ChannelName,
    dead_letter::DeadLetter,
    event::Notification,
    fingerprint::{ContentHash, Fingerprint},
    ids::LaneName,
    index::ByFingerprint,
    lane::Arrived,
    ledger::{LedgerEntry, LedgerRecord, Receipt},
    outcome::Outcome,
    partitioner::partition_of,
    plan::{Plan, Planner},
    record::{HEADER_APPENDED_AT, Position, Record, RecordHeader},
    start::Committed,
    time::Timestamp,
};

pub(in crate::lane::tests) const PARTITIONS: usize = 2;

/// What an upstream service writes.
#[derive(Debug, Clone, Copy)]
pub(in crate::lane::tests) enum Shape {
    Plain,
    Two,
    /// Before an attempt that a drain leaves running must have ended.
    Expiring,
    OtherContent,
    InvalidToo,
    Misplaced,
    Malformed,
}

/// A delivery that a record asks for: its identity, the one it has as a conflict, its content.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub plain: Fingerprint,
    pub conflict: Fingerprint,
    pub content: ContentHash,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub arrived: Arrived,
    pub wanted: Vec<Wanted>,
    /// It stands in the wrong partition.
    pub misplaced: bool,
}

#[derive(Debug)]
pub(super) struct Kafka {
    pub topic: [Vec<Entry>; PARTITIONS],
    pub low: [i64; PARTITIONS],
    pub ledger: [Vec<LedgerRecord>; PARTITIONS],
    pub committed: [Option<Committed>; PARTITIONS],
    pub dead: Vec<DeadLetter>,
    pub replaced: HashSet<Position>,
    /// An operator accepted that what lies below and is not settled is gone.
    pub excused: [i64; PARTITIONS],
    /// How often an operator accepted.
    pub accepts: [usize; PARTITIONS],
    pub receipts: ByFingerprint<Receipt>,
    pub outcomes: ByFingerprint<BTreeSet<Outcome>>,
    floor: [i64; PARTITIONS],
    planner: Planner,
}

impl Kafka {
    pub(super) fn new(planner: Planner) -> Self {
        Self {
            topic: [Vec::new(), Vec::new()],
            low: [0; PARTITIONS],
            ledger: [Vec::new(), Vec::new()],
            committed: [None, None],
            dead: Vec::new(),
            replaced: HashSet::new(),
            excused: [0; PARTITIONS],
            accepts: [0; PARTITIONS],
            receipts: ByFingerprint::default(),
            outcomes: ByFingerprint::default(),
            floor: [0; PARTITIONS],
            planner,
        }
    }

    pub(super) fn end(&self, p: usize) -> i64 {
        i64::try_from(self.topic[p].len()).expect("a short topic")
    }

    /// An upstream service writes a record for one of `p`'s keys.
    pub(super) fn append(&mut self, p: usize, key: u8, shape: Shape, now: Timestamp) {
        let key = key_of(p, key);
        let place = if matches!(shape, Shape::Misplaced) { 1 - p } else { p };
        let mut draft = mail(self.end(place), &key).in_partition(i32::try_from(place).expect("0 or 1"));
        draft = match shape {
            Shape::Plain | Shape::Misplaced => draft,
            Shape::Two => draft.to(&[&key, "second"]),
            Shape::Expiring => draft.with(|event| event.expires_at = Some(now.after(seconds(30)))),
            Shape::OtherContent => draft.text("other"),
            Shape::InvalidToo => draft.to(&["not an address", &key]),
            Shape::Malformed => {
                draft.event = super::super::words::garbage(0).event;
                draft
            }
        };
        let arrived = draft.arrived(now);
        self.put(place, arrived);
    }

    /// A misplaced record is produced again where its key belongs.
    pub(super) fn replace(&mut self, original: &Record, home: i32, now: Timestamp) {
        let from = usize::try_from(original.position.partition).expect("0 or 1");
        let entry = &self.topic[from][usize::try_from(original.position.offset).expect("an offset")];
        let home = usize::try_from(home).expect("0 or 1");
        let appended_at = (original.first_appended_at().0).to_string().into_bytes();
        let record = Record {
            position: Position { partition: i32::try_from(home).expect("0 or 1"), offset: self.end(home) },
            appended_at: now,
            headers: vec![RecordHeader { name: HEADER_APPENDED_AT.to_owned(), value: Some(appended_at) }],
            ..original.clone()
        };
        let arrived = Arrived { record: Arc::new(record), event: entry.arrived.event.clone() };
        self.replaced.insert(original.position);
        self.put(home, arrived);
    }

    fn put(&mut self, p: usize, arrived: Arrived) {
        let position = arrived.record.position;
        let (wanted, misplaced) = match &arrived.event {
            Ok(event) => (self.wanted(event), home_of(event) != p),
            Err(_) => {
                let id = Fingerprint::of_position(&LaneName::new("email"), "notifications", position);
                (vec![Wanted { plain: id, conflict: id, content: ContentHash(0) }], false)
            }
        };
        self.topic[p].push(Entry { arrived, wanted, misplaced });
    }

    fn wanted(&self, event: &Notification) -> Vec<Wanted> {
        let Plan::Deliveries(planned) = self.planner.plan(event) else { panic!("every event here is for the lane") };
        let content = ContentHash::of(event, ChannelName::Email);
        let salt = format!("conflict:{:08x}", content.0);
        let id = |recipient: &str, salt| Fingerprint::of_delivery(event, ChannelName::Email, recipient, salt);
        let wanted =
            |recipient: &str| Wanted { plain: id(recipient, None), conflict: id(recipient, Some(&salt)), content };
        planned.iter().map(|delivery| wanted(&delivery.recipient)).collect()
    }

    /// A ledger record becomes durable.
    pub(super) fn append_ledger(&mut self, p: usize, record: LedgerRecord) {
        if let Some(LedgerEntry::Receipt(receipt)) = &record.entry {
            let id = record.key.fingerprint;
            self.outcomes.entry(id).or_default().insert(receipt.outcome);
            self.receipts.insert(id, receipt.clone());
        }
        self.ledger[p].push(record);
    }

    pub(super) fn is_settled(&self, entry: &Entry) -> bool {
        if entry.misplaced {
            return self.replaced.contains(&entry.arrived.record.position);
        }
        entry.wanted.iter().all(|wanted| {
            self.receipts.get(&wanted.plain).is_some_and(|receipt| receipt.content == wanted.content)
                || self.receipts.contains_key(&wanted.conflict)
        })
    }

    /// The lowest offset with a delivery that is not durably settled, or the end. Records that left the topic count,
    /// until an operator accepts that.
    pub(super) fn lowest_unsettled(&mut self, p: usize) -> i64 {
        let mut floor = self.floor[p].max(self.excused[p]);
        while floor < self.end(p) && self.is_settled(&self.topic[p][usize::try_from(floor).expect("an offset")]) {
            floor += 1;
        }
        self.floor[p] = floor;
        floor
    }

    /// The highest progress the ledger ever held.
    pub(super) fn progress_max(&self, p: usize) -> Option<i64> {
        let position = |record: &LedgerRecord| match &record.entry {
            Some(LedgerEntry::Progress(progress)) => Some(progress.position),
            _ => None,
        };
        self.ledger[p].iter().filter_map(position).max()
    }

    /// The last progress in the ledger.
    pub(super) fn progress(&self, p: usize) -> Option<i64> {
        self.ledger[p].iter().rev().find_map(|record| match &record.entry {
            Some(LedgerEntry::Progress(progress)) => Some(progress.position),
            _ => None,
        })
    }
}

fn home_of(event: &Notification) -> usize {
    usize::try_from(partition_of(event.event_key.as_bytes(), 2)).expect("0 or 1")
}

/// The n-th key that belongs into partition `p`.
fn key_of(p: usize, n: u8) -> String {
    let belongs = |key: &String| partition_of(key.as_bytes(), 2) == i32::try_from(p).expect("0 or 1");
    (0..100).map(|i| format!("key-{i}")).filter(belongs).nth(usize::from(n)).expect("a hundred are enough")
}

/// The wall clock after that many milliseconds.
pub(super) fn wall(millis: u64) -> Timestamp {
    Timestamp(START.0 + i64::try_from(millis).expect("a short test"))
}
