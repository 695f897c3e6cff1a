//! P6: work that may have vanished stops its partition, loudly, until an operator has looked at it.

use std::{collections::BTreeMap, time::Duration};

use postrider_testkit::{kafka::RealKafka, smtp::SmtpOptions};
use postrider_tests::{
    LONG, Process, Settings, World, mail,
    wait::{holds_for, wait_until},
};
use rustix::process::Signal;
use serde_json::json;

/// Keys of the two partitions, so that one can stop and the other must not.
struct Keys {
    stops: Vec<String>,
    goes_on: Vec<String>,
}

fn keys(world: &World) -> Keys {
    let all: Vec<String> = (0..200).map(|n| format!("order-{n}")).collect();
    let (stops, goes_on) = all.into_iter().partition(|key| world.partition(key) == 0);
    Keys { stops, goes_on }
}

fn send(world: &World, keys: &[String]) {
    let events: Vec<_> = keys.iter().map(|key| mail(key, &["ada@example.com"])).collect();
    world.produce(&events);
}

/// The keys of the mails that arrived: their subjects.
fn arrived(world: &World) -> BTreeMap<String, usize> {
    let mut arrived = BTreeMap::new();
    for mail in world.smtp.mails() {
        let text = mail.text();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject");
        *arrived.entry(subject.trim().to_owned()).or_default() += 1;
    }
    arrived
}

fn stopped(processor: &Process) -> f64 {
    processor.metrics().sum("partition_stopped", &[("lane", "email"), ("partition", "0")])
}

/// A world of two partitions whose first five records each are settled and whose processor has left; five more each
/// have come since.
fn world_with_a_past(name: &str) -> (World, Keys) {
    let world = World::new(name, Settings { partitions: 2, ..Settings::default() });
    let keys = keys(&world);
    send(&world, &keys.stops[..5]);
    send(&world, &keys.goes_on[..5]);
    let processor = world.processor();
    world.settled("email");
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
    send(&world, &keys.stops[5..10]);
    send(&world, &keys.goes_on[5..10]);
    (world, keys)
}

/// Partition 0 stands still and says so; partition 1 goes on. Then the operator accepts, and it goes on at `position`.
#[track_caller]
fn check_stopped_then_accept(world: &World, keys: &Keys, position: usize) {
    let processor = world.start(&["process"]);
    wait_until("the partition is stopped", LONG, || stopped(&processor) == 1.0);
    wait_until("the other partition goes on", LONG, || world.committed("email").get(&1) == Some(&10));
    let arrived_before = arrived(world);
    assert!(keys.stops[5..10].iter().all(|key| !arrived_before.contains_key(key)), "{arrived_before:?}");
    let lines = processor.logs().of("ERROR", "partition stopped");
    assert_eq!(lines.len(), 1, "one loud line");
    let text = lines[0]["message"].as_str().expect("a message");
    assert!(text.contains("postrider offsets accept --lane email --partition 0"), "it says what to do: {text}");

    let accept = ["offsets", "accept", "--lane", "email", "--partition", "0"];
    let plan = world.run(&accept);
    let said = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(plan.status.success() && said.contains(&format!("offset {position}")), "{said}");
    holds_for("a plan changes nothing", Duration::from_secs(2), || stopped(&processor) == 1.0);
    let done = world.run(&[&accept[..], &["--execute"]].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    world.settled("email");
    assert_eq!(stopped(&processor), 0.0);
    send(world, &keys.stops[10..12]);
    world.settled("email");

    let arrived = arrived(world);
    assert!(arrived.values().all(|copies| *copies == 1), "{arrived:?}");
    let expected = keys.stops[..5].iter().chain(&keys.stops[position..12]).chain(&keys.goes_on[..10]);
    assert_eq!(arrived.keys().cloned().collect::<Vec<_>>(), {
        let mut expected: Vec<_> = expected.cloned().collect();
        expected.sort();
        expected
    });
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
    let processor = world.processor();
    assert_eq!(stopped(&processor), 0.0, "the accepted gap is behind it for good");
}

#[test]
fn a_commit_moved_forward_from_outside_stops_the_partition() {
    let (world, keys) = world_with_a_past("moved");
    let group = world.group("email");
    let topic = format!("{}:0", world.topic);
    let arguments = ["--reset-offsets", "--group", &group, "--topic", &topic, "--to-offset", "8", "--execute"];
    world.kafka.tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &arguments).unwrap();
    assert_eq!(world.committed("email")[&0], 8);
    check_stopped_then_accept(&world, &keys, 8);
}

#[test]
fn records_deleted_before_they_were_settled_stop_the_partition() {
    let (world, keys) = world_with_a_past("deleted");
    delete_below(&world, 7);
    check_stopped_then_accept(&world, &keys, 7);
}

/// What was settled may go: that is retention, no gap.
#[test]
fn records_deleted_after_they_were_settled_are_no_gap() {
    let (world, keys) = world_with_a_past("settled");
    delete_below(&world, 5);
    let processor = world.processor();
    world.settled("email");
    assert_eq!(stopped(&processor), 0.0);
    assert_eq!(arrived(&world).len(), 20);
    assert!(keys.stops[..10].iter().all(|key| arrived(&world)[key] == 1));
}

/// Kafka shows nothing of it: the end lies beyond the position again. Read on from there, the lane, or the owner after it,
/// would pass over what stands where the lost records stood.
#[test]
fn a_topic_that_lost_its_end_and_has_grown_again_stops_the_partition_that_reads() {
    let kafka: &'static RealKafka = Box::leak(Box::new(RealKafka::start(1).expect("Kafka starts")));
    let settings = Settings { partitions: 2, session_timeout: Duration::from_secs(45), ..Settings::default() };
    let world = World::with(kafka, "regrown", settings, SmtpOptions::default());
    let keys = keys(&world);
    let processor = world.processor();
    keys.stops[..10].iter().for_each(|key| send(&world, std::slice::from_ref(key))); // a batch each
    world.settled("email");

    processor.signal(Signal::STOP);
    kafka.kill(0).unwrap();
    kafka.cut_tail(0, &world.topic, 0, 6).unwrap();
    kafka.restart(0).unwrap();
    kafka.wait_for_brokers(1).unwrap();
    send(&world, &keys.stops[10..20]); // offsets 6 to 15
    processor.signal(Signal::CONT);
    wait_until("the partition is stopped", LONG, || stopped(&processor) == 1.0);
    let lines = processor.logs().of("ERROR", "partition stopped");
    assert_eq!(lines.len(), 1, "one loud line");
    let text = lines[0]["message"].as_str().expect("a message");
    assert!(
        text.contains("position 10 is gone although the topic holds 0 to 16")
            && text.contains("offsets accept --lane email --partition 0"),
        "{text}"
    );
    send(&world, &keys.goes_on[..5]);
    wait_until("the other partition goes on", LONG, || arrived(&world).contains_key(&keys.goes_on[4]));
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
    let processor = world.start(&["process"]);
    wait_until("its next owner is stopped too", LONG, || stopped(&processor) == 1.0);
    assert!(processor.logs().of("ERROR", "partition stopped")[0]["message"].as_str().unwrap().contains("position 10"));
    assert_eq!(arrived(&world).len(), 15, "nothing of the stopped one is sent");

    let accept = ["offsets", "accept", "--lane", "email", "--partition", "0"];
    let plan = world.run(&accept);
    let said = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(said.contains("position 10 is gone although the topic holds 0 to 16"), "{said}");
    assert!(plan.status.success() && said.contains("would go on at offset 0"), "{said}");
    let done = world.run(&[&accept[..], &["--execute"]].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    wait_until("what stands there now is sent", LONG, || {
        keys.stops[..20].iter().all(|key| arrived(&world).contains_key(key))
    });
    world.settled("email");
    assert!(arrived(&world).values().all(|copies| *copies == 1), "{:?}", arrived(&world));
    assert_eq!(stopped(&processor), 0.0);
    wait_until("the cut is behind it", LONG, || {
        String::from_utf8_lossy(&world.run(&accept).stdout).contains("no gap is to be seen")
    });
}

/// Filled beyond the position before the reader fetches again, the new topic gives librdkafka nothing to notice.
#[test]
fn a_topic_made_anew_under_a_reader_stops_it_and_is_then_read_from_its_beginning() {
    let session_timeout = Duration::from_secs(45);
    let world = World::new("anew", Settings { partitions: 1, session_timeout, ..Settings::default() });
    let keys: Vec<String> = (0..13).map(|n| format!("order-{n}")).collect();
    let processor = world.processor();
    send(&world, &keys[..5]);
    world.settled("email");
    processor.signal(Signal::STOP);
    let delete = ["--delete", "--topic", &world.topic];
    world.kafka.tool("org.apache.kafka.tools.TopicCommand", &delete).expect("Kafka deletes the topic");
    wait_until("the topic is made anew", LONG, || {
        let applied = world.run(&["topics", "apply"]);
        String::from_utf8_lossy(&applied.stdout).contains("create with 1 partitions")
    });
    send(&world, &keys[5..]);
    processor.signal(Signal::CONT);
    wait_until("the partition is stopped", LONG, || stopped(&processor) == 1.0);
    let text = processor.logs().of("ERROR", "partition stopped")[0]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("is gone although the topic holds 0 to 8"), "{text}");
    let done = world.run(&["offsets", "accept", "--lane", "email", "--partition", "0", "--execute"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    wait_until("everything has arrived", LONG, || keys.iter().all(|key| arrived(&world).contains_key(key)));
    world.settled("email");
    assert!(arrived(&world).values().all(|copies| *copies == 1), "{:?}", arrived(&world));
}

/// Without its receipts, what was sent above the commit would be sent again, and nobody would know why.
#[test]
fn a_ledger_made_anew_stops_the_partition_until_it_is_accepted() {
    let world = World::new("receipts", Settings { partitions: 1, ..Settings::default() });
    let keys: Vec<String> = (0..6).map(|n| format!("order-{n}")).collect();
    let processor = world.processor();
    send(&world, &keys);
    world.settled("email");
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
    let delete = ["--delete", "--topic", &format!("{}.email.ledger", world.topic)];
    world.kafka.tool("org.apache.kafka.tools.TopicCommand", &delete).expect("Kafka deletes the topic");
    wait_until("the ledger is made anew", LONG, || {
        let applied = world.run(&["topics", "apply"]);
        String::from_utf8_lossy(&applied.stdout).contains("create with 1 partitions")
    });
    let processor = world.start(&["process"]);
    wait_until("the partition is stopped", LONG, || stopped(&processor) == 1.0);
    let text = processor.logs().of("ERROR", "partition stopped")[0]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("committed 6 itself, but its ledger holds nothing"), "{text}");
    let done = world.run(&["offsets", "accept", "--lane", "email", "--partition", "0", "--execute"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    send(&world, &["order-6".to_owned()]);
    world.settled("email");
    assert_eq!(world.smtp.count(), 7);
}

/// Deletes the records of partition 0 below an offset, with Kafka's own tool.
fn delete_below(world: &World, offset: i64) {
    let plan = json!({"version": 1, "partitions": [{"topic": world.topic, "partition": 0, "offset": offset}]});
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(file.path(), plan.to_string()).expect("it can be written");
    let path = file.path().to_str().expect("a plain path");
    world
        .kafka
        .tool("org.apache.kafka.tools.DeleteRecordsCommand", &["--offset-json-file", path])
        .expect("Kafka deletes");
}
