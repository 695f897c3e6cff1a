//! P6: what may be missing stops the partition, loudly, until an operator accepts.

use super::{
    harness::LaneUnderTest,
    words::{delivered, hours, mail, mail_settings, seconds},
};
use crate::{
    lane::{CommitPosition, Event, Report},
    ledger::{Control, LedgerEntry, LedgerKey},
    start::Gap,
};

fn stopped(lane: &LaneUnderTest) -> usize {
    lane.count(|report| matches!(report, Report::PartitionStopped { .. }))
}

/// The gap that was told last.
fn gap(lane: &LaneUnderTest) -> Option<Gap> {
    lane.reports.iter().rev().find_map(|report| match report {
        Report::PartitionStopped { gap, .. } => Some(*gap),
        _ => None,
    })
}

fn accept(lane: &mut LaneUnderTest, position: i64) {
    lane.tail(LedgerKey::accept(), Some(LedgerEntry::Control(Control::Accept { position })));
    lane.advance(seconds(1));
}

/// Settles offset 0, leaves 1 open, and then somebody moves the commit to 5.
fn moved_forward() -> LaneUnderTest {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.answer("a", delivered());
    lane.advance(seconds(3));
    lane.committed.insert(0, CommitPosition { partition: 0, position: 5, metadata: String::new() });
    lane.successor()
}

#[test]
fn a_commit_moved_past_unsettled_work_stops_the_partition() {
    let mut lane = moved_forward();
    let writes = lane.ledger.len();
    assert_eq!(lane.take_said(), ["restore 0"]);
    assert_eq!(stopped(&lane), 1);
    assert!(lane.snapshot().partitions[0].stopped);
    lane.polled([mail(5, "c")]);
    lane.advance(seconds(120));
    assert!(lane.attempts.is_empty());
    assert!(lane.commit.is_none());
    assert_eq!(lane.ledger.len(), writes, "nothing is written, nothing committed");
    lane.take_said();
    lane.handle(Event::Revoked(vec![0]));
    assert_eq!(lane.take_said(), ["forget 0", "release [0]"]);
    assert_eq!(lane.position(), Some(5));
}

#[test]
fn an_accept_looks_again_and_goes_on_where_it_says() {
    let mut lane = moved_forward();
    lane.take_said();
    accept(&mut lane, 1);
    assert_eq!(lane.take_said(), ["forget 0", "restore 0"]);
    lane.restore(0);
    assert_eq!(lane.take_said(), ["read 0 from 1"]);
    lane.polled([mail(1, "b")]);
    lane.answer("b", delivered());
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(2));
    assert!(lane.ledger_names().contains(&"forget control".to_owned()), "used once");
}

/// Landing later, when the partition may have gone on, it would take the next owner's back.
#[test]
fn an_accept_waits_for_the_commit_that_is_under_way() {
    let mut lane = LaneUnderTest::reading();
    lane.kafka_answers = false;
    lane.advance(seconds(20));
    lane.handle(Event::OutOfRange { partition: 0, position: 0, low: 5, end: 9 });
    while !lane.writes.is_empty() {
        lane.ack_next();
    }
    lane.take_said();
    accept(&mut lane, 5);
    assert!(lane.commit.is_some() && lane.take_said().is_empty());
    lane.ack_commit();
    lane.advance(seconds(1));
    assert_eq!(lane.take_said(), ["forget 0", "restore 0"]);
}

#[test]
fn an_accept_outside_the_topic_is_looked_at_once() {
    let mut lane = moved_forward();
    accept(&mut lane, -3);
    lane.restore(0);
    lane.take_said();
    lane.advance(seconds(30));
    assert_eq!(lane.take_said(), [""; 0]);
    assert_eq!(stopped(&lane), 2);
}

#[test]
fn an_accept_that_nobody_needed_does_not_take_the_progress_back() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.answer("a", delivered());
    lane.answer("b", delivered());
    lane.advance(seconds(3));
    accept(&mut lane, 0);
    lane.committed.insert(0, CommitPosition { partition: 0, position: 0, metadata: String::new() });
    let next = lane.successor();
    assert_eq!(next.position(), Some(0), "a reset is obeyed");
    let progress: Vec<i64> = next
        .ledger
        .iter()
        .filter_map(|(_, record)| match &record.entry {
            Some(LedgerEntry::Progress(progress)) => Some(progress.position),
            _ => None,
        })
        .collect();
    assert!(progress.is_sorted(), "{progress:?}");
}

#[test]
fn records_that_left_the_topic_unsettled_stop_it() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.bounds = (4, 9);
    let lane = lane.successor();
    assert_eq!(stopped(&lane), 1);
}

#[test]
fn an_offset_out_of_range_stops_a_partition_that_reads() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.take_said();
    lane.handle(Event::OutOfRange { partition: 0, position: 1, low: 5, end: 9 });
    assert_eq!(gap(&lane), Some(Gap::Vanished { from: 0, to: 5 }), "the line says what is missing, what waits too");
    lane.answer("a", delivered());
    lane.polled([mail(7, "b")]);
    lane.advance(seconds(60));
    assert!(lane.attempts.is_empty());
    assert_eq!((stopped(&lane), lane.position()), (1, Some(0)));
    assert_eq!(lane.ledger_names(), ["receipt delivered"], "what ran may finish");
    lane.bounds = (5, 9);
    accept(&mut lane, 5);
    lane.restore(0);
    assert_eq!(lane.take_said(), ["forget 0", "restore 0", "read 0 from 5"]);
}

/// Offsets 0 and 1 are settled, and the broker refuses position 2.
fn refused_at_two(low: i64, end: i64) -> LaneUnderTest {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.answer("a", delivered());
    lane.answer("b", delivered());
    lane.advance(seconds(3));
    lane.bounds = (low, end);
    lane.take_said();
    lane.handle(Event::OutOfRange { partition: 0, position: 2, low, end });
    lane.polled([mail(2, "c")]);
    lane.advance(seconds(60));
    assert_eq!((stopped(&lane), lane.position(), lane.attempts.len()), (1, Some(2), 0));
    lane
}

/// Where the gap can no longer be seen from outside an accept still releases the partition.
#[test]
fn an_accept_releases_a_partition_whose_topic_has_grown_again() {
    for (end, expected) in
        [(9, Gap::Regrown { position: 2, low: 0, end: 9 }), (1, Gap::BeyondEnd { position: 2, end: 1 })]
    {
        let mut lane = refused_at_two(0, end);
        assert_eq!(gap(&lane), Some(expected));
        lane.bounds = (0, 9);
        accept(&mut lane, 2);
        lane.restore(0);
        let again = "reading again finds what stands where other records stood, and sends nothing that has a receipt";
        assert_eq!(lane.take_said(), ["forget 0", "restore 0", "read 0 from 0"], "{again}");
        lane.polled([mail(0, "a"), mail(1, "other"), mail(2, "c")]);
        assert_eq!(lane.running(), ["other", "c"]);
        lane.answer("other", delivered());
        lane.answer("c", delivered());
        lane.advance(seconds(3));
        assert_eq!(lane.position(), Some(3));
        assert!(!lane.snapshot().partitions[0].stopped);
    }
}

/// The next owner cannot see the cut, and would go on at the commit.
#[test]
fn a_cut_stops_the_next_owner_too_until_it_is_accepted() {
    let mut lane = refused_at_two(0, 9);
    lane.take_said();
    lane.handle(Event::Revoked(vec![0]));
    assert_eq!(lane.take_said(), ["forget 0", "release [0]"]);
    lane.bounds = (0, 12);
    let next = lane.successor();
    assert_eq!(gap(&next), Some(Gap::Regrown { position: 2, low: 0, end: 12 }));
    let mut next = next.successor();
    assert_eq!((stopped(&next), next.take_said()), (1, vec!["restore 0".to_owned()]));

    accept(&mut next, 2);
    next.restore(0);
    assert_eq!(next.take_said(), ["forget 0", "restore 0", "read 0 from 0"]);
    next.polled([mail(0, "a"), mail(1, "b"), mail(2, "c")]);
    next.answer("c", delivered());
    next.advance(seconds(3));
    assert!(next.ledger_names().ends_with(&["forget control".to_owned(), "forget control".to_owned()]));
    let mut last = next.successor();
    assert_eq!((stopped(&last), last.take_said()), (0, vec!["restore 0".to_owned(), "read 0 from 3".to_owned()]));
}

/// Only the cut keeps the next owner from going on at the old commit.
#[test]
fn an_accepted_cut_stands_until_the_commit_is_back() {
    let mut lane = refused_at_two(0, 9);
    accept(&mut lane, 2);
    lane.kafka_answers = false;
    lane.restore(0);
    while !lane.writes.is_empty() {
        lane.ack_next();
    }
    lane.advance(seconds(3));
    assert_eq!((lane.position(), lane.commit.is_some()), (Some(2), true), "the commit is under way");
    let mut next = lane.successor();
    assert_eq!(next.take_said(), ["restore 0", "read 0 from 0"]);
}

#[test]
fn a_death_before_the_cut_is_written_leaves_what_there_was() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", delivered());
    lane.advance(seconds(3));
    lane.bounds = (0, 9);
    lane.kafka_answers = false;
    lane.handle(Event::OutOfRange { partition: 0, position: 1, low: 0, end: 9 });
    lane.take_said();
    lane.handle(Event::Revoked(vec![0]));
    assert_eq!(lane.take_said(), [""; 0], "a release in order waits for it");
    let mut next = lane.successor();
    assert_eq!(next.take_said(), ["restore 0", "read 0 from 1"]);
}

#[test]
fn a_standing_cut_is_written_again_every_day() {
    let mut lane = refused_at_two(0, 9);
    let written = lane.ledger.len();
    lane.freeze(hours(24));
    lane.advance(seconds(2));
    assert_eq!(lane.ledger.len(), written + 1);
    assert_eq!(lane.ledger_names().last().map(String::as_str), Some("cut { position: 2 }"));
}

/// It came before somebody could have looked.
#[test]
fn an_accept_from_before_a_gap_does_not_release_the_next_owner() {
    let mut lane = refused_at_two(0, 9);
    accept(&mut lane, 2);
    lane.restore(0);
    lane.handle(Event::OutOfRange { partition: 0, position: 3, low: 0, end: 9 });
    assert_eq!(stopped(&lane.successor()), 1);
}

#[test]
fn an_accept_without_a_gap_to_be_seen_goes_on_where_the_lane_had_come_to() {
    let mut lane = refused_at_two(3, 9);
    assert_eq!(gap(&lane), Some(Gap::Vanished { from: 2, to: 3 }));
    lane.bounds = (0, 9); // a false alarm
    accept(&mut lane, 2);
    lane.restore(0);
    assert_eq!(lane.take_said(), ["forget 0", "restore 0", "read 0 from 2"]);
}

/// Otherwise it would open the next gap, which nobody has looked at.
#[test]
fn an_accept_that_a_reading_partition_does_not_need_is_deleted() {
    let mut lane = LaneUnderTest::reading();
    accept(&mut lane, 0);
    assert_eq!(lane.ledger_names().last().map(String::as_str), Some("forget control"));
    lane.polled([mail(0, "a")]);
    lane.bounds = (4, 9);
    assert_eq!(stopped(&lane.successor()), 1);
}

#[test]
fn markers_at_the_end_count_as_done_and_open_records_do_not() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.handle(Event::Passed { partition: 0, position: 2 });
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(0), "a is not settled");
    lane.answer("a", delivered());
    lane.advance(seconds(3));
    assert_eq!(lane.position(), Some(2));
    lane.bounds = (2, 2);
    assert_eq!(stopped(&lane.successor()), 0, "retention took the record and the marker");
}

#[test]
fn a_refused_partition_is_loud_and_idle() {
    let mut lane = LaneUnderTest::new(mail_settings());
    lane.handle(Event::Assigned(vec![0]));
    let epoch = lane.epochs[&0];
    lane.handle(Event::Refused { partition: 0, epoch, detail: "the ledger has 3 partitions".into() });
    lane.polled([mail(0, "a")]);
    lane.advance(seconds(60));
    assert!(lane.attempts.is_empty() && lane.writes.is_empty() && lane.committed.is_empty());
    assert_eq!(lane.count(|report| matches!(report, Report::PartitionRefused { .. })), 1);
}

#[test]
fn a_reset_to_an_earlier_offset_sends_nothing_again_and_keeps_the_progress() {
    let mut lane = LaneUnderTest::reading();
    lane.polled((0..10).map(|offset| mail(offset, &offset.to_string())));
    (0..10).for_each(|offset| lane.answer(&offset.to_string(), delivered()));
    lane.advance(seconds(3));
    lane.committed.insert(0, CommitPosition { partition: 0, position: 2, metadata: String::new() });
    let mut next = lane.successor();
    assert_eq!(next.take_said(), ["restore 0", "read 0 from 2"]);
    next.polled((2..12).map(|offset| mail(offset, &offset.to_string())));
    assert_eq!(next.running(), ["10", "11"]);
    next.advance(seconds(3));
    assert_eq!(next.position(), Some(10));
}
