//! Whom a refusal concerns: what stops a destination, what holds it up, and what shows that it works.

use super::{
    harness::LaneUnderTest,
    words::{
        delivered, hours, limited, mail, mail_settings, minutes, misconfigured, refused_at_the_door, seconds, slack,
        slack_settings, throttled,
    },
};
use crate::{
    answer::{Answer, Failure, Reason},
    lane::Report,
};

/// The reasons that the channels give for what is ours to mend.
const OURS: [Reason; 5] = [Reason::Auth, Reason::Tls, Reason::SenderRejected, Reason::Forbidden, Reason::Protocol];

fn ours(reason: Reason) -> Answer {
    Answer::Misconfigured { failure: Failure::new(reason, "ours to mend").at_recipient() }
}

fn is_stopped(lane: &LaneUnderTest) -> bool {
    !lane.snapshot().destinations_stopped.is_empty()
}

fn stops(lane: &LaneUnderTest) -> usize {
    lane.count(|report| matches!(report, Report::DestinationStopped { .. }))
}

/// A destination that has served two recipients.
fn working() -> LaneUnderTest {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "served"), mail(1, "too")]);
    lane.answer("served", delivered());
    lane.answer("too", delivered());
    lane
}

fn refuse_all(lane: &mut LaneUnderTest, answer: &Answer) {
    for who in lane.running() {
        lane.answer(&who, answer.clone());
    }
}

/// A login that is refused, a relay that is full: no second recipient has to be asked.
#[test]
fn what_is_said_before_a_recipient_is_named_is_about_everybody() {
    let mut lane = working();
    for n in 2..5 {
        lane.polled([mail(n, &format!("a{n}"))]);
        lane.answer(&format!("a{n}"), refused_at_the_door());
        assert!(is_stopped(&lane));
        lane.advance(minutes(1));
        lane.answer(&format!("a{n}"), delivered());
        assert!(!is_stopped(&lane));
    }
    assert_eq!(stops(&lane), 3);
    lane.polled([mail(5, "b")]);
    lane.answer("b", Answer::Throttled { failure: Failure::new(Reason::RateLimited, "421"), retry_after: None });
    lane.polled([mail(6, "c")]);
    assert_eq!(lane.running(), [""; 0], "it waits, too");
    lane.advance(seconds(10));
    lane.answer("b", delivered());
    lane.answer("c", delivered());
    assert!(lane.settled.iter().all(|settled| settled.ends_with("after 1")), "it burnt nothing: {:?}", lane.settled);
}

/// Some were under way when the relay began to refuse: what it still accepted is no proof against those it refused.
#[test]
fn a_destination_that_begins_to_refuse_stops_once_and_burns_nothing() {
    for reason in OURS {
        let mut lane = working();
        lane.polled((2..20).map(|n| mail(n, &format!("early-{n}"))));
        for n in 2..20 {
            let who = format!("early-{n}");
            lane.answer(&who, if n % 2 == 0 { ours(reason) } else { delivered() });
        }
        lane.polled((20..30).map(|n| mail(n, &format!("late-{n}"))));
        refuse_all(&mut lane, &ours(reason));
        assert!(is_stopped(&lane), "{reason:?}");
        let asked: u32 = lane.attempted.values().sum();
        for _ in 0..120 {
            lane.advance(minutes(1));
            refuse_all(&mut lane, &ours(reason));
        }
        assert!(is_stopped(&lane), "{reason:?}");
        assert_eq!(stops(&lane), 1, "one loud line: {reason:?}");
        assert!(lane.attempted.values().sum::<u32>() <= asked + 121, "asked once a minute: {reason:?}");
        assert_eq!(lane.dead.len(), 0, "{reason:?}");
        lane.settled.clear();
        while lane.settled.len() < 19 {
            if let [who, ..] = lane.running().as_slice() {
                let who = who.clone();
                lane.answer(&who, delivered());
            } else {
                lane.advance(seconds(1));
            }
        }
        assert!(lane.settled.iter().all(|settled| settled.ends_with("delivered after 1")), "{:?}", lane.settled);
    }
}

/// Everybody was refused once, and somebody was served after each: nothing new comes.
#[test]
fn those_that_wait_stop_it_without_anything_new() {
    for reason in OURS {
        let mut lane = working();
        lane.polled((2..10).map(|n| mail(n, &format!("{n}"))));
        for n in 2..10 {
            lane.answer(&n.to_string(), if n % 2 == 0 { ours(reason) } else { delivered() });
        }
        for _ in 0..60 {
            lane.advance(seconds(1));
            refuse_all(&mut lane, &ours(reason));
        }
        assert!(is_stopped(&lane), "{reason:?}");
        lane.advance(hours(3));
        assert_eq!((stops(&lane), lane.dead.len()), (1, 0), "{reason:?}");
    }
}

/// What a probe meets before the credentials are looked at, or without asking, or what is said of us, mends nothing.
#[test]
fn only_a_recipients_own_trouble_shows_that_a_stopped_destination_works() {
    let proofs = [Reason::UnknownRecipient, Reason::MailboxFull, Reason::TryLater];
    for &reason in Reason::ALL {
        let failure = || Failure::new(reason, "said to a probe");
        let all = [
            Answer::Transient { failure: failure(), retry_after: None },
            Answer::Permanent { failure: failure() },
            Answer::Unknown { failure: failure() },
            Answer::Throttled { failure: failure(), retry_after: None },
            Answer::Throttled { failure: failure(), retry_after: Some(seconds(1)) },
            Answer::Misconfigured { failure: failure() },
        ];
        for (kind, answer) in all.into_iter().enumerate() {
            let mut lane = LaneUnderTest::reading();
            lane.polled([mail(0, "a"), mail(1, "b"), mail(2, "c")]);
            lane.answer("a", delivered());
            lane.answer("b", misconfigured());
            lane.answer("c", misconfigured());
            assert!(is_stopped(&lane));
            lane.polled([mail(3, "probe")]);
            lane.answer("probe", answer.clone());
            let proves = kind < 2 && proofs.contains(&reason);
            assert_eq!(is_stopped(&lane), !proves, "{answer:?}");
        }
    }
}

/// A relay for inside that wants credentials for one address outside, and few mails: nobody waits for that one.
#[test]
fn one_recipient_refused_again_and_again_stops_nobody() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a")]);
    lane.answer("a", delivered());
    lane.polled([mail(1, "x")]);
    lane.answer("x", misconfigured());
    lane.polled([mail(2, "order-2").to(&["x"])]);
    lane.answer("x", misconfigured());
    for _ in 0..60 {
        lane.advance(seconds(5));
        refuse_all(&mut lane, &misconfigured());
        assert!(!is_stopped(&lane), "it may concern x alone");
    }
    let asked = lane.attempted["x@example.com"];
    assert!(asked < 30, "and asks less and less often: {asked}");
    lane.polled([mail(3, "b")]);
    lane.answer("b", delivered());
    lane.polled([mail(4, "order-4").to(&["x"]), mail(5, "y")]);
    lane.answer("x", misconfigured());
    lane.answer("y", misconfigured());
    assert!(!is_stopped(&lane), "of x it is known: it does not agree with y");
    lane.polled([mail(6, "z")]);
    lane.answer("z", misconfigured());
    assert!(is_stopped(&lane), "two that were not refused before");
}

/// Nobody else comes: after ten minutes without anybody served, it is everybody's trouble, for all that is known.
#[test]
fn one_recipient_refused_for_long_while_nobody_is_served_stops_the_destination() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "x")]);
    lane.answer("a", delivered());
    lane.answer("x", misconfigured());
    let begun = lane.now().wall;
    while !is_stopped(&lane) && lane.now().wall.since(begun) < hours(1) {
        lane.next_attempt_in();
        lane.answer("x", misconfigured());
    }
    let took = lane.now().wall.since(begun);
    assert!((minutes(10)..=minutes(11)).contains(&took), "{took:?}");
    lane.advance(seconds(30));
    lane.polled([mail(2, "b")]);
    lane.answer("b", delivered());
    assert!(!is_stopped(&lane), "whoever comes then is asked at once");
    lane.advance(minutes(1));
    lane.answer("x", delivered());
    assert_eq!(lane.settled.last().map(String::as_str), Some("x@example.com delivered after 1"), "it burnt nothing");
}

/// Where one recipient is all there is, it speaks for everybody, every time.
#[test]
fn a_destination_with_one_recipient_stops_at_its_first_refusal() {
    let mut lane = LaneUnderTest::reading_with(slack_settings());
    for round in 0..3 {
        lane.polled((0..8).map(|n| slack(8 * round + n, &format!("{round}-{n}"), "ops")));
        lane.answer("ops", misconfigured());
        lane.answer("ops", delivered());
        refuse_all(&mut lane, &misconfigured());
        assert!(is_stopped(&lane), "round {round}");
        for _ in 0..5 {
            assert_eq!(lane.next_attempt_in(), Some(minutes(1)));
            assert_eq!(lane.running(), ["ops"], "one probe at a time");
            lane.answer("ops", misconfigured());
        }
        lane.settled.clear();
        lane.advance(minutes(2));
        while !lane.running().is_empty() {
            lane.answer("ops", delivered());
        }
        assert_eq!(lane.settled, ["ops delivered after 1"; 7]);
    }
}

/// A mailbox with a limit of its own gets a part of the stream: the rest is not held up by any of it.
#[test]
fn a_limit_of_one_recipient_holds_up_nobody() {
    let mut lane = working();
    for n in (2..40).step_by(2) {
        lane.polled([mail(n, &format!("to-x-{n}")).to(&["x"])]);
        lane.answer("x", limited());
        lane.polled([mail(n + 1, &format!("c{n}"))]);
        lane.answer(&format!("c{n}"), delivered());
    }
    assert_eq!(lane.running(), [""; 0], "x does not hammer either");
}

#[test]
fn a_limit_that_two_recipients_meet_holds_up_the_destination() {
    let mut settings = mail_settings();
    settings.destinations[0].1 = 3;
    let mut lane = LaneUnderTest::reading_with(settings);
    lane.polled(["a", "b", "c", "d", "e", "f"].into_iter().zip(0..).map(|(who, offset)| mail(offset, who)));
    lane.answer("a", delivered());
    lane.answer("b", limited());
    assert_eq!(lane.running(), ["c", "d", "e"]);
    lane.answer("c", limited());
    lane.answer("d", limited());
    lane.answer("e", limited());
    assert_eq!(lane.running(), [""; 0]);
    assert_eq!(lane.next_attempt_in(), Some(seconds(1)));
    while let [who, ..] = lane.running().as_slice() {
        let who = who.clone();
        lane.answer(&who, delivered());
    }
    assert!(lane.settled.iter().all(|settled| settled.ends_with("after 1")), "it burnt nothing: {:?}", lane.settled);
}

/// A limit at the greeting says nothing of a password.
#[test]
fn a_throttled_probe_mends_nothing_and_its_limit_is_kept() {
    let mut lane = LaneUnderTest::reading();
    lane.polled([mail(0, "a"), mail(1, "b")]);
    lane.answer("a", misconfigured());
    lane.answer("b", throttled(minutes(5)));
    lane.advance(minutes(4));
    assert!(is_stopped(&lane));
    assert_eq!(lane.running(), [""; 0]);
    assert_eq!(lane.next_attempt_in(), Some(minutes(1)));
}
