//! From the assignment to the first attempt, and what becomes of each kind of record.

use super::{
    harness::LaneUnderTest,
    words::{delivered, garbage, hours, mail, mail_settings, minutes, seconds, transient},
};
use crate::{
    lane::{Event, RecordResult, Report},
    limits,
};

#[test]
fn an_assignment_writes_progress_commits_and_only_then_reads() {
    let mut lane = LaneUnderTest::new(mail_settings());
    lane.kafka_answers = false;
    lane.assign(0);
    assert_eq!(lane.take_said(), ["restore 0"]);
    assert!(lane.commit.is_none(), "no commit before the progress is durable");
    assert_eq!(lane.ack_next(), "progress 0");
    assert_eq!(lane.take_said(), [""; 0]);
    assert!(lane.commit.is_some());
    lane.ack_commit();
    assert_eq!(lane.take_said(), ["read 0 from 0"]);
    assert_eq!(lane.position(), Some(0));
}

#[test]
fn records_that_come_before_the_first_commit_are_not_touched() {
    let mut lane = LaneUnderTest::new(mail_settings());
    lane.kafka_answers = false;
    lane.assign(0);
    lane.polled([mail(0, "early")]);
    assert!(lane.attempts.is_empty());
    lane.ack_all();
    lane.polled([mail(0, "early")]);
    assert_eq!(lane.running(), ["early"]);
}

/// The Convoy case: one record fails for long, a hundred behind it are neither lost nor delayed.
#[test]
fn the_commit_waits_for_the_slowest_and_nobody_else_does() {
    let mut lane = LaneUnderTest::reading();
    lane.polled((0..=100).map(|offset| mail(offset, &format!("to-{offset}"))));
    assert_eq!(lane.attempts.len(), 101);
    lane.answer("to-0", transient());
    (1..=100).for_each(|offset| lane.answer(&format!("to-{offset}"), delivered()));
    assert_eq!(lane.settled.len(), 100);
    assert_eq!(lane.next_attempt_in(), Some(seconds(1)));
    lane.answer("to-0", transient());
    lane.advance(seconds(1));
    assert_eq!(lane.position(), Some(0), "the commit never passes what is not settled");
    lane.advance(seconds(1));
    lane.answer("to-0", delivered());
    lane.advance(seconds(2));
    assert_eq!(lane.position(), Some(101));
    assert_eq!(lane.attempted.values().sum::<u32>(), 103);
}

#[test]
fn an_invalid_address_dies_alone_and_the_record_closes_when_all_are_settled() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "order").to(&["ada", "not an address", "bob", "ada@EXAMPLE.com"])]);
    assert_eq!(lane.running(), ["ada", "bob"]);
    assert_eq!(lane.settled, ["not an address dead (invalid_address) after 0"]);
    lane.answer("bob", delivered());
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(0));
    lane.answer("ada", delivered());
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(1));
}

/// A letter that is too large for its topic would stop the lane, and one record with it everything behind.
#[test]
fn a_dead_letter_stays_small_beside_its_record() {
    let mut lane = LaneUnderTest::reading();
    let endless = format!("ä{}", "ää".repeat(100_000));
    lane.polled([mail(0, "order").to(&[&endless]).with(|event| event.event_type = "t".repeat(100_000))]);
    let letter = &lane.dead[0];
    let texts = [&letter.source, &letter.event_key, &letter.event_type, &letter.recipient];
    let bytes: usize = texts.into_iter().flatten().map(String::len).sum();
    assert!(bytes + letter.detail.len() < 4 * limits::DEAD_LETTER_TEXT_BYTES_MAX, "{bytes}");
    assert!(letter.recipient.as_ref().is_some_and(|recipient| endless.starts_with(recipient.as_str())));
}

#[test]
fn a_malformed_record_is_kept_byte_for_byte_and_the_partition_goes_on() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), garbage(1), mail(2, "b")]);
    assert_eq!(lane.running(), ["a", "b"]);
    assert_eq!(lane.dead[0].value.as_deref(), Some(&b"bytes as they came"[..]));
    assert_eq!(lane.dead[0].offset, 1);
    assert_eq!(lane.count(|report| matches!(report, Report::Record(RecordResult::Malformed))), 1);
    let mut next = lane.successor();
    next.polled([mail(0, "a"), garbage(1), mail(2, "b")]);
    assert_eq!(next.dead.len(), 1, "its receipt stands under its place");
}

#[test]
fn a_misplaced_record_moves_to_its_partition_and_is_open_until_that_is_durable() {
    let mut settings = mail_settings();
    settings.partitions = 64;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.kafka_answers = false;
    let home = crate::partitioner::partition_of(b"order-1", 64);
    assert_ne!(home, 0);
    lane.polled([mail(0, "order-1")]);
    assert!(lane.attempts.is_empty());
    lane.advance(seconds(1));
    assert_eq!(lane.waiting(), [format!("replace into {home}")]);
    lane.ack_commit();
    assert_eq!(lane.position(), Some(0));
    lane.kafka_answers = true;
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(1));
}

#[test]
fn a_misplaced_record_that_its_partition_refuses_is_kept_and_stops_nobody() {
    let mut settings = mail_settings();
    settings.partitions = 64;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.kafka_answers = false;
    lane.polled([mail(0, "order-1")]);
    lane.fail_next(crate::lane::WriteProblem::Refused("too large".into()));
    assert_eq!(lane.waiting(), ["dead misplaced"]);
    lane.kafka_answers = true;
    lane.ack_all();
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(1));
}

#[test]
fn not_before_waits_with_its_offset_open() {
    let mut lane = LaneUnderTest::reading();
    let later = lane.now().wall.after(minutes(10));
    lane.polled([mail(0, "later").with(|event| event.not_before = Some(later)), mail(1, "now")]);
    assert_eq!(lane.running(), ["now"]);
    lane.answer("now", delivered());
    assert_eq!(lane.next_attempt_in(), Some(minutes(10)));
    assert_eq!(lane.position(), Some(0));
}

#[test]
fn a_not_before_beyond_the_events_own_life_is_refused() {
    let mut lane = LaneUnderTest::reading();
    let later = lane.now().wall.after(hours(7 * 24));
    lane.polled([mail(0, "far").with(|event| event.not_before = Some(later))]);
    assert_eq!(lane.settled, ["far@example.com dead (too_far_ahead) after 0"]);
}

/// As far ahead as ingest lets it lie, it is sent and tried for as long as any other.
#[test]
fn the_furthest_not_before_has_time_for_every_attempt() {
    for give_up_after in [minutes(30), hours(2)] {
        let mut settings = mail_settings();
        settings.retention = hours(8);
        settings.retry.give_up_after = give_up_after;
        let ahead = settings.retry.not_before_max(settings.retention);
        let mut lane = LaneUnderTest::reading_with(settings);
        let due = lane.now().wall.after(ahead);
        lane.polled([mail(0, "far").with(|event| event.not_before = Some(due))]);
        lane.advance(ahead);
        while lane.dead.is_empty() {
            lane.answer("far", transient());
            lane.advance(minutes(1));
        }
        assert!(give_up_after <= lane.now().wall.since(due), "{:?}", lane.settled);
    }
}

#[test]
fn what_expires_while_it_waits_is_not_sent() {
    let mut lane = LaneUnderTest::reading();
    let soon = lane.now().wall.after(seconds(90));
    lane.polled([mail(0, "a").with(|event| event.expires_at = Some(soon))]);
    (0..5).for_each(|_| {
        lane.answer("a", transient());
        assert!(lane.next_attempt_in().is_some());
    });
    lane.answer("a", transient()); // 31 s: the next wait is 32 s, then 60 s
    assert!(lane.next_attempt_in().is_some());
    lane.answer("a", transient());
    assert_eq!(lane.next_attempt_in(), None);
    assert_eq!(lane.settled, ["a@example.com expired after 7"]);
    let past = lane.now().wall;
    lane.polled([mail(1, "b").with(|event| event.expires_at = Some(past))]);
    assert_eq!(lane.settled.last().map(String::as_str), Some("b@example.com expired after 0"));
}

#[test]
fn what_is_older_than_the_window_is_never_sent() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "old").aged(hours(9 * 24 + 1)), mail(1, "young").aged(hours(6 * 24))]);
    assert_eq!(lane.settled, ["old@example.com dead (too_old) after 0"]);
    assert_eq!(lane.running(), ["young"]);
    assert_eq!(lane.count(|report| matches!(report, Report::Record(RecordResult::TooOld))), 1);
}

/// A topic that keeps its events longer than configured has a ledger that keeps its receipts longer.
#[test]
fn the_window_is_what_the_topics_keep_not_what_was_configured() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "sent")]);
    lane.answer("sent", delivered());
    lane.handle(Event::Kept { events: hours(30 * 24), receipts: hours(32 * 24) });
    lane.freeze(hours(10 * 24));
    lane.advance(seconds(3)); // a sweep, and the lease again
    lane.polled([mail(1, "old").aged(hours(12 * 24)), mail(2, "sent").aged(hours(10 * 24))]);
    assert_eq!(lane.running(), ["old"], "its event is still there, and so is the receipt of the other");
    let in_twenty_days = lane.now().wall.after(hours(20 * 24));
    lane.polled([mail(3, "later").with(|event| event.not_before = Some(in_twenty_days))]);
    assert!(lane.dead.is_empty(), "it will still be there: {:?}", lane.settled);
}

#[test]
fn a_transient_failure_near_the_end_of_retention_dies_with_its_bytes_in_time() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "late").aged(hours(7 * 24 - 1))]);
    lane.answer("late", transient());
    assert!(lane.attempts.is_empty());
    lane.advance(seconds(2));
    assert_eq!(lane.attempts.len(), 0);
    assert_eq!(lane.dead.len(), 1);
}

#[test]
fn a_full_partition_pauses_and_resumes_with_an_eighth_free() {
    let mut settings = mail_settings();
    settings.in_flight_max = limits::WAITING_MAX;
    settings.destinations[0].1 = limits::WAITING_MAX;
    let mut lane = LaneUnderTest::reading_with(settings);
    let full = i64::try_from(limits::WAITING_MAX).unwrap();
    lane.take_said();
    lane.polled((0..full - 1).map(|offset| mail(offset, &offset.to_string())));
    assert_eq!(lane.take_said(), [""; 0]);
    lane.polled([mail(full - 1, "last")]);
    assert_eq!(lane.take_said(), ["pause [0]"]);
    let eighth: Vec<u64> = lane.attempts.drain(..limits::WAITING_MAX / 8).map(|attempt| attempt.work).collect();
    eighth.into_iter().for_each(|work| lane.handle(crate::lane::Event::Answered { work, answer: delivered() }));
    assert_eq!(lane.take_said(), [""; 0], "not with each that ends");
    let work = lane.attempts.pop().unwrap().work;
    lane.handle(crate::lane::Event::Answered { work, answer: delivered() });
    assert_eq!(lane.take_said(), ["resume [0]"]);
}
