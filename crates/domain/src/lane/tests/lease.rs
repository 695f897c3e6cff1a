//! No attempt without a recent proof of membership.

use super::{
    harness::LaneUnderTest,
    words::{delivered, mail, seconds},
};
use crate::{
    Answer,
    lane::{Event, PauseReason},
};

#[test]
fn the_lease_ends_two_thirds_of_a_session_after_the_last_acknowledged_commit() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.advance(seconds(29));
    lane.polled([mail(0, "a")]);
    assert_eq!(lane.running(), ["a"]);
    lane.advance(seconds(1));
    lane.polled([mail(1, "b")]);
    assert_eq!(lane.running(), ["a"], "no longer proven");
    assert_eq!(lane.snapshot().partitions[0].paused, Some(PauseReason::Lease));
    lane.ack_all();
    assert_eq!(lane.running(), ["a", "b"]);
}

#[test]
fn the_lease_is_renewed_while_nothing_moves() {
    let mut lane = LaneUnderTest::reading();
    lane.advance(seconds(600));
    lane.polled([mail(0, "a")]);
    assert_eq!(lane.running(), ["a"]);
}

#[test]
fn it_counts_from_the_sending_not_from_the_answer() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.advance(seconds(15));
    assert!(lane.commit.take().is_some());
    let sent_at = lane.now().boot;
    lane.advance(seconds(40));
    lane.handle(Event::Committed { result: Ok(sent_at) });
    lane.polled([mail(0, "a")]);
    assert!(lane.attempts.is_empty());
}

#[test]
fn a_refused_commit_proves_nothing() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    for _ in 0..40 {
        lane.advance(seconds(1));
        if lane.commit.take().is_some() {
            lane.handle(Event::Committed { result: Err("UNKNOWN_MEMBER_ID".into()) });
        }
    }
    lane.polled([mail(0, "a")]);
    assert!(lane.attempts.is_empty());
}

#[test]
fn a_process_that_stood_still_proves_itself_before_it_sends() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.kafka_answers = false;
    lane.freeze(seconds(300));
    lane.answer("a", Answer::NotPermitted);
    assert!(lane.attempts.is_empty());
    lane.advance(seconds(1));
    assert!(lane.commit.is_some());
    assert!(lane.attempts.is_empty());
    lane.ack_commit();
    assert_eq!(lane.running(), ["a"]);
    lane.answer("a", delivered());
    lane.ack_all();
    assert_eq!(lane.settled, ["a@example.com delivered after 1"], "the refused permit burnt nothing");
}

#[test]
fn commits_go_on_when_the_wall_clock_is_set_back() {
    let mut lane = LaneUnderTest::reading();
    lane.advance(seconds(60));
    lane.set_back = seconds(7200);
    lane.polled([mail(0, "a")]);
    lane.answer("a", delivered());
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(1));
}
