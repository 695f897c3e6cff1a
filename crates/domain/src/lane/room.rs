//! What a lane may hold in memory. A partition that holds its share pauses; what its source had already handed over is kept
//! aside, in its order and not yet planned, and goes first when there is room again.

use super::{Arrived, Command, Lane, Now, partition::Partition};
use crate::limits;

/// A full partition goes on when more than this part of its share is free: not with each delivery that ends, because
/// to pause throws away what was fetched.
const ROOM_PART: usize = 8;

/// The limits of a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Deliveries over all partitions, and what one partition may hold however many there are.
    pub deliveries: usize,
    pub deliveries_share_min: usize,
    /// The same in bytes.
    pub bytes: usize,
    pub bytes_share_min: usize,
    /// Bytes of dead letters that are not acknowledged.
    pub letter_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            deliveries: limits::WAITING_MAX,
            deliveries_share_min: limits::WAITING_SHARE_MIN,
            bytes: limits::WAITING_BYTES_MAX,
            bytes_share_min: limits::WAITING_BYTES_SHARE_MIN,
            letter_bytes: limits::LETTER_BYTES_MAX,
        }
    }
}

/// What came for a full partition.
#[derive(Debug)]
pub(super) enum Aside {
    Record(Arrived),
    /// Below this position it holds nothing more for us.
    Passed(i64),
}

impl Lane {
    /// Takes a record in, or keeps it aside while its partition is full.
    pub(super) fn arrive(&mut self, arrived: Arrived, now: Now) {
        match self.partitions.get_mut(&arrived.record.position.partition) {
            Some(partition) if partition.full && partition.is_reading() => {
                partition.aside.push_back(Aside::Record(arrived));
            }
            _ => self.admit(arrived, now),
        }
    }

    pub(super) fn pause_if_full(&mut self, number: i32) {
        let share = self.share();
        let Some(partition) = self.partitions.get_mut(&number) else { return };
        if !partition.full && !partition.holds_less_than(share) {
            partition.full = true;
            self.commands.push(Command::Pause(vec![number]));
        }
    }

    /// Work that ends is not all that makes room: a share grows when other partitions go.
    pub(super) fn look_for_room(&mut self, now: Now) {
        let full: Vec<i32> =
            self.partitions.iter().filter(|(_, partition)| partition.full).map(|(number, _)| *number).collect();
        full.into_iter().for_each(|number| self.resume_if_room(number, now));
    }

    /// With a little room it goes on: first with what was kept aside, then, if that does not fill it again, with its
    /// source. With more it would wait for a stopped destination, whose work holds the rest, and so would all others.
    pub(super) fn resume_if_room(&mut self, number: i32, now: Now) {
        let (deliveries, bytes) = self.share();
        let has_room = |lane: &Self, share| {
            let partition = lane.partitions.get(&number);
            partition
                .is_some_and(|partition| partition.full && partition.is_reading() && partition.holds_less_than(share))
        };
        if !has_room(self, (deliveries - deliveries / ROOM_PART, bytes - bytes / ROOM_PART)) {
            return;
        }
        while has_room(self, (deliveries, bytes)) {
            let Some(partition) = self.partitions.get_mut(&number) else { return };
            match partition.aside.pop_front() {
                Some(Aside::Record(arrived)) => self.admit(arrived, now),
                Some(Aside::Passed(position)) => partition.offsets.pass_to(position),
                None => {
                    partition.full = false;
                    self.commands.push(Command::Resume(vec![number]));
                }
            }
        }
    }

    /// What one partition may hold in memory: deliveries and bytes.
    fn share(&self) -> (usize, usize) {
        let (partitions, bounds) = (self.partitions.len().max(1), self.bounds);
        (
            (bounds.deliveries / partitions).max(bounds.deliveries_share_min),
            (bounds.bytes / partitions).max(bounds.bytes_share_min),
        )
    }
}

impl Partition {
    fn holds_less_than(&self, (deliveries, bytes): (usize, usize)) -> bool {
        let held = self.offsets.deliveries();
        held < deliveries && self.offsets.bytes() + held * limits::DELIVERY_BYTES < bytes
    }
}
