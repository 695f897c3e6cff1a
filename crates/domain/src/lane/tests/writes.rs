//! Making things durable: the order, and a Kafka that does not answer.

use super::{
    harness::LaneUnderTest,
    words::{delivered, mail, mail_settings, permanent, seconds},
};
use crate::lane::{Event, LaneSettings, PauseReason, WriteProblem};

#[test]
fn the_dead_letter_comes_before_the_receipt_and_the_receipt_before_the_commit() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.polled([mail(0, "a")]);
    lane.answer("a", permanent());
    assert_eq!(lane.waiting(), ["dead rejected"]);
    lane.ack_next();
    assert_eq!(lane.waiting(), ["receipt dead"]);
    lane.advance(seconds(2));
    assert_eq!(lane.waiting(), ["receipt dead"], "no progress beyond it");
    lane.ack_commit();
    assert_eq!(lane.position(), Some(0));
    lane.ack_next();
    lane.advance(seconds(2));
    assert_eq!(lane.ack_next(), "progress 1");
    assert_eq!(lane.position(), Some(0), "the progress is durable before the commit");
    lane.advance(seconds(2));
    lane.ack_commit();
    lane.advance(seconds(2));
    lane.ack_commit();
    assert_eq!(lane.position(), Some(1));
}

#[test]
fn a_write_that_times_out_is_produced_again_and_nothing_new_begins() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.polled([mail(0, "a")]);
    lane.answer("a", delivered());
    let token = lane.fail_next(WriteProblem::TimedOut);
    assert_eq!(lane.waiting(), [""; 0], "a writer without room would be asked again without end");
    lane.handle(Event::Tick);
    assert_eq!(lane.writes.front().map(|(again, _)| *again), Some(token));
    lane.polled([mail(1, "b")]);
    assert!(lane.attempts.is_empty());
    assert_eq!(lane.snapshot().partitions[0].paused, Some(PauseReason::Unavailable));
    lane.fail_next(WriteProblem::TimedOut);
    lane.handle(Event::Tick);
    lane.ack_all();
    assert_eq!(lane.running(), ["b"]);
    assert_eq!(lane.settled, ["a@example.com delivered after 1"]);
}

/// Without an end of its own, a Kafka that acknowledges slowly would let a death make any number come twice.
#[test]
fn as_many_wait_for_their_receipts_as_may_run() {
    let mut lane = LaneUnderTest::reading_with(LaneSettings { in_flight_max: 2, ..mail_settings() });
    lane.kafka_answers = false;
    lane.polled([mail(0, "a"), mail(1, "b"), mail(2, "c"), mail(3, "d")]);
    lane.answer("a", delivered());
    assert_eq!(lane.running(), ["b", "c"]);
    lane.answer("b", delivered());
    assert_eq!(lane.running(), ["c"], "two wait for their receipts");
    lane.answer("c", delivered());
    lane.ack_next();
    assert_eq!(lane.running(), [""; 0], "two still do");
    lane.ack_next();
    assert_eq!(lane.running(), ["d"]);
}

#[test]
fn a_receipt_that_waits_over_two_seconds_stops_new_attempts() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.polled([mail(0, "a")]);
    lane.answer("a", delivered());
    lane.advance(seconds(2));
    lane.polled([mail(1, "b")]);
    assert_eq!(lane.running(), ["b"]);
    lane.advance(seconds(1));
    lane.polled([mail(2, "c")]);
    assert_eq!(lane.running(), ["b"]);
    lane.ack_all();
    assert_eq!(lane.running(), ["b", "c"]);
}

#[test]
fn a_refused_or_fatal_write_ends_the_lane_without_a_commit() {
    for (problem, expected) in [
        (WriteProblem::Refused("too large".into()), "done Err(Refused(\"too large\"))"),
        (WriteProblem::Fatal("fenced".into()), "done Err(Fatal(\"fenced\"))"),
    ] {
        let mut lane = LaneUnderTest::reading();
        lane.kafka_answers = false;
        lane.polled([mail(0, "a")]);
        lane.answer("a", delivered());
        lane.take_said();
        lane.fail_next(problem);
        assert_eq!(lane.take_said(), [expected]);
        assert_eq!(lane.position(), Some(0));
    }
}
