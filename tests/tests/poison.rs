//! P5: one record that is out of all measure, or kills whoever sends it, costs itself its delivery, and nobody else theirs.
use postrider_domain::{ChannelName, DeadReason, Fingerprint};
use postrider_testkit::{
    kafka::RawRecord,
    smtp::{Act, Stage},
};
use postrider_tests::{LONG, Settings, World, events, mail, wait::wait_until};

const MIB: usize = 1024 * 1024;

#[test]
fn a_record_whose_dead_letter_would_be_too_large_does_not_stop_the_lane() {
    let world = World::new("poison", Settings { partitions: 1, ..Settings::default() });
    // What the dead letter repeats of the event makes it larger than any topic takes: key, recipient.
    let long_key = RawRecord { key: None, ..events::record(&mail(&"k".repeat(2 * MIB), &["nobody"]), 1) };
    let long_address = events::record(&mail("long-address", &[&"a".repeat(6 * MIB)]), 1);
    world.produce_raw(&[long_key]); // one by one: together they are a batch that the topic does not take
    world.produce_raw(&[long_address]);
    world.produce(&[mail("good", &["ada@example.com"])]);
    assert_eq!(world.ends()[&0], 3);
    let processor = world.processor();
    world.settled("email");

    let subjects: Vec<_> = world.smtp.mails().iter().map(|mail| mail.text().contains("Subject: good")).collect();
    assert_eq!(subjects, [true], "the good one alone");
    let letters = world.dead_letters();
    let reasons: Vec<_> = letters.iter().map(|letter| (letter.offset, letter.reason)).collect();
    assert_eq!(reasons, [(0, DeadReason::InvalidAddress), (1, DeadReason::InvalidAddress)]);
    assert!(letters.iter().all(|letter| letter.value.is_some()), "the original is kept, byte for byte");
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
}

/// Each dead letter holds its whole record. A process that had them all in memory would die of it, and the next one, too.
#[test]
fn a_large_record_that_ends_in_many_letters_does_not_fill_the_memory() {
    const RECIPIENTS: usize = 300;
    let world = World::new("letters", Settings { partitions: 1, ..Settings::default() });
    let addresses: Vec<_> = (0..RECIPIENTS).map(|n| format!("to-{n}@example.com")).collect();
    let first = mail("order", &addresses.iter().map(String::as_str).collect::<Vec<_>>());
    let mut other = first.clone();
    other.email.iter_mut().for_each(|email| email.text = Some("x".repeat(MIB)));
    let processor = world.processor();
    world.produce(&[first, other, mail("good", &["ada@example.com"])]);
    world.settled("email");

    assert_eq!(world.smtp.count(), RECIPIENTS + 1, "the first of each, and the good one");
    let letters = processor.metrics().count("dead_letters_total", &[("reason", "key_conflict")]);
    assert_eq!(usize::try_from(letters), Ok(RECIPIENTS));
    let peak = processor.memory_peak() / MIB;
    assert!(peak < 250, "{peak} MiB were resident");
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
}

/// The first death proves nothing; after it every attempt is on record before it begins, after the second whoever was
/// under way then is tried alone, and the third such attempt that a process does not survive was the last. The
/// neighbours are under way at each death that they can be under way at, and are served all the same.
#[test]
fn a_delivery_that_kills_the_process_each_time_ends_as_a_crash_loop_alone() {
    let world = World::new("crash-loop", Settings { partitions: 1, ..Settings::default() });
    let poison = mail("poison", &["poison@example.com"]);
    let id = Fingerprint::of_delivery(&poison, ChannelName::Email, "poison@example.com", None);
    world.smtp.on(Stage::Rcpt).act(Act::Hang);
    world.produce(&[mail("before", &["ada@example.com"]), poison, mail("after", &["ada@example.com"])]);
    for death in 0..4u32 {
        if death == 2 {
            // From here on it is tried alone, and nobody else is to blame.
            world.smtp.behave();
            world.smtp.on(Stage::Rcpt).recipient("poison@example.com").act(Act::Hang);
        }
        let processor = world.start(&["process"]);
        match death.checked_sub(1) {
            None => {
                wait_until("all are under way", LONG, || processor.metrics().sum("deliveries_in_flight", &[]) == 3.0)
            }
            Some(deaths) => wait_until(&format!("it is under way for death {death}"), LONG, || {
                let marks = world.ledger("email").marks;
                marks.get(&id) == Some(&deaths) && (death != 1 || marks.len() == 3)
            }),
        }
        assert!(world.dead_letters().is_empty(), "given up too early");
        processor.kill();
    }
    world.smtp.behave();
    let processor = world.processor();
    world.settled("email");
    assert_eq!(world.dead_reasons(), [DeadReason::CrashLoop]);
    assert_eq!(world.dead_letters()[0].event_key.as_deref(), Some("poison"));
    assert_eq!(world.smtp.count(), 2, "its neighbours, each once");
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
}
