//! Out-of-order completion, in-order commit: which records of a partition are open.

use std::collections::BTreeMap;

use crate::time::Timestamp;

/// An open record: how many of its deliveries are not settled, and since when it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    deliveries: usize,
    appended_at: Timestamp,
    bytes: usize,
}

/// The open offsets of one partition under one assignment. Offsets that were never handed over (compaction,
/// transaction markers) count as done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOffsets {
    open: BTreeMap<i64, Open>,
    deliveries: usize,
    bytes: usize,
    next_unread: i64,
}

impl PartitionOffsets {
    /// Nothing open, the next record expected at `start`.
    #[must_use]
    pub fn starting_at(start: i64) -> Self {
        Self { open: BTreeMap::new(), deliveries: 0, bytes: 0, next_unread: start }
    }

    /// Whether the record at `offset` has been handed over before under this assignment.
    #[must_use]
    pub fn has_read(&self, offset: i64) -> bool {
        offset < self.next_unread
    }

    /// Opens a record with that many unsettled deliveries; with none it is done at once.
    /// `bytes` is what the record holds in memory until then.
    pub fn begin(&mut self, offset: i64, deliveries: usize, appended_at: Timestamp, bytes: usize) {
        if 0 < deliveries {
            self.open.insert(offset, Open { deliveries, appended_at, bytes });
            self.deliveries += deliveries;
            self.bytes += bytes;
        }
        self.next_unread = self.next_unread.max(offset + 1);
    }

    /// Nothing that is not open lies below `position` any more.
    pub fn pass_to(&mut self, position: i64) {
        self.next_unread = self.next_unread.max(position);
    }

    /// One delivery of the record is settled. `false`: the record was not open, which is a defect of the caller.
    pub fn settle_one(&mut self, offset: i64) -> bool {
        let Some(record) = self.open.get_mut(&offset) else { return false };
        record.deliveries -= 1;
        self.deliveries -= 1;
        if record.deliveries == 0 {
            self.bytes -= record.bytes;
            self.open.remove(&offset);
        }
        true
    }

    /// The position that is safe to commit: every record below it is settled.
    #[must_use]
    pub fn commit_position(&self) -> i64 {
        self.open.first_key_value().map_or(self.next_unread, |(offset, _)| *offset)
    }

    /// The next offset not yet handed over.
    #[must_use]
    pub fn next_unread(&self) -> i64 {
        self.next_unread
    }

    /// When the oldest open record was appended.
    #[must_use]
    pub fn oldest_open(&self) -> Option<Timestamp> {
        self.open.first_key_value().map(|(_, record)| record.appended_at)
    }

    /// Deliveries of all open records that are not settled.
    #[must_use]
    pub fn deliveries(&self) -> usize {
        self.deliveries
    }

    /// Bytes of all open records.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many records are open.
    #[must_use]
    pub fn open_records(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Settle any subset in any order: no open record ever falls below the commit position.
        #[test]
        fn commit_never_passes_an_open_record(
            deliveries in proptest::collection::vec(0..3usize, 64),
            settled in proptest::collection::vec(0..64i64, 0..160),
        ) {
            let mut offsets = PartitionOffsets::starting_at(0);
            let mut left = deliveries.clone();
            for (offset, count) in (0i64..).zip(&deliveries) {
                offsets.begin(offset, *count, Timestamp(offset), 10);
            }
            for offset in settled {
                let slot = &mut left[usize::try_from(offset).expect("0..64")];
                prop_assert_eq!(offsets.settle_one(offset), 0 < *slot);
                *slot = slot.saturating_sub(1);
            }
            let commit = offsets.commit_position();
            let lowest_open = (0i64..).zip(&left).find(|(_, left)| 0 < **left).map_or(64, |(offset, _)| offset);
            prop_assert_eq!(commit, lowest_open);
            prop_assert_eq!(offsets.deliveries(), left.iter().sum::<usize>());
            prop_assert_eq!(offsets.bytes(), 10 * offsets.open_records());
        }
    }
}
