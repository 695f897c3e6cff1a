//! The schemas that are compiled in, and the fingerprints under which others know them.

use std::sync::LazyLock;

use crate::contract::{Contract, Released};

/// The current schema of an event, as JSON.
pub const NOTIFICATION_SCHEMA: &str = include_str!("../../../schemas/notification.avsc");
/// The current schema of the ledger's records, as JSON.
pub const LEDGER_SCHEMA: &str = include_str!("../../../schemas/ledger.avsc");
/// The current schema of a dead letter, as JSON.
pub const DEAD_LETTER_SCHEMA: &str = include_str!("../../../schemas/dead_letter.avsc");

/// The most bytes a value may have, whatever the configured limit: the Avro library takes its own limit once for
/// the whole process.
pub const VALUE_BYTES_CEILING: usize = 256 * 1024 * 1024;

/// Every released version of the event, oldest first.
pub(crate) const NOTIFICATION_RELEASED: &[Released] = &[Released {
    version: 1,
    json: include_str!("../../../schemas/released/notification/1.avsc"),
    fingerprint: [0x51, 0xbc, 0xe2, 0x09, 0x3d, 0x7e, 0x1b, 0x24],
    fingerprint_unreduced: [0xe1, 0x2c, 0x2e, 0x7c, 0x1c, 0xca, 0xcb, 0x94],
}];

/// Every released version of the ledger's records, oldest first.
pub(crate) const LEDGER_RELEASED: &[Released] = &[Released {
    version: 1,
    json: include_str!("../../../schemas/released/ledger/1.avsc"),
    fingerprint: [0x17, 0xca, 0xb1, 0x37, 0xa8, 0x28, 0x9a, 0x10],
    fingerprint_unreduced: [0x91, 0xf2, 0x0b, 0xa2, 0x4b, 0xbf, 0x63, 0xb1],
}];

/// Every released version of the dead letter, oldest first.
pub(crate) const DEAD_LETTER_RELEASED: &[Released] = &[Released {
    version: 1,
    json: include_str!("../../../schemas/released/dead_letter/1.avsc"),
    fingerprint: [0xd1, 0x15, 0x65, 0x77, 0x93, 0x0d, 0xc5, 0x9d],
    fingerprint_unreduced: [0xb2, 0x33, 0xa4, 0x4b, 0x91, 0xd3, 0x64, 0xe3],
}];

pub(crate) static NOTIFICATION: LazyLock<Contract> =
    LazyLock::new(|| Contract::new("postrider.v1.Notification", NOTIFICATION_RELEASED));

pub(crate) static DEAD_LETTER: LazyLock<Contract> =
    LazyLock::new(|| Contract::new("postrider.v1.DeadLetter", DEAD_LETTER_RELEASED));

#[cfg(test)]
mod tests;
