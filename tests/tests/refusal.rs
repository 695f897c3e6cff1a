//! Topics that break a promise are refused, loudly, and taken up by themselves once they are mended.

use std::time::Duration;

use postrider_domain::Notification;
use postrider_tests::{
    LONG, Process, Settings, World,
    events::now,
    http, mail,
    wait::{holds_for, wait_until},
};

/// A process that may not read what it owns is not ready, and says what to ask.
#[track_caller]
fn check_not_ready(processor: &Process) {
    let answer = http::get(processor.admin(), "/readyz").expect("it answers");
    assert!(answer.status == 503 && answer.body.contains("postrider topics check"), "{}", answer.body);
    assert_eq!(http::get(processor.admin(), "/healthz").expect("it answers").status, 200);
}

#[test]
fn a_refused_partition_is_taken_up_once_its_ledger_is_mended() {
    let world = World::new("refusal", Settings { partitions: 1, ..Settings::default() });
    let ledger = format!("{}.email.ledger", world.topic);
    let shorten = ["--alter", "--entity-type", "topics", "--entity-name", &ledger, "--add-config", "retention.ms=1000"];
    world.kafka.tool("kafka.admin.ConfigCommand", &shorten).expect("Kafka changes the setting");
    world.produce(&[mail("order-1", &["ada@example.com"])]);
    let processor = world.start(&["process"]);
    let stopped = || processor.metrics().sum("partition_stopped", &[("lane", "email")]);
    wait_until("the partition is refused", LONG, || stopped() == 1.0);
    let lines = processor.logs().of("ERROR", "partition refused");
    let text = lines[0]["message"].as_str().expect("a message");
    assert!(text.contains("retention.ms") && text.contains("postrider topics apply"), "it says what to do: {text}");

    check_not_ready(&processor);

    assert!(world.run(&["topics", "apply"]).status.success());
    world.settled("email");
    let processor = processor.ready();
    let stopped = processor.metrics().sum("partition_stopped", &[("lane", "email")]);
    assert_eq!((stopped, world.smtp.mails().len()), (0.0, 1));
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
}

/// By the configured retention the first event would be gone before its time, and so be refused.
#[test]
fn a_topic_that_keeps_its_events_longer_than_configured_is_taken_at_its_word() {
    let mut world = World::new("longer", Settings { partitions: 1, ..Settings::default() });
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    world.settings.retention = Some(hours(2));
    let later = Notification { not_before: Some(now().after(hours(3))), ..mail("later", &["ada@example.com"]) };
    world.produce(&[later, mail("order-1", &["ada@example.com"])]);
    let processor = world.processor();
    wait_until("the second is sent", LONG, || world.smtp.count() == 1);
    holds_for("the first waits", Duration::from_secs(2), || processor.metrics().count("dead_letters_total", &[]) == 0);
    assert_eq!(world.committed("email")[&0], 0, "its offset is open");
}

/// Partitions that were added move keys away from their receipts: nothing of the lane is read until somebody decided.
#[test]
fn partitions_added_to_the_events_topic_stop_the_lane() {
    let world = World::new("grown", Settings { partitions: 1, ..Settings::default() });
    let grow = ["--alter", "--topic", &world.topic, "--partitions", "2"];
    world.kafka.tool("org.apache.kafka.tools.TopicCommand", &grow).expect("Kafka adds a partition");
    world.produce(&[mail("order-1", &["ada@example.com"])]);
    let processor = world.start(&["process"]);
    let stopped = || processor.metrics().sum("partition_stopped", &[("lane", "email")]);
    wait_until("both partitions are refused", LONG, || stopped() == 2.0);
    let lines = processor.logs().of("ERROR", "partition refused");
    let text = lines[0]["message"].as_str().expect("a message");
    assert!(text.contains("1 partitions") && text.contains("grow by a new topic"), "it says what to do: {text}");
    assert_eq!((world.smtp.count(), world.committed("email").len()), (0, 0));
    check_not_ready(&processor);
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
    let applied = world.run(&["topics", "apply"]);
    let said = String::from_utf8_lossy(&applied.stderr);
    assert!(applied.status.code() == Some(1) && said.contains("has 1 partitions, its events topic has 2"), "{said}");
}

/// Processes that were started before and after it would reckon with different numbers and hand each other records for
/// ever: those from before end, and what they left is delivered by whoever reckons with the new one.
#[test]
fn partitions_added_under_a_running_lane_end_it() {
    let mut world = World::new("grows", Settings { partitions: 2, ..Settings::default() });
    let events = |range: std::ops::Range<usize>| -> Vec<Notification> {
        range.map(|number| mail(&format!("order-{number}"), &[&format!("user{number}@example.com")])).collect()
    };
    let mut before = world.processor();
    for topic in [world.topic.clone(), format!("{}.email.ledger", world.topic)] {
        let grow = ["--alter", "--topic", &topic, "--partitions", "3"];
        world.kafka.tool("org.apache.kafka.tools.TopicCommand", &grow).expect("Kafka adds a partition");
    }
    world.produce(&events(0..30)); // by a client that has not noticed
    assert_eq!(before.wait(LONG).code(), Some(1));
    let log = before.logs().text();
    assert!(log.contains("had 2 partitions when it began, now it has 3; start all its processes again"), "{log}");
    world.settings.partitions = 3;
    let _after = world.processor();
    world.produce(&events(30..60));
    world.settled("email");
    assert_eq!(world.smtp.count(), 60, "each was delivered, once");
}
