//! What waits for the lane. News of the group goes first and is never dropped; records wait until there is room.

use std::collections::VecDeque;

use postrider_domain::Record;
use tokio::sync::mpsc::{Sender, error::TrySendError};

use super::SourceEvent;

/// The lane has gone.
#[derive(Debug)]
pub(super) struct Gone;

pub(super) struct Outbox {
    events: Sender<SourceEvent>,
    news: VecDeque<SourceEvent>,
    records: Option<Vec<Record>>,
}

impl Outbox {
    pub(super) fn new(events: Sender<SourceEvent>) -> Self {
        Self { events, news: VecDeque::new(), records: None }
    }

    pub(super) fn news(&mut self, event: SourceEvent) {
        self.news.push_back(event);
    }

    /// Only while [`Outbox::has_room`].
    pub(super) fn records(&mut self, records: Vec<Record>) {
        if !records.is_empty() {
            self.records = Some(records);
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.records.is_none() && self.news.is_empty()
    }

    /// Takes back records of partitions that are read no more, or from elsewhere.
    pub(super) fn forget(&mut self, partitions: &[i32]) {
        if let Some(records) = &mut self.records {
            records.retain(|record| !partitions.contains(&record.position.partition));
        }
    }

    /// Sends what fits; never waits.
    pub(super) fn flush(&mut self) -> Result<(), Gone> {
        while let Some(event) = self.news.pop_front() {
            if let Some(event) = self.try_send(event)? {
                self.news.push_front(event);
                return Ok(());
            }
        }
        let Some(records) = self.records.take().filter(|records| !records.is_empty()) else { return Ok(()) };
        if let Some(SourceEvent::Records(records)) = self.try_send(SourceEvent::Records(records))? {
            self.records = Some(records);
        }
        Ok(())
    }

    /// The event again if there is no room.
    fn try_send(&self, event: SourceEvent) -> Result<Option<SourceEvent>, Gone> {
        match self.events.try_send(event) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(event)) => Ok(Some(event)),
            Err(TrySendError::Closed(_)) => Err(Gone),
        }
    }

    /// Sends all news and this last event, waiting for room. A lane that has gone does not need them.
    pub(super) fn finish(mut self, last: SourceEvent) {
        self.news.push_back(last);
        while let Some(event) = self.news.pop_front() {
            if self.events.blocking_send(event).is_err() {
                return;
            }
        }
    }
}
