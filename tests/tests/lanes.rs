//! A lane for each channel, in one process or in several: what stops one does not touch the other.

use postrider_domain::{Notification, Outcome};
use postrider_testkit::smtp::{Act, Stage};
use postrider_tests::{LONG, Settings, World, mail, slack, wait::wait_until};

/// An event for both channels.
fn both(key: &str) -> Notification {
    Notification { slack: slack(key, &["ops"]).slack, ..mail(key, &["ada@example.com"]) }
}

#[test]
fn a_lane_runs_by_itself_and_knows_nothing_of_the_other() {
    let world = World::new("lanes", Settings { slack: vec!["ops".to_owned()], ..Settings::default() });
    world.produce(&[both("order-1"), both("order-2")]);
    let alone = world.start(&["process", "--lane", "slack"]).ready();
    world.settled("slack");
    assert_eq!((world.slack.posted("ops").len(), world.smtp.count()), (2, 0));
    assert!(!alone.exposition().contains("lane=\"email\""));
    assert!(world.committed("email").is_empty(), "the other lane has not begun");
    let other = world.start(&["process", "--lane", "email"]).ready();
    world.settled("email");
    assert_eq!((world.slack.posted("ops").len(), world.smtp.count()), (2, 2));
    for process in [alone, other] {
        let (status, _) = process.terminate(LONG);
        assert!(status.success(), "{status}");
    }
    let unknown = world.run(&["process", "--lane", "fax"]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("email, slack"), "{unknown:?}");
}

/// P5 between channels: a mail server that takes nothing is mail's affair.
#[test]
fn a_mail_server_that_is_down_delays_no_slack_message() {
    let world = World::new("down", Settings { slack: vec!["ops".to_owned()], ..Settings::default() });
    world.smtp.on(Stage::Greeting).act(Act::reply("421 4.3.2 Service shutting down"));
    let events: Vec<_> = (0..50).map(|n| both(&format!("order-{n}"))).collect();
    world.produce(&events);
    let processor = world.processor();
    world.settled("slack");
    assert_eq!((world.slack.posted("ops").len(), world.smtp.count()), (50, 0));
    wait_until("mail was tried", LONG, || 0 < processor.metrics().count("attempts_total", &[("lane", "email")]));
    assert!(world.committed("email").values().all(|position| *position == 0), "mail's offsets stay where they are");
    world.smtp.behave();
    world.settled("email");
    assert_eq!(world.smtp.count(), 50);
    assert!(world.ledger("email").receipts.values().all(|receipt| receipt.outcome == Outcome::Delivered));
}
