//! Makes things durable: the ledger, the dead letters, misplaced records.

use std::borrow::Cow;

use postrider_domain::{DeadLetter, RecordHeader, lane::Write as LaneWrite, record::HEADER_APPENDED_AT};
use postrider_kafka::{Write, Writer, topics::TopicPlan};
use postrider_wire::{encode_dead_letter, encode_ledger};

/// The lane's writer and the topics it writes to.
#[derive(Debug)]
pub(crate) struct Outputs {
    writer: Writer,
    events: String,
    ledger: String,
    dead: String,
    /// The largest record the dead-letter topic is sure to take.
    dead_max: usize,
}

/// What Kafka puts around a record and its batch.
const BATCH_OVERHEAD: usize = 1_024;
/// What is kept of a name where the whole does not fit: far more than any name that ingest accepts.
const NAME_MAX: usize = 512;

impl Outputs {
    pub(crate) fn new(writer: Writer, topics: &TopicPlan, lane: &postrider_domain::LaneName) -> Self {
        let (ledger, dead) = (topics.ledger_topic(lane), topics.dead_topic());
        let dead_max = usize::try_from(topics.inner_max_bytes()).unwrap_or(usize::MAX).saturating_sub(BATCH_OVERHEAD);
        Self { writer, events: topics.events.clone(), ledger, dead, dead_max }
    }

    /// How many partitions the events topic had some seconds ago, if that is known.
    pub(crate) fn partitions(&self) -> Option<i32> {
        self.writer.last_partitions(&self.events)
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
            LaneWrite::DeadLetter(letter) => {
                let (key, value) = encode_to_fit(&letter, self.dead_max);
                Write {
                    topic: self.dead.clone(),
                    partition: None,
                    key: Some(key),
                    value: Some(value),
                    headers: Vec::new(),
                }
            }
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

/// A dead letter's key and value. A dead letter that no topic takes would stop the lane at this record for ever, so
/// one that is too large goes without what it repeats of its value, or, as the last resort, without the original,
/// which lies in the events topic as long as that keeps it.
fn encode_to_fit(letter: &DeadLetter, max: usize) -> (Vec<u8>, Vec<u8>) {
    let encode = |letter: &DeadLetter| {
        // An unreadable record may have no key; its own id still spreads such letters over partitions.
        let key = letter.event_key.clone().map_or_else(|| letter.id.0.to_vec(), String::into_bytes);
        (key, encode_dead_letter(letter))
    };
    let fits = |(key, value): &(Vec<u8>, Vec<u8>)| key.len() + value.len() <= max;
    let whole = encode(letter);
    if fits(&whole) {
        return whole;
    }
    let shortened = encode(&with_short_names(letter));
    if fits(&shortened) { shortened } else { encode(&without_original(letter)) }
}

/// Source, key, type and recipient stand in the value; the ledger and this letter's id know them by their hash.
fn with_short_names(letter: &DeadLetter) -> DeadLetter {
    let cut = |name: &Option<String>| name.as_deref().map(|name| shortened(name).into_owned());
    DeadLetter {
        detail: shortened(&letter.detail).into_owned(),
        source: cut(&letter.source),
        event_key: cut(&letter.event_key),
        event_type: cut(&letter.event_type),
        recipient: cut(&letter.recipient),
        ..letter.clone()
    }
}

fn without_original(letter: &DeadLetter) -> DeadLetter {
    let DeadLetter { topic, partition, offset, .. } = letter;
    let size = letter.value.as_ref().map_or(0, Vec::len);
    let short = with_short_names(letter);
    tracing::error!(
        lane = letter.lane,
        record.partition = partition,
        record.offset = offset,
        bytes = size,
        "the original is too large for a dead letter, which is written without it; it stays in the events topic for that topic's retention"
    );
    let detail = format!(
        "{}; the original ({size} bytes) is too large for the dead letter: {topic}, partition {partition}, offset {offset} holds it",
        short.detail
    );
    DeadLetter { detail, key: None, value: None, headers: Vec::new(), ..short }
}

/// The beginning of a text that is too long, cut between characters. To be logged as a `str`, which is escaped: it may be
/// anybody's, and one with a line break in it would forge a line.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= NAME_MAX {
        return Cow::Borrowed(text);
    }
    let end = (0..=NAME_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Cow::Owned(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use postrider_domain::{DeadReason, Fingerprint, Timestamp};
    use postrider_wire::decode_dead_letter;

    use super::*;

    fn letter(event_key: &str, value: usize) -> DeadLetter {
        DeadLetter {
            id: Fingerprint([7; 16]),
            lane: "email".to_owned(),
            reason: DeadReason::Malformed,
            detail: "why".to_owned(),
            source: None,
            event_key: Some(event_key.to_owned()),
            event_type: None,
            channel: None,
            recipient: Some("é".repeat(400)),
            attempts: 0,
            first_at: Timestamp(1),
            last_at: Timestamp(2),
            last_answer: None,
            topic: "notifications".to_owned(),
            partition: 3,
            offset: 4,
            key: Some(event_key.as_bytes().to_vec()),
            value: Some(vec![b'v'; value]),
            headers: Vec::new(),
        }
    }

    #[track_caller]
    fn fitted(letter: &DeadLetter, max: usize) -> DeadLetter {
        let (key, value) = encode_to_fit(letter, max);
        assert!(key.len() + value.len() <= max, "{} and {}", key.len(), value.len());
        decode_dead_letter(&value).unwrap().unwrap()
    }

    #[test]
    fn what_fits_is_kept_as_it_is() {
        let letter = letter("key", 50_000);
        assert_eq!(fitted(&letter, 60_000), letter);
    }

    #[test]
    fn names_are_cut_before_the_original_is_given_up() {
        let letter = letter(&"k".repeat(20_000), 30_000);
        let fitted = fitted(&letter, 60_000);
        assert_eq!((&fitted.key, &fitted.value), (&letter.key, &letter.value));
        assert_eq!(fitted.event_key.unwrap().chars().count(), NAME_MAX + 1);
        assert!(fitted.recipient.unwrap().ends_with("é…"));
    }

    #[test]
    fn an_original_that_never_fits_is_pointed_at() {
        let fitted = fitted(&letter("key", 100_000), 60_000);
        assert_eq!((fitted.key, fitted.value), (None, None));
        assert!(fitted.detail.contains("notifications, partition 3, offset 4"), "{}", fitted.detail);
    }
}
