//! Connections too many: told so, quickly, counted each, and logged without a flood.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout},
};

/// Answers at once; beyond them a connection is closed without a word.
const ANSWERS_MAX: usize = 64;
/// For all of one answer: the client need not hurry, but it gets no more than this.
const LIMIT: Duration = Duration::from_secs(1);
/// At most one line in this time: refusals come by the thousand.
const QUIET: Duration = Duration::from_secs(60);

/// What a client above `connections_max` is told, and who hears of it. Its request is not read, so the answer is the same
/// for all.
#[derive(Clone)]
pub struct Overload {
    answer: Arc<[u8]>,
    refused: Arc<dyn Fn() + Send + Sync>,
}

impl Overload {
    /// A 503 with `Retry-After` and this body. `refused` is called once for every connection, also for those that are
    /// closed without an answer.
    pub fn new(
        content_type: &str,
        body: &str,
        retry_after: Duration,
        refused: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: {}\r\nconnection: close\r\n\
             content-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
            retry_after.as_secs().max(1),
            body.len()
        );
        Self { answer: answer.into_bytes().into(), refused: Arc::new(refused) }
    }
}

/// One line of text, and nobody hears of it but the log.
impl Default for Overload {
    fn default() -> Self {
        let body = "too many connections; try again later\n";
        Self::new("text/plain; charset=utf-8", body, Duration::from_secs(1), || ())
    }
}

impl fmt::Debug for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overload").finish_non_exhaustive()
    }
}

/// The refusals of one listener; dropping them closes their connections.
pub(super) struct Refusals {
    overload: Overload,
    connections_max: usize,
    answers: JoinSet<()>,
    lines: Lines,
}

impl Refusals {
    pub(super) fn new(overload: Overload, connections_max: usize) -> Self {
        Self { overload, connections_max, answers: JoinSet::new(), lines: Lines::default() }
    }

    /// Refuses one connection; never waits for it.
    pub(super) fn refuse(&mut self, stream: TcpStream) {
        (self.overload.refused)();
        if let Some(refused) = self.lines.count(Instant::now()) {
            tracing::warn!(
                connections_max = self.connections_max,
                refused,
                "too many connections: further ones are answered 503; the next line on this is a minute away"
            );
        }
        if self.answers.len() < ANSWERS_MAX {
            self.answers.spawn(answer(stream, Arc::clone(&self.overload.answer)));
        }
    }

    /// Waits for one answer to be over; `None` while there is none.
    pub(super) async fn join_next(&mut self) -> Option<()> {
        self.answers.join_next().await.map(drop) // it is refused, whatever came of the answer
    }
}

/// The first bytes are waited for: clients take what comes before they have asked for a fault of the server. All others
/// are read away after the answer: closing over unread bytes resets the connection, and the client would see the reset
/// instead of the answer.
async fn answer(mut stream: TcpStream, answer: Arc<[u8]>) {
    let polite = async {
        let mut unread = [0; 4096];
        if stream.read(&mut unread).await? == 0 {
            return Ok(()); // gone
        }
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        while 0 < stream.read(&mut unread).await? {}
        std::io::Result::Ok(())
    };
    drop(timeout(LIMIT, polite).await); // it is refused either way
}

/// When a line is due.
#[derive(Default)]
struct Lines {
    refused: u64,
    last: Option<Instant>,
}

impl Lines {
    /// Counts one refusal; how many there were since the last line, if it is time for one.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.refused += 1;
        if self.last.is_some_and(|last| now < last + QUIET) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.refused))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_its_own_length() {
        let overload = Overload::new("application/problem+json", "{\"é\":1}", Duration::ZERO, || ());
        let text = std::str::from_utf8(&overload.answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-length: 8") && head.contains("retry-after: 1\r\n"), "{head}");
        assert_eq!(body, "{\"é\":1}");
    }

    #[test]
    fn a_thousand_refusals_are_one_line_a_minute() {
        let (mut lines, start) = (Lines::default(), Instant::now());
        assert_eq!(lines.count(start), Some(1), "the first at once");
        for _ in 0..999 {
            assert_eq!(lines.count(start + QUIET / 2), None);
        }
        assert_eq!(lines.count(start + QUIET), Some(1_000), "none is left out of the count");
        assert_eq!(lines.count(start + QUIET), None);
    }
}
