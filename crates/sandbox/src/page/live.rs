//! News for open pages: one stream of server-sent events each, in batches.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::{sync::watch, time::sleep};

use crate::inbox::{Inbox, InboxCounts, Message, summary::Summary};

/// News is gathered for this long, so that a flood of mails is a few updates a second.
const PACE: Duration = Duration::from_millis(150);
/// And after a large batch for longer, so that a page keeps the time to draw it.
const PACE_IN_FLOOD: Duration = Duration::from_millis(600);
const LARGE_BATCH: usize = 100;

/// What a page needs to bring its list up to date. Everything below `counts.first_id` is gone.
#[derive(Debug, Serialize)]
pub(super) struct Update<'a> {
    /// Another value than before: another run of the program, whose ids mean other messages.
    run: i64,
    #[serde(flatten)]
    counts: InboxCounts,
    /// Oldest first.
    messages: Vec<&'a Summary>,
}

/// Where one stream is.
struct Reader {
    inbox: Inbox,
    changes: watch::Receiver<u64>,
    sent_up_to: u64,
    pause: Option<Duration>,
}

/// The update after message `after`, as JSON.
pub(super) fn update_json(inbox: &Inbox, after: u64) -> (String, u64, usize) {
    let (messages, counts) = inbox.since(after);
    let update = Update {
        run: inbox.started_at(),
        counts,
        messages: messages.iter().map(|message: &std::sync::Arc<Message>| message.summary()).collect(),
    };
    let json = serde_json::to_string(&update).expect("a summary has text keys and no value that JSON lacks");
    (json, counts.last_id, messages.len())
}

pub(super) async fn events(
    State(inbox): State<Inbox>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let sent_up_to = resume_from(&inbox, &headers).unwrap_or(0);
    let mut changes = inbox.changes();
    changes.mark_changed();
    let reader = Reader { inbox, changes, sent_up_to, pause: None };
    Sse::new(stream::unfold(reader, next)).keep_alive(KeepAlive::default())
}

/// A browser that reconnects says what it saw last; it counts only if it saw it in this run.
fn resume_from(inbox: &Inbox, headers: &HeaderMap) -> Option<u64> {
    let (run, id) = headers.get("last-event-id")?.to_str().ok()?.split_once('-')?;
    (run.parse() == Ok(inbox.started_at())).then(|| id.parse().ok())?
}

async fn next(mut reader: Reader) -> Option<(Result<Event, Infallible>, Reader)> {
    if let Some(pause) = reader.pause {
        sleep(pause).await;
    }
    reader.changes.changed().await.ok()?;
    let (json, last_id, count) = update_json(&reader.inbox, reader.sent_up_to);
    reader.sent_up_to = last_id;
    reader.pause = Some(if count > LARGE_BATCH { PACE_IN_FLOOD } else { PACE });
    let id = format!("{}-{last_id}", reader.inbox.started_at());
    Some((Ok(Event::default().id(id).data(json)), reader))
}
