//! Dead letters, read from and written to the dead-letter topic.

use postrider_domain::{ChannelName, DeadLetter, DeadReason, Fingerprint, RecordHeader, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    error::{DatumProblem, DecodeError},
    frame,
    schemas::{self, VALUE_BYTES_CEILING},
};

/// A dead letter as `schemas/dead_letter.avsc` has it, field by field in its order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename = "DeadLetter")]
struct Letter {
    id: String,
    lane: String,
    reason: String,
    detail: String,
    source: Option<String>,
    event_key: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
    channel: Option<String>,
    recipient: Option<String>,
    attempts: i64,
    first_at: Timestamp,
    last_at: Timestamp,
    last_answer: Option<String>,
    topic: String,
    partition: i32,
    offset: i64,
    #[serde(with = "serde_bytes")]
    key: Option<Vec<u8>>,
    #[serde(with = "serde_bytes")]
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    name: String,
    #[serde(with = "serde_bytes")]
    value: Option<Vec<u8>>,
}

/// The dead letter as an Avro single object of the newest schema version.
#[must_use]
pub fn encode_dead_letter(letter: &DeadLetter) -> Vec<u8> {
    schemas::DEAD_LETTER.write(&Letter {
        id: letter.id.to_string(),
        lane: letter.lane.clone(),
        reason: letter.reason.as_str().to_owned(),
        detail: letter.detail.clone(),
        source: letter.source.clone(),
        event_key: letter.event_key.clone(),
        event_type: letter.event_type.clone(),
        channel: letter.channel.map(|channel| channel.as_str().to_owned()),
        recipient: letter.recipient.clone(),
        attempts: i64::from(letter.attempts),
        first_at: letter.first_at,
        last_at: letter.last_at,
        last_answer: letter.last_answer.clone(),
        topic: letter.topic.clone(),
        partition: letter.partition,
        offset: letter.offset,
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: letter.headers.iter().map(Header::from).collect(),
    })
}

/// The dead letter in a record's value. None: a later version wrote it (a schema, a reason or a channel that is
/// not known here), so it is passed over.
///
/// # Errors
/// It is no dead letter at all, or larger than [`VALUE_BYTES_CEILING`].
pub fn decode_dead_letter(value: &[u8]) -> Result<Option<DeadLetter>, DecodeError> {
    let contract = &*schemas::DEAD_LETTER;
    if value.len() > VALUE_BYTES_CEILING {
        return Err(DecodeError::TooLarge { size: value.len(), max: VALUE_BYTES_CEILING });
    }
    let framed = frame::parse(value, &[]).ok_or(DecodeError::Unframed { record: contract.record() })?;
    let frame::SchemaRef::Fingerprint(fingerprint) = framed.schema else {
        return Err(contract.unknown_schema(framed.schema));
    };
    let Some(version) = contract.version_of(fingerprint) else { return Ok(None) };
    let letter: Letter = contract.read(version, framed.datum)?;
    letter.meaning().map_err(|problem| contract.malformed(version, framed.datum.len(), problem))
}

impl Letter {
    /// The domain's dead letter; none where it uses a word that is not known here.
    fn meaning(self) -> Result<Option<DeadLetter>, DatumProblem> {
        let Some(reason) = DeadReason::ALL.iter().copied().find(|reason| reason.as_str() == self.reason) else {
            return Ok(None);
        };
        let channel = self.channel.as_deref().map(ChannelName::parse);
        if channel == Some(None) {
            return Ok(None);
        }
        Ok(Some(DeadLetter {
            id: Fingerprint::parse(&self.id).ok_or(DatumProblem::Meaning)?,
            lane: self.lane,
            reason,
            detail: self.detail,
            source: self.source,
            event_key: self.event_key,
            event_type: self.event_type,
            channel: channel.flatten(),
            recipient: self.recipient,
            attempts: u32::try_from(self.attempts).map_err(|_| DatumProblem::Number)?,
            first_at: self.first_at,
            last_at: self.last_at,
            last_answer: self.last_answer,
            topic: self.topic,
            partition: self.partition,
            offset: self.offset,
            key: self.key,
            value: self.value,
            headers: self.headers.into_iter().map(RecordHeader::from).collect(),
        }))
    }
}

impl From<&RecordHeader> for Header {
    fn from(header: &RecordHeader) -> Self {
        Self { name: header.name.clone(), value: header.value.clone() }
    }
}

impl From<Header> for RecordHeader {
    fn from(header: Header) -> Self {
        Self { name: header.name, value: header.value }
    }
}
