//! Letting go: revoke, loss, stop.

use std::time::Duration;

use super::{
    harness::LaneUnderTest,
    words::{delivered, mail, mail_settings, minutes, permanent, seconds, transient, unknown},
};
use crate::{
    Answer, Timestamp,
    fingerprint::ContentHash,
    lane::{Event, Report, WriteProblem},
    ledger::{LedgerClass, LedgerEntry, LedgerKey, Receipt},
    outcome::Outcome,
    start::Positions,
};

/// Of a former owner.
fn receipt() -> Receipt {
    Receipt {
        outcome: Outcome::Delivered,
        content: ContentHash(0),
        attempts: 1,
        first_at: Timestamp(1),
        last_at: Timestamp(2),
        offset: 0,
        reason: None,
        answer: None,
    }
}

#[test]
fn a_revoke_drains_writes_progress_commits_and_releases_in_that_order() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.answer("b", transient());
    lane.take_said();
    lane.kafka_answers = false;
    lane.handle(Event::Revoked(vec![0]));
    lane.polled([mail(2, "c")]);
    lane.advance(seconds(5));
    assert_eq!(lane.running(), ["a"], "nothing new begins");
    lane.answer("a", delivered());
    assert_eq!(lane.ack_next(), "receipt delivered");
    assert_eq!(lane.ack_next(), "progress 1 clean");
    assert_eq!(lane.take_said(), [""; 0]);
    assert_eq!(lane.commit.as_ref().map(|positions| positions[0].position), Some(1));
    lane.ack_commit();
    assert_eq!(lane.take_said(), ["forget 0", "release [0]"]);
    assert_eq!(lane.position(), Some(1));
}

#[test]
fn a_refused_last_commit_does_not_hold_the_revoke_up() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", delivered());
    lane.take_said();
    lane.kafka_answers = false;
    lane.handle(Event::Revoked(vec![0]));
    lane.ack_next();
    assert!(lane.commit.take().is_some());
    lane.handle(Event::Committed { result: Err("ILLEGAL_GENERATION".into()) });
    assert_eq!(lane.take_said(), ["forget 0", "release [0]"]);
}

#[test]
fn at_the_deadline_what_has_not_begun_comes_back_and_what_has_is_on_record() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.take_said();
    lane.handle(Event::Revoked(vec![0]));
    lane.advance(seconds(19));
    assert_eq!(lane.take_said(), [""; 0]);
    lane.advance(seconds(1));
    let mut said = lane.take_said();
    said.sort();
    assert_eq!(said, ["recall a@example.com", "recall b@example.com"]);
    assert_eq!(lane.count(|report| matches!(report, Report::LeftRunning { attempts: 2, .. })), 1);
    lane.answer("a", Answer::NotPermitted);
    lane.begun("b");
    assert_eq!(lane.take_said(), ["forget 0", "release [0]"]);
    assert_eq!(lane.ledger_names(), ["parked 1/1"]);
    let Some(LedgerEntry::Parked(parked)) = &lane.ledger.iter().rev().nth(1).unwrap().1.entry else {
        panic!("the pointer is written before the clean progress");
    };
    assert_eq!(parked.due, lane.now().wall.after(mail_settings().attempt_deadline));
    // Its receipt is a fact, whoever holds the partition now.
    lane.answer("b", delivered());
    assert_eq!(lane.ledger_names(), ["parked 1/1", "receipt delivered"]);
    assert_eq!(lane.position(), Some(0));
}

#[test]
fn the_new_owner_waits_for_the_old_ones_receipt() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.handle(Event::Revoked(vec![0]));
    lane.advance(seconds(20));
    lane.begun("a");
    let receipt_comes = lane.now().wall;
    let mut next = lane.successor();
    next.polled([mail(0, "a")]);
    assert!(next.attempts.is_empty());
    let taken_over = Duration::from_millis(200); // the pointer is written again and read back
    assert_eq!(next.next_attempt_in(), Some(mail_settings().attempt_deadline + taken_over));
    assert!(receipt_comes < next.now().wall);
    next.answer("a", unknown());
    assert_eq!(next.settled, ["a@example.com dead (unknown) after 2"], "the old one's unknown end counts");
}

/// Nor does it let anything expire before: what the old one still sends is a fact, and there is one outcome.
#[test]
fn what_an_old_owner_may_still_send_does_not_expire_meanwhile() {
    for is_sent in [true, false] {
        let mut lane = LaneUnderTest::reading();
        let expires_at = Some(lane.now().wall.after(minutes(1)));
        let draft = || mail(0, "a").with(|event| event.expires_at = expires_at);
        lane.polled([draft()]);
        lane.handle(Event::Revoked(vec![0]));
        lane.advance(seconds(20));
        lane.begun("a");
        let mut next = lane.successor();
        next.polled([draft()]);
        next.advance(mail_settings().attempt_deadline - seconds(1));
        assert_eq!(next.settled, [""; 0]);
        if is_sent {
            let (_, pointer) = next.ledger.iter().find(|(_, record)| record.key.class == LedgerClass::Parked).unwrap();
            let key = LedgerKey { class: LedgerClass::Receipt, ..pointer.key };
            next.tail(key, Some(LedgerEntry::Receipt(receipt())));
        }
        next.advance(seconds(5));
        let expired: &[&str] = if is_sent { &[] } else { &["a@example.com expired after 1"] };
        assert_eq!(next.settled, expired);
        assert_eq!(next.position(), Some(1));
    }
}

/// The tail lags behind the pointer's due time: nothing begins before it has caught up with the receipt.
#[test]
fn a_pointer_is_taken_over_only_when_the_tail_has_caught_up() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.handle(Event::Revoked(vec![0]));
    lane.advance(seconds(20));
    lane.begun("a");
    let mut next = lane.successor();
    next.polled([mail(0, "a")]);
    next.advance(mail_settings().attempt_deadline - seconds(1));
    next.kafka_answers = false;
    next.advance(seconds(2));
    assert_eq!(next.waiting(), ["parked 1/1"]);
    next.advance(seconds(1));
    assert!(next.attempts.is_empty(), "the rewritten pointer has not been read back");
}

#[test]
fn without_unknown_retries_the_new_owner_does_not_try_again() {
    let mut settings = mail_settings();
    settings.retry.unknown_retries = 0;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.polled([mail(0, "a")]);
    lane.handle(Event::Revoked(vec![0]));
    lane.advance(seconds(20));
    lane.begun("a");
    let mut next = lane.successor();
    next.polled([mail(0, "a")]);
    next.advance(seconds(119));
    assert!(next.settled.is_empty(), "the receipt may still come");
    next.advance(seconds(2));
    assert_eq!(next.settled, ["a@example.com dead (unknown) after 1"]);
}

#[test]
fn lost_neither_commits_nor_parks_but_a_delivered_one_gets_its_receipt() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b"), mail(2, "c")]);
    lane.answer("c", unknown());
    lane.take_said();
    let parked = lane.ledger_names();
    lane.handle(Event::Lost(vec![0]));
    let mut said = lane.take_said();
    said.sort();
    assert_eq!(said, ["forget 0", "recall a@example.com", "recall b@example.com"]);
    lane.begun("a");
    lane.answer("b", Answer::NotPermitted);
    lane.advance(seconds(60));
    assert_eq!(lane.ledger_names(), parked, "no parking of what may be another's");
    lane.answer("a", delivered());
    assert_eq!(lane.ledger_names().last().map(String::as_str), Some("receipt delivered"));
    lane.advance(seconds(60));
    assert_eq!(lane.position(), Some(0));
    assert!(lane.attempts.is_empty());
}

/// Only what was really sent is a fact for the new owner; whether to give up is its own decision.
#[test]
fn lost_while_a_dead_letter_is_on_its_way_writes_no_receipt() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b"), mail(2, "c")]);
    lane.kafka_answers = false;
    lane.answer("a", permanent());
    lane.answer("b", permanent());
    lane.answer("c", delivered());
    lane.handle(Event::Lost(vec![0]));
    assert_eq!(lane.ack_next(), "dead rejected");
    lane.fail_next(WriteProblem::TimedOut);
    lane.fail_next(WriteProblem::TimedOut);
    lane.handle(Event::Tick);
    assert_eq!(lane.waiting(), ["receipt delivered"], "of the others nothing is written again");
}

/// What a former assignment finishes is counted once, also where its record holds another delivery.
#[test]
fn a_former_assignments_receipt_closes_its_delivery_once() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "order").to(&["a", "b"])]);
    lane.handle(Event::Lost(vec![0]));
    lane.begun("a");
    lane.answer("b", Answer::NotPermitted);
    lane.assign(0);
    lane.advance(seconds(1));
    lane.polled([mail(0, "order").to(&["a", "b"])]);
    lane.advance(seconds(1));
    lane.answer("b", transient());
    lane.answer("a", delivered());
    lane.advance(seconds(10));
    assert_eq!(lane.position(), Some(0), "b is not settled");
    lane.answer("b", delivered());
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(1));
    lane.handle(Event::Revoked(vec![0]));
    assert_eq!(lane.take_said().last().map(String::as_str), Some("release [0]"), "every place was given back");
}

/// The partition comes back while an attempt of the former assignment still runs: one copy, not two.
#[test]
fn an_own_attempt_of_a_former_assignment_is_waited_for() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.handle(Event::Lost(vec![0]));
    lane.assign(0);
    lane.advance(seconds(1));
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.advance(seconds(10));
    assert_eq!(lane.running(), ["a", "b"], "the old ones alone");
    lane.begun("a");
    lane.answer("a", delivered());
    lane.answer("b", Answer::NotPermitted);
    lane.advance(seconds(10));
    assert_eq!(lane.running(), ["b"]);
    lane.answer("b", delivered());
    lane.advance(seconds(2));
    assert_eq!(lane.position(), Some(2));
    assert_eq!(lane.attempted["a@example.com"], 1);
}

#[test]
fn what_belongs_to_nobody_is_released_at_once() {
    let mut lane = LaneUnderTest::reading();
    lane.take_said();
    lane.handle(Event::Revoked(vec![7]));
    assert_eq!(lane.take_said(), ["release [7]"]);
    let mut starting = LaneUnderTest::new(mail_settings());
    starting.kafka_answers = false;
    starting.handle(Event::Assigned(vec![0]));
    starting.handle(Event::Revoked(vec![0]));
    assert_eq!(starting.take_said(), ["restore 0", "forget 0", "release [0]"]);
}

#[test]
fn a_stop_drains_everything_closes_and_is_done() {
    let mut settings = mail_settings();
    settings.partitions = 2;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.assign(1);
    lane.advance(seconds(1));
    lane.polled([mail(0, "order-2")]);
    let here = i32::from(lane.attempts.is_empty());
    lane.polled([mail(0, "order-2").in_partition(here)]);
    assert_eq!(lane.attempts.len(), 1);
    lane.take_said();
    lane.handle(Event::Stop);
    lane.handle(Event::Assigned(vec![5]));
    assert_eq!(lane.take_said().last().map(String::as_str), Some("release [5]"));
    lane.answer("order-2", delivered());
    assert_eq!(lane.take_said().last().map(String::as_str), Some("close"));
    lane.handle(Event::Closed);
    assert_eq!(lane.take_said(), ["done Ok(())"]);
    assert_eq!(lane.committed[&here].position, 1);
}

#[test]
fn a_stop_aborts_at_the_deadline_and_leaves_an_unknown_due_now() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.take_said();
    lane.handle(Event::Stop);
    lane.advance(seconds(20));
    let mut said = lane.take_said();
    said.sort();
    assert_eq!(said, ["abort a@example.com", "abort b@example.com"]);
    lane.answer("a", unknown());
    lane.answer("b", Answer::NotPermitted);
    assert_eq!(lane.take_said(), ["forget 0", "release [0]", "close"]);
    let mut next = lane.successor();
    next.polled([mail(0, "a"), mail(1, "b")]);
    next.advance(seconds(2));
    assert_eq!(next.attempts.len(), 2);
}

#[test]
fn a_stop_waits_for_the_receipts_of_former_assignments() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.handle(Event::Lost(vec![0]));
    lane.begun("a");
    lane.answer("b", Answer::NotPermitted);
    lane.take_said();
    lane.handle(Event::Stop);
    assert_eq!(lane.take_said(), [""; 0]);
    lane.kafka_answers = false;
    lane.answer("a", delivered());
    assert_eq!(lane.take_said(), [""; 0]);
    lane.ack_all();
    assert_eq!(lane.take_said(), ["close"]);
}

#[test]
fn a_stop_without_kafka_ends_all_the_same() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.kafka_answers = false;
    lane.answer("a", delivered());
    lane.take_said();
    lane.handle(Event::Stop);
    lane.advance(seconds(24));
    assert_eq!(lane.take_said(), [""; 0]);
    lane.advance(seconds(2));
    assert_eq!(lane.take_said(), ["forget 0", "release [0]", "close"]);
    assert_eq!(lane.position(), Some(0));
}

/// What an older assignment asked for says nothing of the present one.
#[test]
fn answers_of_a_former_assignment_move_nothing() {
    let mut lane = LaneUnderTest::new(mail_settings());
    lane.kafka_answers = false;
    lane.assign(0);
    lane.ack_next();
    let former = lane.epochs[&0];
    assert!(lane.commit.take().is_some());
    lane.handle(Event::Lost(vec![0]));
    lane.assign(0);
    lane.take_said();
    let sent_at = lane.now().boot;
    lane.handle(Event::Committed { result: Ok(sent_at) });
    let positions = Positions { committed: None, low: 7, high: 9, ledger_high: 0, after_progress: None };
    lane.handle(Event::Restored { partition: 0, epoch: former, positions });
    lane.handle(Event::Refused { partition: 0, epoch: former, detail: "late".into() });
    assert_eq!(lane.take_said(), [""; 0], "its own progress and commit are not acknowledged yet");
    lane.kafka_answers = true;
    lane.advance(seconds(1));
    assert_eq!(lane.take_said(), ["read 0 from 0"]);
}

#[test]
fn an_answer_counts_once() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    let work = lane.attempts[0].work;
    lane.answer("a", transient());
    lane.handle(Event::Answered { work, answer: delivered() });
    lane.advance(Duration::from_millis(900));
    assert_eq!((lane.settled.len(), lane.snapshot().running), (0, 0));
}
