//! Request bodies: bounded in size, and in what all of them hold in memory together. The server loop bounds their time.

use std::{error::Error, iter::successors, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header::CONTENT_LENGTH},
};
use futures_util::StreamExt;
use postrider_telemetry::http::BodyTimedOut;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// Reads bodies within their limits.
pub(crate) struct BodyReader {
    body_max: usize,
    room: Arc<Semaphore>,
}

/// A body that was read. Its room is given back when it is dropped.
pub(crate) struct ReadBody {
    /// The bytes.
    pub(crate) bytes: Bytes,
    _held: Option<OwnedSemaphorePermit>,
}

impl BodyReader {
    /// `bytes_max` bounds all bodies together.
    pub(crate) fn new(body_max: usize, bytes_max: usize) -> Self {
        Self { body_max, room: Arc::new(Semaphore::new(bytes_max.min(Semaphore::MAX_PERMITS))) }
    }

    /// Reads the whole body. A body that says itself that it is too large is refused unread.
    ///
    /// # Errors
    /// `TooLarge`, `TooSlow`, `Busy` (no room now), or `BrokenBody`.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<ReadBody, Refusal> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > self.body_max as u64) {
            return Err(Refusal::TooLarge { limit: self.body_max });
        }
        self.collect(body).await
    }

    /// Takes room for bytes as they come, not for what a slow client has promised to send.
    async fn collect(&self, body: Body) -> Result<ReadBody, Refusal> {
        let mut chunks = body.into_data_stream();
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        let mut total = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| broken(&error))?;
            total += chunk.len();
            if total > self.body_max {
                return Err(Refusal::TooLarge { limit: self.body_max });
            }
            let room = self.take(chunk.len())?;
            match &mut held {
                Some(held) => held.merge(room),
                None => held = Some(room),
            }
            if first.is_empty() {
                first = chunk;
            } else {
                if rest.is_empty() {
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&chunk);
            }
        }
        Ok(ReadBody { bytes: if rest.is_empty() { first } else { rest.into() }, _held: held })
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::TooLarge { limit: self.body_max })?;
        Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| Refusal::busy(None))
    }
}

/// What the end of a body before its time means.
fn broken(error: &(dyn Error + 'static)) -> Refusal {
    let timed_out = successors(Some(error), |error| (*error).source()).any(|error| error.is::<BodyTimedOut>());
    if timed_out { Refusal::TooSlow } else { Refusal::BrokenBody }
}
