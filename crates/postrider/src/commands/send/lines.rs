//! The lines of a file of notifications, and the event in each.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use anyhow::Context;
use serde_json::{json, value::RawValue};
use tokio::sync::mpsc;

use crate::cli::SendArgs;

/// Bytes of one line: more than the API's largest body.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An event as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) key: String,
    pub(super) body: Vec<u8>,
}

/// The file or, for `-`, the standard input; and its size, if it has one.
pub(super) fn open(path: &Path) -> anyhow::Result<(Box<dyn BufRead + Send>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(io::stdin())), None));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let metadata = file.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    anyhow::ensure!(!metadata.is_dir(), "{} is a directory: give a file of notifications, one a line", path.display());
    Ok((Box::new(BufReader::new(file)), Some(metadata.len())))
}

/// Its lines, each with its end. They are read in a thread of their own, for a read cannot be called off: whoever waits for
/// a line may stop waiting.
pub(super) fn lines(mut reader: Box<dyn BufRead + Send>) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            let last = !matches!(read, Ok(1..));
            if !matches!(read, Ok(0)) && sender.blocking_send(read.map(|_| line)).is_err() || last {
                return;
            }
        }
    });
    lines
}

/// The event of a line, with a key and a type; none for a blank line. What is there stays as it was written, so that
/// the API sees every mistake.
pub(super) fn event(line: &[u8], args: &SendArgs) -> Result<Option<Event>, String> {
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::Value;

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
