//! What the ledger and the work in hand say of a delivery.

use crate::{fingerprint::ContentHash, index::Known, time::Timestamp};

/// The verdict on one delivery, with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screened {
    /// Nothing is known of it: send it.
    Send,
    /// It has a receipt for the same content. `renew`: the receipt is so much older than this copy that it would
    /// leave the ledger first, so it is written again.
    AlreadySettled {
        /// Whether the receipt is to be written again.
        renew: bool,
    },
    /// A twin is being worked on.
    InFlight,
    /// The same key came before with other content.
    Conflict,
    /// Older than the dedupe window: it cannot be proven unsent.
    TooOld,
}

/// What is known when a delivery is screened.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge {
    /// The ledger's receipt.
    pub receipt: Option<Known>,
    /// The content of the twin that is being worked on.
    pub in_flight: Option<ContentHash>,
}

/// Decides; knows no store and no clock.
#[must_use]
pub fn screen(known: Knowledge, content: ContentHash, appended_at: Timestamp, window_start: Timestamp) -> Screened {
    match known {
        Knowledge { receipt: Some(receipt), .. } if receipt.content != content => Screened::Conflict,
        Knowledge { receipt: Some(receipt), .. } => Screened::AlreadySettled {
            renew: receipt.appended_at().after(crate::limits::RECEIPT_RENEW_AFTER) < appended_at,
        },
        Knowledge { in_flight: Some(twin), .. } if twin != content => Screened::Conflict,
        Knowledge { in_flight: Some(_), .. } => Screened::InFlight,
        _ if appended_at < window_start => Screened::TooOld,
        _ => Screened::Send,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    const DAY: i64 = 24 * 3_600_000;

    #[track_caller]
    fn check(receipt: Option<(u32, i64)>, in_flight: Option<u32>, appended_at: i64, expected: Screened) {
        let receipt = receipt.map(|(hash, at)| Known::new(Outcome::Delivered, ContentHash(hash), Timestamp(at)));
        let known = Knowledge { receipt, in_flight: in_flight.map(ContentHash) };
        assert_eq!(screen(known, ContentHash(1), Timestamp(appended_at), Timestamp(10 * DAY)), expected);
    }

    #[test]
    fn every_verdict() {
        check(None, None, 11 * DAY, Screened::Send);
        check(None, None, 9 * DAY, Screened::TooOld);
        check(Some((1, 9 * DAY)), None, 9 * DAY, Screened::AlreadySettled { renew: false });
        check(Some((1, 9 * DAY)), None, 11 * DAY, Screened::AlreadySettled { renew: true });
        check(Some((2, 9 * DAY)), None, 11 * DAY, Screened::Conflict);
        check(None, Some(1), 11 * DAY, Screened::InFlight);
        check(None, Some(2), 11 * DAY, Screened::Conflict);
    }
}
