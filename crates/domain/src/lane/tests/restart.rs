//! After a death: marks before attempts, and an end to a delivery that kills.

use super::{
    harness::LaneUnderTest,
    words::{
        Draft, delivered, hours, mail, mail_settings, minutes, misconfigured, permanent, seconds, slack,
        slack_settings, throttled, transient, unknown,
    },
};
use crate::{
    lane::{Event, LaneSettings, Report},
    ledger::LedgerClass,
    limits,
};

fn unclean(lane: &LaneUnderTest) -> bool {
    lane.reports.iter().any(|report| matches!(report, Report::PartitionReading { unclean: true, .. }))
}

fn ambiguous(lane: &LaneUnderTest) -> usize {
    lane.count(|report| matches!(report, Report::Ambiguous))
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
    assert_eq!(ambiguous(&next), 1, "the dead one may have sent it");
    next.kafka_answers = true;
    next.answer("a", delivered());
    next.advance(seconds(60));
    next.polled([mail(1, "b")]);
    assert_eq!(next.running(), ["b"], "what came after the death is not suspect");
}

/// As many as may have run, and as many as may have waited for their receipts.
#[test]
fn a_death_counts_all_that_may_come_twice_and_no_more() {
    let lane = LaneUnderTest::reading_with(LaneSettings { in_flight_max: 3, ..mail_settings() });
    let mut next = lane.successor();
    for (offset, name) in (0..).zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
        next.polled([mail(offset, name)]);
        next.answer(name, delivered());
    }
    assert_eq!(ambiguous(&next), 6);
}

/// What the dead one may have sent is sent again once, however often this one tries.
#[test]
fn a_death_counts_once_as_an_ambiguous_send() {
    for answer in [misconfigured(), throttled(seconds(1)), transient(), crate::Answer::NotPermitted] {
        let mut lane = LaneUnderTest::reading();
        lane.polled([mail(0, "a").aged(seconds(1))]);
        lane = lane.successor();
        lane.polled([mail(0, "a").aged(seconds(1))]);
        for _ in 0..3 {
            lane.answer("a", answer.clone());
            lane.advance(minutes(1));
            assert_eq!(lane.running(), ["a"]);
        }
        assert_eq!(ambiguous(&lane), 1, "{answer:?}");
    }
}

#[test]
fn a_death_during_the_risk_taken_for_a_lost_reply_counts_too() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a").aged(seconds(1))]);
    lane.answer("a", unknown());
    assert_eq!(ambiguous(&lane), 1);
    lane.advance(seconds(2));
    assert_eq!(lane.running(), ["a"]);
    lane = lane.successor();
    lane.polled([mail(0, "a").aged(seconds(1))]);
    lane.advance(seconds(2));
    assert_eq!(lane.running(), ["a"]);
    assert_eq!(ambiguous(&lane), 1);
}

#[test]
fn the_third_proven_death_ends_it() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "poison").aged(seconds(1))]);
    for _ in 0..limits::DEATHS_MAX {
        lane = lane.successor();
        lane.polled([mail(0, "poison").aged(seconds(1))]);
        lane.advance(limits::LAST_TRIAL_AFTER);
        assert_eq!(lane.running(), ["poison"]);
    }
    lane = lane.successor();
    lane.polled([mail(0, "poison").aged(seconds(1)), mail(1, "good")]);
    assert_eq!(lane.settled, ["poison@example.com dead (crash_loop) after 0"]);
    assert_eq!(lane.running(), ["good"]);
}

/// A supervisor that kills every process within seconds of its start proves nothing against the one that comes first.
#[test]
fn deaths_soon_after_the_start_end_nothing() {
    let mut lane = LaneUnderTest::reading();
    for _ in 0..20 {
        lane.polled([mail(0, "innocent").aged(seconds(1))]);
        lane.advance(limits::LAST_TRIAL_AFTER.saturating_sub(seconds(1)));
        lane = lane.successor();
    }
    lane.polled([mail(0, "innocent").aged(seconds(1))]);
    assert!(lane.running().is_empty(), "the attempt that may be the last waits");
    lane.advance(limits::LAST_TRIAL_AFTER);
    lane.answer("innocent", delivered());
    assert_eq!(lane.settled, ["innocent@example.com delivered after 1"]);
}

/// A backlog after a long stop is past its last moment; that must not bring the last trial forward.
#[test]
fn the_last_trial_waits_also_for_what_is_about_to_leave_the_topic() {
    let aged = || [mail(0, "innocent").aged(hours(7 * 24 - 1))];
    let mut lane = LaneUnderTest::reading();
    lane.polled(aged());
    for _ in 0..20 {
        lane.advance(seconds(1));
        lane = lane.successor();
        lane.polled(aged());
    }
    assert!(lane.dead.is_empty() && lane.running().is_empty());
    lane.advance(limits::LAST_TRIAL_AFTER);
    assert_eq!(lane.running(), ["innocent"]);
}

fn beside_poison() -> [Draft; 3] {
    [mail(0, "a"), mail(1, "poison"), mail(2, "b")].map(|draft| draft.aged(seconds(1)))
}

/// It dies milliseconds after its start, beside whatever else has begun by then.
#[test]
fn a_delivery_that_kills_takes_nobody_with_it() {
    let mut lane = LaneUnderTest::reading();
    lane.polled(beside_poison());
    let mut delivered_to = Vec::new();
    for _ in 0..=limits::DEATHS_MAX {
        lane = lane.successor();
        lane.polled(beside_poison());
        lane.advance(limits::LAST_TRIAL_AFTER);
        // After the second death only one of the three is at risk at a time; who lives through its turn is served.
        while let [who] = lane.running().as_slice()
            && who != "poison"
        {
            delivered_to.push(who.clone());
            let who = who.clone();
            lane.answer(&who, delivered());
        }
    }
    let dead: Vec<_> = lane.dead.iter().map(|letter| (letter.reason.as_str(), letter.event_key.as_deref())).collect();
    assert_eq!(dead, [("crash_loop", Some("poison"))]);
    assert_eq!(delivered_to, ["a", "b"]);
}

/// Whoever is under way alone at a death is the one that pays; each has its second turn before one has its last.
#[test]
fn deaths_without_an_answer_end_one_delivery_at_a_time() {
    let mut lane = LaneUnderTest::reading();
    lane.polled(beside_poison());
    lane = lane.successor();
    lane.polled(beside_poison());
    for whose_turn in ["a", "poison", "b", "a"] {
        lane = lane.successor();
        lane.polled(beside_poison());
        lane.advance(limits::LAST_TRIAL_AFTER);
        assert_eq!(lane.running(), [whose_turn]);
    }
    lane = lane.successor();
    lane.polled(beside_poison());
    assert_eq!(lane.settled, ["a@example.com dead (crash_loop) after 0"]);
    lane.advance(limits::LAST_TRIAL_AFTER);
    assert_eq!(lane.running(), ["poison"], "the others get their turn");
}

#[test]
fn a_suspect_that_hangs_holds_up_other_suspects_alone() {
    let mut lane = LaneUnderTest::reading();
    lane.polled(beside_poison());
    lane = lane.successor();
    lane.polled(beside_poison());
    lane = lane.successor();
    lane.polled(beside_poison());
    lane.advance(seconds(5));
    lane.polled([mail(3, "c")]);
    assert_eq!(lane.running(), ["a", "c"]);
    lane.answer("c", delivered());
    lane.kafka_answers = false;
    lane.answer("a", transient());
    assert_eq!(lane.waiting(), ["forget mark"], "the next turn begins when the mark is gone");
    lane.ack_next();
    assert_eq!(lane.waiting(), ["mark 1"]);
    lane.kafka_answers = true;
    lane.ack_all();
    assert_eq!(lane.running(), ["poison"]);
    lane.advance(seconds(2));
    assert_eq!(lane.running(), ["poison", "a"], "what was answered is no suspect any more");
    lane.answer("poison", delivered());
    assert_eq!(lane.running(), ["a", "b"]);
}

#[test]
fn suspects_of_two_destinations_take_turns() {
    let drafts = || {
        let all = [slack(0, "1", "ops"), slack(1, "2", "ops"), slack(2, "3", "sales")];
        all.map(|draft| draft.aged(seconds(1)))
    };
    let mut lane = LaneUnderTest::reading_with(slack_settings());
    lane.polled(drafts());
    for _ in 0..2 {
        lane = lane.successor();
        lane.polled(drafts());
    }
    let first = lane.running();
    lane.answer(&first[0], transient());
    let second = lane.running();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
}

#[test]
fn a_suspect_that_waits_for_its_turn_expires_in_time() {
    let drafts = |lane: &LaneUnderTest| {
        let expires_at = Some(lane.now().wall.after(minutes(1)));
        let [a, poison, b] = beside_poison();
        [a, poison, b.with(|event| event.expires_at = expires_at)]
    };
    let mut lane = LaneUnderTest::reading();
    lane.polled(drafts(&lane));
    for _ in 0..2 {
        lane = lane.successor();
        lane.polled(drafts(&lane));
    }
    lane.advance(minutes(1));
    assert_eq!(lane.running(), ["a"]);
    assert_eq!(lane.settled, ["b@example.com expired after 0"]);
}

/// The session is lost again and again while the provider is slow, but nobody dies: the mark goes with the partition.
#[test]
fn a_lost_session_is_no_death() {
    let aged = || [mail(0, "a").aged(seconds(1))];
    let mut lane = LaneUnderTest::reading();
    lane.polled(aged());
    lane = lane.successor();
    for _ in 0..2 * limits::DEATHS_MAX {
        lane.polled(aged());
        assert_eq!(lane.running(), ["a"]);
        lane.handle(Event::Lost(vec![0]));
        lane = lane.successor();
    }
    assert_eq!(lane.dead.len(), 0);
}

/// The former owner learns late that it lost the partition; nothing has been tried here yet.
#[test]
fn a_mark_that_its_owner_takes_back_late_does_not_count_either() {
    let mut lane = LaneUnderTest::reading();
    lane.polled(beside_poison());
    lane = lane.successor();
    lane.polled(beside_poison());
    lane = lane.successor();
    lane.polled(beside_poison());
    assert_eq!(lane.running(), ["a"]);
    let marks: Vec<_> = lane.ledger_of(0).into_iter().filter(|record| record.key.class == LedgerClass::Mark).collect();
    let of_b = marks[2].key; // in the records' order
    lane.tail(of_b, None);
    lane.answer("a", delivered());
    lane.answer("poison", delivered());
    assert_eq!(lane.running(), ["b"]);
    assert_eq!(lane.ledger_names().last().map(String::as_str), Some("mark 0"));
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

/// An attempt that never began says nothing of the deaths before: not in this process, nor to the next.
#[test]
fn what_was_not_tried_is_suspected_as_before() {
    let aged = || [mail(0, "poison").aged(seconds(1))];
    let mut lane = LaneUnderTest::reading();
    lane.polled(aged());
    for _ in 1..limits::DEATHS_MAX {
        lane = lane.successor();
        lane.polled(aged());
    }
    lane = lane.successor();
    lane.polled(aged());
    lane.advance(limits::LAST_TRIAL_AFTER);
    lane.freeze(seconds(300)); // the lease is gone, so that it is not tried at once
    lane.answer("poison", crate::Answer::NotPermitted);
    assert_eq!(lane.ledger_names().last().map(String::as_str), Some("mark 1"), "the one before");
    lane.ack_commit();
    lane.advance(seconds(2));
    assert_eq!(lane.running(), ["poison"]);
    assert_eq!(lane.ledger_names().last().map(String::as_str), Some("mark 2"));
    lane = lane.successor();
    lane.polled(aged());
    assert_eq!(lane.settled, ["poison@example.com dead (crash_loop) after 0"]);
}

/// The lease ends between the mark and its attempt.
#[test]
fn a_mark_without_an_attempt_leaves_the_deaths_before() {
    let aged = || [mail(0, "poison").aged(seconds(1))];
    let mut lane = LaneUnderTest::reading();
    lane.polled(aged());
    for _ in 0..2 {
        lane = lane.successor();
        lane.polled(aged());
    }
    lane = lane.successor();
    lane.polled(aged());
    lane.kafka_answers = false;
    lane.advance(limits::LAST_TRIAL_AFTER);
    lane.freeze(seconds(300));
    assert_eq!(lane.ack_next(), "mark 2");
    assert!(lane.attempts.is_empty());
    assert_eq!(lane.waiting().last().map(String::as_str), Some("mark 1"));
}

/// Its letter finds no room before the drain's deadline.
#[test]
fn a_suspect_that_was_refused_for_good_is_handed_on_without_its_mark() {
    let drafts = || {
        let large = mail(0, "large").bytes(limits::LETTER_BYTES_MAX);
        [large, mail(1, "refused")].map(|draft| draft.aged(seconds(1)))
    };
    let mut lane = LaneUnderTest::reading();
    lane.polled(drafts());
    lane = lane.successor();
    lane.polled(drafts());
    lane.kafka_answers = false;
    lane.answer("large", permanent());
    lane.answer("refused", permanent());
    assert_eq!(lane.waiting(), ["dead rejected"]);
    lane.handle(Event::Revoked(vec![0]));
    lane.advance(seconds(30));
    assert!(lane.waiting().contains(&"forget mark".to_owned()), "{:?}", lane.waiting());
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
