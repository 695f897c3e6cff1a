//! Why a value could not be read, in words that fit into a dead letter.

use postrider_domain::DeadReason;

/// Why bytes could not be decoded. `Display` is the dead letter's detail: it says what was found and what to do,
/// and never quotes the record's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A record without a value.
    #[error("the record has no value: a {record} is expected")]
    NoValue {
        /// The record's Avro name.
        record: &'static str,
    },
    /// No frame that we read.
    #[error(
        "the value starts with none of the frames we read: write {record} as an Avro single object (C3 01 and the \
         schema's fingerprint) or with Confluent's serializer"
    )]
    Unframed {
        /// The record's Avro name.
        record: &'static str,
    },
    /// The frame names a schema that is none of the known versions.
    #[error("the frame names {named}, which is no version of {record} that this Postrider knows")]
    UnknownSchema {
        /// The record's Avro name.
        record: &'static str,
        /// What the frame names: a fingerprint, an id or a GUID.
        named: String,
    },
    /// More bytes than the limit; nothing of it was decoded.
    #[error("the value has {size} bytes, more than the {max} that are read")]
    TooLarge {
        /// Bytes of the value.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The bytes are not what their schema says.
    #[error("the bytes are no {record} of version {version}: at byte {at} behind the frame, {problem}")]
    Malformed {
        /// The record's Avro name.
        record: &'static str,
        /// The version of the schema that the frame names.
        version: u32,
        /// How many bytes behind the frame were read when it was noticed.
        at: usize,
        /// What was noticed.
        problem: DatumProblem,
    },
}

impl DecodeError {
    /// The dead letter's reason.
    #[must_use]
    pub fn dead_reason(&self) -> DeadReason {
        match self {
            Self::NoValue { .. } | Self::Unframed { .. } => DeadReason::Unframed,
            Self::UnknownSchema { .. } => DeadReason::UnknownSchema,
            Self::TooLarge { .. } | Self::Malformed { .. } => DeadReason::Malformed,
        }
    }
}

/// What is wrong with an Avro datum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatumProblem {
    /// The bytes end too early.
    #[error("it ends in the middle of a value")]
    Ends,
    /// A length that is negative or reaches past the end.
    #[error("a length is negative or reaches past the end")]
    Length,
    /// A number that does not fit its type.
    #[error("a number is too large for its field")]
    Number,
    /// A boolean that is neither 0 nor 1.
    #[error("a boolean is neither 0 nor 1")]
    Boolean,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A union's branch or an enum's symbol that the schema does not have.
    #[error("a union or enum has an index that the schema does not have")]
    Index,
    /// Too many items of arrays and maps together.
    #[error("its arrays and maps have more than {max} items together", max = crate::guard::ITEMS_MAX)]
    Items,
    /// Bytes behind the end of the record.
    #[error("bytes are left over behind the record")]
    LeftOver,
    /// The schema fits, the meaning does not: an unknown word, or not exactly one field set.
    #[error("a field holds something that has no meaning there")]
    Meaning,
}
