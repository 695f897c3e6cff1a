//! What `send` says where the API does not: with the event's key it can be sent again, without it people get it twice.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};

/// Reads one request after the other and gives each the same answer, then closes; an empty one is none at all.
fn api(answer: &'static str) -> String {
    api_of(move || answer.to_owned())
}

fn api_of(mut answer: impl FnMut() -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).unwrap() > 2 {
                length =
                    line.to_lowercase().strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap());
                line.clear();
            }
            std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap();
            reader.into_inner().write_all(answer().as_bytes()).unwrap();
        }
    });
    url
}

const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n\
    {\"detail\":\"Kafka did not answer in time\",\"accepted\":\"unknown\"}";
const CUT_OFF: &str = "HTTP/1.1 202 Accepted\r\ncontent-length: 1000\r\n\r\n{\"event_key\"";

fn args(more: &[&str]) -> Box<SendArgs> {
    let Command::Send(args) = Cli::parse_from([&["postrider", "send"], more].concat()).command else {
        panic!("send is send")
    };
    args
}

fn said(failed: Result<(), Failure>) -> String {
    match failed {
        Err(Failure::Failed(error)) => format!("{error:#}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_that_is_not_accepted_for_certain_names_its_key() {
    postrider_channels::slack::install_crypto();
    let args = args(&["--email-to", "ada@example.com", "--text", "x"]);
    let event = single::body(&args).unwrap();
    let key = event["event_key"].as_str().unwrap();
    for (answer, words) in [
        (UNAVAILABLE, "503: Kafka did not answer in time; accepted: unknown"),
        ("", "may be accepted or not"),
        (CUT_OFF, "may be accepted or not"),
    ] {
        let said = said(single::send(&Client::impatient(&api(answer)), &event, &args).await);
        assert!(said.contains(&format!("--event-key {key}")) && said.contains(words), "{said}");
        assert!(!said.contains("cannot reach"), "{said}");
    }
    let refused = "HTTP/1.1 422 Unprocessable Content\r\nconnection: close\r\n\r\n{\"detail\":\"no\"}";
    let text = said(single::send(&Client::impatient(&api(refused)), &event, &args).await);
    assert_eq!(text, "not accepted, 422: no", "the same again is refused again");
    let away = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n{\"detail\":\"away\",\"accepted\":\"no\"}";
    let odd = serde_json::json!({ "event_key": "it's 1" });
    let text = said(single::send(&Client::impatient(&api(away)), &odd, &args).await);
    assert_eq!(
        text,
        r"not accepted, 503: away; accepted: no; to send it again so that nobody gets it twice, add --event-key 'it'\''s 1'"
    );
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = said(single::send(&Client::impatient(&format!("http://{closed}/")), &event, &args).await);
    assert!(said.contains("cannot reach") && said.contains(key), "{said}");
}

#[tokio::test]
async fn lines_that_are_not_accepted_for_certain_name_their_keys() {
    postrider_channels::slack::install_crypto();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.ndjson");
    fs::write(&path, "{\"event_key\":\"k1\"}\nnot json\n{}\n").unwrap();
    let args = args(&["--file", path.to_str().unwrap()]);
    for (answer, problem) in [(UNAVAILABLE, "accepted: unknown"), ("", "may be accepted or not")] {
        let mut tally = file::Tally::default();
        let sent = file::send_lines(&Client::impatient(&api(answer)), &path, &args, &mut tally).await;
        assert!(said(sent).contains("stopped in the batch from line 1 on"));
        let summary = file::summary(&tally);
        let unconfirmed = summary["unconfirmed"].as_array().unwrap();
        let keys: Vec<_> = unconfirmed.iter().map(|line| line["event_key"].as_str().unwrap()).collect();
        assert!(keys.len() == 2 && keys[0] == "k1" && keys[1].len() == 36, "{summary}");
        assert!(unconfirmed.iter().all(|line| line["problem"].as_str().unwrap().contains(problem)), "{summary}");
        assert_eq!(summary["rejected"][0]["event_key"], serde_json::Value::Null);
    }
}

fn accepted(count: usize) -> String {
    let results = vec![r#"{"status":202}"#; count].join(",");
    format!("HTTP/1.1 202 Accepted\r\nconnection: close\r\n\r\n{{\"results\":[{results}]}}")
}

/// The API may close a kept connection just when the next request goes out; the same event again is safe.
#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again() {
    postrider_channels::slack::install_crypto();
    let mut answers = vec![accepted(1), String::new()];
    let url = api_of(move || answers.pop().unwrap());
    let client = Client::new(Url::parse(&url).unwrap(), None, Shutdown::never()).unwrap();
    single::send(&client, &serde_json::json!({ "event_key": "k" }), &args(&["--json"])).await.unwrap();
}

/// What was sent has its answer, what was not is said, and nobody waits for Kafka any longer.
#[tokio::test]
async fn whoever_stops_it_knows_how_far_it_came() {
    postrider_channels::slack::install_crypto();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.ndjson");
    fs::write(&path, "{}\n".repeat(700)).unwrap();
    let args = args(&["--file", path.to_str().unwrap()]);
    for (answer, counts, words) in [
        (
            accepted(500),
            (500, 0),
            "every line up to 500 has its answer, no line behind it was sent; send the rest from line 501",
        ),
        (UNAVAILABLE.to_owned(), (0, 500), "stopped in the batch from line 1 on"),
    ] {
        let (signal, shutdown) = Shutdown::by_hand();
        let url = api_of(move || {
            signal.send_replace(true);
            answer.clone()
        });
        let client = Client::new(Url::parse(&url).unwrap(), None, shutdown).unwrap();
        let mut tally = file::Tally::default();
        let said = said(file::send_lines(&client, &path, &args, &mut tally).await);
        assert!(said.contains(words), "{said}");
        let summary = file::summary(&tally);
        let unconfirmed = summary["unconfirmed"].as_array().unwrap().len();
        assert_eq!((summary["accepted"].as_u64().unwrap(), unconfirmed), counts);
    }
}
