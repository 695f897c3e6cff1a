//! A file of notifications: NDJSON, in batches, with a progress bar.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json, value::RawValue};

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

/// An event as it is sent.
#[derive(Debug, PartialEq, Eq)]
struct Event {
    key: String,
    body: Vec<u8>,
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
    let (mut reader, size) = open(path).map_err(Failure::Usage)?;
    let progress = progress(size);
    let (mut batch, mut bytes, mut number) = (Vec::new(), 0, 0);
    loop {
        let mut text = Vec::new();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text).context("cannot read the file")?;
        if read > 0 {
            number += 1;
            progress.inc(read as u64);
            match event(&text, args) {
                Ok(Some(event)) => {
                    bytes += event.body.len();
                    batch.push(Line { number, event });
                }
                Ok(None) => {}
                Err(problem) => tally.rejected.push(Failed { line: number, event_key: None, problem }),
            }
        }
        if !batch.is_empty() && (read == 0 || batch.len() == BATCH_LINES || bytes >= BATCH_BYTES) {
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
        if read == 0 {
            break;
        }
    }
    progress.finish_and_clear();
    Ok(())
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

/// The event of a line, with a key and a type; none for a blank line. What is there stays as it was written, so that
/// the API sees every mistake.
fn event(line: &[u8], args: &SendArgs) -> Result<Option<Event>, String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(None);
    }
    let value: &RawValue = serde_json::from_slice(line).map_err(|error| not_json(&error))?;
    let Some(inside) = value.get().strip_prefix('{') else {
        return Err("must be a JSON object, as for POST /v1/notifications".to_owned());
    };
    let names: HashMap<String, Option<&RawValue>> = serde_json::from_slice(line).map_err(|error| not_json(&error))?;
    let mut event = "{".to_owned();
    let mut key = uuid::Uuid::now_v7().to_string();
    for (name, value) in [("event_key", key.clone()), ("type", args.event_type.clone())] {
        match names.get(name) {
            Some(None) => return Err(format!("{name} is null: leave it out, or give it a value")),
            Some(Some(_)) => {}
            None => event += &format!("{}:{},", json!(name), json!(value)),
        }
    }
    // An object that was empty has no field that the last comma could stand before.
    let event = if names.is_empty() { event.trim_end_matches(',') } else { &event };
    let body = format!("{event}{inside}").into_bytes();
    if let Some(Some(given)) = names.get("event_key") {
        key = serde_json::from_str(given.get()).unwrap_or_else(|_| given.get().to_owned());
    }
    Ok(Some(Event { key, body }))
}

fn not_json(error: &serde_json::Error) -> String {
    format!("not JSON: column {}", error.column())
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
                Some(429 | 503) if round < ROUNDS_MAX => again.push(line),
                Some(429 | 503) => tally.unconfirmed.push(line.failed(item_problem(result))),
                Some(_) | None => tally.rejected.push(line.failed(item_problem(result))),
            }
        }
        if again.is_empty() {
            return Ok(None);
        }
        batch = again;
        tokio::time::sleep(ROUND_WAIT).await;
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn event_of(line: &str) -> Result<Option<String>, String> {
        let Command::Send(args) = Cli::parse_from(["postrider", "send", "--file", "-", "--type", "t"]).command else {
            panic!("send is send")
        };
        event(line.as_bytes(), &args).map(|event| {
            event.map(|event| {
                let body = String::from_utf8(event.body).unwrap();
                assert!(body.contains(&format!("\"event_key\":\"{}\"", event.key)), "{} is not in {body}", event.key);
                body
            })
        })
    }

    #[test]
    fn what_is_missing_is_added_and_the_rest_stays_as_it_was_written() {
        let given = r#"{"event_key":"k","type":"x","slack":{"n":1.50},"slack":{}}"#;
        assert_eq!(event_of(&format!(" {given} \r\n")).unwrap().as_deref(), Some(given));
        for (line, end) in [("{}", "\"type\":\"t\"}"), ("{ \"a\": 1 }", "\"type\":\"t\", \"a\": 1 }")] {
            let event = event_of(line).unwrap().unwrap();
            assert!(event.starts_with("{\"event_key\":\"") && event.ends_with(end), "{event}");
            serde_json::from_str::<Value>(&event).unwrap();
        }
        assert_eq!(event_of("  \n"), Ok(None));
        for (line, problem) in
            [("{", "not JSON"), ("[]", "object"), ("null", "object"), ("{\"event_key\":null}", "null")]
        {
            assert!(event_of(line).unwrap_err().contains(problem), "{line}");
        }
    }
}
