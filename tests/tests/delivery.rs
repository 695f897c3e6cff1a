//! What arrives, how often, and what is left in Kafka about it.

use std::{collections::BTreeMap, time::Duration};

use postrider_domain::{
    ChannelName, DeadReason, Email, Fingerprint, Notification, Outcome, record::HEADER_APPENDED_AT,
};
use postrider_testkit::{
    kafka::{RawRecord, RealKafka},
    smtp::{Act, SmtpOptions, Stage},
};
use postrider_tests::{
    LONG, Process, Settings, World,
    events::{self, address, now, record},
    http, mail, slack,
    wait::{holds_for, wait_until},
};
use serde_json::json;

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

fn one_partition() -> Settings {
    Settings { partitions: 1, ..Settings::default() }
}

#[track_caller]
fn delivered(processor: &Process, lane: &str) -> u64 {
    processor.metrics().count("deliveries_total", &[("lane", lane), ("outcome", "delivered")])
}

#[track_caller]
fn suppressed(processor: &Process) -> u64 {
    processor.metrics().count("duplicates_suppressed_total", &[("lane", "email")])
}

/// The thinnest way through: one mail from a record to the server; then its receipt, then the commit, then the exit.
#[test]
fn a_record_becomes_a_mail_a_receipt_and_a_commit() {
    let world = World::new("one", Settings::default());
    let event = mail("order-1", &[ADA]);
    world.produce(std::slice::from_ref(&event));
    let processor = world.processor();
    let mails = world.runtime.block_on(world.smtp.wait_for(1, LONG)).unwrap();
    assert_eq!(mails[0].recipients, [ADA]);
    world.settled("email");
    assert_eq!(world.outcome(&event, ChannelName::Email, ADA), Some(Outcome::Delivered));
    assert_eq!(delivered(&processor, "email"), 1);
    assert_eq!(world.smtp.count(), 1);
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
}

/// The whole way, over real HTTP into both lanes.
#[test]
fn a_post_becomes_mails_and_a_slack_message() {
    let settings = Settings { slack: vec!["ops".to_owned()], ..Settings::default() };
    let world = World::new("http", settings);
    let ingest = world.start(&["ingest"]).ready();
    let processor = world.start(&["process"]).ready();
    let body = json!({
        "event_key": "order-1017-shipped",
        "type": "order.shipped",
        "email": {
            "to": [{"address": ADA, "name": "Ada"}], "cc": [{"address": BOB}], "bcc": [{"address": "eve@example.com"}],
            "subject": "Your order is on its way", "text": "It left.", "html": "<p>It left.</p>"
        },
        "slack": {"to": ["ops"], "text": "Order 1017 shipped"}
    });
    let answer = http::post(ingest.ingest(), "/v1/notifications", None, &body).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.body);
    let accepted = answer.json();
    assert_eq!(accepted["source"], "local");
    assert_eq!(accepted["partition"], world.partition("order-1017-shipped"));
    assert_eq!(accepted["deliveries"].as_array().unwrap().len(), 4, "{accepted}");

    let mails = world.runtime.block_on(world.smtp.wait_for(3, LONG)).unwrap();
    let mut recipients: Vec<_> = mails.iter().map(|mail| mail.recipients.join("+")).collect();
    recipients.sort();
    assert_eq!(recipients, [ADA, BOB, "eve@example.com"], "one transaction for each recipient");
    for mail in &mails {
        let text = mail.text();
        assert!(text.contains(ADA) && text.contains(BOB), "the headers name to and cc:\n{text}");
        assert!(!text.contains("eve@"), "a bcc shows:\n{text}");
        assert_eq!(mail.message_id, mails[0].message_id);
    }
    wait_until("Slack has the message", LONG, || world.slack.posted("ops").len() == 1);
    assert_eq!(world.slack.posted("ops")[0].body["text"], "Order 1017 shipped");
    world.settled("email");
    world.settled("slack");
    assert_eq!((delivered(&processor, "email"), delivered(&processor, "slack")), (3, 1));

    // A repeated request is answered as the first one was, and nobody hears of it.
    let again = http::post(ingest.ingest(), "/v1/notifications", None, &body).unwrap();
    assert_eq!(again.status, 202);
    world.settled("email");
    world.settled("slack");
    assert_eq!((world.smtp.count(), world.slack.posted("ops").len()), (3, 1));
}

/// The Convoy case: what fails holds the commit, and nobody else.
#[test]
fn a_failing_record_holds_the_commit_and_delays_nobody() {
    let world = World::new("convoy", one_partition());
    world.smtp.on(Stage::Rcpt).recipient(ADA).act(Act::reply("450 4.2.0 Come back later"));
    let mut events: Vec<_> = (0..5).map(|n| mail(&format!("before-{n}"), &[BOB])).collect();
    events.push(mail("failing", &[ADA]));
    events.extend((0..100).map(|n| mail(&format!("after-{n}"), &[BOB])));
    world.produce(&events);
    let processor = world.processor();
    world.runtime.block_on(world.smtp.wait_for(105, LONG)).unwrap();
    wait_until("what stands before it is committed", LONG, || world.committed("email").get(&0) == Some(&5));
    let attempts = |processor: &Process| processor.metrics().count("attempts_total", &[("result", "transient")]);
    let before = attempts(&processor);
    holds_for("the commit stays at the failing record", Duration::from_secs(3), || {
        world.committed("email")[&0] == 5 && world.smtp.count() == 105
    });
    assert!(before < attempts(&processor), "it was tried again meanwhile");
    world.smtp.behave();
    world.settled("email");
    assert_eq!(world.smtp.count(), 106);
    assert_eq!(world.committed("email")[&0], 106);
}

/// Receipts that Kafka takes slowly hold the commit and the counts: after a death nothing else tells what was sent.
#[test]
fn a_commit_never_overtakes_a_receipt() {
    const MAILS: usize = 400;
    const WAITS: usize = 20;
    let kafka: &'static RealKafka = Box::leak(Box::new(RealKafka::start(1).expect("Kafka starts")));
    let settings = Settings { in_flight_max: 4, ..one_partition() };
    let world = World::with(kafka, "slow", settings, SmtpOptions::default());
    let events: Vec<_> = (0..MAILS).map(|n| mail(&format!("order-{n}"), &[ADA])).collect();
    world.produce(&events);
    let quota = |change: [&str; 2]| {
        let client = ["--alter", "--entity-type", "clients", "--entity-name", "postrider-email"];
        kafka.tool("kafka.admin.ConfigCommand", &[&client[..], &change].concat()).expect("Kafka changes the quota");
    };
    // Bytes a second, for writes alone: the commits go over a connection that is not slowed.
    quota(["--add-config", "producer_byte_rate=100"]);
    let processor = world.processor();
    let is_waiting = || {
        let counted = delivered(&processor, "email");
        let committed = usize::try_from(world.committed("email").get(&0).copied().unwrap_or(0)).unwrap();
        let sent = world.smtp.count();
        let receipts = world.ledger("email").receipts;
        for event in &events[..committed] {
            let id = Fingerprint::of_delivery(event, ChannelName::Email, ADA, None);
            assert!(receipts.contains_key(&id), "{committed} are committed, {} has no receipt", event.event_key);
        }
        assert!(counted <= receipts.len() as u64, "{counted} are counted, {} have a receipt", receipts.len());
        receipts.len() < sent
    };
    let mut waits = 0;
    wait_until("receipts were waited for, again and again", LONG, || {
        waits += usize::from(is_waiting());
        WAITS <= waits
    });
    quota(["--delete-config", "producer_byte_rate"]);
    world.settled("email");
    assert_eq!(world.smtp.count(), MAILS);
}

/// The same event key in one poll, later, after a restart, after a rewind by Kafka's own tool: sent once, and counted.
#[test]
fn the_same_key_is_sent_once_however_it_comes_again() {
    let world = World::new("twins", Settings::default());
    let event = mail("order-1", &[ADA, BOB]);
    world.produce(&[event.clone(), event.clone(), mail("order-2", &[ADA]), event.clone()]);
    let processor = world.processor();
    world.settled("email");
    assert_eq!((world.smtp.count(), suppressed(&processor)), (3, 4), "in one poll");

    world.produce(std::slice::from_ref(&event));
    world.settled("email");
    assert_eq!((world.smtp.count(), suppressed(&processor)), (3, 6), "later");

    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
    world.produce(std::slice::from_ref(&event));
    let processor = world.processor();
    world.settled("email");
    assert_eq!((world.smtp.count(), suppressed(&processor)), (3, 2), "after a restart");
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");

    let group = world.group("email");
    let arguments = ["--reset-offsets", "--group", &group, "--topic", &world.topic, "--to-earliest", "--execute"];
    world.kafka.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &arguments).unwrap();
    assert!(world.committed("email").values().all(|position| *position == 0));
    let processor = world.processor();
    world.settled("email");
    assert_eq!((world.smtp.count(), suppressed(&processor)), (3, 11), "after a rewind");
    assert!(world.dead_letters().is_empty());
}

/// What cannot be sent goes to the dead letters as it came, and the records around it are delivered.
#[test]
fn bad_records_lie_in_the_dead_letters_unchanged() {
    let world = World::new("bad", one_partition());
    let mut other_content = mail("order-1", &[ADA]);
    other_content.email.as_mut().unwrap().text = Some("Something else.".to_owned());
    let mut templated = mail("templated", &[ADA]);
    templated.template = Some(postrider_domain::Template { name: "t".to_owned(), locale: None, data: "{}".to_owned() });
    let good = |n: usize| record(&mail(&format!("good-{n}"), &[BOB]), 1);
    let mut truncated = record(&mail("truncated", &[ADA]), 1);
    truncated.value.as_mut().unwrap().truncate(30);
    let mut unknown = record(&mail("unknown", &[ADA]), 1);
    unknown.value.as_mut().unwrap()[5] ^= 0xff;
    let raw = |key: Option<&[u8]>, value: Option<&[u8]>| RawRecord {
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: vec![("trace".to_owned(), Some(b"\xff\x00".to_vec())), ("empty".to_owned(), None)],
        ..RawRecord::default()
    };
    let bad = [
        (raw(Some(b"key"), Some(b"{\"not\": \"avro\"}")), DeadReason::Unframed),
        (raw(Some(b"tombstone"), None), DeadReason::Unframed),
        (raw(None, Some(b"")), DeadReason::Unframed),
        (truncated, DeadReason::Malformed),
        (unknown, DeadReason::UnknownSchema),
        (record(&other_content, 1), DeadReason::KeyConflict),
        (record(&templated, 1), DeadReason::Unsupported),
        (record(&events::event("nobody"), 1), DeadReason::NoDeliveries),
    ];
    let mut records = vec![record(&mail("order-1", &[ADA]), 1), good(0)];
    for (n, (bad, _)) in bad.iter().enumerate() {
        records.push(bad.clone());
        records.push(good(n + 1));
    }
    world.produce_raw(&records);
    let processor = world.processor();
    world.settled("email");
    assert_eq!(world.smtp.count(), 2 + bad.len(), "every good one, and nothing else");
    let letters: BTreeMap<i64, _> = world.dead_letters().into_iter().map(|letter| (letter.offset, letter)).collect();
    assert_eq!(letters.len(), bad.len());
    for (n, (record, reason)) in bad.iter().enumerate() {
        let letter = &letters[&i64::try_from(2 + 2 * n).unwrap()];
        let headers: Vec<_> = letter.headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect();
        assert_eq!((&letter.key, &letter.value, &headers), (&record.key, &record.value, &record.headers));
        assert_eq!((letter.reason, letter.lane.as_str()), (*reason, "email"), "{}", letter.detail);
        assert!(0 < processor.metrics().count("dead_letters_total", &[("reason", reason.as_str())]));
    }
    assert_eq!(processor.metrics().count("records_total", &[("result", "malformed")]), 5);
    for line in processor.logs().of("WARN", "dead letter written") {
        let is_readable = ["key_conflict", "unsupported", "no_deliveries"].contains(&line["reason"].as_str().unwrap());
        let named = [line.get("event.key"), line.get("event.source")].map(|name| name.is_some());
        assert_eq!(named, [is_readable; 2], "what is known is named: {line}");
    }

    // Read again from the start, they are not dead twice.
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
    world.kafka.commit(&world.group("email"), &world.topic, 0, 0).unwrap();
    let _processor = world.processor();
    world.settled("email");
    assert_eq!((world.smtp.count(), world.dead_letters().len()), (2 + bad.len(), bad.len()));
}

/// Recipients are separate: one that cannot be written to, one that may not, and times that an event sets itself.
#[test]
fn every_recipient_ends_in_its_own_way() {
    let settings = Settings { recipients_allowed: vec!["*@example.com".to_owned()], ..Settings::default() };
    let world = World::new("ends", settings);
    world.smtp.on(Stage::Rcpt).recipient("gone@example.com").act(Act::reply("550 5.1.1 No such user"));
    let mut mixed = mail("mixed", &[ADA, "not an address", "gone@example.com", "x@elsewhere.test"]);
    let email: &mut Email = mixed.email.as_mut().unwrap();
    email.cc = vec![address("ada@EXAMPLE.com"), address(BOB)];
    let expired = Notification { expires_at: Some(now()), ..mail("expired", &[ADA]) };
    let later = now().after(Duration::from_secs(4));
    let waiting = Notification { not_before: Some(later), ..mail("waiting", &[BOB]) };
    world.produce(&[mixed.clone(), expired.clone(), waiting.clone()]);
    let processor = world.processor();
    world.runtime.block_on(world.smtp.wait_for(3, LONG)).unwrap();
    assert!(later <= now(), "it was sent before its time");
    world.settled("email");

    let mails = world.smtp.mails();
    let mut got: Vec<_> = mails.iter().map(|mail| mail.recipients[0].as_str()).collect();
    got.sort_unstable();
    assert_eq!(got, [ADA, BOB, BOB]);
    assert!(mails.iter().all(|mail| !mail.text().contains("not an address")), "an invalid address is left out");
    let outcome = |event: &Notification, recipient: &str| world.outcome(event, ChannelName::Email, recipient);
    assert_eq!(outcome(&mixed, ADA), Some(Outcome::Delivered));
    assert_eq!(outcome(&mixed, "not an address"), Some(Outcome::Dead));
    assert_eq!(outcome(&mixed, "gone@example.com"), Some(Outcome::Dead));
    assert_eq!(outcome(&mixed, "x@elsewhere.test"), Some(Outcome::Skipped));
    assert_eq!(outcome(&expired, ADA), Some(Outcome::Expired));
    assert_eq!(outcome(&waiting, BOB), Some(Outcome::Delivered));
    assert_eq!(world.dead_reasons(), [DeadReason::InvalidAddress, DeadReason::Rejected]);
    let rejected = world.dead_letters().into_iter().find(|letter| letter.reason == DeadReason::Rejected).unwrap();
    assert_eq!((rejected.attempts, rejected.recipient.as_deref()), (1, Some("gone@example.com")));
    assert!(rejected.last_answer.unwrap().contains("550"));
    let metrics = processor.metrics();
    let count = |outcome| metrics.count("deliveries_total", &[("outcome", outcome)]);
    assert_eq!([count("delivered"), count("dead"), count("expired"), count("skipped")], [3, 2, 1, 1]);
}

/// A client with another partitioner must not get around dedupe; a record from before the window is not sent; what
/// fails for too long is given up.
#[test]
fn misplaced_old_and_hopeless_records() {
    let settings =
        Settings { give_up_after: Duration::from_secs(10), slack: vec!["ops".to_owned()], ..Settings::default() };
    let world = World::new("misplaced", settings);
    world.smtp.on(Stage::Mail).recipient(BOB).act(Act::reply("451 4.3.0 Never"));
    world.smtp.on(Stage::Rcpt).recipient(BOB).act(Act::reply("451 4.3.0 Never"));
    let event = mail("order-1", &[ADA]);
    let right = record(&event, 4);
    let wrong = RawRecord { partition: (right.partition + 1) % 4, ..right.clone() };
    let keyless = RawRecord { key: None, partition: (right.partition + 2) % 4, ..right.clone() };
    let mut old = record(&mail("old", &[ADA]), 4);
    old.headers.push((HEADER_APPENDED_AT.to_owned(), Some(b"1000".to_vec())));
    let hopeless = record(&mail("hopeless", &[BOB]), 4);
    let processor = world.processor();
    world.produce_raw(&[wrong, keyless, right, old, hopeless]);
    world.produce(&[slack("for slack", &["ops"])]);
    wait_until("both misplaced records were noticed by both lanes", LONG, || {
        processor.metrics().count("records_misplaced_total", &[]) == 4
    });
    wait_until("everything is settled, copies too", LONG, || {
        let ends = world.ends();
        world.has_committed("email", &ends) && world.has_committed("slack", &ends)
    });
    assert_eq!((world.smtp.count(), world.slack.posted("ops").len()), (1, 1));
    assert_eq!(world.dead_reasons(), [DeadReason::TooOld, DeadReason::GaveUp]);
    let hopeless = world.dead_letters().into_iter().find(|letter| letter.reason == DeadReason::GaveUp).unwrap();
    assert!(1 < hopeless.attempts && hopeless.last_answer.unwrap().contains("451"));
    assert_eq!(processor.metrics().count("records_total", &[("lane", "email"), ("result", "too_old")]), 1);
}
