//! What a lane holds in memory is bounded, whatever comes: letters by their bytes, work in hand by its count.

use std::collections::BTreeSet;

use super::{
    harness::LaneUnderTest,
    words::{
        Draft, delivered, garbage, hours, mail, mail_settings, minutes, misconfigured, seconds, slack, slack_settings,
        unknown,
    },
};
use crate::{
    lane::{Event, PauseReason, Write},
    limits,
};

const MIB: usize = 1024 * 1024;

/// One record of a mebibyte to a thousand recipients who cannot be reached.
fn doomed(offset: i64) -> Draft {
    let names: Vec<String> = (0..limits::RECIPIENTS_MAX).map(|n| format!("not an address {n}")).collect();
    mail(offset, "doomed").to(&names.iter().map(String::as_str).collect::<Vec<_>>()).bytes(MIB)
}

/// A newsletter to a thousand recipients, each named after it.
fn newsletter(offset: i64) -> Draft {
    let names: Vec<String> = (0..limits::RECIPIENTS_MAX).map(|n| format!("{offset}-{n}")).collect();
    mail(offset, &format!("news-{offset}")).to(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Everything may be attempted at once.
fn wide() -> LaneUnderTest {
    let mut settings = mail_settings();
    settings.in_flight_max = 10 * limits::WAITING_MAX;
    settings.destinations[0].1 = settings.in_flight_max;
    LaneUnderTest::reading_with(settings)
}

/// Bytes of the dead letters that are not acknowledged.
fn letter_bytes(lane: &LaneUnderTest) -> usize {
    let value = |write: &Write| match write {
        Write::DeadLetter(letter) => letter.value.as_ref().map_or(0, Vec::len),
        Write::Ledger { .. } | Write::Replace { .. } => 0,
    };
    lane.writes.iter().map(|(_, write)| value(write)).sum()
}

#[track_caller]
fn assert_bounded(lane: &LaneUnderTest) {
    let bytes = letter_bytes(lane);
    assert!(bytes <= limits::LETTER_BYTES_MAX + MIB, "{bytes} bytes of letters are under way");
}

#[test]
fn a_thousand_letters_of_one_large_record_go_out_a_few_at_a_time() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.polled([doomed(0), mail(1, "good")]);
    assert_eq!(lane.running(), ["good"], "nobody else is held up");
    let mut buried = BTreeSet::new();
    while !lane.writes.is_empty() {
        assert_bounded(&lane);
        lane.ack_next();
        for letter in lane.dead.drain(..) {
            assert!(buried.insert(letter.recipient), "each once");
        }
    }
    assert_eq!(buried.len(), limits::RECIPIENTS_MAX);
    let settled: BTreeSet<&String> = lane.settled.iter().collect();
    assert_eq!((settled.len(), lane.settled.len()), (limits::RECIPIENTS_MAX, limits::RECIPIENTS_MAX), "each once");
    lane.answer("good", delivered());
    lane.kafka_answers = true;
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(2));
}

#[test]
fn a_revoke_waits_for_letters_until_its_deadline_and_leaves_the_rest_to_the_next_owner() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.polled([doomed(0)]);
    lane.take_said();
    lane.handle(Event::Revoked(vec![0]));
    lane.ack_next();
    lane.advance(seconds(19));
    assert_bounded(&lane);
    lane.advance(seconds(1));
    lane.kafka_answers = true;
    lane.advance(seconds(1));
    assert_eq!(lane.take_said(), ["forget 0", "release [0]"]);
    assert_eq!(lane.position(), Some(0), "its offset is open");
    let written = lane.settled.len();
    assert!((1..100).contains(&written), "{written} letters");
    let mut next = lane.successor();
    next.polled([doomed(0)]);
    next.advance(seconds(3));
    assert_eq!(next.settled.len(), limits::RECIPIENTS_MAX - written, "those that have no receipt");
    assert_eq!(next.position(), Some(1));
}

#[test]
fn a_revoke_waits_for_a_letter_that_another_partition_leaves_no_room() {
    let mut lane = LaneUnderTest::reading();
    lane.assign(1);
    lane.advance(seconds(1));
    lane.kafka_answers = false;
    lane.polled([garbage(0).bytes(limits::LETTER_BYTES_MAX), garbage(0).in_partition(1)]);
    assert_eq!(lane.waiting(), ["dead malformed"]);
    lane.take_said();
    lane.handle(Event::Revoked(vec![1]));
    assert_eq!(lane.waiting(), ["dead malformed"], "it has not finished");
    lane.kafka_answers = true;
    lane.advance(seconds(1));
    assert_eq!(lane.take_said(), ["forget 1", "release [1]"]);
    assert_eq!((lane.settled.len(), lane.committed[&1].position), (2, 1));
}

/// Without its pointer the next owner would risk another copy.
#[test]
fn a_lost_reply_whose_letter_found_no_room_stays_on_record() {
    let mut settings = mail_settings();
    settings.retry.unknown_retries = 0;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.polled([mail(0, "a")]);
    lane.kafka_answers = false;
    lane.polled([doomed(1)]);
    lane.answer("a", unknown());
    lane.handle(Event::Revoked(vec![0]));
    lane.advance(seconds(20));
    lane.kafka_answers = true;
    lane.advance(seconds(1));
    assert!(lane.ledger_names().contains(&"parked 1/1".to_owned()), "{:?}", lane.ledger_names());
    let mut next = lane.successor();
    next.polled([mail(0, "a")]);
    next.advance(seconds(2));
    assert_eq!(next.settled, ["a@example.com dead (unknown) after 1"]);
    assert_eq!(next.attempts.len(), 0);
}

#[test]
fn a_loss_forgets_the_letters_that_wait() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.polled([doomed(0)]);
    lane.handle(Event::Lost(vec![0]));
    let mut written = 0;
    while !lane.writes.is_empty() {
        written += usize::from(lane.ack_next().starts_with("dead"));
    }
    assert!(written < 100, "{written} letters of a partition that is another's");
}

/// In one poll, far more than a lane may hold.
#[test]
fn a_full_partition_keeps_aside_what_was_handed_over_and_loses_nothing() {
    let mut lane = wide();
    lane.take_said();
    let records: i64 = 50;
    lane.polled((0..records).map(newsletter));
    lane.handle(Event::Passed { partition: 0, position: records + 1 });
    lane.polled([mail(records + 1, "last")]);
    assert_eq!(lane.take_said(), ["pause [0]"]);
    let mut delivered_to = 0;
    while !lane.attempts.is_empty() {
        assert!(lane.attempts.len() < limits::WAITING_MAX + limits::RECIPIENTS_MAX, "{}", lane.attempts.len());
        assert!(lane.position() <= Some(records), "nothing passes what is kept aside");
        for attempt in std::mem::take(&mut lane.attempts) {
            lane.handle(Event::Answered { work: attempt.work, answer: delivered() });
            delivered_to += 1;
        }
    }
    assert_eq!(lane.take_said(), ["resume [0]"]);
    let recipients = usize::try_from(records).unwrap() * limits::RECIPIENTS_MAX + 1;
    assert_eq!((delivered_to, lane.attempted.len()), (recipients, recipients), "each once");
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(records + 2));
}

#[test]
fn what_is_kept_aside_is_the_next_owners_after_a_revoke() {
    let mut lane = wide();
    lane.polled((0..30).map(newsletter));
    assert_eq!(lane.snapshot().partitions[0].paused, Some(PauseReason::Full));
    let begun = std::mem::take(&mut lane.attempts);
    lane.handle(Event::Revoked(vec![0]));
    for attempt in &begun {
        lane.handle(Event::Answered { work: attempt.work, answer: delivered() });
    }
    assert_eq!(lane.attempts.len(), 0, "nothing new begins");
    let open = i64::try_from(begun.len() / limits::RECIPIENTS_MAX).unwrap();
    assert_eq!(lane.position(), Some(open));
    let mut next = lane.successor();
    next.polled((open..30).map(newsletter));
    assert_eq!(next.attempts.len(), 30 * limits::RECIPIENTS_MAX - begun.len());
}

/// A stopped destination keeps what waits for it, and no more: the rest of the room is the others'.
#[test]
fn a_stopped_destination_that_holds_half_the_room_does_not_hold_up_the_others() {
    let mut settings = slack_settings();
    settings.retry.delay_min = minutes(1);
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.lane.bounds.deliveries = 1_000;
    let event = |offset: i64, to: &str| slack(offset, &offset.to_string(), to);
    lane.polled([event(0, "ops")]);
    lane.answer("ops", misconfigured());
    lane.polled((1..600).map(|offset| event(offset, "ops")));
    lane.answer("ops", misconfigured()); // the probe
    lane.take_said();
    lane.polled((600..1_000).map(|offset| event(offset, "sales")));
    assert_eq!(lane.take_said(), ["pause [0]"]);
    lane.polled([event(1_000, "sales")]);
    for _ in 600..=1_000 {
        lane.answer("sales", delivered());
    }
    assert_eq!(lane.take_said(), ["resume [0]"]);
    lane.polled([event(1_001, "sales")]);
    assert_eq!(lane.running(), ["sales"]);
}

#[test]
fn a_full_partition_goes_on_when_its_share_grows() {
    let mut lane = LaneUnderTest::reading();
    lane.assign(1);
    lane.advance(seconds(1));
    lane.lane.bounds.deliveries = 1_000;
    let later = lane.now().wall.after(hours(1));
    let waits = |offset: i64| mail(offset, &offset.to_string()).with(|event| event.not_before = Some(later));
    lane.take_said();
    lane.polled((0..501).map(waits));
    assert_eq!(lane.take_said(), ["pause [0]"]);
    lane.handle(Event::Revoked(vec![1]));
    lane.advance(seconds(3));
    assert_eq!(lane.take_said(), ["forget 1", "release [1]", "resume [0]"]);
    lane.polled([mail(501, "now")]);
    assert_eq!(lane.running(), ["now"]);
}

/// A later copy of what has a receipt sends nothing, but its receipts are written again: they count, too.
#[test]
fn receipts_that_are_renewed_count_as_held() {
    let mut lane = wide();
    for offset in 0..30 {
        lane.polled([newsletter(offset)]);
        for attempt in std::mem::take(&mut lane.attempts) {
            lane.handle(Event::Answered { work: attempt.work, answer: delivered() });
        }
    }
    lane.freeze(hours(25));
    lane.advance(seconds(3));
    lane.kafka_answers = false;
    lane.polled((0..30).map(|n| {
        let mut again = newsletter(n);
        again.position.offset += 30;
        again
    }));
    assert_eq!(lane.writes.len(), limits::WAITING_MAX);
    lane.kafka_answers = true;
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(60));
}
