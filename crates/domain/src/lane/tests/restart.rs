//! After a death: marks before attempts, and an end to a delivery that kills.

use super::{
    harness::LaneUnderTest,
    words::{delivered, mail, seconds, throttled, transient},
};
use crate::{
    lane::{Event, Report},
    limits,
};

fn unclean(lane: &LaneUnderTest) -> bool {
    lane.reports.iter().any(|report| matches!(report, Report::PartitionReading { unclean: true, .. }))
}

#[test]
fn after_a_clean_end_nothing_is_marked() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", transient());
    lane.handle(Event::Stop);
    let mut next = lane.successor();
    assert!(!unclean(&next));
    next.polled([mail(0, "a")]);
    assert_eq!(next.running(), ["a"]);
    assert_eq!(next.ledger_names(), [""; 0]);
}

#[test]
fn after_a_death_an_attempt_is_marked_before_it_begins() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    let mut next = lane.successor();
    assert!(unclean(&next));
    next.kafka_answers = false;
    next.polled([mail(0, "a")]);
    assert!(next.attempts.is_empty());
    assert_eq!(next.ack_next(), "mark 0");
    assert_eq!(next.running(), ["a"]);
    assert_eq!(next.count(|report| matches!(report, Report::Ambiguous)), 1, "the dead one may have sent it");
    next.kafka_answers = true;
    next.answer("a", delivered());
    next.advance(seconds(60));
    next.polled([mail(1, "b")]);
    assert_eq!(next.running(), ["b"], "what came after the death is not suspect");
}

#[test]
fn the_third_proven_death_ends_it() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "poison").aged(seconds(1))]);
    for _ in 0..limits::DEATHS_MAX {
        lane = lane.successor();
        lane.polled([mail(0, "poison").aged(seconds(1))]);
        assert_eq!(lane.running(), ["poison"]);
    }
    lane = lane.successor();
    lane.polled([mail(0, "poison").aged(seconds(1)), mail(1, "good")]);
    assert_eq!(lane.settled, ["poison@example.com dead (crash_loop) after 0"]);
    assert_eq!(lane.running(), ["good"]);
}

/// Only a death while the attempt ran counts: not one while it waited, answered or held back.
#[test]
fn a_death_while_it_waits_is_not_its_fault() {
    for answer in [transient(), throttled(seconds(3600)), crate::Answer::NotPermitted] {
        let mut lane = LaneUnderTest::reading();
        lane.polled([mail(0, "a").aged(seconds(1))]);
        for _ in 0..2 * limits::DEATHS_MAX {
            lane = lane.successor();
            lane.polled([mail(0, "a").aged(seconds(1))]);
            if answer == crate::Answer::NotPermitted {
                lane.freeze(seconds(300)); // the lease is gone, so that it is not tried at once
            }
            lane.answer("a", answer.clone());
        }
        assert_eq!(lane.dead.len(), 0, "{answer:?}");
    }
}

#[test]
fn a_mark_that_becomes_durable_after_the_revoke_starts_nothing() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    let mut next = lane.successor();
    next.kafka_answers = false;
    next.polled([mail(0, "a")]);
    next.handle(Event::Revoked(vec![0]));
    next.ack_all();
    next.ack_all();
    assert!(next.attempts.is_empty());
    assert_eq!(next.take_said().last().map(String::as_str), Some("release [0]"));
}

/// Whoever lets go in order before every suspect has been looked at passes the suspicion on.
#[test]
fn an_orderly_end_does_not_hide_an_earlier_death() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a").aged(seconds(5)), mail(1, "b").aged(seconds(5))]);
    let mut second = lane.successor();
    second.polled([mail(0, "a").aged(seconds(5))]);
    second.handle(Event::Stop);
    second.answer("a", delivered());
    let mut third = second.successor();
    assert!(unclean(&third), "b may have reached somebody before the death");
    third.polled([mail(1, "b").aged(seconds(5))]);
    third.answer("b", delivered());
    third.advance(seconds(5));
    third.polled([mail(2, "c")]);
    third.answer("c", delivered());
    third.handle(Event::Stop);
    assert!(!unclean(&third.successor()), "what is younger than the death has been read");
}

#[test]
fn an_attempt_that_a_drain_left_running_is_no_death() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a").aged(seconds(5))]);
    let mut next = lane.successor();
    next.polled([mail(0, "a").aged(seconds(5))]);
    next.handle(Event::Revoked(vec![0]));
    next.advance(seconds(20));
    next.begun("a");
    assert_eq!(next.ledger_names(), ["mark 0", "forget mark", "parked 1/1"]);
}
