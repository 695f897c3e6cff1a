//! A file of notifications: NDJSON, in batches, with a progress bar.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{cli::SendArgs, failure::Failure, output};

use super::client::{Client, problem};

/// Events of one request; the API takes a thousand.
const BATCH_LINES: usize = 500;
/// Bytes after which a batch is sent; one line may be larger than that.
const BATCH_BYTES: usize = 1024 * 1024;
/// Bytes of one line: more than the API's largest body.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How often an event that was told "come again" inside a batch is sent again, and how long before.
const ROUNDS_MAX: usize = 60;
const ROUND_WAIT: Duration = Duration::from_secs(1);

/// What became of the lines so far.
#[derive(Default)]
struct Tally {
    accepted: u64,
    rejected: Vec<(u64, String)>,
    unsent: Vec<(u64, String)>,
}

/// One line that is an event.
struct Line {
    number: u64,
    event: Vec<u8>,
}

/// Sends every line; success only if all were accepted.
pub(super) async fn send(client: &Client, path: &Path, args: &SendArgs) -> Result<(), Failure> {
    let (mut reader, size) = open(path).map_err(Failure::Usage)?;
    let progress = progress(size);
    let mut tally = Tally::default();
    let (mut batch, mut bytes, mut number) = (Vec::new(), 0, 0);
    loop {
        let mut text = Vec::new();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text).context("cannot read the file")?;
        if read > 0 {
            number += 1;
            progress.inc(read as u64);
            match event(&text, args) {
                Ok(Some(event)) => {
                    bytes += event.len();
                    batch.push(Line { number, event });
                }
                Ok(None) => {}
                Err(detail) => tally.rejected.push((number, detail)),
            }
        }
        if !batch.is_empty() && (read == 0 || batch.len() == BATCH_LINES || bytes >= BATCH_BYTES) {
            send_batch(client, std::mem::take(&mut batch), &mut tally).await?;
            bytes = 0;
            progress.set_message(format!("{} accepted", tally.accepted));
        }
        if read == 0 {
            break;
        }
    }
    progress.finish_and_clear();
    report(tally, args.json)
}

fn open(path: &Path) -> anyhow::Result<(Box<dyn BufRead>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let metadata = file.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    anyhow::ensure!(!metadata.is_dir(), "{} is a directory: give a file of notifications, one a line", path.display());
    Ok((Box::new(BufReader::new(file)), Some(metadata.len())))
}

/// Hidden by itself where stderr is no terminal.
fn progress(size: Option<u64>) -> ProgressBar {
    let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    let template = "{bar:30} {bytes}/{total_bytes} {elapsed} {msg}";
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The event of a line, with a key and a type; none for a blank line.
fn event(line: &[u8], args: &SendArgs) -> Result<Option<Vec<u8>>, String> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let event: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: column {}", error.column()))?;
    let Value::Object(mut event) = event else {
        return Err("must be a JSON object, as for POST /v1/notifications".to_owned());
    };
    event.entry("event_key").or_insert_with(|| uuid::Uuid::now_v7().to_string().into());
    event.entry("type").or_insert_with(|| args.event_type.clone().into());
    Ok(Some(Value::Object(event).to_string().into_bytes()))
}

/// Sends a batch until each of its events has a final answer.
async fn send_batch(client: &Client, mut batch: Vec<Line>, tally: &mut Tally) -> Result<(), Failure> {
    for round in 1..=ROUNDS_MAX {
        let body = batch.iter().flat_map(|line| line.event.iter().copied().chain([b'\n'])).collect();
        let reply = client.post("v1/notifications/batch", "application/x-ndjson", body).await?;
        let Some(results) = reply.body["results"].as_array().filter(|results| results.len() == batch.len()) else {
            let first = batch.first().map_or(0, |line| line.number);
            let text = problem(reply.status, &reply.body);
            let error = anyhow::anyhow!("stopped at line {first} with {} accepted before it: {text}", tally.accepted);
            return Err(Failure::Failed(error));
        };
        let mut again = Vec::new();
        for (line, result) in batch.into_iter().zip(results) {
            match result["status"].as_u64() {
                Some(202) => tally.accepted += 1,
                Some(429 | 503) if round < ROUNDS_MAX => again.push(line),
                Some(429 | 503) => tally.unsent.push((line.number, item_problem(result))),
                Some(_) | None => tally.rejected.push((line.number, item_problem(result))),
            }
        }
        if again.is_empty() {
            return Ok(());
        }
        batch = again;
        tokio::time::sleep(ROUND_WAIT).await;
    }
    Ok(())
}

fn item_problem(result: &Value) -> String {
    let status = result["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    problem(status.and_then(|status| reqwest::StatusCode::from_u16(status).ok()).unwrap_or_default(), result)
}

fn report(tally: Tally, json: bool) -> Result<(), Failure> {
    let failed: Vec<_> = tally.rejected.iter().chain(&tally.unsent).collect();
    if json {
        let lines = |list: &[(u64, String)]| -> Vec<Value> {
            list.iter().map(|(line, problem)| json!({ "line": line, "problem": problem })).collect()
        };
        let summary = json!({
            "accepted": tally.accepted, "rejected": lines(&tally.rejected), "unsent": lines(&tally.unsent),
        });
        output::print_json(&summary)?;
    } else {
        for (line, problem) in &failed {
            eprintln!("line {line}: {}", output::visible(problem));
        }
        output::print(&format!("{} accepted, {} not\n", tally.accepted, failed.len()))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::Reported) }
}
