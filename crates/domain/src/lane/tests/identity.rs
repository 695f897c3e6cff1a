//! The same event again: noticed wherever it comes from, and never sent twice.

use super::{
    harness::LaneUnderTest,
    words::{delivered, hours, mail, permanent, seconds, transient},
};
use crate::{
    answer::{Answer, Failure, Reason},
    fingerprint::{ContentHash, Fingerprint},
    lane::{Report, Stage},
    ledger::{LedgerClass, LedgerEntry, LedgerKey, Receipt},
    outcome::Outcome,
};

fn suppressed(lane: &LaneUnderTest, stage: Stage) -> usize {
    lane.count(|report| matches!(report, Report::Suppressed(at) if *at == stage))
}

#[test]
fn twins_in_one_poll_are_sent_once() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "a"), mail(2, "a")]);
    assert_eq!(lane.running(), ["a"]);
    assert_eq!(suppressed(&lane, Stage::InFlight), 2);
    lane.answer("a", delivered());
    lane.advance(seconds(2));
    assert_eq!(lane.position(), Some(3));
}

#[test]
fn a_twin_of_what_waits_is_not_sent_and_holds_nothing_up() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", transient());
    lane.polled([mail(1, "a")]);
    assert!(lane.attempts.is_empty());
    lane.advance(seconds(2));
    assert_eq!(lane.position(), Some(0), "the elder's offset guards both");
    lane.answer("a", delivered());
    lane.advance(seconds(2));
    assert_eq!((lane.position(), lane.attempted["a@example.com"]), (Some(2), 2));
}

#[test]
fn a_later_twin_meets_the_receipt() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", delivered());
    lane.polled([mail(1, "a")]);
    assert_eq!(suppressed(&lane, Stage::Ledger), 1);
    let mut next = lane.successor();
    next.polled([mail(0, "a"), mail(1, "a"), mail(2, "a")]);
    assert!(next.attempts.is_empty());
    assert_eq!(suppressed(&next, Stage::Ledger), 3 - usize::from(next.position() == Some(1)));
}

#[test]
fn one_new_recipient_in_the_same_event_is_a_conflict_for_all() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "a").to(&["a", "b"])]);
    assert_eq!(lane.running(), ["a", "b"], "b is a delivery of its own");
    assert_eq!(lane.settled, ["a@example.com dead (key_conflict) after 0"]);
}

#[test]
fn other_content_is_dead_once_however_often_it_comes() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "a").text("other"), mail(2, "a").text("other")]);
    assert_eq!(lane.running(), ["a"]);
    lane.answer("a", delivered());
    lane.polled([mail(3, "a").text("other"), mail(4, "a").text("third")]);
    assert_eq!(lane.dead.len(), 2, "one for each content");
    assert_eq!(lane.ledger_names(), ["receipt dead", "receipt delivered", "receipt dead"]);
    let mut next = lane.successor();
    next.polled([mail(0, "a"), mail(1, "a").text("other"), mail(2, "a").text("other"), mail(5, "a")]);
    assert!(next.attempts.is_empty());
    assert_eq!(next.dead.len(), 2);
}

#[test]
fn a_copy_over_a_day_younger_renews_the_receipt_before_its_offset_closes() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", delivered());
    lane.advance(hours(23));
    lane.polled([mail(1, "a")]);
    lane.advance(seconds(2));
    assert_eq!(lane.ledger_names(), ["receipt delivered"]);
    lane.advance(hours(2));
    lane.kafka_answers = false;
    lane.polled([mail(2, "a")]);
    assert_eq!(lane.waiting(), ["receipt delivered"]);
    lane.advance(seconds(2));
    lane.ack_commit();
    assert_eq!(lane.position(), Some(2), "open until the renewal is durable");
    lane.ack_all();
    lane.advance(seconds(2));
    lane.ack_all();
    lane.advance(seconds(2));
    lane.ack_all();
    assert_eq!(lane.position(), Some(3));
    assert!(lane.attempts.is_empty());
}

#[test]
fn a_former_owners_late_receipt_settles_what_waits_here() {
    let mut lane = LaneUnderTest::reading();
    let draft = mail(0, "a");
    let event = draft.event.clone().unwrap();
    lane.polled([draft, mail(1, "b")]);
    let failure = Failure::new(Reason::Unavailable, "come again in ten minutes");
    lane.answer("a", Answer::Transient { failure, retry_after: Some(seconds(600)) });
    let id = Fingerprint::of_delivery(&event, crate::ChannelName::Email, "a@example.com", None);
    let receipt = Receipt {
        outcome: Outcome::Delivered,
        content: ContentHash::of(&event, crate::ChannelName::Email),
        attempts: 1,
        first_at: lane.now().wall,
        last_at: lane.now().wall,
        offset: 0,
        reason: None,
        answer: None,
    };
    lane.tail(LedgerKey { fingerprint: id, class: LedgerClass::Receipt }, Some(LedgerEntry::Receipt(receipt)));
    lane.advance(seconds(5));
    assert_eq!(lane.running(), ["b"]);
    assert_eq!(lane.position(), Some(1));
    assert_eq!(lane.ledger_names(), ["receipt delivered", "forget parked"]);
}

/// One mail is attempted, and the ledger's tail brings a receipt for it that another process wrote.
fn overtaken_by_a_receipt() -> LaneUnderTest {
    let mut lane = LaneUnderTest::reading();
    let draft = mail(0, "a");
    let event = draft.event.clone().unwrap();
    lane.polled([draft]);
    lane.take_said();
    let id = Fingerprint::of_delivery(&event, crate::ChannelName::Email, "a@example.com", None);
    let receipt = Receipt {
        outcome: Outcome::Delivered,
        content: ContentHash::of(&event, crate::ChannelName::Email),
        attempts: 1,
        first_at: lane.now().wall,
        last_at: lane.now().wall,
        offset: 0,
        reason: None,
        answer: None,
    };
    lane.tail(LedgerKey { fingerprint: id, class: LedgerClass::Receipt }, Some(LedgerEntry::Receipt(receipt)));
    assert_eq!(lane.take_said(), ["recall a@example.com"]);
    lane
}

#[test]
fn a_late_receipt_takes_an_attempt_back_that_has_not_begun_to_write() {
    let mut lane = overtaken_by_a_receipt();
    lane.answer("a", Answer::NotPermitted);
    lane.advance(seconds(5));
    assert!(lane.attempts.is_empty());
    assert_eq!(lane.position(), Some(1));
}

#[test]
fn an_attempt_that_a_late_receipt_does_not_stop_is_answered_as_usual() {
    let mut lane = overtaken_by_a_receipt();
    lane.begun("a");
    lane.advance(seconds(5));
    assert_eq!((lane.position(), lane.running()), (Some(0), vec!["a".to_owned()]));
    lane.answer("a", delivered());
    lane.advance(seconds(5));
    assert_eq!(lane.position(), Some(1));
    assert!(!lane.ledger_names().contains(&"parked".to_owned()), "{:?}", lane.ledger_names());
}

#[test]
fn what_is_dead_stays_dead() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", permanent());
    let mut next = lane.successor();
    next.polled([mail(0, "a"), mail(1, "a")]);
    assert!(next.attempts.is_empty());
    assert_eq!(next.dead.len(), 1);
}
