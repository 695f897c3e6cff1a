//! A file of notifications: NDJSON, in batches, with a progress bar.

use std::{path::Path, time::Duration};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{cli::SendArgs, failure::Failure, output};

use super::{
    client::{Client, problem},
    lines::{Event, event, lines, open},
};

/// Events of one request; the API takes a thousand.
const BATCH_LINES: usize = 500;
/// Bytes after which a batch is sent; one line may be larger than that.
const BATCH_BYTES: usize = 1024 * 1024;
/// How often an event that was told "come again" inside a batch is sent again, and how long before.
const ROUNDS_MAX: usize = 60;
const ROUND_WAIT: Duration = Duration::from_secs(1);

/// What became of the lines so far.
#[derive(Default)]
pub(super) struct Tally {
    accepted: u64,
    rejected: Vec<Failed>,
    unconfirmed: Vec<Failed>,
}

/// A line that was not accepted for certain. With its key it can be sent again without arriving twice.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Failed {
    line: u64,
    event_key: Option<String>,
    problem: String,
}

/// One line that is an event.
struct Line {
    number: u64,
    event: Event,
}

impl Line {
    fn failed(self, problem: impl Into<String>) -> Failed {
        Failed { line: self.number, event_key: Some(self.event.key), problem: problem.into() }
    }
}

/// Sends every line; success only if all were accepted.
pub(super) async fn send(client: &Client, path: &Path, args: &SendArgs) -> Result<(), Failure> {
    let mut tally = Tally::default();
    let sent = send_lines(client, path, args, &mut tally).await;
    match sent {
        Ok(()) => report(tally, args.json),
        Err(failure) => {
            if !matches!(failure, Failure::Usage(_)) {
                report(tally, args.json).ok(); // what was found out so far is worth showing, the failure says more
            }
            Err(failure)
        }
    }
}

pub(super) async fn send_lines(
    client: &Client,
    path: &Path,
    args: &SendArgs,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let (reader, size) = open(path).map_err(Failure::Usage)?;
    let mut lines = lines(reader);
    let progress = progress(size);
    let (mut batch, mut bytes, mut number, mut stopped) = (Vec::new(), 0, 0, false);
    loop {
        let next = tokio::select! {
            biased;
            () = client.stopping() => {
                stopped = true;
                None
            }
            line = lines.recv() => line,
        };
        let is_last = next.is_none();
        if let Some(text) = next {
            let text = text.context("cannot read the file")?;
            number += 1;
            progress.inc(text.len() as u64);
            match event(&text, args) {
                Ok(Some(event)) => {
                    bytes += event.body.len();
                    batch.push(Line { number, event });
                }
                Ok(None) => {}
                Err(problem) => tally.rejected.push(Failed { line: number, event_key: None, problem }),
            }
        }
        if !batch.is_empty() && (is_last || batch.len() == BATCH_LINES || bytes >= BATCH_BYTES) {
            let first = batch.first().map_or(number, |line| line.number);
            if let Err(error) = send_batch(client, std::mem::take(&mut batch), tally).await {
                progress.finish_and_clear();
                let accepted = tally.accepted;
                let place = format!("stopped in the batch from line {first} on, with {accepted} accepted before it");
                return Err(Failure::Failed(error.context(place)));
            }
            bytes = 0;
            progress.set_message(format!("{} accepted", tally.accepted));
        }
        if is_last {
            break;
        }
    }
    progress.finish_and_clear();
    if stopped {
        return Err(Failure::Failed(anyhow::anyhow!(
            "stopped by a signal: every line up to {number} has its answer, no line behind it was sent; send the rest from line {} on",
            number + 1
        )));
    }
    Ok(())
}

/// Hidden by itself where stderr is no terminal.
fn progress(size: Option<u64>) -> ProgressBar {
    let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = "{bar:30} {bytes}/{total_bytes} {elapsed} {msg}";
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Sends a batch until each of its events has a final answer. One that is too large for the API goes in parts.
async fn send_batch(client: &Client, batch: Vec<Line>, tally: &mut Tally) -> anyhow::Result<()> {
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        let sent = send_part(client, part, tally).await;
        if sent.is_err() {
            let left = std::mem::take(&mut parts).into_iter().flatten();
            tally.unconfirmed.extend(left.map(|line| line.failed("not sent: what was sent before it failed")));
        }
        let Some((mut part, problem)) = sent? else { continue };
        if part.len() > 1 {
            let rest = part.split_off(part.len() / 2);
            parts.extend([rest, part]);
        } else {
            tally.rejected.extend(part.into_iter().map(|line| line.failed(problem.clone())));
        }
    }
    Ok(())
}

/// Sends a part; gives back what is too large for one request, with the API's words.
async fn send_part(
    client: &Client,
    mut batch: Vec<Line>,
    tally: &mut Tally,
) -> anyhow::Result<Option<(Vec<Line>, String)>> {
    for round in 1..=ROUNDS_MAX {
        let body = batch.iter().flat_map(|line| line.event.body.iter().copied().chain([b'\n'])).collect();
        let reply = match client.post("v1/notifications/batch", "application/x-ndjson", body).await {
            Ok(reply) => reply,
            Err(error) => {
                tally
                    .unconfirmed
                    .extend(batch.into_iter().map(|line| line.failed("no answer: it may be accepted or not")));
                return Err(error);
            }
        };
        let Some(results) = reply.body["results"].as_array().filter(|results| results.len() == batch.len()) else {
            let text = problem(reply.status, &reply.body);
            if reply.status.as_u16() == 413 {
                return Ok(Some((batch, text)));
            }
            if round > 1 || !reply.is_final() {
                tally.unconfirmed.extend(batch.into_iter().map(|line| line.failed(text.clone())));
            }
            anyhow::bail!(text);
        };
        let mut again = Vec::new();
        for (line, result) in batch.into_iter().zip(results) {
            match result["status"].as_u64() {
                Some(202) => tally.accepted += 1,
                Some(429 | 503) if round < ROUNDS_MAX && !client.is_stopping() => again.push(line),
                Some(429 | 503) => tally.unconfirmed.push(line.failed(item_problem(result))),
                Some(_) | None => tally.rejected.push(line.failed(item_problem(result))),
            }
        }
        if again.is_empty() {
            return Ok(None);
        }
        batch = again;
        tokio::select! {
            () = client.stopping() => {}
            () = tokio::time::sleep(ROUND_WAIT) => {}
        }
    }
    Ok(None)
}

fn item_problem(result: &Value) -> String {
    let status = result["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    problem(status.and_then(|status| reqwest::StatusCode::from_u16(status).ok()).unwrap_or_default(), result)
}

fn report(mut tally: Tally, json: bool) -> Result<(), Failure> {
    tally.rejected.sort();
    tally.unconfirmed.sort();
    let failed: Vec<_> = tally.rejected.iter().chain(&tally.unconfirmed).collect();
    if json {
        output::print_json(&summary(&tally))?;
    } else {
        for Failed { line, event_key, problem } in &failed {
            let key = event_key.as_ref().map(|key| format!(", event_key {key}")).unwrap_or_default();
            eprintln!("{}", output::visible(&format!("line {line}{key}: {problem}")));
        }
        output::print(&format!("{} accepted, {} not\n", tally.accepted, failed.len()))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}

pub(super) fn summary(tally: &Tally) -> Value {
    let lines = |list: &[Failed]| -> Vec<Value> {
        let line =
            |failed: &Failed| json!({ "line": failed.line, "event_key": failed.event_key, "problem": failed.problem });
        list.iter().map(line).collect()
    };
    json!({ "accepted": tally.accepted, "rejected": lines(&tally.rejected), "unconfirmed": lines(&tally.unconfirmed) })
}
