//! What is settled in time although no attempt comes: behind a closed gate, after a former owner, behind another suspect.

use std::time::Duration;

use super::{
    harness::LaneUnderTest,
    words::{Draft, delivered, hours, mail, mail_settings, minutes, seconds, throttled, unknown},
};
use crate::{
    Answer, Timestamp,
    fingerprint::ContentHash,
    lane::Event,
    ledger::{LedgerClass, LedgerEntry, LedgerKey, Parked, Receipt},
    limits,
    outcome::Outcome,
};

/// A former owner left an attempt running, on record.
fn left_running(draft: Draft) -> LaneUnderTest {
    let mut lane = LaneUnderTest::reading();
    lane.polled([draft]);
    lane.handle(Event::Revoked(vec![0]));
    lane.advance(seconds(20));
    lane.begun("a");
    lane.successor()
}

/// The key of the one pointer in the ledger, as that of another class.
fn key(lane: &LaneUnderTest, class: LedgerClass) -> LedgerKey {
    let (_, pointer) = lane.ledger.iter().find(|(_, record)| record.key.class == LedgerClass::Parked).expect("one");
    LedgerKey { class, ..pointer.key }
}

fn receipt() -> Option<LedgerEntry> {
    Some(LedgerEntry::Receipt(Receipt {
        outcome: Outcome::Delivered,
        content: ContentHash(0),
        attempts: 1,
        first_at: Timestamp(1),
        last_at: Timestamp(2),
        offset: 0,
        reason: None,
        answer: None,
    }))
}

/// The gate is closed for a day; in ten minutes the delivery expires, or its event is about to leave the topic.
#[test]
fn what_a_former_owner_left_behind_a_closed_gate_is_settled_in_time() {
    let age = mail_settings().retention - limits::KEEP_MARGIN - minutes(10);
    for outcome in ["expired", "dead (retention)"] {
        let mut lane = left_running(mail(0, "a"));
        let in_ten_minutes = Some(lane.now().wall.after(minutes(10)));
        let draft = match outcome {
            "expired" => mail(0, "a").with(|event| event.expires_at = in_ten_minutes),
            _ => mail(0, "a").aged(age),
        };
        lane.polled([draft, mail(1, "b")]);
        lane.answer("b", throttled(hours(24)));
        lane.advance(minutes(10) - seconds(1));
        assert_eq!(lane.settled, [""; 0]);
        lane.advance(seconds(3));
        assert_eq!(lane.settled, [format!("a@example.com {outcome} after 1")]);
    }
}

/// One outcome, also when the receipt came while the attempt was taken back and the gate has closed since.
#[test]
fn what_has_a_receipt_does_not_expire_behind_a_closed_gate() {
    let mut lane = left_running(mail(0, "a"));
    let expires_at = Some(lane.now().wall.after(minutes(10)));
    lane.polled([mail(0, "a").with(|event| event.expires_at = expires_at), mail(1, "b")]);
    lane.advance(mail_settings().attempt_deadline + seconds(1));
    assert_eq!(lane.running(), ["b", "a"]);
    lane.answer("b", throttled(hours(1)));
    lane.tail(key(&lane, LedgerClass::Receipt), receipt());
    lane.answer("a", Answer::NotPermitted);
    lane.advance(minutes(10));
    assert_eq!(lane.settled, [""; 0]);
    lane.advance(hours(1));
    lane.answer("b", delivered());
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(2));
}

/// What it tells of may still be under way, and counts; and it is taken over like the first.
#[test]
fn a_late_pointer_of_a_former_owner_is_waited_for_too() {
    let mut lane = left_running(mail(0, "a"));
    lane.polled([mail(0, "a")]);
    lane.advance(mail_settings().attempt_deadline - seconds(1));
    lane.kafka_answers = false;
    lane.advance(seconds(1));
    assert_eq!(lane.ack_next(), "parked 1/1");
    let due = lane.now().wall.after(minutes(1));
    let late = Parked { due, offset: 0, attempts: 2, unknowns: 1, reason: "unknown".to_owned() };
    lane.tail(key(&lane, LedgerClass::Parked), Some(LedgerEntry::Parked(late)));
    lane.kafka_answers = true;
    let taken_over = Duration::from_millis(200);
    assert_eq!(lane.next_attempt_in(), Some(minutes(1) + taken_over));
    lane.answer("a", unknown());
    assert_eq!(lane.settled, ["a@example.com dead (unknown) after 3"]);
}

/// Nobody would wait for it.
#[test]
fn a_drain_takes_nothing_over() {
    for is_gated in [false, true] {
        let mut lane = left_running(mail(0, "a"));
        let expires_at = Some(lane.now().wall.after(minutes(2)));
        lane.polled([mail(0, "a").with(|event| event.expires_at = expires_at), mail(1, "b")]);
        lane.answer("b", if is_gated { throttled(hours(1)) } else { delivered() });
        lane.advance(mail_settings().attempt_deadline - seconds(1));
        lane.kafka_answers = false;
        lane.handle(Event::Revoked(vec![0]));
        lane.advance(seconds(2));
        assert_eq!(lane.waiting(), ["progress 0 clean"]);
    }
}

/// Never attempted, behind one that hangs: its bytes must not leave the topic meanwhile.
#[test]
fn a_suspect_that_waits_for_its_turn_is_settled_before_its_event_leaves() {
    let age = mail_settings().retention - limits::KEEP_MARGIN - minutes(1);
    let drafts = || [mail(0, "a").aged(seconds(1)), mail(1, "b").aged(age)];
    let mut lane = LaneUnderTest::reading();
    lane.polled(drafts());
    for _ in 0..2 {
        lane = lane.successor();
        lane.polled(drafts());
    }
    lane.advance(minutes(1) - seconds(1));
    assert_eq!((lane.running(), lane.settled.len()), (vec!["a".to_owned()], 0));
    lane.advance(seconds(1));
    assert_eq!(lane.settled, ["b@example.com dead (retention) after 0"]);
}
