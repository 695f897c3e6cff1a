//! Avro bytes on one side, the domain's words on the other: events, the ledger and dead letters.
//!
//! The schemas in `schemas/*.avsc` are the contract; every released version stays readable. A value is
//! recognised by its frame ([`frame`]), its schema looked up among the versions we know ([`SchemaTable`]), its
//! bytes walked once along that schema before anything is allocated for them, and only then decoded. Arbitrary
//! bytes end in a [`DecodeError`], never in a panic, and no error quotes what the bytes say.
//!
//! What is written is framed as an Avro single object, under the fingerprint that the Avro specification
//! prescribes. No registry is asked for anything here.

mod cloudevents;
mod contract;
mod datum;
mod dead_letter;
mod error;
pub mod frame;
mod guard;
pub mod ledger;
mod notification;
mod schemas;
mod table;

pub use cloudevents::event_headers;
pub use dead_letter::{decode_dead_letter, encode_dead_letter};
pub use error::{DatumProblem, DecodeError};
pub use ledger::{LedgerView, decode_ledger, decode_ledger_record, decode_ledger_view, encode_ledger};
pub use notification::{DecodeLimits, NotificationReader, decode_notification, encode_notification};
pub use schemas::{DEAD_LETTER_SCHEMA, LEDGER_SCHEMA, NOTIFICATION_SCHEMA, VALUE_BYTES_CEILING};
pub use table::{SchemaTable, UnknownVersion};
