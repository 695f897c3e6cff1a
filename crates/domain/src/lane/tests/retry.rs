//! What follows from an answer: waits, gates and ends.

use std::time::Duration;

use super::{
    harness::LaneUnderTest,
    words::{
        delivered, hours, mail, mail_settings, minutes, misconfigured, permanent, seconds, slack, slack_settings,
        throttled, transient, unknown,
    },
};
use crate::{
    answer::{Answer, Failure, Reason},
    lane::Report,
};

#[test]
fn two_failures_then_success_waits_one_then_two_seconds() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", transient());
    assert_eq!(lane.next_attempt_in(), Some(seconds(1)));
    lane.answer("a", transient());
    assert_eq!(lane.next_attempt_in(), Some(seconds(2)));
    lane.answer("a", delivered());
    assert_eq!(lane.settled, ["a@example.com delivered after 3"]);
}

#[test]
fn a_hint_lengthens_the_wait() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    let failure = Failure::new(Reason::Unavailable, "503");
    lane.answer("a", Answer::Transient { failure: failure.clone(), retry_after: Some(seconds(30)) });
    assert_eq!(lane.next_attempt_in(), Some(seconds(30)));
    lane.answer("a", Answer::Transient { failure, retry_after: Some(Duration::from_millis(10)) });
    assert_eq!(lane.next_attempt_in(), Some(seconds(2)));
}

#[test]
fn transient_failures_end_after_give_up() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a").aged(minutes(30))]);
    let begun = lane.now().wall;
    while lane.dead.is_empty() {
        lane.answer("a", transient());
        if lane.dead.is_empty() {
            assert!(lane.next_attempt_in().is_some());
        }
    }
    let took = lane.now().wall.since(begun);
    assert!((minutes(30)..minutes(32)).contains(&took), "from the append, not from the reading: {took:?}");
    assert_eq!(lane.dead[0].reason.as_str(), "gave_up");
    assert_eq!(lane.dead[0].last_answer.as_deref(), Some("451 later"));
}

/// Nobody gives up because a destination was stopped, whether the record was read before or meanwhile.
#[test]
fn stopped_time_does_not_count() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", misconfigured());
    lane.advance(minutes(59) + seconds(30));
    lane.polled([mail(1, "b").aged(minutes(40))]);
    lane.advance(minutes(30) + seconds(30));
    for _ in 0..2 {
        let who = lane.running()[0].clone();
        lane.answer(&who, transient()); // MailboxFull and its like prove that the credentials work
    }
    assert_eq!(lane.dead.len(), 0, "{:?}", lane.settled);
    lane.advance(minutes(2));
    assert_eq!(lane.dead.len(), 0);
}

#[test]
fn a_throttled_destination_gates_only_itself() {
    let mut lane = LaneUnderTest::reading_with(slack_settings());
    lane.polled([slack(0, "1", "ops"), slack(1, "2", "sales")]);
    lane.answer("ops", throttled(seconds(30)));
    lane.polled([slack(2, "3", "ops"), slack(3, "4", "sales")]);
    assert_eq!(lane.running(), ["sales", "sales"]);
    lane.answer("sales", delivered());
    lane.answer("sales", delivered());
    assert_eq!(lane.next_attempt_in(), Some(seconds(30)));
    assert_eq!(lane.running(), ["ops", "ops"]);
    lane.answer("ops", delivered());
    assert_eq!(lane.settled.last().map(String::as_str), Some("ops delivered after 1"), "it burnt no attempt");
}

#[test]
fn a_shorter_throttle_does_not_shorten_a_longer_one() {
    let mut lane = LaneUnderTest::reading_with(slack_settings());
    lane.polled([slack(0, "1", "ops"), slack(1, "2", "ops")]);
    lane.answer("ops", throttled(seconds(60)));
    lane.answer("ops", throttled(seconds(5)));
    assert_eq!(lane.next_attempt_in(), Some(seconds(60)));
}

#[test]
fn what_a_throttle_would_hold_beyond_retention_dies_in_time() {
    let mut lane = LaneUnderTest::reading_with(slack_settings());
    lane.polled([slack(0, "1", "ops"), slack(1, "2", "ops")]);
    lane.answer("ops", throttled(hours(24 * 30)));
    lane.answer("ops", delivered());
    lane.polled([slack(2, "3", "ops").aged(hours(6 * 24 + 22))]);
    lane.advance(hours(2));
    assert_eq!(lane.settled.last().map(String::as_str), Some("ops dead (retention) after 0"));
}

#[test]
fn a_misconfigured_destination_stops_burns_nothing_and_is_probed_every_minute() {
    let mut lane = LaneUnderTest::reading_with(slack_settings());
    lane.polled([slack(0, "1", "ops"), slack(1, "2", "ops"), slack(2, "3", "sales")]);
    lane.answer("ops", misconfigured());
    lane.answer("ops", misconfigured());
    assert_eq!(lane.count(|report| matches!(report, Report::DestinationStopped { .. })), 1, "one loud line");
    assert_eq!(lane.snapshot().destinations_stopped.len(), 1);
    lane.answer("sales", delivered());
    for _ in 0..3 {
        assert_eq!(lane.next_attempt_in(), Some(minutes(1)));
        assert_eq!(lane.running(), ["ops"], "one probe at a time");
        lane.answer("ops", misconfigured());
    }
    assert_eq!(lane.next_attempt_in(), Some(minutes(1)));
    lane.answer("ops", delivered());
    assert_eq!(lane.count(|report| matches!(report, Report::DestinationResumed(_))), 1);
    assert_eq!(lane.running(), ["ops"], "the queue moves at once");
    assert_eq!(lane.settled.last().map(String::as_str), Some("ops delivered after 1"));
}

/// Whoever stopped it stands back, so that one recipient alone cannot hold up the others: they are asked at once.
#[test]
fn the_next_probe_is_another_delivery() {
    let mut settings = mail_settings();
    settings.destinations[0].1 = 1;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.polled([mail(0, "a"), mail(1, "b"), mail(2, "c")]);
    lane.answer("a", misconfigured());
    assert_eq!(lane.running(), ["c"], "the latest");
    lane.answer("c", misconfigured());
    lane.advance(seconds(59));
    assert!(lane.attempts.is_empty(), "two agree: once a minute from now on");
    lane.advance(seconds(1));
    assert_eq!(lane.running(), ["b"]);
    lane.answer("b", delivered());
    assert_eq!(lane.running(), ["a"]);
}

#[test]
fn who_is_throttled_again_after_others_were_served_holds_up_nobody() {
    let limited = |retry_after| Answer::Throttled {
        failure: Failure::new(Reason::RateLimited, "450").at_recipient(),
        retry_after,
    };
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.answer("a", limited(None));
    lane.answer("b", delivered());
    assert_eq!(lane.next_attempt_in(), Some(seconds(1)));
    lane.answer("a", limited(None));
    lane.polled([mail(2, "c")]);
    lane.answer("c", delivered());
    assert_eq!(lane.next_attempt_in(), Some(seconds(1)));
    lane.answer("a", limited(Some(seconds(9))));
    lane.polled([mail(3, "d")]);
    assert_eq!(lane.next_attempt_in(), Some(seconds(9)), "a limit with a time is obeyed by all");
}

#[test]
fn a_probe_that_does_not_connect_mends_nothing() {
    let no_connection = || Answer::Transient { failure: Failure::new(Reason::Connect, "refused"), retry_after: None };
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.answer("a", misconfigured());
    lane.answer("b", no_connection());
    assert_eq!(lane.next_attempt_in(), Some(seconds(1)));
    lane.answer("b", no_connection());
    lane.advance(seconds(30));
    assert!(lane.attempts.is_empty());
    assert_eq!(lane.snapshot().destinations_stopped.len(), 1);
}

/// What is refused without asking the provider says nothing of it, and does not take the next one's turn.
#[test]
fn a_probe_that_cannot_be_built_mends_nothing() {
    let mut settings = mail_settings();
    settings.destinations[0].1 = 1;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.polled([mail(0, "a"), mail(1, "b"), mail(2, "c"), mail(3, "d"), mail(4, "e")]);
    lane.answer("a", misconfigured());
    for (who, reason) in [("e", Reason::InvalidMessage), ("d", Reason::InvalidAddress), ("c", Reason::Bug)] {
        lane.answer(who, Answer::Permanent { failure: Failure::new(reason, "not sent") });
        assert_eq!(lane.snapshot().destinations_stopped.len(), 1, "{reason:?}");
    }
    assert_eq!(lane.running(), ["b"]);
    lane.answer("b", permanent());
    assert_eq!(lane.snapshot().destinations_stopped, [], "nobody: it was asked");
}

#[test]
fn an_unknown_end_is_on_record_before_it_is_risked_again_and_then_dead() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.polled([mail(0, "a")]);
    lane.answer("a", unknown());
    assert_eq!(lane.waiting(), ["parked 1/1"]);
    lane.advance(Duration::from_millis(1900));
    assert!(lane.attempts.is_empty(), "the pointer is not durable yet");
    lane.ack_all();
    assert!(lane.next_attempt_in().is_some());
    lane.kafka_answers = true;
    lane.answer("a", unknown());
    assert_eq!(lane.settled, ["a@example.com dead (unknown) after 2"]);
    assert_eq!(lane.count(|report| matches!(report, Report::Ambiguous)), 2);
    assert_eq!(lane.ledger_names(), ["parked 1/1", "receipt dead", "forget parked"]);
}

#[test]
fn without_unknown_retries_a_lost_reply_is_not_risked() {
    let mut settings = mail_settings();
    settings.retry.unknown_retries = 0;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.polled([mail(0, "a")]);
    lane.answer("a", unknown());
    assert_eq!(lane.settled, ["a@example.com dead (unknown) after 1"]);
}

#[test]
fn a_permanent_failure_dies_at_once_with_the_last_answer() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.answer("a", permanent());
    lane.answer("b", Answer::Permanent { failure: Failure::new(Reason::Bug, "panicked") });
    let reasons: Vec<&str> = lane.dead.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, ["rejected", "bug"]);
    assert_eq!(lane.dead[0].last_answer.as_deref(), Some("550 nobody"));
}

/// What waited in Kafka behind a full partition was held up by the stop as much as what waited here.
#[test]
fn stopped_time_does_not_count_for_what_comes_after_it() {
    let mut lane = LaneUnderTest::reading(); // give_up_after 1 h
    lane.polled([mail(0, "a")]);
    lane.answer("a", misconfigured());
    lane.advance(minutes(120));
    lane.answer("a", delivered());
    lane.polled([mail(1, "b").aged(minutes(100))]);
    lane.answer("b", transient());
    assert_eq!(lane.settled, ["a@example.com delivered after 1"]);
    lane.advance(minutes(61));
    lane.answer("b", transient());
    assert_eq!(lane.settled.len(), 2, "its own time counts: {:?}", lane.settled);
}
