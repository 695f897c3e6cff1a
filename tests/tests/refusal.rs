//! Topics that break a promise are refused, loudly, and taken up by themselves once they are mended.

use postrider_tests::{LONG, Settings, World, mail, wait::wait_until};

#[test]
fn a_refused_partition_is_taken_up_once_its_ledger_is_mended() {
    let world = World::new("refusal", Settings { partitions: 1, ..Settings::default() });
    let ledger = format!("{}.email.ledger", world.topic);
    let shorten = ["--alter", "--entity-type", "topics", "--entity-name", &ledger, "--add-config", "retention.ms=1000"];
    world.kafka.tool("kafka.admin.ConfigCommand", &shorten).expect("Kafka changes the setting");
    world.produce(&[mail("order-1", &["ada@example.com"])]);
    let processor = world.processor();
    let stopped = || processor.metrics().sum("partition_stopped", &[("lane", "email")]);
    wait_until("the partition is refused", LONG, || stopped() == 1.0);
    let lines = processor.logs().of("ERROR", "partition refused");
    let text = lines[0]["message"].as_str().expect("a message");
    assert!(text.contains("retention.ms") && text.contains("postrider topics apply"), "it says what to do: {text}");

    assert!(world.run(&["topics", "apply"]).status.success());
    world.settled("email");
    assert_eq!((stopped(), world.smtp.mails().len()), (0.0, 1));
    let (status, _) = processor.terminate(LONG);
    assert!(status.success(), "{status}");
}
