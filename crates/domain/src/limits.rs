//! Limits on everything that can grow, in one place. What a user may set is in the configuration; the rest is here.

use std::time::Duration;

/// Characters kept of a provider's answer.
pub const ANSWER_CHARS_MAX: usize = 400;
/// Bytes of an `event_key`, a `source` or a `type`.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes kept of an event's source, key and type and of a recipient beside the original record in a dead letter. All of
/// them and the record together must fit into the dead-letter topic, which takes 64 KiB more than the events topic.
pub const DEAD_LETTER_TEXT_BYTES_MAX: usize = 4_096;
/// Recipients of one event on one channel (`to`, `cc` and `bcc` together).
pub const RECIPIENTS_MAX: usize = 1_000;
/// Bytes of one header value or subject.
pub const HEADER_BYTES_MAX: usize = 8_192;
/// Extra headers of one mail, and entries of `metadata`.
pub const MAP_ENTRIES_MAX: usize = 64;
/// Attachments and alternatives of one mail, each.
pub const PARTS_MAX: usize = 100;
/// Deliveries a lane holds in memory, ready or waiting, over all its partitions. A partition goes beyond its share by what
/// one record brings.
pub const WAITING_MAX: usize = 20_000;
/// Bytes of records and deliveries a lane holds in memory, over all its partitions; the last record goes beyond.
pub const WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What a delivery holds in memory beside its record, roughly; its recipient's address is within.
pub const DELIVERY_BYTES: usize = 1_024;
/// Deliveries a partition may hold however many partitions share [`WAITING_MAX`].
pub const WAITING_SHARE_MIN: usize = 200;
/// Bytes a partition may hold however many partitions share [`WAITING_BYTES_MAX`].
pub const WAITING_BYTES_SHARE_MIN: usize = 4 * 1024 * 1024;
/// Bytes of dead letters that may wait for Kafka's acknowledgement at once, but for the last of them: each holds its whole
/// record, and one record may end in a thousand letters.
pub const LETTER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// What cannot be sent is dead-lettered this long before its event may leave the topic.
pub const KEEP_MARGIN: Duration = Duration::from_secs(3600);
/// An events topic that keeps less leaves no time to settle what is not delivered at once.
pub const RETENTION_MIN: Duration = Duration::from_secs(2 * 3600);
/// A receipt that waits longer than this for its acknowledgement stops new attempts.
pub const RECEIPT_WAIT_MAX: Duration = Duration::from_secs(2);
/// A misconfigured destination is tried again this often.
pub const PROBE_EVERY: Duration = Duration::from_secs(60);
/// Recipients whose limits a destination remembers: whose trouble it was shows later.
pub const DOUBTS_MAX: usize = 256;
/// Times that a destination was stopped, which do not count as waiting.
pub const STOPS_MAX: usize = 64;
/// A duplicate appended later than this after its receipt renews the receipt.
pub const RECEIPT_RENEW_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Progress is written again this often even if it did not move, before retention takes it.
pub const PROGRESS_RENEW_AFTER: Duration = Duration::from_secs(24 * 3600);
/// A start that waits for its first commit, or a lane without a lease, commits this often.
pub const COMMIT_EAGERLY: Duration = Duration::from_millis(100);
/// Moved positions are committed this often.
pub const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// The death of a delivery's process that ends it as `crash_loop`.
pub const DEATHS_MAX: u32 = 3;
/// An attempt whose death would be the last begins no earlier than this after the partition's restore. What kills
/// processes from outside seldom hits just that moment; a delivery that kills hits it every time.
pub const LAST_TRIAL_AFTER: Duration = Duration::from_secs(5);
