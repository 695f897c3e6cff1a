//! Writes kept aside while librdkafka's queue is full: so many, and so many bytes of them.

use std::{collections::VecDeque, time::Instant};

use super::Reply;
use crate::writer::Write;

const COUNT_MAX: usize = 100_000;
/// Beside what librdkafka itself holds. The first is always taken, however large.
const BYTES_MAX: usize = 64 * 1024 * 1024;

pub(super) struct Waiting {
    pub(super) since: Instant,
    pub(super) write: Write,
    pub(super) reply: Box<Reply>,
}

#[derive(Default)]
pub(super) struct WaitingList {
    writes: VecDeque<Waiting>,
    bytes: usize,
}

impl WaitingList {
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    /// The reply again if there is no room.
    pub(super) fn push(&mut self, waiting: Waiting) -> Result<(), Box<Reply>> {
        let bytes = self.bytes + waiting.write.size();
        if COUNT_MAX <= self.writes.len() || (BYTES_MAX < bytes && !self.writes.is_empty()) {
            return Err(waiting.reply);
        }
        self.bytes = bytes;
        self.writes.push_back(waiting);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.writes.pop_front()?;
        self.bytes -= waiting.write.size();
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn waiting(size: usize) -> Waiting {
        let write = Write {
            topic: "dead".to_owned(),
            partition: None,
            key: None,
            value: Some(vec![b'v'; size]),
            headers: Vec::new(),
        };
        Waiting { since: Instant::now(), write, reply: Box::new(Reply::Once(oneshot::channel().0)) }
    }

    #[test]
    fn so_many_bytes_wait_and_room_comes_back() {
        let mut list = WaitingList::default();
        let (quarter, taken) = (BYTES_MAX / 4 + 1, |list: &mut WaitingList, size| list.push(waiting(size)).is_ok());
        assert_eq!([0; 5].map(|_: usize| taken(&mut list, quarter)), [true, true, true, false, false]);
        assert!(taken(&mut list, 10), "a small one fits");
        assert!(list.pop().is_some());
        assert!(taken(&mut list, quarter));
        while list.pop().is_some() {}
        assert_eq!((list.len(), list.bytes), (0, 0));
        assert!(taken(&mut list, 2 * BYTES_MAX), "alone even the largest waits, or it would never go");
        assert!(!taken(&mut list, 10));
    }
}
