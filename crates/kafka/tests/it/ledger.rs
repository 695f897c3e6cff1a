//! Restore and tail.

use std::{collections::BTreeMap, time::Instant};

use postrider_domain::{Fingerprint, LedgerClass, LedgerEntry, LedgerKey, ledger::Progress};
use postrider_kafka::{Ledger, LedgerEvent, LedgerSettings, Positions};
use postrider_testkit::kafka::{RawRecord, RealKafka};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};
use tokio::sync::mpsc::{Receiver, channel};

use crate::support::{PATIENCE, settings, topic, until};

fn key(number: u32) -> LedgerKey {
    let mut fingerprint = [7; 16];
    fingerprint[..4].copy_from_slice(&number.to_be_bytes());
    LedgerKey { fingerprint: Fingerprint(fingerprint), class: LedgerClass::Progress }
}

fn entry(partition: i32, number: u32, position: i64) -> RawRecord {
    let value = postrider_wire::encode_ledger(&LedgerEntry::Progress(Progress { position, clean: true }));
    RawRecord::new(partition, key(number).to_bytes(), value)
}

/// The ledger as the lane sees it: the last entry of each key of an epoch, and what `Restored` said.
#[derive(Default)]
struct Seen {
    positions: BTreeMap<(i32, u64), Positions>,
    entries: BTreeMap<(i32, u64), BTreeMap<LedgerKey, i64>>,
    before_restored: BTreeMap<(i32, u64), usize>,
    failures: Vec<String>,
}

impl Seen {
    fn take(&mut self, events: &mut Receiver<LedgerEvent>) {
        while let Ok(event) = events.try_recv() {
            match event {
                LedgerEvent::Records { partition, epoch, records } => {
                    let known = self.entries.entry((partition, epoch)).or_default();
                    for record in records {
                        match record.entry {
                            Some(LedgerEntry::Progress(progress)) => drop(known.insert(record.key, progress.position)),
                            None => drop(known.remove(&record.key)),
                            Some(other) => panic!("{other:?}"),
                        }
                    }
                }
                LedgerEvent::Restored { partition, epoch, positions } => {
                    let count = self.entries.get(&(partition, epoch)).map_or(0, BTreeMap::len);
                    self.before_restored.insert((partition, epoch), count);
                    self.positions.insert((partition, epoch), positions);
                }
                LedgerEvent::Failed { detail, .. } => self.failures.push(detail),
            }
        }
    }
}

fn start(kafka: &RealKafka, events_topic: &str, ledger_topic: &str, group: &str) -> (Ledger, Receiver<LedgerEvent>) {
    let names = LedgerSettings {
        events_topic: events_topic.to_owned(),
        ledger_topic: ledger_topic.to_owned(),
        group: group.to_owned(),
    };
    let (sender, events) = channel(16);
    (Ledger::start(&settings(kafka.bootstrap_servers()), names, sender).unwrap(), events)
}

/// What was appended after the progress was written, by more than clocks differ: below its position it is another topic's.
#[test]
fn a_restore_tells_which_event_is_younger_than_the_progress() {
    const SECOND: i64 = 1_000;
    let kafka = RealKafka::shared();
    let takes_any_time = [("message.timestamp.type", "CreateTime"), ("retention.ms", "-1")];
    let (events_topic, group) = topic(kafka, "times", 1, &takes_any_time);
    let (ledger_topic, _) = topic(kafka, "times-ledger", 1, &takes_any_time);
    let begin = 1_700_000_000 * SECOND;
    let at = |seconds: i64, record: RawRecord| RawRecord { timestamp: begin + seconds * SECOND, ..record };
    let events = [0, 20, 29, 31, 40].map(|seconds| at(seconds, RawRecord::new(0, "k", "v")));
    kafka.produce(&events_topic, &events).unwrap();
    let (ledger, mut events) = start(kafka, &events_topic, &ledger_topic, &group);
    let mut seen = Seen::default();
    for (epoch, written, expected) in
        [(1, None, None), (2, Some(0), Some(1)), (3, Some(20), Some(3)), (4, Some(31), None)]
    {
        kafka.produce(&ledger_topic, &Vec::from_iter(written.map(|seconds| at(seconds, entry(0, 1, 5))))).unwrap();
        ledger.restore(0, epoch);
        until("a restore", || {
            seen.take(&mut events);
            seen.positions.contains_key(&(0, epoch)).then_some(())
        });
        assert_eq!(seen.positions[&(0, epoch)].after_progress, expected, "written at {written:?}");
    }
}

#[test]
fn everything_is_restored_before_it_says_so_and_tailed_afterwards() {
    let kafka = RealKafka::shared();
    let (events_topic, group) = topic(kafka, "restore", 3, &[]);
    let (ledger_topic, _) = topic(kafka, "restore-ledger", 3, &[]);
    kafka.produce(&events_topic, &vec![RawRecord::new(1, "k", "v"); 9]).unwrap();
    kafka.commit(&group, &events_topic, 1, 4).unwrap();
    let mut records: Vec<_> = (0..20_000).map(|number| entry(1, number, i64::from(number))).collect();
    records.push(RawRecord::new(1, "not ours", "garbage"));
    records.push(RawRecord::new(1, key(1).to_bytes(), "cannot be decoded"));
    records.push(RawRecord { value: None, ..entry(1, 0, 0) });
    kafka.produce(&ledger_topic, &records).unwrap();

    let (ledger, mut events) = start(kafka, &events_topic, &ledger_topic, &group);
    let mut seen = Seen::default();
    (0..3).for_each(|partition| ledger.restore(partition, 5));
    until("three restores", || {
        seen.take(&mut events);
        (seen.positions.len() == 3).then_some(())
    });
    assert_eq!(seen.before_restored[&(1, 5)], 19_999);
    let expected =
        Positions { committed: Some((4, String::new())), low: 0, high: 9, ledger_high: 20_003, after_progress: None };
    assert_eq!(seen.positions[&(1, 5)], expected);
    let fresh = Positions { committed: None, low: 0, high: 0, ledger_high: 0, after_progress: None };
    assert_eq!(seen.positions[&(0, 5)], fresh);

    kafka.produce(&ledger_topic, &[entry(0, 77, 770), entry(1, 0, 42)]).unwrap();
    until("the tail", || {
        seen.take(&mut events);
        let tailed = seen.entries.get(&(0, 5))?.get(&key(77)) == Some(&770);
        (tailed && seen.entries[&(1, 5)].get(&key(0)) == Some(&42)).then_some(())
    });

    // A new epoch reads all of it again; a forgotten partition says nothing any more.
    ledger.forget(0);
    ledger.restore(1, 6);
    until("the second restore", || {
        seen.take(&mut events);
        seen.positions.contains_key(&(1, 6)).then_some(())
    });
    assert_eq!(seen.before_restored[&(1, 6)], 20_000);
    kafka.produce(&ledger_topic, &[entry(0, 78, 1), entry(1, 78, 1)]).unwrap();
    until("the tail of the new epoch", || {
        seen.take(&mut events);
        seen.entries[&(1, 6)].contains_key(&key(78)).then_some(())
    });
    assert!(!seen.entries[&(0, 5)].contains_key(&key(78)));
    assert!(seen.failures.is_empty(), "{:?}", seen.failures);
}

#[test]
fn gaps_that_compaction_leaves_do_not_hang_a_restore() {
    let kafka = RealKafka::shared();
    let (events_topic, group) = topic(kafka, "gaps", 1, &[]);
    let compacting = [
        ("cleanup.policy", "compact,delete"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("segment.ms", "500"),
        ("min.compaction.lag.ms", "0"),
        ("delete.retention.ms", "100"),
    ];
    let (ledger_topic, _) = topic(kafka, "gaps-ledger", 1, &compacting);
    // Many versions of few keys, the last ones tombstones; rolled and cleaned until almost nothing is left.
    let versions: Vec<_> = (0..2_000).map(|i| entry(0, i % 10, i64::from(i))).collect();
    kafka.produce(&ledger_topic, &versions).unwrap();
    let left = until("compaction", || {
        std::thread::sleep(std::time::Duration::from_millis(600));
        kafka.produce(&ledger_topic, &[RawRecord { value: None, ..entry(0, 3, 0) }]).unwrap();
        let left = kafka.read_all(&ledger_topic).unwrap().len();
        (left < 500).then_some(left)
    });

    let (ledger, mut events) = start(kafka, &events_topic, &ledger_topic, &group);
    let mut seen = Seen::default();
    let begun = Instant::now();
    ledger.restore(0, 1);
    until("the restore", || {
        seen.take(&mut events);
        seen.positions.contains_key(&(0, 1)).then_some(())
    });
    assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    assert!(2_000 < seen.positions[&(0, 1)].ledger_high && left < 500);
    let known = &seen.entries[&(0, 1)];
    assert_eq!(known.len(), 9, "key 3 was deleted: {known:?}");
    assert_eq!(known[&key(9)], 1_999);
}

#[test]
fn a_restore_waits_for_its_topic_and_says_why_once() {
    let kafka = RealKafka::shared();
    let (events_topic, group) = topic(kafka, "missing", 1, &[]);
    let ledger_topic = kafka.unique("missing-ledger");
    let (ledger, mut events) = start(kafka, &events_topic, &ledger_topic, &group);
    let mut seen = Seen::default();
    ledger.restore(0, 1);
    let about_the_topic = |seen: &Seen| seen.failures.iter().filter(|said| said.contains(&ledger_topic)).count();
    until("a failure that names the topic", || {
        seen.take(&mut events);
        (0 < about_the_topic(&seen)).then_some(())
    });
    kafka.create_topic(&ledger_topic, 1, &[]).unwrap();
    until("the restore", || {
        seen.take(&mut events);
        seen.positions.contains_key(&(0, 1)).then_some(())
    });
    assert!(about_the_topic(&seen) <= 2, "{:?}", seen.failures);
}

#[test]
fn an_end_that_holds_no_record_does_not_hang_a_restore() {
    let kafka = RealKafka::shared();
    let (events_topic, group) = topic(kafka, "marker", 1, &[]);
    let (ledger_topic, _) = topic(kafka, "marker-ledger", 1, &[]);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .set("transactional.id", &ledger_topic)
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    let RawRecord { key: Some(name), value: Some(value), .. } = entry(0, 1, 11) else { panic!("a record") };
    producer.send(BaseRecord::to(&ledger_topic).partition(0).key(&name).payload(&value)).unwrap();
    producer.commit_transaction(PATIENCE).unwrap();

    let (ledger, mut events) = start(kafka, &events_topic, &ledger_topic, &group);
    let mut seen = Seen::default();
    ledger.restore(0, 1);
    until("the restore", || {
        seen.take(&mut events);
        seen.positions.contains_key(&(0, 1)).then_some(())
    });
    assert_eq!((seen.before_restored[&(0, 1)], seen.positions[&(0, 1)].ledger_high), (1, 2));
}
