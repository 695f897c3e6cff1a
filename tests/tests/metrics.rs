//! What a scrape holds and what it never holds; what the logs never say.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use postrider_domain::{
    DeadReason, Notification, Outcome, Reason,
    answer::RESULTS,
    limits::{RECIPIENTS_MAX, WAITING_MAX},
};
use postrider_testkit::smtp::{Act, Stage};
use postrider_tests::{
    Metrics, Process, Settings, World,
    events::record,
    http, mail, slack,
    wait::{LONG, wait_until},
};
use serde_json::json;

const KEY: &str = "an-api-key-of-the-shop";

fn series(metrics: &Metrics) -> BTreeSet<String> {
    metrics.series().into_iter().map(str::to_owned).collect()
}

/// Both lanes assigned and their gauges shown.
#[track_caller]
fn shown(world: &World) -> Process {
    let processor = world.processor();
    wait_until("the gauges of all partitions are there", LONG, || {
        let metrics = processor.metrics();
        ["email", "slack"].iter().all(|lane| {
            (0..world.settings.partitions).all(|partition| {
                let labels = [("lane", *lane), ("partition", &partition.to_string())];
                metrics.has("committed_offset", &labels) && metrics.has("lag_seconds", &labels)
            })
        })
    });
    processor
}

/// What a lane may hold is bounded; at the bound the partition waits in Kafka, and says why.
#[test]
fn a_full_partition_shows_as_paused() {
    let world = World::new("full", Settings { partitions: 1, ..Settings::default() });
    world.smtp.on(Stage::Rcpt).act(Act::Hang);
    let addresses: Vec<_> = (0..RECIPIENTS_MAX).map(|n| format!("to-{n}@example.com")).collect();
    let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
    let newsletters: Vec<_> = (0..2 * WAITING_MAX / RECIPIENTS_MAX).map(|n| mail(&n.to_string(), &addresses)).collect();
    world.produce(&newsletters);
    let processor = world.start(&["process"]);
    wait_until("the partition is full", LONG, || {
        processor.metrics().sum("partitions_paused", &[("lane", "email"), ("reason", "full")]) == 1.0
    });
    let metrics = processor.metrics();
    let planned = metrics.count("records_total", &[("result", "planned")]);
    assert_eq!(usize::try_from(planned), Ok(WAITING_MAX / RECIPIENTS_MAX), "the others wait");
    let lag = u64::try_from(newsletters.len()).expect("a small number");
    wait_until("none of them is settled", LONG, || {
        processor.metrics().count("lag_records", &[("lane", "email"), ("partition", "0")]) == lag
    });
}

/// Every series whose labels are a closed list is there from the start, at zero.
#[test]
fn every_closed_series_is_there_from_the_start() {
    let settings = Settings { slack: vec!["ops".to_owned()], api_key: Some(KEY.to_owned()), ..Settings::default() };
    let world = World::new("preset", settings);
    let processor = shown(&world);
    let metrics = processor.metrics();
    let check = |name: &str, labels: &[(&str, &str)]| {
        assert!(metrics.has(name, labels), "postrider_{name} {labels:?} is missing");
        assert_eq!(metrics.sum(name, labels), 0.0, "postrider_{name} {labels:?}");
    };
    for (lane, destination) in [("email", "relay"), ("slack", "ops")] {
        let closed: [(&str, &str, Vec<&str>); 5] = [
            ("records_total", "result", vec!["planned", "malformed", "too_old", "not_for_lane"]),
            ("deliveries_total", "outcome", Outcome::ALL.map(Outcome::as_str).to_vec()),
            ("duplicates_suppressed_total", "stage", vec!["in_flight", "parked", "ledger"]),
            ("dead_letters_total", "reason", DeadReason::ALL.iter().map(|reason| reason.as_str()).collect()),
            ("partitions_paused", "reason", vec!["restoring", "full", "unavailable", "operator", "lease"]),
        ];
        for (name, label, values) in closed {
            values.into_iter().for_each(|value| check(name, &[("lane", lane), (label, value)]));
        }
        for result in RESULTS {
            check("attempts_total", &[("lane", lane), ("destination", destination), ("result", result)]);
        }
        for reason in Reason::ALL {
            check(
                "attempt_failures_total",
                &[("lane", lane), ("destination", destination), ("reason", reason.as_str())],
            );
        }
        for name in ["records_misplaced_total", "ambiguous_sends_total", "deliveries_in_flight", "ledger_keys"] {
            check(name, &[("lane", lane)]);
        }
        for name in ["attempt_duration_seconds_count", "delivery_latency_seconds_count"] {
            check(name, &[("lane", lane)]);
        }
        for event in ["revoked", "lost"] {
            check("rebalances_total", &[("lane", lane), ("event", event)]);
        }
        check("ledger_writes_total", &[("lane", lane), ("result", "timed_out")]);
        for (name, label, value) in [
            ("rebalances_total", "event", "assigned"),
            ("ledger_writes_total", "result", "acknowledged"),
            ("restore_duration_seconds_count", "lane", lane),
        ] {
            assert!(metrics.has(name, &[("lane", lane), (label, value)]), "{name}");
        }
        check("destination_stopped", &[("lane", lane), ("destination", destination)]);
        for partition in ["0", "1", "2", "3"] {
            check("partition_stopped", &[("lane", lane), ("partition", partition)]);
            check("lag_records", &[("lane", lane), ("partition", partition)]);
        }
        assert_eq!(metrics.count("partitions_assigned", &[("lane", lane)]), 4);
        for result in ["acknowledged", "failed"] {
            assert!(metrics.has("commits_total", &[("lane", lane), ("result", result)]));
        }
    }
    assert_eq!(metrics.sum("panics_total", &[]), 0.0);
    assert_eq!(metrics.sum("build_info", &[]), 1.0);
    assert!(metrics.has("delivery_latency_seconds_bucket", &[("le", "60")]), "latency has an edge at a minute");

    let ingest = world.start(&["ingest"]).ready();
    let metrics = ingest.metrics();
    for result in ["accepted", "rejected", "unavailable"] {
        let labels = [("source", "shop"), ("result", result)];
        assert!(metrics.has("ingest_events_total", &labels), "{labels:?}");
        assert_eq!(metrics.sum("ingest_events_total", &labels), 0.0);
    }
    for route in ["/v1/notifications", "/v1/notifications/batch"] {
        for code in ["202", "400", "401", "413", "415", "422", "429", "503"] {
            let labels = [("route", route), ("code", code)];
            assert!(metrics.has("ingest_requests_total", &labels), "{labels:?}");
            assert_eq!(metrics.sum("ingest_requests_total", &labels), 0.0);
        }
        assert!(metrics.has("ingest_request_duration_seconds_count", &[("route", route)]));
    }
    assert!(metrics.has("ingest_produce_duration_seconds_count", &[]));
    for process in [&processor, &ingest] {
        promtool(&process.exposition());
    }
}

fn promtool(exposition: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs (Debian package: prometheus)");
    let mut input = promtool.stdin.take().expect("it is piped");
    input.write_all(exposition.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "promtool check metrics: {said}");
}

/// Ten thousand distinct people and keys leave no trace in metrics or logs, whatever becomes of their mails.
#[test]
fn people_and_keys_are_in_no_series_and_no_log_line() {
    const MAILS: usize = 10_000;
    let settings = Settings {
        slack: vec!["ops".to_owned()],
        api_key: Some(KEY.to_owned()),
        in_flight_max: 200,
        credentials: None,
        ..Settings::default()
    };
    let world = World::new("people", settings);
    // Some are refused, some fail at first, some are lost on the way.
    for n in [7, 77, 777] {
        world
            .smtp
            .on(Stage::Rcpt)
            .recipient(&person(n))
            .act(Act::reply(&format!("550 5.1.1 <{}> is unknown", person(n))));
        let later = Act::reply(&format!("450 4.2.0 <{}> is greylisted", person(n + 1)));
        world.smtp.on(Stage::Rcpt).recipient(&person(n + 1)).times(1).act(later);
        world.smtp.on(Stage::Dot).recipient(&person(n + 2)).times(1).act(Act::Close);
    }
    let processor = shown(&world);
    let ingest = world.start(&["ingest"]).ready();
    let post = |body| http::post(ingest.ingest(), "/v1/notifications", Some(KEY), &body).unwrap().status;
    let body = |n: usize| {
        json!({"event_key": format!("posted-{n}"), "type": "t", "email": {
            "to": [{"address": format!("posted-person-{n}@example.com")}], "subject": "A subject.", "text": "A text."}})
    };
    let invalid = json!({"event_key": "invalid", "type": "t", "email": {"to": [{"address": "posted-person-bad"}]}});
    assert_eq!((post(body(0)), post(invalid.clone())), (202, 422));
    world.produce(&[mail("order-first", &["first@example.com"]), slack("slack-first", &["ops"])]);
    world.settled("email");
    world.settled("slack");
    let before = (series(&processor.metrics()), series(&ingest.metrics()));

    let events: Vec<_> = (0..MAILS).map(|n| mail(&format!("order-{n}"), &[&person(n)])).collect();
    world.produce(&events);
    world.produce(&[slack("to-nobody", &["a-destination-that-is-not-there"])]);
    assert!((1..200).all(|n| post(body(n)) == 202) && post(invalid) == 422);
    world.settled_within("email", Duration::from_secs(120));
    world.settled("slack");
    assert_eq!(world.smtp.count(), MAILS - 3 + 200 + 1);
    assert_eq!(processor.metrics().count("dead_letters_total", &[]), 4);
    let after = (series(&processor.metrics()), series(&ingest.metrics()));
    assert_eq!(after.0.difference(&before.0).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(after.1.difference(&before.1).collect::<Vec<_>>(), Vec::<&String>::new());

    let secrets = ["person-", "@example.com", "The text of", "A text.", "A subject.", KEY, "/services/", "550 5.1.1"];
    assert!(!processor.logs().of("INFO", "attempt failed").is_empty(), "the failures were logged");
    processor.logs().assert_silent_about(&secrets);
    ingest.logs().assert_silent_about(&secrets);
}

/// A name or header from Kafka may be of any length and hold anything: what a log line takes of it is bounded.
#[test]
fn a_failed_attempt_says_where_its_record_stands_and_cuts_names_that_are_too_long() {
    let settings = Settings { partitions: 1, ..Settings::default() };
    let world = World::new("lines", settings);
    world.smtp.on(Stage::Rcpt).recipient("ada@example.com").act(Act::reply("550 5.1.1 unknown"));
    let long =
        |name: &str| Notification { source: "s".repeat(20_000), ..mail(&name.repeat(20_000), &["ada@example.com"]) };
    let traced = |event: &Notification, parent: &str| {
        let mut record = record(event, 1);
        record.headers.push(("traceparent".to_owned(), Some(parent.as_bytes().to_vec())));
        record
    };
    let good = format!("00-{}-00f067aa0ba902b7-01", "4bf92f3577b34da6".repeat(2));
    let bad = format!("00-{}-01", "ada@example.com".repeat(1_000));
    world.produce_raw(&[traced(&long("é"), &bad), traced(&mail("order-1", &["ada@example.com"]), &good)]);
    let processor = world.processor();
    world.settled("email");

    for words in ["attempt failed", "dead letter written"] {
        let lines: Vec<_> = ["INFO", "WARN"].iter().flat_map(|level| processor.logs().of(level, words)).collect();
        assert_eq!(lines.len(), 2, "{words}");
        for (offset, line) in lines.iter().enumerate() {
            assert_eq!(line["delivery.channel"], "email", "{line}");
            assert_eq!((&line["record.partition"], &line["record.offset"]), (&json!(0), &json!(offset)), "{line}");
        }
        let names = [&lines[0]["event.key"], &lines[0]["event.source"]].map(|name| name.as_str().expect("a text"));
        assert!(names.iter().all(|name| name.len() < 600 && name.ends_with('…')), "{names:?}");
        assert_eq!(lines[0].get("trace_id"), None, "no trace id");
        assert_eq!((&lines[1]["event.key"], &lines[1]["event.source"]), (&json!("order-1"), &json!("shop")));
        assert_eq!(lines[1]["trace_id"], "4bf92f3577b34da6".repeat(2));
    }
    processor.logs().assert_silent_about(&["ada@"]);
}

fn person(n: usize) -> String {
    format!("person-{n}@example.com")
}
