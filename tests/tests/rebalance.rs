//! Processes come, go and freeze while everything runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use postrider_domain::{ChannelName, Fingerprint, Notification};
use postrider_testkit::{
    kafka::RealKafka,
    smtp::{Act, SmtpOptions, Stage},
};
use postrider_tests::{LONG, Process, Settings, World, mail, wait::wait_until};
use rustix::process::Signal;

fn recipient(n: usize) -> String {
    format!("person-{n}@example.com")
}

fn load(count: usize) -> Vec<Notification> {
    (0..count).map(|n| mail(&format!("order-{n}"), &[&recipient(n)])).collect()
}

fn server_that_takes(delay_per_mail: Duration) -> SmtpOptions {
    SmtpOptions { delay_per_mail, ..SmtpOptions::default() }
}

#[track_caller]
fn assigned(process: &Process) -> u64 {
    process.metrics().count("partitions_assigned", &[("lane", "email")])
}

/// Everybody got their mail; returns who got more than one, and how many.
#[track_caller]
fn check_nothing_lost(world: &World, count: usize) -> BTreeMap<String, usize> {
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for mail in world.smtp.mails() {
        *copies.entry(mail.recipients[0].clone()).or_default() += 1;
    }
    for n in 0..count {
        assert!(copies.contains_key(&recipient(n)), "{} got nothing", recipient(n));
    }
    assert!(world.dead_letters().is_empty());
    copies.into_iter().filter(|(_, copies)| 1 < *copies).collect()
}

/// Recipients whose mail has arrived although the ledger knows nothing of it.
fn unrecorded(world: &World, events: &[Notification]) -> BTreeSet<String> {
    let receipts = world.ledger("email").receipts;
    let mails = world.smtp.mails();
    let arrived: BTreeSet<&str> = mails.iter().map(|mail| mail.recipients[0].as_str()).collect();
    let is_unrecorded = |n: &usize| {
        let id = Fingerprint::of_delivery(&events[*n], ChannelName::Email, &recipient(*n), None);
        !receipts.contains_key(&id) && arrived.contains(recipient(*n).as_str())
    };
    (0..events.len()).filter(is_unrecorded).map(recipient).collect()
}

/// The second process gets its share while mails flow, and gives it back in order when it leaves.
#[test]
fn a_process_joins_and_leaves_under_load_and_nothing_comes_twice() {
    const MAILS: usize = 3_000;
    // Nobody freezes here: no lease runs out because the machine is slow.
    let session_timeout = Duration::from_secs(45);
    let settings = Settings { in_flight_max: 8, connections_max: 8, session_timeout, ..Settings::default() };
    let world = World::with(RealKafka::shared(), "join", settings, server_that_takes(Duration::from_millis(20)));
    let events = load(MAILS);
    world.produce(&events);
    let first = world.processor();
    wait_until("mails flow", LONG, || 100 < world.smtp.count());
    let second = world.processor();
    wait_until("both have a share", LONG, || assigned(&first) == 2 && assigned(&second) == 2);
    let delivered = |process: &Process| process.metrics().count("deliveries_total", &[("outcome", "delivered")]);
    wait_until("the second delivers", LONG, || 100 < delivered(&second));
    assert!(world.smtp.count() < MAILS, "the load ended before the rebalance did");
    // Twins of what one process has sent or has in hand, for the other to see after either rebalance.
    world.produce(&events[..200]);
    let (status, _) = second.terminate(LONG);
    assert!(status.success(), "{status}");
    wait_until("the first has everything back", LONG, || assigned(&first) == 4);
    world.settled("email");
    assert_eq!(check_nothing_lost(&world, MAILS), BTreeMap::new());
    assert_eq!(first.metrics().sum("ambiguous_sends_total", &[]), 0.0);
}

/// A partition changes hands only when nothing of it is under way any more: its new owner would send it too.
#[test]
fn a_partition_is_not_given_away_before_its_attempts_have_ended() {
    const MAILS: usize = 20;
    let settings = Settings { drain_timeout: Duration::from_secs(30), ..Settings::default() };
    let world = World::with(RealKafka::shared(), "busy", settings, SmtpOptions::default());
    // Long enough for a second process to come meanwhile, short enough for the drain.
    world.smtp.on(Stage::Dot).times(20).act(Act::Delay(Duration::from_secs(15)));
    world.produce(&load(MAILS));
    let first = world.processor();
    wait_until("all attempts are under way", LONG, || world.smtp.connections_made() == 20);
    let second = world.start(&["process"]);
    wait_until("it is asked for a share", LONG, || !first.logs().of("INFO", "partitions revoked").is_empty());
    assert_eq!(first.metrics().sum("deliveries_in_flight", &[]), 20.0, "all attempts were still under way");
    wait_until("both have a share", LONG, || assigned(&first) == 2 && assigned(&second) == 2);
    world.settled("email");
    assert_eq!(check_nothing_lost(&world, MAILS), BTreeMap::new());
}

/// A process that was frozen past its session wakes up among partitions that are another's: it starts nothing. What it
/// had begun to write may arrive, and then come once more.
#[test]
fn a_frozen_process_that_wakes_up_starts_nothing() {
    const MAILS: usize = 1_500;
    let settings = Settings { in_flight_max: 4, connections_max: 4, ..Settings::default() };
    let world = World::with(RealKafka::shared(), "freeze", settings, server_that_takes(Duration::from_millis(20)));
    let events = load(MAILS);
    world.produce(&events);
    let frozen = world.processor();
    wait_until("mails flow", LONG, || 50 < world.smtp.count());
    frozen.signal(Signal::STOP);
    let at_the_freeze = world.smtp.mails();
    let unrecorded = unrecorded(&world, &events);
    assert!(at_the_freeze.len() + 500 < MAILS, "the load ended before the freeze");
    let other = world.start(&["process"]);
    wait_until("the other has everything", LONG, || assigned(&other) == 4);
    wait_until("the other delivers", LONG, || at_the_freeze.len() + 100 < world.smtp.count());
    frozen.signal(Signal::CONT);
    world.settled("email");
    wait_until("the woken one is a member again", LONG, || 0 < assigned(&frozen));

    let twice = check_nothing_lost(&world, MAILS);
    assert!(twice.values().all(|copies| *copies == 2), "{twice:?}");
    // A mail can have arrived before the freeze without its receipt; or its write had begun and ended on waking.
    let without_that_cause: Vec<_> = twice.keys().filter(|recipient| !unrecorded.contains(*recipient)).collect();
    assert!(without_that_cause.len() <= 4, "only four writes can have begun: {without_that_cause:?}");
    let ambiguous = |process: &Process| process.metrics().count("ambiguous_sends_total", &[("lane", "email")]);
    let counted = ambiguous(&frozen) + ambiguous(&other);
    assert!(twice.len() as u64 <= counted, "{twice:?} came twice, {counted} counted");
}

/// The lease is asked for right before the message: what waited for the server's word at the freeze finds it on waking,
/// and must not go on from there.
#[test]
fn a_message_that_had_not_begun_before_the_freeze_is_never_sent() {
    const MAILS: usize = 4;
    let session_timeout = Duration::from_secs(10);
    let settings = Settings { in_flight_max: 4, connections_max: 4, session_timeout, ..Settings::default() };
    let world = World::new("frozen", settings);
    // Shorter than the session, so that the words are there before the other takes over.
    world.smtp.on(Stage::Rcpt).times(4).act(Act::Delay(Duration::from_secs(8)));
    world.produce(&load(MAILS));
    let frozen = world.start(&["process"]);
    wait_until("all attempts are under way", LONG, || world.smtp.connections_made() == 4);
    frozen.signal(Signal::STOP);
    assert_eq!(world.smtp.count(), 0, "a message was sent before the freeze");
    let other = world.start(&["process"]);
    wait_until("the other has everything", LONG, || assigned(&other) == 4);
    world.settled("email");
    assert_eq!(world.smtp.count(), MAILS);
    frozen.signal(Signal::CONT);
    wait_until("the woken one is a member again", LONG, || 0 < assigned(&frozen) && assigned(&other) < 4);
    wait_until("the woken one has nothing under way", LONG, || {
        frozen.metrics().sum("deliveries_in_flight", &[]) == 0.0
    });
    assert_eq!(check_nothing_lost(&world, MAILS), BTreeMap::new());
}

/// More processes than partitions are no fault: who has nothing to do is ready, and takes over.
#[test]
fn a_member_with_nothing_assigned_is_ready() {
    let world = World::new("idle", Settings { partitions: 1, ..Settings::default() });
    let (first, second) = (world.processor(), world.processor());
    assert_eq!(assigned(&first) + assigned(&second), 1);
    let (busy, idle) = if assigned(&first) == 1 { (first, second) } else { (second, first) };
    world.produce(&load(1));
    world.settled("email");
    assert_eq!(idle.metrics().sum("records_total", &[]), 0.0);
    let (status, _) = busy.terminate(LONG);
    assert!(status.success(), "{status}");
    wait_until("the other takes over", LONG, || assigned(&idle) == 1);
    world.produce(&load(2));
    world.settled("email");
    assert_eq!(world.smtp.count(), 2);
}

/// A stop waits for what is under way, up to `drain_timeout`; a provider that hangs does not hold it longer, and the
/// next process knows what may have been sent.
#[test]
fn a_stop_drains_and_leaves_the_group() {
    let settings = Settings { drain_timeout: Duration::from_secs(2), partitions: 1, ..Settings::default() };
    let world = World::with(RealKafka::shared(), "stop", settings, server_that_takes(Duration::from_millis(500)));
    world.produce(&load(1));
    let processor = world.processor();
    wait_until("an attempt is under way", LONG, || world.smtp.connections_made() == 1);
    let (status, took) = processor.terminate(LONG);
    assert!(status.success() && took < Duration::from_secs(12), "{status} after {took:?}");
    assert_eq!(world.members("email"), 0, "it has left the group");
    let processor = world.processor();
    world.settled("email");
    assert_eq!(world.smtp.count(), 1, "what was under way was finished, not repeated");

    world.smtp.on(Stage::Dot).recipient("hangs@example.com").times(1).act(Act::Hang);
    world.produce(&[mail("hangs", &["hangs@example.com"])]);
    wait_until("the attempt hangs", LONG, || processor.metrics().sum("deliveries_in_flight", &[]) == 1.0);
    let (status, took) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
    assert!(Duration::from_secs(2) <= took && took < Duration::from_secs(12), "it took {took:?}");
    assert_eq!(world.members("email"), 0, "it has left the group");
    let _processor = world.processor();
    world.settled("email");
    assert_eq!(world.smtp.mails().iter().filter(|mail| mail.recipients[0] == "hangs@example.com").count(), 1);
    assert!(world.ledger("email").parked.is_empty(), "the pointer is gone once there is a receipt");
}
