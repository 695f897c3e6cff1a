//! P1 and P2 where it hurts: `kill -9` of the processor, and of the broker, at random moments under load.
//!
//! The seed is printed; `POSTRIDER_TEST_SEED` repeats a run's choices.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use postrider_domain::{ChannelName, Fingerprint, Notification, Outcome};
use postrider_testkit::{kafka::RealKafka, smtp::SmtpOptions};
use postrider_tests::{LONG, Settings, World, mail, wait::wait_until};

const KILLS: usize = 20;
const IN_FLIGHT: u32 = 8;
const MAILS: usize = 4_000;

fn random() -> fastrand::Rng {
    let seed = std::env::var("POSTRIDER_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    eprintln!("POSTRIDER_TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

fn recipient(n: usize) -> String {
    format!("person-{n}@example.com")
}

fn load(count: usize) -> Vec<Notification> {
    (0..count).map(|n| mail(&format!("order-{n}"), &[&recipient(n)])).collect()
}

fn busy() -> Settings {
    Settings { in_flight_max: IN_FLIGHT, connections_max: 8, ..Settings::default() }
}

fn server_that_takes(delay_per_mail: Duration) -> SmtpOptions {
    SmtpOptions { delay_per_mail, ..SmtpOptions::default() }
}

/// Recipients whose mail has reached the server although the ledger knows nothing of it.
fn unrecorded(world: &World, events: &[Notification]) -> BTreeSet<String> {
    wait_until("the server has read what a dead client had sent", LONG, || world.smtp.connections_open() == 0);
    let receipts = world.ledger("email").receipts;
    let arrived: BTreeSet<String> = world.smtp.mails().iter().flat_map(|mail| mail.recipients.clone()).collect();
    let is_unrecorded = |n: &usize| {
        let id = Fingerprint::of_delivery(&events[*n], ChannelName::Email, &recipient(*n), None);
        !receipts.contains_key(&id) && arrived.contains(&recipient(*n))
    };
    (0..events.len()).filter(is_unrecorded).map(recipient).collect()
}

/// Every delivery is settled as delivered and arrived at least once; all its copies bear one Message-ID. Returns
/// how many copies each recipient got.
fn check_nothing_lost(world: &World, events: &[Notification]) -> BTreeMap<String, usize> {
    let receipts = world.ledger("email").receipts;
    for (n, event) in events.iter().enumerate() {
        let id = Fingerprint::of_delivery(event, ChannelName::Email, &recipient(n), None);
        let outcome = receipts.get(&id).map(|receipt| receipt.outcome);
        assert_eq!(outcome, Some(Outcome::Delivered), "{}", event.event_key);
    }
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mail in world.smtp.mails() {
        *copies.entry(mail.recipients[0].clone()).or_default() += 1;
        ids.entry(mail.recipients[0].clone())
            .or_default()
            .insert(mail.message_id.clone().expect("a mail has a Message-ID"));
    }
    assert_eq!(copies.len(), events.len(), "somebody got nothing, or somebody unknown got something");
    assert!(ids.values().all(|ids| ids.len() == 1), "two copies of one mail bear different Message-IDs");
    assert!(world.dead_letters().is_empty());
    copies
}

/// The sharp form of "duplicates ≤ what was in flight": at each death we look which mails had arrived without a
/// receipt; only those may come once more, and only once for each such death.
#[test]
fn killing_the_processor_loses_nothing_and_repeats_only_what_was_in_flight() {
    let mut random = random();
    let world = World::with(RealKafka::shared(), "kill", busy(), server_that_takes(Duration::from_millis(5)));
    let events = load(MAILS);
    world.produce(&events);
    let mut may_come_again: BTreeMap<String, usize> = BTreeMap::new();
    for kill in 0..KILLS {
        let before = world.smtp.count();
        let processor = world.start(&["process"]);
        // Soon after the start, while it tries again what the one before had begun, or in the midst of new load.
        let most = if random.bool() { 12 } else { 180 };
        let more = random.usize(1..=most);
        wait_until(&format!("{more} mails more before death {kill}"), LONG, || before + more <= world.smtp.count());
        processor.kill();
        assert!(world.smtp.count() < MAILS, "the load ended before the deaths did");
        let unrecorded = unrecorded(&world, &events);
        let fresh = unrecorded.iter().filter(|recipient| !may_come_again.contains_key(*recipient)).count();
        assert!(
            fresh <= 2 * IN_FLIGHT as usize,
            "{fresh} mails without a receipt at death {kill}: half may run, half may wait"
        );
        for recipient in unrecorded {
            *may_come_again.entry(recipient).or_default() += 1;
        }
    }
    let _last = world.processor();
    world.settled_within("email", LONG * 2);
    let copies = check_nothing_lost(&world, &events);
    for (recipient, copies) in &copies {
        let allowed = 1 + may_come_again.get(recipient).copied().unwrap_or_default();
        assert!(*copies <= allowed, "{recipient} got {copies} copies; at most {allowed} have a cause");
    }
    let in_flight: usize = may_come_again.values().sum();
    let duplicates: usize = copies.values().map(|copies| copies - 1).sum();
    eprintln!("{KILLS} deaths: {in_flight} mails in flight, {duplicates} duplicates, 0 lost of {MAILS}");
}

/// The broker dies under the processor, which lives on, and under the acknowledgements it waits for.
#[test]
fn killing_the_broker_loses_nothing() {
    const DEATHS: usize = 3;
    let mut random = random();
    let kafka: &'static RealKafka = Box::leak(Box::new(RealKafka::start(1).expect("Kafka starts")));
    let world = World::with(kafka, "broker", busy(), server_that_takes(Duration::from_millis(20)));
    let events = load(MAILS);
    world.produce(&events);
    let mut processor = world.processor();
    for death in 0..DEATHS {
        let until = world.smtp.count() + random.usize(50..=300);
        wait_until(&format!("mails before the broker's death {death}"), LONG, || until <= world.smtp.count());
        assert!(world.smtp.count() < MAILS, "the load ended before the deaths did");
        kafka.kill(0).expect("the broker dies");
        kafka.restart(0).expect("the broker starts again");
        kafka.wait_for_brokers(1).expect("the broker answers again");
    }
    world.settled_within("email", LONG * 2);
    assert!(processor.runs(), "the processor outlives the broker");
    let copies = check_nothing_lost(&world, &events);
    let duplicates: usize = copies.values().map(|copies| copies - 1).sum();
    let allowed = DEATHS * IN_FLIGHT as usize;
    assert!(duplicates <= allowed, "{duplicates} duplicates, but at most {allowed} attempts were under way");
    eprintln!("{DEATHS} deaths of the broker: {duplicates} duplicates, 0 lost of {MAILS}");
}
