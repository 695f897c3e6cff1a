//! `offsets accept`: looks at a partition as an assignment would, and releases it.

use std::time::Duration;

use postrider_domain::{
    LaneName, LedgerEntry, LedgerKey,
    index::LedgerIndex,
    ledger::Control,
    start::{Gap, StartFrom, resolve},
};
use postrider_kafka::{
    KafkaError, KafkaSettings, Ledger, LedgerEvent, LedgerSettings, Positions, Write, Writer, topics::TopicPlan,
};
use postrider_wire::encode_ledger;
use tokio::{
    sync::mpsc::{channel, unbounded_channel},
    time::timeout,
};

use crate::inputs::positions;

/// Which partition of which lane.
#[derive(Debug, Clone)]
pub struct Place {
    /// How to reach Kafka.
    pub kafka: KafkaSettings,
    /// The topics.
    pub topics: TopicPlan,
    /// The lane.
    pub lane: LaneName,
    /// Where a lane without a past begins.
    pub start: StartFrom,
    /// The partition.
    pub partition: i32,
}

/// Where `accept` would go on, and behind what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// What may be missing; none: nothing is to be seen from here. The partition's owner may have stopped all the same, at
    /// something that it has met while reading and not yet written down.
    pub gap: Option<Gap>,
    /// The first offset that would be read.
    pub position: i64,
}

/// Why accepting did not work.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Kafka gave no client.
    #[error("cannot look at the partition")]
    Kafka(#[source] Box<KafkaError>),
    /// No answer in a minute.
    #[error(
        "Kafka did not answer within 60 s while reading the ledger; is it reachable, and does the partition exist? ({detail})"
    )]
    NoAnswer {
        /// What it said last.
        detail: String,
    },
    /// The accept could not be written.
    #[error("the accept was not written to the ledger ({detail}); nothing has changed, try again")]
    NotWritten {
        /// Kafka's words.
        detail: String,
    },
}

const WITHIN: Duration = Duration::from_secs(60);

/// Looks at the partition as its next owner would. Changes nothing.
///
/// # Errors
/// Kafka does not answer.
pub async fn inspect(place: &Place) -> Result<Outlook, AcceptError> {
    let (events, mut inbox) = channel(16);
    let settings = LedgerSettings {
        events_topic: place.topics.events.clone(),
        ledger_topic: place.topics.ledger_topic(&place.lane),
        group: format!("{}.{}", place.topics.events, place.lane),
    };
    let ledger =
        Ledger::start(&place.kafka, settings, events).map_err(|source| AcceptError::Kafka(Box::new(source)))?;
    ledger.restore(place.partition, 0);
    let mut index = LedgerIndex::default();
    let mut detail = "no answer".to_owned();
    let found = timeout(WITHIN, async {
        while let Some(event) = inbox.recv().await {
            match event {
                LedgerEvent::Records { records, .. } => records.iter().for_each(|record| index.apply(record)),
                LedgerEvent::Restored { positions, .. } => return Some(positions),
                LedgerEvent::Failed { detail: said, .. } => detail = said,
            }
        }
        None
    })
    .await;
    match found {
        Ok(Some(found)) => Ok(outlook(found, &index, place.start)),
        Ok(None) | Err(_) => Err(AcceptError::NoAnswer { detail }),
    }
}

fn outlook(found: Positions, index: &LedgerIndex, start: StartFrom) -> Outlook {
    let found = positions(found);
    match resolve(&found, index.past(), start) {
        Ok(position) => Outlook { gap: None, position },
        Err(gap) => Outlook { gap: Some(gap), position: gap.accept_at(found.low) },
    }
}

/// Writes the accept into the lane's ledger, where the partition's owner (or its next one) finds it.
///
/// # Errors
/// Kafka does not acknowledge it.
pub async fn accept(place: &Place, position: i64) -> Result<(), AcceptError> {
    let (events, mut inbox) = unbounded_channel();
    let message_max = usize::try_from(place.topics.inner_max_bytes()).unwrap_or(usize::MAX);
    let writer = Writer::start(&place.kafka, "postrider-accept", message_max, events)
        .map_err(|source| AcceptError::Kafka(Box::new(source)))?;
    let control = LedgerEntry::Control(Control::Accept { position });
    writer.write(
        0,
        Write {
            topic: place.topics.ledger_topic(&place.lane),
            partition: Some(place.partition),
            key: Some(LedgerKey::accept().to_bytes().to_vec()),
            value: Some(encode_ledger(&control)),
            headers: Vec::new(),
        },
    );
    match timeout(WITHIN, inbox.recv()).await {
        Ok(Some(event)) => event.result.map(drop).map_err(|failure| AcceptError::NotWritten { detail: failure.detail }),
        Ok(None) | Err(_) => Err(AcceptError::NotWritten { detail: "no answer within 60 s".to_owned() }),
    }
}
