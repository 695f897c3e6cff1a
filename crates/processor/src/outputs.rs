//! Makes things durable: the ledger, the dead letters, misplaced records.

use postrider_domain::{RecordHeader, lane::Write as LaneWrite, record::HEADER_APPENDED_AT};
use postrider_kafka::{Write, Writer, topics::TopicPlan};
use postrider_wire::{encode_dead_letter, encode_ledger};

/// The lane's writer and the topics it writes to.
#[derive(Debug)]
pub(crate) struct Outputs {
    writer: Writer,
    events: String,
    ledger: String,
    dead: String,
}

impl Outputs {
    pub(crate) fn new(writer: Writer, topics: &TopicPlan, lane: &postrider_domain::LaneName) -> Self {
        let (ledger, dead) = (topics.ledger_topic(lane), topics.dead_topic());
        Self { writer, events: topics.events.clone(), ledger, dead }
    }

    /// Ends with a write event that carries the token.
    pub(crate) fn write(&self, token: u64, write: LaneWrite) {
        self.writer.write(token, self.encode(write));
    }

    fn encode(&self, write: LaneWrite) -> Write {
        match write {
            LaneWrite::Ledger { partition, key, entry } => Write {
                topic: self.ledger.clone(),
                partition: Some(partition),
                key: Some(key.to_bytes().to_vec()),
                value: entry.as_ref().map(encode_ledger),
                headers: Vec::new(),
            },
            LaneWrite::DeadLetter(letter) => Write {
                topic: self.dead.clone(),
                partition: None,
                // An unreadable record may have no key; its own id still spreads such letters over partitions.
                key: letter.event_key.clone().map(String::into_bytes).or_else(|| Some(letter.id.0.to_vec())),
                value: Some(encode_dead_letter(&letter)),
                headers: Vec::new(),
            },
            LaneWrite::Replace { record, key, partition } => {
                let mut headers = record.headers.clone();
                if record.header(HEADER_APPENDED_AT).is_none() {
                    let value = Some(record.appended_at.0.to_string().into_bytes());
                    headers.push(RecordHeader { name: HEADER_APPENDED_AT.to_owned(), value });
                }
                let (topic, value) = (self.events.clone(), record.value.clone());
                Write { topic, partition: Some(partition), key: Some(key.into_bytes()), value, headers }
            }
        }
    }
}
