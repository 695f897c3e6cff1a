//! What one owner leaves to the next: counted where it may come twice, and nothing that speaks for it later.

use super::{
    harness::LaneUnderTest,
    words::{delivered, hours, mail, mail_settings, permanent, seconds, transient, unknown},
};
use crate::{
    lane::{Event, Report},
    ledger::{Control, LedgerEntry, LedgerKey, Progress},
    limits,
    partitioner::partition_of,
};

fn ambiguous(lane: &LaneUnderTest) -> usize {
    lane.count(|report| matches!(report, Report::Ambiguous))
}

/// A lane whose drain left "a" running.
fn left_running(unknown_retries: u32) -> LaneUnderTest {
    let mut settings = mail_settings();
    settings.retry.unknown_retries = unknown_retries;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.polled([mail(0, "a")]);
    lane.handle(Event::Revoked(vec![0]));
    lane.advance(seconds(20));
    lane.begun("a");
    assert_eq!(lane.take_said().last().map(String::as_str), Some("release [0]"));
    lane
}

/// The provider may have taken the mail before the process was killed.
#[test]
fn what_was_left_running_and_is_tried_again_is_counted_once() {
    let lane = left_running(1);
    let counted_before = ambiguous(&lane);
    let mut next = lane.successor();
    next.polled([mail(0, "a")]);
    assert!(next.next_attempt_in().is_some());
    assert_eq!(next.attempted["a@example.com"], 2, "the second copy");
    next.answer("a", delivered());
    assert_eq!((counted_before, ambiguous(&next)), (0, 1));
}

/// The one that takes it over dies before it is due: its word for it is the same.
#[test]
fn what_was_left_running_is_still_counted_by_the_owner_after_next() {
    let lane = left_running(1);
    let mut next = lane.successor();
    next.polled([mail(0, "a")]);
    let mut last = next.successor();
    last.polled([mail(0, "a")]);
    assert!(last.next_attempt_in().is_some());
    assert_eq!(ambiguous(&last), 1);
}

/// Each of them tries it once more, in vain, and hands over in order.
#[test]
fn what_was_left_running_is_counted_by_one_owner_alone() {
    let mut counts = Vec::new();
    let mut lane = left_running(9).successor();
    for _ in 0..3 {
        lane.polled([mail(0, "a")]);
        assert!(lane.next_attempt_in().is_some());
        lane.answer("a", transient());
        counts.push(ambiguous(&lane));
        lane.handle(Event::Revoked(vec![0]));
        lane.advance(seconds(1));
        lane = lane.successor();
    }
    assert_eq!(counts, [1, 0, 0]);
}

#[test]
fn a_pointer_does_not_outlive_its_receipt() {
    let mut lane = left_running(0);
    lane.answer("a", delivered());
    assert_eq!(lane.ledger_names(), ["parked 1/1", "receipt delivered"], "the orphan's");
    let mut next = lane.successor();
    next.polled([mail(0, "a")]);
    next.advance(seconds(3));
    assert_eq!(next.position(), Some(1));
    assert!(next.ledger_names().contains(&"forget parked".to_owned()), "{:?}", next.ledger_names());
    next.freeze(hours(9 * 24 + 1));
    next.advance(seconds(3));
    next.polled([mail(1, "a")]); // the key is used again beyond the window
    next.advance(seconds(2));
    assert_eq!(next.settled, [""; 0]);
    assert_eq!(next.running(), ["a"]);
}

/// An owner that was cut off ends its drain while we are at work.
#[test]
fn a_late_word_that_all_is_well_hides_no_death() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a").aged(seconds(1))]);
    lane.tail(LedgerKey::progress(), Some(LedgerEntry::Progress(Progress { position: 0, clean: true })));
    let mut next = lane.successor();
    next.polled([mail(0, "a").aged(seconds(1))]);
    assert_eq!(next.attempted["a@example.com"], 2);
    assert_eq!(ambiguous(&next), 1);
}

/// It comes between our first progress and our first record.
#[test]
fn a_late_word_during_the_start_hides_no_death() {
    let mut lane = LaneUnderTest::new(mail_settings());
    lane.kafka_answers = false;
    lane.assign(0);
    assert_eq!(lane.ack_next(), "progress 0");
    lane.tail(LedgerKey::progress(), Some(LedgerEntry::Progress(Progress { position: 0, clean: true })));
    lane.kafka_answers = true;
    lane.advance(seconds(1));
    lane.polled([mail(0, "a").aged(seconds(1))]);
    assert_eq!(lane.running(), ["a"]);
    let mut next = lane.successor();
    next.polled([mail(0, "a").aged(seconds(2))]);
    assert_eq!(ambiguous(&next), 1);
}

#[test]
fn a_late_word_during_the_drain_hides_no_death() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a").aged(seconds(1))]);
    lane.handle(Event::Stop);
    lane.tail(LedgerKey::progress(), Some(LedgerEntry::Progress(Progress { position: 0, clean: true })));
    let mut next = lane.successor();
    next.polled([mail(0, "a").aged(seconds(2))]);
    assert_eq!(ambiguous(&next), 1);
}

/// Its dead letter waits for room, so nothing of it is in Kafka yet.
#[test]
fn an_accept_waits_for_what_is_decided() {
    let mut settings = mail_settings();
    settings.retry.unknown_retries = 0;
    settings.partitions = 2;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.assign(1);
    lane.advance(seconds(2));
    let key_of = |partition| {
        let mut keys = (0..).map(|n| format!("k{n}"));
        keys.find(|key| partition_of(key.as_bytes(), 2) == partition).unwrap()
    };
    let (lost, large) = (key_of(0), key_of(1));
    lane.polled([mail(0, &lost), mail(0, &large).in_partition(1).bytes(limits::LETTER_BYTES_MAX)]);
    lane.kafka_answers = false;
    lane.answer(&large, permanent());
    lane.answer(&lost, unknown());
    lane.handle(Event::OutOfRange { partition: 0, position: 1, low: 0, end: 1 });
    assert_eq!(lane.waiting().first().map(String::as_str), Some("dead rejected"));
    let letter = lane.writes.pop_front().unwrap();
    while !lane.writes.is_empty() {
        lane.ack_next();
    }
    lane.bounds = (0, 1);
    lane.take_said();
    lane.tail(LedgerKey::accept(), Some(LedgerEntry::Control(Control::Accept { position: 0 })));
    lane.handle(Event::Tick);
    assert!(!lane.take_said().contains(&"restore 0".to_owned()), "its unknown end would be forgotten");
    lane.writes.push_front(letter);
    lane.kafka_answers = true;
    lane.ack_all();
    lane.handle(Event::Tick);
    lane.advance(seconds(2));
    assert!(lane.settled.contains(&format!("{lost}@example.com dead (unknown) after 1")), "{:?}", lane.settled);
    assert!(lane.take_said().contains(&"restore 0".to_owned()));
}
