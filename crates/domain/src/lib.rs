//! The pure core of Postrider: what an event is, who gets it, what an answer means, and the lane's
//! state machine that decides what happens next.
//!
//! Nothing here reads a clock, draws a random number, opens a socket or spawns a task. Time and jitter
//! are arguments, effects are returned as commands, so every interleaving can be played in a test.

pub mod address;
pub mod answer;
pub mod dead_letter;
pub mod delivery;
pub mod event;
pub mod fingerprint;
pub mod ids;
pub mod index;
pub mod lane;
pub mod ledger;
pub mod limits;
pub mod message_rules;
pub mod offsets;
pub mod outcome;
pub mod partitioner;
pub mod permit;
pub mod plan;
pub mod record;
pub mod retry;
pub mod screen;
pub mod secret;
pub mod start;
pub mod time;

pub use answer::{Answer, Failure, Reason};
pub use dead_letter::DeadLetter;
pub use delivery::Delivery;
pub use event::{Address, Alternative, Attachment, Email, Notification, Slack, Template};
pub use fingerprint::{ContentHash, Fingerprint};
pub use ids::{ChannelName, DestinationName, LaneName};
pub use ledger::{LedgerClass, LedgerEntry, LedgerKey, LedgerRecord};
pub use outcome::{DeadReason, Outcome};
pub use permit::Permit;
pub use record::{Position, Record, RecordHeader};
pub use secret::Secret;
pub use time::Timestamp;
