//! Whom a refusal concerns: what stops a destination, what holds it up, and what shows that it works.

use super::{
    harness::LaneUnderTest,
    words::{
        delivered, hours, limited, mail, mail_settings, minutes, misconfigured, seconds, slack, slack_settings,
        throttled,
    },
};
use crate::{
    answer::{Answer, Failure, Reason},
    lane::Report,
};

/// The reasons that the channels give for what is ours to mend.
const OURS: [Reason; 5] = [Reason::Auth, Reason::Tls, Reason::SenderRejected, Reason::Forbidden, Reason::Protocol];

fn ours(reason: Reason) -> Answer {
    Answer::Misconfigured { failure: Failure::new(reason, "ours to mend") }
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

/// A login that is refused, a relay that is full: no second one has to be asked.
#[test]
fn what_is_said_of_us_or_before_a_recipient_is_named_is_about_everybody() {
    let mut lane = working();
    for n in 2..5 {
        lane.polled([mail(n, &format!("a{n}"))]);
        lane.answer(&format!("a{n}"), misconfigured());
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

#[test]
fn a_destination_that_begins_to_refuse_stops_once_and_burns_nothing() {
    for reason in OURS {
        let mut lane = working();
        lane.polled((2..20).map(|n| mail(n, &format!("early-{n}"))));
        for n in 2..20 {
            let who = format!("early-{n}");
            lane.answer(&who, if n < 11 { delivered() } else { ours(reason) });
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
            lane.polled([mail(0, "a"), mail(1, "b")]);
            lane.answer("a", delivered());
            lane.answer("b", misconfigured());
            assert!(is_stopped(&lane));
            lane.polled([mail(3, "probe")]);
            lane.answer("probe", answer.clone());
            let proves = kind < 2 && proofs.contains(&reason);
            assert_eq!(is_stopped(&lane), !proves, "{answer:?}");
        }
    }
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

fn credentials_wanted() -> Answer {
    Answer::Misconfigured { failure: Failure::new(Reason::Auth, "530 authentication required").at_recipient() }
}

/// A relay for inside that wants credentials for outside: whoever is refused there pays for itself.
#[test]
fn recipients_that_are_refused_by_name_hold_up_nobody_once_one_was_served() {
    let mut lane = working();
    let outside: Vec<String> = (0..300).map(|n| format!("outside-{n}")).collect();
    lane.polled([mail(2, "news").to(&outside.iter().map(String::as_str).collect::<Vec<_>>()), mail(3, "inside")]);
    for _ in 0..outside.len() {
        let who = lane.running().into_iter().find(|who| who.starts_with("outside")).unwrap();
        lane.answer(&who, credentials_wanted());
        assert!(!is_stopped(&lane));
    }
    lane.answer("inside", delivered());
    assert_eq!(lane.settled.last().map(String::as_str), Some("inside@example.com delivered after 1"));
    lane.advance(hours(26));
    for _ in 0..2 {
        refuse_all(&mut lane, &credentials_wanted());
        lane.advance(hours(2));
    }
    assert_eq!(lane.dead.len(), outside.len(), "they give up in the end");
}

/// Nobody was served yet: it may be everybody's trouble. One who is served shows that it is not.
#[test]
fn before_anybody_was_served_it_stops_and_the_latest_who_comes_is_asked() {
    let mut lane = LaneUnderTest::reading();
    let outside: Vec<String> = (0..300).map(|n| format!("outside-{n}")).collect();
    lane.polled([mail(0, "news").to(&outside.iter().map(String::as_str).collect::<Vec<_>>())]);
    refuse_all(&mut lane, &credentials_wanted());
    assert_eq!(stops(&lane), 1);
    lane.advance(seconds(30));
    lane.polled([mail(1, "inside")]);
    for _ in 0..3 {
        lane.advance(minutes(1));
        refuse_all_but(&mut lane, "inside", &credentials_wanted());
    }
    assert!(lane.settled.iter().any(|settled| settled.starts_with("inside")), "{:?}", lane.settled);
    assert!(!is_stopped(&lane));
}

fn refuse_all_but(lane: &mut LaneUnderTest, served: &str, answer: &Answer) {
    for who in lane.running() {
        lane.answer(&who, if who == served { delivered() } else { answer.clone() });
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

/// What it is told it takes for everybody's, until others are served: then it is retried by itself, and not for ever.
#[test]
fn who_is_refused_alone_stops_everybody_once_and_ends() {
    let mut lane = LaneUnderTest::reading(); // give_up_after 1 h
    lane.polled([mail(0, "d")]);
    for n in 1..=180 {
        lane.polled([mail(n, &format!("k{n}"))]);
        for who in lane.running() {
            lane.answer(&who, if who == "d" { misconfigured() } else { delivered() });
        }
        lane.advance(minutes(1));
    }
    assert_eq!((stops(&lane), lane.settled.len()), (1, 181));
    assert_eq!(lane.dead.first().map(|letter| letter.reason.as_str()), Some("gave_up"));
    assert_eq!(lane.position(), Some(181), "the commit moved on");
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
