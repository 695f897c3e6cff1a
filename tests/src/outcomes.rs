//! What the lanes left in Kafka: receipts, dead letters, commits.

use std::{collections::BTreeMap, time::Duration};

use postrider_domain::{
    ChannelName, DeadLetter, DeadReason, Fingerprint, LedgerEntry, Notification, Outcome, Timestamp,
    ledger::{LedgerClass, Parked, Progress, Receipt},
    partitioner::partition_of,
};
use postrider_wire::{decode_dead_letter, decode_ledger_record};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    wait::{LONG, wait_until},
    world::World,
};

/// What one lane's ledger holds, the latest word on each key.
#[derive(Debug, Clone, Default)]
pub struct LedgerContent {
    /// Final outcomes.
    pub receipts: BTreeMap<Fingerprint, Receipt>,
    /// Standing pointers.
    pub parked: BTreeMap<Fingerprint, Parked>,
    /// Standing marks: the deaths that an attempt of ours may have caused.
    pub marks: BTreeMap<Fingerprint, u32>,
    /// How far each partition was settled.
    pub progress: BTreeMap<i32, Progress>,
}

impl World {
    /// The consumer group of a lane.
    #[must_use]
    pub fn group(&self, lane: &str) -> String {
        format!("{}.{lane}", self.topic)
    }

    /// The partition of a key.
    #[must_use]
    pub fn partition(&self, key: &str) -> i32 {
        partition_of(key.as_bytes(), self.settings.partitions)
    }

    /// The committed position of each partition that has one.
    ///
    /// # Panics
    /// Kafka does not answer.
    #[must_use]
    #[track_caller]
    pub fn committed(&self, lane: &str) -> BTreeMap<i32, i64> {
        let mut committed = None;
        // A broker that has just come back does not know its groups yet.
        wait_until("Kafka tells the commits", LONG, || {
            committed = self.kafka.committed(&self.group(lane), &self.topic).ok();
            committed.is_some()
        });
        committed.unwrap_or_default().into_iter().map(|(partition, (position, _))| (partition, position)).collect()
    }

    /// The end of each partition of the events topic.
    ///
    /// # Panics
    /// Kafka does not answer.
    #[must_use]
    #[track_caller]
    pub fn ends(&self) -> BTreeMap<i32, i64> {
        let consumer = self.consumer();
        let mut ends = BTreeMap::new();
        // A broker that has just come back does not lead its partitions yet.
        wait_until("Kafka tells the partitions' ends", LONG, || {
            let end = |partition| consumer.fetch_watermarks(&self.topic, partition, Duration::from_secs(5));
            ends = (0..self.settings.partitions).filter_map(|p| Some((p, end(p).ok()?.1))).collect();
            ends.len() == usize::try_from(self.settings.partitions).expect("a small number")
        });
        ends
    }

    /// Members of a lane's group.
    ///
    /// # Panics
    /// Kafka does not answer.
    #[must_use]
    #[track_caller]
    pub fn members(&self, lane: &str) -> usize {
        let (consumer, mut members) = (self.consumer(), None);
        wait_until("Kafka tells the members", LONG, || {
            let groups = consumer.fetch_group_list(Some(&self.group(lane)), Duration::from_secs(20)).ok();
            members = groups.map(|groups| groups.groups().iter().map(|group| group.members().len()).sum());
            members.is_some()
        });
        members.unwrap_or_default()
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.kafka.bootstrap_servers()).create().expect("a consumer can be made")
    }

    /// Waits until the lane has committed everything there is.
    ///
    /// # Panics
    /// It has not within a minute.
    #[track_caller]
    pub fn settled(&self, lane: &str) {
        self.settled_within(lane, LONG);
    }

    /// [`settled`](Self::settled) with a deadline of its own.
    ///
    /// # Panics
    /// It has not within `within`.
    #[track_caller]
    pub fn settled_within(&self, lane: &str, within: Duration) {
        let ends = self.ends();
        wait_until(&format!("lane {lane} has committed {ends:?}"), within, || self.has_committed(lane, &ends));
    }

    /// Whether the commits stand at these ends; an empty partition needs none.
    #[must_use]
    #[track_caller]
    pub fn has_committed(&self, lane: &str, ends: &BTreeMap<i32, i64>) -> bool {
        let committed = self.committed(lane);
        ends.iter().all(|(partition, end)| committed.get(partition).copied().unwrap_or_default() == *end)
    }

    /// The lane's ledger.
    ///
    /// # Panics
    /// Kafka does not answer, or something lies there that is no ledger record.
    #[must_use]
    #[track_caller]
    pub fn ledger(&self, lane: &str) -> LedgerContent {
        let mut content = LedgerContent::default();
        let records = self.kafka.read_all(&format!("{}.{lane}.ledger", self.topic)).expect("the ledger can be read");
        for raw in records {
            let key = raw.key.as_deref().expect("a ledger record has a key");
            let record = decode_ledger_record(key, raw.value.as_deref(), Timestamp(raw.timestamp));
            let record = record.expect("a ledger record can be read").expect("of a class that we know");
            let id = record.key.fingerprint;
            match record.entry {
                Some(LedgerEntry::Receipt(receipt)) => drop(content.receipts.insert(id, receipt)),
                Some(LedgerEntry::Parked(parked)) => drop(content.parked.insert(id, parked)),
                Some(LedgerEntry::Progress(progress)) => drop(content.progress.insert(raw.partition, progress)),
                Some(LedgerEntry::Mark(mark)) => drop(content.marks.insert(id, mark.deaths)),
                Some(LedgerEntry::Control(_)) => {}
                None if record.key.class == LedgerClass::Mark => drop(content.marks.remove(&id)),
                None => drop(content.parked.remove(&id)),
            }
        }
        content
    }

    /// The outcome of one mail's delivery, if it has one.
    #[must_use]
    #[track_caller]
    pub fn outcome(&self, event: &Notification, channel: ChannelName, recipient: &str) -> Option<Outcome> {
        let id = Fingerprint::of_delivery(event, channel, recipient, None);
        self.ledger(channel.as_str()).receipts.get(&id).map(|receipt| receipt.outcome)
    }

    /// All dead letters.
    ///
    /// # Panics
    /// Kafka does not answer, or something lies there that is none.
    #[must_use]
    #[track_caller]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let records = self.kafka.read_all(&format!("{}.dead", self.topic)).expect("the dead letters can be read");
        let decode = |value: Option<Vec<u8>>| decode_dead_letter(&value.expect("a dead letter has a value"));
        records
            .into_iter()
            .map(|record| decode(record.value).expect("it can be read").expect("of a version we know"))
            .collect()
    }

    /// The reasons of all dead letters, sorted.
    #[must_use]
    #[track_caller]
    pub fn dead_reasons(&self) -> Vec<DeadReason> {
        let mut reasons: Vec<_> = self.dead_letters().into_iter().map(|letter| letter.reason).collect();
        reasons.sort();
        reasons
    }

    /// How often each recipient got each mail: (Message-ID, recipient) and its count.
    #[must_use]
    pub fn copies(&self) -> BTreeMap<(String, String), usize> {
        let mut copies = BTreeMap::new();
        for mail in self.smtp.mails() {
            let id = mail.message_id.clone().unwrap_or_default();
            for recipient in &mail.recipients {
                *copies.entry((id.clone(), recipient.clone())).or_default() += 1;
            }
        }
        copies
    }
}
